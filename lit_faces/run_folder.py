"""The folder of one run: its config, its lock and its checkpoint."""

import fcntl
import os
from contextlib import suppress
from dataclasses import dataclass
from inspect import Parameter
from pathlib import Path
from pydoc import locate
from typing import IO, Any, Self

import yaml
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.cli import SaveConfigCallback
from pytorch_lightning.loggers import WandbLogger

from lit_faces.errors import UserError
from lit_faces.files import write_text
from lit_faces.methods.base import parameters_of
from lit_faces.methods.checkpoint import read_checkpoint

# What to say in place of --trainer.default_root_dir: a verb that runs another one has an option of its own for the folder.
FOLDER_OPTION = "LIT_FACES_FOLDER_OPTION"

# What may differ between two sittings of one run: where it runs, what it prints, how long it goes on, how it is evaluated.
_FREE = {
    "ckpt_path",
    "weights_only",
    "bounds",
    "parzen",
    "edits",
    "leakage",
    "pairs",
    "identity",
    "linear",
    "probes",
    "codes",
    "quality",
    "arithmetic",
    "samples",
    "threads",
    "trainer.default_root_dir",
    "trainer.logger",
    "trainer.max_epochs",
    "trainer.max_time",
    "trainer.devices",
    "trainer.strategy",
    "trainer.accelerator",
    "trainer.enable_progress_bar",
    "trainer.enable_model_summary",
    "trainer.log_every_n_steps",
    "trainer.callbacks",
    "data.init_args.root",
}


@dataclass
class RunFolder:
    """A run's folder. One process at a time trains in it."""

    path: Path
    _lock: IO[str] | None = None
    _made: tuple[Path, ...] = ()

    @property
    def checkpoint(self) -> Path:
        """The last whole epoch."""
        return self.path / "checkpoints" / "last.ckpt"

    @property
    def record(self) -> Path:
        """What the run measured."""
        return self.path / "record.json"

    @property
    def per_image(self) -> Path:
        """The measurements that have a value an image."""
        return self.path / "per_image.csv"

    @property
    def config(self) -> Path:
        """The config that the run was trained with."""
        return self.path / "config.yaml"

    def read_config(self) -> dict[str, Any]:
        """The config that the run was trained with. Raises UserError if it is none."""
        try:
            config = yaml.safe_load(self.config.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError):
            config = None
        if not isinstance(config, dict) or not isinstance(config.get("data"), dict):
            raise UserError(f"{self.config} is damaged: remove it and run `lit-faces reproduce`, or `fit`, again")
        return config

    @classmethod
    def of(cls, config: Any) -> Self:
        """The folder that a parsed config names; if it names none, `runs/METHOD-DATA-seedN`, one for each run of a sweep."""
        trainer = config.trainer
        if trainer.default_root_dir is None:
            method, data = (c.class_path.rsplit(".", 1)[-1].lower() for c in (config.model, config.data))
            name = f"{method}-{data}-seed{config.seed_everything}"
            if "WANDB_SWEEP_ID" in os.environ:
                name += f"-{os.environ['WANDB_RUN_ID']}"
            trainer.default_root_dir = str(Path("runs") / name)
        return cls(Path(trainer.default_root_dir))

    def close(self) -> None:
        """Let other processes train in it; of a run that never began, leave nothing."""
        if self._lock is None:
            return
        if not self.config.exists():
            (self.path / ".lock").unlink(missing_ok=True)
            logs = self.path / "logs"
            for folder in (*logs.glob("version_*"), logs, *self._made):
                with suppress(OSError):  # It holds something, or is not there.
                    folder.rmdir()
        self._lock.close()

    def open(self, config: dict[str, Any]) -> None:
        """Take the folder for training, and remove what a killed process left half-written in it.

        Raises UserError if another process has it or if it holds a different run.
        """
        if int(os.environ.get("LOCAL_RANK", 0)) > 0:
            return
        made = tuple(folder for folder in (self.path, *self.path.parents) if not folder.exists())
        self.path.mkdir(parents=True, exist_ok=True)
        lock = (self.path / ".lock").open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Not one that a process which left nothing has removed meanwhile.
            held = os.path.samestat(os.fstat(lock.fileno()), (self.path / ".lock").stat())
        except (BlockingIOError, FileNotFoundError):
            held = False
        if not held:
            lock.close()
            raise UserError(f"another process is training in {self.path}: wait for it or stop it")
        self._lock, self._made = lock, made
        # What a process that was killed while it wrote has left: nobody else writes here now.
        for leftover in self.path.rglob(".*.tmp"):
            leftover.unlink()
        if self.checkpoint.exists() and self.config.exists():
            before, now = _flat(self.read_config()), _flat(config)
            before = _defaults(config["model"]["class_path"], before) | before
            changed = [
                f"{key}: {before.get(key)!r} -> {now.get(key)!r}"
                for key in sorted({*before, *now})
                if before.get(key) != now.get(key) and not _is_free(key)
            ]
            if changed:
                raise UserError(
                    f"{self.path} holds a run with another config ({'; '.join(changed)}): "
                    f"give another {_folder_option()}, or remove the folder"
                )

    def refuse_fewer_epochs(self, epochs: int | None) -> None:
        """Raises UserError if the run has been trained for more than `epochs` (None or -1: no limit) already."""
        trained = read_checkpoint(self.checkpoint)["training"]["epochs"]
        if epochs is not None and 0 <= epochs < trained:
            raise UserError(
                f"{self.path} has been trained for {trained} epochs, more than --trainer.max_epochs={epochs}: "
                f"ask for more, or give another {_folder_option()}"
            )


def _defaults(class_path: str, before: dict[str, Any]) -> dict[str, Any]:
    """What a run was trained with, of the method's arguments that came after it; its config does not have them."""
    method = locate(class_path)
    known = parameters_of(method) if isinstance(method, type) else {}
    return {
        f"model.init_args.{name}": parameter.default
        for name, parameter in known.items()
        if parameter.default is not Parameter.empty
        and not any(key == f"model.init_args.{name}" or key.startswith(f"model.init_args.{name}.") for key in before)
    }


def _folder_option() -> str:
    return os.environ.get(FOLDER_OPTION, "--trainer.default_root_dir")


def _is_free(key: str) -> bool:
    return any(key == free or key.startswith(free + ".") for free in _FREE)


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(value, dict) or not value:
        return {prefix: value}
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        flat.update(_flat(inner, f"{prefix}.{key}" if prefix else str(key)))
    return flat


class SaveRunConfig(SaveConfigCallback):
    """Writes `config.yaml` into the run's folder once training is about to start, and merges it into W&B's config.

    `text` is the config as it was given, without what the folder adds to it. Data, networks and checkpoint have been accepted
    by then: what is refused leaves the folder as it was.
    """

    def __init__(self, *args: Any, text: str, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "save_to_log_dir": False})
        self.text = text

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Nothing yet."""

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Rank zero writes."""
        if trainer.is_global_zero:
            self.save_config(trainer, pl_module, "fit")

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Rank zero's part."""
        write_text(Path(trainer.default_root_dir) / "config.yaml", self.text)
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                logger.experiment.config.update(yaml.safe_load(self.text), allow_val_change=True)
