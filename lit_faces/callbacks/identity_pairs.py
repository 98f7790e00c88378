"""Does a changed expression look like the same person's own? Photographs of both say."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan
from typing import Any

import torch
from pytorch_lightning import Trainer
from torch import Tensor

from lit_faces.callbacks.edits import class_names, class_of, labels_of, settle_edits
from lit_faces.callbacks.measurement import Evaluation, Evaluator, Measurement
from lit_faces.data.base import Faces, Split, to_unit_range
from lit_faces.data.batch import Batch
from lit_faces.methods.base import Method
from lit_faces.methods.capabilities import Edits, Switches
from lit_faces.metrics.per_image import PerImage, PerImageValues, clustered_error

_METRICS = ("target_changed", "original_changed", "target_original")


@dataclass(frozen=True)
class Pairs:
    """P ordered pairs of images of one person with different expressions.

    Positions in a split of the `original` and of the `target` (P,), and the class `wanted` (P,), that of the target.
    """

    original: Tensor
    target: Tensor
    wanted: Tensor

    def __len__(self) -> int:
        return len(self.original)

    def __getitem__(self, rows: Tensor) -> "Pairs":
        return Pairs(self.original[rows], self.target[rows], self.wanted[rows])


def identity_pairs(identity: Tensor, expression: Tensor, limit: int, seed: int) -> Pairs:
    """All ordered pairs of one identity (N,) and different expressions (N,), or `limit` of them drawn at random."""
    members: dict[int, list[int]] = {}
    for row, person in enumerate(identity.tolist()):
        members.setdefault(person, []).append(row)
    parts = [torch.empty(0, 2, dtype=torch.int64)]
    for rows in members.values():
        both = torch.cartesian_prod(torch.tensor(rows), torch.tensor(rows))
        parts.append(both[expression[both[:, 0]] != expression[both[:, 1]]])
    pairs = torch.cat(parts)
    if len(pairs) > limit:
        pairs = pairs[torch.randperm(len(pairs), generator=torch.Generator().manual_seed(seed))[:limit]]
    original, target = pairs.unbind(1)
    return Pairs(original, target, expression[target])


class IdentityPairs(Evaluator):
    """Measures how near a changed face is to the same person's true face with that expression.

    Over ordered pairs of test images of one person with different expressions, at most `pairs` of them drawn by `seed`, the
    sums over pixel values of squared differences: `target_changed`, `original_changed` and `target_original` (CSVAE paper,
    section 5.4, method 2, as a mean over pairs). A method with styles takes for each expression the candidate that
    makes `target_changed` least on pairs of the validation split. For methods that edit, on data with exclusive labels and
    several images a person.
    """

    def __init__(self, pairs: int = 2000, seed: int = 0, enabled: bool = True) -> None:
        self.pairs, self.seed, self.enabled = pairs, seed, enabled

    def start(self, trainer: Trainer, method: Method) -> bool:
        """Nothing to prepare."""
        self._labels = labels_of(method)
        return self.enabled and method.spec.exclusive and bool(self._labels) and isinstance(method, Edits)

    def finish(self, trainer: Trainer, method: Method) -> Evaluation | None:
        """Choose the styles on the validation split, then compare on the test split."""
        with trainer.precision_plugin.forward_context():
            return self._compare(trainer, method)

    def _compare(self, trainer: Trainer, method: Method) -> Evaluation | None:
        faces, pairs = self._paired(trainer, method, "test")
        if not len(pairs):
            return None
        styles, settings = self._styles(trainer, method)
        metric = PerImage(*_METRICS).to(method.device)
        for batch, part, number, changed in self._changed(trainer, method, faces, pairs):
            target, original = (_images(faces, rows, method) for rows in (part.target, part.original))
            edited = _edit(method, batch, styles)[changed]
            errors = [_distance(a, b) for a, b in ((target, edited), (original, edited), (target, original))]
            metric.update(number, torch.stack(errors, 1))
        values = metric.compute()
        person = faces.identity.cpu()[pairs.original]
        settings = {"pairs": len(pairs), "identities": len(torch.unique(person)), **settings}
        return Evaluation(
            _measurements(values, person, settings), _by_original(values, faces.index.cpu()[pairs.original])
        )

    def _paired(self, trainer: Trainer, method: Method, split: Split) -> tuple[Faces, Pairs]:
        faces: Faces = trainer.datamodule.splits[split]  # type: ignore[attr-defined]
        expression = class_of(faces.attributes, method.spec, self._labels).cpu()
        return faces, identity_pairs(faces.identity.cpu(), expression, self.pairs, self.seed)

    def _styles(self, trainer: Trainer, method: Method) -> tuple[Tensor | None, dict[str, Any]]:
        """The style (K, style_dim) of each label, and what to say of it; None for a method without a choice."""
        if not isinstance(method, Switches) or not method.style_dim:
            return None, {}
        candidates, styles = method.candidate_styles().to(method.device), method.styles().clone().to(method.device)
        faces, pairs = self._paired(trainer, method, "validation")
        if len(pairs):
            metric = PerImage(*(str(i) for i in range(len(candidates)))).to(method.device)
            for batch, part, number, changed in self._changed(trainer, method, faces, pairs):
                target = _images(faces, part.target, method)
                # Of each candidate a face takes the style of its own label alone.
                errors = [_distance(target, _edit(method, batch, candidate)[changed]) for candidate in candidates]
                metric.update(number, torch.stack(errors, 1))
            values = metric.compute().values
            for row, label in enumerate(method.labels):
                here = pairs.wanted == self._labels.index(label) if label in self._labels else pairs.wanted < 0
                if here.any():
                    styles[row] = candidates[int(values[here].mean(0).argmin()), row]
        chosen = {
            label: [round(x, 6) for x in style.tolist()] for label, style in zip(method.labels, styles, strict=True)
        }
        search = {"search": method.search, "candidates": len(candidates), "validation_pairs": len(pairs)}
        return styles, {"styles": chosen, **search}

    def _changed(
        self, trainer: Trainer, method: Method, faces: Faces, pairs: Pairs
    ) -> Iterator[tuple[tuple[Batch, Tensor], Pairs, Tensor, Tensor]]:
        """Originals with the attributes wanted of them, each once and on one rank alone, then their pairs, the pairs' numbers,
        and the position of each pair's original in the batch.
        """
        spec = method.spec
        edits = settle_edits(None, spec, self._labels)
        wanted = [edits[name] for name in class_names(self._labels)]
        one = torch.stack((pairs.original, pairs.wanted), 1)
        unique, member = torch.unique(one, dim=0, return_inverse=True)
        size = trainer.datamodule.batch_size  # type: ignore[attr-defined]
        share = torch.arange(len(unique))[trainer.global_rank :: trainer.world_size]
        for rows in torch.split(share, size) if len(share) else ():
            place = torch.full((len(unique),), -1)
            place[rows] = torch.arange(len(rows))
            number = (place[member] >= 0).nonzero()[:, 0]
            original, kind = unique[rows].unbind(1)
            batch = _batch(faces, original, method)
            target = torch.cat(
                [wanted[k].apply(a[None], spec) for k, a in zip(kind.tolist(), batch.attributes, strict=True)]
            )
            yield (batch, target), pairs[number], number, place[member][number].to(method.device)


def _batch(faces: Faces, rows: Tensor, method: Method) -> Batch:
    picked = faces[rows.to(faces.index.device)].to(method.device)
    return to_unit_range(Batch(picked.images, picked.attributes, picked.identity, picked.index))


def _images(faces: Faces, rows: Tensor, method: Method) -> Tensor:
    return _batch(faces, rows, method).images


def _edit(method: Method, batch: tuple[Batch, Tensor], styles: Tensor | None) -> Tensor:
    (faces, target) = batch
    if styles is not None and isinstance(method, Switches):
        return method.switch(faces.images, faces.attributes, target, styles)
    assert isinstance(method, Edits)
    return method.edit(faces.images, faces.attributes, target)


def _distance(images: Tensor, others: Tensor) -> Tensor:
    """Sum of squared differences (B,)."""
    return (images.float() - others.float()).square().flatten(1).sum(1)


def _by_original(values: PerImageValues, row: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """Means over the pairs of each original, whose rows in the data set are `row` (N,)."""
    rows, member = torch.unique(row, return_inverse=True)
    sums = torch.zeros(len(rows), len(values.names), dtype=values.values.dtype).index_add_(0, member, values.values)
    means = sums / torch.bincount(member)[:, None]
    return {name: (rows, means[:, column]) for column, name in enumerate(values.names)}


def _measurements(values: PerImageValues, person: Tensor, settings: dict[str, Any]) -> tuple[Measurement, ...]:
    """Means over pairs; their errors take people, not pairs, for independent."""
    errors = clustered_error(values.values, person).tolist()
    return tuple(
        Measurement(name, mean, None if isnan(error) else error, len(values), "squared error per image pair", settings)
        for name, mean, error in zip(values.names, values.mean().tolist(), errors, strict=True)
    )
