"""How far drawn pictures are from photographs, as the run's classifier or Inception sees them."""

from collections.abc import Callable
from typing import Any, Literal

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.utilities import rank_zero_info
from torch import Tensor

from lit_faces.callbacks.attribute_edits import classifier_of, has_classifier
from lit_faces.callbacks.measurement import Evaluation, Evaluator, Measurement
from lit_faces.data.base import to_unit_range
from lit_faces.data.batch import Batch
from lit_faces.errors import UserError
from lit_faces.methods.base import Method
from lit_faces.methods.capabilities import Describes, Generates, Layered
from lit_faces.metrics.inception import Inception
from lit_faces.metrics.noise import ImageNoise
from lit_faces.metrics.sample_distance import Features, frechet_distance, kernel_distance

# The fewest images whose kernel distance has an error.
_FEWEST = 3


class SampleQuality(Evaluator):
    """Measures `fid` and `kid`, the Fréchet and the kernel distance between drawn pictures and test images.

    One picture is drawn for each of the first `samples` test images, with noise that depends on (seed, image) alone: by
    a ladder from codes of N(0, I), by another method that generates from the attributes of the image. The features are
    by default those of the run's classifier, so values compare within one data set and classifier alone. With
    `inception` they are those of torchvision's Inception v3, which needs no classifier; values do not compare with
    published ones, which are of TensorFlow's. Beside them, `fid_of_photographs` and `kid_of_photographs`, of the first
    `samples` validation images in place of the pictures: what a perfect method has. For methods that draw, and at least
    3 images of both splits.

    Args:
        samples: How many pictures are drawn, at least 3.
        seed: Seed of the noise that they are drawn from, at least 0.
        enabled: Whether to measure; takes a classifier (--edits.classifier) or the features of inception.
        features: Whose features: those of the run's classifier (judge) or of torchvision's Inception v3 (inception),
            whose weights (104 MB) are downloaded once.

    Raises UserError unless `samples` is at least 3 and `seed` at least 0.
    """

    def __init__(
        self,
        samples: int = 5000,
        seed: int = 6,
        enabled: bool = False,
        features: Literal["judge", "inception"] = "judge",
    ) -> None:
        if samples < _FEWEST or seed < 0:
            raise UserError(
                f"quality.samples must be at least {_FEWEST} and quality.seed at least 0, got {samples} and {seed}"
            )
        self.samples, self.seed, self.enabled, self.features = samples, seed, enabled, features
        self._describer: Callable[[Tensor], Tensor] | None = None

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse before the training what would be refused after it."""
        assert isinstance(pl_module, Method)
        # AttributeEdits has seen to a classifier, and has let go of it.
        if self.features == "inception" or not has_classifier(trainer):
            self._find_describer(trainer, pl_module)
            self._describer = None

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Let go of what describes images: what comes next may be on another device."""
        self._describer = None

    def start(self, trainer: Trainer, method: Method) -> bool:
        """Start anew. Raises UserError if there are no such features of the data, or the classifier does not fit them."""
        self._find_describer(trainer, method)
        splits = trainer.datamodule.splits  # type: ignore[attr-defined]
        self._test_rows, self._validation_rows = (
            splits[split].index[: self.samples].to(method.device) for split in ("test", "validation")
        )
        if self._describer is None or min(len(self._test_rows), len(self._validation_rows)) < _FEWEST:
            return False
        size = self._describer(torch.zeros(1, *method.spec.image_shape, device=method.device)).shape[1]
        self._test, self._drawn, self._validation = (Features(size).to(method.device) for _ in range(3))
        return True

    def _find_describer(self, trainer: Trainer, method: Method) -> None:
        """Load what describes images, if there is anything to measure."""
        self._describer = None
        if not self.enabled or not isinstance(method, (Layered, Generates)):
            return
        if self.features == "inception":
            if method.spec.image_shape[0] not in (1, 3):
                raise UserError(
                    f"--quality.features inception needs grey or coloured images, those of {method.spec.name} have "
                    f"{method.spec.image_shape[0]} channels: leave it out"
                )
            self._describer = Inception().to(method.device)
        elif has_classifier(trainer):
            judge = classifier_of(trainer, method)
            if not isinstance(judge, Describes):
                raise UserError(
                    "the classifier describes no images: give another --edits.classifier, --quality.features inception, or "
                    "--quality.enabled false"
                )
            self._describer = judge.features
        else:
            rank_zero_info(
                "quality.enabled: fid and kid are not measured without a classifier: give its checkpoint as "
                "--edits.classifier, or --quality.features inception"
            )

    def update(self, trainer: Trainer, method: Method, batch: Batch) -> None:
        """Describe the images of a batch, and a picture drawn for each."""
        batch = _of_rows(self._test_rows, batch)
        if len(batch.row):
            self._describe(self._test, batch.row, batch.images)
            self._describe(self._drawn, batch.row, _draw(method, batch, self.seed))

    def _describe(self, metric: Features, row: Tensor, images: Tensor) -> None:
        assert self._describer is not None
        metric.update(row, self._describer(images))

    def finish(self, trainer: Trainer, method: Method) -> Evaluation | None:
        """Describe the validation images, measure on one rank, and tell the others."""
        for stored in trainer.datamodule.loader("validation"):  # type: ignore[attr-defined]
            batch = _of_rows(self._validation_rows, Batch(*(column.to(method.device) for column in stored)))
            if len(batch.row):
                self._describe(self._validation, batch.row, to_unit_range(batch).images)
        test, samples, photographs = (m.compute() for m in (self._test, self._drawn, self._validation))
        found = None
        if trainer.is_global_zero:
            settings = {"features": self.features}
            measurements = _measured("", test, samples, {**settings, "samples": len(samples)})
            measurements += _measured(
                "_of_photographs", test, photographs, {**settings, "photographs": len(photographs)}
            )
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


def _measured(suffix: str, test: Tensor, others: Tensor, settings: dict[str, Any]) -> tuple[Measurement, ...]:
    kid, error = kernel_distance(test, others)
    fid = frechet_distance(test, others)
    return (
        Measurement(f"kid{suffix}", kid, error, len(test), "squared MMD of features", settings),
        Measurement(f"fid{suffix}", fid, None, len(test), "squared distance of features", settings),
    )
