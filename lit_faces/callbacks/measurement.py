"""What an evaluation callback leaves for the run's record, and when it measures."""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import isnan
from typing import Any, Protocol, runtime_checkable

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from lit_faces.data.batch import Batch
from lit_faces.methods.base import Method
from lit_faces.metrics.attributes import wilson_interval
from lit_faces.metrics.per_image import PerImageValues, clustered_error

# The unit of what is 1 for some faces and 0 for the others.
SHARE = "share of faces"


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


class Evaluator(Callback):
    """A callback that measures on the test split: `start`, `update` with every batch, `finish`.

    The evaluation is kept for the record, and what is no part of another measurement (no `/` in its name) is logged. One that
    also watches the validation split (`watches`) starts there too, updates with `watch`, and logs what `watched` gives.
    """

    evaluation: Evaluation | None = None
    watches = False
    _measures = False

    def start(self, trainer: Trainer, method: Method) -> bool:
        """Start anew; false if there is nothing to measure, for want of a capability, say."""
        raise NotImplementedError(f"{type(self).__name__} must implement start()")

    def update(self, trainer: Trainer, method: Method, batch: Batch) -> None:
        """Add a test batch, under the trainer's precision."""

    def finish(self, trainer: Trainer, method: Method) -> Evaluation | None:
        """What was measured, the same on every rank; None if it turns out that there is nothing."""
        raise NotImplementedError(f"{type(self).__name__} must implement finish()")

    def watch(self, trainer: Trainer, method: Method, batch: Batch) -> None:
        """Add a validation batch, under the trainer's precision."""
        self.update(trainer, method, batch)

    def watched(self, trainer: Trainer, method: Method) -> dict[str, Tensor]:
        """Scalars of the validation split by name, the first of which goes to the progress bar."""
        return {}

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start, if it watches."""
        assert isinstance(pl_module, Method)
        self._measures = self.watches and self.start(trainer, pl_module)

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Add a batch."""
        self._add(self.watch, trainer, pl_module, batch)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log what was watched."""
        if self._measures:
            assert isinstance(pl_module, Method)
            for number, (name, value) in enumerate(self.watched(trainer, pl_module).items()):
                pl_module.log(f"validation/{name}", value.float(), prog_bar=number == 0, rank_zero_only=True)

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start."""
        assert isinstance(pl_module, Method)
        self.evaluation = None
        self._measures = self.start(trainer, pl_module)

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Add a batch."""
        self._add(self.update, trainer, pl_module, batch)

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep and log what was measured."""
        if not self._measures:
            return
        assert isinstance(pl_module, Method)
        self.evaluation = self.finish(trainer, pl_module)
        for measurement in self.evaluation.measurements if self.evaluation is not None else ():
            if "/" not in measurement.metric:
                value = torch.tensor(measurement.value).float()
                pl_module.log(f"test/{measurement.metric}", value, rank_zero_only=True)

    def _add(
        self, update: Callable[[Trainer, Method, Batch], None], trainer: Trainer, method: LightningModule, batch: Batch
    ) -> None:
        if self._measures:
            assert isinstance(method, Method)
            with trainer.precision_plugin.forward_context():
                update(trainer, method, batch)


def columns(values: PerImageValues, unit: str, suffix: str = "", **settings: Any) -> tuple[Measurement, ...]:
    """One measurement a column of per-image values, in `unit`; one image has no standard error."""
    return tuple(
        Measurement(name + suffix, mean, None if isnan(error) else error, len(values), unit, settings)
        for name, mean, error in zip(
            values.names, values.mean().tolist(), values.standard_error().tolist(), strict=True
        )
    )


def mean_over_images(metric: str, unit: str, index: Tensor, values: Tensor, **settings: Any) -> Measurement:
    """Mean in `unit` of `values` (N,) of the images `index` (N,), each one observation however often it is there.

    A share of faces that are there once each has its 95 % Wilson interval, which is of independent faces, in its
    settings.
    """
    images = len(torch.unique(index))
    if unit == SHARE and images == len(values):
        settings["wilson_low"], settings["wilson_high"] = wilson_interval(float(values.sum()), len(values))
    error = float(clustered_error(values[:, None], index))
    return Measurement(metric, float(values.mean()), None if isnan(error) else error, images, unit, settings)


def squared_error(images: Tensor, others: Tensor) -> Tensor:
    """Squared differences (B,) between images (B, C, H, W), mean over the C * H * W pixel values."""
    return (images.float() - others.float()).square().flatten(1).mean(1)
