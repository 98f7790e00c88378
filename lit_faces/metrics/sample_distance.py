"""How far samples are from images, in the features of a network: Fréchet distance and kernel distance."""

from math import sqrt

import torch
from torch import Tensor

from lit_faces.metrics.per_image import ImageRows


class Features(ImageRows):
    """The features of every image.

    Shapes: `update(index (B,), features (B, size))`; `compute` gives (N, size) float64 in the order of the images, on the CPU;
    torchmetrics makes a single number of one image with one feature.
    Errors: ValueError for other shapes, and in `compute` if no rank saw an image.
    """

    def __init__(self, size: int) -> None:
        super().__init__(size)

    def update(self, index: Tensor, features: Tensor) -> None:
        """Add a batch: `index` (B,), `features` (B, size)."""
        self.record(index, features)

    def compute(self) -> Tensor:
        """Features of every image seen on any rank."""
        return self.rows()[1]


def frechet_distance(x: Tensor, y: Tensor) -> float:
    """|mu_x - mu_y|^2 + tr(S_x + S_y - 2 (S_x S_y)^(1/2)) of the means and covariances of two sets of features.

    Fewer features than F in a set will do, but the fewer there are, the larger the distance between sets of one distribution:
    compare values of equally many.

    Shapes: `x` (N, F) and `y` (M, F) float64.
    Errors: ValueError if a set has fewer than two.
    Source: Heusel et al. (2017), GANs trained by a two time-scale update rule, equation (6).
    """
    (mean_x, root_x), (mean_y, root_y) = _moments(x), _moments(y)
    # With S = R^T R the eigenvalues of S_x S_y are the squared singular values of R_x R_y^T: no root of a rounding error is
    # taken.
    shared = torch.linalg.svdvals(root_x @ root_y.T).sum()
    means = (mean_x - mean_y).square().sum()
    return float(means + root_x.square().sum() + root_y.square().sum() - 2 * shared)


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (F,) of `x` (N, F), and R (min(N, F), F) with R^T R its unbiased covariance."""
    if len(x) < 2:
        raise ValueError(f"a covariance needs at least 2 images, got {len(x)}")
    mean = x.mean(0)
    return mean, torch.linalg.qr((x - mean) / sqrt(len(x) - 1), mode="r").R


def kernel_distance(x: Tensor, y: Tensor) -> tuple[float, float]:
    """Unbiased squared MMD of two sets of features over all pairs, and its standard error, that of the jackknife.

    The kernel is k(a, b) = (a.b / F + 1)^3. An unbiased estimate may be below 0.

    Shapes: `x` (N, F) and `y` (M, F) float64.
    Errors: ValueError if a set has fewer than three.
    Source: Binkowski et al. (2018), Demystifying MMD GANs, equation (4) and section 3; they average over subsets, whose
    spread is of fewer images than the value.
    """
    n, m = len(x), len(y)
    if min(n, m) < 3:
        raise ValueError(f"a kernel distance and its error need at least 3 images in each set, got {n} and {m}")
    within_x, within_y = (_kernel_sums(z, z)[0] - _kernel(z.square().sum(1), z.shape[1]) for z in (x, y))
    across_x, across_y = _kernel_sums(x, y)
    of_x, of_y, of_both = within_x.sum(), within_y.sum(), across_x.sum()
    value = _mmd(n, m, of_x, of_y, of_both)
    # A pair within a set is there twice, once from each side.
    without_x = _mmd(n - 1, m, of_x - 2 * within_x, of_y, of_both - across_x)
    without_y = _mmd(n, m - 1, of_x, of_y - 2 * within_y, of_both - across_y)
    variance = (n - 1) * without_x.var(correction=0) + (m - 1) * without_y.var(correction=0)
    return float(value), float(variance.sqrt())


def _mmd(n: int, m: int, of_x: Tensor, of_y: Tensor, of_both: Tensor) -> Tensor:
    """Squared MMD of n and m features from sums of the kernel over pairs of different ones in each set, and of both sets."""
    return of_x / (n * (n - 1)) + of_y / (m * (m - 1)) - 2 * of_both / (n * m)


def _kernel(products: Tensor, size: int) -> Tensor:
    return (products / size + 1) ** 3


def _kernel_sums(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Sums of k(x_i, y_j) over j, (N,), and over i, (M,)."""
    of_x, of_y = [], torch.zeros_like(y[:, 0])
    # In parts: a table of all pairs may not fit.
    for part in torch.split(x, 1000):
        table = _kernel(part @ y.T, x.shape[1])
        of_x.append(table.sum(1))
        of_y += table.sum(0)
    return torch.cat(of_x), of_y
