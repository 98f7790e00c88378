"""Conditional models trained on a variational bound: what CMMA and CVAE share."""

import torch
from torch import Tensor

from lit_faces.data.batch import Batch
from lit_faces.methods.base import Method, adagrad
from lit_faces.objectives.gaussian import DiagonalGaussian, divergence, log_density, sample


class Variational(Method):
    """log p(x|y) >= E_q log p(x|z[, y]) - KL(q || prior), one z an image, one Adagrad for all networks.

    A subclass gives the three distributions; everything else follows from them.
    """

    def __init__(self, latent_dim: int, learning_rate: float, initial_accumulator_value: float) -> None:
        super().__init__()
        self.latent_dim = self.noise_dim = latent_dim
        self.learning_rate = learning_rate
        self.initial_accumulator_value = initial_accumulator_value

    def prior(self, attributes: Tensor) -> DiagonalGaussian:
        """p(z|y) or p(z), over (B, latent_dim)."""
        raise NotImplementedError(f"{type(self).__name__} must implement prior()")

    def posterior(self, images: Tensor, attributes: Tensor) -> DiagonalGaussian:
        """q(z|x) or q(z|x, y), over (B, latent_dim)."""
        raise NotImplementedError(f"{type(self).__name__} must implement posterior()")

    def likelihood(self, z: Tensor, attributes: Tensor) -> DiagonalGaussian:
        """p(x|z) or p(x|z, y), over (B, C, H, W)."""
        raise NotImplementedError(f"{type(self).__name__} must implement likelihood()")

    def elbo(self, images: Tensor, attributes: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """log p(x|z) and KL(q || prior), each (B,), in nats per image; their difference is the bound, (6) and (13)."""
        q = self.posterior(images, attributes)
        likelihood = self.likelihood(sample(q, noise), attributes)
        return log_density(likelihood, images), divergence(q, self.prior(attributes))

    def log_weights(self, images: Tensor, attributes: Tensor, noise: Tensor) -> Tensor:
        """Importance weights log p(x|z) + log p(z) - log q(z) (B, K) for noise (B, K, latent_dim), in nats."""
        q, p = self.posterior(images, attributes), self.prior(attributes)
        columns = []
        for k in range(noise.shape[1]):
            z = sample(q, noise[:, k])
            columns.append(log_density(self.likelihood(z, attributes), images) + log_density(p, z) - log_density(q, z))
        return torch.stack(columns, 1)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """The negative bound, mean over the batch, and its two terms."""
        noise = torch.randn(len(batch.images), self.latent_dim, device=batch.images.device)
        log_likelihood, kl = (term.mean() for term in self.elbo(batch.images, batch.attributes, noise))
        return {"loss": kl - log_likelihood, "log_likelihood": log_likelihood.detach(), "kl": kl.detach()}

    def generate(self, attributes: Tensor, noise: Tensor) -> Tensor:
        """Pixel means (B, C, H, W) for z from the prior; zero noise takes its mean."""
        return self.likelihood(sample(self.prior(attributes), noise), attributes).mean

    def reconstruct(self, images: Tensor, attributes: Tensor) -> Tensor:
        """Pixel means (B, C, H, W) at the posterior mean."""
        return self.likelihood(self.posterior(images, attributes).mean, attributes).mean

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adagrad (CMMA paper, section 4.3)."""
        return adagrad(self, self.learning_rate, self.initial_accumulator_value)
