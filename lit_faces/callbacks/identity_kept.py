"""Is an edited face still recognised as the same person? An embedding of persons says."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from torch import Tensor

from lit_faces.callbacks.attribute_edits import edits_of, pictures_of
from lit_faces.callbacks.edits import Edit, mean_over_edits
from lit_faces.callbacks.measurement import SHARE, Evaluation, Evaluator, Measurement, mean_over_images
from lit_faces.callbacks.strengths import SamePerson
from lit_faces.callbacks.verification import compared, embedded
from lit_faces.data.batch import Batch
from lit_faces.errors import UserError
from lit_faces.methods.base import Method
from lit_faces.methods.capabilities import Edits, Identifies, Reconstructs
from lit_faces.methods.trained import load_method
from lit_faces.metrics.verification import Embedded, Embeddings, best_threshold, next_of_another

_UNIT = {"identity_kept": SHARE, "identity_accuracy": "balanced share of pairs"}


class IdentityKept(Evaluator):
    """Measures, for each edit of the run, whether an `embedding` of persons recognises who is in the edited picture.

    On the test faces that lack what the edit gives: `identity_kept`, the share whose edited picture and photograph are
    more alike (cosine similarity) than a threshold, and `identity_accuracy`, the balanced accuracy with which these
    pairs are told from those of a photograph and the edited picture of the next face of another person. A method that
    turns every face into one may keep the identity, but the accuracy is then 1/2. Their means over the edits take
    images for independent. For reference, `unedited_identity_kept`, that of the reconstructions of all test faces. The
    threshold is the best one for pairs of photographs of the validation split. `embedding` is the checkpoint of a
    method that identifies persons, trained on images of the same shape; without one nothing is measured. For methods
    that edit.
    """

    def __init__(self, embedding: str | None = None) -> None:
        self.embedding_path = embedding
        self._embedding: Identifies | None = None
        self._edits: dict[str, Edit] = {}

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse before the training what would be refused after it."""
        assert isinstance(pl_module, Method)
        if self.embedding_path and isinstance(pl_module, Edits):
            self._load(pl_module)

    def start(self, trainer: Trainer, method: Method) -> bool:
        """Load the embedding and choose the threshold.

        Raises UserError if the checkpoint holds no embedding or one of images of another shape, and if the validation
        split has too few pairs of photographs.
        """
        self._edits = edits_of(trainer, method) if self.embedding_path and isinstance(method, Edits) else {}
        if not self._edits:
            return False
        embedding = self._prepared(trainer, method)

        def empty() -> Embeddings:
            return Embeddings(embedding.embedding_dim).to(method.device)

        self._photographs, self._edited = empty(), {name: empty() for name in self._edits}
        self._unedited = empty() if isinstance(method, Reconstructs) else None
        return True

    def comparison(self, trainer: Trainer, method: Method) -> SamePerson | None:
        """Whether the embedding takes two pictures (B, C, H, W) each for one person; None without an embedding."""
        if not self.embedding_path:
            return None
        embed, threshold = self._prepared(trainer, method).embed, self._threshold

        def same(images: Tensor, others: Tensor) -> Tensor:
            return (embed(images) * embed(others)).sum(1) > threshold

        return same

    def _prepared(self, trainer: Trainer, method: Method) -> Identifies:
        """The embedding and, beside it, its threshold, the first time in a test."""
        if self._embedding is None:
            embedding = self._load(method)
            photographs = compared(embedded(trainer, embedding, "validation", method.device))
            if photographs is None:
                raise UserError(
                    f"the validation split of {method.spec.name} needs two pairs of photographs of one person and a second "
                    "person, to choose the threshold on: use more of the data, or leave out --identity.embedding"
                )
            self._threshold = best_threshold(photographs.same, photographs.different)
            self._settings = {"threshold": self._threshold, "validation_pairs": photographs.pairs}
            self._embedding = embedding
        return self._embedding

    def _load(self, method: Method) -> Identifies:
        """The embedding, or a UserError if it cannot be used for such images."""
        # Its first weights are drawn before they are loaded, which must not change what the evaluation draws.
        with torch.random.fork_rng(devices=[]):
            embedding: Any = load_method(Path(str(self.embedding_path)), device=method.device)
        spec = embedding.spec
        if not isinstance(embedding, Identifies):
            raise UserError(
                f"{self.embedding_path} is of {type(embedding).__name__}, which does not tell persons apart: give "
                "the checkpoint of an IdentityEmbedding as --identity.embedding"
            )
        if spec.image_shape != method.spec.image_shape:
            raise UserError(
                f"{self.embedding_path} was trained on images {spec.image_shape} of {spec.name}, the data's are "
                f"{method.spec.image_shape}: give an --identity.embedding that was trained on images of that shape"
            )
        return embedding

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Let go of the embedding: what comes next may be on another device."""
        self._embedding = None

    def update(self, trainer: Trainer, method: Method, batch: Batch) -> None:
        """Embed a batch as it is, reconstructed, and after every edit."""
        assert self._embedding is not None
        embed, pictures = self._embedding.embed, pictures_of(trainer, method, batch)
        self._photographs.update(batch.row, batch.identity, embed(batch.images))
        if self._unedited is not None:
            self._unedited.update(batch.row, batch.identity, embed(pictures.unedited))
        for name, edit in self._edits.items():
            if (lacking := pictures.lacking(edit)).any():
                self._edited[name].update(batch.row[lacking], batch.identity[lacking], embed(pictures.edited(edit)))

    def finish(self, trainer: Trainer, method: Method) -> Evaluation:
        """The shares of every edit and their means, and that of the reconstructions."""
        photographs = self._photographs.compute()
        parts: dict[str, list[tuple[Tensor, Tensor]]] = {}
        measurements: list[Measurement] = []
        per_image = {}
        for name, metric in self._edited.items():
            edited = metric.compute()
            for kind, values in self._judged(photographs, edited).items():
                mean = self._mean(f"{kind}/{name}", _UNIT[kind], edited.index, values)
                measurements.append(replace(mean, settings={**mean.settings, "strength": self._edits[name].strength}))
                parts.setdefault(kind, []).append((edited.index, values))
            per_image[f"identity_kept/{name}"] = parts["identity_kept"][-1]
        for kind, edits in parts.items():
            mean = mean_over_edits(kind, _UNIT[kind], edits)
            measurements.append(replace(mean, settings={**mean.settings, **self._settings}))
        if self._unedited is not None:
            unedited, kind = self._unedited.compute(), "unedited_identity_kept"
            values = self._judged(photographs, unedited)["identity_kept"]
            measurements.append(self._mean(kind, SHARE, unedited.index, values))
            per_image[kind] = (unedited.index, values)
        return Evaluation(tuple(measurements), per_image)

    def _judged(self, photographs: Embedded, pictures: Embedded) -> dict[str, Tensor]:
        """The share of right answers (N,) for each of N pictures, made from some of the photographs.

        Without a second person among the pictures there is no `identity_accuracy`.
        """
        own = photographs.vectors[torch.searchsorted(photographs.index, pictures.index)]
        kept = ((own * pictures.vectors).sum(1) > self._threshold).double()
        other = next_of_another(pictures.identity)
        if other is None:
            return {"identity_kept": kept}
        rejected = (own * pictures.vectors[other]).sum(1) <= self._threshold
        return {"identity_kept": kept, "identity_accuracy": (kept + rejected) / 2}

    def _mean(self, name: str, unit: str, index: Tensor, values: Tensor) -> Measurement:
        return mean_over_images(name, unit, index, values, **self._settings)
