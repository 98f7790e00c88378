"""Figures of how often a model tells each attribute of held-out faces, beside values that a person fills in."""

import csv
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from math import floor
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt

from lit_faces.errors import UserError
from lit_faces.studies.collect import Results, Row
from lit_faces.studies.figures.context import Context
from lit_faces.studies.figures.drawing import save, write_table
from lit_faces.studies.figures.panels import words
from lit_faces.studies.shares import by_label, interval, majority
from lit_faces.studies.study import Study

_COLUMNS = ("attribute", "accuracy", "source", "date")
_GUESS = "always the majority"
# Inches of a bar, and between attributes.
_BAR, _GAP = 0.24, 0.16


def read_reference(path: Path, attributes: Collection[str]) -> dict[str, float]:
    """Published accuracies in [0, 1] by attribute, with spaces for underscores; lines that begin with # are remarks.

    The columns are attribute, accuracy, source and date; an attribute without a number is left out. Raises UserError,
    naming file and line, for a value that is no number in [0, 1] or has no source or date, an attribute that is there
    twice or not among `attributes`, and other columns.
    """
    if not path.is_file():
        raise UserError(f"{path} is missing: make it with the columns {', '.join(_COLUMNS)}, or name another reference")
    try:
        text = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not text in UTF-8: save it as such") from error
    numbers = [number for number, line in enumerate(text, 1) if line.strip() and not line.startswith("#")]
    lines = csv.reader(text[number - 1] for number in numbers)
    header = next(lines, [])
    if tuple(header) != _COLUMNS:
        where = f"{path}, line {numbers[0]}" if numbers else str(path)
        raise UserError(f"{where}: the columns must be {', '.join(_COLUMNS)}, got {', '.join(header) or 'none'}")
    known = {_spaced(attribute) for attribute in attributes}
    found: dict[str, float | None] = {}
    for line in lines:
        where = f"{path}, line {numbers[lines.line_num - 1]}"
        if len(line) != len(_COLUMNS):
            raise UserError(f"{where}: give {len(_COLUMNS)} values as the header has it, got {len(line)}")
        attribute, accuracy, source, day = _spaced(line[0]), *(value.strip() for value in line[1:])
        if attribute in found:
            raise UserError(f"{where}: {line[0]} is there already: remove one of the two")
        if attribute not in known:
            raise UserError(f"{where}: no run has the attribute {line[0]!r}: use one of {', '.join(attributes)}")
        found[attribute] = _share(accuracy, where) if accuracy else None
        if accuracy and not (source and _is_day(day)):
            raise UserError(f"{where}: give the source of {accuracy} and the date it was read, as YYYY-MM-DD")
    return {attribute: accuracy for attribute, accuracy in found.items() if accuracy is not None}


def _spaced(attribute: str) -> str:
    return attribute.strip().replace("_", " ")


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _share(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value <= 1:
        raise UserError(f"{where}: the accuracy must be a number in [0, 1], got {text!r}: 91.2 % is 0.912")
    return value


@dataclass(frozen=True)
class _Bar:
    """One accuracy, of a run or published (without a row), as the legend calls it."""

    series: str
    value: float
    row: Row | None = None


def draw_attribute_accuracy(described: dict[str, dict[str, Any]], context: Context) -> list[Path]:
    """Accuracy of E_y an attribute, with 95 % intervals and what guessing gives (IFcVAE-GAN's Figures 2 and 7).

    Each figure has its `runs`, those whose codes a `linear` classifier reads, and the file of a `reference`, in the
    study's folder, which adds the published bars of those attributes that were measured here.
    """
    drawn = [_figure(name, context=context, **settings) for name, settings in described.items()]
    return [path for path in drawn if path is not None]


def _figure(
    name: str, context: Context, runs: Sequence[str] = (), linear: Sequence[str] = (), reference: str | None = None
) -> Path | None:
    bars: dict[str, list[_Bar]] = {}
    for metric, names, by in (("label_accuracy", runs, "$E_y$"), ("linear_accuracy", linear, "linear classifier on z")):
        for run in names:
            for attribute, row in by_label(context.results, run, metric).items():
                bars.setdefault(attribute, []).append(_Bar(f"{run}: {by}", row.value, row))
    if not bars:
        return None
    published = {} if reference is None else _published(reference, [*runs, *linear], context.study)
    table = _table(bars, published, context.results)
    for attribute, group in bars.items():
        if (value := published.get(_spaced(attribute))) is not None:
            group.append(_Bar(f"published ({Path(str(reference)).stem})", value))
    path = context.folder / f"{name}.png"
    _draw(path, bars, context.results)
    header = ["attribute", "run", "accuracy", "low", "high", "n", "majority", "reference"]
    write_table(path.with_suffix(".csv"), header, table)
    return path


def _published(reference: str, runs: Sequence[str], study: Study) -> dict[str, float]:
    """Of the attributes that the runs' own configs name: a profile may leave some out."""
    named = dict.fromkeys(
        label for run in runs if run in study.runs for label in study.arguments_of(run).get("labels", ())
    )
    return read_reference(study.folder / reference, named)


def _table(bars: dict[str, list[_Bar]], published: dict[str, float], results: Results) -> list[list[Any]]:
    table: list[list[Any]] = []
    for attribute, group in bars.items():
        for row in (bar.row for bar in group if bar.row is not None):
            low, high = (round(bound, 5) for bound in interval(row))
            guess = majority(results, row)
            shown = ["" if guess is None else round(guess, 5), published.get(_spaced(attribute), "")]
            table.append([attribute, row.run, round(row.value, 5), low, high, row.n, *shown])
    return table


def _draw(path: Path, bars: dict[str, list[_Bar]], results: Results) -> None:
    """Horizontal bars from the top down, in groups of an attribute, with the numbers at the right."""
    series = dict.fromkeys(bar.series for group in bars.values() for bar in group if bar.row is not None)
    # Their lightness rises evenly, so that they differ in grey print too.
    shades = mpl.colormaps["viridis"](np.linspace(0.25, 0.85, len(series)))
    styles: dict[str, dict[str, Any]] = {name: {"color": shade} for name, shade in zip(series, shades, strict=True)}
    height = sum(_BAR * len(group) + _GAP for group in bars.values())
    figure, axis = plt.subplots(figsize=(6.4, height + 0.5))
    figure.subplots_adjust(left=0, right=1, bottom=0, top=1)
    middles, least, top = [], 0.5, _GAP / 2
    for group in bars.values():
        guesses = [guess for bar in group if bar.row and (guess := majority(results, bar.row)) is not None]
        for number, bar in enumerate(group):
            low, high = interval(bar.row) if bar.row is not None else (bar.value, bar.value)
            least = min(least, low, *guesses)
            at = top + _BAR * (number + 0.5)
            style = styles.get(bar.series, {"color": "white", "hatch": "////"})
            axis.barh(at, bar.value, 0.88 * _BAR, edgecolor="black", linewidth=0.6, label=bar.series, **style)
            if bar.row is not None:
                # At 0 and 1 the bounds may be off by a rounding error.
                reach = [[max(0.0, bar.value - low)], [max(0.0, high - bar.value)]]
                axis.errorbar(bar.value, at, xerr=reach, c="black", lw=1, capsize=2)
            axis.text(1.012, at, f"{bar.value:.3f}", transform=axis.get_yaxis_transform(), va="center", fontsize=8)
        bottom = top + _BAR * len(group)
        for colour, width in (("white", 4), ("#d1495b", 2)):
            axis.vlines(guesses[:1], top - 0.04, bottom + 0.04, colors=colour, linewidth=width, label=_GUESS)
        middles.append((top + bottom) / 2)
        top = bottom + _GAP
    # A little before the least, which would else lie on the edge.
    start = floor(20 * least - 0.2) / 20
    axis.set(xlim=(start, 1), ylim=(height, 0), xlabel=f"accuracy on the test faces, from {start:g}")
    axis.set_yticks(middles, [words(attribute) for attribute in bars])
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="x", alpha=0.4)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
    known = dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
    names = [
        *series,
        *(name for name in known if name not in {*series, _GUESS}),
        *([_GUESS] if _GUESS in known else []),
    ]
    axis.legend(
        [known[name] for name in names], names, loc="lower left", bbox_to_anchor=(0, 1), fontsize=9, frameon=False
    )
    save(figure, path)
