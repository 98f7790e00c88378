"""Networks of IcGAN (Perarnau et al. 2016): a conditional DCGAN, and the encoders that invert its generator.

At `width` 1, 64x64 RGB images, 18 labels and 100 latent dimensions G has 3,725,123 parameters, D 2,803,393, E_z 18,278,244 and
E_y 3,186,962. Pixels are in [-1, 1], labels in {-1, 1}; all have biases, as in the authors' code.
"""

import torch
from torch import Tensor, nn

from lit_faces.networks.layers import check_square, scaled


def _begin(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, 0.0, 0.02)
            assert module.bias is not None
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)


class Generator(nn.Module):
    """G: z (B, latent) and labels (B, conditions) to images (B, C, S, S) in [-1, 1].

    Raises ValueError for images of a side that is below 32 or not a multiple of 16, as the others do.
    """

    def __init__(self, image_shape: tuple[int, int, int], latent_dim: int, conditions: int, width: float = 1.0) -> None:
        super().__init__()
        check_square(image_shape, 32, 16)
        channels, side, _ = image_shape
        first, *inner = (scaled(base, width) for base in (512, 256, 128, 64))
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(latent_dim + conditions, first, side // 16),
            nn.BatchNorm2d(first),
            nn.ReLU(),
        ]
        for out in inner:
            layers += [nn.ConvTranspose2d(first, out, 4, 2, 1), nn.BatchNorm2d(out), nn.ReLU()]
            first = out
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(first, channels, 4, 2, 1))
        _begin(self)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        """Images, in float32."""
        pixels: Tensor = self.layers(torch.cat([z, labels], 1)[..., None, None]).float()
        return pixels.tanh()


class Discriminator(nn.Module):
    """D: images (B, C, S, S) and labels (B, conditions) to one logit (B,), positive for "real, and these are its labels".

    The labels join as constant maps after the first convolution. In training it judges batches of three kinds, one by one, and
    afterwards none, so it keeps no running statistics.
    """

    def __init__(self, image_shape: tuple[int, int, int], conditions: int, width: float = 1.0) -> None:
        super().__init__()
        check_square(image_shape, 32, 16)
        channels, side, _ = image_shape
        first, *inner = (scaled(base, width) for base in (64, 128, 256, 512))
        self.first = nn.Sequential(nn.Conv2d(channels, first, 4, 2, 1), nn.LeakyReLU(0.2))
        layers: list[nn.Module] = []
        first += conditions
        for out in inner:
            norm = nn.BatchNorm2d(out, track_running_stats=False)
            layers += [nn.Conv2d(first, out, 4, 2, 1), norm, nn.LeakyReLU(0.2)]
            first = out
        self.rest = nn.Sequential(*layers, nn.Conv2d(first, 1, side // 16), nn.Flatten(0))
        _begin(self)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Logits, in float32."""
        maps = self.first(images)
        tiled = labels.to(maps.dtype)[..., None, None].expand(-1, -1, *maps.shape[2:])
        # Without a layout of their own they would undo that of the maps.
        tiled = tiled.contiguous(memory_format=torch.channels_last)
        logits: Tensor = self.rest(torch.cat([maps, tiled], 1)).float()
        return logits


class Encoder(nn.Module):
    """E_z, with 4096 hidden units, or E_y, with 512: images (B, C, S, S) in [-1, 1] to numbers (B, outputs)."""

    def __init__(self, image_shape: tuple[int, int, int], hidden: int, outputs: int, width: float = 1.0) -> None:
        super().__init__()
        check_square(image_shape, 32, 16)
        channels, side, _ = image_shape
        layers: list[nn.Module] = []
        for out in (scaled(base, width) for base in (32, 64, 128, 256)):
            layers += [nn.Conv2d(channels, out, 5, 2, 2), nn.BatchNorm2d(out), nn.ReLU()]
            channels = out
        hidden = scaled(hidden, width)
        flat = channels * (side // 16) ** 2
        layers += [nn.Flatten(), nn.Linear(flat, hidden), nn.BatchNorm1d(hidden), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(hidden, outputs))

    def forward(self, images: Tensor) -> Tensor:
        """z or labels, in float32."""
        code: Tensor = self.layers(images).float()
        return code
