"""Persons told apart: known answers on planted embeddings, and what an edit does to the person."""

import math
from dataclasses import replace
from unittest import mock

import pytest
import torch
from painter import Painter, Tinted, evaluate
from pytorch_lightning import Trainer
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from torch.nn import functional as F

from lit_faces.callbacks import identity_kept
from lit_faces.callbacks.attribute_edits import AttributeEdits
from lit_faces.callbacks.edits import Edit
from lit_faces.callbacks.identity_kept import IdentityKept
from lit_faces.callbacks.verification import Verification
from lit_faces.data.mirroring import mirrored
from lit_faces.data.synthetic import Synthetic
from lit_faces.errors import UserError
from lit_faces.methods import AttributeClassifier
from lit_faces.methods.capabilities import Identifies
from lit_faces.methods.identity_embedding import IdentityEmbedding
from lit_faces.metrics.attributes import wilson_interval
from lit_faces.metrics.verification import (
    best_threshold,
    next_of_another,
    verification_accuracy,
    verification_auc,
    verification_pairs,
)

TINY = {"width": 0.0625, "embedding_dim": 5, "classes": 7}


def make(data, **arguments):
    torch.manual_seed(0)
    method = IdentityEmbedding(**{**TINY, **arguments})
    method.prepare(data.spec)
    return method


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


# The method.


def test_embeddings_are_unit_vectors_that_mirroring_and_the_batch_do_not_change(data, batch):
    method = make(data).eval()
    assert isinstance(method, Identifies)
    with torch.no_grad():
        found = method.embed(batch.images)
        torch.testing.assert_close(found.norm(dim=1), torch.ones(4))
        assert torch.equal(method.embed(batch.images.flip(3)), found)
        torch.testing.assert_close(method.embed(batch.images[1:2]), found[1:2])
    assert found.shape == (4, 5)
    assert (found[0] - found[1]).abs().max() > 1e-4


def test_a_step_moves_every_parameter(data, batch):
    method = make(data, dropout=0.0)
    before = {name: p.detach().clone() for name, p in method.named_parameters()}
    optimiser = method.configure_optimizers()
    method.training_step(batch, 0)["loss"].backward()
    optimiser.step()
    assert [name for name, p in method.named_parameters() if torch.equal(p, before[name])] == []
    assert optimiser.param_groups[0]["fused"]


def test_the_loss_is_the_cross_entropy_of_scaled_cosines(data, batch, monkeypatch):
    method = make(data, scale=4.0).eval()
    identity = torch.tensor([-1, 8, 7, 13])  # classes 6, 1, 0 and 6 of 7
    monkeypatch.setattr(torch, "rand", lambda *shape, **_: torch.tensor([0.2, 0.8, 0.5, 0.4]).view(shape))
    found = method.losses(batch._replace(identity=identity))["loss"]
    expected = 0.0
    for k, mirror, wanted in ((0, True, 6), (1, False, 1), (2, False, 0), (3, True, 6)):
        image = batch.images[k : k + 1]
        with torch.no_grad():
            face = method.network((image.flip(3) if mirror else image) - 0.5)[0]
        cosines = [float(F.cosine_similarity(face, direction, 0)) for direction in method.directions.detach()]
        expected -= 4 * cosines[wanted] - math.log(sum(math.exp(4 * c) for c in cosines))
    assert found.item() == pytest.approx(expected / 4, rel=1e-5)


def test_the_cosines_and_their_softmax_are_not_rounded_by_autocast(data, batch):
    method = make(data, scale=16.0).eval()
    torch.manual_seed(1)
    with torch.autocast("cpu", torch.bfloat16):
        found = method.losses(batch)["loss"]
        torch.manual_seed(1)
        faces = method.network(mirrored(batch.images) - 0.5)
    assert found.dtype == torch.float32
    cosines = F.normalize(faces.double()) @ F.normalize(method.directions.double()).T
    torch.testing.assert_close(found.double(), F.cross_entropy(16 * cosines, batch.identity % 7), rtol=1e-5, atol=0)


@pytest.mark.parametrize("wrong", [{"classes": 1}, {"scale": 0.0}, {"embedding_dim": 0}, {"dropout": 2.0}])
def test_wrong_arguments_are_refused(wrong, data):
    with pytest.raises(UserError, match=next(iter(wrong))):
        make(data, **wrong)


def test_persons_never_seen_are_told_apart_after_a_few_steps():
    data = Synthetic(batch_size=32, size=32, train=320, validation=4, test=160)
    data.setup()
    method = make(data, width=0.25, embedding_dim=32, classes=100, dropout=0.0, learning_rate=3e-3)
    quiet_trainer(max_epochs=5, limit_val_batches=0).fit(method, datamodule=data)
    faces = data.splits["test"]
    images = faces.images.permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        learned = method.eval().embed(images)
    same, different = verification_pairs(faces.identity, 100, 0)

    def area(vectors):
        return verification_auc(*((vectors[a] * vectors[b]).sum(1) for a, b in (same.T, different.T)))

    pixels = images.flatten(1) - images.flatten(1).mean(0)
    assert area(learned) > area(F.normalize(pixels)) + 0.03


# What is measured.


def quiet_trainer(*callbacks, **arguments):
    return Trainer(
        accelerator="cpu",
        callbacks=list(callbacks),
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **arguments,
    )


class Eye:
    """Knows persons by three noisy pixels of the plane that no label touches."""

    embedding_dim = 3

    def embed(self, images):
        return F.normalize(images[:, 0, 0, :3] - 0.45)


class Seeing(Eye, Painter):
    """A method that identifies."""


def similarities(split):
    """Of every two photographs, and whether they are of one person."""
    vectors = Eye().embed(split.images.permute(0, 3, 1, 2).double() / 255)
    return vectors @ vectors.T, split.identity[:, None] == split.identity


def prepared(**arguments):
    data = Tinted(people=7, train=20, **arguments)
    data.setup()
    return data


def pairs_of(split):
    """Similarities of the pairs that are compared, from the table of all."""
    table, one = similarities(split)
    same, different = verification_pairs(split.identity, 100, 0)
    assert one[same[:, 0], same[:, 1]].all()
    return table[same[:, 0], same[:, 1]], table[different[:, 0], different[:, 1]], split.identity[same[:, 0]]


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


class Forgetful(Painter):
    """Blurs who a face is towards one person, the more the darker the first pixel; loses it in reconstructions."""

    def edit(self, images, attributes, target):
        edited = super().edit(images, attributes, target)
        edited[:, 0] = stranger(images[:, 0])
        return edited

    def reconstruct(self, images, attributes):
        return 1 - images


def stranger(planes):
    keeps = (planes[:, :1, :1] > 0.35).to(planes)
    return keeps * planes + (1 - keeps) * planes.flip(2)


class OneFace(Painter):
    """Makes everyone one person."""

    def __init__(self, face):
        super().__init__()
        self.face = face

    def edit(self, images, attributes, target):
        return self.face.expand_as(images)


def kept(method, data, *others, embedding="eye.ckpt", callback=None, devices=1):
    """The measurements of the identity for a method."""
    eye = Eye()
    eye.spec = data.spec
    with mock.patch.object(identity_kept, "load_method", return_value=eye):
        return evaluate(method, data, *others, callback or IdentityKept(embedding), devices=devices)


def test_an_edit_that_leaves_the_person_alone_keeps_it():
    found = kept(Painter(), prepared(exclusive=False))
    edits = ("A", "No A", "B", "No B")
    kinds = ("identity_kept", "identity_accuracy")
    assert set(found) == {*kinds, "unedited_identity_kept", *(f"{kind}/{edit}" for kind in kinds for edit in edits)}
    assert {m.value for name, m in found.items() if "kept" in name} == {1.0}
    # Two of a person's four pictures lack what an edit gives.
    assert {m.n for name, m in found.items() if "/" in name} == {14}
    assert found["identity_kept"].n == found["unedited_identity_kept"].n == 28


@pytest.mark.parametrize("batch_size", [3, 64])
def test_shares_are_those_of_a_loop_over_the_faces(batch_size):
    data, callback = prepared(exclusive=False, batch_size=batch_size), IdentityKept("eye.ckpt")
    found = kept(Forgetful(), data, callback=callback)
    threshold = best_threshold(*pairs_of(data.splits["validation"])[:2])
    faces, means, rows_of = data.splits["test"], {"identity_kept": [], "identity_accuracy": []}, {}
    for name, column, wanted in (("A", 0, 0), ("No A", 0, 1), ("B", 1, 0), ("No B", 1, 1)):
        part = faces[data.spec.binary(faces.attributes)[:, column] == wanted]
        planes = part.images[..., 0].double() / 255
        own, edited = (Eye().embed(p[:, None]) for p in (planes, stranger(planes)))
        hits, rejections = [], []
        for i in range(len(part)):
            hits.append(float(own[i] @ edited[i] > threshold))
            others = [(i + k) % len(part) for k in range(1, len(part))]
            j = next(k for k in others if part.identity[k] != part.identity[i])
            rejections.append(float(own[i] @ edited[j] <= threshold))
        right = torch.tensor([hits, rejections]).double().mean(0)
        share, (low, high) = found[f"identity_kept/{name}"], wilson_interval(sum(hits), len(part))
        assert share.value == pytest.approx(sum(hits) / len(part))
        assert (share.settings["wilson_low"], share.settings["wilson_high"]) == (low, high)
        one = found[f"identity_accuracy/{name}"]
        assert one.value == pytest.approx(float(right.mean()))
        assert one.stderr == pytest.approx(float(right.std()) / math.sqrt(len(part)))
        assert one.settings == {"threshold": pytest.approx(threshold, abs=1e-6), "validation_pairs": 7 * 6 * 2}
        means["identity_kept"].append(sum(hits) / len(part))
        means["identity_accuracy"].append(float(right.mean()))
        rows_of[name] = (part.index, torch.tensor(hits).double())
    for kind, parts in means.items():
        assert found[kind].value == pytest.approx(sum(parts) / 4)
        assert 0 < found[kind].value < 1
        assert found[kind].settings == found["identity_accuracy/A"].settings | {"mean_over": "edits"}
    for name, (rows, hits) in rows_of.items():
        index, values = callback.evaluation.per_image[f"identity_kept/{name}"]
        assert torch.equal(index, rows)
        assert torch.equal(values, hits)
    index, values = callback.evaluation.per_image["unedited_identity_kept"]
    assert torch.equal(index, faces.index)
    assert found["unedited_identity_kept"].value == float(values.mean()) < 0.5


def test_one_face_for_all_is_recognised_no_better_than_by_chance():
    data = prepared()
    face = data.splits["test"].images[0].permute(2, 0, 1) / 255
    found = kept(OneFace(face), data)
    assert 0 < found["identity_kept"].value < 1
    assert {m.value for name, m in found.items() if "accuracy" in name} == {0.5}


def test_a_single_person_has_no_other():
    data = prepared(exclusive=False)
    data.splits["test"] = data.splits["test"][:4]
    found = kept(Painter(), data)
    assert found["identity_kept/A"].value == 1
    assert not any("accuracy" in name for name in found)


def test_the_edits_are_those_of_the_run():
    edits = AttributeEdits("judge", edits={"mine": Edit(set=("A",))})
    found = kept(Painter(), prepared(exclusive=False), edits)
    assert {name for name in found if "identity" in name and "/" in name} == {
        "identity_kept/mine",
        "identity_accuracy/mine",
    }


class Draws(Painter):
    """Cannot edit."""

    edit = None


class Codeless(Painter):
    """Cannot reconstruct."""

    reconstruct = None


def test_only_edits_are_measured_and_only_with_an_embedding():
    assert kept(Painter(), prepared(), embedding=None) == {}
    assert kept(Draws(), prepared()) == {}
    found = kept(Codeless(), prepared())
    assert "identity_kept" in found
    assert "unedited_identity_kept" not in found


def test_a_threshold_needs_pairs_of_photographs():
    data = prepared()
    faces = data.splits["validation"]
    data.splits["validation"] = faces[torch.arange(0, len(faces), 6)]
    with pytest.raises(UserError, match="the validation split of Tinted needs two pairs of photographs"):
        kept(Painter(), data)


# The embedding's checkpoint.


def checkpoint_of(method, path):
    checkpoint = {"state_dict": method.state_dict()}
    method.on_save_checkpoint(checkpoint)
    torch.save(checkpoint, path)
    return str(path)


class Same(Painter):
    """Leaves faces as they are."""

    def edit(self, images, attributes, target):
        return images


def test_a_trained_embedding_is_read_and_let_go(data, tmp_path):
    callback = IdentityKept(checkpoint_of(make(data), tmp_path / "a.ckpt"))
    edits = AttributeEdits(edits={"smile": Edit(set=(data.spec.attributes[0],))})
    method = Same()
    method.prepare(data.spec)
    before = torch.random.get_rng_state()
    found = evaluate(method, data, edits, callback)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert found["identity_kept/smile"].value == found["unedited_identity_kept"].value == 1
    assert callback._embedding is None


def test_another_checkpoint_is_refused(data, tmp_path):
    torch.manual_seed(0)
    classifier = AttributeClassifier(width=0.0625)
    classifier.prepare(data.spec)
    edits = AttributeEdits(edits={"smile": Edit(set=(data.spec.attributes[0],))})
    path = checkpoint_of(classifier, tmp_path / "a.ckpt")
    with pytest.raises(UserError, match=r"a\.ckpt holds a AttributeClassifier, which does not tell persons apart"):
        evaluate(Same(), data, edits, IdentityKept(path))
    method = make(data)
    method.spec = replace(data.spec, image_shape=(3, 64, 64))
    path = checkpoint_of(method, tmp_path / "b.ckpt")
    with pytest.raises(UserError, match=r"images \(3, 64, 64\) of Synthetic, the data's are \(3, 32, 32\)"):
        evaluate(Same(), data, edits, IdentityKept(path))
