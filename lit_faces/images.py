"""From tensors in [0, 1] to picture files."""

from pathlib import Path

from PIL import Image
from torch import Tensor

from lit_faces.files import replacing


def to_rgb(images: Tensor) -> Tensor:
    """Images (..., 1, H, W), grey, or (..., 3, H, W) as (..., 3, H, W), grey ones with channels that share their memory."""
    return images.expand(*images.shape[:-3], 3, *images.shape[-2:])


def to_pil(image: Tensor) -> Image.Image:
    """Image (1, H, W) or (3, H, W) in [0, 1], clipped, as an 8-bit picture of three channels."""
    pixels = (to_rgb(image).detach().float().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    return Image.fromarray(pixels)


def save_png(image: Tensor, path: Path) -> None:
    """Write an image (1, H, W) or (3, H, W) in [0, 1] as PNG, whole or not at all."""
    with replacing(path) as temporary:
        to_pil(image).save(temporary, format="PNG", optimize=True)
