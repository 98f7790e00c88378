"""Networks of the IFcVAE-GAN paper: DCGAN's as in the authors' code, and residual ones, which were never released.

At `width` 1, 64x64 RGB images, one label and 100 latent dimensions the DCGAN encoder has 5,953,353 parameters, the decoder
2,386,947, the discriminator 4,314,753 and the auxiliary network 1,103,001. The paper's residual networks were not released;
those here are ours, of the same widths. Neither encoder nor discriminator has batch normalisation.
"""

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from lit_faces.networks.layers import check_square, scaled

Family = Literal["dcgan", "residual"]
_CHANNELS = (64, 128, 256, 512)


class _Subsampled1x1(nn.Conv2d):
    """`Conv2d(in, out, 1, stride=2)`, the same function of the same weights, as a plain 1x1 convolution of every other pixel.

    In channels-last float32 the backward pass of the strided form corrupts memory on processors with AVX2 but without AVX-512
    (oneDNN in torch 2.11 to 2.15).
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x[..., ::2, ::2], self.weight, self.bias)


class _Down(nn.Module):
    """Half the side: relu(conv(relu(conv(x))) + shortcut(x)), which begins as its shortcut."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, 2, 1)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1)
        self.shortcut = _Subsampled1x1(channels, out)
        # Without batch normalisation the variance would double with each block.
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv2(self.conv1(x).relu()) + self.shortcut(x)
        return out.relu()


class _Up(nn.Module):
    """Twice the side, batch-normalised: relu(conv(transposed conv(x)) + shortcut(x))."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.ConvTranspose2d(channels, out, 4, 2, 1, bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU(),
            nn.Conv2d(out, out, 3, 1, 1, bias=False),
            nn.BatchNorm2d(out),
        )
        # Upsampling commutes with a 1x1 convolution, which is cheaper on the small map.
        self.shortcut = nn.Sequential(nn.Conv2d(channels, out, 1), nn.Upsample(scale_factor=2))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x) + self.shortcut(x)
        return out.relu()


def _convolutions(image_shape: tuple[int, int, int], family: Family, width: float) -> tuple[nn.Sequential, int]:
    """Images to flat features, and how many these are. Raises ValueError for sides that four halvings do not fit."""
    check_square(image_shape, 16, 16)
    channels, side, _ = image_shape
    layers: list[nn.Module] = []
    for out in (scaled(base, width) for base in _CHANNELS):
        layers += [_Down(channels, out)] if family == "residual" else [nn.Conv2d(channels, out, 5, 2, 2), nn.ReLU()]
        channels = out
    return nn.Sequential(*layers, nn.Flatten()), channels * (side // 16) ** 2


class Encoder(nn.Module):
    """E: images (B, C, S, S) to mean and log-variance of q(z|x), each (B, latent), and logits of K labels (B, K).

    With `detach_labels` the labels' head reads the features without sending a gradient back into them.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        latent_dim: int,
        labels: int,
        family: Family = "dcgan",
        width: float = 1.0,
        detach_labels: bool = True,
    ) -> None:
        super().__init__()
        self.convolutions, features = _convolutions(image_shape, family, width)
        self.latent = nn.Linear(features, 2 * latent_dim)
        self.labels = nn.Linear(features, labels) if labels else None
        self.detach_labels = detach_labels

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean, log-variance and logits, in float32."""
        features = self.convolutions(images)
        mean, log_variance = self.latent(features).float().chunk(2, 1)
        return mean, log_variance, self._logits(features)

    def logits(self, images: Tensor) -> Tensor:
        """The labels' logits alone."""
        return self._logits(self.convolutions(images))

    def _logits(self, features: Tensor) -> Tensor:
        if self.labels is None:
            return features.new_zeros(len(features), 0).float()
        logits: Tensor = self.labels(features.detach() if self.detach_labels else features).float()
        return logits


class Decoder(nn.Module):
    """D: a code and labels (B, latent + K) to logits of pixels (B, C, S, S); their sigmoid is the picture."""

    def __init__(
        self, image_shape: tuple[int, int, int], inputs: int, family: Family = "dcgan", width: float = 1.0
    ) -> None:
        super().__init__()
        channels, side, _ = image_shape
        first, *inner = (scaled(base, width) for base in reversed(_CHANNELS))
        layers: list[nn.Module] = [
            nn.Linear(inputs, first * (side // 16) ** 2),
            nn.ReLU(),
            nn.Unflatten(1, (first, side // 16, side // 16)),
        ]
        for out in inner:
            layers += (
                [_Up(first, out)]
                if family == "residual"
                else [nn.ConvTranspose2d(first, out, 3, 2, 1, 1), nn.BatchNorm2d(out), nn.ReLU()]
            )
            first = out
        if family == "residual":
            last = scaled(32, width)
            layers += [_Up(first, last), nn.Conv2d(last, channels, 3, 1, 1)]
        else:
            layers += [nn.ConvTranspose2d(first, channels, 3, 2, 1, 1)]
        self.layers = nn.Sequential(*layers)

    def forward(self, code: Tensor) -> Tensor:
        """Logits, in float32."""
        logits: Tensor = self.layers(code).float()
        return logits


class Discriminator(nn.Module):
    """C: images (B, C, S, S) to one logit (B,), positive for "real"."""

    def __init__(self, image_shape: tuple[int, int, int], family: Family = "dcgan", width: float = 1.0) -> None:
        super().__init__()
        self.convolutions, features = _convolutions(image_shape, family, width)
        self.head = nn.Linear(features, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Logits, in float32."""
        logits: Tensor = self.head(self.convolutions(images)).float().squeeze(1)
        return logits


class Auxiliary(nn.Module):
    """A: a code (B, latent) to logits of K labels (B, K), through two layers of 1000."""

    def __init__(self, latent_dim: int, labels: int, width: float = 1.0) -> None:
        super().__init__()
        hidden = scaled(1000, width)
        self.layers = nn.Sequential(
            nn.Linear(latent_dim, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, labels)
        )

    def forward(self, z: Tensor) -> Tensor:
        """Logits, in float32."""
        logits: Tensor = self.layers(z).float()
        return logits
