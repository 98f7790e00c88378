"""How often a classifier is right: label by label, and as one choice among exclusive labels."""

import math

import numpy as np
import pytest
import torch
from painter import LABELS, Tinted, evaluate, watched

from lit_faces.callbacks.classifier_accuracy import ClassifierAccuracy
from lit_faces.methods.base import Method


class Sure(Method):
    """A classifier that takes B for A, and sees A and neutral faces with less than 1/2, though more than anything else."""

    def build(self, spec):
        self.network = torch.nn.Linear(1, 1)

    def probabilities(self, images):
        a, b = (images[:, 1:].flatten(2).mean(2) > 0).t()
        seen = [torch.where(b, 0.7, 0.1 + 0.3 * a), torch.where(b, 0.6, 0.1), torch.where(b, 0.1, 0.3)]
        return torch.stack(seen, 1)[:, : len(self.spec.attributes)]


def test_a_classifier_of_exclusive_labels_is_measured_by_its_choice():
    found = evaluate(Sure(), Tinted(), ClassifierAccuracy())
    # Ten test faces each with A, B and neither; one by one, A is seen in those with B alone, and neutral is never seen.
    expected = {"accuracy/A": 1 / 3, "accuracy/B": 1, "accuracy/Neutral": 2 / 3, "accuracy": 2 / 3}
    # All A and neutral faces are given their class, and all B are given A.
    expected |= {"balanced_accuracy/A": 3 / 4, "balanced_accuracy/B": 1 / 2, "balanced_accuracy/Neutral": 1}
    expected |= {"balanced_accuracy": 3 / 4, "class_accuracy": 2 / 3}
    assert {name: m.value for name, m in found.items()} == pytest.approx(expected)
    assert {m.n for m in found.values()} == {30}
    assert found["class_accuracy"].stderr == pytest.approx(np.std([1.0] * 20 + [0.0] * 10, ddof=1) / math.sqrt(30))
    data = Tinted()
    data.setup()
    scalars = ("accuracy", "balanced_accuracy", "class_accuracy")
    seen = watched(Sure(), data, ClassifierAccuracy())
    assert seen == pytest.approx({f"validation/{name}": expected[name] for name in scalars})


def test_without_a_neutral_attribute_a_face_is_neutral_if_no_label_is_seen():
    found = evaluate(Sure(), Tinted(neutral=False), ClassifierAccuracy())
    # A face with A is neutral then.
    assert found["class_accuracy"].value == pytest.approx(1 / 3)
    balanced = {name: found[f"balanced_accuracy/{name}"].value for name in (*LABELS, "Neutral")}
    assert balanced == pytest.approx({"A": 1 / 4, "B": 1 / 2, "Neutral": 3 / 4})
    assert "accuracy/Neutral" not in found


def test_a_classifier_of_independent_labels_is_measured_one_by_one():
    found = evaluate(Sure(), Tinted(exclusive=False), ClassifierAccuracy())
    # A is seen where B is, which is independent of A.
    expected = {"accuracy/A": 1 / 2, "accuracy/B": 1, "accuracy": 3 / 4}
    expected |= {f"balanced_{name}": value for name, value in expected.items()}
    assert {name: m.value for name, m in found.items()} == pytest.approx(expected)
    # Without labels there are no classes.
    assert "class_accuracy" not in evaluate(Sure(), Tinted(labels=()), ClassifierAccuracy())
