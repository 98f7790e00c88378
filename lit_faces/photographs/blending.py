"""An edited face of a model's size put back into the photograph that it was cut out of."""

from math import ceil, floor
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lit_faces.photographs.framing import Box

Pixels = NDArray[np.float32]

# The largest change of a pixel, in units of its range, that keeps the photograph's own details whole, and the smallest
# that takes them away: chosen by eye on photographs of LFW.
_KEPT, _LOST = 0.1, 0.3
# How wide the border is over which the change begins, as a fraction of the model's picture.
_BORDER = 0.15


def blend(photograph: Image.Image, part: Box, before: Pixels, after: Pixels) -> Image.Image:
    """The RGB photograph with the change from `before` to `after` in a part of it; no pixel outside the part changes.

    `before` and `after` (H, W, 3) in [0, 1] are what a model makes of that part, unedited and edited. With k from 1,
    where they hardly differ, to 0, where they differ much, the part becomes after + k (photograph - before): details
    that the model cannot draw stay, but for what the edit covers or takes away. The change sets in gradually where the
    part ends inside the photograph.
    """
    inside = (
        max(ceil(part.left), 0),
        max(ceil(part.top), 0),
        min(floor(part.right), photograph.width),
        min(floor(part.bottom), photograph.height),
    )
    result = photograph.copy()
    if inside[0] >= inside[2] or inside[1] >= inside[3]:
        return result
    difference = after - before
    original = np.asarray(photograph.crop(inside), np.float32) / 255
    kept, change, seen = (_laid(pixels, part, inside) for pixels in (_kept(difference), difference, before))
    edited = original + change - (1 - kept) * (original - seen)
    mixed = original + _mask(photograph, part, inside) * (edited - original)
    result.paste(Image.fromarray((mixed.clip(0, 1) * 255).round().astype(np.uint8)), inside[:2])
    return result


def _kept(difference: Pixels) -> Pixels:
    """How much of the photograph's details stay, (H, W, 1) from 0 to 1, smooth over a few of the model's pixels."""
    height, width = difference.shape[:2]
    largest = np.abs(difference).max(2)
    around = cv2.GaussianBlur(cv2.dilate(largest, np.ones((3, 3), np.uint8)), (0, 0), max(height, width) / 64)
    lost = ((around - _KEPT) / (_LOST - _KEPT)).clip(0, 1)
    return np.asarray(1 - _smooth(lost), np.float32)[..., None]


def _laid(pixels: Pixels, part: Box, inside: tuple[int, int, int, int]) -> Pixels:
    """Pixels (H, W, C) of the part, scaled to the photograph's where the part covers it."""
    height, width, channels = pixels.shape
    x_scale, y_scale = width / part.width, height / part.height
    box = (
        (inside[0] - part.left) * x_scale,
        (inside[1] - part.top) * y_scale,
        min((inside[2] - part.left) * x_scale, width),
        min((inside[3] - part.top) * y_scale, height),
    )
    size = inside[2] - inside[0], inside[3] - inside[1]
    planes = [
        np.asarray(Image.fromarray(pixels[..., channel]).resize(size, Image.Resampling.BICUBIC, box=box))
        for channel in range(channels)
    ]
    return np.stack(planes, 2)


def _mask(photograph: Image.Image, part: Box, inside: tuple[int, int, int, int]) -> Pixels:
    """How much of the change shows, (h, w, 1): 0 at the part's sides that lie inside the photograph, 1 further in."""
    columns = _ramp(np.arange(inside[0], inside[2]) + 0.5, part.left, part.right, photograph.width)
    rows = _ramp(np.arange(inside[1], inside[3]) + 0.5, part.top, part.bottom, photograph.height)
    return np.asarray(rows[:, None] * columns, np.float32)[..., None]


def _ramp(positions: NDArray[Any], start: float, end: float, length: int) -> NDArray[Any]:
    border = _BORDER * (end - start)
    # At the photograph's own sides there is no seam to hide.
    from_start = (positions - start) / border if start > 0 else np.ones_like(positions)
    from_end = (end - positions) / border if end < length else np.ones_like(positions)
    ramp = np.minimum(from_start, from_end).clip(0, 1)
    return _smooth(ramp)


def _smooth(ramp: NDArray[Any]) -> NDArray[Any]:
    """A ramp from 0 to 1 without its corners."""
    return np.asarray(ramp * ramp * (3 - 2 * ramp))
