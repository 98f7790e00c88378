"""The classifier describes images by features, and can train without mirrored images."""

import torch
import torch.nn.functional as F

from lit_faces.data.batch import Batch
from lit_faces.data.mirroring import mirrored
from lit_faces.methods import AttributeClassifier


def classifier(data, **arguments):
    torch.manual_seed(0)
    method = AttributeClassifier(**{"width": 0.0625, "dropout": 0.0, **arguments})
    method.prepare(data.spec)
    return method.eval()


def test_features_are_the_last_convolutions_mean_in_float32(data, batch):
    judge = classifier(data)
    found = judge.features(batch.images)
    assert found.shape == (4, 32)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(judge.features(batch.images), found)
        assert torch.equal(judge.features(batch.images.bfloat16()), judge.features(batch.images.bfloat16().float()))
    maps = torch.nn.Sequential(*list(judge.network.convolutions)[:-2])(batch.images - 0.5)
    assert maps.shape == (4, 32, 2, 2)
    assert torch.allclose(found, maps.mean((2, 3)), atol=1e-6)


def test_mirrored_training_images_can_be_declined(data, batch):
    judge, plain = classifier(data), classifier(data, mirror=False)
    target = data.spec.binary(batch.attributes).float()

    def loss(method, images):
        return F.binary_cross_entropy_with_logits(method.logits(images), target)

    torch.manual_seed(1)
    turned = mirrored(batch.images)
    torch.manual_seed(1)
    assert torch.equal(judge.losses(batch)["loss"], loss(judge, turned))
    assert torch.equal(plain.losses(batch)["loss"], loss(plain, batch.images))
    assert loss(judge, turned) != loss(judge, batch.images)
    asymmetric = Batch(batch.images.flip(3), *batch[1:])
    assert plain.losses(asymmetric)["loss"] != plain.losses(batch)["loss"]
