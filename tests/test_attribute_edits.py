"""Which edits are measured, on which faces, and how they are judged."""

import math
from dataclasses import replace

import pytest
import torch
from painter import LABELS, CannotSwitch, Painter, Tinted, evaluate

from lit_faces.callbacks.attribute_edits import AttributeEdits, Edit
from lit_faces.callbacks.edits import class_names, class_of, labels_of, rivals, settle_edits
from lit_faces.errors import UserError
from lit_faces.metrics.attributes import AttributeHits, wilson_interval
from lit_faces.metrics.per_image import clustered_error


def spec_of(**arguments):
    data = Tinted(**arguments)
    data.setup()
    return data.spec


def test_independent_labels_are_given_and_taken_away():
    spec = spec_of(exclusive=False)
    assert settle_edits(None, spec, LABELS) == {
        "A": Edit(set=("A",)),
        "No A": Edit(reset=("A",)),
        "B": Edit(set=("B",)),
        "No B": Edit(reset=("B",)),
    }
    given = {"mine": Edit(set=("B",))}
    assert settle_edits(given, spec, LABELS) == given
    assert settle_edits({}, spec, LABELS) == settle_edits(None, spec, ()) == {}


def test_exclusive_labels_take_each_others_place():
    spec = spec_of()
    edits = settle_edits(None, spec, LABELS)
    assert edits == {
        "A": Edit(("A",), ("B", "Neutral")),
        "B": Edit(("B",), ("A", "Neutral")),
        "Neutral": Edit(("Neutral",), ("A", "B")),
    }
    assert [rivals(edit, spec, LABELS) for edit in edits.values()] == [(0, 1, 2)] * 3
    bare = spec_of(neutral=False)
    edits = settle_edits(None, bare, LABELS)
    assert edits["Neutral"] == Edit(reset=LABELS)
    assert [rivals(edit, bare, LABELS) for edit in edits.values()] == [(0, 1)] * 3
    assert rivals(Edit(reset=("A",)), bare, LABELS) == rivals(Edit(set=("A",)), spec_of(exclusive=False), LABELS) == ()
    assert settle_edits(None, bare, ()) == {}
    with pytest.raises(UserError, match="at least one attribute"):
        Edit().lacking(torch.zeros(1, 2), bare)


@pytest.mark.parametrize("neutral", [True, False])
def test_a_face_lacks_neutral_if_it_has_any_label(neutral):
    data = Tinted(neutral=neutral)
    data.setup()
    edits = settle_edits(None, data.spec, LABELS)
    attributes = data.splits["test"].attributes[:3]
    lacking = {name: edit.lacking(attributes, data.spec).tolist() for name, edit in edits.items()}
    assert lacking == {"A": [False, True, True], "B": [True, False, True], "Neutral": [True, True, False]}
    assert [class_names(LABELS)[k] for k in class_of(attributes, data.spec, LABELS)] == ["A", "B", "Neutral"]


def test_the_method_says_which_labels():
    method = Painter()
    method.spec = replace(spec_of(), labels=("A",))
    assert labels_of(method) == LABELS
    method.labels = ("A", "Neutral")
    assert labels_of(method) == ("A",)


def test_a_hit_among_rivals_is_the_most_probable_one():
    probabilities = torch.tensor([[0.4, 0.3, 0.9], [0.7, 0.8, 0.1], [0.2, 0.1, 0.0], [0.6, 0.2, 0.3]])
    metrics = {on: AttributeHits(0, on, among=(1, 0)) for on in (True, False)}
    for metric in metrics.values():
        metric.update(torch.arange(4), probabilities, torch.zeros(4, 3))
    assert metrics[True].compute().column("hit").tolist() == [1, 0, 1, 1]
    assert metrics[False].compute().column("hit").tolist() == [1, 0, 1, 0]
    # Rivals follow from the target: the third column alone is another attribute.
    others = metrics[True].compute().column("change_in_others").tolist()
    assert others == pytest.approx([0.9, 0.1, 0.0, 0.3])
    with pytest.raises(ValueError, match="among"):
        AttributeHits(2, True, among=(0, 1))


def test_the_error_of_clusters_is_that_of_independent_values_if_each_is_its_own():
    torch.manual_seed(0)
    values = torch.randn(12, 2, dtype=torch.float64)
    expected = values.std(0) / math.sqrt(12)
    torch.testing.assert_close(clustered_error(values, torch.arange(12)), expected)
    # Repeats of a value say nothing new.
    twice = clustered_error(values.repeat_interleave(2, 0), torch.arange(12).repeat_interleave(2))
    torch.testing.assert_close(twice, expected)
    assert clustered_error(values, torch.zeros(12, dtype=torch.long)).isnan().all()


@pytest.mark.parametrize("mean_over", ["edits", "images"])
def test_perfect_paint_is_seen_and_faint_paint_is_not(mean_over):
    for tone, expected in ((None, 1.0), (0.1, 0.0)):
        method = Painter() if tone is None else Painter(tone)
        # Five people in four pictures, two of which have a label: ten faces an edit.
        found = evaluate(method, Tinted(exclusive=False), AttributeEdits("judge", mean_over=mean_over))
        assert set(found) >= {
            f"{m}/{e}" for m in ("edit_accuracy", "unedited_rate") for e in ("A", "No A", "B", "No B")
        }
        assert (found["edit_accuracy/A"].value, found["edit_accuracy/A"].n) == (expected, 10)
        assert found["edit_accuracy/No B"].value == 1
        assert found["generation_accuracy/B"].value == expected
        assert found["unedited_rate/A"].value == 0
        low, high = wilson_interval(10 * expected, 10)
        assert found["edit_accuracy/A"].settings == {"wilson_low": low, "wilson_high": high}
        overall = found["edit_accuracy"]
        assert overall.value == (1 + expected) / 2
        if mean_over == "edits":
            assert (overall.n, overall.stderr, overall.settings) == (4, None, {"mean_over": "edits"})
        else:
            # Every one of the 20 faces lacks a label or has it, for each of two labels.
            assert overall.n == 40
            assert overall.settings["mean_over"] == "images"
            assert overall.settings["wilson_low"] < overall.value <= overall.settings["wilson_high"]


def test_a_mean_over_images_weighs_an_edit_by_its_faces():
    edits = {"A": Edit(set=("A",)), "No A": Edit(reset=("A",))}
    data = Tinted(exclusive=False)
    data.setup()
    # Five faces without A, on which faint paint is never seen, and ten with it, which lose it.
    test = data.splits["test"]
    data.splits["test"] = test[data.spec.binary(test.attributes)[:, 0] | ~data.spec.binary(test.attributes)[:, 1]]
    for mean_over, expected, n in (("edits", 1 / 2, 2), ("images", 2 / 3, 15)):
        overall = evaluate(Painter(0.01), data, AttributeEdits("judge", edits, mean_over=mean_over))["edit_accuracy"]
        assert (overall.value, overall.n) == (pytest.approx(expected), n)
    # Every face is in one edit: the error is that of 15 independent hits.
    assert overall.stderr == pytest.approx(torch.tensor([0.0] * 5 + [1.0] * 10).std().item() / math.sqrt(15))


@pytest.mark.parametrize("neutral", [True, False])
def test_exclusive_labels_are_judged_as_one_choice(neutral):
    found = evaluate(Painter(0.3), Tinted(neutral=neutral), AttributeEdits("judge"))
    # The paint scores 0.69, above all rivals; an empty face is neutral though the judge says so with 0.3 alone.
    for name in (*LABELS, "Neutral"):
        assert found[f"edit_accuracy/{name}"].value == 1
        assert found[f"edit_accuracy/{name}"].n == 20
        assert found[f"unedited_rate/{name}"].value == 0 or not neutral
    # No attribute is left beside the choice, so there is no change in others.
    assert not any("others" in name for name in found)


def test_nothing_is_measured_without_a_judge_labels_or_faces():
    assert evaluate(Painter(), Tinted(), AttributeEdits()) == {}
    method = CannotSwitch()
    method.labels = ()
    assert evaluate(method, Tinted(labels=()), AttributeEdits("judge")) == {}
    # All test faces lack C's opposite: an edit without a face is left out.
    edits = {"both": Edit(set=("A",)), "none": Edit(reset=("Neutral",))}
    data = Tinted()
    data.setup()
    test = data.splits["test"]
    data.splits["test"] = test[torch.tensor([0, 1, 6])]
    assert {name.partition("/")[2] for name in evaluate(Painter(), data, AttributeEdits("judge", edits))} == {
        "",
        "both",
    }
