"""Which edits are measured, on which faces, and how they are judged."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from painter import LABELS, CannotSwitch, Judge, Painter, Tinted, evaluate, quiet_trainer, watched

from lit_faces.callbacks.attribute_edits import AttributeEdits, Edit
from lit_faces.callbacks.edits import class_names, class_of, labels_of, mean_over_edits, rivals, settle_edits
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
        assert found["edit_accuracy/A"].settings == {"strength": 1.0, "wilson_low": low, "wilson_high": high}
        assert found["generation_accuracy/A"].settings["others"] == "expected"
        assert found["edit_rise/A"].value == expected
        overall = found["edit_accuracy"]
        assert overall.value == (1 + expected) / 2
        # Each of the 20 faces lacks a label or has it, for each of two labels: its two hits are not independent.
        assert (overall.n, overall.settings) == (20, {"mean_over": mean_over})
        # Faint paint misses twice on a face that lacks both labels, never on one that has both, and once on the others; all faces
        # of one edit are alike.
        hits = [0.0] * 5 + [0.5] * 10 + [1.0] * 5 if tone and mean_over == "images" else [1.0] * 20
        assert overall.stderr == pytest.approx(np.std(hits, ddof=1) / math.sqrt(20))


def test_a_mean_over_images_weighs_an_edit_by_its_faces():
    edits = {"A": Edit(set=("A",)), "No A": Edit(reset=("A",))}
    data = Tinted(exclusive=False)
    data.setup()
    # Five faces without A, on which faint paint is never seen, and ten with it, which lose it.
    test = data.splits["test"]
    data.splits["test"] = test[data.spec.binary(test.attributes)[:, 0] | ~data.spec.binary(test.attributes)[:, 1]]
    overall = {}
    for mean_over, expected in (("edits", 1 / 2), ("images", 2 / 3)):
        callback = AttributeEdits("judge", edits, mean_over=mean_over)
        overall[mean_over] = evaluate(Painter(0.01), data, callback)["edit_accuracy"]
        assert (overall[mean_over].value, overall[mean_over].n) == (pytest.approx(expected), 15)
    # Every face is in one edit: the error is that of 15 independent hits, and their share has an interval.
    assert overall["images"].stderr == pytest.approx(np.std([0.0] * 5 + [1.0] * 10, ddof=1) / math.sqrt(15))
    low, high = wilson_interval(10, 15)
    assert overall["images"].settings == {"mean_over": "images", "wilson_low": low, "wilson_high": high}
    # Within each edit all faces are alike, and a mean over edits has no interval.
    assert (overall["edits"].stderr, overall["edits"].settings) == (0, {"mean_over": "edits"})


def test_the_error_of_a_mean_over_edits_takes_images_for_independent():
    chance = np.random.default_rng(0)
    # Images 0 to 11 in edits of different sizes, some in none, some in all three.
    edits = {k: (chance.permutation(12)[:size], chance.normal(k, 1 + k, size)) for k, size in enumerate((3, 7, 11))}
    share = dict.fromkeys(range(12), 0.0)
    for rows, values in edits.values():
        for row, value in zip(rows, values, strict=True):
            share[row] += (value - values.mean()) / (len(edits) * len(values))
    seen = {row for rows, _ in edits.values() for row in rows}
    expected = math.sqrt(len(seen) / (len(seen) - 1) * sum(value**2 for value in share.values()))
    tables = [(torch.from_numpy(rows), torch.from_numpy(values)) for rows, values in edits.values()]
    found = mean_over_edits("error", "unit", tables)
    assert found.value == pytest.approx(np.mean([values.mean() for _, values in edits.values()]))
    assert (found.stderr, found.n) == (pytest.approx(expected), len(seen))
    assert (found.metric, found.unit, found.settings) == ("error", "unit", {"mean_over": "edits"})
    # Of one edit it is the standard error of a mean; an edit that is there twice says nothing new; one image has no error.
    plain = np.std(edits[2][1], ddof=1) / math.sqrt(11)
    assert mean_over_edits("error", "unit", tables[2:]).stderr == pytest.approx(plain)
    assert mean_over_edits("error", "unit", tables[2:] * 2).stderr == pytest.approx(plain)
    assert mean_over_edits("error", "unit", [(torch.tensor([3]), torch.tensor([1.0]))]).stderr is None


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


def test_what_follows_from_an_edit_may_change():
    class Following(Tinted):
        def load(self):
            return replace(super().load(), follows={"A": ("B",)})

    class Spills(Painter):
        """Where it edits A, it paints B everywhere."""

        def edit(self, images, attributes, target, strength=1.0):
            edited = super().edit(images, attributes, target)
            changed = self.spec.binary(attributes)[:, 0] != self.spec.binary(target)[:, 0]
            edited[changed, 2] = self.tone
            return edited

    found = evaluate(Spills(), Tinted(exclusive=False), AttributeEdits("judge"))
    # The judge sees B change from 0 to 0.9 on every second face.
    assert found["edit_change_in_others/A"].value == pytest.approx(0.45)
    assert found["edit_change_in_others/No A"].value == pytest.approx(0.45)
    assert found["edit_change_in_others/B"].value == pytest.approx(0)
    found = evaluate(Spills(), Following(exclusive=False), AttributeEdits("judge"))
    # Nothing else is left beside A and B; A does not follow from B.
    assert [name for name in found if "others/" in name] == ["edit_change_in_others/B", "edit_change_in_others/No B"]
    assert found["edit_accuracy/A"].value == 1


class Inferring(Painter):
    """Takes every face for one that has no label, and paints only what changes."""

    def infer(self, images):
        return self.spec.vector(off=LABELS).repeat(len(images), 1)

    def edit(self, images, attributes, target, strength=1.0):
        same = self.spec.binary(attributes) == self.spec.binary(target)
        edited = super().edit(images, attributes, target)
        edited[:, 1:] = torch.where(same[:, :2, None, None], images[:, 1:], edited[:, 1:])
        return edited


def test_edits_of_faces_without_attributes_start_from_inferred_ones():
    found = evaluate(Inferring(), Tinted(exclusive=False), AttributeEdits("judge"))
    rates = {name: found[f"edit_inferred_accuracy/{name}"].value for name in ("A", "B", "No A", "No B")}
    # What it takes for gone already it does not take away, though it could.
    assert rates == {"A": 1, "B": 1, "No A": 0, "No B": 0}
    assert found["edit_accuracy/No A"].value == 1
    assert found["edit_inferred_accuracy/A"].n == found["edit_accuracy/A"].n
    assert (found["edit_inferred_accuracy"].value, found["edit_accuracy"].value) == (0.5, 1)
    assert not any("inferred" in name for name in evaluate(Painter(), Tinted(), AttributeEdits("judge")))
    # Watching is of the edits with attributes.
    assert watched(Inferring(), Tinted(), AttributeEdits("judge", watch=True)) == {"validation/edit_accuracy": 1}


@pytest.mark.parametrize("mean_over", ["edits", "images"])
def test_edits_of_the_validation_split_are_watched(mean_over):
    edits = {"A": Edit(set=("A",)), "No A": Edit(reset=("A",)), "B": Edit(set=("B",))}
    data = Tinted(exclusive=False)
    data.setup()
    # Of validation, five faces without A and ten with it, all with B: no face lacks B.
    faces = data.splits["validation"]
    truth = data.spec.binary(faces.attributes)
    rows = torch.cat([row.nonzero()[:, 0] for row in (truth[:, 1], truth.all(1))])
    data.splits["validation"] = replace(faces[rows], index=torch.arange(15))

    class Edited(Painter):
        def generate(self, attributes, noise):
            raise AssertionError("faces are generated")

    # Faint paint is never seen, and what is wiped away always is.
    expected = {"edits": 1 / 2, "images": 2 / 3}[mean_over]
    found = watched(Edited(0.01), data, AttributeEdits("judge", edits, mean_over=mean_over, watch=True))
    assert found == {"validation/edit_accuracy": pytest.approx(expected)}
    assert watched(Edited(0.01), data, AttributeEdits("judge", edits)) == {}


def test_watching_does_not_change_what_the_training_draws():
    data, method = Tinted(), Painter()
    data.setup()
    method.prepare(data.spec)

    def load(*_, **__):
        torch.rand(3)
        return Judge(data.spec)

    before = torch.get_rng_state()
    assert watched(method, data, AttributeEdits("judge", watch=True), load) == {"validation/edit_accuracy": 1}
    assert torch.equal(torch.get_rng_state(), before)


def test_watching_needs_a_classifier_before_the_training():
    with pytest.raises(UserError, match=r"--edits\.classifier"):
        AttributeEdits(watch=True)

    class Untrained(Painter):
        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    data = Tinted()
    data.setup()
    trainer = quiet_trainer(AttributeEdits("nowhere.ckpt", watch=True))
    with pytest.raises(UserError, match=r"no checkpoint at nowhere\.ckpt"):
        trainer.fit(Untrained(), datamodule=data)
