"""CMMA as its section 4.1 reads, module for module: what the fast networks are compared with."""

import torch
from torch import Tensor, nn

from lit_faces.data.batch import DataSpec
from lit_faces.methods.cmma import CMMA


class PlainEncoder(nn.Module):
    """h with the rectifiers before the pooling, and a layer each for mean and log-variance."""

    def __init__(self, channels: tuple[int, ...], features: int, latent_dim: int) -> None:
        super().__init__()
        images, first, second, third = channels
        self.convolutions = nn.Sequential(
            *(nn.Conv2d(images, first, 5), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(first, second, 5), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(second, third, 4), nn.ReLU(), nn.Flatten()),
        )
        self.mean = nn.Linear(features, latent_dim)
        self.log_variance = nn.Linear(features, latent_dim)

    def forward(self, images: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z|x)."""
        features = self.convolutions(images)
        return self.mean(features).float(), self.log_variance(features).float()


class PlainPrior(nn.Module):
    """f with a layer each for mean and log-variance."""

    def __init__(self, attributes: int, hidden: int, latent_dim: int) -> None:
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(attributes, hidden), nn.Softplus())
        self.mean = nn.Linear(hidden, latent_dim)
        self.log_variance = nn.Linear(hidden, latent_dim)

    def forward(self, attributes: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of p(z|y)."""
        hidden = self.hidden(attributes)
        return self.mean(hidden).float(), self.log_variance(hidden).float()


class PlainDecoder(nn.Module):
    """g with upsampled maps, and a convolution each for mean and log-variance."""

    def __init__(self, channels: tuple[int, ...], side: int, latent_dim: int) -> None:
        super().__init__()
        code, first, second, images = channels
        self.body = nn.Sequential(
            *(nn.Linear(latent_dim, code * side**2), nn.Unflatten(1, (code, side, side)), nn.Upsample(scale_factor=2)),
            *(nn.Conv2d(code, first, 3), nn.ReLU(), nn.Upsample(scale_factor=2)),
            *(nn.Conv2d(first, second, 3), nn.ReLU(), nn.Upsample(scale_factor=2)),
        )
        self.mean = nn.Conv2d(second, images, 5)
        self.log_variance = nn.Conv2d(second, images, 5)

    def forward(self, z: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean in [0, 1] and log-variance of p(x|z)."""
        maps = self.body(z)
        return self.mean(maps).float().sigmoid(), self.log_variance(maps).float()


class PlainCMMA(CMMA):
    """CMMA of the same sizes, losses and optimiser, with plain networks."""

    def build(self, spec: DataSpec) -> None:
        """h, f and g as published; their sizes are those of the fast ones."""
        with torch.device("meta"):
            fast = CMMA(latent_dim=self.latent_dim, width=self.width)
            fast.build(spec)
        encoder, decoder = fast.h.convolutions, fast.g.body
        convolutions = (encoder.conv1, encoder.conv2, encoder.conv3)
        channels = (convolutions[0].in_channels, *(layer.out_channels for layer in convolutions))
        self.h = PlainEncoder(channels, encoder.features, self.latent_dim)  # type: ignore[assignment]
        self.f = PlainPrior(len(spec.attributes), fast.f.hidden.out_features, self.latent_dim)  # type: ignore[assignment]
        channels = (decoder.channels, decoder.conv1.out_channels, decoder.conv2.out_channels, spec.image_shape[0])
        self.g = PlainDecoder(channels, decoder.side, self.latent_dim)  # type: ignore[assignment]


_NAMES = {
    "h.convolutions.conv1": "h.convolutions.0",
    "h.convolutions.conv2": "h.convolutions.3",
    "h.convolutions.conv3": "h.convolutions.6",
    "f.hidden": "f.hidden.0",
    "g.body.linear": "g.body.0",
    "g.body.conv1": "g.body.3",
    "g.body.conv2": "g.body.6",
}


def as_plain(fast: dict[str, Tensor]) -> dict[str, Tensor]:
    """Parameters (or gradients) of CMMA, by name, as those of PlainCMMA.

    The two heads of a network come apart, and the units of flattened maps, which the fast networks order with the channels
    innermost, are put in the order of nn.Flatten and nn.Unflatten.
    """
    code, features = fast["g.body.conv1.weight"].shape[1], fast["h.convolutions.conv3.weight"].shape[0]
    plain: dict[str, Tensor] = {}
    for name, value in fast.items():
        layer, _, kind = name.rpartition(".")
        if name == "h.heads.weight":
            value = _channels_first(value.T, features).T
        if layer == "g.body.linear":
            value = _channels_first(value, code)
        if layer.endswith("heads"):
            prefix = layer.removesuffix("body.heads").removesuffix("heads")
            plain[f"{prefix}mean.{kind}"], plain[f"{prefix}log_variance.{kind}"] = value.chunk(2)
        else:
            plain[f"{_NAMES[layer]}.{kind}"] = value
    return plain


def _channels_first(units: Tensor, channels: int) -> Tensor:
    """Units (side * side * channels, ...) of a map, reordered to (channels * side * side, ...)."""
    return units.reshape(-1, channels, *units.shape[1:]).transpose(0, 1).flatten(0, 1)
