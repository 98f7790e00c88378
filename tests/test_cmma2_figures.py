"""The figures of CMMA's second version: a code of two numbers, faces made old, and faces without attributes."""

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from matplotlib import pyplot as plt
from pictures import table
from test_deviations import known
from variants import make

from lit_faces.data.base import FaceDataModule, to_unit_range
from lit_faces.data.synthetic import Synthetic
from lit_faces.studies.collect import Results
from lit_faces.studies.figures import FIGURES, faces, latent2d

SENIOR = {"run": "run", "edits": {"senior": {"set": ["Senior"]}}}
MISSING = {
    "run": "run",
    "edits": {
        "moustache": {"set": ["Mustache"]},
        "both": {"set": ["Eyeglasses", "Mustache"], "reset": ["No Eyewear", "Sunglasses"]},
        "unknown": {"set": ["Asian"]},
    },
}


@dataclass
class StubContext:
    folder: Path
    kinds: dict[str, FaceDataModule]
    methods: dict[str, object]
    results: Results = field(default_factory=lambda: Results([], {}, {}))
    study: object = field(default_factory=lambda: SimpleNamespace(edits={}))

    def judge(self, run: str) -> None:
        return None

    def data(self, run: str) -> FaceDataModule:
        return self.kinds[run]


@pytest.fixture(scope="module")
def data():
    """Twenty persons to choose from."""
    module = Synthetic(batch_size=4, size=32, train=9, validation=5, test=80)
    module.setup()
    return module


@pytest.fixture
def sheets(monkeypatch):
    """The rows of every grid that is drawn."""
    drawn = []
    whole = faces.grid
    monkeypatch.setattr(faces, "grid", lambda path, rows, **named: (drawn.append(rows), whole(path, rows, **named)))
    return drawn


def test_the_figure_of_two_dimensions_has_the_priors_of_persons_and_the_posteriors_of_three(data, tmp_path):
    method = known(make("CMMA2", data, latent_dim=2))
    context = StubContext(tmp_path, {"two": data}, {"two": method})
    drawn = FIGURES["latent2d"]("two", context)
    assert [path.name for path in drawn] == ["latent2d_a.png", "latent2d_b.png"]
    priors, both = map(table, drawn)
    assert [line["person"] for line in priors] == [str(number) for number in range(1, 9)]
    assert [(line["person"], line["distribution"]) for line in both] == [
        ("1", "prior"),
        ("1", "posterior"),
        ("2", "posterior"),
        ("3", "posterior"),
    ]
    faces = data.splits["test"]
    persons = set()
    for line in (*priors, *both):
        [place] = (faces.index == int(line["test row"])).nonzero()[0]
        persons.add(int(faces.identity[place]))
        posterior = line["distribution"] == "posterior"
        means = faces.attributes[place, :2] + posterior
        picture = to_unit_range(next(iter(data.test_dataloader()))._replace(images=faces.images[place][None])).images
        scale = picture.mean().item() * torch.tensor([1.0, 3.0]) if posterior else torch.tensor([2.0, 4.0])
        numbers = [float(line[name]) for name in ("mean z1", "mean z2", "deviation z1", "deviation z2")]
        assert numbers == pytest.approx([*means.tolist(), *scale.tolist()], abs=1e-3)
    assert len(persons) == 8


def test_each_person_has_one_colour_and_the_prior_is_dashed(data, tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(latent2d, "save", lambda figure, path: figures.append(figure))
    method = known(make("CMMA2", data, latent_dim=2))
    FIGURES["latent2d"]("two", StubContext(tmp_path, {"two": data}, {"two": method}))
    priors, both = (figure.axes[0].patches for figure in figures)
    colours = [patch.get_edgecolor() for patch in priors]
    assert len({*colours}) == 8
    styled = {(patch.get_linestyle(), patch.get_edgecolor()) for patch in both}
    assert styled == {("--", colours[0]), *(("solid", colour) for colour in colours[:3])}
    # At three levels, but in the legend once.
    assert len(both) == 12
    names = [text.get_text() for text in figures[1].axes[0].get_legend().get_texts()]
    assert names == ["prior of person 1", *(f"posterior of person {number}" for number in (1, 2, 3))]
    for figure in figures:
        plt.close(figure)


@pytest.mark.parametrize(("variant", "arguments"), [("CMMA2", {"latent_dim": 3}), ("CGAN", {})])
def test_without_a_code_of_two_there_is_no_such_figure(variant, arguments, data, tmp_path):
    method = make(variant, data, **arguments)
    for methods in ({"two": method}, {}):
        assert FIGURES["latent2d"]("two", StubContext(tmp_path, {"two": data}, methods)) == []
    assert not [*tmp_path.iterdir()]


def chosen(data, lines):
    """The faces of a table's rows, as a method takes them, each once."""
    rows = list(dict.fromkeys(int(line["test row"]) for line in lines))
    places = torch.cat([(data.splits["test"].index == row).nonzero()[0] for row in rows])
    picked = data.splits["test"][places]
    assert len(set(picked.identity.tolist())) == len(rows)
    return picked.images.permute(0, 3, 1, 2).float() / 255, picked.attributes


@torch.no_grad()
def test_faces_of_which_nothing_is_known_are_edited_from_inferred_attributes(data, sheets, tmp_path):
    method = make("CMMA2", data)
    [path] = FIGURES["edit_missing"](MISSING, StubContext(tmp_path, {"run": data}, {"run": method}))
    assert path.name == "edit_missing_run.png"
    [rows], spec = sheets, data.spec
    assert list(rows) == ["face", "no change", "moustache", "both"]
    images, attributes = chosen(data, table(path))
    assert len(images) == 7
    assert not spec.binary(attributes)[:, [spec.position("Mustache"), spec.position("Eyeglasses")]].any()
    assert torch.equal(rows["face"], images)
    inferred = method.infer(images)
    torch.testing.assert_close(rows["no change"], method.reconstruct(images, inferred))
    target = inferred.clone()
    target[:, spec.position("Mustache")] = spec.standard_value("Mustache", True)
    torch.testing.assert_close(rows["moustache"], method.edit(images, inferred, target))
    assert not torch.allclose(rows["moustache"], method.edit(images, attributes, target))


@torch.no_grad()
def test_faces_are_made_old_in_two_panels(data, sheets, tmp_path):
    method = make("CMMA2", data)
    [path] = FIGURES["edit_senior"](SENIOR, StubContext(tmp_path, {"run": data}, {"run": method}))
    [rows], spec = sheets, data.spec
    labels = [f"({letter}) {label}" for letter in "ab" for label in ("face", "no change", "senior")]
    assert list(rows) == labels
    images, attributes = chosen(data, table(path))
    assert not spec.binary(attributes)[:, spec.position("Senior")].any()
    assert torch.equal(torch.cat([rows["(a) face"], rows["(b) face"]]), images)
    assert [len(rows[label]) for label in labels] == [7] * 3 + [len(images) - 7] * 3
    target = attributes.clone()
    target[:, spec.position("Senior")] = spec.standard_value("Senior", True)
    drawn = torch.cat([rows["(a) senior"], rows["(b) senior"]])
    torch.testing.assert_close(drawn, method.edit(images, attributes, target))


@pytest.mark.parametrize(("figure", "settings"), [("edit_missing", MISSING), ("edit_senior", SENIOR)])
def test_without_a_method_that_can_these_figures_are_left_out(figure, settings, data, tmp_path):
    for methods in ({}, {"run": make("CGAN", data)}):
        assert FIGURES[figure](settings, StubContext(tmp_path, {"run": data}, methods)) == []
    strange = {"run": "run", "edits": {"unknown": {"set": ["Asian"]}}}
    context = StubContext(tmp_path, {"run": data}, {"run": make("CMMA2", data)})
    assert FIGURES[figure](strange, context) == []
    assert not [*tmp_path.iterdir()]
