"""Changes of attributes, and which of them a data set is about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan
from typing import get_args

import torch
from torch import Tensor

from lit_faces.callbacks.measurement import Measurement
from lit_faces.data.batch import DataSpec, Others
from lit_faces.data.strength import check_strength
from lit_faces.errors import UserError
from lit_faces.methods.base import Method
from lit_faces.methods.capabilities import Edits, Labelled
from lit_faces.metrics.per_image import clustered_error

# What a face is called that has none of several exclusive labels; data sets may have it as an attribute.
NEUTRAL = "Neutral"


@dataclass(frozen=True)
class Edit:
    """A change of attributes: these are set, those are reset; the first named one is what the classifier judges.

    What is set resets the others of its group that are not named. All other attributes are `kept`, or go along as is
    `expected` of a face so changed. `strength`, from 0 to 4, is how far it goes; without one it goes as far as is chosen for
    it, or 1. An edit that sets nothing and resets several attributes of exclusive data is judged on all of them. Raises
    UserError for a strength that is not from 0 to 4.
    """

    set: tuple[str, ...] = ()
    reset: tuple[str, ...] = ()
    others: Others = "kept"
    strength: float | None = None

    def __post_init__(self) -> None:
        if self.others not in get_args(Others):
            raise UserError(f"the others of an edit must be {' or '.join(get_args(Others))}, got {self.others!r}")
        if self.strength is not None:
            check_strength(f"the strength of an edit of {', '.join((*self.set, *self.reset))}", self.strength)

    def target(self, spec: DataSpec) -> tuple[int, bool]:
        """Column of the judged attribute and its wanted value. Raises UserError if the edit is empty."""
        if not self.set and not self.reset:
            raise UserError("an edit must set or reset at least one attribute")
        return (spec.position(self.set[0]), True) if self.set else (spec.position(self.reset[0]), False)

    def columns(self, spec: DataSpec) -> tuple[int, ...]:
        """Columns of all attributes that it touches."""
        return tuple(spec.position(name) for name in (*self.set, *self.reset))

    def tied(self, spec: DataSpec) -> tuple[int, ...]:
        """Columns of all attributes that it touches, of those that go with them, and of those that follow from them."""
        following = (other for name in (*self.set, *self.reset) for other in spec.follows.get(name, ()))
        return tuple(dict.fromkeys((*self.touched(spec), *map(spec.position, following))))

    def touched(self, spec: DataSpec) -> tuple[int, ...]:
        """Columns of all attributes that it sets or resets, those of the others of a group among them."""
        return spec.touched(self.set, self.reset)

    def apply(self, attributes: Tensor, spec: DataSpec) -> Tensor:
        """Standardised attributes (B, A) with the edit made: 95th percentile of train for set, 5th for reset.

        Raises UserError if the others are to be as expected and the data's description has no covariance.
        """
        changed = spec.changed(attributes, self.set, self.reset)
        if self.others == "kept":
            return changed
        return attributes + spec.expected(changed - attributes, self.touched(spec))

    def with_strength(self, strength: float) -> "Edit":
        """The edit, as strong as that unless it has a strength of its own."""
        return replace(self, strength=strength) if self.strength is None else self

    @property
    def reach(self) -> float:
        """How far it goes: its strength, or 1 without one."""
        return 1.0 if self.strength is None else self.strength

    def made(self, method: Edits, images: Tensor, attributes: Tensor, spec: DataSpec) -> Tensor:
        """Images (B, C, H, W) in [0, 1] with attributes (B, A), edited as strongly as the edit says."""
        return method.edit(images, attributes, self.apply(attributes, spec), self.reach)

    def others_target(self, probabilities: Tensor, attributes: Tensor, spec: DataSpec) -> Tensor:
        """Probabilities (B, A) of all attributes that a classifier should find if it finds these in the unedited faces.

        The same, or, where the others go along, moved by the expected change of the attributes (B, A), with 1 for the whole
        way from the value for "reset" to that for "set". The strength does not count: it makes up for faint edits.
        """
        if self.others == "kept":
            return probabilities
        moved = self.apply(attributes, spec) - attributes
        ways = [spec.standard_value(name, True) - spec.standard_value(name, False) for name in spec.attributes]
        # An attribute that never varies has no way to go.
        return (probabilities + moved / moved.new_tensor([way or torch.inf for way in ways])).clamp(0, 1)

    @property
    def single(self) -> tuple[str, bool] | None:
        """The one attribute that it gives or takes away, and which of both; None if others change too."""
        if self.others != "kept":
            return None
        if len(self.set) == 1:
            return self.set[0], True
        return (self.reset[0], False) if not self.set and len(self.reset) == 1 else None

    def lacking(self, attributes: Tensor, spec: DataSpec) -> Tensor:
        """Which faces (B,) lack what it gives, by their standardised attributes (B, A)."""
        target, on = self.target(spec)
        truth = spec.binary(attributes)
        return truth[:, list(self.columns(spec))].any(1) if spec.exclusive and not on else truth[:, target] != on


def labels_of(method: Method) -> tuple[str, ...]:
    """The attributes that are edited and looked for in codes: those that the method models, else those of the data."""
    labels = method.labels if isinstance(method, Labelled) else method.spec.labels
    return tuple(name for name in labels if not (method.spec.exclusive and name == NEUTRAL))


def settle_edits(given: Mapping[str, Edit] | None, spec: DataSpec, labels: Sequence[str]) -> dict[str, Edit]:
    """The given edits by name, or else one that gives each label and one that takes it away ("No Smiling", say).

    Of exclusive labels, one takes the others' place, and one edit, "Neutral", takes them all away.
    """
    if given is not None:
        return dict(given)
    if not spec.exclusive:
        kinds = {label: (Edit(set=(label,)), Edit(reset=(label,))) for label in labels}
        return {
            f"{no}{label}": edit for label, pair in kinds.items() for no, edit in zip(("", "No "), pair, strict=True)
        }
    neutral = (NEUTRAL,) if NEUTRAL in spec.attributes else ()
    edits = {
        label: Edit(set=(label,), reset=(*(other for other in labels if other != label), *neutral)) for label in labels
    }
    return {**edits, NEUTRAL: Edit(set=neutral, reset=tuple(labels))} if labels else {}


def rivals(edit: Edit, spec: DataSpec, labels: Sequence[str]) -> tuple[int, ...]:
    """Columns of which a classifier of exclusive labels chooses one; none where the edit's attribute is judged alone."""
    if not spec.exclusive:
        return ()
    neutral = (NEUTRAL,) if NEUTRAL in spec.attributes else ()
    columns = tuple(spec.position(name) for name in (*labels, *neutral))
    if edit.set:
        return columns if edit.target(spec)[0] in columns else ()
    return edit.columns(spec) if len(edit.reset) > 1 else ()


def class_names(labels: Sequence[str]) -> tuple[str, ...]:
    """The classes that exclusive labels make: one each, and one for the faces without any."""
    return (*labels, NEUTRAL)


def class_of(attributes: Tensor, spec: DataSpec, labels: Sequence[str]) -> Tensor:
    """Number (B,) in `class_names` of each face's class, by its standardised attributes (B, A)."""
    held = spec.binary(attributes)[:, [spec.position(name) for name in labels]]
    none = torch.full((len(held),), len(labels), device=held.device)
    return torch.where(held.any(1), held.int().argmax(1), none)


def class_seen(probabilities: Tensor, spec: DataSpec, labels: Sequence[str]) -> Tensor:
    """Number (B,) in `class_names` of the class that a classifier of exclusive labels finds most probable.

    From its probabilities (B, A); a face is neutral at 1/2, where no attribute says how probable that is.
    """
    columns = [spec.position(name) for name in (*labels, *((NEUTRAL,) if NEUTRAL in spec.attributes else ()))]
    seen = probabilities[:, columns]
    if len(columns) == len(labels):
        seen = torch.cat([seen, torch.full_like(seen[:, :1], 0.5)], 1)
    return seen.argmax(1)


def mean_over_edits(metric: str, unit: str, edits: Sequence[tuple[Tensor, Tensor]]) -> Measurement:
    """Mean over edits of each one's mean over its images; its error takes images, not edits, for independent.

    `edits` are the rows (N,) in the data set and the values (N,) of each. An image of several edits is one observation.
    """
    index = torch.cat([rows for rows, _ in edits])
    # Each edit weighs the same, so an image weighs the more the fewer an edit has: on average 1.
    away = torch.cat([(values - values.mean()) * (len(index) / (len(edits) * len(values))) for _, values in edits])
    error = float(clustered_error(away[:, None], index))
    mean = sum(float(values.mean()) for _, values in edits) / len(edits)
    stderr = None if isnan(error) else error
    return Measurement(metric, mean, stderr, len(torch.unique(index)), unit, {"mean_over": "edits"})
