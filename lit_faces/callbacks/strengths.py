"""How strong each edit is to be, chosen on the validation split."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import isfinite, nan
from typing import Any

import torch
from torch import Tensor

from lit_faces.callbacks.edited import DrawsCounterfactuals, Pictures, true_pictures
from lit_faces.callbacks.edits import Edit
from lit_faces.callbacks.measurement import squared_error
from lit_faces.data.base import Faces, to_unit_range
from lit_faces.data.batch import Batch
from lit_faces.methods.base import Method
from lit_faces.methods.capabilities import Classifies, Edits
from lit_faces.metrics.attributes import AttributeHits

# So many validation faces an edit, at the most, which is one batch; a share has a standard error of .05 then.
_FACES = 100
# A weaker edit is as good as the best one if its rise is within so much of that one's.
_WITHIN = 0.02
# The share of edited photographs in which the person is to be recognised, where an embedding of persons is there.
_RECOGNISED = 0.8
# By how much more than at strength 1 the other attributes may change, where there is none.
_TIMES = 2.0
_ROUNDING = 1e-9
_TRUTH, _PERSON, _OTHERS = "error against the true face", "share not recognised", "change of the other attributes"

# Whether two pictures (B, C, H, W) each are of one person, (B,).
SamePerson = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Trial:
    """An edit at one strength: its rise of the share of faces that show the attribute, and the harm that it does to them."""

    strength: float
    rise: float
    harm: float


@dataclass(frozen=True)
class Choice:
    """The strength chosen for an edit by `trials` on so many validation `faces`; `kind` is what harm is, up to `limit`."""

    strength: float
    faces: int
    kind: str
    limit: float
    trials: tuple[Trial, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for the record, one a trial in the lists; None for harm that cannot be measured."""

        def finite(value: float) -> float | None:
            return value if isfinite(value) else None

        return {
            "chosen": self.strength,
            "validation_faces": self.faces,
            "strengths": [trial.strength for trial in self.trials],
            "rises": [trial.rise for trial in self.trials],
            "harm": self.kind,
            "harms": [finite(trial.harm) for trial in self.trials],
            "limit": finite(self.limit),
        }


@dataclass(frozen=True)
class Chooser:
    """Chooses strengths of edits of a `method` on the validation `faces` of `data`.

    It takes the smallest strength that preserves the face and whose rise, the share of faces in which the `classifier` sees
    the attribute after the edit less that in which it sees it before, is within .02 of the largest. A drawn face is preserved if
    it is no further from the true one than without the edit; a photograph, if the person is recognised in .8 of the edited
    ones or, where nobody recognises persons, if the other attributes change at most twice as much as at strength 1. If no
    strength preserves the face, it is 1.
    """

    method: Method
    classifier: Classifies
    data: object
    faces: Faces
    same_person: SamePerson | None = None

    def choose(self, edit: Edit, hits: AttributeHits, strengths: Sequence[float]) -> Choice:
        """The strength of an edit, judged by `hits`, on the first faces that lack what it gives."""
        kind, tried = self._kind(edit), sorted({1.0, *strengths})
        rows = edit.lacking(self.faces.attributes, self.method.spec).nonzero()[:_FACES, 0]
        if not len(rows):
            return Choice(1.0, 0, kind, nan, ())
        means = self._tried(edit, hits, kind, self._batch(rows), tried).double().mean(0).tolist()
        (seen, unharmed), *pairs = zip(means[::2], means[1::2], strict=True)
        trials = tuple(Trial(strength, hit - seen, harm) for strength, (hit, harm) in zip(tried, pairs, strict=True))
        at_one = trials[tried.index(1.0)].harm
        limit = {_TRUTH: unharmed, _PERSON: 1 - _RECOGNISED, _OTHERS: _TIMES * at_one}[kind]
        allowed = [trial for trial in trials if trial.strength in strengths]
        return Choice(best_of(allowed, limit), len(rows), kind, limit, trials)

    def _kind(self, edit: Edit) -> str:
        if isinstance(self.data, DrawsCounterfactuals) and edit.single:
            return _TRUTH
        return _OTHERS if self.same_person is None else _PERSON

    def _batch(self, rows: Tensor) -> Batch:
        faces = self.faces[rows.to(self.faces.index.device)].to(self.method.device)
        return to_unit_range(Batch(faces.images, faces.attributes, faces.identity, faces.index))

    def _tried(self, edit: Edit, hits: AttributeHits, kind: str, faces: Batch, strengths: Sequence[float]) -> Tensor:
        """Hit and harm (B, 2 + 2 S) of each face without the edit, then at each of S strengths."""
        assert isinstance(self.method, Edits)
        pictures = Pictures(self.method, faces)
        probabilities = self.classifier.probabilities(pictures.unedited)
        reference = edit.others_target(probabilities, faces.attributes, self.method.spec)
        truth = None
        if kind == _TRUTH and isinstance(self.data, DrawsCounterfactuals) and edit.single:
            truth = true_pictures(self.data, faces, *edit.single)
        columns: list[Tensor] = []
        for strength in (None, *strengths):
            images = pictures.unedited
            if strength is not None:
                images = pictures.edited(replace(edit, strength=strength))
                probabilities = self.classifier.probabilities(images)
            hit, harm = hits.judge(probabilities, reference).unbind(1)
            if truth is not None:
                harm = squared_error(images, truth)
            elif kind == _PERSON and self.same_person is not None:
                harm = 1 - self.same_person(faces.images, images).to(hit)
            columns += [hit, harm.to(hit)]
        return torch.stack(columns, 1).cpu()


def best_of(trials: Sequence[Trial], limit: float) -> float:
    """The smallest strength whose rise is within .02 of the largest, of those with no more harm than the limit, else 1."""
    # Harm that cannot be measured, of data with a single attribute, say, is none.
    preserving = [trial for trial in trials if not trial.harm > limit + _ROUNDING]
    largest = max((trial.rise for trial in preserving), default=0.0)
    return min((t.strength for t in preserving if t.rise >= largest - _WITHIN - _ROUNDING), default=1.0)
