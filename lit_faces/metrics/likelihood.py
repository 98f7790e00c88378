"""Bounds on the log likelihood, in nats per image with every constant kept."""

from collections.abc import Iterable
from math import inf, log

import torch
from torch import Tensor

from lit_faces.metrics.per_image import ImageRows, PerImageValues


class EvidenceLowerBound(ImageRows):
    """Variational lower bound of every image: log p(x|z) - KL(q(z|x) || p(z|y)).

    Columns elbo, log_likelihood and kl, in nats per image, for pixels in [0, 1].

    Shapes: `update(index (B,), log_likelihood (B,), divergence (B,))`; `compute` gives PerImageValues.
    Errors: ValueError in `compute` if no rank saw an image.
    Source: CMMA, section 4.4.
    """

    names = ("elbo", "log_likelihood", "kl")
    higher_is_better = True

    def __init__(self) -> None:
        super().__init__(len(self.names))

    def update(self, index: Tensor, log_likelihood: Tensor, divergence: Tensor) -> None:
        """Add a batch: `index` (B,), `log_likelihood` log p(x|z) (B,) and `divergence` KL (B,), both in nats."""
        likelihood, kl = log_likelihood.to(self.precision), divergence.to(self.precision)
        self.record(index, torch.stack((likelihood - kl, likelihood, kl), -1))

    def compute(self) -> PerImageValues:
        """Bound and its two terms for every image seen on any rank."""
        return PerImageValues(self.names, *self.rows())


class ImportanceWeightedBound(ImageRows):
    """Importance-weighted bound of every image from K samples: logsumexp_k log w_k - log K.

    Column bound, in nats per image; log w = log p(x|z) + log p(z|y) - log q(z|x) with z ~ q(z|x). It grows with K towards
    log p(x|y). The weights arrive in chunks of any size and are summed in float64.

    Shapes: `update(index (B,), log_weights: chunks (B, k))` with k adding up to `samples`; `compute` gives PerImageValues.
    Errors: ValueError if the number of weights is not `samples`, and in `compute` if no rank saw an image.
    Source: Burda et al., Importance Weighted Autoencoders, equation (8).
    """

    names = ("bound",)
    higher_is_better = True

    def __init__(self, samples: int) -> None:
        super().__init__(len(self.names))
        if samples < 1:
            raise ValueError(f"samples must be at least 1, got {samples}")
        self.samples = samples

    def update(self, index: Tensor, log_weights: Iterable[Tensor]) -> None:
        """Add a batch: `index` (B,) and chunks (B, k) of its log weights, in nats."""
        total = torch.full((len(index),), -inf, dtype=self.precision, device=self.device)
        seen = 0
        for chunk in log_weights:
            if chunk.ndim != 2 or len(chunk) != len(index):
                raise ValueError(f"log weights must be ({len(index)}, k), got {tuple(chunk.shape)}")
            seen += chunk.shape[1]
            total = torch.logaddexp(total, chunk.to(total).logsumexp(1))
        if seen != self.samples:
            raise ValueError(f"expected {self.samples} log weights an image, got {seen}")
        self.record(index, total[:, None] - log(self.samples))

    def compute(self) -> PerImageValues:
        """Bound of every image seen on any rank."""
        return PerImageValues(self.names, *self.rows())
