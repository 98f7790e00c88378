"""CondVAE, the conditional variational autoencoder."""

import torch
from torch import Tensor

from lit_faces.methods.capabilities import Strength
from lit_faces.methods.labelled import LabelledVAE
from lit_faces.objectives.gaussian import LATENT_LOG_VARIANCE, DiagonalGaussian, diagonal


class CondVAE(LabelledVAE):
    """Equation (2) of the CSVAE paper: encoder and decoder see the labels.

    G_ij(x, y, p) = mu_theta(mu_phi(x, y), p y^1): the labels are replaced, one that is set by its strength p, by default 1.
    """

    style_dim = 1

    def encoder_condition_dim(self, count: int) -> int:
        """The labels."""
        return count

    def decoder_condition_dim(self, count: int) -> int:
        """The labels."""
        return count

    def posterior(self, images: Tensor, labels: Tensor) -> DiagonalGaussian:
        """q(z|x, y)."""
        return diagonal(self.encoder(images, labels), LATENT_LOG_VARIANCE)

    def condition(self, images: Tensor, labels: Tensor) -> Tensor:
        """y."""
        return labels

    def generate(self, attributes: Tensor, noise: Tensor) -> Tensor:
        """Pixel means (B, C, H, W) for z from the prior; the last K numbers of the noise are not used."""
        return self.decode(noise[:, : self.latent_dim], self.label_values(attributes))

    def styles(self) -> Tensor:
        """p = 1 (K, 1)."""
        return torch.ones(len(self.labels), 1, device=self.device)

    def candidate_styles(self) -> Tensor:
        """p from 0.25 to 3, the same for all labels (12, K, 1); the paper compares p in [0, 3]."""
        return torch.linspace(0.25, 3, 12, device=self.device).view(-1, 1, 1).expand(-1, len(self.labels), -1)

    def switch(
        self, images: Tensor, attributes: Tensor, target: Tensor, styles: Tensor, strength: Strength = 1.0
    ) -> Tensor:
        """Encode with the old labels, decode with the new."""
        old, new = self.label_values(attributes), self.label_values(target)
        condition = old.lerp(torch.where(old == new, old, new * styles[..., 0]), self.of_labels(strength))
        return self.decode(self.posterior(images, old).mean, condition)
