"""What a log file shows of the training, where a progress bar would only fill it."""

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.utilities import rank_zero_info


class EpochLines(Callback):
    """Prints one line an epoch with what was logged in it, where there is no progress bar."""

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the epoch's line; the validation is within the epoch."""
        if trainer.progress_bar_callback is None:
            values = ", ".join(f"{name} {float(value):,.5g}" for name, value in trainer.callback_metrics.items())
            rank_zero_info(f"epoch {trainer.current_epoch + 1} of {trainer.max_epochs}: {values}")
