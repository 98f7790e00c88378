"""The independent classifier that judges edited and generated faces."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lit_faces.data.batch import Batch, DataSpec
from lit_faces.data.mirroring import mirrored
from lit_faces.methods.base import Method
from lit_faces.networks.classifier import AttributeNet


class AttributeClassifier(Method):
    """One sigmoid an attribute, trained on real training faces; no paper has it, so it is ours.

    A real-valued attribute counts as present above its threshold (`DataSpec.threshold`). With `mirror` each training image
    is mirrored or not at random, which is for faces: a mirrored digit is none. Adam with weight decay.
    """

    fewest_images = 2

    def __init__(
        self,
        width: float = 1.0,
        dropout: float = 0.3,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-4,
        mirror: bool = True,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)
        self.width, self.dropout, self.mirror = width, dropout, mirror
        self.learning_rate, self.weight_decay = learning_rate, weight_decay

    def build(self, spec: DataSpec) -> None:
        """The network."""
        self.network = AttributeNet(spec.image_shape, len(spec.attributes), self.width, self.dropout)

    def probabilities(self, images: Tensor) -> Tensor:
        """Probability (B, A) of each attribute, from images (B, C, H, W) in [0, 1]."""
        return self.logits(images).sigmoid()

    def logits(self, images: Tensor) -> Tensor:
        """Logit (B, A) of each attribute."""
        logits: Tensor = self.network(images - 0.5)
        return logits

    def features(self, images: Tensor) -> Tensor:
        """What the last convolution sees (B, F), mean over the image, in float32, from images (B, C, H, W) in [0, 1]."""
        # A distance of features is not to depend on a run's precision.
        with torch.autocast(images.device.type, enabled=False):
            found: Tensor = self.network.convolutions(images.float() - 0.5)
        return found.reshape(len(images), -1, 16).mean(2)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Binary cross-entropy, mean over images and attributes."""
        target = self.spec.binary(batch.attributes).float()
        images = mirrored(batch.images) if self.mirror else batch.images
        return {"loss": F.binary_cross_entropy_with_logits(self.logits(images), target)}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam with decoupled weight decay."""
        return torch.optim.AdamW(self.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay, fused=True)
