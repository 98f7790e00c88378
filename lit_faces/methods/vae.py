"""VAE, the variational autoencoder, with labels switched by arithmetic on codes."""

import torch
from torch import Tensor

from lit_faces.data.batch import DataSpec
from lit_faces.methods.capabilities import Strength
from lit_faces.methods.labelled import LabelledVAE


class VAE(LabelledVAE):
    """Equation (1) of the CSVAE paper; labels play no part in the training.

    G_ij(x) = mu_theta(mu_phi(x) - m_i + m_j), where m are means of the codes of a class, here over the validation split.
    """

    def build(self, spec: DataSpec) -> None:
        """Encoder, decoder, and room for the class means."""
        super().build(spec)
        classes = self.membership(torch.zeros(1, len(self.labels))).shape[1]
        self.keep_class_means(torch.zeros(classes, self.latent_dim))

    def class_code(self, images: Tensor, labels: Tensor) -> Tensor:
        """mu_phi(x)."""
        return self.posterior(images, labels).mean

    def switch(
        self, images: Tensor, attributes: Tensor, target: Tensor, styles: Tensor, strength: Strength = 1.0
    ) -> Tensor:
        """Leave the old classes' means for the new ones'."""
        old, new = self.label_values(attributes), self.switched(attributes, target, strength)
        shift = (self.membership(new) - self.membership(old)) @ self.class_means
        return self.decode(self.posterior(images, old).mean + shift, None)
