"""Sums and differences of faces in the codes of a ladder, and the photographs that they are made of."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from lit_faces.errors import UserError
from lit_faces.methods.capabilities import Layered, layers_of
from lit_faces.photographs.reading import open_photograph


def arithmetic(method: Layered, a: Tensor, b: Tensor, c: Tensor, layers: Sequence[str] | None = None) -> Tensor:
    """Images (B, C, H, W) in [0, 1] decoded from z_a - z_b + z_c in some `layers` (all, if None) and z_a in the others.

    The codes are the posterior means of the images `a`, `b` and `c`, each (B, C, H, W) in [0, 1].
    Errors: UserError for a layer that the method does not have.
    Source: MMD-VLAE paper, section 4.
    """
    there = layers_of(method)
    chosen = tuple(there) if layers is None else layers
    for name in chosen:
        if name not in there:
            raise UserError(f"{type(method).__name__} has no layer {name!r}: it has {', '.join(there)}")
    z_a, z_b, z_c = (method.posterior(images).mean for images in (a, b, c))
    z = z_a.clone()
    for name in set(chosen):
        z[:, there[name]] += z_c[:, there[name]] - z_b[:, there[name]]
    return method.decode(z)


def read_photograph(path: Path, image_shape: tuple[int, int, int]) -> Tensor:
    """A PNG, JPEG or WebP file as an image (1, C, H, W) in [0, 1]: its middle cut out, scaled as training images are.

    `image_shape` is (C, H, W), of which C = 1 is grey and 3 is coloured.
    Errors: UserError as of `open_photograph`.
    """
    channels, height, width = image_shape
    picture = open_photograph(path).convert("L" if channels == 1 else "RGB")
    fitted = ImageOps.fit(picture, (width, height), Image.Resampling.BILINEAR)
    pixels = np.array(fitted, np.float32).reshape(height, width, channels) / 255
    return torch.from_numpy(pixels).permute(2, 0, 1)[None]
