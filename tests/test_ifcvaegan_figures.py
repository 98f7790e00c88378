"""The figures of the IFcVAE-GAN paper, from methods and results with known answers."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml
from matplotlib.container import BarContainer
from pictures import table
from PIL import Image
from torch import Tensor

from lit_faces.data.base import FaceDataModule
from lit_faces.data.batch import DataSpec
from lit_faces.data.synthetic import Synthetic
from lit_faces.errors import UserError
from lit_faces.metrics.attributes import wilson_interval
from lit_faces.studies.collect import Results, Row
from lit_faces.studies.figures import FIGURES, attribute_accuracy
from lit_faces.studies.figures.attribute_accuracy import read_reference
from lit_faces.studies.study import experiments_folder, read_study

STUDY = experiments_folder() / "ifcvaegan"


class Painter:
    """Gives back faces in one grey: 0.5 as they are, 0.5 + strength with its label and 0.5 - strength without."""

    def __init__(self, spec: DataSpec, label: str, strength: float) -> None:
        self.spec, self.labels, self.strength = spec, (label,), strength

    def reconstruct(self, images: Tensor, attributes: Tensor) -> Tensor:
        return torch.full_like(images, 0.5)

    def edit(self, images: Tensor, attributes: Tensor, target: Tensor, strength: float = 1.0) -> Tensor:
        on = self.spec.binary(target)[:, self.spec.position(self.labels[0])].float()
        return torch.zeros_like(images) + (0.5 + self.strength * (2 * on - 1))[:, None, None, None]


class Lightness:
    """A judge that sees every attribute as far as the picture is light."""

    def __init__(self, spec: DataSpec) -> None:
        self.spec = spec

    def probabilities(self, images: Tensor) -> Tensor:
        return images.flatten(1).mean(1)[:, None].repeat(1, len(self.spec.attributes))


@dataclass
class StubContext:
    folder: Path
    faces: FaceDataModule | None = None
    methods: dict[str, object] = field(default_factory=dict)
    results: Results = field(default_factory=lambda: Results([], {}, {}))
    study: Any = None

    def data(self, run: str) -> FaceDataModule:
        assert self.faces is not None
        return self.faces

    def judge(self, run: str) -> Lightness:
        return Lightness(self.data(run).spec)

    def draw(self, figure: str, settings: Any) -> list[Path]:
        return FIGURES[figure](settings, self)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def faces() -> FaceDataModule:
    module = Synthetic(batch_size=8, size=16, train=16, validation=8, test=80)
    module.setup()
    return module


@pytest.fixture
def context(faces: FaceDataModule, tmp_path: Path) -> StubContext:
    methods: dict[str, object] = {
        "weak": Painter(faces.spec, "Smiling", 0.1),
        "strong": Painter(faces.spec, "Smiling", 0.4),
        "hair": Painter(faces.spec, "Blond Hair", 0.2),
        "other": object(),
    }
    return StubContext(tmp_path, faces, methods)


def test_a_label_is_switched_on_and_off_in_the_faces_that_have_it(context: StubContext) -> None:
    [picture] = context.draw("switched", {"figure_3": ["weak", "not_made", "other", "strong"]})
    rows = table(picture)
    assert picture.name == "figure_3.png"
    answers = {(row["run"], row["picture"]): row["judge on Smiling"] for row in rows if row["run"]}
    assert answers == {
        ("weak", "reconstruction"): "0.5",
        ("weak", "smiling"): "0.6",
        ("weak", "not smiling"): "0.4",
        ("strong", "reconstruction"): "0.5",
        ("strong", "smiling"): "0.9",
        ("strong", "not smiling"): "0.1",
    }
    shown = [int(row["test row"]) for row in rows if row["picture"] == "original"]
    assert len(shown) == 8
    assert len(rows) == 7 * 8
    test = context.data("weak").splits["test"]
    held = test[torch.isin(test.index, torch.tensor(shown))]
    spec = context.data("weak").spec
    assert spec.binary(held.attributes)[:, spec.position("Smiling")].all()
    assert len(held.identity.unique()) == 8


def test_the_rows_of_the_picture_are_those_of_the_table(context: StubContext) -> None:
    [picture] = context.draw("switched", {"figure_3": ["strong"]})
    with Image.open(picture) as image:
        grey = torch.tensor(list(image.convert("L").tobytes())).view(image.height, image.width)
    # Through the last face from top to bottom.
    column = grey[:, -20].float() / 255
    changes = [round(float(value), 1) for value in column.unique_consecutive() if 0.05 < value < 0.95]
    assert changes[-3:] == [0.5, 0.9, 0.1]


def test_different_labels_are_a_picture_each(context: StubContext) -> None:
    pictures = context.draw("switched", {"figure_4": ["hair", "strong"]})
    assert [picture.stem for picture in pictures] == ["figure_4_blond_hair", "figure_4_smiling"]
    assert {row["run"] for row in table(pictures[0])} == {"", "hair"}


def test_what_was_not_made_is_left_out(context: StubContext) -> None:
    assert context.draw("switched", {"figure_3": ["not_made", "other"]}) == []
    context.study = read_study("ifcvaegan")
    assert context.draw("attribute_accuracy", {"figure_2": {"runs": ["not_made"], "reference": "zhuang2018.csv"}}) == []


def row(run: str, metric: str, value: float, n: int = 50, unit: str = "share of faces") -> Row:
    return Row(run, metric, value, 0.01, n, [0], unit, None, True, None, {})


def accuracies() -> Results:
    rows = [
        row("ten", "label_accuracy", 0.85),
        row("ten", "label_accuracy/Blond Hair", 0.8),
        row("ten", "label_accuracy/Male", 1.0),
        row("ten", "majority_accuracy/Blond Hair", 0.7),
        row("dipvae", "linear_accuracy/Blond Hair", 0.72),
        row("dipvae", "majority_accuracy/Blond Hair", 0.6),
        row("dipvae", "linear_accuracy/Male", 0.6, 40),
    ]
    return Results(rows, {}, {})


@pytest.fixture
def measured(tmp_path: Path) -> StubContext:
    (tmp_path / "known.csv").write_text(
        "attribute,accuracy,source,date\nBlond_Hair,0.955,Table 3,2030-01-02\nMale,,,\nBald,0.99,Table 3,2030-01-02\n"
    )
    # One label more than was measured.
    labels = {"labels": ["Blond Hair", "Male", "Bald"]}
    study = SimpleNamespace(folder=tmp_path, runs=("ten",), arguments_of=lambda run: labels)
    return StubContext(tmp_path, results=accuracies(), study=study)


def test_accuracies_have_their_intervals_the_majority_and_what_is_known_of_others(measured: StubContext) -> None:
    settings = {"figure_2": {"runs": ["ten"], "linear": ["dipvae", "not_made"], "reference": "known.csv"}}
    [picture] = measured.draw("attribute_accuracy", settings)
    rows = table(picture)
    assert picture.name == "figure_2.png"
    assert [(line["attribute"], line["run"], line["n"]) for line in rows] == [
        ("Blond Hair", "ten", "50"),
        ("Blond Hair", "dipvae", "50"),
        ("Male", "ten", "50"),
        ("Male", "dipvae", "40"),
    ]
    low, high = wilson_interval(40, 50)
    assert (float(rows[0]["low"]), float(rows[0]["high"])) == (
        pytest.approx(low, abs=1e-5),
        pytest.approx(high, abs=1e-5),
    )
    # Each run's own; nothing measured the other attribute's.
    assert [line["majority"] for line in rows] == ["0.7", "0.6", "", ""]
    assert [line["reference"] for line in rows] == ["0.955", "0.955", "", ""]


def test_bars_are_as_long_as_accuracies_and_published_ones_are_hatched(
    measured: StubContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Any] = []
    save = attribute_accuracy.save
    monkeypatch.setattr(attribute_accuracy, "save", lambda figure, path: (drawn.append(figure), save(figure, path)))
    measured.draw("attribute_accuracy", {"figure_2": {"runs": ["ten"], "linear": ["dipvae"], "reference": "known.csv"}})
    [axis] = drawn[0].axes
    bars = [bar for container in axis.containers if isinstance(container, BarContainer) for bar in container]
    assert [(round(bar.get_width(), 3), bar.get_hatch() is not None) for bar in bars] == [
        (0.8, False),
        (0.72, False),
        (0.955, True),
        (1.0, False),
        (0.6, False),
    ]
    middles = [bar.get_y() + bar.get_height() / 2 for bar in bars]
    assert middles == sorted(middles)
    assert axis.yaxis_inverted()
    assert axis.get_xlim()[0] < wilson_interval(24, 40)[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["blond hair", "male"]
    told = [text.get_text() for text in axis.get_legend().get_texts()]
    assert told == ["ten: $E_y$", "dipvae: linear classifier on z", "published (known)", "always the majority"]


def test_the_values_of_others_are_for_a_person_to_fill_in() -> None:
    path = STUDY / "zhuang2018.csv"
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    labels = yaml.safe_load((STUDY / "ten.yaml").read_text(encoding="utf-8"))["model"]["init_args"]["labels"]
    assert [line.partition(",")[0] for line in lines[1:]] == labels
    assert read_reference(path, labels) == {}


def test_a_filled_in_value_is_read_whatever_its_attribute_is_written_like(tmp_path: Path) -> None:
    path = tmp_path / "known.csv"
    path.write_text(
        "# read by hand\nattribute,accuracy,source,date\n"
        'Big_Nose,0.8,"page 3, Table 2",2030-01-02\nWearing Hat, 1,Table 2, 2030-12-31\n\nMale,,,\n'
    )
    assert read_reference(path, ["Big Nose", "Wearing_Hat", "Male"]) == {"Big Nose": 0.8, "Wearing Hat": 1.0}


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (
            "# hand\nattribute,accuracy,source,date\n\nMale,91.2,x,y\n",
            ", line 4",
            "must be a number in [0, 1], got '91.2'",
        ),
        ("attribute,accuracy,source,date\nMale,high,x,y\n", ", line 2", "must be a number in [0, 1], got 'high'"),
        ("attribute,accuracy,source,date\nMale,nan,x,y\n", ", line 2", "must be a number in [0, 1], got 'nan'"),
        ("attribute,accuracy,source,date\nMale,0.9\n", ", line 2", "give 4 values as the header has it, got 2"),
        ("# hand\nattribute,accuracy,source,page\n", ", line 2", "must be attribute, accuracy, source, date"),
        ("", "", "must be attribute, accuracy, source, date, got none"),
        ("attribute,accuracy,source,date\nBig_Nose,,,\nBig Nose,0.9,,\n", ", line 3", "Big Nose is there already"),
        (
            "attribute,accuracy,source,date\n\nSmilin,,,\n",
            ", line 3",
            "no run has the attribute 'Smilin': use one of Male, Big_Nose",
        ),
        ("attribute,accuracy,source,date\nMale,0.9,,2030-01-02\n", ", line 2", "give the source of 0.9 and the date"),
        ("attribute,accuracy,source,date\nMale,0.9,Table 3,\n", ", line 2", "the date it was read, as YYYY-MM-DD"),
        ("attribute,accuracy,source,date\nMale,0.9,Table 3,2.1.2030\n", ", line 2", "as YYYY-MM-DD"),
        ("attribute,accuracy,source,date\nMale,0.9,Table 3,20300102\n", ", line 2", "as YYYY-MM-DD"),
        (
            "attribute,accuracy,source,date\nMale,0.9,J\u00fcrgen,2030-01-02\n",
            "",
            "is not text in UTF-8: save it as such",
        ),
    ],
)
def test_a_bad_reference_is_named_with_its_line(tmp_path: Path, text: str, line: str, said: str) -> None:
    path = tmp_path / "known.csv"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(UserError) as error:
        read_reference(path, ["Male", "Big_Nose"])
    assert re.match(rf"{re.escape(str(path))}{line}(: | is )", str(error.value))
    assert said in str(error.value)
    with pytest.raises(UserError, match=r"none\.csv is missing: "):
        read_reference(tmp_path / "none.csv", [])
