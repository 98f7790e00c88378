"""CGAN by Gauthier (2015), the other one that the CMMA paper shows faces of."""

import torch
from torch import Tensor

from lit_faces.data.batch import Batch, DataSpec
from lit_faces.methods.base import Method
from lit_faces.networks.gauthier import Discriminator, Generator
from lit_faces.objectives.adversarial import discriminator_loss, generator_loss

# Length of a normalised image as a vector of pixel values.
_SCALE = 55.0
# Every batch divides the learning rate, down to a floor.
_DECAY, _FLOOR = 1.000004, 1e-6


class CGANGauthier(Method):
    """Faces of 32x32 from noise and attributes, whose fakes are conditioned on draws from a density of the attributes.

    J. Gauthier, "Conditional generative adversarial nets for convolutional face generation", 2015, and its code. G and D take
    their steps of SGD together, both from the losses at the old weights; every batch divides the learning rate by 1.000004,
    down to 1e-6, and the momentum grows from 0.5 to 0.7 over 250 epochs. The conditions of fakes are draws from a Gaussian
    kernel density of the training images' attributes, of bandwidth 1: those of an image with noise added.

    D sees images of normalised contrast: less their mean, and scaled to a length of 55. G makes such images; to be pictures
    they are given the mean and the contrast of the average training image, and cut to [0, 1].
    """

    adversarial = True
    brightness: Tensor
    contrast: Tensor
    seen: Tensor

    def __init__(
        self,
        noise_dim: int = 100,
        width: float = 1.0,
        learning_rate: float = 0.004,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)
        self.automatic_optimization = False
        self.noise_dim, self.width, self.learning_rate = noise_dim, width, learning_rate

    def build(self, spec: DataSpec) -> None:
        """G and D, and what undoes the normalisation of contrast."""
        attributes = len(spec.attributes)
        self.generator = Generator(spec.image_shape, self.noise_dim, attributes, self.width)
        self.discriminator = Discriminator(spec.image_shape, attributes, self.width)
        for name, initial in (("brightness", 0.5), ("contrast", 0.25), ("seen", 0.0)):
            self.register_buffer(name, torch.tensor(initial))

    def normalise(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) in [0, 1] less their mean, scaled to a length of 55; in training, their averages are kept."""
        mean = images.mean((1, 2, 3), keepdim=True)
        centred = images - mean
        contrast = centred.square().sum((1, 2, 3), keepdim=True).sqrt() / _SCALE
        if self.training:
            self.seen += 1
            self.brightness += (mean.mean() - self.brightness) / self.seen
            self.contrast += (contrast.mean() - self.contrast) / self.seen
        return centred / contrast.clamp(min=1e-8)

    def generate(self, attributes: Tensor, noise: Tensor) -> Tensor:
        """G(n, y) with the brightness and the contrast of the average training image, in [0, 1]."""
        images: Tensor = self.generator(noise, attributes)
        return (self.brightness + self.contrast * images).clamp(0, 1)

    def conditions(self, attributes: Tensor) -> Tensor:
        """As many draws (B, A) from the kernel density of standardised attributes (B, A)."""
        rows = torch.randint(len(attributes), (len(attributes),), device=attributes.device)
        return attributes[rows] + torch.randn_like(attributes)

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """The gradients of both losses, then a step of both networks."""
        optimisers = self.optimizers()
        images, wanted = self.normalise(batch.images), self.conditions(batch.attributes)
        fake = self.generator(torch.randn(len(images), self.noise_dim, device=images.device), wanted)
        for optimiser in optimisers:  # type: ignore[union-attr]
            optimiser.zero_grad()

        real_logits = self.discriminator(images, batch.attributes)
        d_loss = discriminator_loss(real_logits, self.discriminator(fake.detach(), wanted))
        self.manual_backward(d_loss)
        self.discriminator.requires_grad_(False)
        g_loss = generator_loss(self.discriminator(fake, wanted))
        self.manual_backward(g_loss)
        self.discriminator.requires_grad_(True)

        for optimiser in optimisers:  # type: ignore[union-attr]
            optimiser.step()
            # The optimiser's own numbers, which its state in the checkpoint holds.
            for group in optimiser.param_groups:
                group["lr"] = max(group["lr"] / _DECAY, _FLOOR)
        d_loss, g_loss = d_loss.detach(), g_loss.detach()
        return {"loss": d_loss + g_loss, "discriminator_loss": d_loss, "generator_loss": g_loss}

    def on_train_epoch_start(self) -> None:
        """The momentum of this epoch."""
        for optimiser in self.optimizers():  # type: ignore[union-attr]
            for group in optimiser.param_groups:
                group["momentum"] = momentum(self.current_epoch)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """SGD for G and for D."""
        return [
            torch.optim.SGD(network.parameters(), lr=self.learning_rate, momentum=momentum(0), fused=True)
            for network in (self.generator, self.discriminator)
        ]


def momentum(epoch: int) -> float:
    """From 0.5 to 0.7 over 250 epochs."""
    return 0.5 + 0.2 * min(epoch / 250, 1.0)
