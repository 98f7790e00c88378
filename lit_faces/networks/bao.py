"""Networks of the cVAE-GAN for 64x64 pictures, smaller than the GoogLeNet, DCGAN and AlexNet of Bao et al. (2017).

At `width` 1, 64x64 RGB images, one label and 128 latent dimensions the encoder has 14,398,592 parameters, the generator
6,803,075, the discriminator and the classifier 14,136,961 each. The sizes are those of a public implementation, tatsy's
keras-generative, without its fifth halving, which was for 128x128.
"""

import torch
from torch import Tensor, nn

from lit_faces.networks.layers import check_square, scaled

_CHANNELS = (128, 256, 256, 512)


class _Convolutions(nn.Sequential):
    """Pictures (B, C, S, S) to features (B, 1024 at width 1): four 5x5 convolutions of stride 2, batch-normalised, then fc 1024.

    Without `statistics` every batch is normalised by its own, also in evaluation.
    """

    def __init__(self, image_shape: tuple[int, int, int], width: float, statistics: bool) -> None:
        check_square(image_shape, 16, 16)
        channels, side, _ = image_shape
        layers: list[nn.Module] = []
        for out in (scaled(base, width) for base in _CHANNELS):
            norm = nn.BatchNorm2d(out, track_running_stats=statistics)
            layers += [nn.Conv2d(channels, out, 5, 2, 2, bias=False), norm, nn.ReLU()]
            channels = out
        flat = channels * (side // 16) ** 2
        super().__init__(*layers, nn.Flatten(), nn.Linear(flat, scaled(1024, width)), nn.ReLU())


class Encoder(nn.Module):
    """E: images (B, C, S, S) and K labels (B, K) to mean and log-variance of q(z|x, y), each (B, latent).

    The labels join before the last layer. Raises ValueError for images of a side that is not a multiple of 16.
    """

    def __init__(self, image_shape: tuple[int, int, int], latent_dim: int, labels: int, width: float = 1.0) -> None:
        super().__init__()
        self.body = _Convolutions(image_shape, width, statistics=True)
        self.heads = nn.Linear(scaled(1024, width) + labels, 2 * latent_dim)

    def forward(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance, in float32."""
        features = self.body(images)
        mean, log_variance = self.heads(torch.cat([features, labels.to(features.dtype)], 1)).float().chunk(2, 1)
        return mean, log_variance


class Generator(nn.Module):
    """G: a code and labels (B, inputs) to images (B, C, S, S) in [0, 1], the encoder's convolutions mirrored.

    For 64x64 images 512 maps of 4x4 from a linear layer, then transposed 5x5 convolutions of stride 2 to 256, 256, 128 and C.
    """

    def __init__(self, image_shape: tuple[int, int, int], inputs: int, width: float = 1.0) -> None:
        super().__init__()
        channels, side, _ = image_shape
        first, *inner = (scaled(base, width) for base in reversed(_CHANNELS))
        layers: list[nn.Module] = [
            nn.Linear(inputs, first * (side // 16) ** 2, bias=False),
            nn.Unflatten(1, (first, side // 16, side // 16)),
            nn.BatchNorm2d(first),
            nn.ReLU(),
        ]
        for out in inner:
            layers += [nn.ConvTranspose2d(first, out, 5, 2, 2, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]
            first = out
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(first, channels, 5, 2, 2, 1))

    def forward(self, code: Tensor) -> Tensor:
        """Images, in float32."""
        logits: Tensor = self.layers(code).float()
        return logits.sigmoid()


class Judge(nn.Module):
    """D with one output, C with one a label: images (B, C, S, S) to logits (B, outputs) and features f (B, 1024 at width 1).

    It only ever judges batches of one kind in training, so it keeps no running statistics, which would mix the kinds.
    Raises ValueError for images of a side that is not a multiple of 16.
    """

    def __init__(self, image_shape: tuple[int, int, int], outputs: int, width: float = 1.0) -> None:
        super().__init__()
        self.body = _Convolutions(image_shape, width, statistics=False)
        self.head = nn.Linear(scaled(1024, width), outputs)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and features, in float32."""
        features = self.body(images)
        return self.head(features).float(), features.float()
