"""Figures of generated, edited and reconstructed faces."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import torch
from torch import Tensor

from lit_faces.callbacks.attribute_edits import Edit
from lit_faces.compatibility import unnamed
from lit_faces.data.base import FaceDataModule, to_unit_range
from lit_faces.data.batch import Batch, DataSpec
from lit_faces.errors import UserError
from lit_faces.methods.base import Method
from lit_faces.methods.capabilities import Classifies, Edits, Generates, Infers, Reconstructs
from lit_faces.studies.figures.context import Context
from lit_faces.studies.figures.drawing import grid, write_table

FACES = 7


def edits_in(described: dict[str, Any]) -> dict[str, Edit]:
    """The edits that a study describes. Raises UserError for one with other keys than those of an edit."""
    for name, keys in described.items():
        if unknown := set(keys) - {field.name for field in fields(Edit)}:
            raise UserError(f"the edit {name!r} has {', '.join(sorted(unknown))}, which no edit has")
    return {name: Edit(**{key: _plain(value) for key, value in keys.items()}) for name, keys in described.items()}


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def strength_of(context: Context, run: str, edit: str) -> float:
    """How strong an edit of the study was chosen to be for a run; 1 if it was not measured."""
    row = context.results.row(run, f"edit_accuracy/{edit}")
    return 1.0 if row is None else float(row.settings.get("strength", 1.0))


def _as_chosen(edits: Mapping[str, Edit], run: str, context: Context) -> dict[str, Edit]:
    """Edits as strong as those of the study that change the same were chosen to be for a run."""
    chosen = {
        (edit.set, edit.reset, edit.others): strength_of(context, run, name)
        for name, edit in edits_in(context.study.edits).items()
    }
    return {
        name: edit.with_strength(chosen.get((edit.set, edit.reset, edit.others), 1.0)) for name, edit in edits.items()
    }


def stronger(label: str, strength: float | None) -> str:
    """What an edit is called in a figure, with its strength if that is not 1."""
    return label if strength in (None, 1.0) else f"{label} \u00d7{strength:g}"


def _together(first: Edit, then: Edit, spec: DataSpec) -> Edit:
    """Both edits in one; where they change the same, as the second has it."""
    taken = then.touched(spec)
    on, off = ([name for name in names if spec.position(name) not in taken] for names in (first.set, first.reset))
    return Edit((*on, *then.set), (*off, *then.reset))


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
    """Faces from attributes at zero noise (CMMA's Figure 4): row by column attributes, all others as expected with these."""
    drawn = [_generated(described, name, method, context) for name, method in context.methods.items()]
    return [path for path in drawn if path is not None]


def _generated(described: dict[str, Any], name: str, method: Method, context: Context) -> Path | None:
    spec, judge = method.spec, context.judge(name)
    rows = next((r for r in map(edits_in, described["rows"]) if all(_known(e, spec) for e in r.values())), None)
    columns = {n: e for n, e in edits_in(described["columns"]).items() if _known(e, spec)}
    if rows is None or not isinstance(method, Generates):
        return None
    others = unnamed(bool(method.spec.covariance), name)
    drawn: dict[str, Tensor] = {}
    table: list[list[Any]] = []
    for row, base in rows.items():
        named = [_together(base, edit, spec) for edit in columns.values()]
        attributes = torch.stack([spec.vector(edit.set, edit.reset, others) for edit in named])
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
    edits = {name: edit for name, edit in edits_in(context.study.edits).items() if name in names}
    title = "attributes changed in held-out faces"
    drawn = [_edited("edit", title, edits, name, context) for name in context.methods]
    return [path for path in drawn if path is not None]


def draw_missing(described: dict[str, Any], context: Context) -> list[Path]:
    """Held-out faces whose attributes a run's method infers before it edits them (CMMA's second version, Figure 10)."""
    edits, title = edits_in(described["edits"]), "held-out faces of which only the picture is known"
    run = described["run"]
    if not isinstance(context.methods.get(run), Infers):
        return []
    drawn = _edited("edit_missing", title, edits, run, context, inferred=True)
    return [] if drawn is None else [drawn]


def draw_senior(described: dict[str, Any], context: Context) -> list[Path]:
    """Two panels of held-out faces made old by a run's method (CMMA's second version, Figure 9)."""
    run = described["run"]
    if run not in context.methods:
        return []
    drawn = _edited("edit_senior", "held-out faces made old", edits_in(described["edits"]), run, context, panels=2)
    return [] if drawn is None else [drawn]


def _edited(
    stem: str,
    title: str,
    edits: Mapping[str, Edit],
    name: str,
    context: Context,
    panels: int = 1,
    inferred: bool = False,
) -> Path | None:
    """Faces that lack what every edit gives, each changed by every edit; from attributes that the method infers, if so asked."""
    method = context.methods[name]
    edits = {label: edit for label, edit in edits.items() if _known(edit, method.spec)}
    if not isinstance(method, Edits) or not edits:
        return None
    edits = _as_chosen(edits, name, context)
    judge, batch = context.judge(name), faces_lacking(context.data(name), list(edits.values()), FACES * panels)
    if not len(batch.images):
        return None
    attributes = method.infer(batch.images) if inferred and isinstance(method, Infers) else batch.attributes
    drawn = {"face": batch.images, "no change": method.edit(batch.images, attributes, attributes)}
    table = []
    for label, edit in edits.items():
        edited = drawn[stronger(label, edit.strength)] = edit.made(method, batch.images, attributes, method.spec)
        for kind, images in (("before", drawn["no change"]), ("after", edited)):
            judged = zip(batch.row, _judged(judge, edit, images), strict=True)
            table += [[label, edit.strength, int(row), kind, p] for row, p in judged]
    path = context.folder / f"{stem}_{name}.png"
    letters = [""] if panels == 1 else [f"({letter}) " for letter in ascii_lowercase[:panels]]
    rows = {
        f"{letter}{label}": part
        for number, letter in enumerate(letters)
        for label, images in drawn.items()
        if len(part := images[FACES * number : FACES * (number + 1)])
    }
    grid(path, rows, title=f"{name}: {title}")
    write_table(path.with_suffix(".csv"), ["edit", "strength", "test row", "state", "judge"], table)
    return path


def draw_removed(edit_name: str, context: Context) -> list[Path]:
    """Held-out faces with spectacles, and without them by each method that edits (CMMA's Figure 7)."""
    edit = edits_in(context.study.edits)[edit_name]
    editors = {name: method for name, method in context.methods.items() if isinstance(method, Edits)}
    if not editors or not _known(edit, next(iter(editors.values())).spec):
        return []
    batch = faces_lacking(context.data(next(iter(editors))), [edit])
    if not len(batch.images):
        return []
    drawn, table = {"face": batch.images}, []
    for name, method in editors.items():
        own = edit.with_strength(strength_of(context, name, edit_name))
        edited = own.made(method, batch.images, batch.attributes, context.methods[name].spec)
        drawn[stronger(name, own.strength)] = edited
        judged = zip(batch.row, _judged(context.judge(name), edit, edited), strict=True)
        table += [[name, own.strength, int(row), p] for row, p in judged]
    path = context.folder / "remove_spectacles.png"
    grid(path, drawn, title="spectacles removed from held-out faces")
    write_table(path.with_suffix(".csv"), ["method", "strength", "test row", "judge"], table)
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
