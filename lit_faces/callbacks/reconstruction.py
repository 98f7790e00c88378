"""How well a method gives a face back."""

from pytorch_lightning import Trainer
from torch import Tensor

from lit_faces.callbacks.measurement import Evaluation, Evaluator, columns, squared_error
from lit_faces.data.batch import Batch
from lit_faces.methods.base import Method
from lit_faces.methods.capabilities import Reconstructs
from lit_faces.metrics.per_image import PerImage


class Reconstruction(Evaluator):
    """Measures `reconstruction_mse`: squared error per pixel value, for methods that reconstruct.

    On the validation split after every epoch, and on the test split.
    """

    watches = True

    def start(self, trainer: Trainer, method: Method) -> bool:
        """Start anew."""
        self._metric = PerImage("reconstruction_mse").to(method.device)
        return isinstance(method, Reconstructs)

    def update(self, trainer: Trainer, method: Method, batch: Batch) -> None:
        """Add a batch."""
        assert isinstance(method, Reconstructs)
        found = method.reconstruct(batch.images, batch.attributes)
        self._metric.update(batch.row, squared_error(found, batch.images)[:, None])

    def watched(self, trainer: Trainer, method: Method) -> dict[str, Tensor]:
        """The error."""
        return {"reconstruction_mse": self._metric.compute().mean()[0]}

    def finish(self, trainer: Trainer, method: Method) -> Evaluation:
        """The error, also image by image."""
        values = self._metric.compute()
        per_image = {name: (values.index, values.column(name)) for name in values.names}
        return Evaluation(columns(values, "squared error per pixel"), per_image)
