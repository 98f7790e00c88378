import math

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from torch.distributions import Independent, MultivariateNormal, Normal

from lit_faces.metrics.attributes import AttributeAccuracy, AttributeHits, wilson_interval
from lit_faces.metrics.likelihood import EvidenceLowerBound, ImportanceWeightedBound
from lit_faces.metrics.noise import ImageNoise
from lit_faces.metrics.per_image import PerImage

# Noise


def test_noise_depends_on_seed_and_image_only():
    index = torch.tensor([3, 11, 7])
    whole = ImageNoise(5, index, 33).draw(20)
    assert whole.shape == (3, 20, 33)
    assert whole.dtype == torch.float32
    one_by_one = torch.cat([ImageNoise(5, row[None], 33).draw(20) for row in index])
    assert torch.equal(whole, one_by_one)
    assert torch.equal(whole[[2, 0]], ImageNoise(5, torch.tensor([7, 3]), 33).draw(20))
    assert not torch.equal(whole, ImageNoise(6, index, 33).draw(20))
    assert not torch.equal(whole[0], whole[1])


@pytest.mark.parametrize("dim", [1, 7, 64])
def test_noise_does_not_depend_on_chunks(dim):
    index = torch.arange(4)
    stream = ImageNoise(0, index, dim)
    chunks = torch.cat([stream.draw(count) for count in (1, 3, 0, 5, 11)], 1)
    assert torch.equal(chunks, ImageNoise(0, index, dim).draw(20))


def test_noise_is_standard_normal():
    noise = ImageNoise(1, torch.arange(50), 40).draw(100).double()
    standard_error = 1 / math.sqrt(noise.numel())
    assert abs(noise.mean()) < 5 * standard_error
    assert abs(noise.var() - 1) < 5 * math.sqrt(2) * standard_error
    assert abs((noise[0] * noise[1]).mean()) < 5 / math.sqrt(noise[0].numel())  # images are independent
    assert abs((noise < -1).double().mean() - 0.158655) < 5 * 0.37 * standard_error


def test_bad_noise_is_refused():
    with pytest.raises(ValueError, match="index"):
        ImageNoise(0, torch.tensor([-1]), 3)
    with pytest.raises(ValueError, match="index"):
        ImageNoise(0, torch.tensor([0.5]), 3)
    with pytest.raises(ValueError, match="seed"):
        ImageNoise(-1, torch.tensor([1]), 3)


# Values per image


def test_per_image_orders_images_and_counts_repeats_once():
    metric = PerImage("a", "b")
    metric.update(torch.tensor([7, 2]), torch.tensor([[7.0, 70.0], [2.0, 20.0]]))
    metric.update(torch.tensor([5, 2, 7]), torch.tensor([[5.0, 50.0], [2.0, 20.0], [7.0, 70.0]]))
    values = metric.compute()
    assert values.names == ("a", "b")
    assert values.index.tolist() == [2, 5, 7]
    assert values.values.tolist() == [[2, 20], [5, 50], [7, 70]]
    assert values.values.dtype == torch.float64
    assert values.column("b").tolist() == [20, 50, 70]
    assert len(values) == 3
    with pytest.raises(ValueError, match="no column 'c'"):
        values.column("c")


def test_per_image_statistics():
    generator = np.random.default_rng(0)
    rows, persons = generator.normal(size=(30, 2)), generator.integers(0, 5, 30) * 10
    metric = PerImage("a", "b")
    metric.update(torch.arange(30), torch.from_numpy(rows))
    values = metric.compute()
    np.testing.assert_allclose(values.mean(), rows.mean(0), rtol=1e-12)
    np.testing.assert_allclose(values.standard_error(), rows.std(0, ddof=1) / math.sqrt(30), rtol=1e-12)
    expected = np.mean([rows[persons == person].mean(0) for person in np.unique(persons)], axis=0)
    np.testing.assert_allclose(values.grouped_mean(torch.from_numpy(persons)), expected, rtol=1e-12)
    with pytest.raises(ValueError, match="groups"):
        values.grouped_mean(torch.zeros(3))


def test_per_image_keeps_float64_and_shape_of_one_value():
    metric = PerImage("a")
    metric.update(torch.tensor([4]), torch.tensor([[1 + 1e-12]], dtype=torch.float64))
    values = metric.half().compute()  # casting the module it belongs to changes nothing
    assert values.values.shape == (1, 1)
    assert values.index.shape == (1,)
    assert values.values.item() == 1 + 1e-12
    assert values.standard_error().isnan().all()


def test_per_image_without_images():
    metric = PerImage("a")
    with pytest.raises(ValueError, match="PerImage has seen no image"):
        metric.compute()
    metric.update(torch.tensor([0]), torch.tensor([[1.0]]))
    assert metric.compute().mean().item() == 1
    metric.reset()
    with pytest.raises(ValueError, match="no image"):
        metric.compute()


def test_per_image_refuses_other_shapes():
    metric = PerImage("a", "b")
    for index, values in (((2,), (2, 3)), ((2,), (3, 2)), ((2, 1), (2, 2)), ((2,), (2,))):
        with pytest.raises(ValueError, match="expected an index"):
            metric.update(torch.zeros(index, dtype=torch.long), torch.zeros(values))


# Likelihoods, on a model whose likelihood is known: z ~ N(0, I), x | z ~ N(W z + b, s^2 I)


class LinearGaussian:
    def __init__(self, n=6, pixels=10, latents=3, noise=0.4):
        torch.manual_seed(0)
        self.weight, self.bias, self.noise = torch.randn(pixels, latents).double(), torch.randn(pixels).double(), noise
        covariance = self.weight @ self.weight.T + noise**2 * torch.eye(pixels).double()
        marginal = MultivariateNormal(self.bias, covariance)
        self.x = marginal.sample((n,))
        self.log_likelihood = marginal.log_prob(self.x)
        precision = torch.eye(latents).double() + self.weight.T @ self.weight / noise**2
        self.covariance = torch.linalg.inv(precision)
        self.mean = (self.x - self.bias) @ self.weight @ self.covariance / noise**2
        self.prior = MultivariateNormal(torch.zeros(latents).double(), torch.eye(latents).double())
        self.index = torch.arange(n)

    def posterior(self, shift=0.0, scale=1.0):
        return MultivariateNormal(self.mean + shift, self.covariance * scale)

    def log_p(self, z):
        return Independent(Normal(z @ self.weight.T + self.bias, self.noise), 1).log_prob(self.x)

    def log_weights(self, q, samples):
        z = q.sample((samples,))
        return (self.log_p(z) + self.prior.log_prob(z) - q.log_prob(z)).T


@pytest.fixture(scope="module")
def model():
    return LinearGaussian()


def elbo(model, q):
    metric = EvidenceLowerBound()
    # E_q log p(x|z) exactly: the term at the mean minus tr(W' W Cov) / (2 s^2).
    spread = (model.weight.T @ model.weight @ q.covariance_matrix[0]).trace() / (2 * model.noise**2)
    kl = torch.distributions.kl_divergence(q, model.prior)
    metric.update(model.index, model.log_p(q.mean) - spread, kl)
    return metric.compute()


def test_elbo_of_the_exact_posterior_is_the_likelihood(model):
    values = elbo(model, model.posterior())
    torch.testing.assert_close(values.column("elbo"), model.log_likelihood, rtol=0, atol=1e-10)
    torch.testing.assert_close(values.column("log_likelihood") - values.column("kl"), values.column("elbo"))


def test_elbo_with_the_log_ratio_is_exact_for_every_sample(model):
    q = model.posterior()
    for _ in range(3):
        z = q.sample()
        metric = EvidenceLowerBound()
        metric.update(model.index, model.log_p(z), q.log_prob(z) - model.prior.log_prob(z))
        torch.testing.assert_close(metric.compute().column("elbo"), model.log_likelihood, rtol=0, atol=1e-10)


def test_elbo_of_a_wrong_posterior_lies_below_by_its_divergence(model):
    q = model.posterior(0.2, 1.5)
    gap = torch.distributions.kl_divergence(q, model.posterior())
    assert (gap > 0.01).all()
    torch.testing.assert_close(elbo(model, q).column("elbo"), model.log_likelihood - gap, rtol=0, atol=1e-10)


def test_importance_weighted_bound_of_the_exact_posterior_is_the_likelihood(model):
    metric = ImportanceWeightedBound(7)
    metric.update(model.index, model.log_weights(model.posterior(), 7).split(3, 1))
    torch.testing.assert_close(metric.compute().column("bound"), model.log_likelihood, rtol=0, atol=1e-10)


def test_importance_weighted_bound_grows_to_the_likelihood(model):
    torch.manual_seed(1)
    q = model.posterior(0.15, 2.0)
    weights = model.log_weights(q, 20_000)

    def bound(samples):
        """Mean over disjoint groups, and the standard error of that mean, each (N,)."""
        groups = weights.unflatten(1, (-1, samples)).transpose(0, 1)
        values = []
        for group in groups[:60]:
            metric = ImportanceWeightedBound(samples)
            metric.update(model.index, group.split(400, 1))
            values.append(metric.compute().column("bound"))
        stacked = torch.stack(values)
        return stacked.mean(0), stacked.std(0) / math.sqrt(len(stacked))

    means, errors = zip(*(bound(samples) for samples in (1, 4, 20, 1000)), strict=True)
    for low, high, e_low, e_high in zip(means[:-1], means[1:], errors[:-1], errors[1:], strict=True):
        assert (high - low > -3 * (e_low + e_high)).all()
    assert (means[0] < model.log_likelihood - 0.1).all()
    assert (means[1] > means[0]).all()
    # The bias of the last one is var(w) / (2 K), about 0.001.
    assert ((means[-1] - model.log_likelihood).abs() < 5 * errors[-1] + 0.002).all()


def test_importance_weighted_bound_does_not_depend_on_chunks_or_scale(model):
    weights = torch.randn(5, 50) * 300 - 1e4
    expected = torch.logsumexp(weights.double(), 1) - math.log(50)
    for sizes in ([50], [1, 49], [20, 20, 10]):
        metric = ImportanceWeightedBound(50)
        metric.update(torch.arange(5), iter(weights.split(sizes, 1)))
        torch.testing.assert_close(metric.compute().column("bound"), expected, rtol=1e-14, atol=0)


def test_importance_weighted_bound_wants_all_weights():
    metric = ImportanceWeightedBound(10)
    with pytest.raises(ValueError, match="expected 10 log weights an image, got 12"):
        metric.update(torch.arange(2), [torch.zeros(2, 6), torch.zeros(2, 6)])
    with pytest.raises(ValueError, match="must be"):
        metric.update(torch.arange(2), [torch.zeros(3, 10)])
    with pytest.raises(ValueError, match="no image"):
        metric.compute()
    with pytest.raises(ValueError, match="at least 1"):
        ImportanceWeightedBound(0)


def test_batches_do_not_matter(model):
    weights = model.log_weights(model.posterior(0.1), 9)
    whole, parts = ImportanceWeightedBound(9), ImportanceWeightedBound(9)
    whole.update(model.index, [weights])
    for rows in ([5], [3, 0, 1], [2, 4, 5]):
        parts.update(model.index[rows], weights[rows].split(2, 1))
    torch.testing.assert_close(parts.compute().values, whole.compute().values, rtol=1e-14, atol=0)


# Attributes


def test_attribute_hits():
    probabilities = torch.tensor([[0.9, 0.2, 0.4, 0.5], [0.1, 0.6, 0.8, 0.5]])
    reference = torch.tensor([[0.1, 0.9, 0.5, 0.2], [0.1, 0.1, 0.8, 0.5]])
    metric = AttributeHits(target=0, on=True, tied=(1,))
    metric.update(torch.tensor([9, 4]), probabilities, reference)
    values = metric.compute()
    assert values.index.tolist() == [4, 9]
    assert values.column("hit").tolist() == [0, 1]
    assert values.column("change_in_others").tolist() == pytest.approx([0, (0.1 + 0.3) / 2], abs=1e-7)
    off = AttributeHits(target=0, on=False)
    off.update(torch.tensor([9, 4]), probabilities)
    assert off.compute().column("hit").tolist() == [1, 0]
    assert off.compute().column("change_in_others").isnan().all()


def test_attribute_hits_refuse_other_shapes():
    with pytest.raises(ValueError, match="columns"):
        AttributeHits(4, True).update(torch.arange(2), torch.rand(2, 4))
    with pytest.raises(ValueError, match="columns"):
        AttributeHits(0, True, tied=(-1,)).update(torch.arange(2), torch.rand(2, 4))
    with pytest.raises(ValueError, match="reference"):
        AttributeHits(0, True).update(torch.arange(2), torch.rand(2, 4), torch.rand(2, 3))


def test_attribute_accuracy_matches_scikit_learn():
    torch.manual_seed(0)
    logits = torch.randn(60, 3) - torch.tensor([0.0, 1.0, -1.5])
    targets = (torch.rand(60, 3) < torch.tensor([0.5, 0.1, 0.9])).long()
    metric = AttributeAccuracy(3)
    for rows in torch.arange(60).split(7):
        metric.update(logits[rows], targets[rows])
    values = metric.compute()
    for column in range(3):
        truth, answer = targets[:, column].numpy(), (logits[:, column] > 0).numpy()
        assert values.accuracy[column].item() == pytest.approx(accuracy_score(truth, answer), abs=1e-12)
        assert values.balanced[column].item() == pytest.approx(balanced_accuracy_score(truth, answer), abs=1e-12)


def test_attribute_accuracy_takes_small_logits_for_logits():
    metric = AttributeAccuracy(2)
    metric.update(torch.tensor([[0.2, 0.4]]), torch.tensor([[1.0, 0.0]]))
    assert metric.compute().accuracy.tolist() == [1, 0]
    assert metric.compute().balanced.isnan().all()


def test_attribute_accuracy_refuses_other_targets():
    metric = AttributeAccuracy(2)
    with pytest.raises(ValueError, match="0 or 1"):
        metric.update(torch.zeros(1, 2), torch.tensor([[-1, 1]]))
    with pytest.raises(ValueError, match="must be"):
        metric.update(torch.zeros(1, 3), torch.zeros(1, 3))
    with pytest.raises(ValueError, match="must be"):
        metric.update(torch.zeros(2, 2), torch.zeros(1, 2))


def test_wilson_interval():
    assert wilson_interval(13, 16) == pytest.approx((0.5699, 0.9341), abs=5e-5)  # statsmodels proportion_confint
    assert wilson_interval(0, 10) == pytest.approx((0, 0.27754), abs=5e-5)
    assert wilson_interval(10, 10) == pytest.approx((0.72246, 1), abs=5e-5)
    low, high = wilson_interval(50, 100)
    assert (low, high) == pytest.approx((0.40383, 0.59617), abs=5e-5)
    wide = wilson_interval(50, 100, z=2.576)
    assert wide[0] < low < high < wide[1]
    for hits, n in ((1, 0), (5, 4), (-1, 4)):
        with pytest.raises(ValueError, match="hits"):
            wilson_interval(hits, n)
