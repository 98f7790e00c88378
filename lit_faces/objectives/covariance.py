"""How far the code of a batch is from uncorrelated entries of variance 1 (DIP-VAE, Kumar et al. 2018)."""

import torch
from torch import Tensor


def covariance(mean: Tensor, variance: Tensor | None = None) -> Tensor:
    """Cov(mu) (J, J) over a batch of posterior means (B, J), or that of z itself, Cov(mu) + E diag(sigma^2).

    The latter with the posterior `variance` (B, J). The estimate is unbiased (B - 1 in its denominator); its squares
    are not: for independent entries each is about 1 / B too large. NaN for a batch of one image.
    """
    # Autocast would multiply in bf16.
    with torch.autocast(mean.device.type, enabled=False):
        centred = mean.float() - mean.float().mean(0)
        found = centred.T @ centred / (len(mean) - 1)
        return found if variance is None else found + variance.float().mean(0).diag()


def covariance_penalties(found: Tensor) -> tuple[Tensor, Tensor]:
    """sum_{i != j} C_ij^2 and sum_i (C_ii - 1)^2 of a covariance C (J, J)."""
    diagonal = found.diagonal()
    return (found - diagonal.diag()).square().sum(), (diagonal - 1).square().sum()
