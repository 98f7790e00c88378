"""Figures of the styles of a label: the points of its subspace, where faces lie in it, and what they look like."""

from pathlib import Path
from typing import Any

import torch
from matplotlib import pyplot as plt
from torch import Tensor

from lit_faces.data.batch import Batch
from lit_faces.studies.figures.context import Context
from lit_faces.studies.figures.drawing import save, write_table
from lit_faces.studies.figures.panels import (
    Styled,
    give,
    mosaic,
    numbers,
    plain_faces,
    posterior_means,
    repeated,
    scatter,
    seen,
    shrink,
    styled,
    words,
)

FACES = 2
# The grid is centred where the prior has the faces with the label, and two of its standard deviations wide on either side.
LINE = (1.0, 2.0, 3.0, 4.0, 5.0)
# Strengths of a label (section 5.2 of the CSVAE paper: uniform in [0, 3]).
STRENGTHS = (0.0, 0.75, 1.5, 2.25, 3.0)
_CELLS = len(LINE)


def draw_styles(pairs: dict[str, str | None], context: Context) -> list[Path]:
    """Faces given a label at points of its subspace, and beside them where the test faces lie in it (Figures 3, 4, 8, 9).

    `pairs` says which other method is shown too, with the label at strengths from 0 to 3. One picture a label.
    """
    paths: list[Path] = []
    for name, other in pairs.items():
        method = styled(context, name, 2)
        if method is not None:
            for label in method.labels:
                paths += _styles(method, name, other, label, context)
    return paths


def _styles(method: Styled, name: str, other: str | None, label: str, context: Context) -> list[Path]:
    judge, data, rival = context.judge(name), context.data(name), styled(context, other, 1)
    batch = plain_faces(data, method.labels, FACES)
    if not len(batch.row):
        return []
    # From the top left to the bottom right, as the pictures lie.
    points = torch.tensor([[across, up] for up in reversed(LINE) for across in LINE])
    changed = give(method, repeated(batch, len(points)), {label: points.repeat(len(batch.row), 1)})
    table = _drawn_rows(name, batch, points, seen(judge, label, changed))
    strong = None
    if rival is not None and label in rival.labels:
        strengths = torch.tensor(STRENGTHS)[:, None]
        strong = give(rival, repeated(batch, len(strengths)), {label: strengths.repeat(len(batch.row), 1)})
        table += _drawn_rows(str(other), batch, strengths, seen(judge, label, strong))
    faces = data.splits["test"]
    means = posterior_means(method, faces)[f"w_{label}"]
    holds = method.spec.binary(faces.attributes)[:, method.spec.position(label)]

    path = context.folder / (f"styles_{name}.png" if len(method.labels) == 1 else f"styles_{name}_{label.lower()}.png")
    again = method.reconstruct(batch.images, batch.attributes)
    _draw(path, name, other, label, torch.stack([batch.images, again], 1), strong, changed, (means, holds, points))
    table += [
        ["posterior mean", int(row), int(on), *numbers(mean), ""]
        for row, on, mean in zip(faces.index, holds, means, strict=True)
    ]
    header = ["what", "test row", f"has {label}", "w1 or strength", "w2", f"judge on {label}"]
    write_table(path.with_suffix(".csv"), header, table)
    return [path]


def _drawn_rows(what: str, batch: Batch, styles: Tensor, judged: list[float | str]) -> list[list[Any]]:
    """A table's rows for faces drawn by a method, each face with all the styles (P, D)."""
    pairs = [(int(row), numbers(style)) for row in batch.row for style in styles]
    return [
        [what, row, 0, *style, *[""] * (2 - len(style)), probability]
        for (row, style), probability in zip(pairs, judged, strict=True)
    ]


def _draw(
    path: Path,
    name: str,
    other: str | None,
    label: str,
    faces: Tensor,
    strong: Tensor | None,
    changed: Tensor,
    plane: tuple[Tensor, Tensor, Tensor],
) -> None:
    """One block a face: the face and its reconstruction, the other method's strengths, the grid; then the plane."""
    count = len(faces)
    heights = [1.0, *([1.0] if strong is not None else []), float(_CELLS)]
    figure = plt.figure(figsize=(0.95 * _CELLS * (count + 1) + 1.8, 0.95 * sum(heights) + 1.5))
    parts = figure.add_gridspec(
        len(heights),
        count + 1,
        height_ratios=heights,
        left=0.04,
        right=0.99,
        top=0.94,
        bottom=0.08,
        wspace=0.14,
        hspace=0.3,
    )
    for block in range(count):
        cells = torch.ones(_CELLS, *faces.shape[2:])
        cells[:2] = faces[block]
        axis = figure.add_subplot(parts[0, block])
        axis.imshow(mosaic(cells, _CELLS), extent=(0.5, _CELLS + 0.5, 0, 1))
        axis.set_xticks([1, 2], ["face", "reconstruction"], fontsize=9)
        _bare(axis)
        if strong is not None:
            axis = figure.add_subplot(parts[1, block])
            axis.imshow(mosaic(strong.view(count, _CELLS, *faces.shape[2:])[block], _CELLS), extent=(0.5, 5.5, 0, 1))
            axis.set_xticks(range(1, _CELLS + 1), [f"{p:g}" for p in STRENGTHS], fontsize=8)
            axis.set_title(f"{other}: {words(label)} at strength p", fontsize=9, pad=3)
            _bare(axis)
        axis = figure.add_subplot(parts[-1, block])
        half = (LINE[1] - LINE[0]) / 2
        low, high = LINE[0] - half, LINE[-1] + half
        grid = changed.view(count, _CELLS**2, *faces.shape[2:])[block]
        axis.imshow(mosaic(grid, _CELLS), extent=(low, high, low, high))
        axis.set(xticks=LINE, yticks=LINE, xlabel="w1", ylabel="w2")
        axis.tick_params(labelsize=8, length=0)
        axis.set_title(f"{name}: {words(label)} at points of its subspace", fontsize=9, pad=3)
        axis.spines[:].set_visible(False)
    _draw_plane(figure.add_subplot(parts[-1, count]), words(label), *plane)
    save(figure, path)
    shrink(path)


def _draw_plane(axis: Any, label: str, means: Tensor, holds: Tensor, points: Tensor) -> None:
    """Posterior means of a subspace (N, 2), and the points of the grid."""
    scatter(axis, means, holds, f"without {label}", f"with {label}")
    axis.scatter(points[:, 0], points[:, 1], s=40, marker="+", c="black", linewidths=1, label="the grid's points")
    axis.set(xlabel="w1", ylabel="w2")
    axis.tick_params(labelsize=8)
    axis.set_title("posterior means of the test faces", fontsize=9, pad=3)
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.06), fontsize=9, markerscale=1.5)


def _bare(axis: Any) -> None:
    axis.set_yticks([])
    axis.tick_params(length=0, pad=1)
    axis.spines[:].set_visible(False)


def draw_subspaces(name: str, context: Context) -> list[Path]:
    """Posterior means of the test faces in the subspace of each label (Figure 11)."""
    method = styled(context, name, 2)
    if method is None:
        return []
    faces = context.data(name).splits["test"]
    codes, truth = posterior_means(method, faces), method.spec.binary(faces.attributes)
    across = min(3, len(method.labels))
    down = -(-len(method.labels) // across)
    figure, axes = plt.subplots(
        down, across, figsize=(3.6 * across, 3.4 * down), squeeze=False, layout="constrained", sharex=True, sharey=True
    )
    table: list[list[Any]] = []
    for axis in axes.flat[len(method.labels) :]:
        axis.set_axis_off()
    for axis, label in zip(axes.flat, method.labels, strict=False):
        means, holds = codes[f"w_{label}"], truth[:, method.spec.position(label)]
        scatter(axis, means, holds, "without it", "with it")
        axis.set_title(words(label), fontsize=10)
        axis.set(xlabel="w1", ylabel="w2")
        axis.label_outer()
        axis.tick_params(labelsize=8)
        table += [
            [label, int(row), int(on), *numbers(mean)] for row, on, mean in zip(faces.index, holds, means, strict=True)
        ]
    axes[0, 0].legend(fontsize=9, markerscale=3)
    path = context.folder / "subspaces.png"
    save(figure, path)
    shrink(path)
    write_table(path.with_suffix(".csv"), ["subspace", "test row", "has the label", "w1", "w2"], table)
    return [path]
