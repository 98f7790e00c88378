"""IdentityEmbedding: its loss, its steps and what it learns."""

import math

import pytest
import torch
from eye import make, quiet_trainer
from torch.nn import functional as F

from lit_faces.data.mirroring import mirrored
from lit_faces.data.synthetic import Synthetic
from lit_faces.errors import UserError
from lit_faces.methods.capabilities import Identifies
from lit_faces.metrics.verification import (
    verification_auc,
    verification_pairs,
)


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
