"""How good the judge itself is."""

import torch
from pytorch_lightning import Trainer
from torch import Tensor

from lit_faces.callbacks.edits import class_names, class_of, class_seen, labels_of
from lit_faces.callbacks.measurement import Evaluation, Evaluator, Measurement, columns
from lit_faces.data.batch import Batch
from lit_faces.methods.base import Method
from lit_faces.methods.capabilities import Classifies
from lit_faces.metrics.attributes import AttributeAccuracy
from lit_faces.metrics.per_image import PerImage


class ClassifierAccuracy(Evaluator):
    """Measures `accuracy` and `balanced_accuracy` of a method that classifies, their means over attributes and one by one.

    On the validation split after every epoch, and on the test split. Does nothing for other methods. An attribute is seen
    where its probability lies above 1/2. Of exclusive labels a face is also given the one class, of them and "Neutral", that is
    most probable, as edits are judged: `class_accuracy` is the share of faces that are given their own, and the
    `balanced_accuracy` of a class is that of this choice, the mean of the shares of its faces that are given it and of the
    other faces that are not.
    """

    watches = True

    def start(self, trainer: Trainer, method: Method) -> bool:
        """Start a new count."""
        self._metric = AttributeAccuracy(len(method.spec.attributes)).to(method.device)
        self._labels = labels_of(method) if method.spec.exclusive else ()
        self._choice = AttributeAccuracy(len(class_names(self._labels))).to(method.device)
        self._right = PerImage("class_accuracy").to(method.device)
        return isinstance(method, Classifies)

    def watched(self, trainer: Trainer, method: Method) -> dict[str, Tensor]:
        """The mean accuracies."""
        accuracy, balanced = self._accuracies(method)
        means = {"accuracy": accuracy.mean(), "balanced_accuracy": torch.stack([*balanced.values()]).nanmean()}
        return means | ({"class_accuracy": self._right.compute().mean()[0]} if self._labels else {})

    def update(self, trainer: Trainer, method: Method, batch: Batch) -> None:
        """Add a batch."""
        assert isinstance(method, Classifies)
        probabilities = method.probabilities(batch.images)
        self._metric.update(probabilities.logit(), method.spec.binary(batch.attributes))
        if self._labels:
            truth = class_of(batch.attributes, method.spec, self._labels)
            answer = class_seen(probabilities, method.spec, self._labels)
            kinds = torch.arange(len(class_names(self._labels)), device=truth.device)
            self._choice.update((answer[:, None] == kinds).float(), truth[:, None] == kinds)
            self._right.update(batch.row, (answer == truth)[:, None])

    def finish(self, trainer: Trainer, method: Method) -> Evaluation:
        """The accuracies."""
        accuracy, balanced = self._accuracies(method)
        overall = torch.stack([*balanced.values()]).nanmean()
        faces = len(trainer.datamodule.splits["test"])  # type: ignore[attr-defined]
        measurements = [
            Measurement("accuracy", float(accuracy.mean()), None, faces, "share of faces, mean over attributes"),
            Measurement("balanced_accuracy", float(overall), None, faces, "mean over attributes"),
        ]
        if self._labels:
            measurements += columns(self._right.compute(), "share of faces")
        for name, share in zip(method.spec.attributes, accuracy, strict=True):
            measurements.append(Measurement(f"accuracy/{name}", float(share), None, faces, "share of faces"))
        for name, mean in balanced.items():
            if not torch.isnan(mean):
                unit = "mean over present and absent"
                measurements.append(Measurement(f"balanced_accuracy/{name}", float(mean), None, faces, unit))
        return Evaluation(tuple(measurements))

    def _accuracies(self, method: Method) -> tuple[Tensor, dict[str, Tensor]]:
        """The accuracy of each attribute (A,), and the balanced one of each attribute or class by its name."""
        values = self._metric.compute()
        balanced = dict(zip(method.spec.attributes, values.balanced, strict=True))
        if self._labels:
            balanced |= zip(class_names(self._labels), self._choice.compute().balanced, strict=True)
        return values.accuracy, balanced
