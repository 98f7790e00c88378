"""Verification of persons: pairs, thresholds and what the callback reports."""

import math

import pytest
import torch
from eye import Seeing, pairs_of, prepared, quiet_trainer
from painter import Painter, evaluate
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from lit_faces.callbacks.verification import Verification
from lit_faces.metrics.verification import (
    best_threshold,
    next_of_another,
    verification_accuracy,
    verification_auc,
    verification_pairs,
)

# Pairs and thresholds.


def test_all_pairs_of_one_person_and_as_many_of_two():
    identity = torch.tensor([3, -7, 3, 3, -7, 9])
    same, different = verification_pairs(identity, 100, 0)
    assert {frozenset(pair) for pair in same.tolist()} == {frozenset(pair) for pair in ((0, 2), (0, 3), (2, 3), (1, 4))}
    assert (identity[different[:, 0]] != identity[different[:, 1]]).all()
    assert torch.equal(different[:, 0], same[:, 0])


def test_a_person_of_many_pictures_has_few_pairs_drawn_by_the_seed():
    identity = torch.arange(60) % 2 + torch.arange(60) // 59 * 5
    same, different = verification_pairs(identity, 50, 1)
    # 30 and 29 pictures; the last is of a person with one.
    assert torch.bincount(identity[same[:, 0]]).tolist() == [50, 50]
    assert len({frozenset(pair) for pair in same.tolist()}) == 100
    assert (identity[different[:, 0]] != identity[different[:, 1]]).all()
    again, other = (verification_pairs(identity, 50, seed) for seed in (1, 2))
    assert torch.equal(torch.cat(again), torch.cat((same, different)))
    assert not torch.equal(other[0], same)


def test_every_image_of_others_is_drawn_equally_often():
    identity = torch.tensor([1, 0, 2, 0, 1, 2, 2, 0]).repeat_interleave(2)
    counts = torch.zeros(16, 16)
    for seed in range(800):
        first, second = verification_pairs(identity, 2, seed)[1].T
        counts.index_put_((first, second), torch.ones(len(first)), accumulate=True)
    other = identity[:, None] != identity
    assert (counts[~other] == 0).all()
    shares = counts / counts.sum(1, keepdim=True)
    expected = other / other.sum(1, keepdim=True)
    seen = counts.sum(1) > 100
    assert seen.sum() > 8
    error = (expected * (1 - expected) / counts.sum(1, keepdim=True)).sqrt()
    assert ((shares - expected)[seen].abs() <= 5 * error[seen]).all()


@pytest.mark.parametrize("identity", [[], [4], [4, 4, 4], [1, 2, 3]])
def test_without_pairs_or_a_second_person_there_are_none(identity):
    same, different = verification_pairs(torch.tensor(identity, dtype=torch.long), 10, 0)
    assert same.shape == different.shape == (0, 2)


def test_the_next_of_another_person_is_found_around_the_end():
    identity = torch.tensor([5, 5, 2, 5, 2, 2, 5, 5])
    found = next_of_another(identity).tolist()
    expected = []
    for i in range(8):
        steps = (k for k in range(1, 8) if identity[(i + k) % 8] != identity[i])
        expected.append((i + next(steps)) % 8)
    assert found == expected
    assert next_of_another(torch.tensor([3, 3])) is None


def test_the_best_threshold_of_known_similarities():
    same, different = torch.tensor([0.9, 0.5, 0.7, 0.1]), torch.tensor([0.2, 0.0, 0.3, 0.6])
    # Above 0.4 lie three of four of the same, and one of four of the different.
    assert best_threshold(same, different) == pytest.approx(0.4)
    assert verification_accuracy(same, different, 0.4) == 0.75
    assert verification_auc(same, different) == 12 / 16
    # What lies on the threshold is not above it.
    assert verification_accuracy(same, different, 0.5) == (0.5 + 0.75) / 2
    assert best_threshold(torch.tensor([0.8]), torch.tensor([0.2, 0.4])) == pytest.approx(0.6)
    # The wrong way round nothing beats one answer for all.
    low, high = torch.tensor([0.1]), torch.tensor([0.9])
    assert verification_accuracy(low, high, best_threshold(low, high)) == 0.5


@pytest.mark.parametrize("digits", [1, 6])
def test_threshold_accuracy_and_area_are_those_of_scikit_learn(digits):
    torch.manual_seed(0)
    # With one digit there are many ties.
    same = (0.3 + 0.3 * torch.randn(70, dtype=torch.float64)).round(decimals=digits)
    different = (0.3 * torch.randn(50, dtype=torch.float64)).round(decimals=digits)
    similarity, truth = torch.cat([same, different]), torch.tensor([1] * 70 + [0] * 50)
    threshold = best_threshold(same, different)
    accuracy = verification_accuracy(same, different, threshold)
    assert accuracy == pytest.approx(balanced_accuracy_score(truth, similarity > threshold))
    others = [balanced_accuracy_score(truth, similarity > t) for t in [-2.0, *similarity.tolist()]]
    assert accuracy == pytest.approx(max(others))
    assert verification_auc(same, different) == pytest.approx(roc_auc_score(truth, similarity))


@pytest.mark.parametrize("batch_size", [3, 64])
def test_photographs_are_verified_at_the_threshold_of_the_validation_split(batch_size):
    data = prepared(batch_size=batch_size)
    found = evaluate(Seeing(), data, Verification())
    threshold = best_threshold(*pairs_of(data.splits["validation"])[:2])
    same, different, person = pairs_of(data.splits["test"])
    accuracy, area = found["verification_accuracy"], found["verification_auc"]
    assert accuracy.value == pytest.approx(verification_accuracy(same, different, threshold))
    assert 0.5 < accuracy.value < verification_accuracy(same, different, best_threshold(same, different))
    assert accuracy.settings == {"threshold": pytest.approx(threshold, abs=1e-6), "validation_pairs": 7 * 15 * 2}
    assert area.value == pytest.approx(verification_auc(same, different), abs=1e-3)
    assert (accuracy.n, area.n) == (7 * 15 * 2, 7 * 15 * 2)
    # Everyone has 15 pairs of either kind, so the persons' means are independent numbers of one weight.
    right = (same > threshold).double() + (different <= threshold)
    means = torch.stack([right[person == p].mean() / 2 for p in person.unique()])
    assert accuracy.stderr == pytest.approx(float(means.std()) / math.sqrt(7))


def test_the_validation_split_is_watched_with_its_own_threshold():
    data = prepared()
    trainer = quiet_trainer(Verification())
    trainer.validate(Seeing(), datamodule=data, verbose=False)
    same, different, _ = pairs_of(data.splits["validation"])
    best = verification_accuracy(same, different, best_threshold(same, different))
    logged = {name: float(value) for name, value in trainer.logged_metrics.items()}
    assert logged == {
        "validation/verification_accuracy": pytest.approx(best),
        "validation/verification_auc": pytest.approx(verification_auc(same, different), abs=1e-3),
    }


@pytest.mark.parametrize("split", ["validation", "test"])
def test_strangers_alone_verify_nothing(split):
    data = prepared()
    faces = data.splits[split]
    data.splits[split] = faces[torch.arange(0, len(faces), 6)]
    assert evaluate(Seeing(), data, Verification()) == {}
    trainer = quiet_trainer(Verification())
    trainer.validate(Seeing(), datamodule=data, verbose=False)
    assert bool(trainer.logged_metrics) == (split == "test")
    assert evaluate(Painter(), prepared(), Verification()) == {}
