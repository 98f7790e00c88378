"""The tables of a report."""

from dataclasses import dataclass, replace
from string import ascii_uppercase

from lit_faces.studies.claims import Judgement
from lit_faces.studies.collect import Results, Row
from lit_faces.studies.judges import JUDGED, judged_attribute, judges_note
from lit_faces.studies.study import Study
from lit_faces.studies.words import metric_words, settings_words

# What is measured of every method beyond the paper's tables, where it applies.
_BEYOND = (
    "log_likelihood",
    "kl",
    "iwae",
    "pixels_at_variance_floor",
    "nearest_sample_rms",
    "reconstruction_mse",
    "leakage",
    "edit_accuracy",
    "unedited_rate",
    "edit_change_in_others",
    "generation_accuracy",
    "counterfactual_mse",
    "unedited_mse",
)
_OF_EDITS = (
    "unedited_rate",
    "edit_accuracy",
    "edit_change_in_others",
    "generation_accuracy",
    "counterfactual_mse",
    "unedited_mse",
)


# An edit's first metric, which every method that can be judged has.
_RATE = "unedited_rate/"


# What a judge decides, by the beginnings of the metrics' names.
@dataclass(frozen=True)
class Cells:
    """A table as it is printed: the name of its file, a title, a header and rows of text, and what to know before reading it."""

    name: str
    title: str
    header: list[str]
    rows: list[list[str]]
    note: str = ""


def _digits(unit: str) -> int:
    return 0 if unit == "nats per image" else 5 if unit.startswith("squared error per pixel") else 3


def _number(row: Row | None) -> str:
    if row is None:
        return "-"
    digits = _digits(row.unit)
    error = "" if row.stderr is None else f" ± {row.stderr:,.{digits}f}"
    spread = "" if row.spread is None else f" (seeds: ± {row.spread:,.{digits}f})"
    return f"{row.value:,.{digits}f}{error}{spread}"


def _published(row: Row | None) -> str:
    if row is None or row.published is None:
        return "-"
    on = "" if row.comparable else " (not comparable)"
    on = " (on all of the data)" if row.comparable and row.partial else on
    return f"{row.published:,.{_digits(row.unit)}f}{on}"


def published_tables(study: Study, results: Results) -> list[Cells]:
    """The paper's tables with its numbers beside ours, where anything was measured for them.

    A table of one metric has our other rows too, and how they were made.
    """
    cells = []
    for table in study.tables:
        one = len(table.columns) == 1
        header = ["model"]
        for heading in table.columns:
            of = f"{heading}: " if heading else ""
            header += [f"{of}ours ± standard error", f"{of}the paper's"]
        header += ["n", "seeds", *(["how"] if one else [])]
        rows = []
        for run in dict.fromkeys(row.run for row in results.rows):
            found = [results.row(run, metric) for metric in table.columns.values()]
            present = [row for row in found if row is not None]
            if not present or run in study.judges or not (one or run in table.published):
                continue
            line = [run, *(text for row in found for text in (_number(row), _published(row)))]
            # Columns of one table may be of different images.
            line += [" / ".join(dict.fromkeys(f"{row.n:,}" for row in present)), str(len(present[0].seeds))]
            rows.append([*line, *([_how(present[0])] if one else [])])
        note = judges_note(study, results, [row[0] for row in rows], table.columns.values())
        cells += [Cells(table.name, table.title, header, rows, note)] if rows else []
    return cells


def _how(row: Row) -> str:
    # An interval is that of one seed: of several the spread is told instead.
    several = len(row.seeds) > 1
    return settings_words({k: v for k, v in row.settings.items() if not (several and k.startswith("wilson"))})


def measured_tables(study: Study, results: Results) -> list[Cells]:
    """What we measured beyond the paper, what codes tell, and every edit beside the accuracy of its judge."""
    names = [name for name in dict.fromkeys(row.run for row in results.rows) if name not in study.judges]
    units = {row.metric: row.unit for row in results.rows}
    published = {metric for table in study.tables for metric in table.columns.values()}
    metrics = [metric for metric in _BEYOND if metric in units and metric not in published]
    lines = [[name, *(_number(results.row(name, metric)) for metric in metrics)] for name in names]
    header = ["model", *(f"{metric.replace('_', ' ')} ({units[metric]})" for metric in metrics)]
    note = judges_note(study, results, names, metrics)
    cells = [Cells("measured", "Beyond the paper's tables", header, lines, note)] if metrics else []
    codes = _codes_table(results, names)
    cells += [codes] if codes.rows else []
    for judge in study.judges:
        table = _edits_table(study, results, judge, [name for name in study.runs if study.judge_of(name) == judge])
        cells += [table] if table.rows else []
    return cells


def _codes_table(results: Results, runs: list[str]) -> Cells:
    """How well fresh classifiers tell each label from each code, a line a run, code and label."""
    rows, several = [], False
    for row in (row for name in runs for row in results.rows if row.run == name):
        if row.metric.startswith("leakage/"):
            code, label = "z", row.metric.partition("/")[2]
        elif row.metric.startswith("subspace_accuracy/"):
            code, label = row.metric.removeprefix("subspace_accuracy/").split("/", 1)
        else:
            continue
        several |= len(row.seeds) > 1
        others = [f"{row.settings[key]:.3f}" for key in ("linear", "chance")]
        rows.append([row.run, code, label, row.unit, _number(row), *others, f"{row.n:,}"])
    # Settings are those of one seed.
    linear = "linear probe, first seed" if several else "linear probe"
    header = ["model", "code", "label", "score", "probe ± standard error", linear, "chance", "n"]
    return Cells("codes", "What codes tell of the labels", header, rows)


def _edits_table(study: Study, results: Results, judge: str, runs: list[str]) -> Cells:
    rows, metrics = [], {row.metric for row in results.rows if row.run in runs}
    runs = [name for name in runs if any(row.run == name and row.metric.startswith(_RATE) for row in results.rows)]
    edits = dict.fromkeys(metric.partition("/")[2] for metric in sorted(metrics) if metric.startswith(_RATE))
    for edit in [*(e for e in study.edits if e in edits), *(e for e in edits if e not in study.edits)]:
        own = results.row(judge, f"balanced_accuracy/{judged_attribute(study, edit)}")
        for kind in _OF_EDITS:
            found = [results.row(name, f"{kind}/{edit}") for name in runs]
            if any(found):
                count = f"{max(row.n for row in found if row):,}"
                rows.append([edit, kind.replace("_", " "), *(_number(row) for row in found), _number(own), count])
    header = ["edit", "metric", *runs, "judge's balanced accuracy", "n"]
    of = "" if len(study.judges) == 1 else f" ({', '.join(runs)})"
    name = judge.replace("judge", "edits")
    title = f"Edits of the test faces that lack the attribute{of}"
    return Cells(name, title, header, rows, judges_note(study, results, runs, _OF_EDITS))


def for_readers(table: Cells) -> Cells:
    """The table with words for the names of metrics, which its file keeps."""
    words = {metric.replace("_", " "): metric_words(metric) for metric in _BEYOND}
    header = []
    for cell in table.header:
        name, bracket, unit = cell.partition(" (")
        header.append(words.get(name, name) + bracket + unit)
    place = table.header.index("metric") if "metric" in table.header else None
    rows = [[words.get(cell, cell) if i == place else cell for i, cell in enumerate(row)] for row in table.rows]
    return replace(table, header=header, rows=rows)


def lettered_tests(judgements: list[Judgement]) -> dict[str, str]:
    """The distinct tests by the letters that the table of claims has for them."""
    distinct = dict.fromkeys(judgement.test for judgement in judgements if judgement.verdict != "not tested")
    return dict(zip(ascii_uppercase, distinct, strict=False))


def claims_table(study: Study, results: Results, judgements: list[Judgement]) -> Cells:
    """Verdicts with their evidence, and the letter of the test."""
    by_judge = [claim for claim in study.claims if claim.metric.startswith(JUDGED)]
    note = judges_note(study, results, [run for claim in by_judge for run in claim.runs()], JUDGED)
    letters = {test: letter for letter, test in lettered_tests(judgements).items()}
    rows = []
    for judgement in judgements:
        evidence = "; ".join(
            f"{e['of']}: {e['mean']:,.3g} [{e['low']:,.3g}, {e['high']:,.3g}]" for e in judgement.evidence
        )
        rows.append([judgement.claim, judgement.verdict, evidence or "-", letters.get(judgement.test, "-")])
    header = ["claim", "verdict", "mean difference [95 % interval]", "test"]
    return Cells("claims", "The paper's claims", header, rows, note)


def text_table(table: Cells) -> str:
    """A table as aligned text."""
    lines = [table.header, *table.rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(table.header))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    title = [table.title, *([table.note] if table.note else [])]
    return "\n".join([*title, text[0], "  ".join("-" * width for width in widths), *text[1:]])
