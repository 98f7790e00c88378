"""The squared MMD is its definition, whatever the blocks, and its expectations under N(0, I) are exact."""

import math

import pytest
import torch

from lit_faces.objectives.mmd import normal_discrepancies, squared_mmd


@pytest.fixture
def samples():
    """x (7, 3) and y (5, 3) in float64, two points of which coincide."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(7, 3, generator=generator, dtype=torch.float64)
    y = torch.randn(5, 3, generator=generator, dtype=torch.float64) + 0.5
    y[0] = x[0]
    return x, y


def by_pairs(x, y, bandwidth, skip_own=False):
    """Mean of k, one pair at a time."""
    values = [
        math.exp(-sum((float(p) - float(q)) ** 2 for p, q in zip(a, b, strict=True)) / bandwidth)
        for i, a in enumerate(x)
        for j, b in enumerate(y)
        if not (skip_own and i == j)
    ]
    return sum(values) / len(values)


def drawn(shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def is_mean_of(expected, values):
    return abs(values.mean() - expected) < 3 * values.std() / math.sqrt(len(values))


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("bandwidth", [None, 0.7])
def test_it_is_the_sum_over_pairs(samples, bandwidth, unbiased):
    x, y = samples
    b = bandwidth or 9
    expected = by_pairs(x, x, b, unbiased) + by_pairs(y, y, b, unbiased) - 2 * by_pairs(x, y, b)
    found = squared_mmd(x, y, bandwidth, unbiased)
    assert found.dtype == torch.float64
    assert float(found) == pytest.approx(expected, rel=1e-12)
    single = squared_mmd(x.float(), y.float(), bandwidth, unbiased)
    assert single.dtype == torch.float32
    assert float(single) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("block", [1, 3, 5, 6])
def test_the_block_changes_neither_value_nor_gradient(samples, block, unbiased):
    def results(size):
        x, y = (points.clone().requires_grad_() for points in samples)
        value = squared_mmd(x, y, None, unbiased, size)
        return [value, *torch.autograd.grad(value, (x, y))]

    for found, expected in zip(results(block), results(1024), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)


def test_a_block_is_all_that_is_kept_for_the_gradient():
    x = drawn((64, 2), 0).requires_grad_()
    kept = []

    def largest(block):
        kept.clear()
        with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
            squared_mmd(x, x.detach(), block=block)
        return max(kept)

    assert largest(64) == 64 * 64
    assert largest(8) <= 64 * 2


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("block", [2, 1024])
def test_the_gradient_is_that_of_the_value_also_where_points_coincide(samples, block, unbiased):
    x, y = (points.clone().requires_grad_() for points in samples)
    assert torch.autograd.gradcheck(lambda a, b: squared_mmd(a, b, None, unbiased, block), (x, y))


def test_equal_samples_are_at_no_distance(samples):
    x, _ = samples
    assert abs(squared_mmd(x, x)) < 1e-15
    assert squared_mmd(x, x + 1) > 0.05


@pytest.mark.parametrize("block", [1, 3, 1024])
@pytest.mark.parametrize("bandwidth", [None, 0.7])
def test_a_sample_adds_its_mean_over_the_others(samples, bandwidth, block):
    z, _ = samples
    b = bandwidth or 9
    to_normal = [(1 + 2 / b) ** -1.5 * math.exp(-float(a @ a) / (b + 2)) for a in z]
    expected = []
    for i in range(7):
        others = [j for j in range(7) if j != i]
        mean = by_pairs(z[i : i + 1], z[others], b) - sum(to_normal[j] for j in others) / 6
        expected.append(mean - to_normal[i] + (1 + 4 / b) ** -1.5)
    found = normal_discrepancies(z, bandwidth, block)
    assert found.dtype == normal_discrepancies(z.float()).dtype == torch.float64
    assert found.tolist() == pytest.approx(expected, rel=1e-12, abs=1e-14)


@pytest.mark.parametrize(("dim", "bandwidth"), [(2, None), (10, None), (3, 0.5)])
def test_the_expectations_under_the_prior_are_those_of_many_draws(dim, bandwidth):
    z = 0.5 * drawn((6, dim), 0) + 1
    groups = torch.stack([squared_mmd(z, p, bandwidth, unbiased=True) for p in drawn((40, 1000, dim), 1)])
    assert is_mean_of(normal_discrepancies(z, bandwidth).mean(), groups)


@pytest.mark.parametrize(("dim", "floor"), [(2, 0.0100), (10, 0.0036)])
def test_of_equal_distributions_the_unbiased_estimate_is_0_and_the_biased_one_its_floor(dim, floor):
    exact = 2 / 100 * (1 - (1 + 4 / dim**2) ** (-dim / 2))
    assert exact == pytest.approx(floor, abs=5e-5)
    pairs = [*zip(drawn((300, 100, dim), 2), drawn((300, 100, dim), 3), strict=True)]
    assert is_mean_of(exact, torch.stack([squared_mmd(x, y) for x, y in pairs]))
    assert is_mean_of(0, torch.stack([squared_mmd(x, y, unbiased=True) for x, y in pairs]))
    assert is_mean_of(0, torch.stack([normal_discrepancies(x).mean() for x, _ in pairs]))
    unequal = torch.stack([squared_mmd(x[:20], y[:30]) for x, y in pairs])
    assert is_mean_of(exact * 100 / 2 * (1 / 20 + 1 / 30), unequal)


def test_a_collapsed_code_costs_little():
    assert float(normal_discrepancies(torch.zeros(50, 10)).mean()) == pytest.approx(0.0105, abs=5e-5)
    shifted = drawn((20, 200, 10), 4) + torch.tensor([0.5] + [0] * 9)
    found = torch.stack([normal_discrepancies(z).mean() for z in shifted])
    assert is_mean_of(0.0039, found)
    assert found.std() / 20**0.5 < 0.0039 / 4


def test_autocast_does_not_round(samples):
    x, y = (points.float() for points in samples)
    expected, rows = squared_mmd(x, y), normal_discrepancies(x)
    with torch.autocast("cpu", torch.bfloat16):
        assert (x @ y.T).dtype == torch.bfloat16
        assert squared_mmd(x, y) == expected
        assert torch.equal(normal_discrepancies(x), rows)
        assert squared_mmd(x.bfloat16(), y.bfloat16()).dtype == torch.float32


@pytest.mark.parametrize(("x", "y"), [((4, 2), (4, 3)), ((4,), (4,)), ((4, 2, 1), (4, 2, 1)), ((4, 2), (4,))])
def test_other_shapes_are_refused(x, y):
    with pytest.raises(ValueError, match=r"expected samples \(N, d\) and \(M, d\), got"):
        squared_mmd(torch.zeros(x), torch.zeros(y))
    if len(x) != 2:
        with pytest.raises(ValueError, match=r"expected samples \(N, d\), got"):
            normal_discrepancies(torch.zeros(x))


def test_too_few_samples_are_refused():
    one, two, none, empty = (torch.zeros(shape) for shape in ((1, 3), (2, 3), (0, 3), (4, 0)))
    squared_mmd(one, two)
    for estimate in (
        lambda: squared_mmd(two, one, unbiased=True),
        lambda: squared_mmd(one, two, unbiased=True),
        lambda: normal_discrepancies(one),
        lambda: squared_mmd(two, none),
        lambda: squared_mmd(empty, empty),
    ):
        with pytest.raises(ValueError, match=r"expected at least [12] samples of at least one number, got \("):
            estimate()


@pytest.mark.parametrize("wrong", [{"bandwidth": 0.0}, {"bandwidth": -1.0}, {"block": 0}])
def test_a_bandwidth_or_block_that_is_none_is_refused(wrong, samples):
    for estimate in (lambda: squared_mmd(*samples, **wrong), lambda: normal_discrepancies(samples[0], **wrong)):
        with pytest.raises(ValueError, match="bandwidth and block must be above 0"):
            estimate()
