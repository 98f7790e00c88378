"""Parzen window estimate of the log likelihood of images under a sampler."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import inf, isclose, log, pi

import torch
from torch import Tensor

from lit_faces.metrics.per_image import ImageRows, PerImageValues

WIDTHS = tuple(0.03 * (0.32 / 0.03) ** (step / 20) for step in range(21))
"""Default widths of the window: 21 points from 0.03 to 0.32, equally spaced in the logarithm."""

BLOCK = 2**22
"""Most pixel differences held at once (16 MB, and 32 MB while they are summed in float64)."""


class ParzenEstimate:
    """Log likelihood of every image at every width, from the first samples of each of several counts.

    `widths` has W and `counts` has C numbers; `index` (N,) ascends without repeats; `log_likelihood` (C, N, W) in nats per
    image; `nearest_rms` (C, N), distance to the nearest sample as RMS over pixels. All float64 on the CPU.
    """

    def __init__(
        self,
        widths: tuple[float, ...],
        counts: tuple[int, ...],
        index: Tensor,
        log_likelihood: Tensor,
        nearest_rms: Tensor,
    ) -> None:
        self.widths = widths
        self.counts = counts
        self.index = index
        self.log_likelihood = log_likelihood
        self.nearest_rms = nearest_rms

    def __len__(self) -> int:
        return len(self.index)

    def __repr__(self) -> str:
        return f"ParzenEstimate({len(self)} images: {len(self.widths)} widths, {self.counts} samples)"

    def mean(self, count: int) -> Tensor:
        """Mean log likelihood (W,) with `count` samples an image."""
        return self._table(count).mean()

    def standard_error(self, count: int) -> Tensor:
        """Standard error (W,) of that mean over images; NaN for a single image."""
        return self._table(count).standard_error()

    def best_width(self, count: int) -> float:
        """Width of the highest mean log likelihood; choose it on the validation images."""
        return self.widths[int(self.mean(count).argmax())]

    def on_edge(self, count: int) -> bool:
        """Whether the best width is the first or the last of the grid, so that the optimum may lie outside."""
        return self.best_width(count) in (min(self.widths), max(self.widths))

    def at(self, count: int, width: float) -> PerImageValues:
        """Columns log_likelihood and nearest_rms of every image at one of the widths.

        Errors: ValueError if the count or the width was not estimated.
        """
        place = next((place for place, known in enumerate(self.widths) if isclose(known, width, rel_tol=1e-9)), None)
        if place is None:
            raise ValueError(f"width {width} was not estimated, only {self.widths}")
        row = self._row(count)
        values = torch.stack((self.log_likelihood[row, :, place], self.nearest_rms[row]), -1)
        return PerImageValues(("log_likelihood", "nearest_rms"), self.index, values)

    def _row(self, count: int) -> int:
        if count not in self.counts:
            raise ValueError(f"{count} samples were not estimated, only {self.counts}")
        return self.counts.index(count)

    def _table(self, count: int) -> PerImageValues:
        return PerImageValues(tuple(map(str, self.widths)), self.index, self.log_likelihood[self._row(count)])


class ParzenLogLikelihood(ImageRows):
    """Parzen window log likelihood of images, each with its own samples, for many widths at once.

    L_i = -log S - (D/2) log(2 pi s^2) + logsumexp_k(-||x_i - s_ik||^2 / (2 s^2)), in nats per image with every constant
    kept, for pixels in [0, 1]; D = C H W. Differences are taken in float32 and summed in float64; a chunk of samples is
    reduced to its distances at once, so the memory depends neither on the number of samples nor on that of images kept.

    Shapes: `widths` s (W,); `counts` the numbers of samples S to report, ascending; `update(index (B,), images
    (B, C, H, W), samples: chunks (B, s, C, H, W))`; `compute` gives ParzenEstimate.
    Errors: ValueError for bad widths, counts or shapes, for fewer samples than the largest count, and in `compute` if no
    rank saw an image.
    Source: CMMA, section 4.4.
    """

    higher_is_better = True

    def __init__(self, widths: Sequence[float] = WIDTHS, counts: Sequence[int] = (10, 100)) -> None:
        if not widths or min(widths) <= 0:
            raise ValueError(f"widths must be positive numbers, got {widths}")
        if not counts or counts[0] < 1 or any(low >= high for low, high in pairwise(counts)):
            raise ValueError(f"counts must be ascending numbers >= 1, got {counts}")
        super().__init__(len(counts) * (len(widths) + 1))
        self.widths = tuple(map(float, widths))
        self.counts = tuple(counts)

    def update(self, index: Tensor, images: Tensor, samples: Iterable[Tensor]) -> None:
        """Add a batch of images with their samples.

        `samples` is read (without gradients) until the largest count is reached; what follows, also in the last chunk, is
        ignored, so it may be endless.

        Shapes: `index` (B,); `images` (B, C, H, W); `samples` chunks (B, s, C, H, W) with any s.
        Errors: ValueError for other shapes or fewer samples than the largest count.
        """
        x = images.to(self.device, torch.float32).flatten(1)
        size = x.shape[1]
        # Per width: log of the sum of the kernels so far, and -1 / (2 s^2).
        widths = torch.tensor(self.widths, dtype=self.precision, device=self.device)
        exponent = -0.5 / widths.square()
        total = x.new_full((len(x), len(widths)), -inf, dtype=self.precision)
        nearest = x.new_full((len(x), 1), inf, dtype=self.precision)
        rows: list[Tensor] = []
        seen, chunks = 0, iter(samples)
        distances = total[:, :0]
        for count in self.counts:
            while seen < count:
                if not distances.shape[1]:
                    chunk = next(chunks, None)
                    if chunk is None:
                        raise ValueError(f"expected {self.counts[-1]} samples an image, got {seen}")
                    if chunk.ndim != images.ndim + 1 or (*chunk.shape[:1], *chunk.shape[2:]) != images.shape:
                        raise ValueError(
                            f"samples must be (B, s, C, H, W) for images {tuple(images.shape)}, got {tuple(chunk.shape)}"
                        )
                    distances = self._squared_distances(x, chunk)
                    del chunk  # before the next one is drawn
                now, distances = distances[:, : count - seen], distances[:, count - seen :]
                if now.shape[1]:
                    seen += now.shape[1]
                    total = torch.logaddexp(total, (now[..., None] * exponent).logsumexp(1))
                    nearest = torch.minimum(nearest, now.amin(1, keepdim=True))
            constant = -log(count) - size / 2 * torch.log(2 * pi * widths.square())
            rows += [total + constant, (nearest / size).sqrt()]
        self.record(index, torch.cat(rows, 1))

    def compute(self) -> ParzenEstimate:
        """Estimates of every image seen on any rank."""
        index, values = self.rows()
        values = values.view(len(index), len(self.counts), -1).transpose(0, 1)
        return ParzenEstimate(self.widths, self.counts, index, values[..., :-1], values[..., -1])

    def _squared_distances(self, x: Tensor, samples: Tensor) -> Tensor:
        """Squared distances (B, s) of `x` (B, D) to `samples` (B, s, C, H, W), at most BLOCK differences at a time.

        Never |x|^2 - 2 x.s + |s|^2: cancellation there costs 0.3 to 40 nats.
        """
        (batch, size), count = x.shape, samples.shape[1]
        across = max(1, min(count, BLOCK // size))
        down = max(1, min(batch, BLOCK // (across * size)))
        buffer = x.new_empty(down * across * size)  # A fresh one every time would cost more than the arithmetic.
        result = x.new_empty(batch, count, dtype=self.precision)
        for row in range(0, batch, down):
            for column in range(0, count, across):
                block = samples[row : row + down, column : column + across].flatten(2).to(x)
                difference = buffer[: block.numel()].view(block.shape)
                torch.sub(x[row : row + down, None], block, out=difference)
                norm = torch.linalg.vector_norm(difference, dim=-1, dtype=self.precision)
                result[row : row + down, column : column + across] = norm.square_()
        return result
