"""Networks of Gauthier's conditional GAN (2015), for images of 32x32: a generator of two wide layers, a maxout discriminator.

At `width` 1, RGB images, 100 numbers of noise and 73 attributes they have 65,406,003 (G) and 13,166,978 (D) parameters.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_faces.networks.layers import scaled

SIZE = 32


class Generator(nn.Module):
    """G: noise (B, noise) and attributes (B, A) to images (B, C, 32, 32) of normalised contrast.

    8000 rectifiers, 8000 sigmoids as 80 maps of 10x10, and one transposed convolution, 5x5 with stride 3.
    Raises ValueError for images that are not 32x32.
    """

    def __init__(self, image_shape: tuple[int, int, int], noise_dim: int, attributes: int, width: float = 1.0) -> None:
        super().__init__()
        _check(image_shape)
        self.maps = scaled(80, width)
        self.first = _uniform(nn.Linear(noise_dim + attributes, scaled(8000, width)), 0.005)
        self.second = _uniform(nn.Linear(self.first.out_features, self.maps * 100), 0.05)
        self.out = nn.ConvTranspose2d(self.maps, image_shape[0], 5, stride=3)

    def forward(self, noise: Tensor, attributes: Tensor) -> Tensor:
        """Images, of any range, in float32."""
        x = F.relu(self.first(torch.cat([noise, attributes], 1)))
        x = self.second(x).sigmoid().unflatten(1, (self.maps, 10, 10))
        images: Tensor = self.out(x).float()
        return images


class Discriminator(nn.Module):
    """D: images (B, C, 32, 32) of normalised contrast and attributes (B, A) to a logit (B,): positive for "real".

    Three maxout convolutions of two pieces, pooled to 16, 7 and 5 a side, 500 maxout units of five pieces, and the attributes
    beside these. Dropout of every layer's inputs. Raises ValueError for images that are not 32x32.
    """

    def __init__(self, image_shape: tuple[int, int, int], attributes: int, width: float = 1.0) -> None:
        super().__init__()
        _check(image_shape)
        first, second, third, dense = (scaled(channels, width) for channels in (64, 64, 192, 500))
        self.conv1 = nn.Conv2d(image_shape[0], 2 * first, 8, padding=4)
        self.conv2 = nn.Conv2d(first, 2 * second, 8, padding=3)
        self.conv3 = nn.Conv2d(second, 2 * third, 5, padding=3)
        self.dense = nn.Linear(third * 25, 5 * dense)
        self.head = nn.Linear(dense + attributes, 1)

    def forward(self, images: Tensor, attributes: Tensor) -> Tensor:
        """Logit of "this image is real and has these attributes", in float32."""
        # Windows that begin inside the map count though they end outside, as in the code that this follows.
        x = F.max_pool2d(maxout(self.conv1(self._drop(images, 0.2)), 2), 4, 2, ceil_mode=True)
        x = F.max_pool2d(maxout(self.conv2(self._drop(x)), 2), 4, 2, ceil_mode=True)
        x = F.max_pool2d(maxout(self.conv3(self._drop(x)), 2), 2, 2, ceil_mode=True)
        x = maxout(self.dense(self._drop(x.flatten(1))), 5)
        x = torch.cat([x, attributes.to(x.dtype)], 1)
        logits: Tensor = self.head(self._drop(x)).float().squeeze(1)
        return logits

    def _drop(self, x: Tensor, share: float = 0.5) -> Tensor:
        return F.dropout(x, share, self.training)


def maxout(x: Tensor, pieces: int) -> Tensor:
    """The largest of every `pieces` neighbouring channels: (B, pieces * C, ...) to (B, C, ...) (Goodfellow et al. 2013)."""
    return x.reshape(len(x), -1, pieces, *x.shape[2:]).amax(2)


def _check(image_shape: tuple[int, int, int]) -> None:
    if image_shape[1:] != (SIZE, SIZE):
        height, breadth = image_shape[1:]
        raise ValueError(f"images must be {SIZE}x{SIZE}, got {height}x{breadth}: give --data.size {SIZE}")


def _uniform(layer: nn.Linear, limit: float) -> nn.Linear:
    nn.init.uniform_(layer.weight, -limit, limit)
    nn.init.zeros_(layer.bias)
    return layer
