"""How far drawn pictures are from photographs, as the run's classifier sees them."""

import torch
from pytorch_lightning import Trainer
from torch import Tensor

from lit_faces.callbacks.attribute_edits import classifier_of
from lit_faces.callbacks.measurement import Evaluation, Evaluator, Measurement
from lit_faces.data.base import to_unit_range
from lit_faces.data.batch import Batch
from lit_faces.errors import UserError
from lit_faces.methods.base import Method
from lit_faces.methods.capabilities import Describes, Generates, Layered
from lit_faces.metrics.noise import ImageNoise
from lit_faces.metrics.sample_distance import Features, frechet_distance, kernel_distance

# The fewest images whose kernel distance has an error.
_FEWEST = 3


class SampleQuality(Evaluator):
    """Measures `fid` and `kid`, the Fréchet and the kernel distance between drawn pictures and test images.

    One picture is drawn for each of the first `samples` test images, with noise that depends on (seed, image) alone: by
    a ladder from codes of N(0, I), by another method that generates from the attributes of the image. The features are
    those of the run's classifier, not Inception's, so values compare within one data set and classifier alone. Beside
    them, `fid_of_photographs` and `kid_of_photographs`, of the first `samples` validation images in place of the
    pictures: what a perfect method has. For methods that draw, given a classifier that describes images, and at least 3
    images of both splits.
    Raises UserError unless `samples` is at least 3 and `seed` at least 0.
    """

    def __init__(self, samples: int = 5000, seed: int = 6, enabled: bool = False) -> None:
        if samples < _FEWEST or seed < 0:
            raise UserError(
                f"quality.samples must be at least {_FEWEST} and quality.seed at least 0, got {samples} and {seed}"
            )
        self.samples, self.seed, self.enabled = samples, seed, enabled

    def start(self, trainer: Trainer, method: Method) -> bool:
        """Start anew. Raises UserError if the classifier does not fit the data."""
        if not self.enabled or not isinstance(method, (Layered, Generates)):
            return False
        judge = classifier_of(trainer, method)
        splits = trainer.datamodule.splits  # type: ignore[attr-defined]
        self._test_rows, self._validation_rows = (
            splits[split].index[: self.samples].to(method.device) for split in ("test", "validation")
        )
        if not isinstance(judge, Describes) or min(len(self._test_rows), len(self._validation_rows)) < _FEWEST:
            return False
        size = judge.features(torch.zeros(1, *method.spec.image_shape, device=method.device)).shape[1]
        self._test, self._drawn, self._validation = (Features(size).to(method.device) for _ in range(3))
        return True

    def update(self, trainer: Trainer, method: Method, batch: Batch) -> None:
        """Describe the images of a batch, and a picture drawn for each."""
        batch = _of_rows(self._test_rows, batch)
        if len(batch.row):
            self._describe(self._test, trainer, method, batch.row, batch.images)
            self._describe(self._drawn, trainer, method, batch.row, _draw(method, batch, self.seed))

    def _describe(self, metric: Features, trainer: Trainer, method: Method, row: Tensor, images: Tensor) -> None:
        judge = classifier_of(trainer, method)
        assert isinstance(judge, Describes)
        metric.update(row, judge.features(images))

    def finish(self, trainer: Trainer, method: Method) -> Evaluation | None:
        """Describe the validation images, measure on one rank, and tell the others."""
        for stored in trainer.datamodule.loader("validation"):  # type: ignore[attr-defined]
            batch = _of_rows(self._validation_rows, Batch(*(column.to(method.device) for column in stored)))
            if len(batch.row):
                self._describe(self._validation, trainer, method, batch.row, to_unit_range(batch).images)
        test, samples, photographs = (m.compute() for m in (self._test, self._drawn, self._validation))
        found = None
        if trainer.is_global_zero:
            measurements = _measured("", test, samples, samples=len(samples))
            measurements += _measured("_of_photographs", test, photographs, photographs=len(photographs))
            found = Evaluation(measurements)
        evaluation: Evaluation | None = trainer.strategy.broadcast(found)
        return evaluation


def _draw(method: Method, batch: Batch, seed: int) -> Tensor:
    """A picture (B, C, H, W) in [0, 1] for each image of a batch, with noise of its own."""
    if isinstance(method, Layered):
        return method.decode(_noise(seed, batch, sum(method.latent_dims)))
    assert isinstance(method, Generates)
    return method.generate(batch.attributes, _noise(seed, batch, method.noise_dim))


def _noise(seed: int, batch: Batch, dim: int) -> Tensor:
    return ImageNoise(seed, batch.row, dim).draw(1)[:, 0].to(batch.images)


def _of_rows(rows: Tensor, batch: Batch) -> Batch:
    """The images of a batch that are among the rows."""
    among = torch.isin(batch.row, rows)
    return Batch(*(column[among] for column in batch))


def _measured(suffix: str, test: Tensor, others: Tensor, **counts: int) -> tuple[Measurement, ...]:
    settings = {"features": "judge", **counts}
    kid, error = kernel_distance(test, others)
    fid = frechet_distance(test, others)
    return (
        Measurement(f"kid{suffix}", kid, error, len(test), "squared MMD of features", settings),
        Measurement(f"fid{suffix}", fid, None, len(test), "squared distance of features", settings),
    )
