"""The figures of the CSVAE paper, drawn from tiny models without training."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pictures import table
from PIL import Image

from lit_faces.data.base import FaceDataModule
from lit_faces.data.expressions import Expressions
from lit_faces.data.swiss_roll import SwissRoll
from lit_faces.data.synthetic import Synthetic
from lit_faces.methods.base import Method
from lit_faces.methods.condvae import CondVAE
from lit_faces.methods.condvae_info import CondVAEInfo
from lit_faces.methods.csvae import CSVAE
from lit_faces.methods.labelled import LabelledVAE
from lit_faces.methods.vae import VAE
from lit_faces.studies.collect import Results
from lit_faces.studies.figures import FIGURES
from lit_faces.studies.figures.drawing import shrink
from lit_faces.studies.figures.panels import representatives

SIZES = {"batch_size": 8, "size": 16, "train": 56, "validation": 56, "test": 84}
SMALL = {"width": 0.06, "latent_dim": 4}


@dataclass
class StubContext:
    folder: Path
    methods: dict[str, Method] = field(default_factory=dict)
    kinds: dict[str, FaceDataModule] = field(default_factory=dict)
    results: Results = field(default_factory=lambda: Results([], {}, {}))

    def data(self, run: str) -> FaceDataModule:
        return self.kinds[run]

    def judge(self, run: str) -> Method | None:
        return None

    def draw(self, figure: str, settings: Any) -> list[Path]:
        with torch.no_grad():
            return FIGURES[figure](settings, self)  # type: ignore[arg-type]


def ready(data: FaceDataModule, *classes: type[LabelledVAE], **settings: Any) -> list[Method]:
    data.setup()
    methods = []
    for cls in classes:
        torch.manual_seed(0)
        method = cls(**{**SMALL, **settings})
        method.prepare(data.spec)
        methods.append(method.eval())
    return methods


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> StubContext:
    context = StubContext(tmp_path_factory.mktemp("figures"))
    for data, classes in (
        (Synthetic(subset="Glasses", **SIZES), {"csvae": CSVAE, "condvae": CondVAE, "condvae_info": CondVAEInfo}),
        (Synthetic(subset="GlassesFacialHair", **SIZES), {"csvae_joint": CSVAE}),
        (Expressions(**SIZES), {"vae_tfd": VAE, "condvae_tfd": CondVAE, "csvae_tfd": CSVAE}),
    ):
        context.methods |= dict(zip(classes, ready(data, *classes.values()), strict=True))
        context.kinds |= dict.fromkeys(classes, data)
    glasses = context.kinds["csvae"]
    for name, settings in (("csvae_deep", {"subspace_dim": 5}), ("csvae_axes", {})):
        context.methods |= {name: ready(glasses, CSVAE, search="principal", **settings)[0]}
        context.kinds |= {name: glasses}
    roll = SwissRoll(samples=300)
    context.methods |= {"roll": ready(roll, CSVAE, latent_dim=2, prior_swap=True)[0]}
    context.kinds |= {"roll": roll}
    return context


def test_the_swiss_roll_has_a_row_a_test_point(context: StubContext) -> None:
    [picture] = context.draw("swiss_roll", ["roll"])
    rows = table(picture)
    assert picture.name == "swiss_roll_roll.png"
    assert len(rows) == 30
    faces = context.data("roll").splits["test"]
    assert [int(row["test row"]) for row in rows] == faces.index.tolist()
    assert float(rows[0]["y"]) == pytest.approx(float(faces.images[0, 0, 0, 1]), abs=1e-3)
    assert {row["Half"] for row in rows} == {"0", "1"}
    assert {"z1", "z2", "w1", "w2", "reconstructed x"} <= set(rows[0])


def test_styles_show_both_grids_the_strengths_and_the_posterior(context: StubContext) -> None:
    [picture] = context.draw("styles", {"csvae": ["condvae", "condvae_info", "not_made"]})
    rows = table(picture)
    kinds = Counter(row["what"] for row in rows)
    faces = context.data("csvae").splits["test"]
    assert kinds == {
        "csvae, prior": 2 * 25,
        "csvae, posterior": 2 * 25,
        "condvae": 2 * 5,
        "condvae_info": 2 * 5,
        "posterior mean": len(faces),
    }

    def points(what: str) -> torch.Tensor:
        return torch.tensor([(float(row["w1 or strength"]), float(row["w2"])) for row in rows if row["what"] == what])

    # The first picture, at the top left, is the highest point of the subspace.
    around = points("csvae, prior")
    assert around.mean(0).tolist() == pytest.approx([3, 3])
    assert around[0].tolist() == [1, 5]
    # The corners of the second grid are the 5th and 95th percentiles of the faces with glasses, axis by axis.
    on = torch.tensor([row["has Eyeglasses"] == "1" for row in rows if row["what"] == "posterior mean"])
    low, high = np.quantile(points("posterior mean")[on].numpy(), [0.05, 0.95], axis=0)
    over = points("csvae, posterior")
    assert over[0].tolist() == pytest.approx([low[0], high[1]], abs=2e-4)
    assert over[24].tolist() == pytest.approx([high[0], low[1]], abs=2e-4)


@pytest.mark.parametrize(("run", "count", "size"), [("csvae_deep", 26, 5), ("csvae_axes", 26, 2), ("condvae", 12, 1)])
def test_styles_that_are_no_grid_are_the_candidates(context: StubContext, run: str, count: int, size: int) -> None:
    [picture] = context.draw("styles", {run: []})
    rows = [row for row in table(picture) if row["what"] == f"{run}, candidates"]
    assert len(rows) == 2 * count
    names = ["w1 or strength", *(f"w{number}" for number in range(2, size + 1))]
    drawn = torch.tensor([[float(row[name]) for name in names] for row in rows[:count]])
    expected = context.methods[run].candidate_styles()[:, 0]  # type: ignore[operator]
    assert torch.allclose(drawn, expected, atol=1e-4)


def test_styles_of_exclusive_labels_are_a_picture_each(context: StubContext) -> None:
    pictures = context.draw("styles", {"csvae_tfd": []})
    names = ("anger", "disgust", "fear", "happy", "sad", "surprise")
    assert [picture.stem for picture in pictures] == [f"styles_csvae_tfd_{name}" for name in names]
    assert {row["what"] for row in table(pictures[3])} == {"csvae_tfd, prior", "csvae_tfd, posterior", "posterior mean"}


def test_joint_is_nine_pairs_of_styles(context: StubContext) -> None:
    [picture] = context.draw("joint", "csvae_joint")
    rows = table(picture)
    assert len(rows) % 9 == 0
    assert {row["styles"] for row in rows} == {a + b for a in "abc" for b in "123"}


def test_a_style_goes_to_six_other_persons(context: StubContext) -> None:
    [picture] = context.draw("identity_transfer", ["csvae"])
    rows = table(picture)
    assert len(rows) == 3 * 6
    faces = context.data("csvae").splits["test"]
    person = dict(zip(faces.index.tolist(), faces.identity.tolist(), strict=True))
    styles, others = ({person[int(row[key])] for row in rows} for key in ("style of test row", "test row"))
    assert len(others) == 6
    assert not styles & others


def test_expressions_are_given_by_every_method(context: StubContext) -> None:
    [picture] = context.draw("expressions", ["vae_tfd", "condvae_tfd", "csvae_tfd"])
    rows = table(picture)
    assert len(rows) == 3 * 6 * 2
    [alone] = context.draw("expressions", ["vae_tfd", "not_made"])
    assert {row["method"] for row in table(alone)} == {"vae_tfd"}


def test_subspaces_have_a_row_a_label_and_test_face(context: StubContext) -> None:
    [picture] = context.draw("subspaces", "csvae_tfd")
    rows = table(picture)
    assert len(rows) == 6 * 84
    assert sum(int(row["has the label"]) for row in rows) == 6 * 84 // 7


@pytest.mark.parametrize(
    ("figure", "settings"),
    [
        ("swiss_roll", ["not_made"]),
        ("styles", {"not_made": ["condvae"]}),
        ("joint", "not_made"),
        ("identity_transfer", ["not_made"]),
        ("expressions", ["not_made"]),
        ("subspaces", "not_made"),
        # A method without subspaces.
        ("styles", {"vae_tfd": []}),
        ("subspaces", "condvae_tfd"),
    ],
)
def test_what_was_not_made_is_left_out(context: StubContext, figure: str, settings: Any) -> None:
    assert context.draw(figure, settings) == []


def test_the_judge_of_the_run_is_asked(context: StubContext, monkeypatch: pytest.MonkeyPatch) -> None:
    class Certain:
        def __init__(self, method: Method) -> None:
            self.spec = method.spec

        def probabilities(self, images: torch.Tensor) -> torch.Tensor:
            return torch.full((len(images), len(self.spec.attributes)), 0.25)

    monkeypatch.setattr(StubContext, "judge", lambda self, run: Certain(self.methods[run]))
    [picture] = context.draw("identity_transfer", ["csvae"])
    assert {row["judge on Eyeglasses"] for row in table(picture)} == {"0.25"}


def test_representatives_are_the_centres_of_clusters() -> None:
    centres = torch.tensor([[5.0, 0.0], [1.0, 1.0], [3.0, 4.0]])
    points = centres.repeat_interleave(20, 0) + 0.01 * torch.randn(60, 2, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(representatives(points), centres[[1, 2, 0]], atol=0.02)
    assert len(representatives(centres[:2])) == 2


def test_a_large_picture_is_made_smaller(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    noise = torch.randint(0, 256, (200, 200, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    Image.fromarray(noise.numpy()).save(path)
    before = path.stat().st_size
    shrink(path, before)
    assert path.stat().st_size == before
    shrink(path, before // 2)
    assert path.stat().st_size <= before // 2
