"""From the records of the runs to rows, one a run and metric."""

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lit_faces.errors import UserError
from lit_faces.studies.official import is_part
from lit_faces.studies.plan import Run, damaged
from lit_faces.studies.study import Study


@dataclass(frozen=True)
class Row:
    """One metric of one run: mean over seeds, standard error over the n test images, spread (standard deviation) over seeds.

    `comparable` says whether the data are the paper's, `partial` whether they are a part of them. The `settings` are the first
    seed's, with the `strengths` of all where an edit had others.
    """

    run: str
    metric: str
    value: float
    stderr: float | None
    n: int
    seeds: list[int]
    unit: str
    published: float | None
    comparable: bool
    spread: float | None
    settings: dict[str, Any]
    partial: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


@dataclass(frozen=True)
class PerImage:
    """Values of the N test images of one run, averaged over seeds: `row` (N,), which are their numbers and do not repeat,
    `identity` (N,), and columns (N,) by name; NaN where absent.
    """

    row: NDArray[np.int64]
    identity: NDArray[np.int64]
    columns: dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Results:
    """All that was collected: rows, records by run and seed, and the values image by image."""

    rows: list[Row]
    records: dict[str, dict[int, dict[str, Any]]]
    per_image: dict[str, PerImage]

    def row(self, run: str, metric: str) -> Row | None:
        """The row of a run and metric, if it was measured."""
        return next((row for row in self.rows if (row.run, row.metric) == (run, metric)), None)


def collect(study: Study, runs: Sequence[Run]) -> Results:
    """Read the records and the values image by image of finished runs. Raises UserError, naming the file, if one is damaged."""
    records: dict[str, dict[int, dict[str, Any]]] = {}
    images: dict[str, list[Path]] = {}
    for run in runs:
        records.setdefault(run.name, {})[run.seed] = _record(run.folder.record)
        if not run.is_judge:
            images.setdefault(run.name, []).append(run.folder.per_image)
    comparable = {run.name: run.comparable for run in runs}
    rows = [row for name, by_seed in records.items() for row in rows_of(study, name, by_seed, comparable[name])]
    return Results(rows, records, {name: _per_image(paths) for name, paths in images.items()})


# What a report reads of a record, and of its parts.
_KEYS = {"arguments", "config_sha256", "curves", "data", "evaluation", "measurements", "parameters", "training"}
_MEASUREMENT = {"metric", "value", "stderr", "n", "unit", "settings"}
_PARTS = {
    "data": {"manifest", "manifest_sha256"},
    "evaluation": {"seconds"},
    "training": {"accelerator", "batches", "epochs", "precision", "processor", "seconds", "sittings", "threads"},
}


def _record(path: Path) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        parts = [(record, _KEYS), *((record[part], keys) for part, keys in _PARTS.items())]
        parts += [(measurement, _MEASUREMENT) for measurement in record["measurements"]]
        whole = all(keys <= part.keys() for part, keys in parts)
    except (ValueError, TypeError, KeyError, AttributeError):
        whole = False
    if not whole:
        raise UserError(damaged(path))
    return record


def rows_of(study: Study, name: str, by_seed: dict[int, dict[str, Any]], comparable: bool) -> list[Row]:
    """Rows of one run from its records by seed; `comparable` if its data are the paper's."""
    partial = any(is_part(record.get("data", {}).get("manifest", {})) for record in by_seed.values())
    measured: dict[str, list[dict[str, Any]]] = {}
    for record in by_seed.values():
        for measurement in record["measurements"]:
            measured.setdefault(measurement["metric"], []).append(measurement)
    rows = []
    for metric, parts in measured.items():
        values = np.array([part["value"] for part in parts])
        errors = [part["stderr"] for part in parts if part["stderr"] is not None]
        strengths = [part["settings"].get("strength") for part in parts]
        settings = parts[0]["settings"] | ({"strengths": strengths} if len(set(strengths)) > 1 else {})
        rows.append(
            Row(
                run=name,
                metric=metric,
                value=float(values.mean()),
                stderr=float(np.mean(errors)) if errors else None,
                n=parts[0]["n"],
                seeds=sorted(by_seed),
                unit=parts[0]["unit"],
                published=study.published(name, metric),
                comparable=comparable,
                spread=float(values.std(ddof=1)) if len(values) > 1 else None,
                settings=settings,
                partial=partial,
            )
        )
    return rows


def _per_image(paths: list[Path]) -> PerImage:
    """The mean over seeds."""
    first, *others = tables = [_table(path) for path in paths]
    for path, table in zip(paths[1:], others, strict=True):
        same = all(np.array_equal(*pair) for pair in ((table.row, first.row), (table.identity, first.identity)))
        if not same or table.columns.keys() != first.columns.keys():
            raise UserError(
                f"{path} and {paths[0]} are of different images or metrics: remove {path.parent} and run "
                "`lit-faces reproduce` again"
            )
    columns = {name: np.mean([table.columns[name] for table in tables], axis=0) for name in first.columns}
    return PerImage(first.row, first.identity, columns)


def _table(path: Path) -> PerImage:
    """Of one run. Raises UserError if it is damaged."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *lines = csv.reader(file, strict=True)
        named = dict(zip(header, zip(*lines, strict=True), strict=True))
        row, identity = (np.array([int(value) for value in named.pop(key)], np.int64) for key in ("row", "identity"))
        columns = {
            name: np.array([float(value) if value else np.nan for value in values]) for name, values in named.items()
        }
    except (ValueError, KeyError, csv.Error) as error:
        raise UserError(damaged(path)) from error
    return PerImage(row, identity, columns)
