"""Values kept per image, so that means, errors and paired comparisons come from one state."""

from math import nan, sqrt
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat


class PerImageValues:
    """Named values of every image, ordered by image.

    `names` are the K columns; `index` (N,) ascends without repeats; `values` (N, K) is float64. Both live on the CPU.
    """

    # Not a dataclass or a tuple: torchmetrics would look inside and squeeze away the shape of a single value.
    def __init__(self, names: tuple[str, ...], index: Tensor, values: Tensor) -> None:
        self.names = names
        self.index = index
        self.values = values

    def __len__(self) -> int:
        return len(self.index)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} images: {', '.join(self.names)})"

    def column(self, name: str) -> Tensor:
        """Values (N,) of one column. Raises ValueError if there is no such column."""
        if name not in self.names:
            raise ValueError(f"there is no column {name!r}, only {', '.join(self.names)}")
        return self.values[:, self.names.index(name)]

    def mean(self) -> Tensor:
        """Mean over images (K,)."""
        return self.values.mean(0)

    def standard_error(self) -> Tensor:
        """Standard error of the mean (K,): sample standard deviation / sqrt(N); NaN for a single image."""
        if len(self) < 2:
            return torch.full_like(self.values[0], nan)
        return self.values.std(0) / sqrt(len(self))

    def grouped_mean(self, groups: Tensor) -> Tensor:
        """Mean over groups of the mean in each group (K,), so that every person counts once.

        Shapes: `groups` (N,), the group of each image in the order of `index`; equal numbers are one group.
        Errors: ValueError if it has another shape.
        """
        if groups.shape != self.index.shape:
            raise ValueError(f"groups must have the shape {tuple(self.index.shape)}, got {tuple(groups.shape)}")
        member = torch.unique(groups.cpu(), return_inverse=True)[1]
        size = torch.bincount(member)
        total = torch.zeros(len(size), len(self.names), dtype=self.values.dtype).index_add_(0, member, self.values)
        return (total / size[:, None]).mean(0)


def clustered_error(values: Tensor, groups: Tensor) -> Tensor:
    """Standard error of the mean over rows that are independent only between groups; NaN for a single group.

    Shapes: `values` (N, K), `groups` (N,) integers; gives (K,). If every row is a group of its own, this is the standard error
    of independent values.
    Source: Liang and Zeger (1986), Biometrika 73, 13, with the factor G / (G - 1) for G groups.
    """
    member = torch.unique(groups.cpu(), return_inverse=True)[1]
    count = int(member.max()) + 1
    if count < 2:
        return torch.full_like(values[0], nan)
    away = torch.zeros(count, values.shape[1], dtype=values.dtype).index_add_(0, member, values - values.mean(0))
    return (away.square().sum(0) * count / (count - 1)).sqrt() / len(values)


class ImageRows(Metric):
    """Base of metrics that keep one row of numbers an image; subclasses define `update` and `compute`.

    The rows are concatenated over ranks, also when a rank saw no image, and repeats of an image (sampler padding) count
    once. Kept in float64 (float32 on MPS, which has no float64).

    Shapes: `columns` numbers a row.
    """

    is_differentiable = False
    higher_is_better: bool | None = None
    full_state_update = False

    index: list[Tensor]
    values: list[Tensor]

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.columns = columns
        self.add_state("index", [], dist_reduce_fx="cat")
        self.add_state("values", [], dist_reduce_fx="cat")

    @property
    def update_called(self) -> bool:
        """Always true: a rank may rightly see no image, and `rows` raises an error if no rank saw one."""
        return True

    @property
    def precision(self) -> torch.dtype:
        """Best floating point type of the metric's device."""
        return torch.float32 if self.device.type == "mps" else torch.float64

    def record(self, index: Tensor, values: Tensor) -> None:
        """Append one row an image.

        Shapes: `index` (B,); `values` (B, columns).
        Errors: ValueError for other shapes.
        """
        if index.ndim != 1 or values.shape != (len(index), self.columns):
            raise ValueError(
                f"expected an index (B,) and values (B, {self.columns}), got {tuple(index.shape)}, {tuple(values.shape)}"
            )
        self.index.append(index.detach().to(self.device, torch.int64))
        self.values.append(values.detach().to(self.device, self.precision))

    def rows(self) -> tuple[Tensor, Tensor]:
        """All rows in the order of the image, each image once: index (N,) and values (N, columns) float64, on the CPU.

        Errors: ValueError if there are none.
        """
        index = dim_zero_cat(self.index).cpu() if len(self.index) else torch.empty(0)
        if not len(index):
            raise ValueError(f"{type(self).__name__} has seen no image: update it before compute")
        index, order = index.sort(stable=True)
        first = torch.ones_like(index, dtype=torch.bool)
        first[1:] = index[1:] != index[:-1]
        return index[first], dim_zero_cat(self.values).cpu().double()[order[first]]

    def sync(self, *args: Any, **kwargs: Any) -> None:
        """Gather the rows of all ranks."""
        if isinstance(self.index, list) and not self.index:
            # torchmetrics stands in for an empty state with a float32 vector, which does not match the other ranks.
            self.record(torch.empty(0), torch.empty(0, self.columns))
        super().sync(*args, **kwargs)


class PerImage(ImageRows):
    """Named values of every image.

    Shapes: `update(index (B,), values (B, K))` with K names; `compute` gives PerImageValues.
    Errors: ValueError in `compute` if no rank saw an image.
    """

    def __init__(self, *names: str) -> None:
        super().__init__(len(names))
        self.names = names

    def update(self, index: Tensor, values: Tensor) -> None:
        """Add a batch: `index` (B,), `values` (B, K)."""
        self.record(index, values)

    def compute(self) -> PerImageValues:
        """Values of every image seen on any rank."""
        return PerImageValues(self.names, *self.rows())
