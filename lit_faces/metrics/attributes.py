"""What a classifier sees in edited faces, and how good that classifier is."""

from collections.abc import Sequence
from math import nan, sqrt
from typing import NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric

from lit_faces.metrics.per_image import ImageRows, PerImageValues


class AttributeHits(ImageRows):
    """Whether a classifier sees the wanted value of one attribute in edited or generated faces.

    Columns hit (1 if the probability lies on the wanted side of 1/2, else 0) and change_in_others (mean absolute change of
    the probabilities of the other attributes against the unedited reconstruction; NaN without a reference or without other
    attributes). `target` is the column of the edited attribute, `on` its wanted value; the columns in `tied` follow from
    the target by logic (such as Blond Hair for Black Hair) and do not count as others. With `among`, columns of which at most
    one holds, a hit means that the target is the most probable of them if it is wanted, and that none of them lies above 1/2
    if it is not.

    Shapes: `update(index (B,), probabilities (B, A), reference (B, A) or None)`; `compute` gives PerImageValues.
    Errors: ValueError for other shapes, a column that is not there, a target that is not `among` its rivals, and in `compute`
    if no rank saw an image.
    """

    names = ("hit", "change_in_others")

    def __init__(self, target: int, on: bool, tied: Sequence[int] = (), among: Sequence[int] = ()) -> None:
        super().__init__(len(self.names))
        if among and target not in among:
            raise ValueError(f"the target {target} must be among {list(among)}")
        self.target = target
        self.on = on
        self.tied = tuple(tied)
        self.among = tuple(among)

    def update(self, index: Tensor, probabilities: Tensor, reference: Tensor | None = None) -> None:
        """Add a batch: `index` (B,), `probabilities` and `reference` (B, A) in [0, 1]."""
        self.record(index, self.judge(probabilities, reference))

    def judge(self, probabilities: Tensor, reference: Tensor | None = None) -> Tensor:
        """Hit and change in others (B, 2) of a batch that is not added; `probabilities` and `reference` (B, A) in [0, 1]."""
        apart = {self.target, *self.tied, *self.among}
        if probabilities.ndim != 2 or min(apart) < 0 or max(apart) >= probabilities.shape[1]:
            raise ValueError(f"probabilities {tuple(probabilities.shape)} do not have all columns of {sorted(apart)}")
        hit = (probabilities[:, self.target] > 0.5) == self.on
        if self.among:
            rivals = probabilities[:, list(self.among)]
            hit = rivals.argmax(1) == self.among.index(self.target) if self.on else (rivals <= 0.5).all(1)
        change = torch.full(hit.shape, nan, dtype=self.precision, device=probabilities.device)
        if reference is not None:
            if reference.shape != probabilities.shape:
                raise ValueError(f"reference must be {tuple(probabilities.shape)}, got {tuple(reference.shape)}")
            others = [column for column in range(probabilities.shape[1]) if column not in apart]
            change = (probabilities.to(change) - reference.to(change))[:, others].abs().mean(1)
        return torch.stack((hit.to(change), change), -1)

    def compute(self) -> PerImageValues:
        """Hit and change in others for every image seen on any rank."""
        return PerImageValues(self.names, *self.rows())


class AccuracyValues(NamedTuple):
    """Accuracy of every attribute (A,): fraction of right answers, and mean of that among the positives and negatives."""

    accuracy: Tensor
    balanced: Tensor


class AttributeAccuracy(Metric):
    """Accuracy and balanced accuracy of a binary classifier of many attributes.

    Shapes: `update(logits (B, A), targets (B, A) in {0, 1})` with A `attributes`, B may be 0; `compute` gives
    AccuracyValues. Balanced accuracy is NaN for an attribute that is always or never there.
    Errors: ValueError for other shapes or targets.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    counts: Tensor

    def __init__(self, attributes: int) -> None:
        super().__init__()
        # Answers by truth, answer and attribute.
        self.add_state("counts", torch.zeros(2, 2, attributes, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, logits: Tensor, targets: Tensor) -> None:
        """Add a batch: `logits` (B, A), positive for "there"; `targets` (B, A) in {0, 1}."""
        # Not by torchmetrics: it takes logits that happen to lie in [0, 1] for probabilities and refuses an empty batch.
        attributes = self.counts.shape[-1]
        if logits.shape != targets.shape or logits.shape[1:] != (attributes,):
            raise ValueError(
                f"logits and targets must be (B, {attributes}), got {tuple(logits.shape)} and {tuple(targets.shape)}"
            )
        answer, truth = logits > 0, targets == 1
        if not (truth | (targets == 0)).all():
            raise ValueError("targets must be 0 or 1")
        for row, there in enumerate((~truth, truth)):
            for column, said in enumerate((~answer, answer)):
                self.counts[row, column] += (there & said).sum(0)

    def compute(self) -> AccuracyValues:
        """Accuracies over all batches and ranks, float64."""
        counts = self.counts.cpu().double()
        right, truths = torch.stack((counts[0, 0], counts[1, 1])), counts.sum(1)
        return AccuracyValues(right.sum(0) / truths.sum(0), (right / truths).mean(0))


def wilson_interval(hits: float, n: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson score interval of a proportion: (low, high), by default at 95 %.

    Errors: ValueError unless 0 <= hits <= n and n > 0.
    Source: Wilson (1927), Journal of the American Statistical Association 22, 209.
    """
    if n < 1 or not 0 <= hits <= n:
        raise ValueError(f"hits must lie between 0 and n > 0, got {hits} of {n}")
    rate, shrink = hits / n, 1 + z * z / n
    centre = (rate + z * z / (2 * n)) / shrink
    half = z * sqrt(rate * (1 - rate) / n + z * z / (4 * n * n)) / shrink
    return max(0.0, centre - half), min(1.0, centre + half)
