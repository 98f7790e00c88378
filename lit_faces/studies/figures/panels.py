"""What the figures of labels and their styles share: codes of a split, labels given at chosen points, pictures side by side."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lit_faces.callbacks.edits import settle_edits
from lit_faces.data.base import FaceDataModule, Faces, to_unit_range
from lit_faces.data.batch import Batch, DataSpec
from lit_faces.images import to_rgb
from lit_faces.methods.capabilities import Classifies, Edits, Encodes, Reconstructs, Switches
from lit_faces.studies.figures.context import Context
from lit_faces.studies.figures.faces import faces_lacking

WITHOUT, WITH = "#888888", "#d1495b"
_GAP = 2


@runtime_checkable
class Styled(Switches, Encodes, Reconstructs, Edits, Protocol):
    """Switches labels in faces that it can encode and decode."""

    spec: DataSpec


@runtime_checkable
class Judge(Classifies, Protocol):
    """Tells which attributes a face has, and what they are called."""

    spec: DataSpec


def styled(context: Context, name: str | None, style_dim: int | None = None) -> Styled | None:
    """A method that was trained and switches labels, with styles of so many numbers if that is said; else None."""
    method: object = context.methods.get(name or "")
    return method if isinstance(method, Styled) and style_dim in (None, method.style_dim) else None


def batch_of(faces: Faces) -> Batch:
    """Faces as a method takes them."""
    return to_unit_range(Batch(faces.images, faces.attributes, faces.identity, faces.index))


def posterior_means(method: Encodes, faces: Faces, size: int = 250) -> dict[str, Tensor]:
    """The codes of all faces, by name, each (N, d)."""
    parts = []
    for start in range(0, len(faces), size):
        batch = batch_of(faces[start : start + size])
        parts.append(method.encode(batch.images, batch.attributes))
    return {name: torch.cat([part[name] for part in parts]).float() for name in parts[0]}


def plain_faces(data: FaceDataModule, labels: Sequence[str], count: int) -> Batch:
    """The first test faces, of different persons, that have none of the labels."""
    edits = settle_edits(None, data.spec, labels)
    return faces_lacking(data, [edits[label] for label in labels], count)


def give(method: Styled, batch: Batch, points: dict[str, Tensor]) -> Tensor:
    """Images (B, C, H, W) of faces that are given labels, each at its points (B, style_dim) or (style_dim,)."""
    edits, target = settle_edits(None, method.spec, method.labels), batch.attributes
    styles = method.styles().repeat(len(batch.row), 1, 1)
    for label, point in points.items():
        target = edits[label].apply(target, method.spec)
        styles[:, method.labels.index(label)] = point.to(styles)
    return method.switch(batch.images, batch.attributes, target, styles)


def repeated(batch: Batch, count: int) -> Batch:
    """Each face `count` times, one after the other."""
    return Batch(*(part.repeat_interleave(count, 0) for part in batch))


def representatives(points: Tensor, count: int = 3) -> Tensor:
    """Centres (count, D) of clusters of points (N, D), in the order of their first coordinate; fewer if the points are."""
    from sklearn.cluster import KMeans

    table = points.double().numpy()
    count = min(count, len(np.unique(table, axis=0)))
    centres = KMeans(count, random_state=0, n_init=10).fit(table).cluster_centers_
    return torch.tensor(centres[np.argsort(centres[:, 0])]).float()


def seen(judge: object, label: str, images: Tensor) -> list[float | str]:
    """Probability that the judge sees a label, an image; empty without a judge."""
    if not isinstance(judge, Judge):
        return [""] * len(images)
    return [round(float(p), 4) for p in judge.probabilities(images)[:, judge.spec.position(label)]]


def words(label: str) -> str:
    """A label as it is read."""
    return label.replace("_", " ").lower()


def numbers(points: Tensor) -> list[float]:
    """Coordinates as a table has them."""
    return [round(float(value), 4) for value in points]


def mosaic(images: Tensor, columns: int) -> NDArray[np.float32]:
    """Images (N, 1 or 3, H, W) in [0, 1] side by side, row after row, as one coloured picture with white gaps in equal cells."""
    count, _, height, width = images.shape
    rows = -(-count // columns)
    sheet = np.ones((rows * (height + _GAP), columns * (width + _GAP), 3), np.float32)
    for number, image in enumerate(to_rgb(images).clamp(0, 1).permute(0, 2, 3, 1).numpy()):
        top, left = number // columns * (height + _GAP), number % columns * (width + _GAP)
        sheet[top + _GAP // 2 :, left + _GAP // 2 :][:height, :width] = image
    return sheet


def scatter(axis: Any, points: Tensor, holds: Tensor, without: str, with_: str, size: float = 5) -> None:
    """Points (N, 2) of a plane, coloured by whether a label holds (N,), and what the legend calls the two kinds."""
    for on, colour, kind in ((False, WITHOUT, without), (True, WITH, with_)):
        drawn = points[holds == on]
        axis.scatter(drawn[:, 0], drawn[:, 1], s=size, c=colour, alpha=0.6, linewidths=0, label=kind)
