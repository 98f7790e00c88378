"""How good the judge itself is."""

from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer

from lit_faces.callbacks.measurement import Evaluation, Evaluator, Measurement
from lit_faces.data.batch import Batch
from lit_faces.methods.base import Method
from lit_faces.methods.capabilities import Classifies
from lit_faces.metrics.attributes import AttributeAccuracy


class ClassifierAccuracy(Evaluator):
    """Measures `accuracy` and `balanced_accuracy` of a method that classifies, their means over attributes and one by one.

    On the validation split after every epoch, and on the test split. Does nothing for other methods.
    """

    def __init__(self) -> None:
        self._metric: AttributeAccuracy | None = None

    def start(self, trainer: Trainer, method: Method) -> bool:
        """Start a new count."""
        if isinstance(method, Classifies):
            self._metric = AttributeAccuracy(len(method.spec.attributes)).to(method.device)
        return self._metric is not None

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start a new count."""
        assert isinstance(pl_module, Method)
        self.start(trainer, pl_module)

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
        assert isinstance(pl_module, Method)
        with trainer.precision_plugin.forward_context():
            self.update(trainer, pl_module, batch)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the mean accuracies."""
        if self._metric is not None:
            values = self._metric.compute()
            pl_module.log("validation/accuracy", values.accuracy.mean().float(), prog_bar=True, rank_zero_only=True)
            balanced = values.balanced.nanmean().float()
            pl_module.log("validation/balanced_accuracy", balanced, prog_bar=True, rank_zero_only=True)

    def update(self, trainer: Trainer, method: Method, batch: Batch) -> None:
        """Add a batch."""
        if self._metric is not None and isinstance(method, Classifies):
            self._metric.update(method.probabilities(batch.images).logit(), method.spec.binary(batch.attributes))

    def finish(self, trainer: Trainer, method: Method) -> Evaluation:
        """The accuracies."""
        assert self._metric is not None
        values = self._metric.compute()
        faces = len(trainer.datamodule.splits["test"])  # type: ignore[attr-defined]
        measurements = [
            Measurement("accuracy", float(values.accuracy.mean()), None, faces, "share of faces, mean over attributes"),
            Measurement("balanced_accuracy", float(values.balanced.nanmean()), None, faces, "mean over attributes"),
        ]
        for name, accuracy, balanced in zip(method.spec.attributes, values.accuracy, values.balanced, strict=True):
            measurements.append(Measurement(f"accuracy/{name}", float(accuracy), None, faces, "share of faces"))
            if not torch.isnan(balanced):
                measurements.append(
                    Measurement(
                        f"balanced_accuracy/{name}", float(balanced), None, faces, "mean over present and absent"
                    )
                )
        return Evaluation(tuple(measurements))
