"""CMMA, the conditional multimodal autoencoder (Pandey and Dukkipati 2016)."""

from typing import Any, Literal

from torch import Tensor

from lit_faces.data.batch import DataSpec
from lit_faces.methods.capabilities import Strength
from lit_faces.methods.variational import Variational
from lit_faces.networks.cmma import Decoder, Encoder, SoftplusNet
from lit_faces.objectives.gaussian import LATENT_LOG_VARIANCE, DiagonalGaussian, diagonal


class CMMA(Variational):
    """Faces whose latent code is drawn from the attributes: z ~ p_f(z|y), x ~ p_g(x|z), q_h(z|x).

    Section 2 of the paper, with (7), (8) and (10) corrected. `posterior: xy` feeds the attributes to h as its equations write,
    `x` leaves them out as its section 4.1 does. The learning rate is not published: 1e-3 is Torch7's default, 1e-2 diverges.
    """

    def __init__(self, posterior: Literal["x", "xy"] = "x", **shared: Any) -> None:
        super().__init__(**shared)
        self.posterior_inputs = posterior

    def build(self, spec: DataSpec) -> None:
        """h, f and g of section 4.1."""
        attributes = len(spec.attributes)
        condition = attributes if self.posterior_inputs == "xy" else 0
        self.h = Encoder(spec.image_shape, self.latent_dim, condition, self.width)
        self.f = SoftplusNet(attributes, self.latent_dim, self.width)
        self.g = Decoder(spec.image_shape, self.latent_dim, width=self.width)

    def prior(self, attributes: Tensor) -> DiagonalGaussian:
        """p_f(z|y)."""
        return diagonal(self.f(attributes), LATENT_LOG_VARIANCE)

    def posterior(self, images: Tensor, attributes: Tensor) -> DiagonalGaussian:
        """q_h(z|x), or q_h(z|x, y)."""
        condition = attributes if self.posterior_inputs == "xy" else None
        return diagonal(self.h(images, condition), LATENT_LOG_VARIANCE)

    def likelihood(self, z: Tensor, attributes: Tensor) -> DiagonalGaussian:
        """p_g(x|z): the attributes reach the picture through z alone."""
        return diagonal(self.g(z), self.pixel_log_variance)

    def edit_latent(self, latent: Tensor, attributes: Tensor, target: Tensor, strength: Strength = 1.0) -> Tensor:
        """g(h(x) + f(y_new) - f(y_orig)), means only (section 4.5.2; the sign is ours, only this one makes sense)."""
        target = attributes.lerp(target, strength)
        shift = self.prior(target).mean - self.prior(attributes).mean
        return self.likelihood(latent + shift, target).mean
