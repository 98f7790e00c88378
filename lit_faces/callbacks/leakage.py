"""Do the codes tell the labels? Fresh classifiers say."""

import torch
from torch import Tensor

from lit_faces.callbacks.codes import FREE, CodedFaces, CodesEvaluator
from lit_faces.callbacks.edits import class_names, class_of
from lit_faces.callbacks.measurement import Evaluation, Measurement
from lit_faces.data.batch import DataSpec
from lit_faces.metrics.probe import ProbeScore, probe


class Leakage(CodesEvaluator):
    """Measures `leakage`, how well a fresh classifier tells each label from the code z, and `subspace_accuracy` of other codes.

    The classifier (64 hidden units; a linear one for the settings) is trained on the codes of the first `probe_images` training
    faces and scored on those of the test faces by its balanced accuracy: 1/2 by chance. Exclusive labels are classes of one
    classifier, together with "Neutral", each is scored by its recall, and the chance is one in so many classes. For methods
    that encode, and data with labels.
    """

    def __init__(self, probe_images: int = 5000, seed: int = 0, enabled: bool = True) -> None:
        super().__init__(probe_images, enabled)
        self.seed = seed

    def truth(self, attributes: Tensor, spec: DataSpec) -> Tensor:
        """Which labels hold (B, K), or the class (B, 1) that exclusive ones make."""
        return class_of(attributes, spec, self._labels)[:, None] if spec.exclusive else super().truth(attributes, spec)

    def score(self, train: CodedFaces, test: CodedFaces, spec: DataSpec) -> Evaluation | None:
        """Every probe's measurements, those of z first, and which test faces the probes of z are right about."""
        measurements: list[Measurement] = []
        right: dict[str, tuple[Tensor, Tensor]] = {}
        for name in train.codes:
            found = [
                probe((train.codes[name], known), (test.codes[name], asked), self.seed)
                for known, asked in zip(train.truth.T, test.truth.T, strict=True)
            ]
            if name == FREE:
                names = ("class",) if spec.exclusive else self._labels
                right = {
                    f"leakage_hit/{label}": (test.index, torch.tensor(score.right, dtype=torch.float64))
                    for label, score in zip(names, found, strict=True)
                    if score is not None
                }
            metric = "leakage" if name == FREE else f"subspace_accuracy/{name}"
            scores = [(label, score) for label, score in zip(self._labels, found, strict=False) if score is not None]
            settings = {"probe_images": len(train.index)}
            part = (
                _of_classes(metric, found[0], self._labels, settings)
                if spec.exclusive
                else _of_labels(metric, scores, settings)
            )
            measurements += part if name == FREE else part[1:]
        return Evaluation(tuple(measurements), right) if measurements else None


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
