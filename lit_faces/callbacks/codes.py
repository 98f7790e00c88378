"""The codes of training and test faces, for callbacks that look for what is known of the faces in them."""

from dataclasses import dataclass, field

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
    """Faces in the order of their rows `index` (N,): `codes` (N, d) by name, and what they are to tell.

    That is `truth` (N, T), whole numbers, and `quantities` (N,) by name.
    """

    index: Tensor
    codes: dict[str, NDArray[np.float64]]
    truth: NDArray[np.int64]
    quantities: dict[str, NDArray[np.float64]] = field(default_factory=dict)


class CodesEvaluator(Evaluator):
    """Encodes the first `images` training faces and the test faces, without noise, for a subclass to `score` the codes.

    For methods that encode, and data with labels, unless a subclass `applies` to others.
    """

    def __init__(self, images: int, enabled: bool) -> None:
        self.images, self.enabled = images, enabled
        self._labels: tuple[str, ...] = ()

    def labels(self, method: Method) -> tuple[str, ...]:
        """The K attributes that the codes may tell."""
        return labels_of(method)

    def applies(self, method: Method) -> bool:
        """Whether the method has codes, and the data something that they may tell."""
        return bool(self._labels) and isinstance(method, Encodes)

    def codes(self, method: Method, batch: Batch) -> dict[str, Tensor]:
        """Codes by name, each (B, d), without noise."""
        assert isinstance(method, Encodes)
        return method.encode(batch.images, batch.attributes)

    def truth(self, attributes: Tensor, spec: DataSpec) -> Tensor:
        """What the codes are to tell (B, T), from standardised attributes (B, A): which of the K labels hold."""
        return spec.binary(attributes)[:, [spec.position(label) for label in self._labels]]

    def quantities(self, images: Tensor) -> dict[str, Tensor]:
        """What else the codes are to tell, by name, each (B,), from images (B, C, H, W)."""
        return {}

    def score(self, train: CodedFaces, test: CodedFaces, spec: DataSpec) -> Evaluation | None:
        """What was measured; None if there is nothing. Called on one rank."""
        raise NotImplementedError(f"{type(self).__name__} must implement score()")

    def start(self, trainer: Trainer, method: Method) -> bool:
        """Learn how long the codes are, which a rank without an image must know too."""
        self._labels = self.labels(method)
        if not (self.enabled and self.applies(method)):
            return False
        spec = method.spec
        blank = torch.zeros(1, *spec.image_shape, device=method.device)
        attributes = torch.zeros(1, len(spec.attributes), device=method.device)
        row = torch.zeros(1, dtype=torch.int64, device=method.device)
        with trainer.precision_plugin.forward_context():
            codes = self.codes(method, Batch(blank, attributes, row, row))
        self._sizes = {name: code.shape[1] for name, code in codes.items()}
        self._truths = self.truth(attributes, spec).shape[1]
        self._quantities = tuple(self.quantities(blank))
        names = [f"{name} {i}" for name, size in self._sizes.items() for i in range(size)]
        names += [f"truth {i}" for i in range(self._truths)] + [*self._quantities]
        self._train, self._test = (PerImage(*names).to(method.device) for _ in range(2))
        return True

    def update(self, trainer: Trainer, method: Method, batch: Batch) -> None:
        """Encode a test batch."""
        self._encode(self._test, method, batch)

    def _encode(self, metric: PerImage, method: Method, batch: Batch) -> None:
        codes, quantities = self.codes(method, batch), self.quantities(batch.images)
        table = [*(codes[name] for name in self._sizes), self.truth(batch.attributes, method.spec)]
        table += [quantities[name][:, None] for name in self._quantities]
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
        sizes = [*self._sizes.values(), self._truths]
        *codes, truth, quantities = np.split(values.values.numpy(), np.cumsum(sizes), axis=1)
        return CodedFaces(
            values.index,
            dict(zip(self._sizes, codes, strict=True)),
            truth.astype(np.int64),
            dict(zip(self._quantities, quantities.T, strict=True)),
        )
