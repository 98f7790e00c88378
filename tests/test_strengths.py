"""How strong edits are chosen to be, in a painted world where the right strength is known."""

from dataclasses import replace

import pytest
import torch
from eye import kept, prepared
from painter import LABELS, TONE, Painter, Tinted, evaluate

from lit_faces.callbacks import strengths
from lit_faces.callbacks.attribute_edits import AttributeEdits, Edit
from lit_faces.callbacks.counterfactual_error import CounterfactualError
from lit_faces.callbacks.strengths import Trial, best_of
from lit_faces.errors import UserError

CANDIDATES = (1.0, 1.5, 2.0, 3.0)
A = {"A": Edit(set=("A",))}


class Faint(Painter):
    """Paints a label that changes with a share of its true tone, the judge sees 5/9 of it; harms the person beyond strength 1."""

    def __init__(self, share, harm=0.0, spill=0.0):
        super().__init__()
        self.share, self.harm, self.spill, self.edits = share, harm, spill, 0

    def edit(self, images, attributes, target, strength=1.0):
        self.edits += 1
        edited, there = images.clone(), [self.spec.binary(values).to(images) for values in (attributes, target)]
        for k, label in enumerate(LABELS):
            column = self.spec.position(label)
            change = (there[1] - there[0])[:, column, None, None]
            edited[:, 1 + k] += self.share * strength * TONE * change
            edited[:, 2 - k] += self.spill * strength**2 * TONE * change.abs()
        edited[:, 0] += self.harm * (strength - 1)
        return edited


class Photographs(Tinted):
    """The true counterfactual is not known."""

    counterfactual = None


def chosen(method, data, *others, edits=A, candidates=CANDIDATES):
    """The strength of an edit by its name, and all measurements."""
    found = evaluate(method, data, AttributeEdits("judge", edits, strengths=candidates), *others)
    return {name: found[f"edit_accuracy/{name}"].settings["strength"] for name in edits}, found


@pytest.mark.parametrize(("share", "expected"), [(1.0, 1.0), (0.4, 1.5), (0.3, 2.0), (0.2, 3.0), (0.1, 1.0)])
def test_the_smallest_strength_is_chosen_at_which_the_edit_shows(share, expected):
    strength, found = chosen(Faint(share), Tinted(exclusive=False))
    assert strength == {"A": expected}
    rise = 0 if share == 0.1 else 1
    assert found["edit_rise/A"].value == found["edit_rise"].value == rise
    assert found["edit_rise/A"].settings["strength"] == expected
    assert found["edit_accuracy/A"].value == rise
    assert "strength" not in found["unedited_rate/A"].settings


def test_every_edit_has_a_strength_of_its_own():
    class Uneven(Faint):
        def edit(self, images, attributes, target, strength=1.0):
            edited = super().edit(images, attributes, target, strength)
            edited[:, 2] = images[:, 2] + 2 * (edited[:, 2] - images[:, 2])
            return edited

    edits = {**A, "B": Edit(set=("B",)), "mine": Edit(set=("B",), strength=3.0)}
    assert chosen(Uneven(0.2), Tinted(exclusive=False), edits=edits)[0] == {"A": 3.0, "B": 1.5, "mine": 3.0}


def test_strengths_that_bring_a_drawn_face_no_nearer_to_the_truth_are_left_out():
    # At strength 3 alone is the paint seen, but by then the person is harmed more than the missing paint weighs.
    assert chosen(Faint(0.2, harm=0.1), Tinted(exclusive=False))[0] == {"A": 3.0}
    strength, found = chosen(Faint(0.2, harm=0.2), Tinted(exclusive=False), CounterfactualError())
    assert strength == {"A": 1.0}
    assert found["edit_rise"].value == 0
    assert found["counterfactual_mse/A"].settings == {"strength": 1.0}
    assert found["counterfactual_mse/A"].value < found["unedited_mse/A"].value
    # Where every strength does harm, it is 1.
    assert chosen(Faint(-1.0), Tinted(exclusive=False))[0] == {"A": 1.0}


def test_of_photographs_the_other_attributes_may_change_twice_as_much():
    assert chosen(Faint(0.3), Photographs(exclusive=False))[0] == {"A": 2.0}
    # The spill grows with the square: at 1.5 it is 2.25 times that at 1.
    assert chosen(Faint(0.4, spill=0.02), Photographs(exclusive=False))[0] == {"A": 1.0}
    assert chosen(Faint(0.4, spill=0.02), Tinted(exclusive=False))[0] == {"A": 1.5}


def test_of_photographs_the_person_is_to_be_recognised_where_an_embedding_says_so():
    class Flips(Faint):
        def edit(self, images, attributes, target, strength=1.0):
            edited = super().edit(images, attributes, target, strength)
            edited[:, 0] = images[:, 0].flip(2) if strength > 2 else images[:, 0]
            return edited

    data = prepared(exclusive=False)
    data.__class__ = Photographs
    for share, expected in ((0.3, 2.0), (0.2, 1.0)):
        found = kept(Flips(share, spill=0.1), data, AttributeEdits("judge", A, strengths=CANDIDATES))
        assert found["edit_accuracy/A"].settings["strength"] == expected
        assert found["identity_kept/A"].settings["strength"] == expected
        assert found["identity_kept/A"].value == 1
    without = AttributeEdits("judge", A, strengths=CANDIDATES)
    kept(Flips(0.3, spill=0.1), data, without, embedding=None)
    assert without.evaluation.curves["edit_strengths"]["A"]["chosen"] == 1


def test_the_record_keeps_every_trial():
    callback = AttributeEdits("judge", A, strengths=(3.0, 2.0))
    evaluate(Faint(0.3), Tinted(exclusive=False), callback)
    found = callback.evaluation.curves["edit_strengths"]["A"]
    errors = [pytest.approx((1 - 0.3 * s) ** 2 * TONE**2 / 3, rel=1e-4) for s in (1, 2, 3)]
    assert found == {
        "chosen": 2.0,
        "validation_faces": 10,
        "strengths": [1.0, 2.0, 3.0],
        "rises": [0.0, 1.0, 1.0],
        "harm": "error against the true face",
        "harms": errors,
        "limit": pytest.approx(TONE**2 / 3, rel=1e-4),
    }


def test_of_a_single_strength_there_is_no_choice(monkeypatch):
    monkeypatch.setattr(strengths.Chooser, "choose", None)
    callback = AttributeEdits("judge", A, strengths=(2.0,))
    found = evaluate(Faint(0.3), Tinted(exclusive=False), callback)
    assert found["edit_accuracy/A"].settings["strength"] == 2
    assert found["edit_rise"].value == 1
    assert callback.evaluation.curves == {}
    assert evaluate(Faint(0.3), Tinted(exclusive=False), AttributeEdits("judge", A))["edit_rise"].value == 0


def test_choosing_is_on_the_validation_split():
    data = Tinted(exclusive=False)
    data.setup()
    test = data.splits["test"]
    data.splits["test"] = replace(test, images=torch.zeros_like(test.images))
    assert chosen(Faint(0.3), data)[0] == {"A": 2.0}
    # Of no validation face that lacks it nothing is known.
    validation = data.splits["validation"]
    data.splits["validation"] = validation[data.spec.binary(validation.attributes)[:, 0]]
    assert chosen(Faint(0.3), data)[0] == {"A": 1.0}


def test_choosing_draws_nothing():
    states = []
    for candidates in ((1.0,), CANDIDATES):
        torch.manual_seed(0)
        chosen(Faint(0.3), Tinted(exclusive=False), candidates=candidates)
        states.append(torch.get_rng_state())
    assert torch.equal(*states)


def test_measures_of_one_batch_share_its_edited_pictures():
    counts = []
    for others in ((), (CounterfactualError(),)):
        method = Faint(0.3)
        chosen(method, Tinted(exclusive=False), *others)
        counts.append(method.edits)
    assert counts[0] == counts[1] > 0


def test_a_rise_within_two_hundredths_of_the_largest_is_as_good():
    def best(*rises, harms=(0, 0, 0), limit=1.0):
        return best_of([Trial(*trial) for trial in zip((1.0, 2.0, 3.0), rises, harms, strict=True)], limit)

    assert best(0.48, 0.5, 0.4) == 1
    assert best(0.479, 0.5, 0.5) == 2
    # One fifth that is not recognised is allowed, however it is rounded.
    assert best(0.1, 0.9, 0.9, harms=(0, 0.2, 0.3), limit=1 - 0.8) == 2
    assert best(0.1, 0.5, 0.9, harms=(0, 0.5, 1.1)) == 2
    assert best(0.1, 0.5, 0.9, harms=(2, 2, 2)) == 1
    assert best(0.1, 0.5, 0.9, harms=(2, 2, 1)) == 3
    nan = float("nan")
    assert best(0.1, 0.5, 0.9, harms=(nan, nan, nan), limit=nan) == 3
    assert best(-0.2, -0.1, -0.3) == 2


@pytest.mark.parametrize("strength", [4.1, -0.1, float("nan"), float("inf")])
def test_strengths_are_from_zero_to_four(strength):
    with pytest.raises(UserError, match=r"strength.* must be from 0 to 4, got") as error:
        AttributeEdits("judge", strengths=(1.0, strength))
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="the strength of an edit of A must be from 0 to 4, got"):
        Edit(set=("A",), strength=strength)
    with pytest.raises(UserError, match="at least one strength"):
        AttributeEdits("judge", strengths=())


class Together(Tinted):
    """B is there where A is."""

    def load(self):
        loaded = super().load()
        for faces in loaded.splits.values():
            faces.attributes[:, 1] = faces.attributes[:, 0]
            faces.images[..., 2] = faces.images[..., 1]
        return loaded


def test_what_goes_along_as_expected_is_no_side_effect():
    changes = {}
    for others in ("kept", "expected"):
        edits = {"A": Edit(set=("A",), others=others)}
        found = evaluate(Painter(), Together(exclusive=False), AttributeEdits("judge", edits))
        changes[others] = found["edit_change_in_others/A"].value
    # The judge sees painted labels with .9 and the others with 0.
    assert changes == {"kept": pytest.approx(0, abs=1e-6), "expected": pytest.approx(0.1)}
    # Faces are drawn with the other label too.
    assert found["generation_accuracy/A"].value == 1
