"""Methods whose codes and pictures are planted, ladders above all, and a judge that describes pictures."""

import torch
from painter import SIZE, Judge, Painter
from torch.distributions import Independent, Normal

from lit_faces.methods.base import Method


def gaussian(mean, scale):
    return Independent(Normal(mean, scale, validate_args=False), 1, validate_args=False)


class Ladder(Painter):
    """Layer 0 sees the painted labels, layer 1 the warmth, layer 3 the lowest bits of three pixels: noise.

    The first three numbers of a code are the brightness of its picture's planes.
    """

    latent_dims = (2, 1, 0, 3)

    def posterior(self, images):
        marks = images[:, 1:].flatten(2).mean(2)
        warmth = images[:, :1].flatten(1).mean(1, keepdim=True) - marks[:, 1:]
        bits = (images[:, 0, 0, :3] * 255).round() % 2
        mean = torch.cat([marks, 3 * warmth + 1, 2 * bits - 1], 1)
        return gaussian(mean, torch.full_like(mean, 0.5))

    def decode(self, z):
        return z[:, :3].sigmoid()[..., None, None].expand(-1, -1, SIZE, SIZE)


class Fixed(Ladder):
    """Every image has the same Gaussian for its code."""

    def __init__(self, mean, scale, latent_dims=(10, 2)):
        super().__init__()
        self.mean, self.scale, self.latent_dims = mean, scale, latent_dims

    def posterior(self, images):
        shape = len(images), sum(self.latent_dims)
        return gaussian(torch.tensor(self.mean).expand(shape), torch.tensor(self.scale).expand(shape))


class Planes(Method):
    """Each plane of an image is the code of a layer, as it is."""

    def __init__(self, latent_dims=(16, 0, 16, 16)):
        super().__init__()
        self.save_hyperparameters(logger=False)
        self.latent_dims = tuple(latent_dims)

    def build(self, spec):
        self.paint = torch.nn.Linear(1, 1)

    def posterior(self, images):
        mean = images.flatten(1)
        return gaussian(mean, torch.ones_like(mean))

    def decode(self, z):
        return z.view(len(z), *self.spec.image_shape)


class Dim(Planes):
    """Decodes faces whose first pixel is dark without their paint."""

    def decode(self, z):
        images = super().decode(z).clone()
        images[:, 1:] *= (images[:, :1, :1, :1] > 0.35).float()
        return images


class Describing(Judge):
    """Describes a picture by three numbers that depend on each other nonlinearly."""

    def features(self, images):
        assert images.dtype == torch.float32
        planes = images.flatten(2).mean(2)
        return torch.cat([planes[:, :2], planes[:, :1] * planes[:, 1:2]], 1)


class Gan(Painter):
    """Paints by the attributes and its noise."""

    noise_dim = 2

    def generate(self, attributes, noise):
        planes = torch.cat([attributes[:, :1], noise], 1).sigmoid()
        return planes[..., None, None].expand(-1, -1, SIZE, SIZE)
