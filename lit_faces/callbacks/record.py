"""`record.json`: all that a run measured, and what it was measured with."""

import csv
import json
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.loggers import WandbLogger

from lit_faces.callbacks.measurement import Evaluates
from lit_faces.errors import UserError
from lit_faces.files import replacing, sha256_of, write_json
from lit_faces.methods.base import Method
from lit_faces.methods.checkpoint import read_checkpoint
from lit_faces.run_folder import RunFolder

PACKAGES = ("lit_faces", "torch", "torchvision", "pytorch-lightning", "torchmetrics", "numpy", "scikit-learn")


def environment() -> dict[str, Any]:
    """Versions, processor and accelerator."""
    cuda = torch.cuda.is_available()
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "accelerator": torch.cuda.get_device_name() if cuda else "none",
    }


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


class Record(Callback):
    """Keeps the training time in the checkpoint, and writes `record.json` and `per_image.csv` after testing.

    The record holds every measurement of the evaluation callbacks with its n, standard error, unit and settings, and the
    config, data, checkpoint and package versions that they came from. W&B gets the measurements as a table.
    """

    def __init__(self) -> None:
        self._seconds = 0.0
        self._sittings = 0
        self._epoch_start = 0.0

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count one more sitting."""
        self._sittings += 1

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._epoch_start = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the clock (the validation is within the epoch)."""
        self._seconds += time.perf_counter() - self._epoch_start

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add what the training took."""
        # Not current_epoch, which counts on when training ends.
        epochs = trainer.fit_loop.epoch_progress.current.processed  # type: ignore[attr-defined]
        checkpoint["training"] = {
            "seconds": self._seconds,
            "sittings": self._sittings,
            "epochs": epochs,
            "batches": int(epochs * trainer.num_training_batches),
            "devices": trainer.world_size,
            "precision": str(trainer.precision),
            **environment(),
        }

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Go on counting."""
        self._seconds = checkpoint["training"]["seconds"]
        self._sittings = checkpoint["training"]["sittings"]

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock of the evaluation."""
        self._epoch_start = time.perf_counter()

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the record. Raises UserError, on every rank, if a number of it is not finite."""
        callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
        evaluations = [c.evaluation for c in callbacks if isinstance(c, Evaluates) and c.evaluation is not None]
        measurements = [vars(m) for evaluation in evaluations for m in evaluation.measurements]
        curves = {name: curve for evaluation in evaluations for name, curve in evaluation.curves.items()}
        for name, found in (*((m["metric"], m) for m in measurements), *curves.items()):
            _check_finite(name, found)
        if not trainer.is_global_zero or not evaluations:
            return
        assert isinstance(pl_module, Method)
        folder = RunFolder(Path(trainer.default_root_dir))
        spec = pl_module.spec
        config = folder.config.read_text() if folder.config.exists() else ""
        training = read_checkpoint(Path(str(trainer.ckpt_path)))["training"] if trainer.ckpt_path else {}
        write_json(
            folder.record,
            {
                "method": type(pl_module).__name__,
                "arguments": pl_module.arguments,
                "seed": int(os.environ.get("PL_GLOBAL_SEED", "0")),
                "parameters": sum(p.numel() for p in pl_module.parameters()),
                "data": {"name": spec.name, "manifest": spec.manifest, "manifest_sha256": sha256_of(spec.manifest)},
                "config_sha256": sha256_of(config),
                "training": training,
                "evaluation": {
                    "seconds": time.perf_counter() - self._epoch_start,
                    "devices": trainer.world_size,
                    "precision": str(trainer.precision),
                    **environment(),
                },
                "measurements": measurements,
                "curves": curves,
            },
        )
        per_image = {name: values for evaluation in evaluations for name, values in evaluation.per_image.items()}
        if per_image:
            faces = trainer.datamodule.splits["test"]  # type: ignore[attr-defined]
            identity = dict(zip(faces.index.tolist(), faces.identity.tolist(), strict=True))
            _write_per_image(folder.per_image, per_image, identity)
        columns = ["metric", "value", "stderr", "n", "unit"]
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                logger.log_table("measurements", columns, [[m[column] for column in columns] for m in measurements])


def _check_finite(name: str, found: object) -> None:
    try:
        json.dumps(found, allow_nan=False)
    except ValueError as error:
        raise UserError(
            f"what was measured as {name} is not finite, so there is no record: a checkpoint (--ckpt_path, --edits.classifier, "
            "--identity.embedding) probably holds weights that are not: name another, or train it again"
        ) from error


def _write_per_image(
    path: Path, per_image: dict[str, tuple[torch.Tensor, torch.Tensor]], identity: dict[int, int]
) -> None:
    rows: dict[int, dict[str, float]] = {}
    for name, (index, values) in per_image.items():
        for row, value in zip(index.tolist(), values.tolist(), strict=True):
            rows.setdefault(row, {})[name] = value
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["row", "identity", *per_image])
        writer.writeheader()
        writer.writerows({"row": row, "identity": identity[row], **values} for row, values in sorted(rows.items()))
