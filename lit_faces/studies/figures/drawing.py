"""How figures are drawn and kept: grids of labelled pictures, each figure with its data in a CSV beside it."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from torch import Tensor

from lit_faces.files import replacing
from lit_faces.images import to_rgb

mpl.use("Agg")
from matplotlib import pyplot as plt


def write_table(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write a CSV, whole or not at all."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def save(figure: Any, path: Path) -> None:
    """Write a figure as PNG, whole or not at all, and close it."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=64, bbox_inches="tight", pil_kwargs={"optimize": True})
    plt.close(figure)


def grid(path: Path, rows: dict[str, Tensor], columns: Sequence[str] = (), title: str = "") -> None:
    """Draw labelled rows of images (N, 1, H, W) or (N, 3, H, W) in [0, 1]."""
    count = max(len(images) for images in rows.values())
    # Room for the title and the columns' names, in inches, whatever the number of rows.
    head, height = 0.3 * bool(title) + 0.25 * bool(columns) + 0.05, 1.15 * len(rows)
    figure, axes = plt.subplots(len(rows), count, figsize=(1.15 * count + 1.4, height + head), squeeze=False)
    figure.subplots_adjust(wspace=0.05, hspace=0.05, bottom=0, top=height / (height + head))
    for line, (label, images) in zip(axes, rows.items(), strict=True):
        for axis in line:
            axis.set_axis_off()
        for axis, image in zip(line, images, strict=False):
            axis.imshow(to_rgb(image).permute(1, 2, 0).clamp(0, 1).numpy(), interpolation="nearest")
        line[0].text(-0.08, 0.5, label, transform=line[0].transAxes, ha="right", va="center", fontsize=9)
    for axis, column in zip(axes[0], columns, strict=False):
        axis.set_title(column, fontsize=9)
    if title:
        figure.suptitle(title, fontsize=10, y=1, va="top")
    save(figure, path)
