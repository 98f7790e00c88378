"""C-hat of the IFcVAE-GAN paper: whether a face shows the label that the decoder is given."""

import torch
from pytorch_lightning import Trainer
from torch import Tensor

from lit_faces.callbacks.attribute_edits import Edit, classifier_of
from lit_faces.callbacks.edits import labels_of, mean_over_edits
from lit_faces.callbacks.measurement import SHARE, Evaluation, Evaluator, Measurement, mean_over_images
from lit_faces.data.batch import Batch
from lit_faces.methods.base import Method
from lit_faces.methods.capabilities import Edits
from lit_faces.metrics.per_image import PerImage

# Of how many faces the published shares seem to be: 81.3 %, 18.8 % and 93.8 % are all sixteenths.
FIRST = 16


class CHat(Evaluator):
    """Measures `c_hat_off` and `c_hat_on` of each label on the test faces that have it, and their means over labels.

    IFcVAE-GAN paper, section 4.1: the share of faces that the classifier of the run's AttributeEdits sees without the label
    after decoding with y = 0 (C-hat of "Not-Smiling"), and with it after decoding with y = 1 ("Smiling"). A decoder that
    ignores y gives shares that sum to 1. With `first_16_` before their names, the same of the first 16 of these faces, as
    many as the paper seems to have used. For methods that edit labels which do not exclude each other, given a classifier.
    """

    def __init__(self) -> None:
        self._seen: dict[str, PerImage] = {}

    def start(self, trainer: Trainer, method: Method) -> bool:
        """Find the labels that some test face has. Raises UserError if the classifier does not fit the data."""
        self._seen = {}
        if method.spec.exclusive or not isinstance(method, Edits) or classifier_of(trainer, method) is None:
            return False
        attributes = trainer.datamodule.splits["test"].attributes  # type: ignore[attr-defined]
        for label in labels_of(method):
            if Edit(reset=(label,)).lacking(attributes, method.spec).any():
                self._seen[label] = PerImage("off", "on").to(method.device)
        return bool(self._seen)

    def update(self, trainer: Trainer, method: Method, batch: Batch) -> None:
        """Decode the faces of a batch that have a label without and with it, and let the classifier judge."""
        judge, spec = classifier_of(trainer, method), method.spec
        assert judge is not None
        assert isinstance(method, Edits)
        for label, metric in self._seen.items():
            edits = (Edit(reset=(label,)), Edit(set=(label,)))
            faces = Batch(*(column[edits[0].lacking(batch.attributes, spec)] for column in batch))
            if not len(faces.row):
                continue
            off, on = (
                judge.probabilities(method.edit(faces.images, faces.attributes, edit.apply(faces.attributes, spec)))
                for edit in edits
            )
            column = spec.position(label)
            metric.update(faces.row, torch.stack([off[:, column] <= 0.5, on[:, column] > 0.5], 1))

    def finish(self, trainer: Trainer, method: Method) -> Evaluation:
        """The shares of every label, and their means over the labels."""
        measurements: list[Measurement] = []
        per_image = {}
        parts: dict[str, list[tuple[Tensor, Tensor]]] = {}
        for label, metric in self._seen.items():
            values = metric.compute()
            for kind in values.names:
                name, hits = f"c_hat_{kind}/{label}", values.column(kind)
                per_image[f"c_hat_{kind}_hit/{label}"] = (values.index, hits)
                parts.setdefault(f"c_hat_{kind}", []).append((values.index, hits))
                measurements.append(mean_over_images(name, SHARE, values.index, hits))
                if len(hits) >= FIRST:
                    first = (values.index[:FIRST], hits[:FIRST])
                    name = f"first_{FIRST}_{name}"
                    measurements.append(mean_over_images(name, SHARE, *first, faces=f"first {FIRST}"))
        for name, shares in parts.items():
            # Of one label the mean is its share, which has an interval.
            one = len(shares) == 1
            measurements.append(
                mean_over_images(name, SHARE, *shares[0]) if one else mean_over_edits(name, SHARE, shares)
            )
        return Evaluation(tuple(measurements), per_image)
