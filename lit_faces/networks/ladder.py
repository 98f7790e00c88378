"""The ladder networks of VLAE (Zhao et al. 2017, "Learning Hierarchical Features from Deep Generative Models").

The sizes are those of the authors' code: three layers for small images, four for large ones. At `width` 1 and layers of
2, 2 and 2 for 28x28 grey images the encoder has 14,075,148 parameters, the decoder 11,832,705; with 10, 10, 10 and 10
for 64x64 RGB images 27,924,048 and 23,662,339. No bias stands before batch normalisation, which would take it away.
"""

from itertools import pairwise
from math import prod

import torch
from torch import Tensor, nn

from lit_faces.networks.layers import scaled

# From the bottom up; convolutions are (channels, stride), then hidden layers their units.
_SMALL: list[list[tuple[int, int] | int]] = [[(64, 2), (128, 2)], [1024, 1024], [1024, 1024]]
_LARGE: list[list[tuple[int, int] | int]] = [
    [(64, 2), (64, 1)],
    [(128, 2), (128, 1), (256, 2)],
    [(256, 1), (512, 2), (512, 1)],
    [1024, 1024],
]
_LEAST_STD = 0.001


def check_ladder(image_shape: tuple[int, int, int], latent_dims: tuple[int, ...]) -> None:
    """Raise ValueError unless such images (C, H, W) have a ladder of so many layers, with a code at its top."""
    _, height, breadth = image_shape
    small = 8 <= height <= 32 and height % 4 == 0
    if height != breadth or not (small or (height >= 48 and height % 16 == 0)):
        raise ValueError(
            "images must be square, with a side of 8 to 32 that 4 divides (three layers) or of 48 or more that 16 "
            f"divides (four layers), got {height}x{breadth}"
        )
    layers = len(_SMALL if small else _LARGE)
    if len(latent_dims) != layers:
        raise ValueError(f"latent_dims must be {layers} numbers for {height}x{breadth} images, got {list(latent_dims)}")
    if min(latent_dims) < 0 or latent_dims[-1] < 1:
        raise ValueError(f"latent_dims must be at least 0, and the last at least 1, got {list(latent_dims)}")


class Encoder(nn.Module):
    """Images (B, C, S, S) to mean and standard deviation of q(z|x), each (B, sum of latent_dims), the bottom's first.

    A chain of stages climbs from the pixels, and beside each stage a network of its own, which shares nothing with it,
    reads the code of the layer from what enters the stage; a layer of 0 has no such network. The standard deviation
    lies in 0.001 to 1.001. `relu_top` puts a ReLU on the top's mean and standard deviation, as in the authors' large
    network, by accident: half of N(0, I) is then out of its reach. Raises ValueError as `check_ladder` does.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        latent_dims: tuple[int, ...],
        width: float = 1.0,
        relu_top: bool = False,
    ) -> None:
        super().__init__()
        check_ladder(image_shape, latent_dims)
        self.relu_top = relu_top
        self.chain, self.ladders = nn.ModuleList(), nn.ModuleDict()
        self.top = len(latent_dims) - 1
        shape = image_shape[:2]
        for level, (layout, size) in enumerate(zip(_SMALL if self.top == 2 else _LARGE, latent_dims, strict=True)):
            layers, out = _stage(layout, shape, width)
            if size:
                head = [nn.Flatten(), nn.Linear(out[0] * out[1] ** 2, 2 * size)]
                self.ladders[f"z_{level}"] = nn.Sequential(*layers, *head)
            if level < self.top:
                layers, shape = _stage(layout, shape, width)
                if self.top == 2:
                    state = scaled(1024, width)
                    layers += [nn.Flatten(), nn.Linear(shape[0] * shape[1] ** 2, state)]
                    shape = (state, 1)
                self.chain.append(nn.Sequential(*layers))
        _begin(self)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation, in float32."""
        state, means, stds = images, [], []
        for level in range(self.top + 1):
            if level:
                state = self.chain[level - 1](state)
            if f"z_{level}" in self.ladders:
                mean, raw = self.ladders[f"z_{level}"](state).float().chunk(2, 1)
                relu = self.relu_top and level == self.top
                means.append(mean.relu() if relu else mean)
                stds.append((raw.relu() if relu else raw.sigmoid()) + _LEAST_STD)
        return torch.cat(means, 1), torch.cat(stds, 1)


class Decoder(nn.Module):
    """Codes (B, sum of latent_dims), the bottom's first, to logits of pixels (B, C, S, S); their sigmoid is the
    picture.

    The top's code begins, and each further one joins on the way down: in the small network times a gate, which begins
    at 0.1, in the large one as maps of its own. Raises ValueError as `check_ladder` does.
    """

    def __init__(self, image_shape: tuple[int, int, int], latent_dims: tuple[int, ...], width: float = 1.0) -> None:
        super().__init__()
        check_ladder(image_shape, latent_dims)
        self.latent_dims = latent_dims
        build = _small_descent if len(latent_dims) == 3 else _large_descent
        stages, states = build(image_shape, latent_dims, width)
        self.stages = nn.ModuleList(stages)
        self.joins = nn.ModuleDict(
            {
                f"z_{level}": _Join(size, state, gated=len(latent_dims) == 3)
                for level, (size, state) in enumerate(zip(latent_dims[:-1], states, strict=True))
                if size
            }
        )
        _begin(self)

    def forward(self, z: Tensor) -> Tensor:
        """Logits, in float32."""
        *codes, top = torch.split(z, list(self.latent_dims), 1)
        state: Tensor = self.stages[-1](top)
        for level, code in reversed([*enumerate(codes)]):
            if f"z_{level}" in self.joins:
                state = self.joins[f"z_{level}"](state, code)
            state = self.stages[level](state)
        return state.float()


class _Join(nn.Module):
    """A code (B, d) joins a state (B, *shape): added through a gate, or beside it."""

    def __init__(self, latent_dim: int, shape: tuple[int, ...], gated: bool) -> None:
        super().__init__()
        self.features = nn.Sequential(*_hidden(latent_dim, prod(shape), nn.ReLU()), nn.Unflatten(1, shape))
        self.gate = nn.Parameter(torch.full(shape, 0.1)) if gated else None

    def forward(self, state: Tensor, code: Tensor) -> Tensor:
        features: Tensor = self.features(code)
        return torch.cat([state, features], 1) if self.gate is None else state + self.gate * features


Stages = tuple[list[nn.Sequential], list[tuple[int, ...]]]


def _small_descent(image_shape: tuple[int, int, int], latent_dims: tuple[int, ...], width: float) -> Stages:
    """The decoder's stages, the bottom's first, and the shape of what enters each but the top's."""
    channels, side, _ = image_shape
    state, maps, last = (scaled(base, width) for base in (1024, 128, 64))
    shape = (maps, side // 4, side // 4)
    stages = [nn.Sequential(*_hidden(state, prod(shape), nn.ReLU()), nn.Unflatten(1, shape))]
    stages[0].extend([*_normalised(_transposed(maps, last, 2), last), *_transposed(last, channels, 2, bias=True)])
    for inputs in (state, latent_dims[-1]):
        layers = [*_hidden(inputs, state, nn.ReLU()), *_hidden(state, state, nn.ReLU()), nn.Linear(state, state)]
        stages.append(nn.Sequential(*layers))
    return stages, [(state,), (state,)]


def _large_descent(image_shape: tuple[int, int, int], latent_dims: tuple[int, ...], width: float) -> Stages:
    channels, side, _ = image_shape
    first, second, third, fourth, units = (scaled(base, width) for base in (64, 128, 256, 512, 1024))
    states: list[tuple[int, ...]] = [
        (maps, side // by, side // by) for maps, by in ((first, 2), (third, 8), (fourth, 16))
    ]
    layouts = [[(first, 2)], [(second, 2), (second, 1), (first, 2)], [(fourth, 1), (third, 2), (third, 1)]]
    stages = []
    for layout, (inputs, *_), size in zip(layouts, states, latent_dims, strict=False):
        layers: list[nn.Module] = []
        inputs = 2 * inputs if size else inputs
        for out, stride in layout:
            layers += _normalised(_transposed(inputs, out, stride), out)
            inputs = out
        stages.append(nn.Sequential(*layers))
    stages[0].extend(_transposed(first, channels, 1, bias=True))
    layers = []
    for inputs, out in pairwise((latent_dims[-1], units, units, prod(states[-1]))):
        layers += _hidden(inputs, out, nn.ReLU())
    return [*stages, nn.Sequential(*layers, nn.Unflatten(1, states[-1]))], states


def _stage(
    layout: list[tuple[int, int] | int], shape: tuple[int, int], width: float
) -> tuple[list[nn.Module], tuple[int, int]]:
    """Layers of the encoder for maps of `shape` (channels, side), and the shape that they give; features are maps of
    side 1.
    """
    channels, side = shape
    layers: list[nn.Module] = []
    for part in layout:
        if isinstance(part, tuple):
            out, stride = scaled(part[0], width), part[1]
            layers += _normalised(_convolution(channels, out, stride), out)
            channels, side = out, side // stride
        else:
            out = scaled(part, width)
            layers += [nn.Flatten(), *_hidden(channels * side**2, out, nn.LeakyReLU(0.1))]
            channels, side = out, 1
    return layers, (channels, side)


def _convolution(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
    """4x4 with TensorFlow's SAME padding: the side is divided by the stride."""
    if stride == 1:
        # An even kernel has no centre: the padding is one longer at the right and at the bottom.
        return [nn.ZeroPad2d((1, 2, 1, 2)), nn.Conv2d(inputs, outputs, 4, bias=False)]
    return [nn.Conv2d(inputs, outputs, 4, stride, 1, bias=False)]


def _transposed(inputs: int, outputs: int, stride: int, bias: bool = False) -> list[nn.Module]:
    """The transpose of such a convolution: the side is multiplied by the stride."""
    if stride == 1:
        # It is a convolution too, with the kernel turned round and the longer padding at the other end.
        return [nn.ZeroPad2d((2, 1, 2, 1)), nn.Conv2d(inputs, outputs, 4, bias=bias)]
    return [nn.ConvTranspose2d(inputs, outputs, 4, stride, 1, bias=bias)]


def _normalised(layers: list[nn.Module], channels: int) -> list[nn.Module]:
    return [*layers, nn.BatchNorm2d(channels), nn.LeakyReLU(0.1)]


def _hidden(inputs: int, outputs: int, activation: nn.Module) -> list[nn.Module]:
    return [nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), activation]


def _begin(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            if module.bias is None:
                nn.init.normal_(module.weight, 0.0, 0.02)
            else:
                # Nothing normalises what these give, so that it matters; the authors left it at TensorFlow's default.
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
