"""How often a method tells its labels of held-out faces, and how often guessing would."""

from collections.abc import Sequence
from typing import Any

from pytorch_lightning import Trainer
from torch import Tensor

from lit_faces.callbacks.measurement import SHARE, Evaluation, Evaluator, Measurement, mean_over_images
from lit_faces.data.batch import Batch, DataSpec
from lit_faces.methods.base import Method
from lit_faces.methods.capabilities import Recognises
from lit_faces.metrics.per_image import PerImage, PerImageValues


class LabelAccuracy(Evaluator):
    """Measures `label_accuracy` of a method that recognises its labels, each label's and their mean.

    The share of faces of which the probability of the label lies on the right side of 1/2, on the validation split
    after every epoch and on the test split. Beside it `majority_accuracy`, the share of test faces that have the label's
    more frequent value of the train split, which is what guessing gives.
    """

    watches = True

    def start(self, trainer: Trainer, method: Method) -> bool:
        """Start anew, with the guesses."""
        if not isinstance(method, Recognises):
            return False
        spec = method.spec
        self._columns = [spec.position(label) for label in method.labels]
        self._guess = majority(trainer, spec, method.labels).to(method.device)
        self._right, self._guessed = (PerImage(*method.labels).to(method.device) for _ in range(2))
        return True

    def update(self, trainer: Trainer, method: Method, batch: Batch) -> None:
        """Add a batch."""
        assert isinstance(method, Recognises)
        truth = method.spec.binary(batch.attributes)[:, self._columns]
        self._right.update(batch.row, (method.label_probabilities(batch.images) > 0.5) == truth)
        self._guessed.update(batch.row, self._guess == truth)

    def watched(self, trainer: Trainer, method: Method) -> dict[str, Tensor]:
        """The mean over labels."""
        return {"label_accuracy": self._right.compute().mean().mean()}

    def finish(self, trainer: Trainer, method: Method) -> Evaluation:
        """The shares, and which labels are right of which face."""
        right, guessed = self._right.compute(), self._guessed.compute()
        return Evaluation(
            shares("label_accuracy", right) + shares("majority_accuracy", guessed), by_label("label_right", right)
        )


def majority(trainer: Trainer, spec: DataSpec, labels: Sequence[str]) -> Tensor:
    """Which of the K labels (K,) more than half of the training faces have."""
    train = trainer.datamodule.splits["train"].attributes  # type: ignore[attr-defined]
    return spec.binary(train)[:, [spec.position(label) for label in labels]].double().mean(0) > 0.5


def shares(metric: str, right: PerImageValues, **settings: Any) -> tuple[Measurement, ...]:
    """The share of faces with 1, from a column of 0 and 1 a label: their mean, then each with its interval."""
    mean = mean_over_images(
        metric, f"{SHARE}, mean over labels", right.index, right.values.mean(1), **settings, mean_over="labels"
    )
    each = (
        mean_over_images(f"{metric}/{label}", SHARE, right.index, right.column(label), **settings)
        for label in right.names
    )
    return (mean, *each)


def by_label(name: str, values: PerImageValues) -> dict[str, tuple[Tensor, Tensor]]:
    """Columns as a record keeps them, image by image."""
    return {f"{name}/{label}": (values.index, values.column(label)) for label in values.names}
