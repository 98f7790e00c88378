"""Conditional models trained on a variational bound: what CMMA and CVAE share."""

from typing import Literal

import torch
from pytorch_lightning.core.optimizer import LightningOptimizer
from torch import Tensor

from lit_faces.data.batch import Batch, DataSpec
from lit_faces.methods.base import Method, adagrad
from lit_faces.methods.capabilities import Strength
from lit_faces.methods.schedules import Schedule, at
from lit_faces.networks.layers import initialize_for_rectifiers
from lit_faces.objectives.gaussian import PIXEL_LOG_VARIANCE, DiagonalGaussian, divergence, log_density, sample


class Variational(Method):
    """log p(x|y) >= E_q log p(x|z[, y]) - KL(q || prior), one z an image, one optimiser for all networks.

    A subclass gives the three distributions; everything else follows from them. The CMMA paper trains with Adagrad (section
    4.3) and says nothing of a schedule; the options beyond that are ours, for runs of minutes:

    - `optimizer: adam` learns more in a short run: the first steps of Adagrad without an accumulator are sign steps, which leave
      many rectifiers dead. `learning_rate` may be a ramp, and rises from 0 over the first `warm_up_epochs`.
    - `initialization: he` draws the hidden layers' weights as He et al. (2015, arXiv 1502.01852) do for rectifiers, in place of
      torch's smaller ones, with which a short run hardly leaves the average face.
    - `floor` is the smallest log-variance of a pixel. Without one that is high at first, plain backgrounds soon have a tiny
      variance and with it nearly all of the gradient, and mouths or glasses are learnt late or never (the pitfall of
      heteroscedastic likelihoods, Seitzer et al. 2022, arXiv 2203.09168). A ramp from -4 to -8 avoids that and ends at the
      usual density. A bound is one under the floor that the training has come to.
    """

    def __init__(
        self,
        latent_dim: int = 500,
        width: float = 1.0,
        learning_rate: Schedule = 1e-3,
        initial_accumulator_value: float = 0.0,
        optimizer: Literal["adagrad", "adam"] = "adagrad",
        warm_up_epochs: float = 0.0,
        initialization: Literal["torch", "he"] = "torch",
        floor: Schedule = PIXEL_LOG_VARIANCE[0],
    ) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)
        self.latent_dim = self.noise_dim = latent_dim
        self.width, self.learning_rate, self.warm_up_epochs, self.floor = width, learning_rate, warm_up_epochs, floor
        self.optimizer_name, self.initial_accumulator_value = optimizer, initial_accumulator_value
        self.initialization = initialization

    def prepare(self, spec: DataSpec) -> None:
        """Build the networks, once, and draw their weights as asked."""
        is_new = not hasattr(self, "spec")
        super().prepare(spec)
        if is_new and self.initialization == "he":
            initialize_for_rectifiers(self)

    @property
    def pixel_log_variance(self) -> tuple[float, float]:
        """Smallest and largest log-variance of a pixel at this point of the training."""
        return at(self.floor, self.epochs_trained), PIXEL_LOG_VARIANCE[1]

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
        return self.likelihood(self.latent(images, attributes), attributes).mean

    def edit(self, images: Tensor, attributes: Tensor, target: Tensor, strength: Strength = 1.0) -> Tensor:
        """Pixel means (B, C, H, W) of the faces with target (B, A) in place of attributes (B, A), from the posterior mean."""
        return self.edit_latent(self.latent(images, attributes), attributes, target, strength)

    def latent(self, images: Tensor, attributes: Tensor) -> Tensor:
        """The posterior mean (B, latent_dim)."""
        return self.posterior(images, attributes).mean

    def edit_latent(self, latent: Tensor, attributes: Tensor, target: Tensor, strength: Strength = 1.0) -> Tensor:
        """Pixel means (B, C, H, W) for the latent codes (B, latent_dim), from attributes (B, A) to target (B, A)."""
        raise NotImplementedError(f"{type(self).__name__} must implement edit_latent()")

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adagrad (CMMA paper, section 4.3), or Adam."""
        rate = at(self.learning_rate, 0)
        if self.optimizer_name == "adam":
            return torch.optim.Adam(self.parameters(), rate, fused=True)
        return adagrad(self, rate, self.initial_accumulator_value)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Set the learning rate of the coming step."""
        rate = at(self.learning_rate, self.epochs_trained)
        if self.warm_up_epochs:
            begun = self.epochs_trained + 1 / self.trainer.num_training_batches
            rate *= min(1.0, begun / self.warm_up_epochs)
        optimizer = self.optimizers()
        assert isinstance(optimizer, LightningOptimizer)
        for group in optimizer.param_groups:
            group["lr"] = rate
