"""Parzen window log-likelihood of the faces given their attributes, for every method that generates."""

from collections.abc import Iterator

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor
from tqdm import tqdm

from lit_faces.callbacks.measurement import Evaluation, Evaluator, Measurement
from lit_faces.data.base import FaceDataModule, Split, to_unit_range
from lit_faces.data.batch import Batch
from lit_faces.errors import UserError
from lit_faces.methods.base import Method
from lit_faces.methods.capabilities import Generates
from lit_faces.metrics.noise import ImageNoise
from lit_faces.metrics.parzen import WIDTHS, ParzenEstimate, ParzenLogLikelihood

# Images decoded at once: enough to keep the processor busy, little enough for any memory.
_DECODED = 500


class ParzenWindow(Evaluator):
    """Measures `parzen_log_likelihood` on the test split, the window's width chosen on the validation split.

    For each image, `counts[-1]` faces are drawn from its attributes (the decoder's mean, z from the prior; no pixel noise) and
    a Gaussian window is put on each (CMMA paper, section 4.4). Smaller `counts` use the first of the same faces. `validate` gives
    the validation value at the best width, which is what hyper-parameters are chosen by.
    """

    def __init__(
        self,
        counts: tuple[int, ...] = (10, 100),
        widths: tuple[float, ...] = WIDTHS,
        seed: int = 1,
        enabled: bool = True,
    ) -> None:
        self.counts, self.widths, self.seed, self.enabled = tuple(counts), tuple(widths), seed, enabled

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """For the verb `validate`: the validation split at its best width."""
        if trainer.state.fn != TrainerFn.VALIDATING or not self.enabled or not isinstance(pl_module, Generates):
            return
        estimate = self._estimate(trainer, pl_module, "validation")
        value = estimate.mean(self.counts[-1]).max()
        pl_module.log("validation/parzen_log_likelihood", value.float(), rank_zero_only=True)

    def start(self, trainer: Trainer, method: Method) -> bool:
        """Nothing to prepare."""
        return self.enabled and isinstance(method, Generates)

    def finish(self, trainer: Trainer, method: Method) -> Evaluation:
        """Choose the widths on the validation split, then estimate on the test split."""
        assert isinstance(method, Generates)
        chosen = self._estimate(trainer, method, "validation")
        estimate = self._estimate(trainer, method, "test")
        measurements = []
        for count in self.counts:
            name = "parzen_log_likelihood" if count == self.counts[-1] else f"parzen_log_likelihood_{count}"
            width = chosen.best_width(count)
            values = estimate.at(count, width)
            settings = {"samples": count, "width": width, "width_on_edge_of_grid": chosen.on_edge(count)}
            mean, rms = values.mean().tolist()
            error, rms_error = values.standard_error().tolist()
            measurements.append(Measurement(name, mean, error, len(values), "nats per image", settings))
        # The last count is the largest.
        measurements.append(
            Measurement("nearest_sample_rms", rms, rms_error, len(values), "pixel in [0, 1]", {"samples": count})
        )
        return Evaluation(
            tuple(measurements),
            {"parzen_log_likelihood": (values.index, values.column("log_likelihood"))},
            {
                "parzen_width": {
                    "widths": list(self.widths),
                    "validation": {str(count): chosen.mean(count).tolist() for count in self.counts},
                    "test": {str(count): estimate.mean(count).tolist() for count in self.counts},
                    "chosen": width,
                }
            },
        )

    def _estimate(self, trainer: Trainer, method: Generates, split: Split) -> ParzenEstimate:
        assert isinstance(method, LightningModule)
        data = trainer.datamodule  # type: ignore[attr-defined]
        if not isinstance(data, FaceDataModule):
            raise UserError(f"the Parzen estimate needs a DataModule of lit_faces, got {type(data).__name__}")
        metric = ParzenLogLikelihood(self.widths, self.counts).to(method.device)
        quiet = trainer.progress_bar_callback is None or not trainer.is_global_zero
        with trainer.precision_plugin.forward_context():
            for stored in tqdm(data.loader(split), desc=f"Parzen, {split}", unit="batch", disable=quiet, leave=False):
                batch = to_unit_range(Batch(*(t.to(method.device) for t in stored)))
                metric.update(batch.row, batch.images, self._samples(method, batch))
        return metric.compute()

    def _samples(self, method: Generates, batch: Batch) -> Iterator[Tensor]:
        noise = ImageNoise(self.seed, batch.row, method.noise_dim)
        chunk = max(1, _DECODED // len(batch.row))
        for start in range(0, self.counts[-1], chunk):
            count = min(chunk, self.counts[-1] - start)
            draws = noise.draw(count).flatten(0, 1).to(batch.images.device)
            samples = method.generate(batch.attributes.repeat_interleave(count, 0), draws)
            yield samples.view(-1, count, *samples.shape[1:])
