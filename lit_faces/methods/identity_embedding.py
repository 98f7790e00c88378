"""The embedding of persons that says whether an edited face is still the same person's."""

import torch
import torch.nn.functional as F
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor, nn

from lit_faces.data.batch import Batch, DataSpec
from lit_faces.data.mirroring import mirrored
from lit_faces.errors import UserError
from lit_faces.methods.base import Method
from lit_faces.networks.classifier import EmbeddingNet


class IdentityEmbedding(Method):
    """Faces to unit vectors, near each other for one person; no paper here has it, so it is ours.

    Trained on the identities of real training faces with random mirroring, by softmax cross-entropy of `scale` times
    the cosines between a face and a learned direction of every person (NormFace: Wang et al. 2017, arXiv 1704.06369). A
    person's class is the identity modulo `classes`, so that the network's size is known without the data (CelebA has
    10,177 persons); persons who share a class are learned as one. Adam with weight decay.
    """

    fewest_images = 2

    def __init__(
        self,
        width: float = 1.0,
        embedding_dim: int = 128,
        classes: int = 16384,
        scale: float = 16.0,
        dropout: float = 0.3,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-4,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)
        self.width, self.embedding_dim, self.classes, self.scale = width, embedding_dim, classes, scale
        self.dropout, self.learning_rate, self.weight_decay = dropout, learning_rate, weight_decay

    def build(self, spec: DataSpec) -> None:
        """The network and the persons' directions. Raises UserError without two classes or a positive scale."""
        if self.classes < 2 or self.scale <= 0:
            raise UserError(
                f"model.classes must be at least 2 and model.scale above 0, got {self.classes} and {self.scale}"
            )
        self.network = EmbeddingNet(spec.image_shape, self.embedding_dim, self.width, self.dropout)
        # Of about unit length, which decides how fast a step can turn them.
        self.directions = nn.Parameter(torch.randn(self.classes, self.embedding_dim) / self.embedding_dim**0.5)

    def configure_model(self) -> None:
        """Lightning's hook, as of every method; raises UserError for a fit on data that know no two pictures of one person."""
        super().configure_model()
        if self.trainer.state.fn == TrainerFn.FITTING:
            identity = self.trainer.datamodule.splits["train"].identity  # type: ignore[attr-defined]
            if len(torch.unique(identity)) == len(identity):
                raise UserError(
                    f"IdentityEmbedding learns to tell persons apart, and {self.spec.name} has no two training pictures of "
                    "one: say in the data who is in which picture"
                )

    def embed(self, images: Tensor) -> Tensor:
        """Unit vectors (B, embedding_dim) of images (B, C, H, W) in [0, 1], the same for a mirrored face."""
        return F.normalize(self.network(images - 0.5) + self.network(images.flip(3) - 0.5))

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy over the persons, mean over images."""
        found = self.network(mirrored(batch.images) - 0.5)
        # Autocast would multiply in bf16.
        with torch.autocast(found.device.type, enabled=False):
            cosines = F.linear(found, F.normalize(self.directions))
            return {"loss": F.cross_entropy(self.scale * cosines, batch.identity % self.classes)}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam with decoupled weight decay."""
        return torch.optim.AdamW(self.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay, fused=True)
