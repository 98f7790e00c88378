"""DIP-VAE: the covariance and its penalties, the loss term by term, and that labels play no part in it."""

import numpy as np
import pytest
import torch

from lit_faces.errors import UserError
from lit_faces.methods.capabilities import Edits, Encodes, Generates, Labelled, Reconstructs
from lit_faces.methods.dipvae import DIPVAE
from lit_faces.networks.dipvae import Decoder, Encoder
from lit_faces.objectives.covariance import covariance, covariance_penalties

LABELS = ("Smiling", "Eyeglasses")


def make(data, **arguments):
    torch.manual_seed(0)
    method = DIPVAE(**{"labels": LABELS, "latent_dim": 5, "width": 0.2, **arguments})
    method.prepare(data.spec)
    return method


@pytest.fixture
def code():
    """Correlated means and variances (40, 6)."""
    generator = torch.Generator().manual_seed(3)
    mean = torch.randn(40, 6, generator=generator) @ torch.randn(6, 6, generator=generator) + 5
    return mean, 3 * torch.rand(40, 6, generator=generator)


def test_the_networks_have_the_sizes_stated():
    networks = Encoder((3, 64, 64), 32), Decoder((3, 64, 64), 32)
    assert [sum(p.numel() for p in net.parameters()) for net in networks] == [395_264, 387_971]


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 48, 48), (3, 64, 64)])
def test_the_decoder_returns_the_encoders_images(shape):
    mean, log_variance = Encoder(shape, 7, 0.1)(torch.rand(2, *shape))
    assert mean.shape == log_variance.shape == (2, 7)
    assert Decoder(shape, 7, 0.1)(mean).shape == (2, *shape)


@pytest.mark.parametrize("shape", [(3, 16, 16), (3, 40, 40), (3, 64, 48), (3, 1, 1)])
def test_other_images_are_refused(shape):
    for network in (Encoder, Decoder):
        with pytest.raises(ValueError, match="at least 32x32, with a side divisible by 16, got"):
            network(shape, 4)


@pytest.mark.parametrize("variant", ["I", "II"])
def test_covariance_and_penalties_are_those_of_numpy(variant, code):
    mean, variance = code
    expected = np.cov(mean.double().numpy().T)
    if variant == "II":
        expected = expected + np.diag(variance.double().numpy().mean(0))
    found = covariance(mean, variance if variant == "II" else None)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    off = sum(expected[i, j] ** 2 for i in range(6) for j in range(6) if i != j)
    on = sum((expected[i, i] - 1) ** 2 for i in range(6))
    np.testing.assert_allclose(torch.stack(covariance_penalties(found)), [off, on], rtol=1e-5)


def test_a_white_code_costs_nothing(code):
    mean, _ = code
    factor = np.linalg.cholesky(np.cov(mean.double().numpy().T))
    white = torch.from_numpy(np.linalg.solve(factor, mean.double().numpy().T).T)
    for penalty in covariance_penalties(covariance(white)):
        assert penalty < 1e-8
    # With a posterior variance of 1 every entry has one too many.
    off, on = covariance_penalties(covariance(white, torch.ones(40, 6)))
    assert off < 1e-8
    assert on == pytest.approx(6, rel=1e-5)


def test_autocast_does_not_round_the_covariance(code):
    expected = covariance(*code)
    with torch.autocast("cpu", torch.bfloat16):
        assert (code[0].T @ code[0]).dtype == torch.bfloat16
        assert torch.equal(covariance(*code), expected)


@pytest.mark.parametrize(("variant", "sees"), [("I", False), ("II", True)])
def test_only_the_second_variant_sees_the_posterior_variance(variant, sees, data, batch):
    method = make(data, variant=variant)
    before = method.losses(batch)
    q = method.posterior(batch.images)
    with torch.no_grad():
        method.encoder.layers[-1].bias[method.latent_dim :] += 1
    after = method.losses(batch)
    torch.testing.assert_close(after["off_diagonal"], before["off_diagonal"])
    own = covariance(q.mean).diagonal()
    expected = (own + np.e * q.variance.mean(0) - 1 if sees else own - 1).square().sum()
    torch.testing.assert_close(after["diagonal"], expected.detach(), rtol=1e-4, atol=1e-4)
    assert torch.equal(after["diagonal"], before["diagonal"]) == (not sees)


@pytest.mark.parametrize("variant", ["I", "II"])
def test_the_loss_is_the_weighted_sum_of_its_terms(variant, data, batch, monkeypatch):
    monkeypatch.setattr(torch, "randn_like", torch.ones_like)
    method = make(data, variant=variant, lambda_od=700.0, lambda_d=30.0)
    with torch.no_grad():
        mean, log_variance = method.encoder(batch.images)
        p = method.decoder(mean + (log_variance / 2).exp()).double().sigmoid()
        losses = method.losses(batch)
    x, mean, log_variance = batch.images.double(), mean.double(), log_variance.double()
    error = -(x * p.log() + (1 - x) * (1 - p).log()).sum() / 4
    kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum() / 4
    c = np.cov(mean.numpy().T) + (np.diag(log_variance.exp().mean(0)) if variant == "II" else 0)
    on = ((np.diag(c) - 1) ** 2).sum()
    off = (c**2).sum() - (np.diag(c) ** 2).sum()
    assert next(iter(losses)) == "loss"
    terms = {"reconstruction": error, "kl": kl, "off_diagonal": off, "diagonal": on}
    for name, value in {**terms, "loss": error + kl + 700 * off + 30 * on}.items():
        assert float(losses[name]) == pytest.approx(float(value), rel=1e-5, abs=1e-8), name


def test_the_weight_of_the_diagonal_follows_the_variant():
    given = [({"variant": "I"}, 20), ({"variant": "II"}, 2), ({"variant": "I", "lambda_d": 0.0}, 0)]
    for arguments, expected in given:
        assert DIPVAE(lambda_od=2.0, **arguments).lambda_d == expected


@pytest.mark.parametrize("variant", ["I", "II"])
def test_a_step_moves_every_parameter(variant, data, batch):
    method = make(data, variant=variant)
    assert method.automatic_optimization
    before = {name: p.detach().clone() for name, p in method.named_parameters()}
    optimiser = method.configure_optimizers()
    losses = method.training_step(batch, 0)
    losses["loss"].backward()
    optimiser.step()
    assert [name for name, p in method.named_parameters() if torch.equal(p, before[name])] == []
    assert not any(value.requires_grad for name, value in losses.items() if name != "loss")


def test_the_penalties_whiten_the_code(data, batch):
    method = make(data, latent_dim=2, width=0.5, lambda_od=1e3, learning_rate=3e-3)
    optimiser = method.configure_optimizers()
    start = method.losses(batch)
    for _ in range(150):
        optimiser.zero_grad()
        method.losses(batch)["loss"].backward()
        optimiser.step()
    end = method.losses(batch)
    # A new code hardly varies, so that its covariance is near 0 and each of the two entries costs about 1.
    assert start["diagonal"] > 1.9
    assert end["diagonal"] < 0.1
    assert end["off_diagonal"] < 0.1


def test_attributes_play_no_part_in_the_training(data, batch):
    method = make(data)
    losses = []
    for attributes in (batch.attributes, -batch.attributes):
        torch.manual_seed(1)
        losses.append(method.losses(batch._replace(attributes=attributes)))
    assert losses[0] == losses[1]


@pytest.mark.parametrize("weight", ["lambda_od", "lambda_d"])
def test_a_negative_weight_is_refused(weight, data):
    with pytest.raises(UserError, match=rf"model.{weight} must be at least 0, got -1"):
        make(data, **{weight: -1.0})


def test_what_it_can_do(data, batch):
    method = make(data).eval()
    assert [isinstance(method, kind) for kind in (Labelled, Encodes, Reconstructs)] == [True] * 3
    assert not any(isinstance(method, kind) for kind in (Generates, Edits))
    assert method.labels == LABELS
    z = method.encode(batch.images, batch.attributes)["z"]
    assert torch.equal(z, method.encoder(batch.images)[0])
    found = method.reconstruct(batch.images, batch.attributes)
    torch.testing.assert_close(found, method.decoder(z).sigmoid())
    assert found.shape == batch.images.shape
