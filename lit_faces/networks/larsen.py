"""Networks of the CSVAE paper, after Larsen et al. (2016), and small ones for points in place of pictures.

At `width` 1, 64x64 RGB images and 128 latent dimensions the encoder has 18,071,360 parameters, the decoder 4,693,155. Layer
sizes are those of Larsen et al.'s code; pixels are in [0, 1], so the last layer is a sigmoid, not their tanh.
"""

import torch
from torch import Tensor, nn

from lit_faces.networks.layers import check_square, scaled


def _is_points(image_shape: tuple[int, int, int]) -> bool:
    return image_shape[1:] == (1, 1)


class _Perceptron(nn.Sequential):
    """Three layers, 64 wide: points (B, D, 1, 1) or codes (B, D) to (B, outputs)."""

    def __init__(self, inputs: int, outputs: int, hidden: int = 64) -> None:
        super().__init__(
            nn.Flatten(),
            nn.Linear(inputs, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, outputs),
        )


class _Convolutions(nn.Sequential):
    """Pictures (B, C, S, S) to (B, outputs): three 5x5 convolutions of stride 2, then a linear layer, all batch-normalised."""

    def __init__(self, image_shape: tuple[int, int, int], outputs: int, width: float) -> None:
        check_square(image_shape, 16, 8)
        channels, side, _ = image_shape
        layers: list[nn.Module] = []
        for out in (scaled(base, width) for base in (64, 128, 256)):
            layers += [nn.Conv2d(channels, out, 5, 2, 2, bias=False), nn.BatchNorm2d(out), nn.ReLU()]
            channels = out
        features = channels * (side // 8) ** 2
        layers += [nn.Flatten(), nn.Linear(features, outputs, bias=False), nn.BatchNorm1d(outputs), nn.ReLU()]
        super().__init__(*layers)


class Encoder(nn.Module):
    """Images (B, C, S, S), and a condition (B, condition) if it has one, to mean and log-variance, each (B, latent).

    Points, images of one pixel, take a perceptron. Raises ValueError for images of a side that is not a multiple of 8.
    """

    def __init__(
        self, image_shape: tuple[int, int, int], latent_dim: int, condition_dim: int = 0, width: float = 1.0
    ) -> None:
        super().__init__()
        points = _is_points(image_shape)
        features = 64 if points else scaled(1024, width)
        self.body: nn.Module = (
            nn.Sequential(_Perceptron(image_shape[0], features), nn.ReLU())
            if points
            else _Convolutions(image_shape, features, width)
        )
        self.heads = nn.Linear(features + condition_dim, 2 * latent_dim)

    def forward(self, images: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log-variance, in float32."""
        features = self.body(images)
        if condition is not None:
            features = torch.cat([features, condition.to(features.dtype)], 1)
        mean, log_variance = self.heads(features).float().chunk(2, 1)
        return mean, log_variance


class Decoder(nn.Module):
    """A code (B, inputs) to pixel means (B, C, S, S) in [0, 1], to unbounded coordinates for points.

    With `log_variance`, to the log-variance of each value too, from twice the outputs of the last layer.
    """

    def __init__(
        self, image_shape: tuple[int, int, int], inputs: int, width: float = 1.0, log_variance: bool = False
    ) -> None:
        super().__init__()
        self.points, self.log_variance = _is_points(image_shape), log_variance
        channels, side, _ = image_shape
        outputs = 2 * channels if log_variance else channels
        if self.points:
            self.body: nn.Module = _Perceptron(inputs, outputs)
            return
        check_square(image_shape, 16, 8)
        first, second, third = (scaled(base, width) for base in (256, 128, 32))
        layers: list[nn.Module] = [
            nn.Linear(inputs, first * (side // 8) ** 2, bias=False),
            nn.BatchNorm1d(first * (side // 8) ** 2),
            nn.ReLU(),
            nn.Unflatten(1, (first, side // 8, side // 8)),
        ]
        inner = first
        for out in (first, second, third):
            layers += [nn.ConvTranspose2d(inner, out, 5, 2, 2, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]
            inner = out
        self.body = nn.Sequential(*layers, nn.Conv2d(third, outputs, 5, 1, 2))

    def forward(self, code: Tensor) -> tuple[Tensor, Tensor | None]:
        """Means, and log-variances or None, in float32."""
        x: Tensor = self.body(code).float()
        x = x[..., None, None] if self.points else x
        means, log_variances = x.chunk(2, 1) if self.log_variance else (x, None)
        return means if self.points else means.sigmoid(), log_variances


class Predictor(nn.Module):
    """q_delta or r_psi: a code (B, latent) to logits (B, classes), through two layers of 256."""

    def __init__(self, latent_dim: int, classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(latent_dim, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, classes)
        )

    def forward(self, z: Tensor) -> Tensor:
        """Logits, in float32."""
        logits: Tensor = self.layers(z).float()
        return logits
