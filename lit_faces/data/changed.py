"""Whether data are still those that something was trained on."""

from collections.abc import Sequence
from math import isclose
from typing import Any

from lit_faces.data.batch import DataSpec

_SHOWN = 5
# Of sums in float64, whose order may be another on another machine. One label of a million is a thousand times as much.
_ROUNDING = 1e-9


def other_kind(then: DataSpec, now: DataSpec) -> str:
    """What tells two data sets apart, by their names, images or attributes, in words; nothing if they agree in these."""
    if then.name != now.name:
        return f"{then.name}, the data is {now.name}"
    if then.image_shape != now.image_shape:
        return f"{then.name} with images {then.image_shape}, the data has {now.image_shape}"
    return other_attributes(then, now)


def other_attributes(then: DataSpec, now: DataSpec) -> str:
    """Which attributes one of two data sets has and the other has not, in words; nothing if they have the same in one order."""
    if then.attributes == now.attributes:
        return ""
    gone = [name for name in then.attributes if name not in now.attributes]
    new = [name for name in now.attributes if name not in then.attributes]
    if not gone and not new:
        moved = next(pair for pair in zip(then.attributes, now.attributes, strict=True) if pair[0] != pair[1])
        return f"{then.name} with its attributes in another order, {moved[0]} where the data has {moved[1]}"
    sides = [f"with {_some(gone)}, which the data lacks"] * bool(gone)
    sides += [f"without {_some(new)}, which the data has"] * bool(new)
    return f"{then.name} {', and '.join(sides)}"


def what_changed(then: DataSpec, now: DataSpec) -> str:
    """What is no longer as it was in data of the same kind, in words; nothing if they are the same.

    The size of the training split, its attributes and, of data with a table, its checksum are compared; what an older manifest
    does not have is not.
    """
    rows, rows_now = (spec.manifest.get("rows", {}).get("train") for spec in (then, now))
    if None not in (rows, rows_now) and rows != rows_now:
        return f"{rows_now} training images, then {rows}"
    fields = ("mean", "std", "low", "high", "threshold")
    numbers, numbers_now = (zip(*(getattr(spec, f) for f in fields), strict=True) for spec in (then, now))
    changed = [
        name
        for name, before, after in zip(then.attributes, numbers, numbers_now, strict=True)
        if not all(isclose(a, b, rel_tol=_ROUNDING, abs_tol=_ROUNDING) for a, b in zip(before, after, strict=True))
    ]
    if changed:
        return f"values of {_some(changed)}"
    tables = [_table_of(spec.manifest) for spec in (then, now)]
    return f"the table {now.manifest['attributes'].get('file')}" if all(tables) and tables[0] != tables[1] else ""


def _table_of(manifest: dict[str, Any]) -> str | None:
    """The checksum of the table of attributes, where the manifest tells it."""
    attributes = manifest.get("attributes")
    return attributes.get("sha256") if isinstance(attributes, dict) else None


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} others" if len(names) > _SHOWN else "")
