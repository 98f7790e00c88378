"""How a model's picture lies around a face, and its cut out of a photograph as training cut it."""

from collections.abc import Mapping
from math import ceil, floor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lit_faces.errors import UserError


class Box(NamedTuple):
    """A part of a photograph by its sides, in pixels from the left and the top; it may reach beyond the photograph."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """Pixels from side to side."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Pixels from top to bottom."""
        return self.bottom - self.top


class Frame(NamedTuple):
    """Where the box that `find_faces` finds lies in a model's picture, as fractions of its width and height."""

    left: float
    top: float
    right: float
    bottom: float


# The boxes in whole pictures of the data sets, of which the crop shows a part. LFW's pictures are 2.2 times the width
# and height of the box of its own Viola-Jones detector (Huang et al. 2007, section 5), and `find_faces` finds the same
# (median of 300: 0.276, 0.272, 0.728, 0.724). CelebA's are the median of 300 aligned pictures; half lie within 0.02.
_WHOLE = {
    "LFW": Frame(0.5 - 0.5 / 2.2, 0.5 - 0.5 / 2.2, 0.5 + 0.5 / 2.2, 0.5 + 0.5 / 2.2),
    "CelebA": Frame(0.205, 0.326, 0.798, 0.811),
}


def frame_of(data: str, manifest: Mapping[str, Any]) -> Frame:
    """The frame of the pictures of a data set: `spec.name` and `spec.manifest` of a method.

    Errors: UserError for a data set of whose pictures it is not known where the faces are.
    """
    if data in _WHOLE and "crop" in manifest:
        whole, crop = _WHOLE[data], manifest["crop"]
        width, height = crop["right"] - crop["left"], crop["bottom"] - crop["top"]
        return Frame(
            (whole.left - crop["left"]) / width,
            (whole.top - crop["top"]) / height,
            (whole.right - crop["left"]) / width,
            (whole.bottom - crop["top"]) / height,
        )
    if data not in _WHOLE and manifest.get("frame"):
        return Frame(*manifest["frame"])
    raise UserError(
        f"how {data} cuts a photograph around a face is not known: cut out the face yourself, as the pictures that the "
        "model was trained on are cut, and say --align none"
    )


def region(box: Box, frame: Frame) -> Box:
    """The part of the photograph that a model's picture shows, from the `box` of a face in pixels."""
    width, height = box.width / (frame.right - frame.left), box.height / (frame.bottom - frame.top)
    left, top = box.left - frame.left * width, box.top - frame.top * height
    return Box(left, top, left + width, top + height)


def middle(photograph: Image.Image) -> Box:
    """The largest square in the middle of a photograph."""
    width, height = photograph.size
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    return Box(left, top, left + side, top + side)


def cut(photograph: Image.Image, part: Box, size: int) -> NDArray[np.uint8]:
    """A part of an RGB photograph, (size, size, 3), bilinear and antialiased, as training cuts.

    Beyond the photograph its edge is repeated.
    """
    # The pixels beyond the part that the scaling mixes in.
    margin = ceil(max(part.width, part.height) / size) + 1
    left, top = floor(part.left) - margin, floor(part.top) - margin
    columns = np.arange(left, ceil(part.right) + margin).clip(0, photograph.width - 1)
    rows = np.arange(top, ceil(part.bottom) + margin).clip(0, photograph.height - 1)
    around = Image.fromarray(np.asarray(photograph)[rows[:, None], columns])
    box = (part.left - left, part.top - top, part.right - left, part.bottom - top)
    return np.asarray(around.resize((size, size), Image.Resampling.BILINEAR, box=box))
