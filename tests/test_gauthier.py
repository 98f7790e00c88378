"""Gauthier's CGAN: its networks, its two steps at once, its schedules, and what it does with contrast and conditions."""

import copy

import pytest
import torch
import torch.nn.functional as F
from variants import make

from lit_faces.data.synthetic import Synthetic
from lit_faces.errors import UserError
from lit_faces.methods import CGANGauthier, gauthier
from lit_faces.networks.gauthier import Discriminator, Generator, maxout

PAPER = (3, 32, 32)


def test_the_networks_have_the_sizes_of_the_paper():
    with torch.device("meta"):
        g, d = Generator(PAPER, 100, 73), Discriminator(PAPER, 73)
        assert sum(p.numel() for p in g.parameters()) == 173 * 8000 + 8000 + 8000 * 8000 + 8000 + 80 * 3 * 25 + 3
        assert sum(p.numel() for p in d.parameters()) == 13_166_978
        assert g(torch.rand(2, 100), torch.rand(2, 73)).shape == (2, *PAPER)
        assert d(torch.rand(2, *PAPER), torch.rand(2, 73)).shape == (2,)


def test_the_first_weights_are_as_small_as_the_code_has_them():
    network = Generator(PAPER, 100, 73, 0.05)
    for layer, limit in ((network.first, 0.005), (network.second, 0.05)):
        assert limit * 0.9 < layer.weight.abs().max() <= limit
        assert not layer.bias.any()


def test_maxout_takes_the_largest_of_neighbouring_channels():
    x = torch.tensor([[1.0, 5.0, -2.0, -3.0, 0.0, 0.5]])
    assert maxout(x, 2).tolist() == [[5.0, -2.0, 0.5]]
    assert maxout(x, 3).tolist() == [[5.0, 0.5]]
    maps = torch.randn(2, 6, 4, 4)
    assert torch.equal(maxout(maps, 2), torch.maximum(maps[:, ::2], maps[:, 1::2]))


def test_other_sizes_are_refused():
    data = Synthetic(batch_size=4, size=64, train=4, validation=2, test=2)
    data.setup()
    with pytest.raises(
        UserError, match=r"CGANGauthier cannot be .* images must be 32x32, got 64x64: give --data.size 32$"
    ):
        make("CGANGauthier", data)


def test_the_conditions_change_both_networks(data):
    method = make("CGANGauthier", data).eval()
    y, noise, images = torch.randn(2, len(data.spec.attributes)), torch.randn(2, 3), torch.randn(2, *PAPER)
    assert not torch.equal(method.generator(noise, y), method.generator(noise, -y))
    assert not torch.equal(method.discriminator(images, y), method.discriminator(images, -y))


@torch.no_grad()
def test_normalised_images_have_no_mean_and_one_length(data, batch):
    method = make("CGANGauthier", data).eval()
    normal = method.normalise(batch.images)
    torch.testing.assert_close(normal.mean((1, 2, 3)), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(normal.flatten(1).norm(dim=1), torch.full((4,), 55.0))
    torch.testing.assert_close(method.normalise(batch.images * 0.3 + 0.2), normal, atol=1e-4, rtol=1e-4)
    assert torch.isfinite(method.normalise(torch.full((1, *PAPER), 0.5))).all()


@torch.no_grad()
def test_pictures_have_the_average_brightness_and_contrast_of_training(data, batch):
    method = make("CGANGauthier", data)
    # Over all images, however they came.
    for part in (batch.images[:2], batch.images[2:]):
        method.normalise(part)
    images = batch.images
    brightness, contrast = (
        images.mean((1, 2, 3)).mean(),
        (images.flatten(1).std(1, correction=0) * 3072**0.5 / 55).mean(),
    )
    torch.testing.assert_close(method.brightness, brightness)
    torch.testing.assert_close(method.contrast, contrast)
    method.eval().normalise(1 - images)
    torch.testing.assert_close(method.brightness, brightness)
    # One image alone comes back as it was.
    one = make("CGANGauthier", data)
    normal = one.normalise(images[:1])
    one.generator.forward = lambda noise, attributes: normal
    torch.testing.assert_close(one.generate(batch.attributes[:1], torch.zeros(1, 3)), images[:1])


def test_conditions_are_drawn_from_the_kernel_density_of_the_attributes(data):
    method = make("CGANGauthier", data)
    torch.manual_seed(0)
    # Two points so far apart that every draw says which it is from.
    points = torch.tensor([[-100.0, 100.0], [100.0, -100.0]]).repeat(5000, 1)
    drawn = method.conditions(points)
    first = drawn[:, 0] < 0
    assert 0.45 < first.float().mean() < 0.55
    residual = drawn - torch.where(first[:, None], points[0], points[1])
    assert residual.abs().max() < 6
    torch.testing.assert_close(residual.std(0), torch.ones(2), atol=0.03, rtol=0)
    torch.testing.assert_close(residual.mean(0), torch.zeros(2), atol=0.05, rtol=0)


class Steps:
    """A method and its optimisers, without a trainer."""

    def __init__(self, method, monkeypatch):
        monkeypatch.setattr(CGANGauthier, "manual_backward", lambda self, loss: loss.backward())
        self.method, self.optimisers = method, method.configure_optimizers()
        method.optimizers = lambda: self.optimisers

    def step(self, batch):
        return self.method.training_step(batch, 0)


def test_both_networks_step_at_once_from_the_losses_at_the_old_weights(data, batch, monkeypatch):
    method = make("CGANGauthier", data)
    # Without dropout, which draws otherwise in a reference.
    method.discriminator.eval()
    other = copy.deepcopy(method)
    g, d = other.generator, other.discriminator
    steps = Steps(method, monkeypatch)
    velocity = [torch.zeros_like(p) for p in (*g.parameters(), *d.parameters())]
    bce, one, zero = F.binary_cross_entropy_with_logits, torch.ones(4), torch.zeros(4)
    rate = 0.004
    for number in range(3):
        torch.manual_seed(number)
        losses = steps.step(batch)
        torch.manual_seed(number)
        with torch.no_grad():
            images, wanted = other.normalise(batch.images), other.conditions(batch.attributes)
        fake = g(torch.randn(4, 3), wanted)
        d_loss = (bce(d(images, batch.attributes), one) + bce(d(fake.detach(), wanted), zero)) / 2
        g_loss = bce(d(fake, wanted), one)
        gradients = [
            *torch.autograd.grad(g_loss, list(g.parameters()), retain_graph=True),
            *torch.autograd.grad(d_loss, list(d.parameters())),
        ]
        with torch.no_grad():
            for i, p in enumerate((*g.parameters(), *d.parameters())):
                velocity[i] = 0.5 * velocity[i] + gradients[i]
                p -= rate * velocity[i]
        rate /= 1.000004
        torch.testing.assert_close(losses["discriminator_loss"], d_loss.detach(), rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(losses["generator_loss"], g_loss.detach(), rtol=1e-5, atol=1e-6)
    start = make("CGANGauthier", data)
    for name, found in method.named_parameters():
        torch.testing.assert_close(found, other.get_parameter(name), rtol=1e-5, atol=1e-6)
        assert not torch.equal(found, start.get_parameter(name))


def test_the_rate_falls_with_every_batch_to_its_floor_and_the_momentum_rises_with_the_epochs(data, batch, monkeypatch):
    method = make("CGANGauthier", data)
    steps = Steps(method, monkeypatch)
    groups = [group for optimiser in steps.optimisers for group in optimiser.param_groups]
    for _ in range(5):
        steps.step(batch)
    assert [group["lr"] for group in groups] == pytest.approx([0.004 / 1.000004**5] * 2, rel=1e-12)
    assert [group["momentum"] for group in groups] == [0.5, 0.5]
    for group in groups:
        group["lr"] = 1e-6
    steps.step(batch)
    assert [group["lr"] for group in groups] == [1e-6, 1e-6]
    assert [gauthier.momentum(epoch) for epoch in (0, 125, 250, 400)] == pytest.approx([0.5, 0.6, 0.7, 0.7])
    monkeypatch.setattr(CGANGauthier, "current_epoch", 125)
    method.on_train_epoch_start()
    assert [group["momentum"] for group in groups] == pytest.approx([0.6, 0.6])


def test_dropout_is_for_training_alone(data, batch):
    method = make("CGANGauthier", data)
    twice = [method.discriminator(batch.images, batch.attributes) for _ in range(2)]
    assert not torch.equal(*twice)
    method.eval()
    assert torch.equal(*[method.discriminator(batch.images, batch.attributes) for _ in range(2)])
