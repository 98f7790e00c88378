"""What the four models of the CSVAE paper share: labels, one encoder and decoder, Adam, and the switching of labels."""

from typing import Any

import torch
from torch import Tensor

from lit_faces.data.batch import Batch, DataSpec
from lit_faces.methods.capabilities import Strength
from lit_faces.methods.labels import LabelledMethod
from lit_faces.networks.larsen import Decoder, Encoder
from lit_faces.objectives.gaussian import (
    LATENT_LOG_VARIANCE,
    PIXEL_LOG_VARIANCE,
    DiagonalGaussian,
    bounded,
    diagonal,
    divergence,
    sample,
    standard_normal,
)
from lit_faces.objectives.information import with_none

MILESTONES = tuple(3**i for i in range(7))


class LabelledVAE(LabelledMethod):
    """An autoencoder of z and a condition made of K binary labels, x ~ N(mu(z, condition), I), z ~ N(0, I).

    Weights as in the paper's appendix: `beta_1` of -log p(x|.), summed over the pixels (a mean would let z collapse; 20 is
    a standard deviation of 0.22 of a pixel), `beta_3` of KL(q(z|x) || p(z)). Adam, the rate multiplied by `gamma` after the
    epochs `milestones`. `learned_sigma` gives p(x|.) a variance that the decoder says of each pixel value, as section 4.2 has
    it. `labels` are the attributes modelled, by default those that the data are about. A subclass says what the decoder is
    conditioned on and how labels are switched (section 4.3).
    """

    fewest_images = 2
    style_dim = 0
    search: str = "grid"
    class_means: Tensor

    def __init__(
        self,
        labels: tuple[str, ...] = (),
        latent_dim: int = 128,
        width: float = 1.0,
        learning_rate: float = 5e-4,
        milestones: tuple[int, ...] = MILESTONES,
        gamma: float = 0.1 ** (1 / 7),
        beta_1: float = 20.0,
        beta_3: float = 0.2,
        learned_sigma: bool = False,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)
        self.automatic_optimization = False
        self.labels, self.latent_dim, self.width = tuple(labels), latent_dim, width
        self.noise_dim = latent_dim  # until the labels are known
        self.learning_rate, self.milestones, self.gamma = learning_rate, milestones, gamma
        self.beta_1, self.beta_3, self.learned_sigma = beta_1, beta_3, learned_sigma

    # What a model conditions on, over K labels.

    def encoder_condition_dim(self, count: int) -> int:
        """Numbers that q(z|.) sees beside the image."""
        return 0

    def decoder_condition_dim(self, count: int) -> int:
        """Numbers that the decoder sees beside z."""
        return 0

    def posterior(self, images: Tensor, labels: Tensor) -> DiagonalGaussian:
        """q(z|x) or q(z|x, y), over (B, latent_dim), for labels (B, K) in {0, 1}."""
        return diagonal(self.encoder(images), LATENT_LOG_VARIANCE)

    def condition(self, images: Tensor, labels: Tensor) -> Tensor | None:
        """What the decoder is given beside z for this image as it is (B, D), without noise."""
        return None

    def class_code(self, images: Tensor, labels: Tensor) -> Tensor | None:
        """The code (B, D) whose means over the classes of the validation split are kept, if switching needs them."""
        return None

    def build(self, spec: DataSpec) -> None:
        """Encoder and decoder. Raises UserError if no labels are given and the data set is about none."""
        self.settle_labels(spec)
        count = len(self.labels)
        self.encoder = Encoder(spec.image_shape, self.latent_dim, self.encoder_condition_dim(count), self.width)
        self.noise_dim = self.latent_dim + self.decoder_condition_dim(count)
        self.decoder = Decoder(spec.image_shape, self.noise_dim, self.width, self.learned_sigma)

    def membership(self, labels: Tensor) -> Tensor:
        """Which classes an image is in (B, C): those of the labels, then "none" if exclusive, else "not" of each label."""
        return with_none(labels) if self.exclusive else torch.cat([labels, 1 - labels], 1)

    def pixels(self, z: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Means and, if sigma is learned, log-variances of p(x|.), each (B, C, H, W)."""
        means, log_variances = self.decoder(z if condition is None else torch.cat([z, condition], 1))
        return means, log_variances

    def decode(self, z: Tensor, condition: Tensor | None) -> Tensor:
        """Pixel means (B, C, H, W)."""
        return self.pixels(z, condition)[0]

    def bound(self, images: Tensor, labels: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """z (B, latent_dim), and the weighted loss with its terms, means over the batch, in nats per image."""
        q = self.posterior(images, labels)
        z = sample(q, torch.randn_like(q.mean))
        error = self.error(images, *self.pixels(z, self.condition(images, labels)))
        kl_z = divergence(q, standard_normal(z, self.latent_dim)).mean()
        return z, {"loss": self.beta_1 * error + self.beta_3 * kl_z, "reconstruction": error, "kl_z": kl_z}

    def error(self, images: Tensor, means: Tensor, log_variances: Tensor | None = None) -> Tensor:
        """-log p(x|.) but for its constant (D / 2) log 2 pi, mean over the batch; without log-variances, for a variance of 1."""
        errors = (images - means).square()
        if log_variances is not None:
            log_variances = bounded(log_variances, *PIXEL_LOG_VARIANCE)
            errors = errors * (-log_variances).exp() + log_variances
        return 0.5 * errors.flatten(1).sum(1).mean()

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """One step of Adam on the bound."""
        _, losses = self.bound(batch.images, self.label_values(batch.attributes))
        self.descend(self.optimizers(), losses["loss"])
        return {name: value.detach() for name, value in losses.items()}

    def on_train_epoch_end(self) -> None:
        """The rates' schedule, in epochs; here, so that the checkpoint of the epoch holds it."""
        schedulers: Any = self.lr_schedulers()
        for scheduler in schedulers if isinstance(schedulers, list) else [schedulers]:
            scheduler.step()

    def configure_optimizers(self) -> tuple[list[torch.optim.Optimizer], list[Any]]:
        """Adam and its schedule for encoder and decoder (appendix 7.1)."""
        return self.scheduled(list(self.parameters()))

    def scheduled(self, *groups: list[torch.nn.Parameter]) -> tuple[list[torch.optim.Optimizer], list[Any]]:
        """One Adam with its schedule for each list of parameters."""
        optimisers: list[torch.optim.Optimizer] = [
            torch.optim.Adam(group, lr=self.learning_rate, betas=(0.9, 0.999), eps=1e-8, fused=True) for group in groups
        ]
        milestones = list(self.milestones)
        return optimisers, [torch.optim.lr_scheduler.MultiStepLR(o, milestones, self.gamma) for o in optimisers]

    def on_validation_epoch_start(self) -> None:
        """Start the sums of the class means anew."""
        super().on_validation_epoch_start()
        self._sums: Tensor | None = None

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Add a batch to the class means."""
        labels = self.label_values(batch.attributes)
        code = self.class_code(batch.images, labels)
        if code is not None:
            # In float64, which no autocast rounds: second moments are differences of large numbers.
            member = self.membership(labels).double()
            sums = torch.cat([member.T @ code.double(), member.sum(0)[:, None]], 1)
            self._sums = sums if self._sums is None else self._sums + sums

    def on_validation_epoch_end(self) -> None:
        """Keep the class means, over all ranks; they are part of the checkpoint. A class without images keeps what it had."""
        if hasattr(self, "class_means"):
            zeros = torch.zeros(len(self.class_means), self.class_means.shape[1] + 1, device=self.device).double()
            sums: Tensor = self.trainer.strategy.reduce(zeros if self._sums is None else self._sums, reduce_op="sum")
            means = (sums[:, :-1] / sums[:, -1:].clamp(min=1)).float()
            self.class_means.copy_(torch.where(sums[:, -1:] > 0, means, self.class_means))

    def keep_class_means(self, initial: Tensor) -> None:
        """Keep means (C, D) of `class_code` over the classes of the validation split, until then `initial`."""
        self.register_buffer("class_means", initial)

    # What a trained model can do.

    def encode(self, images: Tensor, attributes: Tensor) -> dict[str, Tensor]:
        """The mean of q(z|.)."""
        return {"z": self.posterior(images, self.label_values(attributes)).mean}

    def reconstruct(self, images: Tensor, attributes: Tensor) -> Tensor:
        """Pixel means (B, C, H, W) at the posterior means."""
        labels = self.label_values(attributes)
        return self.decode(self.posterior(images, labels).mean, self.condition(images, labels))

    def edit(self, images: Tensor, attributes: Tensor, target: Tensor, strength: Strength = 1.0) -> Tensor:
        """G_ij of section 4.3 with the model's own style of each label."""
        return self.switch(images, attributes, target, self.styles(), strength)

    def styles(self) -> Tensor:
        """No choice: (K, 0)."""
        return torch.zeros(len(self.labels), 0, device=self.device)

    def candidate_styles(self) -> Tensor:
        """No choice: one style of no numbers (1, K, 0)."""
        return torch.zeros(1, len(self.labels), 0, device=self.device)

    def switch(
        self, images: Tensor, attributes: Tensor, target: Tensor, styles: Tensor, strength: Strength = 1.0
    ) -> Tensor:
        """Labels that differ between attributes (B, A) and target (B, A) switched; set with styles (K, D) or (B, K, D)."""
        raise NotImplementedError(f"{type(self).__name__} must implement switch()")
