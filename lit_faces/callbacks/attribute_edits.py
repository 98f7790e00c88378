"""Do edited and generated faces show the attribute? An independent classifier says."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from lit_faces.callbacks.measurement import Evaluation, Measurement
from lit_faces.data.batch import Batch, DataSpec
from lit_faces.errors import UserError
from lit_faces.methods.base import Method, load_method
from lit_faces.methods.capabilities import Classifies, Edits, Generates, Reconstructs, require
from lit_faces.metrics.attributes import AttributeHits
from lit_faces.metrics.noise import ImageNoise


@dataclass(frozen=True)
class Edit:
    """A change of attributes: these are set, those are reset; the first named one is what the classifier judges."""

    set: tuple[str, ...] = ()
    reset: tuple[str, ...] = ()

    def target(self, spec: DataSpec) -> tuple[int, bool]:
        """Column of the judged attribute and its wanted value. Raises UserError if the edit is empty."""
        if not self.set and not self.reset:
            raise UserError("an edit must set or reset at least one attribute")
        return (spec.position(self.set[0]), True) if self.set else (spec.position(self.reset[0]), False)

    def columns(self, spec: DataSpec) -> tuple[int, ...]:
        """Columns of all attributes that it touches."""
        return tuple(spec.position(name) for name in (*self.set, *self.reset))

    def apply(self, attributes: Tensor, spec: DataSpec) -> Tensor:
        """Standardised attributes (B, A) with the edit made: 95th percentile of train for set, 5th for reset."""
        edited = attributes.clone()
        for names, on in ((self.set, True), (self.reset, False)):
            for name in names:
                edited[:, spec.position(name)] = spec.standard_value(name, on)
        return edited


class AttributeEdits(Callback):
    """Measures, for each of `edits`, how often the `classifier` sees its attribute where it was not before.

    On the test faces that lack the attribute: `edit_accuracy` after editing the face, `edit_change_in_others` (mean absolute
    change of the classifier's other probabilities against the unedited reconstruction), `unedited_rate` (how often it sees the
    attribute in that reconstruction), and `generation_accuracy` for faces drawn from the edited attributes. The classifier was
    trained on real training faces and is frozen. `classifier` is its checkpoint; without one nothing is measured.
    """

    def __init__(self, classifier: str | None = None, edits: dict[str, Edit] | None = None, seed: int = 2) -> None:
        self.classifier_path, self.edits, self.seed = classifier, dict(edits or {}), seed
        self.evaluation: Evaluation | None = None
        self._hits: dict[tuple[str, str], AttributeHits] = {}

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Load the classifier and make sure that it and the edits fit the data."""
        self._hits = {}
        assert isinstance(pl_module, Method)
        if self.classifier_path is None or not isinstance(pl_module, Generates):
            return
        spec = pl_module.spec
        classifier = load_method(Path(self.classifier_path), device=pl_module.device)
        require(classifier, Classifies, type(classifier).__name__)
        if classifier.spec.attributes != spec.attributes:
            raise UserError(f"{self.classifier_path} was trained on {classifier.spec.name}, the data is {spec.name}")
        self._classifier: Any = classifier
        for name, edit in self.edits.items():
            target, on = edit.target(spec)
            tied = edit.columns(spec)
            for kind in ("unedited", "generation", *(["edit"] if isinstance(pl_module, Edits) else [])):
                self._hits[kind, name] = AttributeHits(target, on, tied).to(pl_module.device)

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Edit and generate a batch, and let the classifier judge."""
        if not self._hits:
            return
        assert isinstance(pl_module, Method)
        spec = pl_module.spec
        truth = spec.binary(batch.attributes)
        noise = ImageNoise(self.seed, batch.row, pl_module.noise_dim).draw(1)[:, 0].to(batch.images)  # type: ignore[arg-type]
        with trainer.precision_plugin.forward_context():
            can_edit = isinstance(pl_module, Reconstructs)
            before = pl_module.reconstruct(batch.images, batch.attributes) if can_edit else batch.images  # type: ignore[operator]
            reference = self._classifier.probabilities(before)
            for name, edit in self.edits.items():
                target, on = edit.target(spec)
                lacking = truth[:, target] != on
                if not lacking.any():
                    continue
                images, attributes, rows = batch.images[lacking], batch.attributes[lacking], batch.row[lacking]
                wanted = edit.apply(attributes, spec)
                self._hits["unedited", name].update(rows, reference[lacking])
                generated = pl_module.generate(wanted, noise[lacking])  # type: ignore[operator]
                self._hits["generation", name].update(rows, self._classifier.probabilities(generated))
                if ("edit", name) in self._hits:
                    edited = pl_module.edit(images, attributes, wanted)  # type: ignore[operator]
                    probabilities = self._classifier.probabilities(edited)
                    self._hits["edit", name].update(rows, probabilities, reference[lacking])

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the rates of every edit and their means over the edits."""
        if not self._hits:
            return
        measurements: list[Measurement] = []
        totals: dict[str, list[float]] = {}
        per_image = {}
        for (kind, name), metric in self._hits.items():
            values = metric.compute()
            per_image[f"{kind}_hit/{name}"] = (values.index, values.column("hit"))
            means, errors = values.mean().tolist(), values.standard_error().tolist()
            names = {"edit": ("edit_accuracy", "edit_change_in_others"), "generation": ("generation_accuracy",)}
            for metric_name, mean, error in zip(names.get(kind, ("unedited_rate",)), means, errors, strict=False):
                unit = "mean absolute change of probability" if metric_name.endswith("others") else "share of faces"
                measurements.append(Measurement(f"{metric_name}/{name}", mean, error, len(values), unit))
                totals.setdefault(metric_name, []).append(mean)
        for metric_name, parts in totals.items():
            unit = "mean absolute change of probability" if metric_name.endswith("others") else "share of faces"
            mean = sum(parts) / len(parts)
            measurements.append(Measurement(metric_name, mean, None, len(parts), unit, {"mean_over": "edits"}))
        self.evaluation = Evaluation(tuple(measurements), per_image)
        for metric_name, parts in totals.items():
            value = torch.tensor(sum(parts) / len(parts))
            pl_module.log(f"test/{metric_name}", value, rank_zero_only=True)
