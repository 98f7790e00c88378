"""Densities, divergences and losses against closed forms and other implementations."""

from math import exp, log, pi

import pytest
import torch
import torch.nn.functional as F
from scipy.stats import norm

from lit_faces.objectives.adversarial import discriminator_loss, generator_loss
from lit_faces.objectives.gaussian import (
    LATENT_LOG_VARIANCE,
    PIXEL_LOG_VARIANCE,
    diagonal,
    divergence,
    log_density,
    sample,
    standard_normal,
)


def normal(*shape):
    return torch.randn(*shape), torch.randn(*shape)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def test_the_divergence_is_the_papers_with_its_constant():
    (hm, hs), (fm, fs) = normal(5, 9), normal(5, 9)
    q, p = diagonal((hm, hs), LATENT_LOG_VARIANCE), diagonal((fm, fs), LATENT_LOG_VARIANCE)
    a, b, c, d = (t.double() for t in (hm, hs, fm, fs))
    expected = 0.5 * (d - b + (b - d).exp() + (a - c) ** 2 / d.exp() - 1).sum(1)
    torch.testing.assert_close(divergence(q, p).double(), expected, rtol=1e-5, atol=1e-5)
    assert divergence(q, q).abs().max() < 1e-6
    assert (divergence(q, p) > 0).all()


def test_the_divergence_from_a_standard_normal_is_the_vaes():
    m, s = normal(4, 6)
    found = divergence(diagonal((m, s), LATENT_LOG_VARIANCE), standard_normal(m, 6))
    expected = 0.5 * (m.double() ** 2 + s.double().exp() - s.double() - 1).sum(1)
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)


def test_the_divergence_is_the_mean_difference_of_log_densities():
    q, p = (diagonal((m / 2, s / 2), LATENT_LOG_VARIANCE) for m, s in (normal(1, 2), normal(1, 2)))
    z = sample(q, torch.randn(200_000, 2))
    estimate = (log_density(q, z) - log_density(p, z)).mean()
    assert divergence(q, p).item() == pytest.approx(estimate.item(), abs=0.02)


def test_the_log_density_keeps_every_constant():
    m, s, x = torch.rand(3, 2, 4, 5), torch.randn(3, 2, 4, 5), torch.rand(3, 2, 4, 5)
    found = log_density(diagonal((m, s), PIXEL_LOG_VARIANCE), x)
    by_scipy = norm.logpdf(x.double(), m.double(), (s.double() / 2).exp()).sum((1, 2, 3))
    torch.testing.assert_close(found.double(), torch.from_numpy(by_scipy), rtol=1e-5, atol=1e-4)
    by_hand = -0.5 * ((x - m).double() ** 2 * (-s.double()).exp() + s.double() + log(2 * pi)).sum((1, 2, 3))
    torch.testing.assert_close(found.double(), by_hand, rtol=1e-5, atol=1e-4)


def test_as_printed_the_papers_density_is_never_positive_but_the_real_one_is():
    mean = torch.full((1, 12_288), 0.5)
    image, s = mean + 0.05, torch.full_like(mean, 2 * log(0.05))
    printed = -0.5 * ((image - mean) ** 2 * (-s).exp() + s.exp()).sum(1)
    assert printed.item() < 0
    for log_variance in torch.linspace(-20, 20, 81):
        assert -0.5 * (0.0 + log_variance.exp()) <= 0
    # A residual of 0.05 a pixel is worth the 18,000 nats that the paper publishes.
    found = log_density(diagonal((mean, s), PIXEL_LOG_VARIANCE), image)
    assert found.item() == pytest.approx(-0.5 * 12_288 * (1 + 2 * log(0.05) + log(2 * pi)), rel=1e-5)
    assert found.item() > 17_973


@pytest.mark.parametrize("bounds", [PIXEL_LOG_VARIANCE, LATENT_LOG_VARIANCE])
def test_the_log_variance_is_clamped_with_a_gradient_that_leads_back_in(bounds):
    low, high = bounds
    s = torch.tensor([[low - 5, low + 0.5, high - 0.5, high + 5]], requires_grad=True)
    distribution = diagonal((torch.zeros(1, 4), s), bounds)
    expected = torch.tensor([exp(v / 2) for v in (low, low + 0.5, high - 0.5, high)])
    torch.testing.assert_close(distribution.stddev[0], expected)
    # Errors that are larger than the variance call for more of it, smaller ones for less.
    for error, outside in ((3.0, [True, False]), (0.0, [False, True])):
        loss = -log_density(distribution, error * expected[None]).sum()
        (gradient,) = torch.autograd.grad(loss, s, retain_graph=True)
        torch.testing.assert_close(gradient[0, 1:3], torch.full((2,), 0.5 * (1 - error**2)))
        assert (gradient[0, [0, 3]] != 0).tolist() == outside


def test_a_pixel_at_the_floor_is_worth_3_nats():
    zero = torch.zeros(1, 1)
    floor = diagonal((zero, zero - 100), PIXEL_LOG_VARIANCE)
    assert log_density(floor, zero).item() == pytest.approx(4 - 0.5 * log(2 * pi), rel=1e-6)


def test_a_sample_is_the_mean_plus_noise_times_the_standard_deviation():
    m, s = normal(3, 4)
    distribution = diagonal((m, s), LATENT_LOG_VARIANCE)
    assert torch.equal(sample(distribution, torch.zeros(3, 4)), m)
    noise = torch.randn(3, 4)
    torch.testing.assert_close(sample(distribution, noise), m + noise * (s / 2).exp())


def test_parameters_in_half_precision_are_computed_in_single_precision():
    half = diagonal((torch.zeros(1, 2).bfloat16(), torch.ones(1, 2).bfloat16()), LATENT_LOG_VARIANCE)
    assert log_density(half, torch.zeros(1, 2)).dtype == torch.float32


def test_adversarial_losses_are_cross_entropies():
    real, fake = torch.randn(7) * 3, torch.randn(7) * 3
    one, zero = torch.ones(7), torch.zeros(7)
    bce = F.binary_cross_entropy_with_logits
    torch.testing.assert_close(discriminator_loss(real, fake), (bce(real, one) + bce(fake, zero)) / 2)
    torch.testing.assert_close(generator_loss(fake), bce(fake, one))
    assert discriminator_loss(zero, zero).item() == pytest.approx(log(2))


def test_adversarial_losses_are_finite_and_have_a_gradient_for_a_certain_discriminator():
    fake = torch.full((2,), -200.0, requires_grad=True)
    loss = generator_loss(fake)
    assert loss.item() == pytest.approx(200)
    loss.backward()
    torch.testing.assert_close(fake.grad, torch.full((2,), -0.5))
