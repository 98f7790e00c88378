"""The figures of the MMD-VLAE paper, from ladders whose pictures say what they were decoded from."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from pictures import table
from PIL import Image
from torch import Tensor

from lit_faces.arithmetic import arithmetic
from lit_faces.data.base import FaceDataModule
from lit_faces.data.batch import DataSpec
from lit_faces.data.expressions import Expressions
from lit_faces.data.synthetic import Synthetic
from lit_faces.objectives.gaussian import LATENT_LOG_VARIANCE, DiagonalGaussian, diagonal
from lit_faces.studies.figures import FIGURES, faces, manifolds


class Ladder:
    """Encodes the means of the colours and more, and decodes the first two numbers of a layer as red and green."""

    def __init__(self, spec: DataSpec, latent_dims: tuple[int, ...] = (2, 2, 2), shown: int = 0) -> None:
        self.spec, self.latent_dims, self.shown = spec, latent_dims, shown
        self.decoded: list[Tensor] = []

    def posterior(self, images: Tensor) -> DiagonalGaussian:
        mean = images.flatten(2).mean(2).repeat(1, 9)[:, : sum(self.latent_dims)]
        return diagonal((mean, torch.zeros_like(mean)), LATENT_LOG_VARIANCE)

    def decode(self, z: Tensor) -> Tensor:
        self.decoded.append(z)
        colour = torch.zeros(len(z), 3)
        colour[:, :2] = (z[:, self.shown : self.shown + 2] / 6 + 0.5).clamp(0, 1)
        return colour[..., None, None].expand(-1, -1, *self.spec.image_shape[1:])


class Halved(Ladder):
    """Reconstructs every image half as bright."""

    def reconstruct(self, images: Tensor, attributes: Tensor) -> Tensor:
        return images / 2


class Redness:
    """A judge that sees every attribute as far as the picture is red."""

    def __init__(self, spec: DataSpec) -> None:
        self.spec = spec

    def probabilities(self, images: Tensor) -> Tensor:
        return images[:, 0].flatten(1).mean(1)[:, None].repeat(1, len(self.spec.attributes))


@dataclass
class StubStudy:
    edits: dict[str, dict[str, list[str]]] = field(default_factory=dict)


@dataclass
class StubContext:
    folder: Path
    kinds: dict[str, FaceDataModule]
    methods: dict[str, object]
    study: StubStudy = field(default_factory=StubStudy)

    def data(self, run: str) -> FaceDataModule:
        return self.kinds[run]

    def judge(self, run: str) -> Redness:
        return Redness(self.kinds[run].spec)

    def groups(self) -> list[list[str]]:
        grouped: dict[int, list[str]] = {}
        for name in self.methods:
            grouped.setdefault(id(self.kinds[name]), []).append(name)
        return list(grouped.values())

    def draw(self, figure: str, settings: Any) -> list[Path]:
        return FIGURES[figure](settings, self)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def kinds() -> dict[str, FaceDataModule]:
    faces = Synthetic(batch_size=8, size=16, train=16, validation=8, test=60)
    spectacles = Synthetic(batch_size=8, size=16, train=56, validation=56, test=84, subset="Glasses")
    classes = Expressions(batch_size=8, size=16, train=56, validation=56, test=84)
    for data in (faces, spectacles, classes):
        data.setup()
    return {"vlae": faces, "mmdvlae": faces, "other": faces, "spectacles": spectacles, "classes": classes}


@pytest.fixture
def context(kinds: dict[str, FaceDataModule], tmp_path: Path) -> StubContext:
    methods: dict[str, object] = {
        name: Ladder(data.spec) if name != "other" else object() for name, data in kinds.items()
    }
    edits = {
        "smile": {"set": ["Smiling"], "reset": ["Mouth Wide Open"]},
        "bald": {"reset": ["Bald"]},
        "unknown": {"set": ["Pale Ears"]},
        "men": {"set": ["Male"]},
    }
    return StubContext(tmp_path, kinds, methods, StubStudy(edits))


def codes(rows: list[dict[str, str]], layer: str, prefix: str) -> Tensor:
    """What a panel has of the layers whose names begin so."""
    lines = [row for row in rows if row["layer varied"] == layer]
    return torch.tensor([[float(row[key]) for key in row if key.startswith(prefix)] for row in lines])


def test_a_layer_of_two_is_on_a_grid_and_the_others_are_held(context: StubContext) -> None:
    [picture] = context.draw("manifolds", ["vlae"])
    rows = table(picture)
    assert picture.name == "manifolds_vlae.png"
    assert len(rows) == 3 * 15 * 15
    grid = torch.tensor([[-3 + 6 * x / 14, 3 - 6 * y / 14] for y in range(15) for x in range(15)])
    held = {f"z_{level}": codes(rows, f"z_{1 - bool(level)}", f"z_{level} ")[0] for level in range(3)}
    for layer in ("z_0", "z_1", "z_2"):
        assert torch.allclose(codes(rows, layer, f"{layer} "), grid, atol=1e-4)
        for other in {"z_0", "z_1", "z_2"} - {layer}:
            assert torch.equal(codes(rows, layer, f"{other} "), held[other].repeat(225, 1))
    assert len({tuple(code.tolist()) for code in held.values()}) == 3
    places = [(int(row["row"]), int(row["column"])) for row in rows]
    assert places == [(y, x) for _ in range(3) for y in range(15) for x in range(15)]


def test_what_is_decoded_is_what_the_table_says(context: StubContext) -> None:
    [picture] = context.draw("manifolds", ["vlae"])
    decoded = torch.cat(context.methods["vlae"].decoded)  # type: ignore[attr-defined]
    rows = table(picture)
    said = torch.cat([codes(rows, f"z_{level}", "z_") for level in range(3)])
    assert torch.allclose(decoded, said, atol=1e-4)


def test_the_pictures_lie_as_the_axes_say(context: StubContext, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []
    save = manifolds.save
    monkeypatch.setattr(manifolds, "save", lambda figure, path: (drawn.append(figure), save(figure, path)))
    context.draw("manifolds", ["vlae"])
    axes = drawn[0].axes
    assert [axis.get_title() for axis in axes] == ["z_0, bottom", "z_1", "z_2, top"]
    sheet, (left, right, low, high) = axes[0].images[0].get_array(), axes[0].images[0].get_extent()
    assert axes[0].images[0].origin == "upper"
    for x, y in ((-3, 3), (3, 3), (-3, -3), (0, 0), (3 - 6 / 14, -3)):
        line = int((high - y) / (high - low) * len(sheet))
        column = int((x - left) / (right - left) * sheet.shape[1])
        assert sheet[line, column].tolist() == pytest.approx([x / 6 + 0.5, y / 6 + 0.5, 0], abs=1e-5)


def test_a_layer_of_more_is_drawn_from_the_prior_the_same_in_every_run(context: StubContext) -> None:
    spec = context.kinds["vlae"].spec
    context.methods |= {"vlae": Ladder(spec, (5, 0, 2)), "mmdvlae": Ladder(spec, (5, 0, 2))}
    one, other = context.draw("manifolds", ["vlae", "mmdvlae"])
    rows = table(one)
    assert table(other) == rows
    assert [row["layer varied"] for row in rows] == ["z_0"] * 64 + ["z_2"] * 225
    drawn = codes(rows, "z_0", "z_0 ")
    assert drawn.shape == (64, 5)
    assert len(drawn.unique(dim=0)) == 64
    # Of 320 standard normal numbers.
    assert abs(float(drawn.mean())) < 0.2
    assert float(drawn.std()) == pytest.approx(1, abs=0.15)
    assert len(codes(rows, "z_0", "z_2 ").unique(dim=0)) == len(codes(rows, "z_2", "z_0 ").unique(dim=0)) == 1


def test_a_single_layer_is_the_top(context: StubContext, monkeypatch: pytest.MonkeyPatch) -> None:
    titles: list[str] = []
    save = manifolds.save

    def saved(figure: Any, path: Path) -> None:
        titles.extend(axis.get_title() for axis in figure.axes)
        save(figure, path)

    monkeypatch.setattr(manifolds, "save", saved)
    context.methods["vlae"] = Ladder(context.kinds["vlae"].spec, (0, 0, 0, 10))
    [picture] = context.draw("manifolds", ["vlae"])
    assert titles == ["z_3, top"]
    assert {row["layer varied"] for row in table(picture)} == {"z_3"}


def test_faces_are_added_a_row_an_attribute(context: StubContext) -> None:
    [picture] = context.draw("arithmetic", ["vlae", "not_made", "mmdvlae", "other"])
    assert picture.name == "arithmetic.png"
    rows = table(picture)
    assert [row["attribute"] for row in rows] == ["Smiling"] * 5 + ["Male"] * 5
    assert [row["picture"] for row in rows] == ["a", "b", "c", "vlae", "mmdvlae"] * 2
    data = context.data("vlae")
    faces, spec = data.splits["test"], data.spec
    place = {row: number for number, row in enumerate(faces.index.tolist())}
    for attribute, lines in (("Smiling", rows[:5]), ("Male", rows[5:])):
        shown = torch.tensor([place[int(row["test row"])] for row in lines])
        truth = spec.binary(faces.attributes)[shown]
        assert truth[:3, spec.position(attribute)].tolist() == [False, False, True]
        if attribute != "Male":
            assert truth[1, spec.position("Male")] == truth[2, spec.position("Male")]
        assert shown[0] == shown[3] == shown[4] != shown[1]
        a, b, c = (faces.images[shown[i]].permute(2, 0, 1)[None] / 255 for i in range(3))
        result = arithmetic(Ladder(spec), a, b, c)
        for row, image in zip(lines, (a, b, c, result, result), strict=True):
            assert float(row["judge on attribute"]) == pytest.approx(float(image[0, 0].mean()), abs=1e-4)


def test_without_edits_the_data_s_labels_are_added_and_classes_never(context: StubContext) -> None:
    context.study = StubStudy()
    [picture] = context.draw("arithmetic", ["vlae", "spectacles", "classes"])
    assert picture.name == "arithmetic_spectacles.png"
    rows = table(picture)
    assert {row["attribute"] for row in rows} == {"Eyeglasses"}
    with Image.open(picture) as image:
        assert image.width > image.height


def test_reconstructions_of_other_data_have_the_name_of_their_first_run(
    context: StubContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    titles: list[str] = []
    grid = faces.grid

    def drawing(path: Path, drawn: dict[str, Tensor], title: str) -> None:
        titles.append(f"{[*drawn]}: {title}")
        grid(path, drawn, title=title)

    monkeypatch.setattr(faces, "grid", drawing)
    context.kinds |= {"classes_too": context.kinds["classes"]}
    context.methods = {name: Halved(context.kinds[name].spec) for name in ("vlae", "mmdvlae", "classes", "classes_too")}
    pictures = context.draw("reconstructions", None)
    assert [path.name for path in pictures] == ["reconstructions.png", "reconstructions_classes.png"]
    assert {row["method"] for row in table(pictures[1])} == {"classes", "classes_too"}
    assert titles == [
        f"{['image', *runs]}: held-out images and their reconstructions"
        for runs in (["vlae", "mmdvlae"], ["classes", "classes_too"])
    ]


@pytest.mark.parametrize("figure", ["manifolds", "arithmetic"])
def test_what_was_not_made_is_left_out(context: StubContext, figure: str) -> None:
    assert context.draw(figure, ["not_made", "other"]) == []
