"""Pictures for the verb `predict`."""

from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.utilities import rank_zero_info
from torch import Tensor

from lit_faces.data.batch import Batch
from lit_faces.images import save_png


class Predictions(Callback):
    """Writes what `predict_step` returns, one `predictions/ROW.png` a test face, ROW being its row in the data set."""

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Write a batch."""
        images: Tensor = outputs
        for row, image in zip(batch.row.tolist(), images, strict=True):
            save_png(image, Path(trainer.default_root_dir) / "predictions" / f"{row:05d}.png")

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say where they are."""
        rank_zero_info(f"pictures in {Path(trainer.default_root_dir) / 'predictions'}")
