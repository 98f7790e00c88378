"""How good the judge itself is."""

from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from lit_faces.callbacks.measurement import Evaluation, Measurement
from lit_faces.data.batch import Batch
from lit_faces.methods.base import Method
from lit_faces.methods.capabilities import Classifies
from lit_faces.metrics.attributes import AttributeAccuracy


class ClassifierAccuracy(Callback):
    """Measures `accuracy` and `balanced_accuracy` of a method that classifies, their means over attributes and one by one.

    On the validation split after every epoch, and on the test split. Does nothing for other methods.
    """

    def __init__(self) -> None:
        self.evaluation: Evaluation | None = None
        self._metric: AttributeAccuracy | None = None

    def _start(self, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, Method)
        if isinstance(pl_module, Classifies):
            self._metric = AttributeAccuracy(len(pl_module.spec.attributes)).to(pl_module.device)

    def _update(self, trainer: Trainer, pl_module: LightningModule, batch: Batch) -> None:
        assert isinstance(pl_module, Method)
        if self._metric is not None and isinstance(pl_module, Classifies):
            with trainer.precision_plugin.forward_context():
                logits = pl_module.probabilities(batch.images).logit()
            self._metric.update(logits, pl_module.spec.binary(batch.attributes))

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start a new count."""
        self._start(pl_module)

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
        self._update(trainer, pl_module, batch)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the mean accuracies."""
        if self._metric is not None:
            values = self._metric.compute()
            pl_module.log("validation/accuracy", values.accuracy.mean().float(), prog_bar=True, rank_zero_only=True)
            balanced = values.balanced.nanmean().float()
            pl_module.log("validation/balanced_accuracy", balanced, prog_bar=True, rank_zero_only=True)

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start a new count."""
        self._start(pl_module)

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
        self._update(trainer, pl_module, batch)

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the accuracies."""
        if self._metric is None:
            return
        assert isinstance(pl_module, Method)
        values = self._metric.compute()
        faces = len(trainer.datamodule.splits["test"])  # type: ignore[attr-defined]
        measurements = [
            Measurement("accuracy", float(values.accuracy.mean()), None, faces, "share of faces, mean over attributes"),
            Measurement("balanced_accuracy", float(values.balanced.nanmean()), None, faces, "mean over attributes"),
        ]
        for name, accuracy, balanced in zip(pl_module.spec.attributes, values.accuracy, values.balanced, strict=True):
            measurements.append(Measurement(f"accuracy/{name}", float(accuracy), None, faces, "share of faces"))
            if not torch.isnan(balanced):
                measurements.append(
                    Measurement(
                        f"balanced_accuracy/{name}", float(balanced), None, faces, "mean over present and absent"
                    )
                )
        self.evaluation = Evaluation(tuple(measurements))
        for measurement in measurements[:2]:
            pl_module.log(f"test/{measurement.metric}", torch.tensor(measurement.value).float(), rank_zero_only=True)
