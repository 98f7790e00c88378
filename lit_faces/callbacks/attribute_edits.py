"""Do edited and generated faces show the attribute? An independent classifier says."""

from math import isnan
from pathlib import Path
from typing import Any, Literal

import torch
from pytorch_lightning import Trainer
from torch import Tensor

from lit_faces.callbacks.edits import Edit, labels_of, rivals, settle_edits
from lit_faces.callbacks.measurement import Evaluation, Evaluator, Measurement
from lit_faces.data.batch import Batch
from lit_faces.errors import UserError
from lit_faces.methods.base import Method, load_method
from lit_faces.methods.capabilities import Classifies, Edits, Generates, Reconstructs, require
from lit_faces.metrics.attributes import AttributeHits, wilson_interval
from lit_faces.metrics.noise import ImageNoise
from lit_faces.metrics.per_image import clustered_error

__all__ = ["AttributeEdits", "Edit", "edits_of"]

_METRICS = {
    "unedited": ("unedited_rate",),
    "generation": ("generation_accuracy",),
    "edit": ("edit_accuracy", "edit_change_in_others"),
}


class AttributeEdits(Evaluator):
    """Measures, for each of `edits`, how often the `classifier` sees its attribute where it was not before.

    On the test faces that lack the attribute: `edit_accuracy` after editing the face, `edit_change_in_others` (mean absolute
    change of the classifier's other probabilities against the unedited reconstruction), `unedited_rate` (how often it sees the
    attribute in that reconstruction), and `generation_accuracy` for faces drawn from the edited attributes. The classifier was
    trained on real training faces and is frozen. `classifier` is its checkpoint; without one nothing is measured. Without
    `edits`, each label of the data is given and taken away; of exclusive labels the classifier chooses the most probable one
    (CSVAE paper, section 5.4, method 1). `mean_over` says whether the overall rates are means over the edits or over all edited
    images, which weighs an edit by their number (the paper's "final" for CelebA-Glasses).
    """

    def __init__(
        self,
        classifier: str | None = None,
        edits: dict[str, Edit] | None = None,
        seed: int = 2,
        mean_over: Literal["edits", "images"] = "edits",
    ) -> None:
        self.classifier_path, self.edits, self.seed, self.mean_over = classifier, edits, seed, mean_over
        self._edits: dict[str, Edit] = {}
        self._hits: dict[tuple[str, str], AttributeHits] = {}

    def start(self, trainer: Trainer, method: Method) -> bool:
        """Load the classifier and make sure that it and the edits fit the data."""
        self._hits = {}
        if self.classifier_path is None or not isinstance(method, (Generates, Edits)):
            return False
        spec = method.spec
        classifier = load_method(Path(self.classifier_path), device=method.device)
        require(classifier, Classifies, type(classifier).__name__)
        if classifier.spec.attributes != spec.attributes:
            raise UserError(f"{self.classifier_path} was trained on {classifier.spec.name}, the data is {spec.name}")
        self._classifier: Any = classifier
        self._edits = edits_of(trainer, method, self.edits)
        kinds = ["unedited"]
        kinds += [kind for kind, can in (("generation", Generates), ("edit", Edits)) if isinstance(method, can)]
        for name, edit in self._edits.items():
            target, on = edit.target(spec)
            among = rivals(edit, spec, labels_of(method))
            for kind in kinds:
                self._hits[kind, name] = AttributeHits(target, on, edit.columns(spec), among).to(method.device)
        return bool(self._hits)

    def update(self, trainer: Trainer, method: Method, batch: Batch) -> None:
        """Edit and generate a batch, and let the classifier judge."""
        before = batch.images
        if isinstance(method, Reconstructs):
            before = method.reconstruct(batch.images, batch.attributes)
        reference = self._classifier.probabilities(before)
        noise = None
        if isinstance(method, Generates):
            noise = ImageNoise(self.seed, batch.row, method.noise_dim).draw(1)[:, 0].to(batch.images)
        for name, edit in self._edits.items():
            lacking = edit.lacking(batch.attributes, method.spec)
            if not lacking.any():
                continue
            images, attributes, rows = batch.images[lacking], batch.attributes[lacking], batch.row[lacking]
            wanted = edit.apply(attributes, method.spec)
            self._hits["unedited", name].update(rows, reference[lacking])
            if isinstance(method, Generates) and noise is not None:
                generated = method.generate(wanted, noise[lacking])
                self._hits["generation", name].update(rows, self._classifier.probabilities(generated))
            if isinstance(method, Edits):
                probabilities = self._classifier.probabilities(method.edit(images, attributes, wanted))
                self._hits["edit", name].update(rows, probabilities, reference[lacking])

    def finish(self, trainer: Trainer, method: Method) -> Evaluation:
        """The rates of every edit and their means."""
        measurements: list[Measurement] = []
        parts: dict[str, list[tuple[Tensor, Tensor]]] = {}
        per_image = {}
        for (kind, name), metric in self._hits.items():
            values = metric.compute()
            per_image[f"{kind}_hit/{name}"] = (values.index, values.column("hit"))
            for column, metric_name in zip(values.names, _METRICS[kind], strict=False):
                one = values.column(column)
                if one.isnan().any():  # There are no other attributes.
                    continue
                measurements.append(_measurement(f"{metric_name}/{name}", values.index, one))
                parts.setdefault(metric_name, []).append((values.index, one))
        for metric_name, tables in parts.items():
            if self.mean_over == "images":
                index, one = (torch.cat(column) for column in zip(*tables, strict=True))
                measurements.append(_measurement(metric_name, index, one, mean_over="images"))
            else:
                mean = sum(float(one.mean()) for _, one in tables) / len(tables)
                settings = {"mean_over": "edits"}
                measurements.append(Measurement(metric_name, mean, None, len(tables), _unit(metric_name), settings))
        return Evaluation(tuple(measurements), per_image)


def edits_of(trainer: Trainer, method: Method, given: dict[str, Edit] | None = None) -> dict[str, Edit]:
    """The edits that a run measures: those given, else those of its AttributeEdits, else those that its labels suggest.

    Without those whose attribute all test faces have already.
    """
    callbacks = trainer.callbacks  # type: ignore[attr-defined]
    if given is None:
        given = next((c.edits for c in callbacks if isinstance(c, AttributeEdits)), None)
    edits = settle_edits(given, method.spec, labels_of(method))
    attributes = trainer.datamodule.splits["test"].attributes  # type: ignore[attr-defined]
    return {name: edit for name, edit in edits.items() if edit.lacking(attributes, method.spec).any()}


def _unit(metric_name: str) -> str:
    return "mean absolute change of probability" if "others" in metric_name else "share of faces"


def _measurement(name: str, index: Tensor, values: Tensor, **settings: Any) -> Measurement:
    """Mean of `values` (N,) of the images `index` (N,), which count as one observation each however often they are there."""
    unit, mean = _unit(name), float(values.mean())
    if unit == "share of faces":
        settings["wilson_low"], settings["wilson_high"] = wilson_interval(float(values.sum()), len(values))
    error = float(clustered_error(values[:, None], index))
    return Measurement(name, mean, None if isnan(error) else error, len(values), unit, settings)
