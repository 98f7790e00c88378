"""A small convolutional network that says what a face shows, used for measuring."""

import torch.nn.functional as F
from torch import Tensor, nn

from lit_faces.networks.layers import scaled


class Trunk(nn.Sequential):
    """Images (B, C, H, W) to `features` numbers an image: four stride-2 convolutions, each with batch normalisation.

    Raises ValueError for images of fewer than 16 pixels a side, of which the convolutions leave nothing.
    """

    def __init__(self, image_shape: tuple[int, int, int], width: float = 1.0) -> None:
        channels, height, breadth = image_shape
        if min(height, breadth) < 16:
            raise ValueError(f"images must be at least 16x16, got {height}x{breadth}")
        layers: list[nn.Module] = []
        for out in (scaled(base, width) for base in (64, 128, 256, 512)):
            layers += [nn.Conv2d(channels, out, 4, 2, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]
            channels = out
        super().__init__(*layers, nn.AdaptiveAvgPool2d(4), nn.Flatten())
        self.features = channels * 16


class AttributeNet(nn.Module):
    """Images (B, C, H, W) to one logit an attribute (B, A)."""

    def __init__(
        self, image_shape: tuple[int, int, int], attributes: int, width: float = 1.0, dropout: float = 0.3
    ) -> None:
        super().__init__()
        self.convolutions = Trunk(image_shape, width)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(self.convolutions.features, attributes))

    def forward(self, images: Tensor) -> Tensor:
        """Logits, in float32."""
        logits: Tensor = self.head(self.convolutions(images)).float()
        return logits


class EmbeddingNet(nn.Module):
    """Images (B, C, H, W) to unit vectors (B, embedding_dim)."""

    def __init__(
        self, image_shape: tuple[int, int, int], embedding_dim: int, width: float = 1.0, dropout: float = 0.3
    ) -> None:
        super().__init__()
        self.convolutions = Trunk(image_shape, width)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(self.convolutions.features, embedding_dim))

    def forward(self, images: Tensor) -> Tensor:
        """Unit vectors, in float32."""
        return F.normalize(self.head(self.convolutions(images)).float())
