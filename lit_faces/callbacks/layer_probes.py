"""What does each layer of a ladder hold? Linear probes say."""

from math import sqrt
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lit_faces.callbacks.codes import CodedFaces, CodesEvaluator
from lit_faces.callbacks.edits import class_of, labels_of
from lit_faces.callbacks.measurement import SHARE, Evaluation, Measurement, mean_over_images
from lit_faces.data.batch import Batch, DataSpec
from lit_faces.errors import UserError
from lit_faces.methods.base import Method
from lit_faces.methods.capabilities import Layered, layers_of
from lit_faces.metrics.appearance import appearance
from lit_faces.metrics.probe import linear_answers, linear_values

# All codes side by side.
ALL = "all"


class LayerProbes(CodesEvaluator):
    """Measures `probe_accuracy` and `probe_r2`: what linear probes tell from all codes of a ladder, and from each layer's.

    Trained on the posterior means of the first `images` training faces, scored on those of the test faces. Exclusive
    labels are the classes of one logistic regression, scored by its accuracy (`probe_accuracy/z_0/class`); else there is
    one an attribute, scored by its balanced accuracy (`probe_accuracy/z_0/Smiling`), for the attributes that some faces
    of both splits have and others lack. `probe_accuracy/z_0` is their mean, `probe_accuracy` that of all codes together.
    `probe_r2/z_0/slant` is the R^2 of a linear regression for what `appearance` measures. Beside them, image by image,
    `probe_hit` (0 or 1) and `probe_error` (squared error in units of the variance over the test images, of which R^2 is 1
    less the mean). For methods with layers.
    Raises UserError unless `images` is at least 2: of one image there is nothing to tell apart.
    """

    def __init__(self, images: int = 10000, enabled: bool = True) -> None:
        if images < 2:
            raise UserError(f"probes.images must be at least 2, got {images}")
        super().__init__(images, enabled)

    def labels(self, method: Method) -> tuple[str, ...]:
        """Those that exclude each other, else every attribute."""
        return labels_of(method) if method.spec.exclusive else method.spec.attributes

    def applies(self, method: Method) -> bool:
        """Whether the method has layers."""
        return isinstance(method, Layered)

    def codes(self, method: Method, batch: Batch) -> dict[str, Tensor]:
        """The posterior mean of each layer."""
        assert isinstance(method, Layered)
        mean = method.posterior(batch.images).mean
        return {name: mean[:, place] for name, place in layers_of(method).items()}

    def truth(self, attributes: Tensor, spec: DataSpec) -> Tensor:
        """Which attributes hold (B, A), or the class (B, 1) that exclusive labels make."""
        return class_of(attributes, spec, self._labels)[:, None] if spec.exclusive else super().truth(attributes, spec)

    def quantities(self, images: Tensor) -> dict[str, Tensor]:
        """What the pictures look like."""
        return appearance(images)

    def score(self, train: CodedFaces, test: CodedFaces, spec: DataSpec) -> Evaluation | None:
        """Every probe's measurements, those of all codes first, and how each probe fares on each test face."""
        columns = {"class": 0} if spec.exclusive else _varied(self._labels, train.truth, test.truth)
        spread = {name: values.var() for name, values in test.quantities.items() if values.var() > 0}
        measurements: list[Measurement] = []
        per_image: dict[str, tuple[Tensor, Tensor]] = {}
        for layer in (ALL, *train.codes):
            known, asked = (_codes(faces, layer) for faces in (train, test))
            hits = {}
            for label, column in columns.items():
                weight: Literal["balanced"] | None = None if spec.exclusive else "balanced"
                answers = linear_answers((known, train.truth[:, column]), asked, weight)
                hits[label] = torch.from_numpy(answers == test.truth[:, column]).double()
            if spec.exclusive:
                measurements += _accuracies(layer, hits["class"], train, test)
            elif hits:
                truths = {label: torch.from_numpy(test.truth[:, column]) for label, column in columns.items()}
                measurements += _balanced_accuracies(layer, hits, truths, len(known))
            for name, variance in spread.items():
                away = linear_values(known, train.quantities[name], asked) - test.quantities[name]
                error = torch.from_numpy(away**2 / variance)
                measurements.append(_explained(f"probe_r2/{layer}/{name}", error, len(known)))
                per_image[f"probe_error/{layer}/{name}"] = test.index, error
            per_image |= {f"probe_hit/{layer}/{label}": (test.index, hit) for label, hit in hits.items()}
        return Evaluation(tuple(measurements), per_image) if measurements else None


def _codes(faces: CodedFaces, layer: str) -> NDArray[np.float64]:
    return np.concatenate([*faces.codes.values()], 1) if layer == ALL else faces.codes[layer]


def _varied(labels: tuple[str, ...], *truths: NDArray[np.int64]) -> dict[str, int]:
    """Columns of the labels that some faces of each split have and others lack."""
    varied = [truth.min(0) < truth.max(0) for truth in truths]
    return {label: column for column, label in enumerate(labels) if all(of[column] for of in varied)}


def _accuracies(layer: str, hits: Tensor, train: CodedFaces, test: CodedFaces) -> list[Measurement]:
    """The share of faces of which the class is told. Chance is always to say the most frequent one in training."""
    guess = np.bincount(train.truth[:, 0]).argmax()
    settings = {"chance": float((test.truth[:, 0] == guess).mean()), "probe_images": len(train.index)}
    names = (_overall(layer), f"probe_accuracy/{layer}/class")
    return [mean_over_images(name, SHARE, test.index, hits, **settings) for name in names]


def _balanced_accuracies(
    layer: str, hits: dict[str, Tensor], truths: dict[str, Tensor], probe_images: int
) -> list[Measurement]:
    """The mean over labels, then each label; errors take the faces for independent and the probes as given."""
    settings = {"chance": 0.5, "probe_images": probe_images}
    found = {label: _balanced(hit, truths[label]) for label, hit in hits.items()}

    def measured(name: str, values: list[float], deviations: list[Tensor], **more: str) -> Measurement:
        # One face has a say in every label, so it is their mean deviation that varies from face to face.
        error = float(torch.stack(deviations).mean(0).square().sum().sqrt()) / len(deviations[0])
        value = sum(values) / len(values)
        return Measurement(name, value, error, len(deviations[0]), "balanced accuracy", {**settings, **more})

    values, deviations = zip(*found.values(), strict=True)
    mean = measured(_overall(layer), [*values], [*deviations], mean_over="labels")
    each = [measured(f"probe_accuracy/{layer}/{label}", [value], [by]) for label, (value, by) in found.items()]
    return [mean, *each]


def _balanced(hits: Tensor, truth: Tensor) -> tuple[float, Tensor]:
    """Mean recall of the two classes, and how far each face (N,) draws it from there, times N."""
    value, deviations = 0.0, torch.zeros_like(hits)
    for held in (truth == 0, truth == 1):
        recall = hits[held].mean()
        value += float(recall) / 2
        deviations[held] = (hits[held] - recall) * len(hits) / (2 * held.sum())
    return value, deviations


def _overall(layer: str) -> str:
    return "probe_accuracy" if layer == ALL else f"probe_accuracy/{layer}"


def _explained(metric: str, error: Tensor, probe_images: int) -> Measurement:
    """R^2, from squared errors (N,) in units of the variance, which is taken as given."""
    stderr = float(error.std()) / sqrt(len(error)) if len(error) > 1 else None
    return Measurement(metric, 1 - float(error.mean()), stderr, len(error), "R^2", {"probe_images": probe_images})
