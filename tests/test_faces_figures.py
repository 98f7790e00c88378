"""Figures of generated and edited faces: the attributes that they are drawn from, and how strong the edits are."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from pictures import table

from lit_faces.callbacks.edits import Edit
from lit_faces.data.base import FaceDataModule
from lit_faces.data.synthetic import Synthetic
from lit_faces.studies.collect import Results, Row
from lit_faces.studies.figures import FIGURES, faces
from lit_faces.studies.figures.faces import stronger

ROWS = {"Female not pale": {"reset": ["Male", "Pale Skin"]}, "Male": {"set": ["Male"]}}
COLUMNS = {
    "no change": {},
    "spectacles": {"set": ["Eyeglasses"]},
    "pale": {"set": ["Pale Skin"]},
    "unknown": {"set": ["Asian"]},
}


class Notes:
    """Keeps the attributes that it draws faces from, and the strengths of its edits."""

    noise_dim = 2

    def __init__(self, spec: Any) -> None:
        self.spec, self.asked, self.strengths = spec, torch.zeros(0), []

    def generate(self, attributes, noise):
        assert not noise.any()
        self.asked = torch.cat([self.asked, attributes])
        return torch.zeros(len(attributes), *self.spec.image_shape)

    def edit(self, images, attributes, target, strength=1.0):
        self.strengths.append(strength)
        return images


@dataclass
class StubContext:
    folder: Path
    faces: FaceDataModule
    methods: dict[str, Any]
    study: Any
    results: Results = field(default_factory=lambda: Results([], {}, {}))

    def data(self, run):
        return self.faces

    def judge(self, run):
        return None


def measured(run, edit, strength):
    settings = {"strength": strength}
    return Row(run, f"edit_accuracy/{edit}", 0.5, None, 9, [0], "share", None, True, None, settings)


@pytest.fixture(scope="module")
def data():
    module = Synthetic(batch_size=8, size=8, train=64, validation=8, test=80)
    module.setup()
    return module


@pytest.fixture
def context(data, tmp_path):
    edits = {"Moustache": {"set": ["Mustache"]}, "Hat": {"set": ["Wearing Hat"]}, "No hat": {"reset": ["Wearing Hat"]}}
    rows = [measured("one", "Moustache", 2.0), measured("one", "Hat", 1.0), measured("two", "Hat", 1.5)]
    rows.append(measured("two", "No hat", 3.0))
    methods = {name: Notes(data.spec) for name in ("one", "two")}
    return StubContext(tmp_path, data, methods, SimpleNamespace(edits=edits), Results(rows, {}, {}))


def test_faces_are_drawn_from_what_is_named_and_what_is_expected_with_it(context, data, capsys):
    spec = data.spec
    drawn = FIGURES["generate"]({"rows": [{"x": {"set": ["Asian"]}}, ROWS], "columns": COLUMNS}, context)
    assert [path.name for path in drawn] == ["generate_one.png", "generate_two.png"]
    assert capsys.readouterr() == ("", "")
    expected = [
        spec.vector(on, off, "expected")
        for on, off in (
            ([], ["Male", "Pale Skin"]),
            (["Eyeglasses"], ["Male", "Pale Skin"]),
            (["Pale Skin"], ["Male"]),
            (["Male"], []),
            (["Male", "Eyeglasses"], []),
            (["Male", "Pale Skin"], []),
        )
    ]
    torch.testing.assert_close(context.methods["one"].asked, torch.stack(expected))
    # With spectacles nothing else is worn, and what was not named is not average.
    column = spec.position("Sunglasses")
    assert expected[1][column] == pytest.approx(spec.standard_value("Sunglasses", False))
    assert expected[0][spec.position("Mustache")] < -0.1


def test_checkpoints_without_statistics_draw_from_average_faces_and_say_so(context, data, capsys):
    method = context.methods["one"] = Notes(replace(data.spec, covariance=(), groups=()))
    del context.methods["two"]
    FIGURES["generate"]({"rows": [ROWS], "columns": {"no change": {}}}, context)
    torch.testing.assert_close(method.asked[1], data.spec.vector(["Male"]))
    assert capsys.readouterr().err == (
        "one is of an older version and has no covariance of the attributes: those that are not named are at their mean\n"
    )


def test_edits_are_drawn_as_strong_as_they_were_chosen_to_be(context, monkeypatch):
    sheets = []
    whole = faces.grid
    monkeypatch.setattr(faces, "grid", lambda path, rows, **named: (sheets.append(rows), whole(path, rows, **named)))
    paths = FIGURES["edit"](["Moustache", "Hat"], context)
    assert [list(rows) for rows in sheets] == [
        ["face", "no change", "Moustache \u00d72", "Hat"],
        ["face", "no change", "Moustache", "Hat \u00d71.5"],
    ]
    assert context.methods["one"].strengths == [1.0, 2.0, 1.0]
    assert context.methods["two"].strengths == [1.0, 1.0, 1.5]
    assert {(line["edit"], line["strength"]) for line in table(paths[1])} == {("Moustache", "1.0"), ("Hat", "1.5")}
    FIGURES["remove"]("No hat", context)
    assert list(sheets[-1]) == ["face", "one", "two \u00d73"]


def test_edits_of_a_figure_alone_are_those_of_the_study_that_change_the_same_or_say_it(context):
    edits = {
        "moustache": {"set": ["Mustache"]},
        "hat": {"set": ["Wearing Hat"], "strength": 4},
        "senior": {"set": ["Senior"], "others": "expected"},
    }
    FIGURES["edit_senior"]({"run": "one", "edits": edits}, context)
    assert context.methods["one"].strengths == [1.0, 2.0, 4, 1.0]


def test_what_two_edits_change_is_as_the_second_has_it(data):
    both = faces._together(Edit(("Sunglasses", "Male"), ("Smiling",)), Edit(("Eyeglasses",), ("Male",)), data.spec)
    assert both == Edit(("Eyeglasses",), ("Smiling", "Male"))
    assert [stronger("hat", s) for s in (None, 1.0, 1.5)] == ["hat", "hat", "hat \u00d71.5"]
