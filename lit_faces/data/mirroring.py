"""Random mirroring, for methods that train with it."""

import torch
from torch import Tensor


def mirrored(images: Tensor) -> Tensor:
    """Each image (B, C, H, W) turned left to right or not, as a coin says."""
    turned = torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5
    return torch.where(turned, images.flip(3), images)
