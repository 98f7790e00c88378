"""Sums and differences of faces in the codes of a ladder, and the photographs that they are made of."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from lit_faces.errors import UserError
from lit_faces.methods.capabilities import Layered, layers_of


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
    """A PNG or JPEG file as an image (1, C, H, W) in [0, 1]: upright, its middle cut out, scaled as training images are.

    What is transparent is white. `image_shape` is (C, H, W), of which C = 1 is grey and 3 is coloured.
    Errors: UserError for a file that is missing, no whole picture, or larger than Pillow takes for safe.
    """
    if not path.is_file():
        raise UserError(f"there is no picture at {path}: name a PNG or JPEG file")
    channels, height, width = image_shape
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            # Other formats may run programs of their own.
            with Image.open(path, formats=("PNG", "JPEG")) as opened:
                picture = _opaque(ImageOps.exif_transpose(opened)).convert("L" if channels == 1 else "RGB")
    except PermissionError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}): make it readable, or name another picture"
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UserError(
            f"{path} has more pixels than are safe to read, {Image.MAX_IMAGE_PIXELS:,}: make it smaller"
        ) from error
    except Exception as error:
        # Pillow names many exceptions for the many ways in which a file is no picture.
        reason = "" if isinstance(error, UnidentifiedImageError) else f" ({' '.join(str(error).split())})"
        raise UserError(
            f"{path} cannot be read as a PNG or JPEG picture{reason}, it is damaged or something else: name another"
        ) from error
    fitted = ImageOps.fit(picture, (width, height), Image.Resampling.BILINEAR)
    pixels = np.array(fitted, np.float32).reshape(height, width, channels) / 255
    return torch.from_numpy(pixels).permute(2, 0, 1)[None]


def _opaque(picture: Image.Image) -> Image.Image:
    """A picture of 8 bits a channel, over white if it is transparent."""
    if picture.mode.startswith("I"):
        # Of 16 bits, which Pillow would clip.
        return Image.fromarray((np.asarray(picture, np.float32) / 257).round().clip(0, 255).astype(np.uint8))
    if not picture.has_transparency_data:
        return picture
    layer = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
