"""Attributes changed in a photograph."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from lit_faces.data.batch import Others
from lit_faces.editing.changes import editable, edited
from lit_faces.errors import UserError
from lit_faces.images import to_rgb
from lit_faces.methods.base import Method
from lit_faces.photographs.blending import blend
from lit_faces.photographs.framing import Box, cut


def check_editable(method: Method) -> None:
    """Errors: UserError for a method that cannot edit, and for one of data that are no square pictures."""
    editable(method)
    _, height, width = method.spec.image_shape
    if height != width or height == 1:
        raise UserError(
            f"this {type(method).__name__} is of {method.spec.name}, of {width} x {height} pixels: use one of square "
            "pictures of faces"
        )


@torch.inference_mode()
def edit_photograph(
    method: Method, photograph: Image.Image, part: Box, amounts: Mapping[str, float], others: Others = "kept"
) -> Image.Image:
    """The RGB photograph with a face changed by `amounts`, `others` as `edited` has them; size and colour profile stay.

    `part` of the photograph is what the method takes for a picture like those that it was trained on: the `region`
    around the box of a face, or `middle` where the photograph is itself such a picture.
    Errors: UserError for a method that cannot edit and for an attribute that it cannot change.
    """
    picture = face_of(method, photograph, part)
    before, after = (_pixels(edited(method, picture, amounts, strength, others=others)) for strength in (0.0, 1.0))
    return blend(photograph, part, before, after)


def face_of(method: Method, photograph: Image.Image, part: Box) -> Tensor:
    """A part of an RGB photograph as an image (1, C, H, W) in [0, 1] of the size that the method was trained on."""
    channels, height, _ = method.spec.image_shape
    pixels = cut(photograph, part, height)
    if channels == 1:
        pixels = np.asarray(Image.fromarray(pixels).convert("L"))[..., None]
    return torch.tensor(pixels).permute(2, 0, 1)[None].to(method.device).float() / 255


def _pixels(images: Tensor) -> NDArray[np.float32]:
    """The first of images (B, C, H, W) as (H, W, 3)."""
    return np.ascontiguousarray(to_rgb(images)[0].permute(1, 2, 0).float().cpu().numpy())
