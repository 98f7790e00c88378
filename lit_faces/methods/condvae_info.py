"""CondVAE-info, the conditional autoencoder with information factorisation."""

from torch import Tensor

from lit_faces.methods.adversary import AdversarialVAE
from lit_faces.methods.condvae import CondVAE
from lit_faces.methods.labelled import LabelledVAE
from lit_faces.objectives.gaussian import DiagonalGaussian
from lit_faces.objectives.information import label_log_likelihood


class CondVAEInfo(AdversarialVAE, CondVAE):
    """CondVAE with q(z|x) and (3) of the CSVAE paper: max over phi, min over psi of the cross-entropy of r_psi(z) and y.

    The weight of (3) is not published; it has CSVAE's `beta_4`. The cross-entropy is unbounded where CSVAE's entropy is not.
    """

    def encoder_condition_dim(self, count: int) -> int:
        """The encoder does not see the labels."""
        return 0

    def posterior(self, images: Tensor, labels: Tensor) -> DiagonalGaussian:
        """q(z|x)."""
        return LabelledVAE.posterior(self, images, labels)

    def information(self, logits: Tensor, labels: Tensor) -> Tensor:
        """log r_psi(y|z)."""
        return label_log_likelihood(logits, labels, self.exclusive)
