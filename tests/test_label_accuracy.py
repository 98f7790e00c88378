"""The shares of labels that a model, guessing and a linear classifier tell, on painted faces with known answers."""

import math
import warnings

import numpy as np
import pytest
import torch
from painter import LABELS, Painter, Tinted, evaluate
from pytorch_lightning import Trainer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lit_faces.callbacks.label_accuracy import LabelAccuracy
from lit_faces.callbacks.linear_accuracy import LinearAccuracy
from lit_faces.errors import UserError
from lit_faces.metrics.attributes import wilson_interval
from lit_faces.metrics.probe import linear_answers


def people(count, batch_size=4, **arguments):
    """Four faces each, with and without A and B."""
    data = Tinted(exclusive=False, people=count, batch_size=batch_size, **arguments)
    data.setup()
    return data


def has_a(data, split):
    return data.spec.binary(data.splits[split].attributes)[:, 0]


def rare(data, split):
    """Leaves A to every fifth person: of five persons 2 of 12 faces have it."""
    faces = data.splits[split]
    data.splits[split] = faces[~has_a(data, split) | (faces.identity % 5 == 0)]


def dark(images):
    return images[:, 0, 0, 0] < 0.35


class Recogniser(Painter):
    """Is wrong on A of dark faces; is undecided on B, which is no."""

    def label_probabilities(self, images):
        painted = images[:, 1].mean((1, 2)) > 0.1
        sure = torch.where(painted ^ dark(images), 0.51, 0.49)
        return torch.stack([sure, torch.full_like(sure, 0.5)], 1)


@pytest.mark.parametrize("batch_size", [3, 32])
def test_the_shares_are_those_of_the_right_answers(batch_size):
    data, callback = people(9, batch_size), LabelAccuracy()
    faces = data.splits["test"]
    bright = (~dark(faces.images.permute(0, 3, 1, 2) / 255)).double()
    without_b = (~data.spec.binary(faces.attributes)[:, 1]).double()
    assert 0 < bright.mean() < 1

    found = evaluate(Recogniser(), data, callback)
    right = {"label_accuracy/A": bright, "label_accuracy/B": without_b, "label_accuracy": (bright + without_b) / 2}
    for metric, values in right.items():
        assert found[metric].value == pytest.approx(float(values.mean()))
        assert found[metric].stderr == pytest.approx(float(values.std()) / math.sqrt(36))
        assert found[metric].n == 36
    low, high = wilson_interval(float(bright.sum()), 36)
    assert found["label_accuracy/A"].settings == {"wilson_low": low, "wilson_high": high}
    assert found["label_accuracy"].settings == {"mean_over": "labels"}
    assert set(callback.evaluation.per_image) == {"label_right/A", "label_right/B"}
    rows, hits = callback.evaluation.per_image["label_right/A"]
    assert torch.equal(rows, faces.index)
    assert torch.equal(hits, bright)


@pytest.mark.parametrize(
    ("method", "callback"), [(Recogniser(), LabelAccuracy()), (Painter(), LinearAccuracy(images=4, enabled=True))]
)
def test_the_majority_is_that_of_all_training_faces(method, callback):
    data = people(10)
    a = has_a(data, "train")
    data.splits["train"] = data.splits["train"][a | (torch.arange(len(a)) % 4 == 0)]
    rare(data, "test")
    share = float(has_a(data, "test").double().mean())
    assert share == pytest.approx(1 / 6)
    found = evaluate(method, data, callback)
    assert found["majority_accuracy/A"].value == pytest.approx(share)
    # Of the test faces as many have B as lack it, whatever is more frequent in training.
    assert found["majority_accuracy/B"].value == 0.5
    assert found["majority_accuracy"].value == pytest.approx((share + 0.5) / 2)
    low, high = wilson_interval(share * 24, 24)
    assert found["majority_accuracy/A"].settings == {"wilson_low": low, "wilson_high": high}


def test_the_validation_split_is_watched():
    data = people(9)
    faces = data.splits["validation"]
    bright = (~dark(faces.images.permute(0, 3, 1, 2) / 255)).double().mean()
    trainer = Trainer(accelerator="cpu", callbacks=[LabelAccuracy()], logger=False, enable_progress_bar=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have many workers")
        found = trainer.validate(Recogniser(), datamodule=data, verbose=False)
    assert found == [{"validation/label_accuracy": pytest.approx(float(bright + 0.5) / 2)}]


def test_a_method_that_recognises_nothing_is_left_alone():
    assert evaluate(Painter(), people(2), LabelAccuracy()) == {}


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_linear_classifier_finds_a_planted_label(exclusive):
    data, callback = Tinted(exclusive=exclusive, people=30), LinearAccuracy(enabled=True)
    found = evaluate(Painter(leaky=True), data, callback)
    kinds = ("linear_accuracy", "majority_accuracy")
    assert set(found) == {*kinds, *(f"{kind}/{label}" for kind in kinds for label in LABELS)}
    faces = data.splits["test"]
    low, high = wilson_interval(len(faces), len(faces))
    size = len(data.splits["train"])
    for label in LABELS:
        one = found[f"linear_accuracy/{label}"]
        assert (one.value, one.n) == (1, len(faces))
        assert one.settings == {"training_images": size, "wilson_low": low, "wilson_high": high}
        rows, hits = callback.evaluation.per_image[f"label_right/{label}"]
        assert torch.equal(rows, faces.index)
        assert hits.tolist() == [1.0] * len(faces)
    assert found["linear_accuracy"].settings == {"training_images": size, "mean_over": "labels"}


def test_of_noise_it_finds_the_majority():
    data = people(80)
    for split in ("train", "test"):
        rare(data, split)
    found = evaluate(Painter(leaky=False), data, LinearAccuracy(enabled=True))
    # With classes weighed alike a rare label would be guessed half of the time.
    assert found["linear_accuracy/A"].value == pytest.approx(5 / 6, abs=0.02)
    assert abs(found["linear_accuracy/B"].value - 0.5) < 4 * found["linear_accuracy/B"].stderr
    parts = [found[f"linear_accuracy/{label}"].value for label in LABELS]
    assert found["linear_accuracy"].value == pytest.approx(np.mean(parts))


def test_it_learns_from_the_first_training_faces():
    data = people(20)
    data.splits["train"].attributes[30:] *= -1
    shares = [
        evaluate(Painter(leaky=True), data, LinearAccuracy(images, enabled=True))["linear_accuracy"]
        for images in (30, 100)
    ]
    assert [share.value for share in shares] == [1, 0]
    # There are 80.
    assert [share.settings["training_images"] for share in shares] == [30, 80]


def test_the_batches_do_not_matter():
    once, often = (
        evaluate(Painter(leaky=False), people(20, batch_size=size), LinearAccuracy(50, enabled=True))
        for size in (3, 64)
    )
    assert once == often


def test_the_answers_are_those_of_scikit_learn():
    generator = np.random.default_rng(0)
    codes, held_out = generator.normal(2, 3, size=(300, 4)), generator.normal(2, 3, size=(200, 4))
    truth = (codes[:, 0] + 3 * generator.normal(size=300) > 4).astype(np.int64)
    expected = make_pipeline(StandardScaler(), LogisticRegression()).fit(codes, truth).predict(held_out)
    assert 0 < expected.mean() < 1
    assert (linear_answers((codes, truth), held_out) == expected).all()
    # A code that never varies, and a label that never does.
    still = [np.concatenate([x, np.ones((len(x), 1))], 1) for x in (codes, held_out)]
    assert (linear_answers((still[0], truth), still[1]) == expected).all()
    assert linear_answers((codes, np.ones_like(truth)), held_out).tolist() == [1] * 200


def test_nothing_linear_is_measured_without_labels_codes_or_leave():
    assert evaluate(Painter(), people(2), LinearAccuracy()) == {}

    class Blind(Painter):
        encode = None

    assert evaluate(Blind(), people(2), LinearAccuracy(enabled=True)) == {}
    method = Painter()
    method.labels = ()
    assert evaluate(method, people(2, labels=()), LinearAccuracy(enabled=True)) == {}


def test_a_classifier_needs_a_face():
    with pytest.raises(UserError, match=r"linear.images must be at least 1, got 0"):
        LinearAccuracy(0)
