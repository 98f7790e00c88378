"""A picture of what the method does so far, every few epochs."""

from pathlib import Path

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.trainer.states import TrainerFn
from torchvision.utils import make_grid

from lit_faces.data.base import FaceDataModule, to_unit_range
from lit_faces.data.batch import Batch
from lit_faces.images import save_png, to_pil
from lit_faces.methods.capabilities import Generates, Layered, Reconstructs
from lit_faces.metrics.noise import ImageNoise


class SampleGrid(Callback):
    """Writes `samples/epoch-NNNN.png`: validation faces, their reconstructions if there are any, and faces drawn from
    their attributes, or of a layered method from N(0, I), one row each; W&B gets the same picture. Every
    `every_n_epochs` epochs (0: never) and after the last one.
    """

    def __init__(self, every_n_epochs: int = 10, faces: int = 8, seed: int = 3) -> None:
        self.every_n_epochs, self.faces, self.seed = every_n_epochs, faces, seed

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw, if it is time."""
        epoch = trainer.current_epoch + 1
        due = self.every_n_epochs and (epoch % self.every_n_epochs == 0 or epoch == trainer.max_epochs)
        data = trainer.datamodule  # type: ignore[attr-defined]
        due = due and trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking
        if not (due and trainer.is_global_zero and isinstance(pl_module, Generates | Layered)):
            return
        if not isinstance(data, FaceDataModule) or data.spec.image_shape[1:] == (1, 1):
            return
        stored = data.splits["validation"][: self.faces]
        device = pl_module.device
        batch = to_unit_range(
            Batch(*(t.to(device) for t in (stored.images, stored.attributes, stored.identity, stored.index)))
        )
        size = pl_module.noise_dim if isinstance(pl_module, Generates) else sum(pl_module.latent_dims)
        noise = ImageNoise(self.seed, batch.row, size).draw(1)[:, 0].to(device)
        rows = [batch.images]
        with trainer.precision_plugin.forward_context():
            if isinstance(pl_module, Reconstructs):
                rows.append(pl_module.reconstruct(batch.images, batch.attributes))
            if isinstance(pl_module, Generates):
                rows.append(pl_module.generate(batch.attributes, noise))
            else:
                rows.append(pl_module.decode(noise))
        grid = make_grid(torch.cat(rows).float().cpu(), nrow=len(batch.images))
        save_png(grid, Path(trainer.default_root_dir) / "samples" / f"epoch-{epoch:04d}.png")
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                logger.log_image("samples", [to_pil(grid)], caption=["faces, reconstructions, drawn faces"])
