"""Runs that survive a kill: whole checkpoints, and randomness that is a function of seed and epoch."""

import os
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO

from lit_faces.files import replacing
from lit_faces.methods.checkpoint import read_checkpoint


class EpochSeed(Callback):
    """Seeds torch at the start of every training epoch with a number made of (seed, epoch, rank).

    A run resumed after epoch e then draws the same noise as one that never stopped, whatever happened in between, and no
    generator state needs saving. The order of the data has its own generator, seeded by (seed, epoch) too.
    """

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Seed CPU and accelerator."""
        # The seed given to seed_everything, which Lightning keeps here for all ranks.
        seed = int(os.environ.get("PL_GLOBAL_SEED", "0"))
        torch.manual_seed(((seed * 1_000_003 + trainer.current_epoch) * 65_537 + trainer.global_rank) % 2**63)


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint to a temporary file beside it and renames it; reads without unpickling code."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Save, whole or not at all. Raises UserError when the disk is full."""
        with replacing(Path(path)) as temporary:
            try:
                with temporary.open("wb") as file:
                    torch.save(checkpoint, file)
            except RuntimeError as error:
                # torch puts an error of its own in front of the system's.
                if isinstance(error.__context__, OSError):
                    raise error.__context__ from None
                raise

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = True) -> dict[str, Any]:
        """Load. Raises UserError if the file is missing, damaged or no checkpoint of this suite."""
        return read_checkpoint(Path(path))


class EpochCheckpoint(Checkpoint):
    """Keeps one checkpoint, `checkpoints/last.ckpt` in the run's folder, written after every training epoch.

    Lightning calls it after all other callbacks, so what they check or log of an epoch comes before.
    """

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write it; every rank takes part."""
        trainer.save_checkpoint(Path(trainer.default_root_dir) / "checkpoints" / "last.ckpt")
