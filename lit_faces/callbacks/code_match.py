"""How far the codes of a ladder's layers are from the prior that images are drawn from."""

from collections.abc import Iterator
from math import sqrt

import torch
from pytorch_lightning import Trainer
from torch import Tensor

from lit_faces.callbacks.measurement import Evaluation, Evaluator, Measurement
from lit_faces.data.batch import Batch
from lit_faces.errors import UserError
from lit_faces.methods.base import Method
from lit_faces.methods.capabilities import Layered, layers_of
from lit_faces.metrics.noise import ImageNoise
from lit_faces.metrics.per_image import PerImage
from lit_faces.objectives.gaussian import sample
from lit_faces.objectives.mmd import normal_discrepancies

# A code entry is in use if its posterior mean varies more than this over the images (Burda et al. 2016, section 5.2).
_ACTIVE = 0.01


class CodeMatch(Evaluator):
    """Measures how far the codes of test images, drawn from q(z|x), are from N(0, I) in each layer.

    `mmd/z_0` is the squared MMD to the prior, unbiased (so below 0 by chance), with the kernel of `squared_mmd`,
    and `mmd` the sum over layers; their errors are by the jackknife, which for codes like the prior's is about 1.4 times
    too large. `code_mean/z_0` is |mean| / sqrt(d) and `code_covariance/z_0` the Frobenius norm of
    (covariance - I) / sqrt(d): as many draws from the prior itself have about 1 / sqrt(n) and sqrt((d + 1) / n).
    `active_units/z_0` is the share of code entries whose posterior mean varies (Burda et al. 2016). These three without a
    layer's name are of all codes side by side. One code an image, of the first `images` test images, with noise that
    depends on (seed, image) alone. For methods with layers; of a single image nothing is measured.
    Raises UserError unless `images` is at least 2 and `seed` at least 0.
    """

    def __init__(self, images: int = 10000, seed: int = 4) -> None:
        if images < 2 or seed < 0:
            raise UserError(f"codes.images must be at least 2 and codes.seed at least 0, got {images} and {seed}")
        self.images, self.seed = images, seed
        self._codes: PerImage

    def start(self, trainer: Trainer, method: Method) -> bool:
        """Start anew."""
        if not isinstance(method, Layered):
            return False
        names = (f"{kind} {i}" for kind in ("mean", "code") for i in range(sum(method.latent_dims)))
        self._codes = PerImage(*names).to(method.device)
        return True

    def update(self, trainer: Trainer, method: Method, batch: Batch) -> None:
        """Encode a batch."""
        assert isinstance(method, Layered)
        q = method.posterior(batch.images)
        noise = ImageNoise(self.seed, batch.row, q.mean.shape[1]).draw(1)[:, 0].to(q.mean)
        self._codes.update(batch.row, torch.cat([q.mean, sample(q, noise)], 1))

    def finish(self, trainer: Trainer, method: Method) -> Evaluation | None:
        """Compare the codes with the prior, on one rank, and tell the others."""
        assert isinstance(method, Layered)
        values = self._codes.compute().values[: self.images]
        found = None
        if trainer.is_global_zero and len(values) > 1:
            means, codes = values.chunk(2, 1)
            layers = layers_of(method)
            found = Evaluation((*_discrepancies(codes, layers), *_moments(means, codes, layers)))
        evaluation: Evaluation | None = trainer.strategy.broadcast(found)
        return evaluation


def _discrepancies(codes: Tensor, layers: dict[str, slice]) -> list[Measurement]:
    """The squared MMD of all layers' codes (N, sum of d) together, then of each layer's."""

    def measured(metric: str, rows: Tensor, **settings: object) -> Measurement:
        # A code is in its own row and, with half of the statistic's weight, in those of all others: hence the 2.
        error = 2 * float(rows.std()) / sqrt(len(rows))
        return Measurement(metric, float(rows.mean()), error, len(rows), "squared MMD", settings)

    found = {name: normal_discrepancies(codes[:, place]) for name, place in layers.items()}
    total = measured("mmd", torch.stack([*found.values()]).sum(0), sum_over="layers")
    sizes = {name: place.stop - place.start for name, place in layers.items()}
    return [total, *(measured(f"mmd/{name}", rows, bandwidth=sizes[name] ** 2) for name, rows in found.items())]


def _moments(means: Tensor, codes: Tensor, layers: dict[str, slice]) -> Iterator[Measurement]:
    """Mean, covariance and use of all codes, then of each layer's, from posterior means and codes (N, sum of d)."""
    for name, place in {"": slice(None), **{f"/{layer}": place for layer, place in layers.items()}}.items():
        z = codes[:, place]
        scale = sqrt(z.shape[1])
        away = z.T.cov().reshape(z.shape[1], -1) - torch.eye(z.shape[1])
        active = (means[:, place].var(0) > _ACTIVE).double().mean()
        for metric, value, unit in (
            ("code_mean", z.mean(0).norm() / scale, "standard deviations of the prior"),
            ("code_covariance", away.norm() / scale, "variances of the prior"),
            ("active_units", active, "share of code entries"),
        ):
            yield Measurement(f"{metric}{name}", float(value), None, len(z), unit)
