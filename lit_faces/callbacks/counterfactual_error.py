"""How far edited faces are from the true ones, for data that can be drawn with any attribute."""

from typing import Protocol, runtime_checkable

import torch
from pytorch_lightning import Trainer
from torch import Tensor

from lit_faces.callbacks.attribute_edits import edits_of
from lit_faces.callbacks.edits import Edit, mean_over_edits
from lit_faces.callbacks.measurement import Evaluation, Evaluator, Measurement, columns, squared_error
from lit_faces.data.base import to_unit_range
from lit_faces.data.batch import Batch
from lit_faces.methods.base import Method
from lit_faces.methods.capabilities import Edits, Reconstructs
from lit_faces.metrics.per_image import PerImage


@runtime_checkable
class DrawsCounterfactuals(Protocol):
    """Data that can be drawn again with one attribute changed and all else as it was."""

    def counterfactual(self, index: Tensor, name: str, on: bool) -> Tensor:
        """Images (B, H, W, C) uint8 of the rows `index` (B,) with the attribute set or reset."""
        ...


class CounterfactualError(Evaluator):
    """Measures `counterfactual_mse`, the squared error per pixel value of an edited face against the true one.

    For each edit of the run that is judged on one attribute, over the test faces that lack it, and the mean over the edits, whose
    error takes the images for independent; with `unedited_mse`, that of the reconstruction (of the face itself, where there is
    none), for reference. For methods that edit and data that draws the truth.
    """

    def __init__(self) -> None:
        self._edits: dict[str, tuple[Edit, str, bool]] = {}
        self._errors: dict[str, PerImage] = {}

    def start(self, trainer: Trainer, method: Method) -> bool:
        """Settle the edits."""
        data = trainer.datamodule  # type: ignore[attr-defined]
        if not isinstance(data, DrawsCounterfactuals) or not isinstance(method, Edits):
            return False
        single = {name: (edit, _changed(edit)) for name, edit in edits_of(trainer, method).items()}
        self._edits = {name: (edit, *changed) for name, (edit, changed) in single.items() if changed}
        self._errors = {name: PerImage("counterfactual_mse", "unedited_mse").to(method.device) for name in self._edits}
        return bool(self._edits)

    def update(self, trainer: Trainer, method: Method, batch: Batch) -> None:
        """Edit a batch and compare."""
        assert isinstance(method, Edits)
        data = trainer.datamodule  # type: ignore[attr-defined]
        unedited = batch.images
        if isinstance(method, Reconstructs):
            unedited = method.reconstruct(batch.images, batch.attributes)
        for name, (edit, attribute, on) in self._edits.items():
            lacking = edit.lacking(batch.attributes, method.spec)
            if not lacking.any():
                continue
            part = Batch(*(t[lacking] for t in batch))
            # Drawn as the data were: in full precision, on ordinary tensors.
            with torch.inference_mode(False), torch.autocast("cpu", enabled=False):
                drawn = data.counterfactual(part.row.cpu().clone(), attribute, on).to(part.images.device)
            truth = to_unit_range(part._replace(images=drawn)).images
            edited = method.edit(part.images, part.attributes, edit.apply(part.attributes, method.spec))
            errors = [squared_error(images, truth) for images in (edited, unedited[lacking])]
            self._errors[name].update(part.row, torch.stack(errors, 1))

    def finish(self, trainer: Trainer, method: Method) -> Evaluation:
        """The errors of every edit and their means."""
        unit = "squared error per pixel"
        measurements: list[Measurement] = []
        per_image = {}
        found = {name: metric.compute() for name, metric in self._errors.items()}
        for name, values in found.items():
            measurements += columns(values, unit, suffix=f"/{name}")
            per_image[f"counterfactual_mse/{name}"] = (values.index, values.column("counterfactual_mse"))
        for kind in ("counterfactual_mse", "unedited_mse"):
            edits = [(values.index, values.column(kind)) for values in found.values()]
            measurements.append(mean_over_edits(kind, unit, edits))
        return Evaluation(tuple(measurements), per_image)


def _changed(edit: Edit) -> tuple[str, bool] | None:
    """The one attribute that an edit gives or takes away, and which of both; None if it is not one."""
    if len(edit.set) == 1:
        return edit.set[0], True
    return (edit.reset[0], False) if not edit.set and len(edit.reset) == 1 else None
