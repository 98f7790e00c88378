"""The Parzen estimate: distances once for all widths against once a width, and the drawing of samples against either."""

from collections.abc import Callable
from math import log, pi
from typing import Any

import torch
from torch import Tensor

from benchmarks.result import Result
from benchmarks.timing import interleave, speed_up, spread, timed
from benchmarks.workload import RandomFaces, Scale, device, network
from lit_faces.cli import fast_precision
from lit_faces.methods.cmma import CMMA
from lit_faces.metrics.noise import ImageNoise
from lit_faces.metrics.parzen import WIDTHS, ParzenLogLikelihood

# Nats an image: what differences in float32 may cost.
_TOLERANCE = 0.01


def run(scale: Scale) -> Result:
    """Check both estimates against float64, then time them on the same samples, and the drawing of as many."""
    result = Result("parzen", scale)
    generator = torch.Generator().manual_seed(0)
    shape = (3, scale.image_size, scale.image_size)
    images = torch.rand(scale.images, *shape, generator=generator)
    # About 0.11 RMS a pixel away, as believable faces are.
    noise = torch.randn(scale.images, scale.samples, *shape, generator=generator)
    images, samples = images.to(device()), (images[:, None] + 0.11 * noise).to(device())

    exact = naive(images.double(), samples.double())
    for name, estimate in (("suite", suite(images, samples)), ("naive", naive(images, samples).cpu())):
        result.check(f"{name} against float64, nats", float((estimate - exact.cpu()).abs().amax()), _TOLERANCE)

    draw = drawing(scale)
    works: dict[str, Callable[[], object]] = {
        "suite, distances once": lambda: suite(images, samples),
        "naive, distances a width": lambda: naive(images, samples),
        "drawing the samples": draw,
    }
    seconds = interleave({name: timed(work, device()) for name, work in works.items()}, scale.rounds)
    result.add(seconds)
    # Distances once instead of once a width.
    goal = scale.goal(float(len(WIDTHS)))
    fast, slow, drawn = works
    result.ratios["Parzen distances"] = speed_up(seconds, fast, slow, goal)
    result.ratios["Parzen with drawing"] = with_drawing(seconds, fast, slow, drawn)
    share = [d / (d + s) for d, s in zip(seconds[drawn], seconds[fast], strict=True)]
    result.details = {
        "images": scale.images,
        "samples_an_image": scale.samples,
        "widths": len(WIDTHS),
        "share_of_drawing": spread(share),
    }
    return result


def with_drawing(seconds: dict[str, list[float]], fast: str, slow: str, drawn: str) -> dict[str, Any]:
    """Speed-up of the whole estimate, the samples being drawn in both."""
    whole = {name: [a + b for a, b in zip(seconds[name], seconds[drawn], strict=True)] for name in (fast, slow)}
    return speed_up(whole, fast, slow)


def suite(images: Tensor, samples: Tensor) -> Tensor:
    """The suite's estimate (N, W) on the CPU, as its callback calls it."""
    metric = ParzenLogLikelihood(WIDTHS, (samples.shape[1],)).to(images.device)
    metric.update(torch.arange(len(images), device=images.device), images, [samples])
    return metric.compute().log_likelihood[0]


def naive(images: Tensor, samples: Tensor) -> Tensor:
    """The definition, width by width: (N, W), sums in float64."""
    count, size = samples.shape[1], images[0].numel()
    columns = []
    for width in WIDTHS:
        squared = (images[:, None] - samples).square().flatten(2).sum(-1, dtype=torch.float64)
        kernels = torch.logsumexp(-squared / (2 * width**2), 1)
        columns.append(kernels - log(count) - size / 2 * log(2 * pi * width**2))
    return torch.stack(columns, 1)


def drawing(scale: Scale) -> Callable[[], None]:
    """Draws as many samples as the estimate reads, in fast precision, and drops them."""
    data = RandomFaces(scale)
    method = network(CMMA, scale, data).eval()
    attributes = data.splits["test"].attributes[: scale.images]
    rows = torch.arange(scale.images)

    @torch.inference_mode()
    def draw() -> None:
        noise = ImageNoise(0, rows, method.noise_dim)
        chunk = max(1, 500 // scale.images)
        enabled = fast_precision() == "bf16-mixed"
        for start in range(0, scale.samples, chunk):
            count = min(chunk, scale.samples - start)
            draws = noise.draw(count).flatten(0, 1).to(device())
            with torch.autocast(device().type, torch.bfloat16, enabled=enabled):
                method.generate(attributes.repeat_interleave(count, 0), draws)

    return draw
