"""The card of an exported model says what it is, what it learned from and on which terms, and how good it is."""

import json
from dataclasses import replace

import pytest
import torch
import yaml
from exporting import TRAINING, checkpoint_of, tiny
from variants import make

from lit_faces.editing.model_card import PAPERS
from lit_faces.editing.verb_export import export
from lit_faces.errors import UserError
from lit_faces.methods import METHODS


def card_of(checkpoint, tmp_path):
    export(checkpoint, tmp_path / "export")
    _, front, text = (tmp_path / "export/README.md").read_text().split("---\n", 2)
    return yaml.safe_load(front), text


def write_record(checkpoint, **training):
    measured = {"metric": "edit_accuracy", "value": 0.8125, "stderr": 0.0123, "n": 1452, "unit": "share of faces"}
    record = {"training": {**TRAINING, **training}, "measurements": [{**measured, "settings": {"path": "/home/me"}}]}
    (checkpoint.parents[1] / "record.json").write_text(json.dumps(record))


def test_the_card_tells_what_was_measured_with_its_n_and_error(checkpoint, tmp_path):
    front, text = card_of(checkpoint, tmp_path)
    assert (front["license"], front["pipeline_tag"], front["library_name"]) == ("mit", "image-to-image", "lit_faces")
    assert "Nothing was measured on this checkpoint" in text
    assert "3 epochs, 12 steps, 2.0 hours" in text
    write_record(checkpoint)
    _, text = card_of(checkpoint, tmp_path)
    assert "| edit accuracy: attribute found after the edit | 0.8125 | 0.012 | 1,452 | share of faces |" in text
    assert "/home/me" not in text


def test_what_was_measured_on_another_checkpoint_of_the_run_is_not_in_the_card(checkpoint, tmp_path):
    write_record(checkpoint, epochs=2)
    assert "Nothing was measured on this checkpoint" in card_of(checkpoint, tmp_path)[1]
    (checkpoint.parents[1] / "record.json").write_text("{}")
    with pytest.raises(UserError, match=r"record\.json is damaged"):
        card_of(checkpoint, tmp_path)


TERMS = {
    "CelebA": ("celeba-non-commercial-research-only", "non-commercial research only"),
    "LFW": ("lfw-research-only", "for research only"),
    "MyFaces": ("terms-of-the-data", "write here whose pictures they are"),
}


@pytest.mark.parametrize("name", TERMS)
def test_the_card_states_the_terms_of_the_data(name, data, tmp_path):
    method = make("CMMA", data)
    method.spec = replace(data.spec, name=name)
    front, text = card_of(checkpoint_of(method, tmp_path / "a.ckpt"), tmp_path)
    licence, words = TERMS[name]
    assert (front["license"], front["license_name"]) == ("other", licence)
    assert words in text


@pytest.mark.parametrize("name", METHODS)
def test_the_card_of_each_method_names_its_paper_and_python_that_runs(name, data, batch, tmp_path):
    assert name in PAPERS
    _, text = card_of(checkpoint_of(tiny(name, data), tmp_path / "a.ckpt"), tmp_path)
    assert PAPERS[name] in text
    code = text.partition("```python\n")[2].partition("```")[0]
    given = {"images": batch.images, "attributes": batch.attributes}
    made = dict(given)
    exec(code.replace("FOLDER", str(tmp_path / "export")), made)
    assert any(torch.is_tensor(value) for name, value in made.items() if value is not given.get(name))
