"""Do edited and generated faces show the attribute? An independent classifier says."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from pytorch_lightning import LightningModule, Trainer
from torch import Tensor

from lit_faces.callbacks.edited import Pictures
from lit_faces.callbacks.edits import Edit, labels_of, mean_over_edits, rivals, settle_edits
from lit_faces.callbacks.measurement import SHARE, Evaluation, Evaluator, Measurement, mean_over_images
from lit_faces.callbacks.strengths import Choice, Chooser, SamePerson
from lit_faces.data.base import Split
from lit_faces.data.batch import Batch, Unnamed
from lit_faces.data.changed import other_attributes
from lit_faces.data.strength import check_strength
from lit_faces.errors import UserError
from lit_faces.methods.base import Method
from lit_faces.methods.capabilities import Classifies, Edits, Generates, Infers
from lit_faces.methods.trained import load_method
from lit_faces.metrics.attributes import AttributeHits
from lit_faces.metrics.noise import ImageNoise
from lit_faces.metrics.per_image import PerImageValues

__all__ = ["AttributeEdits", "Edit", "classifier_of", "edits_of", "has_classifier", "pictures_of"]

_METRICS = {
    "unedited": ("unedited_rate",),
    "generation": ("generation_accuracy",),
    "edit": ("edit_accuracy", "edit_change_in_others"),
    "edit_inferred": ("edit_inferred_accuracy",),
}
_UNITS = {
    "edit_change_in_others": "mean absolute change of probability",
    "edit_rise": "difference of shares of faces",
}


@runtime_checkable
class ComparesPersons(Protocol):
    """A callback that may say whether two pictures are of one person."""

    def comparison(self, trainer: Trainer, method: Method) -> SamePerson | None:
        """What says so, chosen on the validation split; None if there is nobody to say it."""
        ...


class AttributeEdits(Evaluator):
    """Measures, for each of `edits`, how often the `classifier` sees its attribute where it was not before.

    On the test faces that lack the attribute: `edit_accuracy` after editing the face, `edit_change_in_others` (mean absolute
    change of the classifier's other probabilities against the unedited reconstruction, without those of attributes that follow
    from the edit), `unedited_rate` (how often it sees the attribute in that reconstruction), `edit_rise`, the difference of
    the two rates, `edit_inferred_accuracy` after edits by a method that has to infer what the face is like before (CMMA's second
    version, section 4.5), and `generation_accuracy` for as many faces drawn from what the edit names alone, with the other
    attributes as expected then. The classifier was trained on real training faces and is frozen. `classifier` is its
    checkpoint; without one nothing is measured. Without `edits`, each label of the data is given and taken away; of exclusive
    labels the classifier chooses the most probable one (CSVAE paper, section 5.4, method 1). An edit without a strength of its
    own has that of the `strengths` which is best on the validation split (see `Chooser`); a single one is taken.
    `mean_over` says whether the overall rates are means over the edits or over all edited images, which weighs an edit by their
    number (the paper's "final" for CelebA-Glasses). Errors take images for independent, each with all its edits. With `watch`,
    the overall `edit_accuracy` is measured on the validation split too, after every epoch. Raises UserError if there is no
    classifier to watch with, and for a strength that is not from 0 to 4.
    """

    def __init__(
        self,
        classifier: str | None = None,
        edits: dict[str, Edit] | None = None,
        seed: int = 2,
        mean_over: Literal["edits", "images"] = "edits",
        watch: bool = False,
        strengths: tuple[float, ...] = (1.0,),
    ) -> None:
        if not strengths:
            raise UserError("--edits.strengths must name at least one strength, 1, for instance")
        for strength in strengths:
            check_strength("each of --edits.strengths", strength)
        if watch and classifier is None:
            raise UserError("--edits.watch needs a classifier: give its checkpoint as --edits.classifier")
        self.classifier_path, self.edits, self.seed, self.mean_over = classifier, edits, seed, mean_over
        self.watches, self.strengths = watch, strengths
        self._classifier: Classifies | None = None
        self._edits: dict[str, Edit] = {}
        self._choices: dict[str, Choice] = {}
        self._pictures: Pictures | None = None
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
        self._edits = edits_of(trainer, method, "test" if trainer.testing else "validation")
        # Old descriptions of data have no covariance.
        self._others: Unnamed = "expected" if spec.covariance else "mean"
        self._drawn = {
            name: spec.vector(edit.set, edit.reset, self._others).to(method.device)
            for name, edit in self._edits.items()
        }
        for name, edit in self._edits.items():
            for kind in kinds:
                self._hits[kind, name] = hits_of(edit, method)
        return bool(self._hits)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget the strengths of another test."""
        self._choices = {}

    def with_strengths(self, trainer: Trainer, method: Method, edits: Mapping[str, Edit]) -> dict[str, Edit]:
        """The edits, each with its strength; chosen on the validation split, if there is a choice, once a test."""
        single = len(self.strengths) == 1
        classifier = None if single or not isinstance(method, Edits) else self.classifier(method)
        found = {name: edit.with_strength(self.strengths[0] if single else 1.0) for name, edit in edits.items()}
        if classifier is None:
            return found
        open_ = {name: edit for name, edit in edits.items() if edit.strength is None}
        if missing := {name: edit for name, edit in open_.items() if name not in self._choices}:
            chooser = chooser_of(trainer, method, classifier)
            with trainer.precision_plugin.forward_context():
                for name, edit in missing.items():
                    self._choices[name] = chooser.choose(edit, hits_of(edit, method), self.strengths)
        return found | {name: edit.with_strength(self._choices[name].strength) for name, edit in open_.items()}

    def pictures(self, method: Method, batch: Batch) -> Pictures:
        """What the method makes of a batch, the same object for all that ask while it is the last one."""
        if self._pictures is None or self._pictures.batch is not batch:
            self._pictures = Pictures(method, batch)
        return self._pictures

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
        """Let go of the classifier and the pictures: what comes next may be on another device."""
        self._classifier = self._pictures = None

    def update(self, trainer: Trainer, method: Method, batch: Batch) -> None:
        """Edit and generate a batch, and let the classifier judge."""
        judge, spec = self.classifier(method), method.spec
        assert judge is not None
        pictures = self.pictures(method, batch)
        reference = judge.probabilities(pictures.unedited)
        noise = None
        if isinstance(method, Generates):
            noise = ImageNoise(self.seed, batch.row, method.noise_dim).draw(1)[:, 0].to(batch.images)
        inferred = method.infer(batch.images) if isinstance(method, Infers) else None
        for name, edit in self._edits.items():
            lacking = pictures.lacking(edit)
            if not lacking.any():
                continue
            rows = batch.row[lacking]
            self._hits["unedited", name].update(rows, reference[lacking])
            if isinstance(method, Generates) and noise is not None:
                generated = method.generate(self._drawn[name].expand(len(rows), -1), noise[lacking])
                self._hits["generation", name].update(rows, judge.probabilities(generated))
            if isinstance(method, Edits):
                aimed = edit.others_target(reference[lacking], batch.attributes[lacking], spec)
                self._hits["edit", name].update(rows, judge.probabilities(pictures.edited(edit)), aimed)
                if inferred is not None:
                    edited = edit.made(method, batch.images[lacking], inferred[lacking], spec)
                    self._hits["edit_inferred", name].update(rows, judge.probabilities(edited))

    def watch(self, trainer: Trainer, method: Method, batch: Batch) -> None:
        """Edit a batch, and let the classifier judge."""
        judge = self.classifier(method)
        assert judge is not None
        pictures = Pictures(method, batch)
        for name, edit in self._edits.items():
            if (lacking := pictures.lacking(edit)).any():
                self._hits["edit", name].update(batch.row[lacking], judge.probabilities(pictures.edited(edit)))

    def watched(self, trainer: Trainer, method: Method) -> dict[str, Tensor]:
        """The overall edit accuracy."""
        values = [metric.compute() for metric in self._hits.values()]
        hits = [(one.index, one.column("hit")) for one in values]
        return {"edit_accuracy": torch.tensor(self._overall("edit_accuracy", hits).value)}

    def finish(self, trainer: Trainer, method: Method) -> Evaluation:
        """The rates of every edit and their means, and how the strengths were chosen."""
        measurements: list[Measurement] = []
        parts: dict[str, list[tuple[Tensor, Tensor]]] = {}
        found = {key: metric.compute() for key, metric in self._hits.items()}
        for (kind, name), values in found.items():
            for metric_name, one in self._columns(kind, values, found.get(("unedited", name))):
                if one.isnan().any():  # There are no other attributes.
                    continue
                whole, settings = f"{metric_name}/{name}", self._settings(kind, name)
                measurements.append(mean_over_images(whole, _unit(metric_name), values.index, one, **settings))
                parts.setdefault(metric_name, []).append((values.index, one))
        measurements += [self._overall(metric_name, edits) for metric_name, edits in parts.items()]
        per_image = {f"{kind}_hit/{name}": (v.index, v.column("hit")) for (kind, name), v in found.items()}
        chosen = {name: self._choices[name].to_dict() for name in self._edits if name in self._choices}
        return Evaluation(tuple(measurements), per_image, {"edit_strengths": chosen} if chosen else {})

    def _columns(
        self, kind: str, values: PerImageValues, unedited: PerImageValues | None
    ) -> Iterator[tuple[str, Tensor]]:
        """The metrics of one kind of picture by name, with their values (N,)."""
        yield from zip(_METRICS[kind], map(values.column, values.names), strict=False)
        if kind == "edit" and unedited is not None:
            yield "edit_rise", values.column("hit") - unedited.column("hit")

    def _settings(self, kind: str, name: str) -> dict[str, Any]:
        if kind in ("edit", "edit_inferred"):
            return {"strength": self._edits[name].strength}
        return {"others": self._others} if kind == "generation" else {}

    def _overall(self, metric_name: str, edits: list[tuple[Tensor, Tensor]]) -> Measurement:
        """The mean of what the edits, each with its rows (N,) and values (N,), have in common."""
        if self.mean_over == "edits" or metric_name == "edit_rise":
            return mean_over_edits(metric_name, _unit(metric_name), edits)
        index, values = (torch.cat(column) for column in zip(*edits, strict=True))
        return mean_over_images(metric_name, _unit(metric_name), index, values, mean_over="images")


def edits_of(trainer: Trainer, method: Method, split: Split = "test") -> dict[str, Edit]:
    """The edits that a run measures: those of its AttributeEdits, else those that its labels suggest.

    Without those whose attribute all faces of the `split` have already. In a test each has its strength.
    """
    own = _own(trainer)
    edits = settle_edits(None if own is None else own.edits, method.spec, labels_of(method))
    attributes = trainer.datamodule.splits[split].attributes  # type: ignore[attr-defined]
    edits = {name: edit for name, edit in edits.items() if edit.lacking(attributes, method.spec).any()}
    if not trainer.testing:
        return edits
    if own is None:
        return {name: edit.with_strength(1.0) for name, edit in edits.items()}
    return own.with_strengths(trainer, method, edits)


def hits_of(edit: Edit, method: Method) -> AttributeHits:
    """How an edit of a method's faces is judged."""
    target, on = edit.target(method.spec)
    among = rivals(edit, method.spec, labels_of(method))
    return AttributeHits(target, on, edit.tied(method.spec), among).to(method.device)


def pictures_of(trainer: Trainer, method: Method, batch: Batch) -> Pictures:
    """What a method makes of a test batch, made once for all measures of a run with AttributeEdits."""
    own = _own(trainer)
    return Pictures(method, batch) if own is None else own.pictures(method, batch)


def chooser_of(trainer: Trainer, method: Method, classifier: Classifies) -> Chooser:
    """Who chooses strengths; with the run's embedding of persons, if it has one."""
    data: Any = trainer.datamodule  # type: ignore[attr-defined]
    callbacks = trainer.callbacks  # type: ignore[attr-defined]
    kept = next((c for c in callbacks if isinstance(c, ComparesPersons)), None)
    same_person = None if kept is None else kept.comparison(trainer, method)
    return Chooser(method, classifier, data, data.splits["validation"], same_person)


def classifier_of(trainer: Trainer, method: Method) -> Classifies | None:
    """The classifier of the run's AttributeEdits; None if the run has none."""
    own = _own(trainer)
    return None if own is None else own.classifier(method)


def has_classifier(trainer: Trainer) -> bool:
    """Whether the run's AttributeEdits name a classifier, which is not loaded for it."""
    callbacks = trainer.callbacks  # type: ignore[attr-defined]
    return any(isinstance(c, AttributeEdits) and c.classifier_path is not None for c in callbacks)


def _own(trainer: Trainer) -> AttributeEdits | None:
    callbacks = trainer.callbacks  # type: ignore[attr-defined]
    return next((c for c in callbacks if isinstance(c, AttributeEdits)), None)


def _unit(metric_name: str) -> str:
    return _UNITS.get(metric_name, SHARE)
