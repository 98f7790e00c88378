"""How well a method gives a face back."""

from pytorch_lightning import Trainer
from torch import Tensor

from lit_faces.callbacks.attribute_edits import pictures_of
from lit_faces.callbacks.measurement import Evaluation, Evaluator, columns, squared_error
from lit_faces.data.batch import Batch
from lit_faces.methods.base import Method
from lit_faces.methods.capabilities import Reconstructs
from lit_faces.metrics.per_image import PerImage, PerImageValues
from lit_faces.metrics.sharpness import sharpness


class Reconstruction(Evaluator):
    """Measures `reconstruction_mse`, squared error per pixel value, and `sharpness`, for methods that reconstruct.

    The error on the validation split after every epoch, and on the test split. Sharpness is the mean gradient of the
    reconstruction as a share of the image's own, on the test split: below 1 a method blurs. Points have none, and a blank
    image is left out of it.
    """

    watches = True

    def start(self, trainer: Trainer, method: Method) -> bool:
        """Start anew."""
        self._error = PerImage("reconstruction_mse").to(method.device)
        points = min(method.spec.image_shape[1:]) < 2
        self._sharpness = PerImage("sharpness").to(method.device) if trainer.testing and not points else None
        return isinstance(method, Reconstructs)

    def update(self, trainer: Trainer, method: Method, batch: Batch) -> None:
        """Add a batch."""
        found = pictures_of(trainer, method, batch).unedited
        self._error.update(batch.row, squared_error(found, batch.images)[:, None])
        if self._sharpness is not None:
            self._sharpness.update(batch.row, (sharpness(found) / sharpness(batch.images))[:, None])

    def watched(self, trainer: Trainer, method: Method) -> dict[str, Tensor]:
        """The error."""
        return {"reconstruction_mse": self._error.compute().mean()[0]}

    def finish(self, trainer: Trainer, method: Method) -> Evaluation:
        """The error and the sharpness, also image by image."""
        found = {"squared error per pixel": self._error.compute()}
        if self._sharpness is not None:
            values = self._sharpness.compute()
            there = values.values[:, 0].isfinite()
            if there.any():
                own = "share of the image's own gradient"
                found[own] = PerImageValues(values.names, values.index[there], values.values[there])
        per_image = {name: (values.index, values.column(name)) for values in found.values() for name in values.names}
        return Evaluation(tuple(one for unit, values in found.items() for one in columns(values, unit)), per_image)
