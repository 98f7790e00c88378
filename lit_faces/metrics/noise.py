"""Noise for evaluation that depends on the image alone, not on how images were batched."""

import numpy as np
import torch
from torch import Tensor


class ImageNoise:
    """Standard normal noise that depends only on the seed and the image index.

    Every image has its own stream (counter-based generator with the key (seed, index)), so one image gets the same draws
    in any batch, on any rank and in any chunking. Two consumers that need independent noise need different seeds.

    Shapes: `index` (B,) integers, on any device; `dim` numbers a draw.
    Errors: ValueError if the index is not a vector of numbers >= 0, or if seed or dim is negative.
    """

    def __init__(self, seed: int, index: Tensor, dim: int) -> None:
        if seed < 0 or dim < 0:
            raise ValueError(f"seed and dim must not be negative, got {seed} and {dim}")
        rows = index.tolist() if index.ndim == 1 else None
        if rows is None or index.is_floating_point() or min(rows, default=0) < 0:
            raise ValueError(f"index must be (B,) integers >= 0, got {index}")
        self.dim = dim
        self._streams = [np.random.Generator(np.random.Philox(key=np.array([seed, row], np.uint64))) for row in rows]

    def draw(self, count: int) -> Tensor:
        """Next `count` draws of every image: (B, count, dim) float32 on the CPU."""
        noise = np.empty((len(self._streams), count, self.dim), np.float32)
        for stream, out in zip(self._streams, noise, strict=True):
            stream.standard_normal(dtype=np.float32, out=out)
        return torch.from_numpy(noise)
