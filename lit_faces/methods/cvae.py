"""CVAE, the conditional variational autoencoder that CMMA is compared with."""

from torch import Tensor

from lit_faces.data.batch import DataSpec
from lit_faces.methods.capabilities import Strength
from lit_faces.methods.variational import Variational
from lit_faces.networks.cmma import Decoder, Encoder
from lit_faces.objectives.gaussian import (
    LATENT_LOG_VARIANCE,
    DiagonalGaussian,
    diagonal,
    standard_normal,
)


class CVAE(Variational):
    """Faces from a code that knows nothing of the attributes: z ~ N(0, I), x ~ p(x|z, y), q(z|x, y).

    (13) of the CMMA paper; encoder and decoder are CMMA's, with the attributes beside the encoder's features and the code.
    """

    def build(self, spec: DataSpec) -> None:
        """CMMA's h and g, each with the attributes as a condition."""
        attributes = len(spec.attributes)
        self.encoder = Encoder(spec.image_shape, self.latent_dim, attributes, self.width)
        self.decoder = Decoder(spec.image_shape, self.latent_dim, attributes, self.width)

    def prior(self, attributes: Tensor) -> DiagonalGaussian:
        """N(0, I)."""
        return standard_normal(attributes, self.latent_dim)

    def posterior(self, images: Tensor, attributes: Tensor) -> DiagonalGaussian:
        """q(z|x, y)."""
        return diagonal(self.encoder(images, attributes), LATENT_LOG_VARIANCE)

    def likelihood(self, z: Tensor, attributes: Tensor) -> DiagonalGaussian:
        """p(x|z, y)."""
        return diagonal(self.decoder(z, attributes), self.pixel_log_variance)

    def edit_latent(self, latent: Tensor, attributes: Tensor, target: Tensor, strength: Strength = 1.0) -> Tensor:
        """Decode the code of the face with its original attributes with the new ones."""
        return self.likelihood(latent, attributes.lerp(target, strength)).mean
