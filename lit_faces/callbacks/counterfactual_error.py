"""How far edited faces are from the true ones, for data that can be drawn with any attribute."""

from dataclasses import replace

import torch
from pytorch_lightning import Trainer

from lit_faces.callbacks.attribute_edits import edits_of, pictures_of
from lit_faces.callbacks.edited import DrawsCounterfactuals, part_of, true_pictures
from lit_faces.callbacks.edits import Edit, mean_over_edits
from lit_faces.callbacks.measurement import Evaluation, Evaluator, Measurement, columns, squared_error
from lit_faces.data.batch import Batch
from lit_faces.methods.base import Method
from lit_faces.methods.capabilities import Edits
from lit_faces.metrics.per_image import PerImage


class CounterfactualError(Evaluator):
    """Measures `counterfactual_mse`, the squared error per pixel value of an edited face against the true one.

    For each edit of the run that is judged on one attribute, over the test faces that lack it, and the mean over the edits, whose
    error takes the images for independent; with `unedited_mse`, that of the reconstruction (of the face itself, where there is
    none), for reference. For methods that edit and data that draws the truth.
    """

    def __init__(self) -> None:
        self._edits: dict[str, Edit] = {}
        self._errors: dict[str, PerImage] = {}

    def start(self, trainer: Trainer, method: Method) -> bool:
        """Settle the edits."""
        data = trainer.datamodule  # type: ignore[attr-defined]
        if not isinstance(data, DrawsCounterfactuals) or not isinstance(method, Edits):
            return False
        self._edits = {name: edit for name, edit in edits_of(trainer, method).items() if edit.single}
        self._errors = {name: PerImage("counterfactual_mse", "unedited_mse").to(method.device) for name in self._edits}
        return bool(self._edits)

    def update(self, trainer: Trainer, method: Method, batch: Batch) -> None:
        """Edit a batch and compare."""
        pictures, data = pictures_of(trainer, method, batch), trainer.datamodule  # type: ignore[attr-defined]
        for name, edit in self._edits.items():
            lacking = pictures.lacking(edit)
            if not lacking.any() or edit.single is None:
                continue
            faces = part_of(batch, lacking)
            truth = true_pictures(data, faces, *edit.single)
            errors = [squared_error(images, truth) for images in (pictures.edited(edit), pictures.unedited[lacking])]
            self._errors[name].update(faces.row, torch.stack(errors, 1))

    def finish(self, trainer: Trainer, method: Method) -> Evaluation:
        """The errors of every edit and their means."""
        unit = "squared error per pixel"
        measurements: list[Measurement] = []
        per_image = {}
        found = {name: metric.compute() for name, metric in self._errors.items()}
        for name, values in found.items():
            edited, unedited = columns(values, unit, suffix=f"/{name}")
            measurements += [replace(edited, settings={"strength": self._edits[name].strength}), unedited]
            per_image[f"counterfactual_mse/{name}"] = (values.index, values.column("counterfactual_mse"))
        for kind in ("counterfactual_mse", "unedited_mse"):
            edits = [(values.index, values.column(kind)) for values in found.values()]
            measurements.append(mean_over_edits(kind, unit, edits))
        return Evaluation(tuple(measurements), per_image)
