"""cVAE-GAN of Bao et al.: what each network learns from, and that the objective is the one written down."""

import math

import pytest
import torch

from lit_faces.callbacks.attribute_edits import Edit
from lit_faces.errors import UserError
from lit_faces.methods.bao import CVAEGANBao, class_distance, mean_distance, pairwise_distance
from lit_faces.methods.capabilities import Edits, Encodes, Generates, Labelled, Reconstructs
from lit_faces.networks.bao import Encoder, Generator, Judge

LABELS = ("Eyeglasses", "Male")
# What each optimiser moves.
MOVED = ({"encoder", "generator"}, {"discriminator"}, {"classifier"})


def make(data, **arguments):
    torch.manual_seed(0)
    method = CVAEGANBao(**{"labels": LABELS, "latent_dim": 3, "width": 0.03, **arguments})
    method.prepare(data.spec)
    return method


def step(method, batch, moving=range(3)):
    """One training step without a trainer, in which only the optimisers `moving` move."""
    optimisers = method.configure_optimizers()
    for number, optimiser in enumerate(optimisers):
        if number not in moving:
            optimiser.step = lambda: None
    method.optimizers = lambda: optimisers
    method.manual_backward = lambda loss: loss.backward()
    torch.manual_seed(1)
    return method.training_step(batch, 0)


def gradients(method, network):
    return [p.grad.clone() for p in getattr(method, network).parameters()]


def test_the_networks_have_the_sizes_stated():
    shape = (3, 64, 64)
    networks = Encoder(shape, 128, 1), Generator(shape, 129), Judge(shape, 1)
    assert [sum(p.numel() for p in net.parameters()) for net in networks] == [14_398_592, 6_803_075, 14_136_961]


@pytest.mark.parametrize("side", [16, 64])
def test_shapes_and_ranges(side):
    images, labels = torch.rand(2, 3, side, side), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    mean, log_variance = Encoder((3, side, side), 5, 2, 0.03)(images, labels)
    found = Generator((3, side, side), 7, 0.03)(10 * torch.randn(2, 7))
    logits, features = Judge((3, side, side), 2, 0.03)(images)
    assert mean.shape == log_variance.shape == (2, 5)
    assert found.shape == images.shape
    assert 0 <= found.min() < found.max() <= 1
    assert (logits.shape, features.shape) == ((2, 2), (2, 31))
    with pytest.raises(ValueError, match="divisible by 16, got 24x24"):
        Judge((3, 24, 24), 1)


def test_distances_are_those_of_float64():
    torch.manual_seed(0)
    real, fake = torch.randn(5, 4), torch.randn(5, 4)
    a, b = real.double().tolist(), fake.double().tolist()
    squares = [sum((p - q) ** 2 for p, q in zip(x, y, strict=True)) for x, y in zip(a, b, strict=True)]
    assert pairwise_distance(real, fake).item() == pytest.approx(0.5 * sum(squares) / 5)
    assert pairwise_distance(real.view(5, 2, 2, 1), fake.view(5, 2, 2, 1)).item() == pytest.approx(sum(squares) / 10)

    def between(rows):
        centres = [[sum(x[i] for x in part) / len(part) for i in range(4)] for part in zip(*rows, strict=True)]
        return 0.5 * sum((p - q) ** 2 for p, q in zip(*centres, strict=True))

    assert mean_distance(real, fake).item() == pytest.approx(between(list(zip(a, b, strict=True))))
    # Every face has the second label, so that one of four classes is absent.
    labels = torch.tensor([[1.0, 1], [0, 1], [1, 1], [0, 1], [0, 1]])
    expected = 0.0
    for column in labels.T.tolist():
        for value in (0, 1):
            rows = [(x, y) for x, y, held in zip(a, b, column, strict=True) if held == value]
            expected += between(rows) if rows else 0.0
    assert class_distance(real, fake, labels).item() == pytest.approx(expected)


def test_class_centres_are_not_rounded_by_autocast():
    torch.manual_seed(0)
    real, fake, labels = torch.randn(6, 8), torch.randn(6, 8), (torch.rand(6, 2) > 0.5).float()
    expected = class_distance(real, fake, labels)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(class_distance(real, fake, labels), expected, rtol=1e-6, atol=0)


def test_a_step_moves_every_parameter(data, batch):
    method = make(data)
    before = {name: p.detach().clone() for name, p in method.named_parameters()}
    losses = step(method, batch)
    assert [name for name, p in method.named_parameters() if torch.equal(p, before[name])] == []
    assert all(p.requires_grad for p in method.parameters())
    assert next(iter(losses)) == "loss"
    assert all(torch.isfinite(value) and not value.requires_grad for value in losses.values())


@pytest.mark.parametrize("number", range(3))
def test_each_optimiser_moves_its_own_networks(number, data, batch):
    method = make(data)
    before = {name: p.detach().clone() for name, p in method.named_parameters()}
    step(method, batch, moving=(number,))
    moved = {name.partition(".")[0] for name, p in method.named_parameters() if not torch.equal(p, before[name])}
    assert moved == MOVED[number]


def test_the_losses_are_those_written_down(data, batch):
    method = make(data, lambda_2=0.7, lambda_3=0.3, lambda_4=0.2)
    images, labels = batch.images, method.label_values(batch.attributes)
    losses = step(method, batch, moving=())

    torch.manual_seed(1)
    mean, log_variance = method.encoder(images, labels)
    z = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
    rebuilt, sampled = (method.generator(torch.cat([code, labels], 1)) for code in (z, torch.randn_like(mean)))
    (real_d, f_d), (rebuilt_d, g_d), (sampled_d, h_d) = (method.discriminator(x) for x in (images, rebuilt, sampled))
    (logits, f_c), (_, g_c), (_, h_c) = (method.classifier(x) for x in (images, rebuilt, sampled))
    expected = {
        "reconstruction": 0.5 * (images - rebuilt).square().sum() / len(images),
        "features": 0.5 * ((f_d - g_d).square().sum() + (f_c - g_c).square().sum()) / len(images),
        "mean_features": mean_distance(f_d, h_d),
        "class_features": class_distance(f_c, h_c, labels),
        "kl": 0.5 * (log_variance.exp() + mean.square() - 1 - log_variance).sum() / len(images),
        "discriminator_loss": -(
            real_d.sigmoid().log() + (1 - rebuilt_d.sigmoid()).log() + (1 - sampled_d.sigmoid()).log()
        ).mean()
        / 3,
        "classifier": -torch.where(labels == 1, logits.sigmoid(), 1 - logits.sigmoid()).log().sum() / len(images),
    }
    for name, value in expected.items():
        torch.testing.assert_close(losses[name], value.detach(), rtol=1e-4, atol=1e-7, msg=name)
    total = 3 * expected["kl"] + 0.7 * (expected["reconstruction"] + expected["features"])
    total = total + 0.3 * expected["mean_features"] + 0.2 * expected["class_features"]
    torch.testing.assert_close(losses["loss"], total.detach(), rtol=1e-5, atol=0)


def test_the_generator_learns_nothing_from_the_cross_entropies(data, batch):
    method, other = make(data), make(data)
    for judge in (other.discriminator, other.classifier):
        torch.nn.init.normal_(judge.head.weight)
        torch.nn.init.normal_(judge.head.bias)
    losses, others = step(method, batch, ()), step(other, batch, ())
    assert losses["discriminator_loss"] != others["discriminator_loss"]
    for network in ("encoder", "generator"):
        for a, b in zip(gradients(method, network), gradients(other, network), strict=True):
            assert torch.equal(a, b)
    # The features do teach it.
    torch.nn.init.normal_(other.discriminator.body[0].weight)
    step(other, batch, ())
    assert not torch.equal(gradients(method, "generator")[0], gradients(other, "generator")[0])


def test_each_weight_reaches_the_networks_that_it_should(data, batch):
    nothing = dict.fromkeys(("lambda_1", "lambda_2", "lambda_3", "lambda_4"), 0.0)
    learns = {}
    for weight in nothing:
        method = make(data, **{**nothing, weight: 1.0})
        step(method, batch, ())
        learns[weight] = {name for name in ("encoder", "generator") if any(g.any() for g in gradients(method, name))}
    assert learns == {
        "lambda_1": {"encoder"},
        "lambda_2": {"encoder", "generator"},
        "lambda_3": {"generator"},
        "lambda_4": {"generator"},
    }


def test_the_judges_learn_from_their_cross_entropy_alone(data, batch):
    method = make(data)
    step(method, batch, ())
    found = {name: gradients(method, name) for name in ("discriminator", "classifier")}
    other = make(data, lambda_1=0.0, lambda_2=5.0, lambda_3=7.0, lambda_4=9.0)
    step(other, batch, ())
    for name, grads in found.items():
        assert all(torch.equal(a, b) for a, b in zip(grads, gradients(other, name), strict=True))


def test_each_kind_of_picture_is_normalised_alone(data, batch):
    method, seen = make(data), []
    for judge in (method.discriminator, method.classifier):
        judge.register_forward_pre_hook(lambda module, given: seen.append(len(given[0])))
    step(method, batch)
    assert set(seen) == {len(batch.images)}
    assert not any("running" in name for name in method.discriminator.state_dict())
    # Samples leave no trace in the statistics of G: one update of momentum 0.1 by the reconstructions.
    method, fresh = make(data), make(data)
    step(method, batch)
    torch.manual_seed(1)
    labels = fresh.label_values(batch.attributes)
    mean, log_variance = fresh.encoder(batch.images, labels)
    fresh.generator(torch.cat([mean + (0.5 * log_variance).exp() * torch.randn_like(mean), labels], 1))
    for name, value in fresh.generator.named_buffers():
        if "running" in name:
            torch.testing.assert_close(dict(method.generator.named_buffers())[name], value)


def test_what_it_can_do(data, batch):
    method = make(data).eval()
    assert all(isinstance(method, one) for one in (Generates, Reconstructs, Edits, Encodes, Labelled))
    images, attributes = batch.images, batch.attributes
    target = Edit(set=("Male",)).apply(attributes, data.spec)
    z = method.encode(images, attributes)["z"]
    assert z.shape == (len(images), method.noise_dim)
    labels = method.label_values(target)
    assert labels[:, 1].all()
    torch.testing.assert_close(z, method.encoder(images, method.label_values(attributes))[0])
    torch.testing.assert_close(method.edit(images, attributes, target), method.generator(torch.cat([z, labels], 1)))
    torch.testing.assert_close(method.reconstruct(images, attributes), method.edit(images, attributes, attributes))
    torch.testing.assert_close(method.generate(target, z), method.edit(images, attributes, target))
    # The old labels matter to q(z|x, y).
    assert not torch.allclose(z, method.encode(images, target)["z"])
    torch.testing.assert_close(
        method.reconstruct(images[:1], attributes[:1]), method.reconstruct(images, attributes)[:1]
    )


def test_it_needs_labels_and_weights_that_are_not_negative(data):
    with pytest.raises(UserError, match="CVAEGANBao models a few labels"):
        make(data, labels=())
    with pytest.raises(UserError, match=r"model\.lambda_3 must be at least 0, got -1"):
        make(data, lambda_3=-1.0)
    with pytest.raises(UserError, match=r"model\.lambda_1 must be finite"):
        make(data, lambda_1=math.inf)
