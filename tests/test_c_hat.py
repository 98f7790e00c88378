"""C-hat of methods that follow the label, ignore it, or lose it; painted faces and a judge that sees the paint."""

import math
from dataclasses import replace

import pytest
import torch
from painter import TONE, Judge, Painter, Tinted, evaluate

from lit_faces.callbacks.attribute_edits import AttributeEdits, classifier_of
from lit_faces.callbacks.c_hat import CHat
from lit_faces.errors import UserError
from lit_faces.metrics.attributes import wilson_interval


def c_hat(method, data, callback=None):
    """The measurements of C-hat beside those of the edits."""
    edits = AttributeEdits("judge", edits={})
    return {name: m for name, m in evaluate(method, data, edits, callback or CHat()).items() if "c_hat" in name}


def people(count):
    """Four faces each, with and without A and B."""
    return Tinted(exclusive=False, people=count)


class Stubborn(Painter):
    """Decodes the same face whatever the label; B is lost."""

    def edit(self, images, attributes, target, strength=1.0):
        edited = images.clone()
        edited[:, 2] = 0
        return edited


def test_a_label_that_is_followed_and_one_that_is_not():
    found = c_hat(Painter(), people(5))
    assert {name: m.value for name, m in found.items()} == {
        "c_hat_off/A": 1,
        "c_hat_on/A": 1,
        "c_hat_off/B": 1,
        "c_hat_on/B": 1,
        "c_hat_off": 1,
        "c_hat_on": 1,
    }
    # Each person has two faces with a label, one of them with both.
    assert {name: m.n for name, m in found.items()} == {name: 10 if "/" in name else 15 for name in found}
    found = {name: m.value for name, m in c_hat(Stubborn(), people(5)).items()}
    shares = {"c_hat_off/A": 0, "c_hat_on/A": 1, "c_hat_off/B": 1, "c_hat_on/B": 0}
    assert found == {**shares, "c_hat_off": 0.5, "c_hat_on": 0.5}


class Dim(Painter):
    """Paints A too faintly to be seen on dark faces, whose first pixels are known."""

    def edit(self, images, attributes, target, strength=1.0):
        edited = super().edit(images, attributes, target)
        edited[:, 1] *= 1 - 0.9 * dark(images).to(images)[:, None, None]
        return edited


def dark(images):
    return images[:, 0, 0, 0] < 0.35


@pytest.mark.parametrize("batch_size", [3, 32])
def test_the_shares_are_those_of_the_faces_with_the_label(batch_size):
    data = Tinted(exclusive=False, people=9, batch_size=batch_size)
    data.setup()
    faces = data.splits["test"]
    with_a = data.spec.binary(faces.attributes)[:, 0]
    images = faces.images[with_a].permute(0, 3, 1, 2) / 255
    bright = (~dark(images)).double()
    # Else the first sixteen would have the same share as all, or nothing would be missed.
    assert 0 < bright[:16].mean() != bright.mean() < 1

    callback = CHat()
    found = c_hat(Dim(), data, callback)
    one, theirs = found["c_hat_on/A"], found["first_16_c_hat_on/A"]
    low, high = wilson_interval(float(bright.sum()), 18)
    assert (one.value, one.n, one.unit) == (pytest.approx(float(bright.mean())), 18, "share of faces")
    assert one.stderr == pytest.approx(float(bright.std()) / math.sqrt(18))
    assert one.settings == {"wilson_low": low, "wilson_high": high}
    low, high = wilson_interval(float(bright[:16].sum()), 16)
    assert (theirs.value, theirs.n) == (float(bright[:16].mean()), 16)
    assert theirs.settings == {"faces": "first 16", "wilson_low": low, "wilson_high": high}
    rows, hits = callback.evaluation.per_image["c_hat_on_hit/A"]
    assert torch.equal(rows, faces.index[with_a])
    assert torch.equal(hits, bright)
    assert callback.evaluation.per_image["c_hat_off_hit/A"][1].tolist() == [1.0] * 18


def test_the_share_of_the_first_needs_sixteen_faces():
    assert not any(name.startswith("first") for name in c_hat(Painter(), people(7)))
    found = c_hat(Painter(), people(8))
    assert {name for name in found if name.startswith("first")} == {
        f"first_16_c_hat_{kind}/{label}" for kind in ("off", "on") for label in "AB"
    }


def test_a_label_that_no_face_has_is_left_out():
    data = people(5)
    data.setup()
    faces = data.splits["test"]
    data.splits["test"] = faces[~data.spec.binary(faces.attributes)[:, 1]]
    found = c_hat(Painter(), data)
    assert set(found) == {"c_hat_off", "c_hat_on", "c_hat_off/A", "c_hat_on/A"}
    # Of one label the mean is its share.
    assert vars(found["c_hat_on"]) == {**vars(found["c_hat_on/A"]), "metric": "c_hat_on"}
    one = faces[data.spec.binary(faces.attributes)[:, 0]][torch.tensor([0])]
    data.splits["test"] = one
    assert c_hat(Painter(), data)["c_hat_on/A"].stderr is None


class Draws(Painter):
    """Cannot edit."""

    edit = None


def test_nothing_is_measured_without_labels_edits_or_a_judge():
    assert c_hat(Painter(), Tinted()) == {}
    assert evaluate(Painter(), people(5), CHat()) == {}
    assert evaluate(Painter(), people(5), AttributeEdits(), CHat()) == {}
    assert c_hat(Draws(), people(5)) == {}


def test_the_judge_is_loaded_once_and_must_know_the_attributes(monkeypatch):
    data, loads, method = people(1), [], Painter()
    data.setup()
    method.prepare(data.spec)
    trainer = type("Run", (), {"callbacks": [CHat(), AttributeEdits("judge")]})()
    judge = Judge(data.spec)

    def load(path, device):
        loads.append(str(path))
        return judge

    monkeypatch.setattr("lit_faces.callbacks.attribute_edits.load_method", load)
    assert classifier_of(trainer, method) is classifier_of(trainer, method) is judge
    assert loads == ["judge"]
    trainer.callbacks = [AttributeEdits("judge")]
    judge.spec = replace(data.spec, name="others", attributes=("B", "A"))
    with pytest.raises(UserError, match="judge was trained on others with its attributes in another order, B where"):
        classifier_of(trainer, method)
    monkeypatch.setattr("lit_faces.callbacks.attribute_edits.load_method", lambda path, device: method)
    with pytest.raises(
        UserError, match=r"judge is of Painter, which does not tell attributes: .* as --edits\.classifier"
    ):
        classifier_of(trainer, method)


def test_paint_stays_what_the_judge_expects():
    # Dim's paint must fall below one half, full paint must not.
    data = people(1)
    data.setup()
    judge = Judge(data.spec)
    assert (judge.probabilities(torch.full((1, 3, 2, 2), TONE)) > 0.5).all()
    assert (judge.probabilities(torch.full((1, 3, 2, 2), 0.1 * TONE)) < 0.5).all()
