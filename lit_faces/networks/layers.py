"""What the networks share: their widths, the images they take, and a layer that computes what the papers' does, faster."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def scaled(channels: int, width: float) -> int:
    """`width` times the channels of a layer, at least 4."""
    return max(4, round(channels * width))


def check_square(image_shape: tuple[int, int, int], least: int, divisor: int) -> None:
    """Raise ValueError unless images (C, H, W) are square, of a side of at least `least` that `divisor` divides."""
    _, height, breadth = image_shape
    if height != breadth or height < least or height % divisor:
        raise ValueError(
            f"images must be square, at least {least}x{least}, with a side divisible by {divisor}, got {height}x{breadth}"
        )


def _fold_matrix(kernel: int) -> Tensor:
    """0/1 matrix (2 phases, folded taps, taps): which taps of a kernel meet on one low-resolution pixel.

    After nearest upsampling by 2, output pixel 2i + p reads upsampled pixels 2i + p .. 2i + p + kernel - 1, and upsampled
    pixel u is low-resolution pixel u // 2.
    """
    folded = (kernel - 1) // 2 + 1
    matrix = torch.zeros(2, folded, kernel)
    for phase in range(2):
        for tap in range(kernel):
            matrix[phase, (phase + tap) // 2, tap] = 1.0
    return matrix


class UpsampleConv2d(nn.Conv2d):
    """Nearest-neighbour upsampling by 2 followed by a valid convolution, computed on the small map.

    (B, in, H, W) -> (B, out, 2H - k + 1, 2W - k + 1) for odd k. It is the same function of the same weight and bias as
    `Upsample(scale_factor=2)` then `Conv2d(k)`: one k x k convolution of the upsampled map is four small convolutions of
    the original map, one for each parity of the output pixel, interleaved by a pixel shuffle.
    """

    fold: Tensor

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd, got {kernel_size}")
        super().__init__(in_channels, out_channels, kernel_size)
        self.register_buffer("fold", _fold_matrix(kernel_size), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Upsample and convolve."""
        folded = self.fold.shape[1]
        # (out, in, k, k) -> (out, phase_y, phase_x, in, folded, folded): pixel_shuffle wants the phases innermost.
        weight = torch.einsum("pak,oikl,qbl->opqiab", self.fold, self.weight, self.fold)
        weight = weight.reshape(4 * self.out_channels, self.in_channels, folded, folded)
        bias = None if self.bias is None else self.bias.repeat_interleave(4)
        return F.pixel_shuffle(F.conv2d(x, weight.contiguous(memory_format=torch.channels_last), bias), 2)


def initialize_for_rectifiers(network: nn.Module) -> None:
    """Draw the weights of all layers but the output layers, `heads`, with the variance 2 / inputs (He et al. 2015, (10))."""
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear) and not name.endswith("heads"):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")


def without_statistics(network: nn.Module, code: Tensor) -> Tensor:
    """`network(code)`, leaving the running statistics of its batch normalisation alone."""
    layers = [module for module in network.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0
    try:
        out: Tensor = network(code)
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
    return out
