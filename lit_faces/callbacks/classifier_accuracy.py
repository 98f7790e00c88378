"""How good the judge itself is."""

import torch
from pytorch_lightning import Trainer
from torch import Tensor

from lit_faces.callbacks.measurement import Evaluation, Evaluator, Measurement
from lit_faces.data.batch import Batch
from lit_faces.methods.base import Method
from lit_faces.methods.capabilities import Classifies
from lit_faces.metrics.attributes import AttributeAccuracy


class ClassifierAccuracy(Evaluator):
    """Measures `accuracy` and `balanced_accuracy` of a method that classifies, their means over attributes and one by one.

    On the validation split after every epoch, and on the test split. Does nothing for other methods.
    """

    watches = True

    def start(self, trainer: Trainer, method: Method) -> bool:
        """Start a new count."""
        self._metric = AttributeAccuracy(len(method.spec.attributes)).to(method.device)
        return isinstance(method, Classifies)

    def watched(self, trainer: Trainer, method: Method) -> dict[str, Tensor]:
        """The mean accuracies."""
        values = self._metric.compute()
        return {"accuracy": values.accuracy.mean(), "balanced_accuracy": values.balanced.nanmean()}

    def update(self, trainer: Trainer, method: Method, batch: Batch) -> None:
        """Add a batch."""
        assert isinstance(method, Classifies)
        self._metric.update(method.probabilities(batch.images).logit(), method.spec.binary(batch.attributes))

    def finish(self, trainer: Trainer, method: Method) -> Evaluation:
        """The accuracies."""
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
