"""How well a method gives a face back."""

from typing import Any

from pytorch_lightning import LightningModule, Trainer

from lit_faces.callbacks.measurement import Evaluation, Evaluator, columns, squared_error
from lit_faces.data.batch import Batch
from lit_faces.methods.base import Method
from lit_faces.methods.capabilities import Reconstructs
from lit_faces.metrics.per_image import PerImage


class Reconstruction(Evaluator):
    """Measures `reconstruction_mse`: squared error per pixel value, for methods that reconstruct.

    On the validation split after every epoch, and on the test split.
    """

    def start(self, trainer: Trainer, method: Method) -> bool:
        """Start anew."""
        self._metric = PerImage("reconstruction_mse").to(method.device)
        return isinstance(method, Reconstructs)

    def update(self, trainer: Trainer, method: Method, batch: Batch) -> None:
        """Add a batch."""
        assert isinstance(method, Reconstructs)
        found = method.reconstruct(batch.images, batch.attributes)
        self._metric.update(batch.row, squared_error(found, batch.images)[:, None])

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start anew."""
        assert isinstance(pl_module, Method)
        self.start(trainer, pl_module)

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Add a batch."""
        assert isinstance(pl_module, Method)
        if isinstance(pl_module, Reconstructs):
            with trainer.precision_plugin.forward_context():
                self.update(trainer, pl_module, batch)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the error."""
        if isinstance(pl_module, Reconstructs):
            mean = self._metric.compute().mean()[0].float()
            pl_module.log("validation/reconstruction_mse", mean, rank_zero_only=True)

    def finish(self, trainer: Trainer, method: Method) -> Evaluation:
        """The error, also image by image."""
        values = self._metric.compute()
        per_image = {name: (values.index, values.column(name)) for name in values.names}
        return Evaluation(columns(values, "squared error per pixel"), per_image)
