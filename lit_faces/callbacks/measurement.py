"""What an evaluation callback leaves for the run's record."""

from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from lit_faces.metrics.per_image import PerImageValues


@dataclass(frozen=True)
class Measurement:
    """One number of a run: its standard error over the `n` images (None if it has none), its unit and how it was made."""

    metric: str
    value: float
    stderr: float | None
    n: int
    unit: str
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """The measurements of one callback, their values image by image, and curves to be drawn."""

    measurements: tuple[Measurement, ...]
    per_image: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)
    curves: dict[str, Any] = field(default_factory=dict)


@runtime_checkable
class Evaluates(Protocol):
    """A callback that has evaluated the run, or will have by the end of testing."""

    evaluation: Evaluation | None


def columns(values: PerImageValues, unit: str, prefix: str = "", **settings: Any) -> tuple[Measurement, ...]:
    """One measurement a column of per-image values, in `unit`."""
    return tuple(
        Measurement(prefix + name, mean, error, len(values), unit, settings)
        for name, mean, error in zip(
            values.names, values.mean().tolist(), values.standard_error().tolist(), strict=True
        )
    )
