"""The codes of training and test faces, for callbacks that look for the labels in them."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_lightning import Trainer
from torch import Tensor

from lit_faces.callbacks.edits import labels_of
from lit_faces.callbacks.measurement import Evaluation, Evaluator
from lit_faces.data.base import to_unit_range
from lit_faces.data.batch import Batch, DataSpec
from lit_faces.methods.base import Method
from lit_faces.methods.capabilities import Encodes
from lit_faces.metrics.per_image import PerImage

# The code that is to know nothing of the labels; the others are the labels' own.
FREE = "z"


@dataclass(frozen=True)
class CodedFaces:
    """Faces in the order of their rows `index` (N,): `codes` (N, d) by name, and what they are to tell (N, T)."""

    index: Tensor
    codes: dict[str, NDArray[np.float64]]
    truth: NDArray[np.int64]


class CodesEvaluator(Evaluator):
    """Encodes the first `images` training faces and the test faces, without noise, for a subclass to `score` the codes.

    For methods that encode, and data with labels.
    """

    def __init__(self, images: int, enabled: bool) -> None:
        self.images, self.enabled = images, enabled

    def truth(self, attributes: Tensor, spec: DataSpec) -> Tensor:
        """What the codes are to tell (B, T), from standardised attributes (B, A): which of the K labels hold."""
        return spec.binary(attributes)[:, [spec.position(label) for label in self._labels]]

    def score(self, train: CodedFaces, test: CodedFaces, spec: DataSpec) -> Evaluation | None:
        """What was measured; None if there is nothing. Called on one rank."""
        raise NotImplementedError(f"{type(self).__name__} must implement score()")

    def start(self, trainer: Trainer, method: Method) -> bool:
        """Learn how long the codes are, which a rank without an image must know too."""
        self._labels = labels_of(method)
        if not (self.enabled and self._labels and isinstance(method, Encodes)):
            return False
        spec = method.spec
        blank = torch.zeros(1, *spec.image_shape, device=method.device)
        attributes = torch.zeros(1, len(spec.attributes), device=method.device)
        with trainer.precision_plugin.forward_context():
            codes = method.encode(blank, attributes)
        self._sizes = {name: code.shape[1] for name, code in codes.items()}
        names = [f"{name} {i}" for name, size in self._sizes.items() for i in range(size)]
        names += [f"truth {i}" for i in range(self.truth(attributes, spec).shape[1])]
        self._train, self._test = (PerImage(*names).to(method.device) for _ in range(2))
        return True

    def update(self, trainer: Trainer, method: Method, batch: Batch) -> None:
        """Encode a test batch."""
        self._encode(self._test, method, batch)

    def _encode(self, metric: PerImage, method: Method, batch: Batch) -> None:
        assert isinstance(method, Encodes)
        codes = method.encode(batch.images, batch.attributes)
        table = [*(codes[name] for name in self._sizes), self.truth(batch.attributes, method.spec)]
        metric.update(batch.row, torch.cat([column.to(metric.precision) for column in table], 1))

    def finish(self, trainer: Trainer, method: Method) -> Evaluation | None:
        """Encode training faces, score the codes on one rank, and tell the others what it found."""
        data = trainer.datamodule  # type: ignore[attr-defined]
        left = len(range(trainer.global_rank, self.images, trainer.world_size))
        for stored in data.loader("train"):
            if left <= 0:
                break
            batch = to_unit_range(Batch(*(t[:left].to(method.device) for t in stored)))
            left -= len(batch.row)
            with trainer.precision_plugin.forward_context():
                self._encode(self._train, method, batch)
        train, test = (self._coded(metric) for metric in (self._train, self._test))
        found = self.score(train, test, method.spec) if trainer.is_global_zero else None
        evaluation: Evaluation | None = trainer.strategy.broadcast(found)
        return evaluation

    def _coded(self, metric: PerImage) -> CodedFaces:
        """The faces of a metric, over all ranks."""
        values = metric.compute()
        *codes, truth = np.split(values.values.numpy(), np.cumsum([*self._sizes.values()]), axis=1)
        return CodedFaces(values.index, dict(zip(self._sizes, codes, strict=True)), truth.astype(np.int64))
