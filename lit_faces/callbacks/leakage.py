"""Do the codes tell the labels? Fresh classifiers say."""

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_lightning import Trainer
from torch import Tensor

from lit_faces.callbacks.edits import class_names, class_of, labels_of
from lit_faces.callbacks.measurement import Evaluation, Evaluator, Measurement
from lit_faces.data.base import to_unit_range
from lit_faces.data.batch import Batch
from lit_faces.methods.base import Method
from lit_faces.methods.capabilities import Encodes
from lit_faces.metrics.per_image import PerImage
from lit_faces.metrics.probe import ProbeScore, probe

# The code that is to know nothing of the labels; the others are the labels' own.
_FREE = "z"


class Leakage(Evaluator):
    """Measures `leakage`, how well a fresh classifier tells each label from the code z, and `subspace_accuracy` of other codes.

    The classifier (64 hidden units; a linear one for the settings) is trained on the codes of the first `probe_images` training
    faces and scored on those of the test faces by its balanced accuracy: 1/2 by chance. Exclusive labels are classes of one
    classifier, together with "Neutral", each is scored by its recall, and the chance is one in so many classes. For methods
    that encode, and data with labels.
    """

    def __init__(self, probe_images: int = 5000, seed: int = 0, enabled: bool = True) -> None:
        self.probe_images, self.seed, self.enabled = probe_images, seed, enabled

    def start(self, trainer: Trainer, method: Method) -> bool:
        """Learn how long the codes are, which a rank without an image must know too."""
        self._labels = labels_of(method)
        if not (self.enabled and self._labels and isinstance(method, Encodes)):
            return False
        spec = method.spec
        blank = torch.zeros(1, *spec.image_shape, device=method.device)
        with trainer.precision_plugin.forward_context():
            codes = method.encode(blank, torch.zeros(1, len(spec.attributes), device=method.device))
        self._sizes = {name: code.shape[1] for name, code in codes.items()}
        names = [f"{name} {i}" for name, size in self._sizes.items() for i in range(size)]
        truth = ["class"] if spec.exclusive else list(self._labels)
        self._train, self._test = (PerImage(*names, *truth).to(method.device) for _ in range(2))
        return True

    def update(self, trainer: Trainer, method: Method, batch: Batch) -> None:
        """Encode a test batch."""
        self._encode(self._test, method, batch)

    def _encode(self, metric: PerImage, method: Method, batch: Batch) -> None:
        assert isinstance(method, Encodes)
        spec = method.spec
        codes = method.encode(batch.images, batch.attributes)
        if spec.exclusive:
            truth = class_of(batch.attributes, spec, self._labels)[:, None]
        else:
            truth = spec.binary(batch.attributes)[:, [spec.position(label) for label in self._labels]]
        table = [*(codes[name] for name in self._sizes), truth]
        metric.update(batch.row, torch.cat([column.to(metric.precision) for column in table], 1))

    def finish(self, trainer: Trainer, method: Method) -> Evaluation | None:
        """Encode training faces, train the probes on one rank, and tell the others what they found."""
        data = trainer.datamodule  # type: ignore[attr-defined]
        left = len(range(trainer.global_rank, self.probe_images, trainer.world_size))
        for stored in data.loader("train"):
            if left <= 0:
                break
            batch = to_unit_range(Batch(*(t[:left].to(method.device) for t in stored)))
            left -= len(batch.row)
            with trainer.precision_plugin.forward_context():
                self._encode(self._train, method, batch)
        splits = [metric.compute().values for metric in (self._train, self._test)]
        measurements = self._probes(splits, method.spec.exclusive) if trainer.is_global_zero else []
        measurements = trainer.strategy.broadcast(measurements)
        return Evaluation(tuple(measurements)) if measurements else None

    def _probes(self, splits: list[Tensor], exclusive: bool) -> list[Measurement]:
        """Every probe's measurements, those of z first."""
        tables = [split.numpy() for split in splits]
        first, total = 0, sum(self._sizes.values())
        measurements: list[Measurement] = []
        for name, size in self._sizes.items():
            found = []
            for column in range(total, tables[0].shape[1]):
                halves = [_half(table, slice(first, first + size), column) for table in tables]
                found.append(probe(halves[0], halves[1], self.seed))
            first += size
            metric = "leakage" if name == _FREE else f"subspace_accuracy/{name}"
            scores = [(label, score) for label, score in zip(self._labels, found, strict=False) if score is not None]
            settings = {"probe_images": len(tables[0])}
            part = (
                _of_classes(metric, found[0], self._labels, settings)
                if exclusive
                else _of_labels(metric, scores, settings)
            )
            measurements += part if name == _FREE else part[1:]
        return measurements


def _half(table: NDArray[np.float64], code: slice, column: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    return table[:, code], table[:, column].astype(np.int64)


def _of_labels(metric: str, scores: list[tuple[str, ProbeScore]], settings: dict[str, int]) -> list[Measurement]:
    """The mean over labels, then each label, which is there or not."""
    parts = [
        Measurement(
            f"{metric}/{label}",
            score.accuracy,
            score.error,
            sum(score.counts),
            "balanced accuracy",
            {"chance": 0.5, "linear": score.linear_accuracy, **settings},
        )
        for label, score in scores
    ]
    if not parts:
        return []
    mean = sum(part.value for part in parts) / len(parts)
    linear = sum(score.linear_accuracy for _, score in scores) / len(parts)
    error = parts[0].stderr if len(parts) == 1 else None
    how = {"chance": 0.5, "linear": linear, **settings, "mean_over": "labels"}
    return [Measurement(metric, mean, error, parts[0].n, "balanced accuracy", how), *parts]


def _of_classes(
    metric: str, score: ProbeScore | None, labels: tuple[str, ...], settings: dict[str, int]
) -> list[Measurement]:
    """The balanced accuracy over exclusive labels, then the recall of each."""
    if score is None:
        return []
    chance = 1 / len(score.classes)
    how = {"chance": chance, "linear": score.linear_accuracy, **settings, "mean_over": "labels"}
    mean = Measurement(metric, score.accuracy, score.error, sum(score.counts), "balanced accuracy", how)
    names = [class_names(labels)[number] for number in score.classes]
    table = zip(names, score.recall, score.errors, score.counts, score.linear, strict=True)
    return [
        mean,
        *(
            Measurement(
                f"{metric}/{name}", recall, error, n, "recall", {"chance": chance, "linear": linear, **settings}
            )
            for name, recall, error, n, linear in table
        ),
    ]
