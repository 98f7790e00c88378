"""Reading photographs that users name or upload."""

import warnings
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from lit_faces.errors import UserError

# Other formats may run programs of their own.
_FORMATS = ("PNG", "JPEG", "WEBP")


def open_photograph(source: Path | BinaryIO) -> Image.Image:
    """A PNG, JPEG or WebP picture, RGB of 8 bits a channel: upright, as its EXIF says, and white where transparent.

    Its `info` holds the colour profile, if there is one of RGB, and nothing else.
    Errors: UserError for a file that is missing, no whole picture, or larger than Pillow takes for safe.
    """
    name = str(source) if isinstance(source, Path) else "the picture"
    if isinstance(source, Path) and not source.is_file():
        wrong = f"{source} is not a file" if source.exists() else f"there is no picture at {source}"
        raise UserError(f"{wrong}: name a PNG, JPEG or WebP file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damaged EXIF, for instance
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(source, formats=_FORMATS) as opened:
                profile = opened.info.get("icc_profile", b"")
                picture = _opaque(ImageOps.exif_transpose(opened)).convert("RGB")
    except PermissionError as error:
        raise UserError(
            f"{name} cannot be read ({error.strerror}): make it readable, or name another picture"
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UserError(
            f"{name} has more pixels than are safe to read, {Image.MAX_IMAGE_PIXELS:,}: make it smaller"
        ) from error
    except Exception as error:
        # Pillow names many exceptions for the many ways in which a file is no picture.
        if isinstance(error, UnidentifiedImageError):
            raise UserError(
                f"{name} cannot be read as a PNG, JPEG or WebP picture: save it as PNG, JPEG or WebP, or name another"
            ) from error
        raise UserError(
            f"{name} cannot be read as a PNG, JPEG or WebP picture ({' '.join(str(error).split())}), it is damaged: "
            "name another"
        ) from error
    # The colour space that a profile is of, in its header (ICC.1, section 7.2): one of CMYK would not fit any more.
    picture.info = {"icc_profile": profile} if profile and profile[16:20] == b"RGB " else {}
    return picture


def _opaque(picture: Image.Image) -> Image.Image:
    """A picture of 8 bits a channel, over white if it is transparent."""
    if picture.mode.startswith("I"):
        # Of 16 bits, which Pillow would clip.
        return Image.fromarray((np.asarray(picture, np.float32) / 257).round().clip(0, 255).astype(np.uint8))
    if not picture.has_transparency_data:
        return picture
    layer = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
