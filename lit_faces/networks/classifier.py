"""A small convolutional classifier of attributes, used for measuring."""

from torch import Tensor, nn


class AttributeNet(nn.Module):
    """Images (B, C, S, S) to one logit an attribute (B, A): four stride-2 convolutions, each with batch normalisation."""

    def __init__(self, channels: int, attributes: int, width: float = 1.0, dropout: float = 0.3) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for out in (max(4, round(base * width)) for base in (64, 128, 256, 512)):
            layers += [nn.Conv2d(channels, out, 4, 2, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]
            channels = out
        self.convolutions = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(4)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(channels * 16, attributes))

    def forward(self, images: Tensor) -> Tensor:
        """Logits, in float32."""
        logits: Tensor = self.head(self.pool(self.convolutions(images)).flatten(1)).float()
        return logits
