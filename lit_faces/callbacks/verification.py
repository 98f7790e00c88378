"""How well an embedding tells whether two photographs are of one person."""

from dataclasses import dataclass
from math import isnan

import torch
from pytorch_lightning import Trainer
from torch import Tensor

from lit_faces.callbacks.measurement import Evaluation, Evaluator, Measurement
from lit_faces.data.base import Split, to_unit_range
from lit_faces.data.batch import Batch
from lit_faces.methods.base import Method
from lit_faces.methods.capabilities import Identifies
from lit_faces.metrics.per_image import clustered_error
from lit_faces.metrics.verification import (
    Embedded,
    Embeddings,
    best_threshold,
    verification_accuracy,
    verification_auc,
    verification_pairs,
)

# Few enough that no person of very many pictures outweighs the others.
_PAIRS_PER_PERSON = 100
_SEED = 0


@dataclass(frozen=True)
class Compared:
    """Cosine similarities of P pairs of photographs of one person, of as many of different persons (each (P,)), and the
    `person` (P,) of each pair's first photograph, which both kinds share.
    """

    same: Tensor
    different: Tensor
    person: Tensor

    @property
    def pairs(self) -> int:
        """Pairs of both kinds."""
        return len(self.same) + len(self.different)


def compared(photographs: Embedded) -> Compared | None:
    """Pairs of photographs compared; None if there are fewer than two of one person, or only one person."""
    same, different = verification_pairs(photographs.identity, _PAIRS_PER_PERSON, _SEED)
    if len(same) < 2:
        return None
    person = photographs.identity[same[:, 0]]
    return Compared(photographs.similarity(same), photographs.similarity(different), person)


def embedded(trainer: Trainer, embedding: Identifies, split: Split, device: torch.device) -> Embedded:
    """The photographs of a split, embedded under the trainer's precision, each rank its share."""
    metric = Embeddings(embedding.embedding_dim).to(device)
    with trainer.precision_plugin.forward_context():
        for stored in trainer.datamodule.loader(split):  # type: ignore[attr-defined]
            batch = to_unit_range(Batch(*(column.to(device) for column in stored)))
            metric.update(batch.row, batch.identity, embedding.embed(batch.images))
    return metric.compute()


class Verification(Evaluator):
    """Measures `verification_accuracy` and `verification_auc` of a method that identifies persons.

    On pairs of photographs, at most 100 a person, and as many of different persons: the balanced accuracy of "one
    person" where the cosine similarity lies above a threshold, and the area under the ROC curve. On the test split with
    the threshold that is best on the validation split; after every epoch on the validation split with its own best. The
    error takes persons for independent. Nothing is measured without two pairs of one person in both splits.
    """

    watches = True

    def start(self, trainer: Trainer, method: Method) -> bool:
        """Start anew."""
        if not isinstance(method, Identifies):
            return False
        self._photographs = Embeddings(method.embedding_dim).to(method.device)
        return True

    def update(self, trainer: Trainer, method: Method, batch: Batch) -> None:
        """Embed a batch."""
        assert isinstance(method, Identifies)
        self._photographs.update(batch.row, batch.identity, method.embed(batch.images))

    def watched(self, trainer: Trainer, method: Method) -> dict[str, Tensor]:
        """The accuracy at the best threshold and the area."""
        found = compared(self._photographs.compute())
        if found is None:
            return {}
        threshold = best_threshold(found.same, found.different)
        return {
            "verification_accuracy": torch.tensor(verification_accuracy(found.same, found.different, threshold)),
            "verification_auc": torch.tensor(verification_auc(found.same, found.different)),
        }

    def finish(self, trainer: Trainer, method: Method) -> Evaluation | None:
        """Choose the threshold on the validation split, then judge the test split."""
        assert isinstance(method, Identifies)
        chosen = compared(embedded(trainer, method, "validation", method.device))
        found = compared(self._photographs.compute())
        if chosen is None or found is None:
            return None
        threshold = best_threshold(chosen.same, chosen.different)
        # Every person has as many pairs of the one kind as of the other, so the mean over all of them is balanced.
        right = torch.cat([found.same > threshold, found.different <= threshold]).double()
        error = float(clustered_error(right[:, None], found.person.repeat(2)))
        settings = {"threshold": threshold, "validation_pairs": chosen.pairs}
        accuracy = verification_accuracy(found.same, found.different, threshold)
        auc = verification_auc(found.same, found.different)
        return Evaluation(
            (
                Measurement(
                    "verification_accuracy",
                    accuracy,
                    None if isnan(error) else error,
                    found.pairs,
                    "balanced share of pairs",
                    settings,
                ),
                Measurement("verification_auc", auc, None, found.pairs, "area under the ROC curve"),
            )
        )
