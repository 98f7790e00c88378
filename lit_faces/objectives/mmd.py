"""Maximum mean discrepancy, squared: how far samples are from those of another distribution, or from N(0, I).

The kernel is k(a, b) = exp(-|a - b|^2 / bandwidth) with a `bandwidth` of d^2 for points of d numbers, the rule of the
VLAE authors' code (2 s^2 = d^2); the MMD-VLAE paper (section 2.3) gives none. It calls the square "MMD".
"""

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint


def squared_mmd(
    x: Tensor, y: Tensor, bandwidth: float | None = None, unbiased: bool = False, block: int = 1024
) -> Tensor:
    """E k(x, x') + E k(y, y') - 2 E k(x, y) (scalar) from samples x (N, d) and y (M, d), in float32 or their float64.

    As printed, x and x' are independent copies, so that no sample meets itself: `unbiased`, below 0 by chance. The
    authors' code counts these pairs too: for equal distributions it gives (1/N + 1/M) (1 - E k(x, x')) on average.
    Memory grows with block * max(N, M), times d in a backward pass on an accelerator. Raises ValueError for other
    shapes, and for fewer samples than the estimate takes: one of each, two if it is unbiased.
    """
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise ValueError(f"expected samples (N, d) and (M, d), got {tuple(x.shape)} and {tuple(y.shape)}")
    bandwidth = _check(x, bandwidth, unbiased, block)
    _check(y, bandwidth, unbiased, block)
    # Autocast would round the squares to bf16.
    with torch.autocast(x.device.type, enabled=False):
        x, y = _precise(x), _precise(y)
        of_x, of_y = (_mean_within(points, bandwidth, unbiased, block) for points in (x, y))
        return of_x + of_y - 2 * _sum_kernel(x, y, bandwidth, block) / (len(x) * len(y))


def normal_discrepancies(z: Tensor, bandwidth: float | None = None, block: int = 1024) -> Tensor:
    """What each sample z (N, d) adds to the discrepancy from N(0, I): (N,) in float64, whose mean is the squared MMD.

    Of each, the mean over the other samples z' of k(z, z') - E k(z, p) - E k(z', p) + E k(p, p'), so that the MMD is
    unbiased. The expectations are exact: E k(p, p') = (1 + 4/b)^(-d/2) and E k(z, p) = (1 + 2/b)^(-d/2) exp(-|z|^2 / (b
    + 2)) for the bandwidth b, since p - p' has a variance of 2. Memory grows with block * N. Raises ValueError as
    `squared_mmd` does.
    """
    if z.ndim != 2:
        raise ValueError(f"expected samples (N, d), got {tuple(z.shape)}")
    b, (count, dim) = _check(z, bandwidth, True, block), z.shape
    z = z.double()
    square = z.square().sum(1)
    to_normal = (1 + 2 / b) ** (-dim / 2) * (-square / (b + 2)).exp()
    # Distances by products are fast, and exact enough in float64.
    kernels = [
        ((2 * rows @ z.T - rows.square().sum(1)[:, None] - square) / b).exp().sum(1) - 1
        for rows in torch.split(z, block)
    ]
    to_others = torch.cat(kernels) / (count - 1)
    of_others = (to_normal.sum() - to_normal) / (count - 1)
    found: Tensor = to_others - to_normal - of_others + (1 + 4 / b) ** (-dim / 2)
    return found


def _check(points: Tensor, bandwidth: float | None, unbiased: bool, block: int) -> float:
    """The bandwidth. Raises ValueError for what cannot be estimated."""
    samples, dim = points.shape
    bandwidth = float(dim**2) if bandwidth is None else bandwidth
    if samples < 1 + unbiased or dim < 1:
        raise ValueError(f"expected at least {1 + unbiased} samples of at least one number, got {tuple(points.shape)}")
    if bandwidth <= 0 or block < 1:
        raise ValueError(f"bandwidth and block must be above 0, got {bandwidth} and {block}")
    return bandwidth


def _precise(points: Tensor) -> Tensor:
    return points if points.dtype == torch.float64 else points.float()


def _mean_within(points: Tensor, bandwidth: float, unbiased: bool, block: int) -> Tensor:
    """Mean of k over the pairs of some points, without the N pairs of a point and itself if it is to be unbiased."""
    count, total = len(points), _sum_kernel(points, points, bandwidth, block)
    return (total - count) / (count * (count - 1)) if unbiased else total / count**2


def _sum_kernel(x: Tensor, y: Tensor, bandwidth: float, block: int) -> Tensor:
    """Sum of k over all pairs, a block of the rows at a time."""
    if len(x) <= block:
        return _sum_block(x, y, bandwidth)
    total = x.new_zeros(())
    for rows in torch.split(x, block):
        # Kept for a backward pass, the blocks together would be the whole matrix.
        total = total + checkpoint(_sum_block, rows, y, bandwidth, use_reentrant=False, preserve_rng_state=False)
    return total


def _sum_block(x: Tensor, y: Tensor, bandwidth: float) -> Tensor:
    # By differences, not by products, so that a point is at a distance of exactly 0 from itself.
    distance = torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")
    return (-distance.square() / bandwidth).exp().sum()
