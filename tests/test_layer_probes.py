"""Linear probes find what was planted in a layer, and no more."""

import numpy as np
import pytest
import torch
from layered import Ladder
from painter import LABELS, Painter, Tinted, evaluate

from lit_faces.callbacks.code_match import CodeMatch
from lit_faces.callbacks.layer_probes import LayerProbes, _balanced_accuracies
from lit_faces.errors import UserError
from lit_faces.metrics.probe import linear_answers, linear_values
from lit_faces.studies.statements import METRICS

LAYERS = ("z_0", "z_1", "z_3")


def planted(exclusive):
    return Tinted(exclusive=exclusive, people=40, train=100, batch_size=50)


def test_a_layer_tells_the_labels_that_it_holds_and_noise_tells_none():
    data = planted(False)
    callback = LayerProbes()
    found = evaluate(Ladder(), data, callback)
    accuracies = {f"probe_accuracy/{layer}{of}" for layer in LAYERS for of in ("", "/A", "/B")}
    accuracies |= {"probe_accuracy", "probe_accuracy/all/A", "probe_accuracy/all/B"}
    explained = {f"probe_r2/{layer}/{name}" for layer in (*LAYERS, "all") for name in ("brightness", "warmth")}
    assert set(found) == accuracies | explained
    for label in LABELS:
        assert found[f"probe_accuracy/z_0/{label}"].value == found[f"probe_accuracy/all/{label}"].value == 1
        noise = found[f"probe_accuracy/z_3/{label}"]
        assert abs(noise.value - 0.5) < 4 * noise.stderr
    assert found["probe_accuracy"].value == found["probe_accuracy/z_0"].value == 1
    assert found["probe_accuracy/z_1"].value == pytest.approx(
        sum(found[f"probe_accuracy/z_1/{label}"].value for label in LABELS) / 2
    )
    headline = found["probe_accuracy"]
    assert (headline.n, headline.unit) == (len(data.splits["test"]), "balanced accuracy")
    assert headline.settings == {"chance": 0.5, "probe_images": len(data.splits["train"]), "mean_over": "labels"}


def test_a_linear_quantity_is_explained_by_the_layer_that_holds_it():
    callback = LayerProbes()
    found = evaluate(Ladder(), planted(False), callback)
    assert found["probe_r2/z_1/warmth"].value == pytest.approx(1, abs=1e-3)
    assert found["probe_r2/all/warmth"].value == pytest.approx(1, abs=1e-3)
    assert abs(found["probe_r2/z_3/warmth"].value) < 0.1
    assert 0.5 < found["probe_r2/z_0/warmth"].value < 0.97
    for layer in (*LAYERS, "all"):
        one = found[f"probe_r2/{layer}/warmth"]
        _, error = callback.evaluation.per_image[f"probe_error/{layer}/warmth"]
        assert one.value == pytest.approx(1 - error.mean().item())
        assert one.stderr == pytest.approx(error.std().item() / len(error) ** 0.5)
        assert (one.n, one.unit) == (160, "R^2")


def test_exclusive_labels_are_the_classes_of_one_probe():
    data, callback = planted(True), LayerProbes()
    # More faces of one class than of the others, in training and in testing.
    for split in data.splits or (data.setup() or data.splits):
        attributes = data.splits[split].attributes
        attributes[:150] = attributes[:1]
    found = evaluate(Ladder(), data, callback)
    names = {m for m in found if m.startswith("probe_accuracy")}
    assert names == {"probe_accuracy", "probe_accuracy/all/class"} | {
        f"probe_accuracy/{layer}{of}" for layer in LAYERS for of in ("", "/class")
    }
    test = data.splits["test"].attributes
    first = (test == test[0]).all(1).double().mean().item()
    assert first > 0.5
    for layer in ("all", *LAYERS):
        one = found[f"probe_accuracy/{layer}/class"]
        index, hit = callback.evaluation.per_image[f"probe_hit/{layer}/class"]
        assert torch.equal(index, data.splits["test"].index)
        assert one.value == pytest.approx(hit.mean().item())
        assert one.settings["chance"] == pytest.approx(first)
        assert (one.unit, one.n) == ("share of faces", len(test))
        headline = found["probe_accuracy" if layer == "all" else f"probe_accuracy/{layer}"]
        assert (headline.value, headline.stderr) == (one.value, one.stderr)
    # Noise has nothing better to say than the most frequent class.
    assert found["probe_accuracy/z_3"].value == pytest.approx(first, abs=0.05)


def test_a_label_that_all_faces_of_a_split_share_is_left_out():
    data = planted(False)
    data.setup()
    data.splits["test"].attributes[:, 1] = data.splits["test"].attributes[0, 1]
    found = evaluate(Ladder(), data, LayerProbes())
    assert "probe_accuracy/z_0/A" in found
    assert not any(name.endswith("/B") for name in found)
    data.splits["train"].attributes[:, 0] = data.splits["train"].attributes[0, 0]
    found = evaluate(Ladder(), data, LayerProbes())
    assert {name.partition("/")[0] for name in found} == {"probe_r2"}


def test_hits_are_kept_image_by_image_for_claims():
    data, callback = planted(False), LayerProbes()
    found = evaluate(Ladder(), data, callback)
    truth = data.spec.binary(data.splits["test"].attributes)
    for layer in ("all", *LAYERS):
        for column, label in enumerate(LABELS):
            index, hit = callback.evaluation.per_image[f"probe_hit/{layer}/{label}"]
            assert torch.equal(index, data.splits["test"].index)
            recalls = [hit[truth[:, column] == side].mean().item() for side in (False, True)]
            assert found[f"probe_accuracy/{layer}/{label}"].value == pytest.approx(sum(recalls) / 2)
    assert {name.partition("/")[0] for name in callback.evaluation.per_image} <= METRICS


def test_the_error_of_a_balanced_accuracy_is_that_of_its_recalls():
    torch.manual_seed(0)
    truth = (torch.rand(500) < 0.1).long()
    hits = torch.bernoulli(torch.where(truth > 0, 0.6, 0.9)).double()
    once = _balanced_accuracies("z_0", {"A": hits}, {"A": truth}, 1)
    shares = [(hits[truth == side].mean().item(), int((truth == side).sum())) for side in (0, 1)]
    expected = 0.5 * sum(r * (1 - r) / n for r, n in shares) ** 0.5
    assert [one.stderr for one in once] == pytest.approx([expected] * 2)
    # A label's copy has nothing to add; one that is independent has.
    twice = _balanced_accuracies("z_0", {"A": hits, "B": hits}, {"A": truth, "B": truth}, 1)
    assert twice[0].stderr == pytest.approx(expected)
    other = torch.bernoulli(torch.full((500,), 0.8)).double()
    mixed = _balanced_accuracies("z_0", {"A": hits, "B": other}, {"A": truth, "B": truth}, 1)
    assert mixed[0].stderr == pytest.approx((mixed[1].stderr ** 2 + mixed[2].stderr ** 2) ** 0.5 / 2, rel=0.1)


def test_the_regression_is_least_squares_and_takes_copies_and_constants():
    generator = np.random.default_rng(0)
    codes, held_out = generator.normal(3, 2, size=(5000, 3)), generator.normal(3, 2, size=(200, 3))
    values = 5 + codes @ [1.0, -2.0, 0.0] + generator.normal(size=5000)
    slopes = np.linalg.lstsq(np.column_stack([np.ones(5000), codes]), values, rcond=None)[0]
    expected = slopes[0] + held_out @ slopes[1:]
    assert linear_values(codes, values, held_out) == pytest.approx(expected, abs=5e-3)
    doubled = [np.concatenate([x, x, np.ones_like(x)], 1) for x in (codes, held_out)]
    assert linear_values(doubled[0], values, doubled[1]) == pytest.approx(expected, abs=5e-3)
    flat = np.ones((5000, 1))
    assert linear_values(flat, values, held_out[:, :1]) == pytest.approx(values.mean())


def test_a_balanced_classifier_does_not_pass_over_a_rare_class():
    generator = np.random.default_rng(0)
    truth = (generator.random(2000) < 0.05).astype(np.int64)
    codes = generator.normal(size=(2000, 1)) + truth[:, None]
    assert linear_answers((codes, truth), codes).mean() < 0.02
    assert linear_answers((codes, truth), codes, "balanced")[truth == 1].mean() > 0.6


@pytest.mark.parametrize("exclusive", [True, False])
def test_neither_the_batch_size_nor_faces_beyond_the_first_matter(exclusive):
    found = []
    for batch_size in (3, 64):
        data = Tinted(exclusive=exclusive, people=9, train=20, batch_size=batch_size)
        data.setup()
        if batch_size == 64:
            data.splits["train"].images[33:] = 0
        found.append(evaluate(Ladder(), data, LayerProbes(33), CodeMatch()))
    assert found[0].keys() == found[1].keys()
    for name, one in found[0].items():
        assert one.value == pytest.approx(found[1][name].value, rel=1e-5, abs=1e-6), name
        assert one.settings == found[1][name].settings
    assert found[0]["probe_accuracy"].settings["probe_images"] == 33


def test_only_ladders_are_probed():
    assert evaluate(Painter(), Tinted(), LayerProbes(), CodeMatch()) == {}
    assert evaluate(Ladder(), Tinted(), LayerProbes(enabled=False)) == {}
    with pytest.raises(UserError, match=r"probes\.images must be at least 2, got 1"):
        LayerProbes(1)
