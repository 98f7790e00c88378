"""The data sets of the CSVAE paper as parts of larger ones: all faces with a label, and some of those without."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from lit_faces.data.base import Split
from lit_faces.errors import UserError

Subset = Literal["all", "Glasses", "FacialHair", "GlassesFacialHair", "HeavyMakeup"]
FACIAL_HAIR = "Facial_Hair"
"""The attribute that the data sets do not have, and that is derived from those of the beard."""
# For each kind of label, how many faces without it are drawn for one with it (Klys et al. 2018; for makeup our choice).
_NEGATIVES = {"glasses": 2, "facial hair": 1, "makeup": 1}
_KINDS: dict[str, tuple[str, ...]] = {
    "all": (),
    "Glasses": ("glasses",),
    "FacialHair": ("facial hair",),
    "GlassesFacialHair": ("glasses", "facial hair"),
    "HeavyMakeup": ("makeup",),
}


@dataclass(frozen=True)
class Rule:
    """A label, and how many faces without it are drawn for each face with it."""

    label: str
    negatives: int


@dataclass(frozen=True)
class Chosen:
    """The `rows` (M,) int64 of a subset, ascending, and what the manifest says of them."""

    rows: Tensor
    report: dict[str, Any]


def check_subset(subset: str) -> None:
    """Raise UserError for a subset that does not exist."""
    if subset not in get_args(Subset):
        raise UserError(f"data.subset must be one of {', '.join(get_args(Subset))}, got {subset!r}")


def rules_of(subset: Subset, labels: Mapping[str, str]) -> tuple[Rule, ...]:
    """The rules of a subset; `labels` names a data set's attribute for "glasses", "facial hair" and "makeup"."""
    return tuple(Rule(labels[kind], _NEGATIVES[kind]) for kind in _KINDS[subset])


def with_facial_hair(attributes: Tensor, present: Tensor, off: float) -> Tensor:
    """Attributes (N, A) and a column more for the derived Facial_Hair: 1 where `present` (N,) bool, else `off`."""
    column = present.to(attributes).mul_(1 - off).add_(off)
    return torch.cat([attributes, column.unsqueeze(1)], 1)


def choose(labels: Mapping[str, Tensor], rules: tuple[Rule, ...], split: Split, seed: int, data: str) -> Chosen:
    """Choose the rows of a subset from one split: for each rule all faces with its label and so many without, united.

    `labels` (N,) bool says for each label which faces have it. The faces without are drawn at random, determined by `seed`,
    `split` and the label alone; if there are too few, all are taken, and the report says so. Rows keep their order, so that
    the first so many of them hold about the same share of each label. Raises UserError if no face has a label.
    """
    taken: set[int] = set()
    drawn: dict[str, tuple[int, int]] = {}
    for rule in rules:
        positives, others = (torch.nonzero(mask).flatten() for mask in (labels[rule.label], ~labels[rule.label]))
        if not len(positives):
            raise UserError(
                f"{data}: no face of the {split} split is {rule.label}: use more faces, or another data.subset"
            )
        wanted = rule.negatives * len(positives)
        order = torch.randperm(len(others), generator=_generator(seed, split, rule.label))
        negatives = others[order[:wanted]]
        drawn[rule.label] = (wanted, len(negatives))
        taken |= {*positives.tolist(), *negatives.tolist()}
    rows = torch.tensor(sorted(taken))
    report: dict[str, Any] = {"faces": len(rows)}
    for label, (wanted, got) in drawn.items():
        positive = int(labels[label][rows].sum())
        report[label] = {
            "positives": positive,
            "negatives": len(rows) - positive,
            "negatives_wanted": wanted,
            "negatives_drawn": got,
            "all_negatives_taken": got < wanted,
        }
    return Chosen(rows, report)


def _generator(seed: int, split: Split, label: str) -> torch.Generator:
    digest = hashlib.sha256(f"{seed} {split} {label}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:4], "big"))
