"""Figures of one label switched on and off in held-out faces by several methods."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from matplotlib import pyplot as plt
from torch import Tensor

from lit_faces.callbacks.attribute_edits import Edit
from lit_faces.data.batch import Batch, DataSpec
from lit_faces.methods.capabilities import Edits, Labelled, Reconstructs
from lit_faces.studies.figures.context import Context
from lit_faces.studies.figures.drawing import save, shrink, write_table
from lit_faces.studies.figures.faces import faces_lacking, strength_of, stronger
from lit_faces.studies.figures.panels import mosaic, seen, words

FACES = 8
# Inches of a picture, by which 64 pixels and their gap stay as many in the file, and of a block's name.
_CELL, _HEAD = 66 / 64, 0.3


@runtime_checkable
class Switcher(Edits, Reconstructs, Labelled, Protocol):
    """Edits its labels in faces that it can encode and decode."""

    spec: DataSpec


@dataclass(frozen=True)
class _Block:
    """Rows of images (N, C, H, W) of the same N faces, by what they show, under the name of the run that made them."""

    run: str
    rows: dict[str, Tensor]


def draw_switched(described: dict[str, list[str]], context: Context) -> list[Path]:
    """Held-out faces with a label, and the same faces decoded with and without it (IFcVAE-GAN's Figures 3 to 6).

    `described` has the runs of each figure; those with a label in common share a picture.
    """
    return [path for name, runs in described.items() for path in _figure(name, runs, context)]


def _figure(name: str, runs: list[str], context: Context) -> list[Path]:
    methods: dict[str, object] = {run: context.methods[run] for run in runs if run in context.methods}
    by_label: dict[str, dict[str, Switcher]] = {}
    for run, method in methods.items():
        if isinstance(method, Switcher):
            for label in method.labels:
                by_label.setdefault(label, {})[run] = method
    paths = []
    for label, switchers in by_label.items():
        stem = name if len(by_label) == 1 else f"{name}_{words(label).replace(' ', '_')}"
        batch = faces_lacking(context.data(next(iter(switchers))), [Edit(reset=(label,))], FACES)
        if len(batch.row):
            paths.append(_picture(context.folder / f"{stem}.png", label, switchers, batch, context))
    return paths


def _picture(path: Path, label: str, switchers: dict[str, Switcher], batch: Batch, context: Context) -> Path:
    blocks = [_Block("", {"original": batch.images})]
    blocks += [
        _Block(run, _decoded(method, label, strength_of(context, run, f"No {label}"), batch))
        for run, method in switchers.items()
    ]
    _draw(path, blocks)
    table: list[list[Any]] = []
    judge = context.judge(next(iter(switchers)))
    for block in blocks:
        for what, images in block.rows.items():
            judged = zip(batch.row, seen(judge, label, images), strict=True)
            table += [[block.run, what, int(row), probability] for row, probability in judged]
    write_table(path.with_suffix(".csv"), ["run", "picture", "test row", f"judge on {label}"], table)
    return path


def _decoded(method: Switcher, label: str, off: float, batch: Batch) -> dict[str, Tensor]:
    """The faces, which have the label, decoded as they are, with the label, and without it, as strongly as `off` says."""
    edits = {
        words(label): Edit(set=(label,)),
        stronger(f"not {words(label)}", off): Edit(reset=(label,), strength=off),
    }
    made = {what: edit.made(method, batch.images, batch.attributes, method.spec) for what, edit in edits.items()}
    return {"reconstruction": method.reconstruct(batch.images, batch.attributes), **made}


def _draw(path: Path, blocks: list[_Block]) -> None:
    """One block below the other, a column a face."""
    columns, lines = len(blocks[0].rows["original"]), sum(len(block.rows) for block in blocks)
    height = _CELL * lines + _HEAD * len(blocks)
    figure = plt.figure(figsize=(_CELL * columns, height))
    top = height
    for block in blocks:
        top -= _HEAD
        below = top - _CELL * len(block.rows)
        axis = figure.add_axes((0, below / height, 1, (top - below) / height))
        sheet = mosaic(torch.cat([*block.rows.values()]), columns)
        axis.imshow(sheet, extent=(0, columns, len(block.rows), 0), interpolation="nearest", aspect="auto")
        axis.set_yticks([line + 0.5 for line in range(len(block.rows))], list(block.rows), fontsize=10)
        axis.set_xticks([])
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
        axis.set_title(block.run, fontsize=10, fontweight="bold", loc="left", pad=3)
        top = below
    save(figure, path)
    shrink(path)
