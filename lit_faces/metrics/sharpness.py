"""How sharp pictures are, whatever they show."""

import torch
from torch import Tensor

_LUMINANCE = (0.299, 0.587, 0.114)


def sharpness(images: Tensor) -> Tensor:
    """Mean length (B,) of the gradient of luminance, in differences between neighbours, for pixels in [0, 1].

    Shapes: `images` (B, C, H, W) of at least 2x2 pixels. Three channels are red, green and blue, weighted as in Rec. 601; of
    others the mean is taken. The gradient is of forward differences, at the (H - 1) (W - 1) pixels that have both.
    Errors: ValueError for smaller images, which have no gradient.
    """
    if images.ndim != 4 or min(images.shape[2:]) < 2:
        raise ValueError(f"images must be (B, C, H, W) of at least 2x2 pixels, got {tuple(images.shape)}")
    images, channels = images.float(), images.shape[1]
    weights = _LUMINANCE if channels == len(_LUMINANCE) else (1 / channels,) * channels
    luminance = torch.stack([weight * plane for weight, plane in zip(weights, images.unbind(1), strict=True)]).sum(0)
    corner = luminance[:, :-1, :-1]
    return torch.hypot(luminance[:, :-1, 1:] - corner, luminance[:, 1:, :-1] - corner).flatten(1).mean(1)
