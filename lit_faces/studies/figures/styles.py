"""Figures of the styles of a label: the points of its subspace, where faces lie in it, and what they look like."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from matplotlib import pyplot as plt
from torch import Tensor

from lit_faces.data.batch import Batch
from lit_faces.studies.figures.context import Context
from lit_faces.studies.figures.drawing import save, shrink, write_table
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
    styled,
    words,
)

FACES = 2
# The paper's grid is centred where the prior has the faces with the label, two of its standard deviations wide on either side.
LINE = (1.0, 2.0, 3.0, 4.0, 5.0)
# Strengths of a label, as in the caption of the CSVAE paper's Figure 3: from 0 to 3.
STRENGTHS = (0.0, 0.75, 1.5, 2.25, 3.0)
# What part of the posterior means the second grid spans, in each axis.
_SPAN = (0.05, 0.95)
_CELLS = len(LINE)
_MOST_CANDIDATES = 30


@dataclass(frozen=True)
class Panel:
    """Faces given a label by one method in the same P `styles` (P, D): `images` (F, P, C, H, W), to be laid in lines of five.

    `what` is said of it in the table; `across` and `up`, if there are any, are what to write along the axes.
    """

    what: str
    title: str
    styles: Tensor
    images: Tensor
    across: Sequence[float] = ()
    up: Sequence[float] = ()

    @property
    def lines(self) -> int:
        """How many lines of pictures a face has."""
        return -(-len(self.styles) // _CELLS)


def draw_styles(others: dict[str, list[str]], context: Context) -> list[Path]:
    """Faces given a label at points of its subspace, and beside them where the test faces lie in it (Figures 3, 4, 8, 9).

    `others` says which other methods are shown too, with the label at strengths from 0 to 3. One picture a label.
    """
    paths: list[Path] = []
    for name, rivals in others.items():
        method = styled(context, name)
        if method is not None and method.style_dim:
            for label in method.labels:
                paths += _styles(method, name, rivals, label, context)
    return paths


def _styles(method: Styled, name: str, rivals: list[str], label: str, context: Context) -> list[Path]:
    judge, data = context.judge(name), context.data(name)
    batch = plain_faces(data, method.labels, FACES)
    if not len(batch.row):
        return []
    faces = data.splits["test"]
    means = posterior_means(method, faces).get(f"w_{label}", torch.zeros(len(faces), 0))
    holds = method.spec.binary(faces.attributes)[:, method.spec.position(label)]
    panels = []
    for other in rivals:
        rival = styled(context, other, 1)
        if rival is not None and label in rival.labels:
            title = f"{other}: {words(label)} at strength p"
            panels.append(_panel(rival, batch, label, other, title, torch.tensor(STRENGTHS)[:, None], STRENGTHS))
    own = _own_panels(method, name, label, batch, means[holds])

    path = context.folder / (f"styles_{name}.png" if len(method.labels) == 1 else f"styles_{name}_{label.lower()}.png")
    again = method.reconstruct(batch.images, batch.attributes)
    _draw(path, label, torch.stack([batch.images, again], 1), panels, own, (means, holds))
    size = max(2, method.style_dim)
    table: list[list[Any]] = []
    for panel in (*panels, *own):
        pairs = [(int(row), numbers(style)) for row in batch.row for style in panel.styles]
        judged = seen(judge, label, panel.images.flatten(0, 1))
        table += [_line(panel.what, row, 0, style, size, p) for (row, style), p in zip(pairs, judged, strict=True)]
    table += [
        _line("posterior mean", int(row), int(on), numbers(mean), size, "")
        for row, on, mean in zip(faces.index, holds, means, strict=True)
        if len(mean)
    ]
    points = ["w1 or strength", *(f"w{number}" for number in range(2, size + 1))]
    write_table(path.with_suffix(".csv"), ["what", "test row", f"has {label}", *points, f"judge on {label}"], table)
    return [path]


def _line(what: str, row: int, on: int, style: list[float], size: int, judged: float | str) -> list[Any]:
    return [what, row, on, *style, *[""] * (size - len(style)), judged]


def _own_panels(method: Styled, name: str, label: str, batch: Batch, means: Tensor) -> list[Panel]:
    """In a plane a grid where the prior has the label and one where the posterior means (N, D) have it, else the candidates."""
    if method.style_dim != 2 or method.search == "principal":
        candidates = method.candidate_styles()[:, method.labels.index(label)].cpu()
        shown = torch.linspace(0, len(candidates) - 1, min(len(candidates), _MOST_CANDIDATES)).round().long()
        title = f"{name}: {words(label)} in the styles that are searched"
        return [_panel(method, batch, label, f"{name}, candidates", title, candidates[shown])]
    title = f"{name}: {words(label)} at points around the prior's mean"
    panels = [_panel(method, batch, label, f"{name}, prior", title, _plane_grid(LINE, LINE), LINE, LINE)]
    if len(means) > 1:
        low, high = torch.quantile(means, torch.tensor(_SPAN), dim=0)
        across, up = (numbers(torch.linspace(float(a), float(b), _CELLS)) for a, b in zip(low, high, strict=True))
        title = f"{name}: {words(label)} over the range of the posterior means"
        points = _plane_grid(across, up)
        panels.append(_panel(method, batch, label, f"{name}, posterior", title, points, across, up))
    return panels


def _plane_grid(across: Sequence[float], up: Sequence[float]) -> Tensor:
    """Points (25, 2) from the top left to the bottom right, as the pictures lie."""
    return torch.tensor([[x, y] for y in reversed(up) for x in across])


def _panel(
    method: Styled,
    batch: Batch,
    label: str,
    what: str,
    title: str,
    styles: Tensor,
    across: Sequence[float] = (),
    up: Sequence[float] = (),
) -> Panel:
    images = give(method, repeated(batch, len(styles)), {label: styles.repeat(len(batch.row), 1)})
    return Panel(what, title, styles, images.view(len(batch.row), len(styles), *images.shape[1:]), across, up)


def _draw(
    path: Path, label: str, faces: Tensor, others: list[Panel], own: list[Panel], codes: tuple[Tensor, Tensor]
) -> None:
    """One block a face: the face and its reconstruction, the other methods' strengths, its own styles; then the plane."""
    count, panels, plane = len(faces), [*others, *own], codes[0].shape[1] == 2
    heights = [1, *(panel.lines for panel in panels)]
    figure = plt.figure(figsize=(0.95 * _CELLS * (count + plane) + 1.8, 0.95 * sum(heights) + 0.5 * len(heights) + 0.5))
    parts = figure.add_gridspec(
        len(heights),
        count + plane,
        height_ratios=heights,
        left=0.04,
        right=0.99,
        top=0.97,
        bottom=0.05,
        wspace=0.14,
        hspace=0.5 * len(heights) / sum(heights),
    )
    for block in range(count):
        axis = figure.add_subplot(parts[0, block])
        _lay(axis, faces[block], 1)
        axis.set_xticks([1, 2], ["face", "reconstruction"], fontsize=9)
        for number, panel in enumerate(panels, 1):
            axis = figure.add_subplot(parts[number, block])
            _lay(axis, panel.images[block], panel.lines)
            axis.set_title(panel.title, fontsize=9, pad=3)
            if panel.across:
                axis.set_xticks(range(1, _CELLS + 1), [f"{value:.3g}" for value in panel.across], fontsize=8)
            if panel.up:
                axis.set_yticks(range(1, _CELLS + 1), [f"{value:.3g}" for value in panel.up], fontsize=8)
                axis.set(xlabel="w1", ylabel="w2")
    if plane:
        _draw_plane(figure.add_subplot(parts[len(others) + 1, count]), words(label), *codes, own)
    save(figure, path)
    shrink(path)


def _lay(axis: Any, images: Tensor, lines: int) -> None:
    """Images in lines of five, in cells of one unit, the middle of the one at the bottom left at (1, 1); white where none is."""
    cells = torch.ones(lines * _CELLS, *images.shape[1:])
    cells[: len(images)] = images
    axis.imshow(mosaic(cells, _CELLS), extent=(0.5, _CELLS + 0.5, 0.5, lines + 0.5))
    axis.set(xticks=[], yticks=[])
    axis.tick_params(length=0, pad=1)
    axis.spines[:].set_visible(False)


def _draw_plane(axis: Any, label: str, means: Tensor, holds: Tensor, panels: list[Panel]) -> None:
    """Posterior means of a subspace (N, 2), and the points whose pictures are shown."""
    scatter(axis, means, holds, f"without {label}", f"with {label}")
    for panel, marker in zip(panels, "+x", strict=False):
        kind = panel.what.rpartition(", ")[2]
        axis.scatter(*panel.styles.T, s=40, marker=marker, c="black", linewidths=1, label=f"points shown, {kind}")
    axis.set(xlabel="w1", ylabel="w2")
    axis.tick_params(labelsize=8)
    axis.set_title("posterior means of the test faces", fontsize=9, pad=3)
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.06), fontsize=9, markerscale=1.5)


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
