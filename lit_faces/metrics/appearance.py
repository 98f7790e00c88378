"""What a picture looks like, measured in its pixels."""

import torch
import torch.nn.functional as F
from torch import Tensor

# Variance of the ordinate within one pixel, whose side is 1.
_WITHIN_PIXEL = 1 / 12


def appearance(images: Tensor) -> dict[str, Tensor]:
    """`slant` and `stroke width` of bright lines in grey images, `brightness` and `warmth` of coloured ones, each (B,).

    The slant is the shear mu_11 / mu_02 of the ink, by which a point moves to the right for each pixel up; the stroke
    width is 2 ink / total variation, in pixels, since a stroke of length L and width w has ink L w and edges of 2 L. Both
    are the same at any contrast, and 0 for a blank image. The brightness is the mean of all pixel values, the warmth mean
    red less mean blue.

    Shapes: `images` (B, C, H, W) in [0, 1]; C = 1 is grey, C = 3 red, green and blue, and of others nothing is measured.
    """
    images = images.float()
    if images.shape[1] == 1:
        return {"slant": _slant(images[:, 0]), "stroke width": _stroke_width(images[:, 0])}
    if images.shape[1] == 3:
        red, green, blue = images.flatten(2).mean(2).unbind(1)
        return {"brightness": (red + green + blue) / 3, "warmth": red - blue}
    return {}


def _slant(ink: Tensor) -> Tensor:
    height, width = ink.shape[1:]
    share = ink / ink.sum((1, 2), keepdim=True).clamp_min(torch.finfo(ink.dtype).tiny)
    right = torch.arange(width, device=ink.device).expand(height, width)
    up = -torch.arange(height, device=ink.device)[:, None].expand(height, width)
    x, y = (axis - (share * axis).sum((1, 2), keepdim=True) for axis in (right, up))
    # Pixels are squares, not points: so a line one pixel high has a height too, and no slant.
    return (share * x * y).sum((1, 2)) / ((share * y.square()).sum((1, 2)) + _WITHIN_PIXEL)


def _stroke_width(ink: Tensor) -> Tensor:
    # Ink that touches the border ends there.
    padded = F.pad(ink, (1, 1, 1, 1))
    corner = padded[:, :-1, :-1]
    edges = torch.hypot(padded[:, :-1, 1:] - corner, padded[:, 1:, :-1] - corner).sum((1, 2))
    return 2 * ink.sum((1, 2)) / edges.clamp_min(torch.finfo(ink.dtype).tiny)
