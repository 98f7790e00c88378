"""Figures of labels that faces are given: several styles together, one style on many faces, and every expression."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lit_faces.callbacks.edits import settle_edits
from lit_faces.data.base import FaceDataModule
from lit_faces.data.batch import Batch
from lit_faces.studies.figures.context import Context
from lit_faces.studies.figures.drawing import grid, shrink, write_table
from lit_faces.studies.figures.faces import strength_of
from lit_faces.studies.figures.panels import (
    Styled,
    batch_of,
    give,
    numbers,
    plain_faces,
    posterior_means,
    repeated,
    representatives,
    seen,
    styled,
    words,
)

STYLES = 3
JOINT_FACES = 4
TRANSFER_FACES = 6
EXPRESSION_FACES = 2


def draw_joint(name: str, context: Context) -> list[Path]:
    """Faces given two labels at once, each in three styles (Figures 5 and 7).

    A style is the centre of a cluster of the posterior means over the validation faces with the label.
    """
    method = styled(context, name, 2)
    if method is None or len(method.labels) != 2:
        return []
    data, judge = context.data(name), context.judge(name)
    batch = plain_faces(data, method.labels, JOINT_FACES)
    styles = [centres for label in method.labels if (centres := _validation_styles(method, data, label)) is not None]
    if not len(batch.row) or len(styles) != 2:
        return []
    first, second = method.labels
    # Letters for the styles of the first label, numbers for those of the second.
    pairs = [("abc"[i] + str(j + 1), a, b) for i, a in enumerate(styles[0]) for j, b in enumerate(styles[1])]
    columns = [batch.images, method.reconstruct(batch.images, batch.attributes)]
    table: list[list[Any]] = []
    for pair, a, b in pairs:
        images = give(method, batch, {first: a, second: b})
        columns.append(images)
        judged = zip(batch.row, seen(judge, first, images), seen(judge, second, images), strict=True)
        table += [[int(row), pair, *numbers(a), *numbers(b), *probabilities] for row, *probabilities in judged]
    path = context.folder / "joint.png"
    rows = dict(zip(_face_names(len(batch.row)), torch.stack(columns, 1), strict=True))
    title = f"{name}: {words(first)} of styles a to c with {words(second)} of styles 1 to 3"
    grid(path, rows, ["face", "reconstruction", *(pair for pair, _, _ in pairs)], title)
    shrink(path)
    points = [f"{label} {w}" for label in method.labels for w in ("w1", "w2")]
    judges = [f"judge on {label}" for label in method.labels]
    write_table(path.with_suffix(".csv"), ["test row", "styles", *points, *judges], table)
    return [path]


def _validation_styles(method: Styled, data: FaceDataModule, label: str) -> Tensor | None:
    """Three points (3, 2) of the subspace of a label; None if no validation face has it."""
    faces = data.splits["validation"]
    faces = faces[method.spec.binary(faces.attributes)[:, method.spec.position(label)]]
    return representatives(posterior_means(method, faces)[f"w_{label}"], STYLES) if len(faces) else None


def _face_names(count: int) -> list[str]:
    return [f"face {i + 1}" for i in range(count)]


def draw_identity_transfer(names: list[str], context: Context) -> list[Path]:
    """Styles of three test faces with a label, each on six test faces without it; a picture for each method (Figure 6)."""
    paths: list[Path] = []
    for name in names:
        method = styled(context, name, 2)
        if method is not None:
            for label in method.labels:
                paths += _transferred(method, name, label, context)
    return paths


def _transferred(method: Styled, name: str, label: str, context: Context) -> list[Path]:
    data, judge = context.data(name), context.judge(name)
    models, points = _models(method, data, label)
    batch = plain_faces(data, method.labels, TRANSFER_FACES + STYLES)
    others = ~torch.isin(batch.identity, models.identity)
    batch = Batch(*(part[others][:TRANSFER_FACES] for part in batch))
    if not len(models.row) or not len(batch.row):
        return []
    drawn = {"face": torch.cat([torch.ones_like(models.images[:1]), batch.images])}
    table: list[list[Any]] = []
    for number, (image, row, point) in enumerate(zip(models.images, models.row, points, strict=True), 1):
        images = give(method, batch, {label: point})
        drawn[f"style {number}"] = torch.cat([image[None], images])
        table += [
            [int(to), int(row), *numbers(point), probability]
            for to, probability in zip(batch.row, seen(judge, label, images), strict=True)
        ]
    path = context.folder / (
        f"identity_transfer_{name}.png" if len(method.labels) == 1 else f"identity_transfer_{name}_{label.lower()}.png"
    )
    grid(path, drawn, title=f"{name}: {words(label)} of the faces at the left put on others")
    shrink(path)
    write_table(path.with_suffix(".csv"), ["test row", "style of test row", "w1", "w2", f"judge on {label}"], table)
    return [path]


def _models(method: Styled, data: FaceDataModule, label: str) -> tuple[Batch, Tensor]:
    """Test faces with the label that are nearest to the centres of its three clusters, and their points of its subspace."""
    faces = data.splits["test"]
    faces = faces[method.spec.binary(faces.attributes)[:, method.spec.position(label)]]
    if not len(faces):
        return batch_of(faces), torch.zeros(0, 2)
    points = posterior_means(method, faces)[f"w_{label}"]
    nearest = torch.cdist(representatives(points, STYLES), points).argmin(1)
    return batch_of(faces[nearest]), points[nearest]


def draw_expressions(names: list[str], context: Context) -> list[Path]:
    """Faces given each label in turn, a column a method, in the method's own style of each label (Figure 10)."""
    methods = {name: method for name in names if (method := styled(context, name))}
    if not methods:
        return []
    name, first = next(iter(methods.items()))
    batch, judge = plain_faces(context.data(name), first.labels, EXPRESSION_FACES), context.judge(name)
    if not len(batch.row):
        return []
    edits = {
        label: edit for label, edit in settle_edits(None, first.spec, first.labels).items() if label in first.labels
    }
    # Face by face, and of each face method by method.
    rows = {
        "face": [repeated(batch, len(methods)).images],
        "reconstruction": [],
        **{words(label): [] for label in edits},
    }
    table: list[list[Any]] = []
    for name, method in methods.items():
        rows["reconstruction"].append(method.reconstruct(batch.images, batch.attributes))
        for label, edit in edits.items():
            own = edit.with_strength(strength_of(context, name, label))
            images = own.made(method, batch.images, batch.attributes, method.spec)
            rows[words(label)].append(images)
            table += [[name, int(r), label, p] for r, p in zip(batch.row, seen(judge, label, images), strict=True)]
    pictures = {row: torch.stack(parts, 1).flatten(0, 1) for row, parts in rows.items()}
    path = context.folder / "expressions.png"
    grid(path, pictures, list(methods) * len(batch.row), "expressions given to held-out faces")
    shrink(path)
    write_table(path.with_suffix(".csv"), ["method", "test row", "expression", "judge on the expression"], table)
    return [path]
