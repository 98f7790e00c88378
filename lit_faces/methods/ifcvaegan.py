"""IFcVAE-GAN, adversarial information factorisation."""

from typing import Any

from torch import Tensor, optim, randn_like

from lit_faces.data.batch import DataSpec
from lit_faces.methods.cvaegan import CVAEGAN
from lit_faces.networks.vaegan import Auxiliary, Encoder
from lit_faces.objectives.gaussian import DiagonalGaussian, sample
from lit_faces.objectives.information import label_log_likelihood


class IFcVAEGAN(CVAEGAN):
    """A cVAE-GAN whose encoder also says the labels, and keeps them out of z against an auxiliary network that looks for
    them.

    Equation (6): L_rec + alpha L_KL + rho L_class + delta L_gan - gamma L_aux for encoder and decoder, L_aux for the
    auxiliary network A, which reads a second sample of q(z|x). The decoder is given the labels that the encoder says. `beta`
    weighs the classification loss on reconstructions, -log E_y(x_hat) (section 4.2, (3); the paper prints E_y(D(x_hat))). Of
    several labels the losses are summed. A weight of 0 takes a term away: each row of Tables 1 and 3 is a config.

    With `detach_y_features`, as in the authors' code, the labels' head of the encoder sends no gradient into its
    convolutions: L_class and `beta` train that head alone, L_rec and L_gan train it too, through y_hat, and the convolutions
    learn by way of z only, from the decoder and A. On `reduction` and the meaning of the weights see CVAEGAN; with "authors"
    gamma = 1 is 64 in units of a bound, where L_aux is at most 0.69 nats a label.
    """

    def __init__(
        self,
        rho: float = 0.1,
        beta: float = 0.0,
        gamma: float = 1.0,
        detach_y_features: bool = True,
        **shared: Any,
    ) -> None:
        super().__init__(**shared)
        self.rho, self.beta, self.gamma, self.detach_y_features = rho, beta, gamma, detach_y_features

    def build(self, spec: DataSpec) -> None:
        """All four networks."""
        super().build(spec)
        self.auxiliary = Auxiliary(self.latent_dim, len(self.labels), self.width)

    def make_encoder(self, image_shape: tuple[int, int, int]) -> Encoder:
        """E_z and E_y, which share their convolutions."""
        count = len(self.labels)
        return Encoder(image_shape, self.latent_dim, count, self.networks, self.width, self.detach_y_features)

    def condition(self, logits: Tensor, labels: Tensor) -> Tensor:
        """y_hat."""
        return logits.sigmoid()

    def factorise(self, q: DiagonalGaussian, logits: Tensor, picture: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """rho L_class + beta L_class(x_hat) - gamma L_aux, with A held fast, and L_aux for A."""
        losses = {"class": -label_log_likelihood(logits, labels).mean()}
        losses["loss"] = self.small_weight(self.rho) * losses["class"]
        if self.beta:
            losses["class_on_reconstruction"] = -label_log_likelihood(self.encoder.logits(picture), labels).mean()
            losses["loss"] = losses["loss"] + self.small_weight(self.beta) * losses["class_on_reconstruction"]
        if self.gamma:
            second = sample(q, randn_like(q.mean))
            self.auxiliary.requires_grad_(False)
            known = -label_log_likelihood(self.auxiliary(second), labels).mean()
            self.auxiliary.requires_grad_(True)
            losses["loss"] = losses["loss"] - self.small_weight(self.gamma) * known
            losses["auxiliary"] = -label_log_likelihood(self.auxiliary(second.detach()), labels).mean()
        return losses

    def configure_optimizers(self) -> list[optim.Optimizer]:
        """RMSprop for encoder with decoder, for the discriminator and for A."""
        return [*super().configure_optimizers(), self.rmsprop(self.auxiliary)]

    def label_probabilities(self, images: Tensor) -> Tensor:
        """E_y(x) (B, K)."""
        return self.encoder.logits(images).float().sigmoid()

    def reconstruct(self, images: Tensor, attributes: Tensor) -> Tensor:
        """D(E_y(x), E_z(x)) at the posterior mean; the attributes are not looked at."""
        mean, _, logits = self.encoder(images)
        return self.decode(mean, logits.sigmoid())
