"""CGAN, the conditional generative adversarial network that CMMA is compared with."""

import torch
from torch import Tensor

from lit_faces.data.batch import Batch, DataSpec
from lit_faces.methods.base import Method, adagrad
from lit_faces.networks.cmma import Discriminator, Generator
from lit_faces.objectives.adversarial import discriminator_loss, generator_loss


class CGAN(Method):
    """Faces from noise and attributes, G(n, y), judged together with the attributes, D(x, y).

    Sections 4.2 and 4.3 of the CMMA paper: G is CMMA's g without the variance, D has h's convolutions; Adagrad for both, one
    step of D, then one of G. Noise size and learning rates are not published; without a rate of its own D has G's. It has no
    posterior, so it neither edits nor bounds the likelihood.
    """

    adversarial = True

    def __init__(
        self,
        noise_dim: int = 500,
        width: float = 1.0,
        learning_rate: float = 1e-3,
        discriminator_learning_rate: float | None = None,
        initial_accumulator_value: float = 0.0,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)
        self.automatic_optimization = False
        self.noise_dim, self.width = noise_dim, width
        self.learning_rate = learning_rate
        self.discriminator_learning_rate = (
            learning_rate if discriminator_learning_rate is None else discriminator_learning_rate
        )
        self.initial_accumulator_value = initial_accumulator_value

    def build(self, spec: DataSpec) -> None:
        """G and D."""
        attributes = len(spec.attributes)
        self.generator = Generator(spec.image_shape, self.noise_dim, attributes, self.width)
        self.discriminator = Discriminator(spec.image_shape, attributes, self.width)

    def generate(self, attributes: Tensor, noise: Tensor) -> Tensor:
        """G(n, y)."""
        images: Tensor = self.generator(noise, attributes)
        return images

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """One step of D, then one of G on the same fakes: G has not moved, so its forward pass serves both."""
        generator_optimiser, discriminator_optimiser = self.optimizers()  # type: ignore[attr-defined]
        images, y = batch.images, batch.attributes
        fake = self.generate(y, torch.randn(len(images), self.noise_dim, device=images.device))

        d_loss = discriminator_loss(self.discriminator(images, y), self.discriminator(fake.detach(), y))
        discriminator_optimiser.zero_grad()
        self.manual_backward(d_loss)
        discriminator_optimiser.step()

        self.discriminator.requires_grad_(False)
        g_loss = generator_loss(self.discriminator(fake, y))
        generator_optimiser.zero_grad()
        self.manual_backward(g_loss)
        generator_optimiser.step()
        self.discriminator.requires_grad_(True)
        d_loss, g_loss = d_loss.detach(), g_loss.detach()
        return {"loss": d_loss + g_loss, "discriminator_loss": d_loss, "generator_loss": g_loss}

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Adagrad for G and for D."""
        return [
            adagrad(self.generator, self.learning_rate, self.initial_accumulator_value),
            adagrad(self.discriminator, self.discriminator_learning_rate, self.initial_accumulator_value),
        ]
