"""Do edited and generated faces show the attribute? An independent classifier says."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import torch
from pytorch_lightning import LightningModule, Trainer
from torch import Tensor

from lit_faces.callbacks.edits import Edit, labels_of, mean_over_edits, rivals, settle_edits
from lit_faces.callbacks.measurement import SHARE, Evaluation, Evaluator, Measurement, mean_over_images
from lit_faces.data.base import Split
from lit_faces.data.batch import Batch
from lit_faces.data.changed import other_attributes
from lit_faces.errors import UserError
from lit_faces.methods.base import Method, load_method
from lit_faces.methods.capabilities import Classifies, Edits, Generates, Infers, Reconstructs
from lit_faces.metrics.attributes import AttributeHits
from lit_faces.metrics.noise import ImageNoise

__all__ = ["AttributeEdits", "Edit", "classifier_of", "edits_of", "has_classifier"]

_METRICS = {
    "unedited": ("unedited_rate",),
    "generation": ("generation_accuracy",),
    "edit": ("edit_accuracy", "edit_change_in_others"),
    "edit_inferred": ("edit_inferred_accuracy",),
}


class AttributeEdits(Evaluator):
    """Measures, for each of `edits`, how often the `classifier` sees its attribute where it was not before.

    On the test faces that lack the attribute: `edit_accuracy` after editing the face, `edit_change_in_others` (mean absolute
    change of the classifier's other probabilities against the unedited reconstruction, without those of attributes that follow
    from the edit), `unedited_rate` (how often it sees the attribute in that reconstruction), `edit_inferred_accuracy` after
    edits by a method that has to infer what the face is like before (CMMA's second version, section 4.5), and
    `generation_accuracy` for faces drawn from the edited attributes. The classifier was trained on real training faces and is
    frozen. `classifier` is its checkpoint; without one nothing is measured. Without `edits`, each label of the data is given
    and taken away; of exclusive labels the classifier chooses the most probable one (CSVAE paper, section 5.4, method 1).
    `mean_over` says whether the overall rates are means over the edits or over all edited images, which weighs an edit by their
    number (the paper's "final" for CelebA-Glasses). Errors take images for independent, each with all its edits. With `watch`,
    the overall `edit_accuracy` is measured on the validation split too, after every epoch. Raises UserError if there is no
    classifier to watch with.
    """

    def __init__(
        self,
        classifier: str | None = None,
        edits: dict[str, Edit] | None = None,
        seed: int = 2,
        mean_over: Literal["edits", "images"] = "edits",
        watch: bool = False,
    ) -> None:
        if watch and classifier is None:
            raise UserError("--edits.watch needs a classifier: give its checkpoint as --edits.classifier")
        self.classifier_path, self.edits, self.seed, self.mean_over = classifier, edits, seed, mean_over
        self.watches = watch
        self._classifier: Classifies | None = None
        self._edits: dict[str, Edit] = {}
        self._hits: dict[tuple[str, str], AttributeHits] = {}

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse before the training what would be refused after it."""
        assert isinstance(pl_module, Method)
        self.start(trainer, pl_module)
        if not self.watches:
            self._classifier = None

    def start(self, trainer: Trainer, method: Method) -> bool:
        """Load the classifier and make sure that it and the edits fit the data."""
        self._hits = {}
        # A sanity check sees too few faces for every edit.
        if self.classifier_path is None or not isinstance(method, (Generates, Edits)) or trainer.sanity_checking:
            return False
        spec = method.spec
        self.classifier(method)
        kinds = [kind for kind, can in (("generation", Generates), ("edit", Edits)) if isinstance(method, can)]
        kinds += ["edit_inferred"] if isinstance(method, Edits) and isinstance(method, Infers) else []
        # Of the validation split only the edits are watched.
        kinds = ["unedited", *kinds] if trainer.testing else [kind for kind in kinds if kind == "edit"]
        self._edits = edits_of(trainer, method, self.edits, "test" if trainer.testing else "validation")
        for name, edit in self._edits.items():
            target, on = edit.target(spec)
            among = rivals(edit, spec, labels_of(method))
            for kind in kinds:
                self._hits[kind, name] = AttributeHits(target, on, edit.tied(spec), among).to(method.device)
        return bool(self._hits)

    def classifier(self, method: Method) -> Classifies | None:
        """The frozen classifier, loaded when it is first needed; None without a checkpoint.

        Raises UserError if the checkpoint holds no classifier or one of other attributes than the method's data have.
        """
        if self._classifier is None and self.classifier_path is not None:
            # Its first weights are drawn before they are loaded, which must not change what the training draws.
            with torch.random.fork_rng(devices=[]):
                classifier: Any = load_method(Path(self.classifier_path), device=method.device)
            judged = classifier.spec
            if not isinstance(classifier, Classifies):
                raise UserError(
                    f"{self.classifier_path} is of {type(classifier).__name__}, which does not tell attributes: give the "
                    "checkpoint of an AttributeClassifier as --edits.classifier"
                )
            if other := other_attributes(judged, method.spec):
                raise UserError(
                    f"{self.classifier_path} was trained on {other}: give an --edits.classifier that was trained on the same "
                    "attributes"
                )
            self._classifier = classifier
        return self._classifier

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Let go of the classifier: what comes next may be on another device."""
        self._classifier = None

    def update(self, trainer: Trainer, method: Method, batch: Batch) -> None:
        """Edit and generate a batch, and let the classifier judge."""
        judge = self.classifier(method)
        assert judge is not None
        before = batch.images
        if isinstance(method, Reconstructs):
            before = method.reconstruct(batch.images, batch.attributes)
        reference = judge.probabilities(before)
        noise = None
        if isinstance(method, Generates):
            noise = ImageNoise(self.seed, batch.row, method.noise_dim).draw(1)[:, 0].to(batch.images)
        inferred = method.infer(batch.images) if isinstance(method, Infers) else None
        for name, lacking, wanted in self._asked(method, batch):
            rows = batch.row[lacking]
            self._hits["unedited", name].update(rows, reference[lacking])
            if isinstance(method, Generates) and noise is not None:
                generated = method.generate(wanted, noise[lacking])
                self._hits["generation", name].update(rows, judge.probabilities(generated))
            if isinstance(method, Edits):
                edited = method.edit(batch.images[lacking], batch.attributes[lacking], wanted)
                self._hits["edit", name].update(rows, judge.probabilities(edited), reference[lacking])
                if inferred is not None:
                    now = inferred[lacking]
                    edited = method.edit(batch.images[lacking], now, self._edits[name].apply(now, method.spec))
                    self._hits["edit_inferred", name].update(rows, judge.probabilities(edited))

    def watch(self, trainer: Trainer, method: Method, batch: Batch) -> None:
        """Edit a batch, and let the classifier judge."""
        judge = self.classifier(method)
        assert judge is not None
        assert isinstance(method, Edits)
        for name, lacking, wanted in self._asked(method, batch):
            edited = method.edit(batch.images[lacking], batch.attributes[lacking], wanted)
            self._hits["edit", name].update(batch.row[lacking], judge.probabilities(edited))

    def _asked(self, method: Method, batch: Batch) -> Iterator[tuple[str, Tensor, Tensor]]:
        """Each edit's name, which faces (B,) lack what it gives, if any do, and the attributes wanted of these (M, A)."""
        for name, edit in self._edits.items():
            lacking = edit.lacking(batch.attributes, method.spec)
            if lacking.any():
                yield name, lacking, edit.apply(batch.attributes[lacking], method.spec)

    def watched(self, trainer: Trainer, method: Method) -> dict[str, Tensor]:
        """The overall edit accuracy."""
        values = [metric.compute() for metric in self._hits.values()]
        hits = [(one.index, one.column("hit")) for one in values]
        return {"edit_accuracy": torch.tensor(self._overall("edit_accuracy", hits).value)}

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
                measurements.append(mean_over_images(f"{metric_name}/{name}", _unit(metric_name), values.index, one))
                parts.setdefault(metric_name, []).append((values.index, one))
        measurements += [self._overall(metric_name, edits) for metric_name, edits in parts.items()]
        return Evaluation(tuple(measurements), per_image)

    def _overall(self, metric_name: str, edits: list[tuple[Tensor, Tensor]]) -> Measurement:
        """The mean of what the edits, each with its rows (N,) and values (N,), have in common."""
        if self.mean_over == "edits":
            return mean_over_edits(metric_name, _unit(metric_name), edits)
        index, values = (torch.cat(column) for column in zip(*edits, strict=True))
        return mean_over_images(metric_name, _unit(metric_name), index, values, mean_over="images")


def edits_of(
    trainer: Trainer, method: Method, given: dict[str, Edit] | None = None, split: Split = "test"
) -> dict[str, Edit]:
    """The edits that a run measures: those given, else those of its AttributeEdits, else those that its labels suggest.

    Without those whose attribute all faces of the `split` have already.
    """
    callbacks = trainer.callbacks  # type: ignore[attr-defined]
    if given is None:
        given = next((c.edits for c in callbacks if isinstance(c, AttributeEdits)), None)
    edits = settle_edits(given, method.spec, labels_of(method))
    attributes = trainer.datamodule.splits[split].attributes  # type: ignore[attr-defined]
    return {name: edit for name, edit in edits.items() if edit.lacking(attributes, method.spec).any()}


def classifier_of(trainer: Trainer, method: Method) -> Classifies | None:
    """The classifier of the run's AttributeEdits; None if the run has none."""
    callbacks = trainer.callbacks  # type: ignore[attr-defined]
    given = next((c for c in callbacks if isinstance(c, AttributeEdits)), None)
    return None if given is None else given.classifier(method)


def has_classifier(trainer: Trainer) -> bool:
    """Whether the run's AttributeEdits name a classifier, which is not loaded for it."""
    callbacks = trainer.callbacks  # type: ignore[attr-defined]
    return any(isinstance(c, AttributeEdits) and c.classifier_path is not None for c in callbacks)


def _unit(metric_name: str) -> str:
    return "mean absolute change of probability" if "others" in metric_name else SHARE
