"""A predictor of the labels from z, which the encoder learns to defeat."""

from typing import Any

from torch import Tensor

from lit_faces.data.batch import Batch, DataSpec
from lit_faces.methods.labelled import LabelledVAE
from lit_faces.networks.larsen import Predictor
from lit_faces.objectives.information import label_log_likelihood


class AdversarialVAE(LabelledVAE):
    """A labelled autoencoder and an adversary that predicts the labels from z, each with its own Adam.

    Of each batch, one step of the adversary on z without gradient, weighted by `beta_5`, then one of all the rest, to whose
    bound `information`, weighted by `beta_4`, is added with the adversary held fast. The encoder has not moved between them,
    so one forward pass of it serves both. The paper says "jointly"; the order is ours.
    """

    adversarial = True

    def __init__(self, beta_4: float = 10.0, beta_5: float = 1.0, **shared: Any) -> None:
        super().__init__(**shared)
        self.beta_4, self.beta_5 = beta_4, beta_5

    def information(self, logits: Tensor, labels: Tensor) -> Tensor:
        """What the adversary knows (B,), in nats per image, which the encoder minimises."""
        raise NotImplementedError(f"{type(self).__name__} must implement information()")

    def build(self, spec: DataSpec) -> None:
        """Encoder, decoder and adversary."""
        super().build(spec)
        self.adversary = Predictor(self.latent_dim, len(self.labels) + self.exclusive)

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """One step of the adversary, then one of encoder and decoder."""
        main, adversarial = self.optimizers()  # type: ignore[attr-defined]
        labels = self.label_values(batch.attributes)
        z, losses = self.bound(batch.images, labels)

        prediction = -label_log_likelihood(self.adversary(z.detach()), labels, self.exclusive).mean()
        self.descend(adversarial, self.beta_5 * prediction)

        self.adversary.requires_grad_(False)
        information = self.information(self.adversary(z), labels).mean()
        losses["loss"] = losses["loss"] + self.beta_4 * information
        self.descend(main, losses["loss"])
        self.adversary.requires_grad_(True)
        losses |= {"information": information, "adversary": prediction}
        return {name: value.detach() for name, value in losses.items()}

    def configure_optimizers(self) -> Any:
        """Adam for the adversary and Adam for all the rest."""
        apart = set(self.adversary.parameters())
        return self.scheduled([p for p in self.parameters() if p not in apart], list(self.adversary.parameters()))
