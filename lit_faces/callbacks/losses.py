"""The training losses: logged from the device now and then, and watched for NaN."""

from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from lit_faces.errors import UserError


class TrainingLosses(Callback):
    """Sums the losses of a step on the device, logs their means every `log_every_n_steps` batches, stops at NaN or infinity.

    A step costs two small device operations and no synchronisation. Steps are counted in batches, whatever the number of
    optimisers. The checkpoint of an epoch is written after its last check, so the last good one stays.
    """

    def __init__(self) -> None:
        self._names: list[str] = []
        self._sums: Tensor | None = None
        self._first_bad: Tensor
        self._batches = 0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start a new window."""
        self._sums = None

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Add a step's losses; at the end of a window, log and check."""
        values = torch.stack([value.detach().float() for value in outputs.values()])
        if self._sums is None:
            self._names, self._sums, self._batches = list(outputs), torch.zeros_like(values), 0
            self._first_bad = torch.full((), -1, device=values.device)
        self._sums += values
        bad = ~torch.isfinite(values).all() & (self._first_bad < 0)
        self._first_bad = torch.where(bad, batch_idx, self._first_bad)
        self._batches += 1
        last = batch_idx + 1 == trainer.num_training_batches
        if last or (batch_idx + 1) % trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            self._report(trainer, pl_module, batch_idx)
            self._sums = None

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let the loggers write what they hold back, so that a kill loses no more of the curves than of the weights."""
        for logger in trainer.loggers:
            logger.save()

    def _report(self, trainer: Trainer, pl_module: LightningModule, batch_idx: int) -> None:
        assert self._sums is not None
        epoch_start = int(trainer.current_epoch * trainer.num_training_batches)
        first_bad = int(self._first_bad)
        if first_bad >= 0:
            name, size = largest_parameter(pl_module)
            calmer = " or set initial_accumulator_value" if "initial_accumulator_value" in pl_module.hparams else ""
            raise UserError(
                f"{type(pl_module).__name__}: the loss became NaN or infinite at batch {epoch_start + first_bad} "
                f"(epoch {trainer.current_epoch}, batch {first_bad}); the largest parameter is {name} with |{size:.3g}|. "
                f"The last good checkpoint is kept; lower the learning rate{calmer}"
            )
        means = (self._sums / self._batches).tolist()
        losses = {f"train/{name}": value for name, value in zip(self._names, means, strict=True)}
        pl_module.log("loss", means[0], prog_bar=True, logger=False)
        for logger in trainer.loggers:
            logger.log_metrics({**losses, "epoch": trainer.current_epoch}, step=epoch_start + batch_idx + 1)


def largest_parameter(module: torch.nn.Module) -> tuple[str, float]:
    """Name and largest absolute value of the parameter with the largest one; NaN counts as largest."""
    sizes = {name: float(parameter.detach().abs().amax()) for name, parameter in module.named_parameters()}
    name = max(sizes, key=lambda n: float("inf") if sizes[n] != sizes[n] else sizes[n])
    return name, sizes[name]
