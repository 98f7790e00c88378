"""How figures are drawn and kept: sheets of labelled pictures, each figure with its data in a CSV beside it."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from lit_faces.files import replacing
from lit_faces.images import to_pil

mpl.use("Agg")
from matplotlib import pyplot as plt

# What a figure of the documentation may have, in bytes.
LIMIT = 290_000
# Pixels: between two pictures, of a line of text, and the widest sheet whose pictures are enlarged.
_GAP, _LINE, _WIDEST = 4, 19, 1100
_BLACK, _GREY, _WHITE = (34, 34, 34), (110, 110, 110), (255, 255, 255)


def write_table(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write a CSV, whole or not at all."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def save(figure: Any, path: Path) -> None:
    """Write a figure of matplotlib as PNG, whole or not at all, and close it."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=64, bbox_inches="tight")
    plt.close(figure)


@dataclass(frozen=True)
class Frame:
    """Where the pictures of a sheet lie, in pixels: the first one's corner, their size, and the size of the sheet."""

    left: int
    top: int
    tile: tuple[int, int]
    size: tuple[int, int]

    def corner(self, row: int, column: int) -> tuple[int, int]:
        """Left upper corner of a picture."""
        return self.left + column * (self.tile[0] + _GAP), self.top + row * (self.tile[1] + _GAP)


def grid(path: Path, rows: dict[str, Tensor], columns: Sequence[str] = (), title: str = "") -> None:
    """Draw labelled rows of images (N, 1, H, W) or (N, 3, H, W) in [0, 1], enlarged if there is room."""
    count = max(len(images) for images in rows.values())
    height, width = next(iter(rows.values())).shape[-2:]
    scale = max(1, min(_WIDEST // (count * width), -(-100 // width)))
    tile = (scale * width, scale * height)
    pictures = {
        label: [to_pil(image).resize(tile, Image.Resampling.NEAREST) for image in images]
        for label, images in rows.items()
    }
    save_picture(sheet(pictures, tile, columns=columns, title=title)[0], path)


def sheet(
    rows: dict[str, list[Image.Image]],
    tile: tuple[int, int],
    columns: Sequence[str] = (),
    notes: Sequence[str] = (),
    title: str = "",
) -> tuple[Image.Image, Frame]:
    """Labelled rows of pictures of one size `tile`, under the names of the columns and, in grey, a note to each."""
    plain, bold = _font(14), _font(14, bold=True)
    count = max(len(pictures) for pictures in rows.values())
    heads = [_wrapped(name, tile[0] + _GAP, bold) for name in columns]
    lines = max((len(head) for head in heads), default=0)
    left = max(int(plain.getlength(label)) for label in rows) + 10
    top = _LINE * (bool(title) + lines + bool(notes)) + (6 if title or columns else 0)
    width = left + count * (tile[0] + _GAP) - _GAP
    size = (max(width, left + int(plain.getlength(title))), top + len(rows) * (tile[1] + _GAP) - _GAP)
    picture, frame = Image.new("RGB", size, _WHITE), Frame(left, top, tile, size)
    draw = ImageDraw.Draw(picture)
    draw.text((left, 0), title, _BLACK, plain)
    for column in range(count):
        middle = frame.corner(0, column)[0] + tile[0] // 2
        # Names of one line stand next to their pictures, as those of two do.
        head = [(line, _BLACK, bold) for line in (heads[column] if column < len(heads) else ())]
        head += [(notes[column], _GREY, _font(12))] if column < len(notes) else []
        for number, (line, colour, font) in enumerate(reversed(head), 1):
            draw.text((middle, top - 4 - _LINE * number), line, colour, font, anchor="ma")
    for row, (label, pictures) in enumerate(rows.items()):
        down = frame.corner(row, 0)[1]
        draw.text((left - 8, down + tile[1] // 2), label, _BLACK, plain, anchor="rm")
        for column, one in enumerate(pictures):
            picture.paste(one, (frame.corner(row, column)[0], down))
    return picture, frame


def _wrapped(text: str, width: int, font: ImageFont.FreeTypeFont) -> list[str]:
    """A text in lines of at most so many pixels, broken between words."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


@lru_cache(maxsize=8)
def _font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """The font of all figures, which matplotlib brings."""
    return ImageFont.truetype(Path(mpl.get_data_path(), "fonts/ttf", f"DejaVuSans{'-Bold' * bold}.ttf"), size)


def save_picture(picture: Image.Image, path: Path, limit: int = LIMIT) -> None:
    """Write a picture as PNG, whole or not at all; of more than `limit` bytes with as many of 256 colours as keep it below."""
    for colours in (None, 256, 128, 64, 32):
        few = picture if colours is None else _with_colours(picture, colours)
        data = BytesIO()
        few.save(data, format="PNG", compress_level=6 if colours is None else 9)
        if data.tell() <= limit:
            break
    with replacing(path) as temporary:
        temporary.write_bytes(data.getvalue())


def shrink(path: Path, limit: int = LIMIT) -> None:
    """Write a PNG of more than `limit` bytes again with as many of 256 colours as keep it below, if there are."""
    if path.stat().st_size <= limit:
        return
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    save_picture(picture, path, limit)


def _with_colours(picture: Image.Image, colours: int) -> Image.Image:
    return picture.quantize(palette=_palette(picture, colours), dither=Image.Dither.NONE)


def _palette(picture: Image.Image, colours: int) -> Image.Image:
    """Mostly the common colours of a picture, and some rare ones, such as those of a few small points; white stays white."""
    rare = colours // 8
    values: list[int] = []
    for count, method in ((colours - rare, Image.Quantize.MEDIANCUT), (rare, Image.Quantize.MAXCOVERAGE)):
        values += (picture.quantize(count, method).getpalette() or [])[: 3 * count]
    holder = Image.new("P", (1, 1))
    holder.putpalette([255 if value >= 248 else value for value in values])
    return holder
