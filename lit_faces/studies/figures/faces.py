"""Figures of generated, edited and reconstructed faces."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lit_faces.callbacks.attribute_edits import Edit
from lit_faces.data.base import FaceDataModule, to_unit_range
from lit_faces.data.batch import Batch, DataSpec
from lit_faces.methods.base import Method
from lit_faces.methods.capabilities import Classifies, Edits, Generates, Reconstructs
from lit_faces.studies.figures.context import Context
from lit_faces.studies.figures.drawing import grid, write_table

FACES = 7


def _edits(described: dict[str, Any]) -> dict[str, Edit]:
    return {name: Edit(tuple(e.get("set", ())), tuple(e.get("reset", ()))) for name, e in described.items()}


def _known(edit: Edit, spec: DataSpec) -> bool:
    return all(name in spec.attributes for name in (*edit.set, *edit.reset))


def _judged(judge: Method | None, edit: Edit, images: Tensor) -> list[float | str]:
    """Probability that the judge gives the wanted value of an edit, an image; empty for the edit that changes nothing."""
    if judge is None or (not edit.set and not edit.reset):
        return [""] * len(images)
    target, on = edit.target(judge.spec)
    assert isinstance(judge, Classifies)
    seen = judge.probabilities(images)[:, target]
    return [round(float(p if on else 1 - p), 4) for p in seen]


def draw_generated(described: dict[str, Any], context: Context) -> list[Path]:
    """Faces from attributes at zero noise (CMMA's Figure 4): row by column attributes, all others at their mean."""
    drawn = [_generated(described, name, method, context) for name, method in context.methods.items()]
    return [path for path in drawn if path is not None]


def _generated(described: dict[str, Any], name: str, method: Method, context: Context) -> Path | None:
    spec, judge = method.spec, context.judge(name)
    rows = next((r for r in map(_edits, described["rows"]) if all(_known(e, spec) for e in r.values())), None)
    columns = {n: e for n, e in _edits(described["columns"]).items() if _known(e, spec)}
    if rows is None or not isinstance(method, Generates):
        return None
    drawn: dict[str, Tensor] = {}
    table: list[list[Any]] = []
    for row, base in rows.items():
        attributes = torch.cat([e.apply(base.apply(spec.vector()[None], spec), spec) for e in columns.values()])
        images = method.generate(attributes, torch.zeros(len(attributes), method.noise_dim))
        drawn[row] = images
        for (column, edit), image in zip(columns.items(), images, strict=True):
            table.append([row, column, *_judged(judge, base, image[None]), *_judged(judge, edit, image[None])])
    path = context.folder / f"generate_{name}.png"
    grid(path, drawn, list(columns), f"{name}: faces from attributes, noise 0")
    write_table(
        path.with_suffix(".csv"), ["row", "column", "judge on row attribute", "judge on column attribute"], table
    )
    return path


def faces_lacking(data: FaceDataModule, edits: Sequence[Edit], count: int = FACES) -> Batch:
    """The first test faces, of different persons, that lack what every one of the edits gives."""
    faces, spec = data.splits["test"], data.spec
    lacking = torch.ones(len(faces), dtype=torch.bool)
    truth = spec.binary(faces.attributes)
    for edit in edits:
        target, on = edit.target(spec)
        lacking &= truth[:, target] != on
    rows: dict[int, int] = {}
    for row in lacking.nonzero()[:, 0].tolist():
        rows.setdefault(int(faces.identity[row]), row)
    picked = faces[torch.tensor(list(rows.values())[:count], dtype=torch.int64)]
    return to_unit_range(Batch(picked.images, picked.attributes, picked.identity, picked.index))


def draw_edited(names: list[str], context: Context) -> list[Path]:
    """Held-out faces with one attribute changed a row (CMMA's Figure 6, which uses training faces)."""
    drawn = [_edited(names, name, method, context) for name, method in context.methods.items()]
    return [path for path in drawn if path is not None]


def _edited(names: list[str], name: str, method: Method, context: Context) -> Path | None:
    edits = {n: e for n, e in _edits(context.study.edits).items() if n in names and _known(e, method.spec)}
    if not isinstance(method, Edits) or not edits:
        return None
    judge, batch = context.judge(name), faces_lacking(context.data(name), list(edits.values()))
    if not len(batch.images):
        return None
    drawn = {"face": batch.images, "no change": method.edit(batch.images, batch.attributes, batch.attributes)}
    table = []
    for label, edit in edits.items():
        drawn[label] = method.edit(batch.images, batch.attributes, edit.apply(batch.attributes, method.spec))
        for kind, images in (("before", drawn["no change"]), ("after", drawn[label])):
            table += [[label, int(r), kind, p] for r, p in zip(batch.row, _judged(judge, edit, images), strict=True)]
    path = context.folder / f"edit_{name}.png"
    grid(path, drawn, title=f"{name}: attributes changed in held-out faces")
    write_table(path.with_suffix(".csv"), ["edit", "test row", "state", "judge"], table)
    return path


def draw_removed(edit_name: str, context: Context) -> list[Path]:
    """Held-out faces with spectacles, and without them by each method that edits (CMMA's Figure 7)."""
    edit = _edits(context.study.edits)[edit_name]
    editors = {name: method for name, method in context.methods.items() if isinstance(method, Edits)}
    if not editors or not _known(edit, next(iter(editors.values())).spec):
        return []
    batch = faces_lacking(context.data(next(iter(editors))), [edit])
    if not len(batch.images):
        return []
    drawn, table = {"face": batch.images}, []
    for name, method in editors.items():
        drawn[name] = method.edit(
            batch.images, batch.attributes, edit.apply(batch.attributes, context.methods[name].spec)
        )
        table += [
            [name, int(r), p] for r, p in zip(batch.row, _judged(context.judge(name), edit, drawn[name]), strict=True)
        ]
    path = context.folder / "remove_spectacles.png"
    grid(path, drawn, title="spectacles removed from held-out faces")
    write_table(path.with_suffix(".csv"), ["method", "test row", "judge"], table)
    return [path]


def draw_reconstructed(settings: object, context: Context) -> list[Path]:
    """Held-out images and their reconstructions at the posterior mean, a picture for each data set."""
    drawn = [_reconstructed(names, context) for names in context.groups()]
    return [path for path in drawn if path is not None]


def _reconstructed(names: list[str], context: Context) -> Path | None:
    encoders = {n: method for n in names if isinstance(method := context.methods[n], Reconstructs)}
    data = context.data(names[0])
    if not encoders or data.spec.image_shape[1] == 1:
        return None
    batch = faces_lacking(data, [])
    drawn, table = {"image": batch.images}, []
    for name, method in encoders.items():
        drawn[name] = method.reconstruct(batch.images, batch.attributes)
        errors = (drawn[name] - batch.images).square().flatten(1).mean(1).sqrt()
        table += [[name, int(row), round(float(e), 5)] for row, e in zip(batch.row, errors, strict=True)]
    of = "" if names == context.groups()[0] else f"_{names[0]}"
    path = context.folder / f"reconstructions{of}.png"
    grid(path, drawn, title="held-out images and their reconstructions")
    write_table(path.with_suffix(".csv"), ["method", "test row", "RMS error"], table)
    return path
