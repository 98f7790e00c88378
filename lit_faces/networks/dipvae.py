"""Networks of DIP-VAE: the small convolutional ones that the beta-VAE family shares.

At `width` 1, 64x64 RGB images and 32 latent dimensions the encoder has 395,264 parameters, the decoder 387,971. All
convolutions are 4x4 with stride 2; there is no batch normalisation.
"""

from torch import Tensor, nn

from lit_faces.networks.layers import check_square, scaled

_CHANNELS = (32, 32, 64, 64)
_HIDDEN = 256


class Encoder(nn.Module):
    """Images (B, C, S, S) to mean and log-variance of q(z|x), each (B, latent).

    Raises ValueError for images of a side that is below 32 or not a multiple of 16, as the decoder does.
    """

    def __init__(self, image_shape: tuple[int, int, int], latent_dim: int, width: float = 1.0) -> None:
        super().__init__()
        check_square(image_shape, 32, 16)
        channels, side, _ = image_shape
        layers: list[nn.Module] = []
        for out in (scaled(base, width) for base in _CHANNELS):
            layers += [nn.Conv2d(channels, out, 4, 2, 1), nn.ReLU()]
            channels = out
        hidden = scaled(_HIDDEN, width)
        layers += [nn.Flatten(), nn.Linear(channels * (side // 16) ** 2, hidden), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(hidden, 2 * latent_dim))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance, in float32."""
        mean, log_variance = self.layers(images).float().chunk(2, 1)
        return mean, log_variance


class Decoder(nn.Module):
    """A code (B, latent) to logits of pixels (B, C, S, S); their sigmoid is the picture."""

    def __init__(self, image_shape: tuple[int, int, int], latent_dim: int, width: float = 1.0) -> None:
        super().__init__()
        check_square(image_shape, 32, 16)
        channels, side, _ = image_shape
        first, *inner = (scaled(base, width) for base in reversed(_CHANNELS))
        hidden, flat = scaled(_HIDDEN, width), first * (side // 16) ** 2
        layers: list[nn.Module] = [nn.Linear(latent_dim, hidden), nn.ReLU(), nn.Linear(hidden, flat), nn.ReLU()]
        layers += [nn.Unflatten(1, (first, side // 16, side // 16))]
        for out in inner:
            layers += [nn.ConvTranspose2d(first, out, 4, 2, 1), nn.ReLU()]
            first = out
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(first, channels, 4, 2, 1))

    def forward(self, code: Tensor) -> Tensor:
        """Logits, in float32."""
        logits: Tensor = self.layers(code).float()
        return logits
