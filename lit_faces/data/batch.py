"""What a DataModule yields and what is known about it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from lit_faces.data.expectation import regression
from lit_faces.errors import UserError

# What the attributes that nobody named are in a face that is drawn, and what becomes of them in one that is edited.
Unnamed = Literal["expected", "mean"]
Others = Literal["kept", "expected"]


class Batch(NamedTuple):
    """One batch of faces.

    `images` (B, C, H, W) in [0, 1], channels last in memory; `attributes` (B, A), standardised on the train split;
    `identity` (B,), equal for pictures of one person; `row` (B,), the row in the data set, unique over all splits.
    """

    images: Tensor
    attributes: Tensor
    identity: Tensor
    row: Tensor


def column_of(name: str, attributes: Sequence[str], data: str) -> int:
    """Column of an attribute; a space and an underscore are the same, since data sets write "Blond Hair" and "Blond_Hair".

    Raises UserError with the closest names if the data set `data` has no such attribute.
    """
    plain = [attribute.replace("_", " ") for attribute in attributes]
    if name.replace("_", " ") in plain:
        return plain.index(name.replace("_", " "))
    close = get_close_matches(name, attributes, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(close)}? " if close else ""
    raise UserError(f"{data} has no attribute {name!r}: {hint}it has {', '.join(attributes)}")


def known_groups(groups: Sequence[Sequence[str]], attributes: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Those of each group that are among the attributes, as these are written; without groups of which one or none is."""
    there = {attribute.replace("_", " "): attribute for attribute in attributes}
    plain = [[name.replace("_", " ") for name in group] for group in groups]
    known = [tuple(there[name] for name in group if name in there) for group in plain]
    return tuple(group for group in known if len(group) > 1)


@dataclass(frozen=True)
class DataSpec:
    """What a method must know of its data, kept in every checkpoint.

    `image_shape` is (C, H, W), pixels in [0, 1]; `mean`, `std`, `low`, `high` and `threshold` are one number an attribute, in
    the raw units of the data set, measured on the train split. `low` and `high` (5th and 95th percentile) are the values for
    "reset" and "set"; above `threshold` an attribute counts as present. `labels` are the attributes that the data set is about,
    if it is about some in particular; at most one of them holds if they are `exclusive`. `follows` names the attributes that a
    change of one determines, or may determine, by logic. At most one attribute of each of the `groups` holds. `covariance`
    (A, A) is that of the standardised train split; checkpoints of older versions have none. `manifest` says where the images
    come from (source, checksum, crop, split sizes).
    """

    name: str
    image_shape: tuple[int, int, int]
    attributes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    threshold: tuple[float, ...]
    labels: tuple[str, ...] = ()
    exclusive: bool = False
    manifest: dict[str, Any] = field(default_factory=dict)
    follows: dict[str, tuple[str, ...]] = field(default_factory=dict)
    groups: tuple[tuple[str, ...], ...] = ()
    covariance: tuple[tuple[float, ...], ...] = ()

    def standardise(self, raw: Tensor) -> Tensor:
        """Raw attribute values (..., A) to the standardised ones that methods see."""
        return (raw - torch.tensor(self.mean)) / torch.tensor(self.std)

    def binary(self, standardised: Tensor) -> Tensor:
        """Which attributes are present: bool, of the shape (..., A) of the standardised values."""
        std, mean, threshold = (_constant(v, standardised) for v in (self.std, self.mean, self.threshold))
        return standardised * std + mean > threshold

    def position(self, name: str) -> int:
        """Column of an attribute. Raises UserError with the closest names if there is no such attribute."""
        return column_of(name, self.attributes, self.name)

    def standard_value(self, name: str, on: bool) -> float:
        """Standardised value of an attribute that is set (95th percentile of train) or reset (5th percentile)."""
        column = self.position(name)
        return ((self.high if on else self.low)[column] - self.mean[column]) / self.std[column]

    def implied(self, on: Sequence[str], off: Sequence[str] = ()) -> tuple[str, ...]:
        """The attributes that go when those `on` are set: the others of their groups, unless they are named themselves."""
        set_, named = set(self._columns(on)), set(self._columns((*on, *off)))
        groups = [set(columns) for columns in map(self._columns, self.groups) if set_ & set(columns)]
        return tuple(self.attributes[column] for column in sorted(set().union(*groups) - named))

    def touched(self, on: Sequence[str], off: Sequence[str] = ()) -> tuple[int, ...]:
        """Columns of the attributes that are set, reset, or go with those."""
        return self._columns((*on, *off, *self.implied(on, off)))

    def changed(self, attributes: Tensor, on: Sequence[str] = (), off: Sequence[str] = ()) -> Tensor:
        """Standardised attributes (..., A) with some set, which resets the others of their groups, and others reset."""
        changed = attributes.clone()
        for names, value in ((on, True), ((*off, *self.implied(on, off)), False)):
            for name in names:
                changed[..., self.position(name)] = self.standard_value(name, value)
        return changed

    def vector(self, on: Sequence[str] = (), off: Sequence[str] = (), others: Unnamed = "mean") -> Tensor:
        """Standardised attributes (A,) of a training face with some attributes set and others reset.

        What is not named is at its mean, or as it is expected to be, given what is. Raises UserError if it is to be as expected
        and there is no covariance.
        """
        vector = self.changed(torch.zeros(len(self.attributes)), on, off)
        return vector if others == "mean" else self.expected(vector, self.touched(on, off))

    def expected(self, change: Tensor, named: Sequence[int]) -> Tensor:
        """The change (..., A) of all attributes to expect, given that (..., A) of the `named` columns, which stays as it is.

        In standardised units, so that of a vector with nothing but the named attributes it is the average face that has them.
        Raises UserError for the description of an older version, which has no covariance.
        """
        if not self.covariance:
            raise UserError(
                f"the description of {self.name} has no covariance of the attributes, as an older version wrote it, so what to "
                "expect of the others is not known: leave out `others: expected`, or train the method again"
            )
        if not len(named):
            return torch.zeros_like(change)
        weights = _regression(self.covariance, tuple(named)).to(change)
        with torch.autocast(change.device.type, enabled=False):
            return change[..., list(named)] @ weights.T

    def _columns(self, names: Sequence[str]) -> tuple[int, ...]:
        return tuple(self.position(name) for name in names)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for checkpoints and records."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "DataSpec":
        """Inverse of `to_dict`, also after a round trip through JSON."""
        plain: dict[str, Any] = {key: _tuples(value) for key, value in values.items()}
        plain["follows"] = {name: tuple(others) for name, others in values.get("follows", {}).items()}
        return cls(**plain)


def _tuples(value: Any) -> Any:
    """Lists, and those within them, as tuples; anything else as it is."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _constant(values: tuple[float, ...], like: Tensor) -> Tensor:
    """The values in the type of another tensor and on its device, copied there once."""
    return _copied(values, like.dtype, like.device)


@lru_cache(maxsize=64)
def _regression(covariance: tuple[tuple[float, ...], ...], named: tuple[int, ...]) -> Tensor:
    with torch.inference_mode(False):
        return regression(torch.tensor(covariance, dtype=torch.float64), named)


# To copy is to wait for an accelerator, and training asks for the same numbers in every step.
@lru_cache(maxsize=64)
def _copied(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    # Not an inference tensor, which autograd would refuse later.
    with torch.inference_mode(False):
        return torch.tensor(values).to(device, dtype)
