"""Styles along the principal axes of a cloud of codes, known by its first two moments (CSVAE paper, section 4.3)."""

import torch
from torch import Tensor

# Standard deviations along each of the first two axes.
STEPS = (-2.0, -1.0, 0.0, 1.0, 2.0)


def with_products(points: Tensor) -> Tensor:
    """Points (..., D) and then their products with themselves, row by row (..., D + D^2)."""
    products = points[..., :, None] * points[..., None, :]
    return torch.cat([points, products.flatten(-2)], -1)


def principal_combinations(moments: Tensor, dim: int) -> Tensor:
    """The mean and up to two standard deviations along the first two axes of each of K clouds (25, K, dim); (5, K, 1) of a line.

    `moments` (K, dim + dim^2) are means of `with_products` over each cloud.
    """
    mean, products = moments[:, :dim].double(), moments[:, dim:].double()
    covariance = products.view(-1, dim, dim) - mean[:, :, None] * mean[:, None, :]
    variances, axes = torch.linalg.eigh(covariance)
    # The largest is last; rounding can make one of no extent negative.
    axes = (axes * variances.clamp(min=0).sqrt()[:, None, :]).flip(2)[:, :, :2]
    steps = torch.tensor(STEPS, device=moments.device, dtype=torch.float64)
    weights = torch.cartesian_prod(*[steps] * axes.shape[2]).view(-1, 1, 1, axes.shape[2])
    # A sum of products, which autocast leaves alone as it does not a product of matrices.
    styles: Tensor = mean + (weights * axes).sum(3)
    return styles.to(moments)
