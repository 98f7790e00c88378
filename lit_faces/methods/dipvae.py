"""DIP-VAE, a variational autoencoder with an uncorrelated code."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from lit_faces.data.batch import Batch, DataSpec
from lit_faces.methods.labels import LabelledMethod
from lit_faces.networks.dipvae import Decoder, Encoder
from lit_faces.objectives.covariance import covariance, covariance_penalties
from lit_faces.objectives.gaussian import (
    LATENT_LOG_VARIANCE,
    DiagonalGaussian,
    diagonal,
    divergence,
    sample,
    standard_normal,
)


class DIPVAE(LabelledMethod):
    """An autoencoder whose code is drawn towards uncorrelated entries of variance 1 (Kumar et al. 2018, (6) and (7)).

    -log p(x|z) + KL(q(z|x) || N(0, I)) + lambda_od sum_{i != j} C_ij^2 + lambda_d sum_i (C_ii - 1)^2 in nats per image,
    where C is Cov(mu(x)) in `variant` I and that of z, Cov(mu(x)) + E diag(sigma^2(x)), in II. Pixels are
    probabilities. `lambda_d` is by default 10 lambda_od in I and lambda_od in II. It is trained without `labels`, by
    which it is only measured: the IFcVAE-GAN paper reads them off z with a linear classifier (Figure 7).

    C is estimated from the batch of each process, and of few images its noise is most of the penalty: have a batch_size
    of at least 256. One Adam.
    """

    # One has no covariance.
    fewest_images = 2

    def __init__(
        self,
        labels: tuple[str, ...] = (),
        latent_dim: int = 32,
        width: float = 1.0,
        variant: Literal["I", "II"] = "I",
        lambda_od: float = 10.0,
        lambda_d: float | None = None,
        learning_rate: float = 1e-4,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)
        self.labels, self.latent_dim, self.width, self.variant = tuple(labels), latent_dim, width, variant
        self.lambda_od, self.learning_rate = lambda_od, learning_rate
        self.lambda_d = (10 * lambda_od if variant == "I" else lambda_od) if lambda_d is None else lambda_d

    def build(self, spec: DataSpec) -> None:
        """Encoder and decoder. Raises UserError if no labels are given and the data set is about none."""
        self.settle_labels(spec)
        self.encoder = Encoder(spec.image_shape, self.latent_dim, self.width)
        self.decoder = Decoder(spec.image_shape, self.latent_dim, self.width)

    def posterior(self, images: Tensor) -> DiagonalGaussian:
        """q(z|x), over (B, latent_dim)."""
        return diagonal(self.encoder(images), LATENT_LOG_VARIANCE)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """The loss and its terms without their weights."""
        images = batch.images
        q = self.posterior(images)
        pixels = self.decoder(sample(q, torch.randn_like(q.mean)))
        error = F.binary_cross_entropy_with_logits(pixels, images, reduction="sum") / len(images)
        kl = divergence(q, standard_normal(images, self.latent_dim)).mean()
        off, on = covariance_penalties(covariance(q.mean, q.variance if self.variant == "II" else None))
        terms = {"reconstruction": error, "kl": kl, "off_diagonal": off, "diagonal": on}
        loss = error + kl + self.lambda_od * off + self.lambda_d * on
        return {"loss": loss, **{name: term.detach() for name, term in terms.items()}}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(self.parameters(), lr=self.learning_rate, fused=True)

    # What a trained model can do.

    def encode(self, images: Tensor, attributes: Tensor) -> dict[str, Tensor]:
        """mu(x)."""
        return {"z": self.posterior(images).mean}

    def reconstruct(self, images: Tensor, attributes: Tensor) -> Tensor:
        """Pixel means (B, C, H, W) at the posterior mean."""
        pixels: Tensor = self.decoder(self.posterior(images).mean)
        return pixels.sigmoid()
