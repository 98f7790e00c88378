"""Diagonal Gaussians, in nats per image with every constant kept.

The CMMA paper's equations (7), (8) and (10) are misprinted: (7) lacks the -1 of the divergence, (8) has exp(s) in place of
s / 2 and drops log 2 pi, and (10) multiplies the noise by the log-variance. As printed, (8) can never be positive, so it cannot
have given the published 17,973. What stands here is the Gaussian.
"""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.distributions import Independent, Normal, kl_divergence

if TYPE_CHECKING:
    DiagonalGaussian = Independent[Normal]
else:
    DiagonalGaussian = Independent

# A floor is needed, or constant pixels drive the bound to infinity: a pixel at exp(-8 / 2) = 0.018 is worth at most 3.1 nats.
PIXEL_LOG_VARIANCE = (-8.0, 4.0)
LATENT_LOG_VARIANCE = (-10.0, 10.0)
# Of a standardised attribute: where it follows from the code, log q(y|z) would grow without end.
ATTRIBUTE_LOG_VARIANCE = (-6.0, 10.0)


class _Bounded(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, low: float, high: float) -> Tensor:
        ctx.save_for_backward((x < low), (x > high))
        return x.clamp(low, high)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        below, above = ctx.saved_tensors
        # A step goes against the gradient: these would lead further out.
        outward = (below & (gradient > 0)) | (above & (gradient < 0))
        return gradient.masked_fill(outward, 0), None, None


def bounded(x: Tensor, low: float, high: float) -> Tensor:
    """`x` clamped to [low, high], with a gradient that leads back in from outside.

    `clamp` has none outside: a log-variance that has once come below its floor could never rise again, however large the error.
    """
    value: Tensor = _Bounded.apply(x, low, high)  # type: ignore[no-untyped-call]
    return value


def diagonal(parameters: tuple[Tensor, Tensor], bounds: tuple[float, float]) -> DiagonalGaussian:
    """Normal distribution with independent entries over all but the first dimension, from (mean, log-variance), each (B, ...).

    The log-variance is `bounded`; the parameters are taken to float32.
    """
    mean, log_variance = parameters
    return gaussian(mean, (0.5 * bounded(log_variance.float(), *bounds)).exp())


def gaussian(mean: Tensor, std: Tensor) -> DiagonalGaussian:
    """The same from the standard deviation (B, ...) itself."""
    return Independent(Normal(mean.float(), std.float(), validate_args=False), mean.dim() - 1, validate_args=False)


def sample(distribution: DiagonalGaussian, noise: Tensor) -> Tensor:
    """Reparametrised sample mean + noise * std; corrects (10) of the CMMA paper. Zero noise gives the mean."""
    return distribution.mean + noise * distribution.stddev


def log_density(distribution: DiagonalGaussian, value: Tensor) -> Tensor:
    """Log density (B,) of `value` (B, ...), in nats per image; corrects (8) of the CMMA paper."""
    return distribution.log_prob(value)  # type: ignore[no-untyped-call, no-any-return]


def divergence(q: DiagonalGaussian, p: DiagonalGaussian) -> Tensor:
    """KL(q || p) (B,) in nats; corrects (7) of the CMMA paper."""
    return kl_divergence(q, p)


def standard_normal(like: Tensor, dim: int) -> DiagonalGaussian:
    """N(0, I) over (B, dim), for the batch and on the device of `like` (B, ...)."""
    zeros = like.new_zeros(len(like), dim)
    return diagonal((zeros, zeros), LATENT_LOG_VARIANCE)
