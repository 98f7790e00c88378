"""Networks of the CMMA paper, section 4.1: h (encoder), f (prior), g (decoder), the second version's h2,
and the CGAN discriminator of section 4.2.

At `width` 1, 64x64 RGB images, 73 attributes and 500 latent dimensions they have 5,350,264 (h), 860,200 (f) and 2,641,254 (g)
parameters. Two parallel output layers of the paper are one layer with twice the outputs; pooling comes before the rectifier,
with which it commutes.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_faces.networks.layers import UpsampleConv2d, check_square, scaled


class Convolutions(nn.Module):
    """The three convolutions of h: images (B, C, S, S) to features (B, features).

    For S = 64 and width 1: 192 x 60 x 60, pooled to 30, 96 x 26 x 26, pooled to 13, 48 x 10 x 10 = 4,800 features.
    Raises ValueError for images of less than 32 x 32.
    """

    def __init__(self, image_shape: tuple[int, int, int], width: float = 1.0) -> None:
        super().__init__()
        check_square(image_shape, 32, 8)
        channels, size, _ = image_shape
        side = ((size - 4) // 2 - 4) // 2 - 3
        first, second, third = (scaled(c, width) for c in (192, 96, 48))
        self.features = third * side * side
        self.conv1 = nn.Conv2d(channels, first, 5)
        self.conv2 = nn.Conv2d(first, second, 5)
        self.conv3 = nn.Conv2d(second, third, 4)

    def forward(self, images: Tensor) -> Tensor:
        """Features, flattened with the channels innermost."""
        x = F.relu(F.max_pool2d(self.conv1(images), 2))
        x = F.relu(F.max_pool2d(self.conv2(x), 2))
        x = F.relu(self.conv3(x))
        return x.permute(0, 2, 3, 1).flatten(1)


class Encoder(nn.Module):
    """h: images (B, C, S, S), and a condition (B, condition) if it has one, to mean and log-variance, each (B, latent)."""

    def __init__(
        self, image_shape: tuple[int, int, int], latent_dim: int, condition_dim: int = 0, width: float = 1.0
    ) -> None:
        super().__init__()
        self.convolutions = Convolutions(image_shape, width)
        self.heads = nn.Linear(self.convolutions.features + condition_dim, 2 * latent_dim)

    def forward(self, images: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z|x) or q(z|x, y), in float32."""
        features = self.convolutions(images)
        if condition is not None:
            features = torch.cat([features, condition.to(features.dtype)], 1)
        mean, log_variance = self.heads(features).float().chunk(2, 1)
        return mean, log_variance


class SoftplusNet(nn.Module):
    """f, from attributes to p(z|y), and its mirror h2, from a code to q(y|z): through 800 softplus units.

    (B, inputs) to mean and log-variance, each (B, outputs). The papers give f's layers; those of h2 are ours.
    """

    def __init__(self, inputs: int, outputs: int, width: float = 1.0) -> None:
        super().__init__()
        hidden = scaled(800, width)
        self.hidden = nn.Linear(inputs, hidden)
        self.heads = nn.Linear(hidden, 2 * outputs)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance, in float32."""
        mean, log_variance = self.heads(F.softplus(self.hidden(x))).float().chunk(2, 1)
        return mean, log_variance


class _Deconvolutions(nn.Module):
    """The body of g: a code (B, inputs) to `outputs` maps (B, outputs, S, S), in float32."""

    def __init__(self, image_size: int, inputs: int, outputs: int, width: float) -> None:
        super().__init__()
        # Each stage doubles the side and takes kernel - 1 away: 8 b - 16 = S.
        self.side = (image_size + 16) // 8
        first, second, self.channels = (scaled(c, width) for c in (96, 192, 48))
        self.linear = nn.Linear(inputs, self.channels * self.side**2)
        self.conv1 = UpsampleConv2d(self.channels, first, 3)
        self.conv2 = UpsampleConv2d(first, second, 3)
        self.heads = UpsampleConv2d(second, outputs, 5)

    def forward(self, code: Tensor) -> Tensor:
        # The linear layer's outputs are read with the channels innermost: a channels-last map without a copy.
        x = self.linear(code).unflatten(1, (self.side, self.side, self.channels)).permute(0, 3, 1, 2)
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        maps: Tensor = self.heads(x).float()
        return maps


class Decoder(nn.Module):
    """g: a latent code (B, latent), and a condition if it has one, to pixel mean and log-variance, each (B, C, S, S)."""

    def __init__(
        self, image_shape: tuple[int, int, int], latent_dim: int, condition_dim: int = 0, width: float = 1.0
    ) -> None:
        super().__init__()
        channels, size, _ = image_shape
        self.body = _Deconvolutions(size, latent_dim + condition_dim, 2 * channels, width)

    def forward(self, z: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean in [0, 1] (a sigmoid) and log-variance of p(x|z) or p(x|z, y), in float32."""
        code = z if condition is None else torch.cat([z, condition], 1)
        mean, log_variance = self.body(code).chunk(2, 1)
        return mean.sigmoid(), log_variance


class Generator(nn.Module):
    """The decoder without its variance: noise (B, noise) and attributes (B, A) to images (B, C, S, S) in [0, 1]."""

    def __init__(self, image_shape: tuple[int, int, int], noise_dim: int, attributes: int, width: float = 1.0) -> None:
        super().__init__()
        channels, size, _ = image_shape
        self.body = _Deconvolutions(size, noise_dim + attributes, channels, width)

    def forward(self, noise: Tensor, attributes: Tensor) -> Tensor:
        """Images in [0, 1], in float32."""
        images: Tensor = self.body(torch.cat([noise, attributes], 1)).sigmoid()
        return images


class Discriminator(nn.Module):
    """h's convolutions, the attributes beside their features, and one logit (B,): positive for "real"."""

    def __init__(self, image_shape: tuple[int, int, int], attributes: int, width: float = 1.0) -> None:
        super().__init__()
        self.convolutions = Convolutions(image_shape, width)
        self.head = nn.Linear(self.convolutions.features + attributes, 1)

    def forward(self, images: Tensor, attributes: Tensor) -> Tensor:
        """Logit of "this image is real and has these attributes", in float32."""
        features = self.convolutions(images)
        logits: Tensor = self.head(torch.cat([features, attributes.to(features.dtype)], 1)).float().squeeze(1)
        return logits
