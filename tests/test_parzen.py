import math
import weakref

import numpy as np
import pytest
import torch
from sklearn.neighbors import KernelDensity

from lit_faces.metrics.parzen import WIDTHS, ParzenLogLikelihood

SHAPE = (3, 64, 64)


def faces(n, count, shape=SHAPE, seed=0):
    """Images and samples whose distance is that of believable faces: about 0.11 RMS a pixel."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(n, *shape, generator=generator)
    noise = torch.randn(n, count, *shape, generator=generator)
    return images, images[:, None] + noise * torch.linspace(0.05, 0.2, count)[:, None, None, None]


def brute_force(images, samples, widths):
    """The definition, in float64, written once more."""
    x, s = images.double().flatten(1), samples.double().flatten(2)
    squared = (x[:, None] - s).square().sum(-1)
    count, size = s.shape[1:]
    columns = [
        -math.log(count) - size / 2 * math.log(2 * math.pi * w**2) + torch.logsumexp(-squared / (2 * w**2), 1)
        for w in widths
    ]
    return torch.stack(columns, 1), (squared.min(1).values / size).sqrt()


def chunked(samples, *sizes):
    yield from samples.split(list(sizes), 1)


def measure(images, chunks, counts, widths=WIDTHS, index=None):
    metric = ParzenLogLikelihood(widths, counts)
    metric.update(torch.arange(len(images)) if index is None else index, images, chunks)
    return metric.compute()


def test_default_widths_are_log_spaced():
    assert len(WIDTHS) == 21
    np.testing.assert_allclose(WIDTHS, np.geomspace(0.03, 0.32, 21), rtol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_matches_brute_force_in_float64(dtype):
    images, samples = faces(3, 12)
    samples = samples.to(dtype)
    images = images.to(dtype)
    estimate = measure(images, chunked(samples, 5, 7), (12,))
    expected, rms = brute_force(images, samples, WIDTHS)
    assert estimate.log_likelihood.shape == (1, 3, 21)
    assert estimate.log_likelihood.dtype == torch.float64
    torch.testing.assert_close(estimate.log_likelihood[0], expected, rtol=0, atol=0.01)
    torch.testing.assert_close(estimate.nearest_rms[0], rms, rtol=1e-6, atol=0)


def test_precision_at_a_narrow_width():
    images, samples = faces(4, 6, seed=1)
    estimate = measure(images, [samples], (6,), widths=(0.05,))
    expected, _ = brute_force(images, samples, (0.05,))
    assert (estimate.log_likelihood[0] - expected).abs().max() < 0.001


def test_matches_scikit_learn():
    images, samples = faces(3, 9, (3, 8, 8))
    estimate = measure(images, [samples], (9,), widths=(0.05, 0.1, 0.3))
    for row, (image, own) in enumerate(zip(images, samples, strict=True)):
        for column, width in enumerate((0.05, 0.1, 0.3)):
            # The defaults of KernelDensity are wrong in many dimensions; one leaf makes it exact.
            density = KernelDensity(bandwidth=width, leaf_size=9, rtol=0).fit(own.flatten(1).double().numpy())
            expected = density.score_samples(image.flatten()[None].double().numpy())[0]
            assert estimate.log_likelihood[0, row, column].item() == pytest.approx(expected, abs=1e-3)


def test_one_sample_has_a_closed_form():
    image = torch.full((1, 3, 4, 4), 0.5)
    estimate = measure(image, [image[:, None] + 0.1], (1,), widths=(0.1,))
    assert estimate.log_likelihood.item() == pytest.approx(
        48 * (-0.5 * math.log(2 * math.pi) - math.log(0.1) - 0.5), 1e-6
    )
    assert estimate.nearest_rms.item() == pytest.approx(0.1, 1e-6)


def test_chunks_and_memory_layout_do_not_matter():
    images, samples = faces(4, 20)
    one = measure(images, [samples], (10, 20))
    many = measure(images, chunked(samples, 3, 0, 1, 8, 8), (10, 20))  # 8 straddles the count 10
    last = samples.flatten(0, 1).contiguous(memory_format=torch.channels_last).unflatten(0, (4, 20))
    other = measure(images.contiguous(memory_format=torch.channels_last), last.split(7, 1), (10, 20))
    for estimate in (many, other):
        torch.testing.assert_close(estimate.log_likelihood, one.log_likelihood, rtol=0, atol=1e-8)
        torch.testing.assert_close(estimate.nearest_rms, one.nearest_rms, rtol=1e-12, atol=0)


def test_batches_do_not_matter():
    images, samples = faces(5, 8)
    whole = measure(images, [samples], (8,))
    metric = ParzenLogLikelihood(counts=(8,))
    for rows in ([4, 2], [0], [3, 1, 4]):  # any order, with a repeat
        metric.update(torch.tensor(rows), images[rows], chunked(samples[rows], 6, 2))
    parts = metric.compute()
    assert parts.index.tolist() == [0, 1, 2, 3, 4]
    torch.testing.assert_close(parts.log_likelihood, whole.log_likelihood, rtol=0, atol=1e-8)


def test_blocks_do_not_matter(monkeypatch):
    images, samples = faces(5, 11, (3, 8, 8))
    whole = measure(images, [samples], (11,))
    for block in (1, 192 * 4, 192 * 11 * 2):
        monkeypatch.setattr("lit_faces.metrics.parzen.BLOCK", block)
        torch.testing.assert_close(measure(images, [samples], (11,)).log_likelihood, whole.log_likelihood)


def test_a_count_is_the_run_with_that_many_samples():
    images, samples = faces(3, 100, (3, 8, 8))
    both = measure(images, chunked(samples, 37, 63), (10, 100))
    few = measure(images, [samples[:, :10]], (10,))
    torch.testing.assert_close(both.log_likelihood[0], few.log_likelihood[0], rtol=0, atol=1e-9)
    assert torch.equal(both.nearest_rms[0], few.nearest_rms[0])
    assert (both.nearest_rms[1] <= both.nearest_rms[0]).all()
    expected, _ = brute_force(images, samples, WIDTHS)
    torch.testing.assert_close(both.log_likelihood[1], expected, rtol=0, atol=0.01)


def test_never_holds_more_than_a_chunk():
    images, _ = faces(2, 1, (3, 8, 8))
    alive, drawn, most = weakref.WeakSet(), 0, 0

    class Chunk:  # tensors compare elementwise, so count their owners instead
        pass

    def samples():
        nonlocal drawn, most
        while True:  # endless: only as many as needed are drawn
            most = max(most, len(alive))
            chunk = torch.rand(2, 4, 3, 8, 8)
            chunk.owner = Chunk()
            alive.add(chunk.owner)
            drawn += 4
            yield chunk
            del chunk

    metric = ParzenLogLikelihood(counts=(10, 98))
    metric.update(torch.arange(2), images, samples())
    assert drawn == 100
    assert most == 0  # each was gone before the next was drawn


def test_state_does_not_grow_with_samples():
    def numbers(count):
        images, samples = faces(2, count, (1, 4, 4))
        metric = ParzenLogLikelihood(counts=(count,))
        metric.update(torch.arange(2), images, [samples])
        return sum(part.numel() for state in metric.metric_state.values() for part in state)

    assert numbers(5) == numbers(500) == 2 * (1 + 21 + 1)


def test_estimate():
    images, samples = faces(6, 10, (3, 16, 16))
    estimate = measure(images, [samples], (2, 10))
    values = estimate.log_likelihood[1].numpy()
    np.testing.assert_allclose(estimate.mean(10), values.mean(0))
    np.testing.assert_allclose(estimate.standard_error(10), values.std(0, ddof=1) / math.sqrt(6))
    best = estimate.best_width(10)
    assert best == estimate.widths[values.mean(0).argmax()]
    assert not estimate.on_edge(10)
    # The best width is about the distance to the nearest sample.
    assert best == pytest.approx(estimate.nearest_rms[1].mean().item(), rel=0.15)
    at = estimate.at(10, best)
    np.testing.assert_array_equal(at.column("log_likelihood"), values[:, values.mean(0).argmax()])
    np.testing.assert_array_equal(at.column("nearest_rms"), estimate.nearest_rms[1])
    with pytest.raises(ValueError, match="was not estimated"):
        estimate.at(10, 0.5)
    with pytest.raises(ValueError, match="were not estimated"):
        estimate.mean(3)


@pytest.mark.parametrize("widths", [(0.01, 0.02), (0.5, 1.0)])
def test_an_optimum_on_the_edge_is_told(widths):
    images, samples = faces(3, 4, (3, 16, 16))
    estimate = measure(images, [samples], (4,), widths=widths)
    assert estimate.on_edge(4)


def test_bad_input_is_refused():
    images, samples = faces(2, 4, (3, 8, 8))
    index = torch.arange(2)
    with pytest.raises(ValueError, match="expected 10 samples an image, got 4"):
        measure(images, [samples], (2, 10))
    with pytest.raises(ValueError, match="samples must be"):
        measure(images, [samples[:, 0]], (1,))
    with pytest.raises(ValueError, match="samples must be"):
        measure(images, [samples[:1]], (4,))
    with pytest.raises(ValueError, match="expected an index"):
        measure(images, [samples], (4,), index=index[:1])
    with pytest.raises(ValueError, match="counts"):
        ParzenLogLikelihood(counts=(100, 10))
    with pytest.raises(ValueError, match="widths"):
        ParzenLogLikelihood(widths=(0.0, 0.1))
    with pytest.raises(ValueError, match="no image"):
        ParzenLogLikelihood().compute()
