"""The figure of sums and differences of held-out faces."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lit_faces.arithmetic import arithmetic
from lit_faces.callbacks.arithmetic import MOST, asked_of, operands
from lit_faces.callbacks.edits import Edit
from lit_faces.methods.capabilities import Layered
from lit_faces.studies.figures.context import Context
from lit_faces.studies.figures.drawing import grid, shrink, write_table
from lit_faces.studies.figures.panels import batch_of, seen, words

ALIKE = "Male"


def draw_arithmetic(runs: list[str], context: Context) -> list[Path]:
    """Held-out faces a, b and c, of which c alone has an attribute, and a - b + c by each run, a row an attribute (Figure 4).

    The attributes are those that the study's edits set alone, else the data's labels. A picture for each data set.
    """
    drawn = [_picture(runs, names, context) for names in context.groups()]
    return [path for path in drawn if path is not None]


def _picture(runs: list[str], names: list[str], context: Context) -> Path | None:
    there: dict[str, object] = {run: context.methods[run] for run in runs if run in names}
    methods = {run: method for run, method in there.items() if isinstance(method, Layered)}
    if not methods:
        return None
    first = next(iter(methods))
    data, judge = context.data(first), context.judge(first)
    spec, faces = data.spec, data.splits["test"]
    if spec.exclusive:
        return None
    edits = [Edit(tuple(edit.get("set", ()))) for edit in context.study.edits.values()]
    known = [edit for edit in edits if all(name in spec.attributes for name in edit.set)]
    truth = spec.binary(faces.attributes)
    rows: dict[str, Tensor] = {}
    table: list[list[Any]] = []
    for number, attribute in enumerate(asked_of(known, spec.labels)):
        alike = ALIKE in spec.attributes and attribute != ALIKE
        kinds = truth[:, spec.position(ALIKE)] if alike else torch.zeros(len(faces))
        # Other faces in every row, as far as there are any.
        chosen = operands(truth[:, spec.position(attribute)], kinds, MOST, number)
        if not len(chosen):
            continue
        batch = batch_of(faces[chosen[number % len(chosen)]])
        a, b, c = torch.split(batch.images, 1)
        results = {run: arithmetic(method, a, b, c) for run, method in methods.items()}
        rows[words(attribute)] = images = torch.cat([a, b, c, *results.values()])
        of_rows = [*batch.row.tolist(), *[int(batch.row[0])] * len(results)]
        shown = zip(("a", "b", "c", *results), of_rows, seen(judge, attribute, images), strict=True)
        table += [[attribute, *line] for line in shown]
    if not rows:
        return None
    of = "" if names == context.groups()[0] else f"_{first}"
    path = context.folder / f"arithmetic{of}.png"
    grid(path, rows, ["a", "b", "c", *methods], "a - b + c of held-out faces")
    shrink(path)
    write_table(path.with_suffix(".csv"), ["attribute", "picture", "test row", "judge on attribute"], table)
    return path
