"""The first picture of a report: test faces before and after the edits that a study's method makes best."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from lit_faces.arithmetic import arithmetic
from lit_faces.callbacks.arithmetic import asked_of, operands
from lit_faces.callbacks.edits import Edit, labels_of, settle_edits
from lit_faces.data.batch import DataSpec
from lit_faces.images import to_pil
from lit_faces.methods.capabilities import Edits, Layered, Reconstructs
from lit_faces.studies.figures.arithmetic import ALIKE
from lit_faces.studies.figures.context import Context
from lit_faces.studies.figures.drawing import Frame, save_picture, sheet, write_table
from lit_faces.studies.figures.faces import edits_in, strength_of, stronger
from lit_faces.studies.figures.panels import batch_of, seen
from lit_faces.studies.judges import is_blind

COLUMNS = 10
# Bytes: the first picture of a page may have all its colours.
LIMIT = 800_000
# What hides eyes, brows or hair, as data sets of faces call it.
_HIDING = ("Sunglasses", "Wearing Hat", "Wearing_Hat")
# Fewer edits than this are each shown on several faces.
_FEW = 6


@dataclass(frozen=True)
class Column:
    """One edit of one test face: its name, the run and strength that made it, and the shares of all test faces without the
    attribute in which the classifier finds it `before` and `after`; None if that was not measured.
    """

    name: str
    run: str
    strength: float
    before: float | None
    after: float | None

    @property
    def title(self) -> str:
        """The edit's name, with its strength if it is not 1."""
        name = self.name.replace("_", " ").replace("Wearing ", "")
        return stronger(name, self.strength)

    @property
    def rates(self) -> str:
        """The two shares; nothing if they were not measured."""
        if self.before is None or self.after is None:
            return ""
        return f"{100 * self.before:.0f} → {100 * self.after:.0f} %"


@dataclass(frozen=True)
class Strip:
    """A picture of a row for each of `labels` and a column for each edit, and where the faces lie in it."""

    path: Path
    frame: Frame
    labels: tuple[str, ...]
    columns: tuple[Column, ...]
    heading: str
    caption: str


@dataclass(frozen=True)
class _Shown:
    """A column with its images (C, H, W), what the classifier sees in each, and their test rows."""

    column: Column
    images: list[Tensor]
    seen: list[float | str]
    rows: list[int]


@dataclass(frozen=True)
class _Candidate:
    column: Column
    edit: Edit

    @property
    def rise(self) -> float:
        """How much more often the classifier finds the attribute after the edit; the least, if it was not measured."""
        before, after = self.column.before, self.column.after
        return -1.0 if before is None or after is None else after - before


@torch.no_grad()
def draw_strip(context: Context) -> Strip | None:
    """Draw the strongest edits of the study's method, or its sums of faces if it makes no edits; None if it makes neither."""
    shown, labels, caption = _edited(context)
    heading = "Edited faces" if shown else "Sums of faces"
    if not shown:
        shown, labels, caption = _added(context)
    if not shown:
        return None
    tile = max(96, 2 * max(image.shape[-1] for one in shown for image in one.images))
    rows = {label: [_enlarged(one.images[place], tile) for one in shown] for place, label in enumerate(labels)}
    columns = tuple(one.column for one in shown)
    rates = [column.rates for column in columns]
    picture, frame = sheet(rows, (tile, tile), [column.title for column in columns], rates if any(rates) else ())
    path = context.folder / "strip.png"
    save_picture(picture, path, LIMIT)
    table = [
        [one.column.name, one.column.run, one.column.strength, row, label, probability]
        for one in shown
        for label, row, probability in zip(labels, one.rows, one.seen, strict=True)
    ]
    write_table(path.with_suffix(".csv"), ["edit", "run", "strength", "test row", "picture", "classifier"], table)
    return Strip(path, frame, labels, columns, heading, caption)


def _enlarged(image: Tensor, tile: int) -> Image.Image:
    return to_pil(image).resize((tile, tile), Image.Resampling.BICUBIC)


def _edited(context: Context) -> tuple[list[_Shown], tuple[str, ...], str]:
    runs = _kin(context)
    best: dict[str, _Candidate] = {}
    for candidate in (candidate for run in runs for candidate in _candidates(context, run)):
        name = candidate.column.name
        if name not in best or candidate.rise > best[name].rise:
            best[name] = candidate
    ordered = sorted(best.values(), key=lambda candidate: -candidate.rise)
    each = max(1, _FEW // max(1, len(ordered)))
    used: set[tuple[str, int]] = set()
    shown: list[_Shown] = []
    for candidate in ordered:
        for _ in range(each):
            one = _one_edit(context, candidate, used)
            if one is not None and len(shown) < COLUMNS:
                shown.append(one)
    caption = (
        f"Edits of test faces by {', '.join(dict.fromkeys(one.column.run for one in shown))}, strongest first. "
        "Each column shows another person: the first in the test split who lacks the attribute, and wears neither sunglasses "
        "nor a hat if there is such a person. "
        "From top to bottom: the test face, its reconstruction without a change, and the edited face."
    )
    if any(one.column.rates for one in shown):
        caption += (
            " The numbers are the shares of test faces lacking the attribute in which the classifier finds it, before and "
            "after the edit."
        )
    return shown, ("test face", "no change", "edited"), caption


def _kin(context: Context) -> list[str]:
    """The runs of the study's own method: that of the run named like the study, or of the first one that edits."""
    study = context.study
    made = {run.name: None for run in context.runs if not run.is_judge}
    order = sorted((name for name in study.runs if name in made), key=lambda name: name != study.name)
    main = next((name for name in order if isinstance(context.method(name), Edits)), None)
    if main is None:
        return []
    return [name for name in order if study.method_of(name) == study.method_of(main)]


def _candidates(context: Context, run: str) -> Iterator[_Candidate]:
    """The edits that a run makes of pictures."""
    method = context.method(run)
    if not isinstance(method, Edits) or method.spec.image_shape[1:] == (1, 1):
        return
    described = edits_in(context.study.edits)
    for name, edit in settle_edits(described or None, method.spec, labels_of(method)).items():
        if all(attribute in method.spec.attributes for attribute in (*edit.set, *edit.reset)):
            own = edit.with_strength(strength_of(context, run, name))
            rates = _rates(context, run, f"unedited_rate/{name}", f"edit_accuracy/{name}")
            yield _Candidate(Column(name, run, own.strength or 0.0, *rates), own)


def _rates(context: Context, run: str, *metrics: str) -> list[float | None]:
    """The values of metrics that a classifier decides; None of one that guesses, and where nothing was measured."""
    rows = [context.results.row(run, metric) for metric in metrics]
    blind = is_blind(context.study, context.results, run)
    return [None if row is None or blind else row.value for row in rows]


def _one_edit(context: Context, candidate: _Candidate, used: set[tuple[str, int]]) -> _Shown | None:
    """The edit of the first test face that lacks the attribute and whose person is not among those `used`, who is added.

    Faces with sunglasses or a hat come after all others: they do not show what becomes of brows or hair.
    """
    run, edit = candidate.column.run, candidate.edit
    method, faces, data_set = context.method(run), context.data(run).splits["test"], context.study.data_set(run)
    assert isinstance(method, Edits)
    spec = method.spec
    hiding = [spec.position(name) for name in _HIDING if name in spec.attributes]
    hidden = spec.binary(faces.attributes)[:, hiding].any(1)
    lacking = edit.lacking(faces.attributes, spec).nonzero()[:, 0].tolist()
    lacking.sort(key=lambda row: bool(hidden[row]))
    row = next((row for row in lacking if (data_set, int(faces.identity[row])) not in used), None)
    if row is None:
        return None
    used.add((data_set, int(faces.identity[row])))
    batch = batch_of(faces[torch.tensor([row])])
    edited = edit.made(method, batch.images, batch.attributes, method.spec)
    images = torch.cat([batch.images, _unchanged(method, batch.images, batch.attributes), edited])
    column, on = edit.target(method.spec)
    found = _seen(context.judge(run), method.spec.attributes[column], on, images)
    return _Shown(candidate.column, [*images], found, [int(batch.row)] * len(images))


def _unchanged(method: Edits, images: Tensor, attributes: Tensor) -> Tensor:
    if isinstance(method, Reconstructs):
        return method.reconstruct(images, attributes)
    return method.edit(images, attributes, attributes)


def _seen(judge: object, attribute: str, on: bool, images: Tensor) -> list[float | str]:
    """Probability that the classifier gives an attribute's wanted value, an image; empty without a classifier."""
    return [p if on or isinstance(p, str) else round(1 - p, 4) for p in seen(judge, attribute, images)]


def _added(context: Context) -> tuple[list[_Shown], tuple[str, ...], str]:
    """Sums a - b + c by the first ladder of the figure of sums, else of the study, that was trained on faces."""
    made = {run.name: None for run in context.runs if not run.is_judge}
    order = dict.fromkeys((*context.study.figures.get("arithmetic", ()), *context.study.runs))
    for run in (name for name in order if name in made):
        method, spec = _ladder(context.method(run)), context.method(run).spec
        if method is not None and not spec.exclusive and spec.image_shape[1:] != (1, 1):
            shown = [one for one in _sums(context, run, method, spec) if one is not None]
            if shown:
                caption = (
                    f"Sums of test faces in the codes of {run}: a - b + c, where of the three c alone has the attribute. "
                    "The faces a are the first in the test split, each of another person; b and c are drawn at random. "
                    "The numbers are the shares of "
                    "test faces in which the classifier finds the attribute, in a and in a - b + c."
                )
                return shown, ("a", "- b", "+ c", "a - b + c"), caption
    return [], (), ""


def _ladder(method: object) -> Layered | None:
    return method if isinstance(method, Layered) else None


def _sums(context: Context, run: str, method: Layered, spec: DataSpec) -> list[_Shown | None]:
    edits = [Edit(tuple(edit.get("set", ()))) for edit in context.study.edits.values()]
    known = [edit for edit in edits if all(name in spec.attributes for name in edit.set)]
    columns = []
    for attribute in asked_of(known, spec.labels):
        name = spec.attributes[spec.position(attribute)]
        rates = _rates(context, run, f"arithmetic_unedited_rate/{name}", f"arithmetic_accuracy/{name}")
        columns.append(_Candidate(Column(attribute, run, 1.0, *rates), Edit((attribute,))))
    ordered = sorted(columns, key=lambda candidate: -candidate.rise)
    each = max(1, _FEW // max(1, len(ordered)))
    places = [candidate for candidate in ordered for _ in range(each)][:COLUMNS]
    used: set[int] = set()
    return [_one_sum(context, candidate, method, spec, place, used) for place, candidate in enumerate(places)]


def _one_sum(
    context: Context, candidate: _Candidate, method: Layered, spec: DataSpec, seed: int, used: set[int]
) -> _Shown | None:
    """The sum for the first test face without the attribute whose person is not among those `used`, who is added."""
    faces, attribute = context.data(candidate.column.run).splits["test"], candidate.column.name
    truth = spec.binary(faces.attributes)
    alike = ALIKE in spec.attributes and attribute != ALIKE
    kinds = truth[:, spec.position(ALIKE)] if alike else torch.zeros(len(faces))
    chosen = operands(truth[:, spec.position(attribute)], kinds, len(faces), seed)
    three = next((rows for rows in chosen if int(faces.identity[rows[0]]) not in used), None)
    if three is None:
        return None
    used.add(int(faces.identity[three[0]]))
    batch = batch_of(faces[three])
    a, b, c = torch.split(batch.images, 1)
    images = torch.cat([batch.images, arithmetic(method, a, b, c)])
    found = _seen(context.judge(candidate.column.run), attribute, True, images)
    return _Shown(candidate.column, [*images], found, [*batch.row.tolist(), int(batch.row[0])])
