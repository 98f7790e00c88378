"""ELBO on every validation, ELBO and IWAE bound on the test split, for methods that bound the likelihood."""

from collections.abc import Iterator
from math import exp

import torch
from pytorch_lightning import Trainer
from torch import Tensor

from lit_faces.callbacks.measurement import Evaluation, Evaluator, Measurement, columns
from lit_faces.data.batch import Batch
from lit_faces.methods.base import Method
from lit_faces.methods.capabilities import BoundsLikelihood
from lit_faces.metrics.likelihood import EvidenceLowerBound, ImportanceWeightedBound
from lit_faces.metrics.noise import ImageNoise
from lit_faces.metrics.per_image import PerImage
from lit_faces.objectives.gaussian import LATENT_LOG_VARIANCE, DiagonalGaussian

# Importance samples that are decoded at once.
_CHUNK = 10


class LikelihoodBounds(Evaluator):
    """Measures `elbo` with its two terms, one z an image, and `iwae`, the bound with `importance_samples` of them.

    In nats per image with every constant kept. Beside them `posterior_deviation` and `prior_deviation`, the standard deviations
    of q and of the prior, mean over the dimensions of the code (CMMA's second version, section 4). The noise depends on
    (seed, image) alone, so neither the batch size nor the number of ranks changes a value. Does nothing for a method without a
    bound.
    """

    watches = True

    def __init__(self, importance_samples: int = 50, seed: int = 0) -> None:
        self.importance_samples, self.seed = importance_samples, seed
        self._elbo: EvidenceLowerBound
        self._iwae: ImportanceWeightedBound
        self._floor: PerImage
        self._deviations: PerImage

    def start(self, trainer: Trainer, method: Method) -> bool:
        """Start a new estimate."""
        self._elbo = EvidenceLowerBound().to(method.device)
        self._iwae = ImportanceWeightedBound(max(1, self.importance_samples)).to(method.device)
        self._floor = PerImage("pixels_at_variance_floor").to(method.device)
        self._deviations = PerImage("posterior_deviation", "prior_deviation").to(method.device)
        return isinstance(method, BoundsLikelihood)

    def _update(self, method: BoundsLikelihood, batch: Batch) -> ImageNoise:
        noise = ImageNoise(self.seed, batch.row, method.latent_dim)
        first = noise.draw(1)[:, 0].to(batch.images.device)
        self._elbo.update(batch.row, *method.elbo(batch.images, batch.attributes, first))
        return noise

    def watch(self, trainer: Trainer, method: Method, batch: Batch) -> None:
        """Add a batch to the ELBO alone."""
        assert isinstance(method, BoundsLikelihood)
        self._update(method, batch)

    def watched(self, trainer: Trainer, method: Method) -> dict[str, Tensor]:
        """The bound and its terms."""
        values = self._elbo.compute()
        return dict(zip(values.names, values.mean(), strict=True))

    def update(self, trainer: Trainer, method: Method, batch: Batch) -> None:
        """Add a batch, with its importance samples."""
        assert isinstance(method, BoundsLikelihood)
        noise = self._update(method, batch)
        q, p = method.posterior(batch.images, batch.attributes), method.prior(batch.attributes)
        at_floor = share_at_floor(method.likelihood(q.mean, batch.attributes), method.pixel_log_variance[0])
        self._floor.update(batch.row, at_floor[:, None])
        self._deviations.update(batch.row, torch.stack([d.stddev.double().mean(1) for d in (q, p)], 1))
        if self.importance_samples:
            self._iwae.update(batch.row, self._log_weights(method, batch, noise))

    def _log_weights(self, method: BoundsLikelihood, batch: Batch, noise: ImageNoise) -> Iterator[Tensor]:
        for start in range(0, self.importance_samples, _CHUNK):
            draws = noise.draw(min(_CHUNK, self.importance_samples - start)).to(batch.images.device)
            yield method.log_weights(batch.images, batch.attributes, draws)

    def finish(self, trainer: Trainer, method: Method) -> Evaluation:
        """The bounds."""
        assert isinstance(method, BoundsLikelihood)
        elbo, floor, deviations = self._elbo.compute(), self._floor.compute(), self._deviations.compute()
        clamp = {
            "pixel_log_variance": list(method.pixel_log_variance),
            "latent_log_variance": list(LATENT_LOG_VARIANCE),
        }
        measurements: tuple[Measurement, ...] = columns(elbo, "nats per image", clamp=clamp)
        measurements += columns(floor, "share of pixels")
        measurements += columns(
            deviations, "units of the code", clamp={"latent_log_variance": clamp["latent_log_variance"]}
        )
        per_image = {name: (v.index, v.column(name)) for v in (elbo, deviations) for name in v.names}
        if self.importance_samples:
            iwae = self._iwae.compute()
            measurements += (
                *(
                    Measurement("iwae", m.value, m.stderr, m.n, m.unit, {"K": self.importance_samples, "clamp": clamp})
                    for m in columns(iwae, "nats per image")
                ),
            )
            per_image["iwae"] = (iwae.index, iwae.column("bound"))
        return Evaluation(measurements, per_image)


def share_at_floor(likelihood: DiagonalGaussian, floor: float) -> Tensor:
    """Share (B,) of an image's pixels whose log-variance lies at the `floor`, where the bound stops rewarding it."""
    return (likelihood.stddev <= exp(floor / 2) * 1.0001).flatten(1).double().mean(1)
