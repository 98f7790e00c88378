"""What an edit does to the person, by an embedding that knows the painted persons."""

import math
from dataclasses import replace

import pytest
import torch
from eye import Eye, kept, make, pairs_of, prepared
from painter import Painter, evaluate

from lit_faces.callbacks.attribute_edits import AttributeEdits
from lit_faces.callbacks.edits import Edit
from lit_faces.callbacks.identity_kept import IdentityKept
from lit_faces.errors import UserError
from lit_faces.methods import AttributeClassifier
from lit_faces.metrics.attributes import wilson_interval
from lit_faces.metrics.verification import (
    best_threshold,
)


class Forgetful(Painter):
    """Blurs who a face is towards one person, the more the darker the first pixel; loses it in reconstructions."""

    def edit(self, images, attributes, target, strength=1.0):
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

    def edit(self, images, attributes, target, strength=1.0):
        return self.face.expand_as(images)


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
        settings = {"threshold": pytest.approx(threshold, abs=1e-6), "validation_pairs": 7 * 6 * 2}
        assert one.settings == {**settings, "strength": 1.0}
        means["identity_kept"].append(sum(hits) / len(part))
        means["identity_accuracy"].append(float(right.mean()))
        rows_of[name] = (part.index, torch.tensor(hits).double())
    for kind, parts in means.items():
        assert found[kind].value == pytest.approx(sum(parts) / 4)
        assert 0 < found[kind].value < 1
        assert found[kind].settings == {**settings, "mean_over": "edits"}
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

    def edit(self, images, attributes, target, strength=1.0):
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
    with pytest.raises(UserError, match=r"a\.ckpt is of AttributeClassifier, which does not tell persons apart"):
        evaluate(Same(), data, edits, IdentityKept(path))
    method = make(data)
    method.spec = replace(data.spec, image_shape=(3, 64, 64))
    path = checkpoint_of(method, tmp_path / "b.ckpt")
    with pytest.raises(UserError, match=r"images \(3, 64, 64\) of Synthetic, the data's are \(3, 32, 32\)"):
        evaluate(Same(), data, edits, IdentityKept(path))
