"""The first picture of a report, from methods whose pictures say how they were edited."""

import csv
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from lit_faces.callbacks.edits import Edit
from lit_faces.data.batch import DataSpec
from lit_faces.data.synthetic import Synthetic
from lit_faces.objectives.gaussian import LATENT_LOG_VARIANCE, DiagonalGaussian, diagonal
from lit_faces.studies.collect import Results, Row
from lit_faces.studies.figures.strip import COLUMNS, Column, Strip, draw_strip
from lit_faces.studies.study import Study, read_study

NAMED = {"Big Nose": ("Big Nose",), "Moustache": ("Mustache",), "Spectacles": ("Eyeglasses",)}


@dataclass
class Painter:
    """Reconstructs every face dark grey, and edits it to the brightness of its strength over four."""

    spec: DataSpec

    def reconstruct(self, images: Tensor, attributes: Tensor) -> Tensor:
        return torch.full_like(images, 0.1)

    def edit(self, images: Tensor, attributes: Tensor, target: Tensor, strength: float = 1.0) -> Tensor:
        assert not torch.equal(attributes, target)
        return torch.full_like(images, strength / 4)


@dataclass
class Ladder:
    """Encodes the mean of a picture, and decodes to that brightness."""

    spec: DataSpec
    latent_dims: tuple[int, ...] = (1, 0)

    def posterior(self, images: Tensor) -> DiagonalGaussian:
        mean = images.flatten(1).mean(1)[:, None]
        return diagonal((mean, torch.zeros_like(mean)), LATENT_LOG_VARIANCE)

    def decode(self, z: Tensor) -> Tensor:
        return z[:, :1, None, None].expand(-1, *self.spec.image_shape)


@dataclass
class Drawer:
    """Neither edits nor encodes."""

    spec: DataSpec


@dataclass
class Bright:
    """A classifier that finds every attribute as far as the picture is bright."""

    spec: DataSpec

    def probabilities(self, images: Tensor) -> Tensor:
        return images.flatten(1).mean(1)[:, None].repeat(1, len(self.spec.attributes))


@dataclass
class StubRun:
    name: str
    is_judge: bool = False


@dataclass
class StubContext:
    """Runs of a study that were all trained on one small data set."""

    study: Study
    data_module: Synthetic
    methods: dict[str, object]
    folder: Path
    results: Results = field(default_factory=lambda: Results([], {}, {}))

    @property
    def runs(self) -> list[StubRun]:
        return [StubRun("judge", True), *(StubRun(name) for name in self.methods)]

    def method(self, run: str) -> object:
        return self.methods[run]

    def judge(self, run: str) -> Bright:
        return Bright(self.data_module.spec)

    def data(self, run: str) -> Synthetic:
        return self.data_module

    def measured(self, run: str, edit: str, before: float, after: float, strength: float = 1) -> None:
        for metric, value in (("unedited_rate", before), ("edit_accuracy", after)):
            settings = {"strength": strength} if strength != 1 and metric == "edit_accuracy" else {}
            row = Row(run, f"{metric}/{edit}", value, 0.1, 9, [0], "share of faces", None, True, None, settings)
            self.results.rows.append(row)


@pytest.fixture(scope="module")
def data() -> Synthetic:
    module = Synthetic(limit=64, batch_size=16)
    module.prepare_data()
    module.setup()
    return module


@pytest.fixture
def context(data: Synthetic, tmp_path: Path) -> StubContext:
    study = replace(read_study("cmma"), edits={name: {"set": list(names)} for name, names in NAMED.items()})
    return StubContext(
        study, data, {"cgan": Drawer(data.spec), "cmma": Painter(data.spec), "cvae": Painter(data.spec)}, tmp_path
    )


def drawn(context: StubContext) -> tuple[Strip, list[dict[str, str]]]:
    strip = draw_strip(context)  # type: ignore[arg-type]
    assert strip is not None
    with strip.path.with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        return strip, list(csv.DictReader(file))


def test_the_edits_that_rise_most_come_first_with_their_strengths_and_rates(context: StubContext) -> None:
    context.measured("cmma", "Big Nose", 0.5, 0.6)
    context.measured("cmma", "Moustache", 0.1, 0.9, strength=2)
    # What another run does better is not the study's method.
    context.measured("cvae", "Big Nose", 0.0, 1.0)
    strip, rows = drawn(context)
    # Of few edits each has several columns.
    assert [column.title for column in strip.columns] == [
        *["Moustache \u00d72"] * 2,
        *["Big Nose"] * 2,
        *["Spectacles"] * 2,
    ]
    assert [column.rates for column in strip.columns][::2] == ["10 → 90 %", "50 → 60 %", ""]
    assert {row["run"] for row in rows} == {"cmma"}
    edited = {row["edit"]: (row["strength"], row["classifier"]) for row in rows if row["picture"] == "edited"}
    assert edited["Moustache"] == ("2.0", "0.5")
    assert edited["Big Nose"] == ("1.0", "0.25")
    assert {row["classifier"] for row in rows if row["picture"] == "no change"} == {"0.1"}


def test_every_column_is_the_first_person_without_the_attribute_that_is_not_there_yet(context: StubContext) -> None:
    _, rows = drawn(context)
    faces, spec = context.data_module.splits["test"], context.data_module.spec
    place = {int(index): number for number, index in enumerate(faces.index)}
    hidden = spec.binary(faces.attributes)[:, [spec.position("Sunglasses"), spec.position("Wearing Hat")]].any(1)
    used: set[int] = set()
    shown = [row for row in rows if row["picture"] == "test face"]
    assert len(shown) == 6
    for row in shown:
        lacking = Edit(NAMED[row["edit"]]).lacking(faces.attributes, spec)
        free = [i for i in range(len(faces)) if lacking[i] and int(faces.identity[i]) not in used]
        # Without what would hide the change, if there is such a person.
        plain = [i for i in free if not hidden[i]]
        expected = (plain or free)[0]
        assert place[int(row["test row"])] == expected
        used.add(int(faces.identity[expected]))


def test_the_faces_lie_where_the_frame_says(context: StubContext) -> None:
    strip, _ = drawn(context)
    width, height = strip.frame.tile
    assert width == height == 2 * context.data_module.spec.image_shape[1]
    with Image.open(strip.path) as opened:
        picture = opened.convert("L")
    assert picture.size == strip.frame.size
    for row, brightness in ((1, 0.1), (2, 0.25)):
        for column in range(len(strip.columns)):
            left, top = strip.frame.corner(row, column)
            box = picture.crop((left, top, left + width, top + height))
            assert box.getextrema() == pytest.approx((255 * brightness,) * 2, abs=1)
    assert picture.getpixel((strip.frame.left - 2, strip.frame.size[1] - 2)) == 255


def test_a_study_of_many_edits_shows_the_ten_strongest(context: StubContext) -> None:
    names = [name for name in context.data_module.spec.attributes if name != "Male"][: COLUMNS + 3]
    context.study = replace(context.study, edits={name: {"set": [name]} for name in names})
    for number, name in enumerate(names):
        context.measured("cmma", name, 0.0, number / 20)
    strip, _ = drawn(context)
    lacking = [name for name in reversed(names) if Edit((name,)).lacking(*attributes(context)).any()]
    assert [column.name for column in strip.columns] == lacking[:COLUMNS]


def attributes(context: StubContext) -> tuple[Tensor, DataSpec]:
    return context.data_module.splits["test"].attributes, context.data_module.spec


def test_rates_of_a_classifier_that_guesses_are_not_shown(context: StubContext) -> None:
    context.measured("cmma", "Big Nose", 0.5, 0.6)
    blind = Row("judge", "balanced_accuracy/Big Nose", 0.5, 0.1, 9, [0], "share", None, True, None, {})
    context.results.rows.append(blind)
    strip, _ = drawn(context)
    assert {column.rates for column in strip.columns} == {""}
    assert "numbers" not in strip.caption


def test_a_ladder_shows_sums_of_faces(context: StubContext) -> None:
    context.methods = {"cmma": Ladder(context.data_module.spec)}
    strip, rows = drawn(context)
    assert strip.labels == ("a", "- b", "+ c", "a - b + c")
    assert [column.title for column in strip.columns] == [name for (name,) in NAMED.values() for _ in (0, 1)]
    faces, spec = context.data_module.splits["test"], context.data_module.spec
    place = {int(index): number for number, index in enumerate(faces.index)}
    used: set[int] = set()
    for column, name in enumerate(name for (name,) in NAMED.values() for _ in (0, 1)):
        a, b, c, result = rows[4 * column : 4 * column + 4]
        lacking = ~spec.binary(faces.attributes)[:, spec.position(name)]
        free = [i for i in range(len(faces)) if lacking[i] and int(faces.identity[i]) not in used]
        assert place[int(a["test row"])] == free[0]
        used.add(int(faces.identity[free[0]]))
        holds = [
            bool(spec.binary(faces.attributes)[place[int(row["test row"])], spec.position(name)]) for row in (a, b, c)
        ]
        assert holds == [False, False, True]
        values = [float(row["classifier"]) for row in (a, b, c, result)]
        assert values[3] == pytest.approx(values[0] - values[1] + values[2], abs=3e-4)


def test_what_is_worn_is_named_in_short() -> None:
    assert Column("No Wearing_Hat", "x", 1.5, None, None).title == "No Hat \u00d71.5"


def test_without_a_method_that_edits_there_is_no_strip(context: StubContext) -> None:
    context.methods = {"cgan": Drawer(context.data_module.spec)}
    assert draw_strip(context) is None  # type: ignore[arg-type]
    assert [*context.folder.iterdir()] == []
