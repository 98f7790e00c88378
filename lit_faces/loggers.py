"""Where a run logs: CSV files in its folder, or Weights & Biases."""

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from pytorch_lightning.utilities import rank_zero_only

from lit_faces.errors import UserError
from lit_faces.files import write_text


def settle_loggers(trainer: Any, folder: Path) -> None:
    """Let the loggers of the trainer's parsed config log for the run in `folder`: CSV files in it if none is named.

    A WandbLogger logs into the folder too, always as the same W&B run, and offline where there is no API key.
    """
    if trainer.logger is None or trainer.logger is True:
        arguments = Namespace(save_dir=str(folder), name="logs")  # type: ignore[no-untyped-call]
        trainer.logger = Namespace(  # type: ignore[no-untyped-call]
            class_path="pytorch_lightning.loggers.CSVLogger", init_args=arguments
        )
    for logger in trainer.logger if isinstance(trainer.logger, list) else [trainer.logger]:
        if logger and logger.class_path.endswith(".WandbLogger"):
            _settle_wandb(logger.init_args, folder)


@rank_zero_only
def _settle_wandb(arguments: Any, folder: Path) -> None:
    import wandb

    if arguments.save_dir == ".":
        arguments.save_dir = str(folder)
    # The id outlives the sitting: a resumed `fit` and `test` go on with the same W&B run. A sweep's agent gives its own.
    file = folder / "wandb_id"
    kept = file.read_text(encoding="utf-8").strip() if file.exists() else None
    given = os.environ.get("WANDB_RUN_ID") or arguments.version or arguments.id
    arguments.id, arguments.version = given or kept or secrets.token_hex(4), None
    write_text(file, arguments.id + "\n")
    # A mode that the user chose stands.
    if arguments.offline or wandb.setup().settings.mode != "online":
        return
    try:
        has_key = wandb.login(prompt=False, verify=False)
    except wandb.Error as error:
        raise UserError(f"{error} (correct the key, or set WANDB_MODE=offline)") from error
    if not has_key:
        wandb.setup(wandb.Settings(mode="offline"))


@contextmanager
def finished_wandb_run() -> Iterator[None]:
    """End the W&B run in which the block logged, if there is one: as failed where the block raises."""
    try:
        yield
    except BaseException:
        _finish(1)
        raise
    _finish(0)


def _finish(exit_code: int) -> None:
    if "wandb" in sys.modules:
        import wandb

        wandb.finish(exit_code)
