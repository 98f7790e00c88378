"""CSVAE's subspaces of any dimension and the two searches of them; the learned standard deviation of all four models."""

import math
from types import SimpleNamespace

import pytest
import torch
from labelled_models import LABELS, MODELS, make
from torch.distributions import Normal

from lit_faces.data.batch import Batch
from lit_faces.errors import UserError
from lit_faces.methods import CSVAE, VAE
from lit_faces.methods.labelled import LabelledVAE
from lit_faces.methods.principal import principal_combinations, with_products
from lit_faces.objectives.gaussian import PIXEL_LOG_VARIANCE


def cloud(deviations, mean, count=4000):
    """Points of a Gaussian with these standard deviations along random axes, and the axes (D, D), in columns."""
    generator = torch.Generator().manual_seed(1)
    dim = len(deviations)
    axes, _ = torch.linalg.qr(torch.randn(dim, dim, generator=generator))
    return mean + (torch.randn(count, dim, generator=generator) * torch.tensor(deviations)) @ axes.T, axes


def test_the_combinations_of_a_gaussian_lie_along_its_first_two_axes():
    points, axes = cloud([0.5, 3.0, 0.1, 1.5], 3.0)
    moments = with_products(points).mean(0)[None]
    [styles] = principal_combinations(moments, 4).unbind(1)
    assert styles.shape == (25, 4)
    along = (styles - points.mean(0)) @ axes
    # Standard errors of a deviation and of an angle are of the order of 1/sqrt(4000) = 0.016.
    assert along[:, [0, 2]].abs().max() < 0.3
    expected = torch.cartesian_prod(*[torch.linspace(-2, 2, 5)] * 2) * torch.tensor([3.0, 1.5])
    nearest = torch.cdist(along[:, [1, 3]], expected)
    assert nearest.amin(0).max() < 0.3
    assert nearest.amin(1).max() < 0.3
    torch.testing.assert_close(styles[12], points.mean(0), atol=1e-4, rtol=0)


def test_the_combinations_of_a_line_are_a_line():
    points = torch.tensor([[1.0], [3.0], [5.0]])
    styles = principal_combinations(with_products(points).mean(0)[None], 1)
    deviation = math.sqrt(8 / 3)
    torch.testing.assert_close(styles[:, 0, 0].sort().values, 3 + deviation * torch.linspace(-2, 2, 5))


def test_clouds_of_one_point_have_that_point_alone():
    points = torch.tensor([[3.1, -0.7, 2.0], [0.3, 0.0, 1e-3]])
    styles = principal_combinations(with_products(points), 3)
    torch.testing.assert_close(styles, points.expand(25, -1, -1), atol=2e-3, rtol=0)


@pytest.mark.parametrize(
    ("dim", "search", "count"),
    [(1, "grid", 7), (2, "grid", 49), (3, "grid", 343), (1, "principal", 5), (5, "principal", 25)],
)
def test_candidates_are_a_style_for_every_label(dim, search, count, data, batch):
    method = make(CSVAE, data, subspace_dim=dim, search=search).eval()
    candidates = method.candidate_styles()
    # The first is what the method takes by itself, so that a search is never worse on what it searches.
    assert candidates.shape == (1 + count, 2, method.style_dim) == (1 + count, 2, dim)
    torch.testing.assert_close(candidates[0], method.styles())
    if search == "grid":
        assert len(torch.unique(candidates[1:, 0], dim=0)) == count
        torch.testing.assert_close(candidates.mean(0), torch.full((2, dim), 3.0))
        assert (candidates.amin(), candidates.amax()) == (0, 6)
    with torch.no_grad():
        codes = method.encode(batch.images, batch.attributes)
        assert {name: code.shape[1] for name, code in codes.items()} == {"z": 3, "w_Eyeglasses": dim, "w_Male": dim}
        noise = torch.zeros(len(batch.row), method.noise_dim)
        assert method.generate(batch.attributes, noise).shape == batch.images.shape
        target = -batch.attributes
        assert method.switch(batch.images, batch.attributes, target, candidates[0]).shape == batch.images.shape
    # The prior's, before the first validation.
    assert method.prior(torch.ones(1, 2)).mean.tolist() == [[3.0] * 2 * dim]
    assert torch.equal(method.styles(), torch.full((2, dim), 3.0))


def test_searches_that_cannot_be_are_refused():
    with pytest.raises(UserError, match="4 dimensions is too large: say search: principal"):
        CSVAE(subspace_dim=4)
    with pytest.raises(UserError, match="must be grid or principal, got 'random'"):
        CSVAE(search="random")
    with pytest.raises(UserError, match="subspace_dim must be at least 1, got 0"):
        CSVAE(subspace_dim=0)
    assert CSVAE(subspace_dim=4, search="principal").style_dim == 4


def validate(method, batches, monkeypatch):
    """One validation, on one rank."""
    alone = SimpleNamespace(world_size=1, strategy=SimpleNamespace(reduce=lambda value, reduce_op: value))
    monkeypatch.setattr(type(method), "trainer", alone)
    method.on_validation_epoch_start()
    for batch in batches:
        method.validation_step(batch, 0)
    method.on_validation_epoch_end()


@pytest.mark.parametrize("search", ["grid", "principal"])
def test_a_validation_keeps_the_moments_of_each_labels_own_codes(search, data, monkeypatch):
    """Codes that are known: of the first label's images a cloud, of the second's another, at any precision."""
    method = make(CSVAE, data, subspace_dim=3, search=search)
    kinds = [data.spec.vector([a], [b]) for a, b in (LABELS, LABELS[::-1])] + [data.spec.vector(LABELS)]
    attributes = torch.stack(kinds).repeat(200, 1)
    labels = method.label_values(attributes)
    assert labels[:3].tolist() == [[1, 0], [0, 1], [1, 1]]
    torch.manual_seed(3)
    codes = 3 + torch.randn(600, 6) @ torch.randn(6, 6)
    # An image is its code.
    monkeypatch.setattr(CSVAE, "condition", lambda self, images, labels: images.flatten(1))
    batches = [
        Batch(codes[i : i + 64].view(-1, 6, 1, 1), attributes[i : i + 64], torch.zeros(0), torch.zeros(0))
        for i in range(0, 600, 64)
    ]
    with torch.autocast("cpu", torch.bfloat16):
        validate(method, batches, monkeypatch)
        styles, candidates = method.styles(), method.candidate_styles()
    for label in range(2):
        own = codes[labels[:, label] > 0, 3 * label : 3 * label + 3].double()
        torch.testing.assert_close(styles[label].double(), own.mean(0), atol=1e-5, rtol=1e-5)
        if search == "principal":
            variances, axes = torch.linalg.eigh(torch.cov(own.T, correction=0))
            along = (candidates[:, label].double() - own.mean(0)) @ axes.flip(1) / variances.flip(0).sqrt()
            expected = torch.zeros(25, 3, dtype=torch.float64)
            expected[:, :2] = torch.cartesian_prod(*[torch.linspace(-2, 2, 5)] * 2)
            distance = torch.cdist(along, expected)
            assert distance.amin(0).max() < 1e-3
            assert distance.amin(1).max() < 1e-3
    again = make(CSVAE, data, subspace_dim=3, search=search)
    again.load_state_dict(method.state_dict())
    assert torch.equal(again.candidate_styles(), method.candidate_styles())


def test_the_learned_error_is_that_of_the_gaussian(data, batch):
    method = make(VAE, data, learned_sigma=True)
    means, log_variances = torch.rand_like(batch.images), 8 * torch.randn_like(batch.images)
    low, high = PIXEL_LOG_VARIANCE
    assert (log_variances < low).any()
    assert (log_variances > high).any()
    deviations = log_variances.double().clamp(low, high).div(2).exp()
    density = Normal(means.double(), deviations).log_prob(batch.images.double()).flatten(1).sum(1).mean()
    expected = -density - 0.5 * math.log(2 * math.pi) * means[0].numel()
    found = method.error(batch.images, means, log_variances)
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=0)
    unit = method.error(batch.images, means, torch.zeros_like(means))
    torch.testing.assert_close(unit, method.error(batch.images, means))


@pytest.mark.parametrize("cls", MODELS)
def test_the_loss_trains_every_output_of_a_learned_sigma(cls, data, batch):
    method = make(cls, data, learned_sigma=True)
    _, losses = method.bound(batch.images, method.label_values(batch.attributes))
    losses["loss"].backward()
    last = method.decoder.body[-1]
    assert last.out_channels == 2 * len(batch.images[0])
    assert (last.weight.grad.flatten(1).abs().amax(1) > 0).all()


@torch.no_grad()
@pytest.mark.parametrize("cls", MODELS)
def test_pictures_are_the_means_of_a_learned_gaussian(cls, data, batch):
    method, plain = make(cls, data, learned_sigma=True).eval(), make(cls, data).eval()
    state = method.state_dict()
    # The plain model with all but the second half of the last layer.
    state |= {name: value[:3] for name, value in state.items() if name.startswith("decoder.body.13.")}
    plain.load_state_dict(state)
    x, y = batch.images, batch.attributes
    torch.testing.assert_close(method.reconstruct(x, y), plain.reconstruct(x, y))
    torch.testing.assert_close(method.edit(x, y, -y), plain.edit(x, y, -y))
    torch.testing.assert_close(method.encode(x, y), plain.encode(x, y))


def test_a_learned_sigma_follows_the_noise(data, monkeypatch):
    """Of pixels that no code can tell apart it learns the standard deviation."""
    monkeypatch.setattr(LabelledVAE, "manual_backward", lambda self, loss: loss.backward())
    method = make(VAE, data, learned_sigma=True, beta_1=1.0, beta_3=1.0, learning_rate=5e-3)
    [optimiser], _ = method.configure_optimizers()
    method.optimizers = lambda: optimiser
    torch.manual_seed(0)
    shape = (32, *data.spec.image_shape)
    attributes = torch.zeros(32, len(data.spec.attributes))
    for _ in range(60):
        images = 0.5 + 0.1 * torch.randn(shape)
        method.training_step(Batch(images, attributes, torch.zeros(0), torch.zeros(0)), 0)
    _, log_variances = method.pixels(torch.zeros(32, 3) + torch.randn(32, 3), None)
    assert log_variances.div(2).exp().median().item() == pytest.approx(0.1, rel=0.25)
