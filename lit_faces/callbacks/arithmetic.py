"""Does a face show an attribute after another face with it is added and one without it taken away? A classifier says."""

from collections.abc import Iterable, Sequence

import torch
from pytorch_lightning import LightningModule, Trainer
from torch import Tensor

from lit_faces.callbacks.attribute_edits import AttributeEdits, Edit, classifier_of, has_classifier
from lit_faces.callbacks.edits import labels_of, mean_over_edits
from lit_faces.callbacks.measurement import SHARE, Evaluation, Evaluator, Measurement, mean_over_images
from lit_faces.data.batch import Batch
from lit_faces.errors import UserError
from lit_faces.methods.base import Method
from lit_faces.methods.capabilities import Layered
from lit_faces.metrics.per_image import PerImage, PerImageValues

# What is 1 or 0 for each face, and its mean.
_METRICS = {"arithmetic_hit": "arithmetic_accuracy", "arithmetic_unedited": "arithmetic_unedited_rate"}
MOST = 8
# How many sums of codes are decoded at once.
_AT_ONCE = 100


class Arithmetic(Evaluator):
    """Measures `arithmetic_accuracy`, how often the classifier sees an attribute in a - b + c, where a lacked it.

    MMD-VLAE paper, section 4, on the test faces: a and b lack the attribute, c has it, b and c are alike in the attribute
    `alike` where the data have one of that name (as a - man + woman with spectacles would change more), and b and c are drawn
    for each a by `seed`. The codes of all layers, posterior means, are added. Beside it `arithmetic_unedited_rate`, how often
    the classifier sees the attribute in the reconstruction of a. Each for the first `images` faces a of every attribute, and
    the means over attributes. `attributes` are by default those that the edits of the run's AttributeEdits set alone, without
    edits the data's labels, at most 8. For methods with layers, given a classifier, and data whose labels do not exclude each
    other. Raises UserError for numbers that are none, for an attribute that the data do not have, and for settings of what no
    classifier can judge.

    Args:
        attributes: The attributes to give; by default those that the edits set alone, without edits the data's labels.
        alike: The attribute in which b and c agree.
        images: For how many faces a of every attribute, at least 1.
        seed: Seed that b and c are drawn by, at least 0.
    """

    def __init__(
        self, attributes: tuple[str, ...] | None = None, alike: str = "Male", images: int = 1000, seed: int = 4
    ) -> None:
        if images < 1 or seed < 0:
            raise UserError(f"--arithmetic.images must be at least 1 and --arithmetic.seed 0, got {images} and {seed}")
        self.attributes, self.alike, self.images, self.seed = attributes, alike, images, seed
        # As set by default it waits for a classifier, which most runs have none of.
        self._is_set = (attributes, alike, images, seed) != Arithmetic.__init__.__defaults__
        self._asked: tuple[str, ...] = ()

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse before the training what would be refused after it."""
        self._check_classifier(trainer)

    def _check_classifier(self, trainer: Trainer) -> None:
        if self._is_set and not has_classifier(trainer):
            raise UserError(
                "--arithmetic needs a classifier: give its checkpoint as --edits.classifier, or leave out --arithmetic"
            )

    def start(self, trainer: Trainer, method: Method) -> bool:
        """Find the attributes. Raises UserError if the classifier is wanting or does not fit the data."""
        self._check_classifier(trainer)
        spec = method.spec
        if spec.exclusive or not isinstance(method, Layered) or classifier_of(trainer, method) is None:
            return False
        callbacks = trainer.callbacks  # type: ignore[attr-defined]
        edits = next((c.edits for c in callbacks if isinstance(c, AttributeEdits)), None)
        asked = asked_of((edits or {}).values(), labels_of(method)) if self.attributes is None else self.attributes
        # By the data's own names, of which a space may be an underscore.
        self._asked = tuple(dict.fromkeys(spec.attributes[spec.position(name)] for name in asked))
        codes = [f"z {i}" for i in range(sum(method.latent_dims))]
        self._faces = PerImage(*codes, *spec.attributes).to(method.device)
        return bool(self._asked)

    def update(self, trainer: Trainer, method: Method, batch: Batch) -> None:
        """Encode a batch."""
        assert isinstance(method, Layered)
        truth = method.spec.binary(batch.attributes).to(self._faces.precision)
        means = method.posterior(batch.images).mean.to(self._faces.precision)
        self._faces.update(batch.row, torch.cat([means, truth], 1))

    def finish(self, trainer: Trainer, method: Method) -> Evaluation | None:
        """Decode the sums, let the classifier judge, and give the shares of every attribute and their means."""
        faces, names = self._faces.compute(), method.spec.attributes
        codes, truth = faces.values[:, : -len(names)].float(), faces.values[:, -len(names) :] > 0
        measurements: list[Measurement] = []
        per_image = {}
        parts: dict[str, list[tuple[Tensor, Tensor]]] = {}
        for attribute in self._asked:
            alike = self.alike if self.alike in names and self.alike != attribute else None
            column = method.spec.position(attribute)
            kinds = torch.zeros(len(faces)) if alike is None else truth[:, names.index(alike)]
            chosen = operands(truth[:, column], kinds, self.images, self.seed)
            if not len(chosen):
                continue
            seen = self._seen(trainer, method, column, chosen, codes, faces.index)
            for name, metric in _METRICS.items():
                values = (seen.index, seen.column(name))
                per_image[f"{name}/{attribute}"] = values
                parts.setdefault(metric, []).append(values)
                measurements.append(mean_over_images(f"{metric}/{attribute}", SHARE, *values))
        for metric, shares in parts.items():
            # Of one attribute the mean is its share, which has an interval.
            one = len(shares) == 1
            measurements.append(
                mean_over_images(metric, SHARE, *shares[0]) if one else mean_over_edits(metric, SHARE, shares)
            )
        return Evaluation(tuple(measurements), per_image) if measurements else None

    def _seen(
        self, trainer: Trainer, method: Method, column: int, chosen: Tensor, codes: Tensor, rows: Tensor
    ) -> PerImageValues:
        """Whether the classifier sees the attribute in the sums of the `chosen` (M, 3) of N faces, and in the first alone.

        The faces have `codes` (N, D) and `rows` (N,) in the data set. Each rank does its share.
        """
        judge = classifier_of(trainer, method)
        assert judge is not None
        assert isinstance(method, Layered)
        found = PerImage(*_METRICS).to(method.device)
        for part in torch.split(chosen[trainer.global_rank :: trainer.world_size], _AT_ONCE):
            a, b, c = codes[part].to(method.device).unbind(1)
            with trainer.precision_plugin.forward_context():
                hits = [judge.probabilities(method.decode(z))[:, column] > 0.5 for z in (a - b + c, a)]
            found.update(rows[part[:, 0]], torch.stack(hits, 1))
        return found.compute()


def asked_of(edits: Iterable[Edit], labels: Sequence[str]) -> tuple[str, ...]:
    """The attributes that edits set alone, or without edits the labels; at most 8, each once."""
    alone = dict.fromkeys(edit.set[0] for edit in edits if len(edit.set) == 1)
    return tuple(alone or labels)[:MOST]


def operands(holds: Tensor, kinds: Tensor, count: int, seed: int) -> Tensor:
    """Numbers (M, 3) of faces a, b and c, where the attribute that `holds` (N,) for c holds for neither a nor b.

    The first `count` faces that lack it are a; c and then b are drawn for each, b another face than a and of the same of
    `kinds` (N,), 0 or 1, as c. M = 0 where no such faces are there.
    """
    lacking = (~holds).nonzero()[:, 0]
    pools = [lacking[kinds[lacking] == kind] for kind in (0, 1)]
    # Of a single face that lacks it there is no other.
    enough = torch.tensor([len(pool) > 1 for pool in pools])
    having = (holds & enough[kinds.long()]).nonzero()[:, 0]
    a = lacking[:count] if len(having) else lacking[:0]
    draws = torch.rand(len(a), 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    c = having[(draws[:, 0] * len(having)).long()]
    b = torch.empty_like(a)
    for kind, pool in enumerate(pools):
        here = kinds[c] == kind
        own, place = torch.isin(a[here], pool), torch.searchsorted(pool, a[here])
        choice = (draws[here, 1] * (len(pool) - own.long())).long()
        b[here] = pool[choice + (own & (choice >= place))]
    return torch.stack([a, b, c], 1)
