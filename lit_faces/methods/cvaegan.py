"""cVAE-GAN as the IFcVAE-GAN paper uses it ("naive"), and what IFcVAE-GAN builds upon."""

from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from lit_faces.data.batch import Batch, DataSpec
from lit_faces.errors import UserError
from lit_faces.methods.capabilities import Strength
from lit_faces.methods.labels import LabelledMethod
from lit_faces.networks.layers import without_statistics
from lit_faces.networks.vaegan import Decoder, Discriminator, Encoder, Family
from lit_faces.objectives.adversarial import gan_loss, generator_loss
from lit_faces.objectives.gaussian import (
    LATENT_LOG_VARIANCE,
    DiagonalGaussian,
    diagonal,
    divergence,
    sample,
    standard_normal,
)

Reduction = Literal["authors", "paper"]
# Batch of the authors' code, which enters its weights: there some terms are sums over the batch, others means.
_AUTHORS_BATCH = 64


class CVAEGAN(LabelledMethod):
    """An autoencoder of z whose decoder is given the true labels, and a discriminator of its pictures.

    Equations (3) and (4) of the IFcVAE-GAN paper without a classifier: L_rec + alpha L_KL + delta L_gan for encoder and
    decoder, L_gan for the discriminator, which sees real faces, reconstructions and pictures of z ~ N(0, I) with the batch's
    labels. L_rec is a cross-entropy (pixels are probabilities); the generator's part of L_gan is non-saturating, as in the
    authors' code.

    With `reduction` "authors", an image's loss is sum(L_rec) / pixels + alpha sum(L_KL) / latent_dim + delta L_gan, and the
    weights of IFcVAE-GAN's other terms are divided by 64: the code sums the former over a batch of 64 and averages the
    latter. In units of a bound (times the number of pixels, 4,096) the divergence weighs 40.96 alpha, the discriminator 4,096
    delta nats. With "paper" every term is the mean over its entries, with the weights as printed; the same weight then means
    another thing.

    RMSprop for all; the paper's "momentum 0.5 in the discriminator" is the smoothing `discriminator_smoothing` of its RMSprop
    in the code. One step of encoder and decoder, then one of the discriminator, from one forward pass. The running statistics
    of the decoder's batch normalisation are those of reconstructions, since editing is what it is for.
    """

    adversarial = True

    def __init__(
        self,
        labels: tuple[str, ...] = (),
        networks: Family = "dcgan",
        latent_dim: int = 100,
        width: float = 1.0,
        learning_rate: float = 2e-4,
        discriminator_smoothing: float = 0.5,
        alpha: float = 0.2,
        delta: float = 0.1,
        reduction: Reduction = "authors",
    ) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)
        self.automatic_optimization = False
        self.labels, self.networks, self.latent_dim, self.width = tuple(labels), networks, latent_dim, width
        self.noise_dim = latent_dim
        self.learning_rate, self.discriminator_smoothing = learning_rate, discriminator_smoothing
        self.alpha, self.delta, self.reduction = alpha, delta, reduction

    def build(self, spec: DataSpec) -> None:
        """Encoder, decoder and discriminator.

        Raises UserError if no labels are given and the data set is about none, for an unknown reduction or unknown networks,
        and for a smoothing outside [0, 1).
        """
        if self.reduction not in get_args(Reduction):
            raise UserError(f"model.reduction must be authors or paper, got {self.reduction!r}")
        if self.networks not in get_args(Family):
            raise UserError(f"model.networks must be dcgan or residual, got {self.networks!r}")
        if not 0 <= self.discriminator_smoothing < 1:
            raise UserError(f"model.discriminator_smoothing must be in [0, 1), got {self.discriminator_smoothing}")
        self.settle_labels(spec)
        self.encoder = self.make_encoder(spec.image_shape)
        self.decoder = Decoder(spec.image_shape, self.latent_dim + len(self.labels), self.networks, self.width)
        self.discriminator = Discriminator(spec.image_shape, self.networks, self.width)

    def make_encoder(self, image_shape: tuple[int, int, int]) -> Encoder:
        """E_z."""
        return Encoder(image_shape, self.latent_dim, 0, self.networks, self.width)

    # What IFcVAE-GAN adds.

    def condition(self, logits: Tensor, labels: Tensor) -> Tensor:
        """What the decoder is given beside z in training (B, K): y."""
        return labels

    def factorise(self, q: DiagonalGaussian, logits: Tensor, picture: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Further terms: `loss`, the weighted sum for encoder and decoder, its parts, and `auxiliary` for the third optimiser."""
        return {}

    # Training.

    def reconstruction_error(self, pixels: Tensor, images: Tensor) -> Tensor:
        """L_rec from the pixels' logits, (B, C, H, W): a cross-entropy in nats, mean over images and, by `reduction`, pixels."""
        mean = F.binary_cross_entropy_with_logits(pixels, images)
        return mean * self.spec.image_shape[0] if self.reduction == "authors" else mean

    def small_weight(self, weight: float) -> float:
        """Weight of a term that the authors' code averages over the batch where it sums the others."""
        return weight / _AUTHORS_BATCH if self.reduction == "authors" else weight

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """One step of encoder and decoder, then one of each network that judges them."""
        optimisers: Any = self.optimizers()
        main, discriminating, *auxiliary = optimisers
        images, labels = batch.images, self.label_values(batch.attributes)
        mean, log_variance, logits = self.encoder(images)
        q = diagonal((mean, log_variance), LATENT_LOG_VARIANCE)
        z = sample(q, torch.randn_like(mean))
        pixels = self.decoder(torch.cat([z, self.condition(logits, labels)], 1))
        picture = pixels.sigmoid()

        error = self.reconstruction_error(pixels, images)
        kl = divergence(q, standard_normal(z, self.latent_dim)).mean()
        losses = {"loss": error + self.alpha / self.latent_dim * kl, "reconstruction": error, "kl": kl}
        fakes = [picture]
        if self.delta:
            noise = torch.randn_like(mean)
            fakes.append(without_statistics(self.decoder, torch.cat([noise, labels], 1)).sigmoid())
            self.discriminator.requires_grad_(False)
            # Without batch normalisation the pictures of a larger batch do not touch each other.
            fooled = 2 * generator_loss(self.discriminator(torch.cat(fakes)))
            losses["generator_loss"] = fooled / (2 if self.reduction == "authors" else 3)
            self.discriminator.requires_grad_(True)
            losses["loss"] = losses["loss"] + self.delta * losses["generator_loss"]
        more = self.factorise(q, logits, picture, labels)
        losses["loss"] = losses["loss"] + more.pop("loss", 0)
        losses |= more
        self.descend(main, losses["loss"])
        if "auxiliary" in losses:
            self.descend(auxiliary[0], losses["auxiliary"])
        if self.delta:
            judged = self.discriminator(torch.cat([images, *(fake.detach() for fake in fakes)]))
            losses["discriminator_loss"] = gan_loss(*judged.chunk(3))
            self.descend(discriminating, losses["discriminator_loss"])
        return {name: value.detach() for name, value in losses.items()}

    def rmsprop(self, *networks: torch.nn.Module, smoothing: float = 0.99) -> torch.optim.RMSprop:
        """RMSprop over the parameters of networks."""
        parameters = [parameter for network in networks for parameter in network.parameters()]
        return torch.optim.RMSprop(parameters, lr=self.learning_rate, alpha=smoothing)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """RMSprop for encoder with decoder, and for the discriminator."""
        return [
            self.rmsprop(self.encoder, self.decoder),
            self.rmsprop(self.discriminator, smoothing=self.discriminator_smoothing),
        ]

    # What a trained model can do.

    def decode(self, z: Tensor, labels: Tensor) -> Tensor:
        """Images (B, C, H, W) in [0, 1]."""
        pixels: Tensor = self.decoder(torch.cat([z, labels], 1))
        return pixels.sigmoid()

    def encode(self, images: Tensor, attributes: Tensor) -> dict[str, Tensor]:
        """The mean of q(z|x)."""
        return {"z": self.encoder(images)[0]}

    def generate(self, attributes: Tensor, noise: Tensor) -> Tensor:
        """D(z, y) for z ~ N(0, I)."""
        return self.decode(noise, self.label_values(attributes))

    def reconstruct(self, images: Tensor, attributes: Tensor) -> Tensor:
        """D(E_z(x), y) at the posterior mean."""
        return self.edit(images, attributes, attributes)

    def edit(self, images: Tensor, attributes: Tensor, target: Tensor, strength: Strength = 1.0) -> Tensor:
        """D(E_z(x), y), section 3.3: the labels are the target's, whatever they were."""
        return self.decode(self.encoder(images)[0], self.switched(attributes, target, strength))
