"""CSVAE, the conditional subspace autoencoder (Klys, Snell and Zemel 2018)."""

from typing import Any, Literal, get_args

import torch
from torch import Tensor

from lit_faces.data.batch import DataSpec
from lit_faces.errors import UserError
from lit_faces.methods.adversary import AdversarialVAE
from lit_faces.methods.capabilities import Strength
from lit_faces.methods.principal import principal_combinations, with_products
from lit_faces.networks.larsen import Encoder
from lit_faces.objectives.gaussian import (
    LATENT_LOG_VARIANCE,
    DiagonalGaussian,
    diagonal,
    divergence,
    sample,
    standard_normal,
)
from lit_faces.objectives.information import label_entropy

Search = Literal["grid", "principal"]
# 7 points a dimension: 343 in three, 2,401 in four.
_GRID_DIMENSIONS = 3


class CSVAE(AdversarialVAE):
    """All that is known of label i in a subspace W_i = R^`subspace_dim` of its own, and nothing of it in z.

    The appendix's objective, corrected: beta_1, beta_2 KL(q(w|x,y) || p(w|y)), beta_3, beta_4 times the negative entropy of
    q_delta(y|z), and beta_5 log q_delta(y|z) for delta. p(w_i|y_i) is, in each dimension, N(3, 1) where the label holds and
    N(0, 0.1^2) where it does not, as the paper uses it; it prints the reverse, which `prior_swap` is. `search` says how the
    styles of a label are searched for (section 4.3): over a grid, or along the principal axes of the codes of the validation
    images that have it. Raises UserError for a grid over more than 3 dimensions, an unknown search or no dimension.
    """

    def __init__(
        self,
        beta_2: float = 1.0,
        prior_swap: bool = False,
        subspace_dim: int = 2,
        search: Search = "grid",
        **shared: Any,
    ) -> None:
        super().__init__(**shared)
        if subspace_dim < 1:
            raise UserError(f"model.subspace_dim must be at least 1, got {subspace_dim}")
        if search not in get_args(Search):
            raise UserError(f"model.search must be grid or principal, got {search!r}")
        if search == "grid" and subspace_dim > _GRID_DIMENSIONS:
            raise UserError(
                f"model.search: a grid over subspaces of {subspace_dim} dimensions is too large: "
                f"say search: principal, or give subspace_dim at most {_GRID_DIMENSIONS}"
            )
        self.beta_2, self.prior_swap = beta_2, prior_swap
        self.style_dim, self.search = subspace_dim, search

    def decoder_condition_dim(self, count: int) -> int:
        """w."""
        return self.style_dim * count

    def build(self, spec: DataSpec) -> None:
        """The encoders of z and of w, the decoder, the adversary, and room for the means of w over the classes."""
        super().build(spec)
        count = len(self.labels)
        self.subspace_encoder = Encoder(spec.image_shape, self.style_dim * count, count, self.width)
        classes = self.membership(torch.zeros(1, count)).shape[1]
        # Before the first validation, the prior's means.
        self.keep_class_means(self.moments(self.prior(torch.ones(1, count)).mean).repeat(classes, 1))

    def prior(self, labels: Tensor) -> DiagonalGaussian:
        """p(w|y), over (B, K D)."""
        far = (labels == (0 if self.prior_swap else 1)).repeat_interleave(self.style_dim, 1).to(labels.dtype)
        return diagonal((3 * far, 2 * (0.1 + 0.9 * far).log()), LATENT_LOG_VARIANCE)

    def subspace_posterior(self, images: Tensor, labels: Tensor) -> DiagonalGaussian:
        """q(w|x, y), over (B, K D)."""
        return diagonal(self.subspace_encoder(images, labels), LATENT_LOG_VARIANCE)

    def condition(self, images: Tensor, labels: Tensor) -> Tensor:
        """The mean of q(w|x, y)."""
        return self.subspace_posterior(images, labels).mean

    def class_code(self, images: Tensor, labels: Tensor) -> Tensor:
        """The moments of the mean of q(w|x, y)."""
        return self.moments(self.condition(images, labels))

    def moments(self, w: Tensor) -> Tensor:
        """w (B, K D); if its principal axes are wanted, each w_i with its products (B, K (D + D^2))."""
        if self.search == "grid":
            return w
        return with_products(w.view(len(w), -1, self.style_dim)).flatten(1)

    def own_moments(self) -> Tensor:
        """The means of the moments of w_j over the validation images that have label j (K, D or D + D^2)."""
        count = len(self.labels)
        return self.class_means[:count].view(count, count, -1)[range(count), range(count)]

    def bound(self, images: Tensor, labels: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """z (B, latent_dim), and the weighted m_1 of section 4.1 with its terms, means over the batch, in nats per image."""
        q, r = self.posterior(images, labels), self.subspace_posterior(images, labels)
        z, w = (sample(d, torch.randn_like(d.mean)) for d in (q, r))
        error = self.error(images, *self.pixels(z, w))
        kl_z = divergence(q, standard_normal(z, self.latent_dim)).mean()
        kl_w = divergence(r, self.prior(labels)).mean()
        loss = self.beta_1 * error + self.beta_2 * kl_w + self.beta_3 * kl_z
        return z, {"loss": loss, "reconstruction": error, "kl_z": kl_z, "kl_w": kl_w}

    def information(self, logits: Tensor, labels: Tensor) -> Tensor:
        """M_2, the negative entropy of q_delta(y|z)."""
        return -label_entropy(logits, self.exclusive)

    def encode(self, images: Tensor, attributes: Tensor) -> dict[str, Tensor]:
        """The means of q(z|x) and, by label, of q(w_i|x, y)."""
        labels = self.label_values(attributes)
        w = self.condition(images, labels).chunk(len(self.labels), 1)
        codes = {"z": self.posterior(images, labels).mean}
        return codes | {f"w_{name}": part for name, part in zip(self.labels, w, strict=True)}

    def generate(self, attributes: Tensor, noise: Tensor) -> Tensor:
        """Pixel means (B, C, H, W) for z and w from their priors."""
        z, rest = noise[:, : self.latent_dim], noise[:, self.latent_dim :]
        return self.decode(z, sample(self.prior(self.label_values(attributes)), rest))

    def styles(self) -> Tensor:
        """p_j: the mean of q(w_j|x, y) over the validation images that have label j (K, D)."""
        return self.own_moments()[:, : self.style_dim]

    def candidate_styles(self) -> Tensor:
        """The mean of W_i's codes; then, of each label, 7 points a dimension from 3 standard deviations of the prior below its
        mean to 3 above, or combinations of principal axes (P, K, D).
        """
        if self.search == "principal":
            found = principal_combinations(self.own_moments(), self.style_dim)
        else:
            prior = self.prior(torch.ones(1, len(self.labels), device=self.device))
            mean, deviation = (part.view(-1, self.style_dim) for part in (prior.mean, prior.stddev))
            steps = torch.cartesian_prod(*[torch.linspace(-3, 3, 7, device=self.device)] * self.style_dim)
            found = mean + steps.view(-1, 1, self.style_dim) * deviation
        return torch.cat([self.styles()[None], found])

    def switch(
        self, images: Tensor, attributes: Tensor, target: Tensor, styles: Tensor, strength: Strength = 1.0
    ) -> Tensor:
        """G_ij(x, p) = mu_theta(mu_phi(x), p): new points for the labels that change, the mean of p(w|y = 0) for "off".

        Of labels that exclude each other a face that changes keeps none: p_l = 0 for all others, as in section 4.3. Of labels
        that do not, those that stay keep the face's own point.
        """
        old, new = self.label_values(attributes), self.label_values(target)
        same = old == new
        if self.exclusive:
            same = same.all(1, keepdim=True).expand_as(same)
        w = self.condition(images, old).view(len(old), -1, self.style_dim)
        off = self.prior(torch.zeros_like(new)).mean.view_as(w)
        point = torch.where(new[..., None] == 1, styles.to(w), off)
        of_labels = self.of_labels(strength)
        each = of_labels[..., None] if isinstance(of_labels, Tensor) else of_labels
        w = w.lerp(torch.where(same[..., None], w, point), each)
        return self.decode(self.posterior(images, old).mean, w.flatten(1))
