"""How figures are drawn and kept: grids of labelled pictures, each figure with its data in a CSV beside it."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from PIL import Image
from torch import Tensor

from lit_faces.files import replacing
from lit_faces.images import to_rgb

mpl.use("Agg")
from matplotlib import pyplot as plt

# What a figure of the documentation may have, in bytes.
LIMIT = 290_000


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
    shrink(path)


def shrink(path: Path, limit: int = LIMIT) -> None:
    """Write a PNG of more than `limit` bytes again with as many of 256 colours as keep it below, if there are."""
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    for colours in (256, 128, 64, 32):
        if path.stat().st_size <= limit:
            return
        with replacing(path) as temporary:
            few = picture.quantize(palette=_palette(picture, colours), dither=Image.Dither.NONE)
            few.save(temporary, format="PNG", optimize=True)


def _palette(picture: Image.Image, colours: int) -> Image.Image:
    """Mostly the common colours of a picture, and some rare ones, such as those of a few small points; white stays white."""
    rare = colours // 8
    values: list[int] = []
    for count, method in ((colours - rare, Image.Quantize.MEDIANCUT), (rare, Image.Quantize.MAXCOVERAGE)):
        values += (picture.quantize(count, method).getpalette() or [])[: 3 * count]
    holder = Image.new("P", (1, 1))
    holder.putpalette([255 if value >= 248 else value for value in values])
    return holder
