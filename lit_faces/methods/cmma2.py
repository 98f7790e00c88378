"""CMMA's second version, which also tells the attributes from the code (Pandey and Dukkipati 2016)."""

from typing import Any

import torch
from torch import Tensor

from lit_faces.data.batch import Batch, DataSpec
from lit_faces.methods.cmma import CMMA
from lit_faces.networks.cmma import SoftplusNet
from lit_faces.objectives.gaussian import (
    ATTRIBUTE_LOG_VARIANCE,
    DiagonalGaussian,
    diagonal,
    divergence,
    log_density,
    sample,
)


class CMMA2(CMMA):
    """CMMA with q(z|x) q(y|z) for its posterior: a face without attributes can be edited, since h2 infers them.

    Section 2.1 of the second version, which puts `lambda_y` E_{p(z|y)} log q(y|z) in place of log p(y). That is no bound: with a
    learned variance it has no upper end but for its clamp. The layers of h2, f's mirrored, and the weight are not published.
    """

    def __init__(self, lambda_y: float = 1.0, **shared: Any) -> None:
        super().__init__(posterior="x", **shared)
        # CMMA's choice, which the second version does not have; outside the command line its constructor is looked at too.
        self.hparams.pop("posterior", None)
        self.lambda_y = lambda_y

    def build(self, spec: DataSpec) -> None:
        """CMMA's h, f and g, and h2."""
        super().build(spec)
        self.h2 = SoftplusNet(self.latent_dim, len(spec.attributes), self.width)

    def attributes_given(self, z: Tensor) -> DiagonalGaussian:
        """q_h2(y|z), over (B, A), of standardised attributes."""
        return diagonal(self.h2(z), ATTRIBUTE_LOG_VARIANCE)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """The negative of the bound plus `lambda_y` log q(y|z), mean over the batch, with one z ~ p(z|y) an image.

        Beside it log q(y|z) at z ~ q(z|x), near which an edit uses h2 and nothing trains it.
        """
        images, y = batch.images, batch.attributes
        q, p = self.posterior(images, y), self.prior(y)
        z = sample(q, torch.randn_like(q.mean))
        log_likelihood = log_density(self.likelihood(z, y), images).mean()
        kl = divergence(q, p).mean()
        log_attributes = log_density(self.attributes_given(sample(p, torch.randn_like(p.mean))), y).mean()
        with torch.no_grad():
            seen = log_density(self.attributes_given(z), y).mean()
        return {
            "loss": kl - log_likelihood - self.lambda_y * log_attributes,
            "log_likelihood": log_likelihood.detach(),
            "kl": kl.detach(),
            "log_attributes": log_attributes.detach(),
            "log_attributes_of_faces": seen,
        }

    def infer(self, images: Tensor) -> Tensor:
        """Standardised attributes (B, A) of images (B, C, H, W): h2 of h, means only (section 4.5, missing attributes)."""
        codes, _ = self.h(images)
        return self.attributes_given(codes).mean
