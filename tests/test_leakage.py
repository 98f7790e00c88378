"""A probe finds the label where it is, and chance where it is not."""

import numpy as np
import pytest
from painter import LABELS, Painter, Tinted, evaluate

from lit_faces.callbacks.leakage import Leakage
from lit_faces.metrics.probe import probe


def split(generator, n, share=0.5):
    truth = (generator.random(n) < share).astype(np.int64)
    return generator.normal(size=(n, 3)), truth


def test_a_probe_finds_what_is_there():
    generator = np.random.default_rng(0)
    (a, ya), (b, yb) = split(generator, 600), split(generator, 400)
    noise = probe((a, ya), (b, yb))
    assert abs(noise.accuracy - 0.5) < 4 * noise.error
    assert abs(noise.linear_accuracy - 0.5) < 4 * noise.error
    a[:, 1] += 4 * ya
    b[:, 1] += 4 * yb
    found = probe((a, ya), (b, yb))
    assert found.accuracy > 0.93
    assert found.linear_accuracy > 0.93
    assert found.classes == (0, 1)
    assert found.counts == ((yb == 0).sum(), (yb == 1).sum())
    assert found == probe((a, ya), (b, yb))


def test_only_the_network_finds_a_circle():
    generator = np.random.default_rng(1)
    (a, _), (b, _) = split(generator, 800), split(generator, 500)
    ya, yb = ((x[:, :2] ** 2).sum(1) > 1.4 for x in (a, b))
    found = probe((a, ya.astype(np.int64)), (b, yb.astype(np.int64)))
    assert found.accuracy > 0.8
    assert abs(found.linear_accuracy - 0.5) < 0.1


def test_rare_classes_count_as_much_as_common_ones():
    # Two normal classes 1.5 apart, one of them rare: the best balanced accuracy is Phi(0.75) = 0.77; always "no" has 1/2.
    generator = np.random.default_rng(2)
    (a, ya), (b, yb) = split(generator, 2000, 0.08), split(generator, 3000, 0.08)
    a[:, 0] += 1.5 * ya
    b[:, 0] += 1.5 * yb
    found = probe((a, ya), (b, yb))
    assert found.linear_accuracy == pytest.approx(0.77, abs=0.04)
    assert found.accuracy == pytest.approx(0.77, abs=0.06)


def test_absent_classes_are_left_out():
    generator = np.random.default_rng(3)
    a, b = generator.normal(size=(300, 2)), generator.normal(size=(200, 2))
    ya, yb = ((x[:, 0] > 0).astype(np.int64) + 2 * (x[:, 1] > 1) for x in (a, b))
    found = probe((a, ya), (b, yb))
    assert found.classes == (0, 1, 2, 3)
    assert found.accuracy == pytest.approx(np.mean(found.recall))
    assert probe((a, ya), (b[yb < 3], yb[yb < 3])).classes == (0, 1, 2)
    assert probe((a, ya), (b[yb == 0], yb[yb == 0])) is None
    # Few codes are enough, with nothing put aside.
    assert probe((a[:8], np.arange(8) % 2), (b[:4], np.arange(4) % 2)) is not None


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_code_with_the_label_leaks_and_noise_does_not(exclusive):
    values = {}
    for leaky in (True, False):
        data = Tinted(exclusive=exclusive, people=40, train=60, batch_size=50)
        found = values[leaky] = evaluate(Painter(leaky=leaky), data, Leakage())
        chance = 1 / 3 if exclusive else 1 / 2
        names = [*LABELS, "Neutral"] if exclusive else LABELS
        spaces = {f"subspace_accuracy/{code}/{name}" for code in ("w_A", "w_B") for name in names}
        assert set(found) == {"leakage", *(f"leakage/{name}" for name in names), *spaces}
        assert found["leakage"].settings["chance"] == found["leakage/A"].settings["chance"] == chance
        assert found["leakage"].settings["probe_images"] == len(data.splits["train"])
        parts = [found[f"leakage/{name}"] for name in names]
        assert found["leakage"].value == pytest.approx(sum(p.value for p in parts) / len(parts))
        assert found["subspace_accuracy/w_A/A"].value == 1
    assert values[True]["leakage"].value > 0.98
    assert values[True]["leakage"].settings["linear"] > 0.98
    assert abs(values[False]["leakage"].value - chance) < 0.12
    assert abs(values[False]["leakage"].settings["linear"] - chance) < 0.12
    if not exclusive:
        assert abs(values[False]["subspace_accuracy/w_A/B"].value - 0.5) < 0.12


def test_probe_images_are_the_first_and_settings_are_kept():
    found = evaluate(Painter(leaky=True), Tinted(people=4, train=20), Leakage(probe_images=30))
    assert found["leakage"].settings["probe_images"] == 30


def test_nothing_is_measured_without_labels_codes_or_leave():
    assert evaluate(Painter(), Tinted(), Leakage(enabled=False)) == {}

    class Blind(Painter):
        encode = None

    assert evaluate(Blind(), Tinted(), Leakage()) == {}
    method = Painter()
    method.labels = ()
    assert evaluate(method, Tinted(labels=()), Leakage()) == {}


def test_the_recalls_are_means_of_what_is_kept_for_each_code():
    codes, truth = np.random.default_rng(0).normal(size=(300, 3)), np.arange(300) % 3
    codes[:, 0] += truth
    train, test = (codes[:200], truth[:200]), (codes[200:], np.where(truth[200:] == 2, 7, truth[200:]))
    score = probe(train, test)
    right = np.array(score.right)
    # A class that is in one split alone is not asked for.
    assert (np.isnan(right) == (test[1] == 7)).all()
    assert score.recall == pytest.approx(tuple(right[test[1] == c].mean() for c in (0, 1)))
