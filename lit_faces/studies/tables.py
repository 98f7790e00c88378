"""The tables of a report, and what it says of its differences from the paper."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from lit_faces.studies.claims import Judgement
from lit_faces.studies.collect import Results, Row
from lit_faces.studies.figures.context import Context
from lit_faces.studies.study import Options, Study
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
_JUDGED = ("edit_", "generation_", "unedited_rate", "unedited_hit")
# Below this balanced accuracy a judge hardly does better than one that guesses, which has 0.5.
_NEAR_CHANCE = 0.6


@dataclass(frozen=True)
class Cells:
    """A table as it is printed: the name of its file, a title, a header and rows of text, and what to know before reading it."""

    name: str
    title: str
    header: list[str]
    rows: list[list[str]]
    note: str = ""


def data_words(options: Options) -> str:
    """The data as a title names them."""
    return "synthetic faces" if options.data == "Synthetic" else options.data


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
    return f"{row.published:,.{_digits(row.unit)}f}" + ("" if row.comparable else " (not comparable)")


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


def judges_note(study: Study, results: Results, runs: Iterable[str], metrics: Iterable[str]) -> str:
    """What to say of judges near chance, if any of the metrics is theirs to decide; nothing if they are good."""
    if not any(metric.startswith(_JUDGED) for metric in metrics):
        return ""
    judged: dict[str, list[str]] = {}
    for run in dict.fromkeys(runs):
        if run in study.runs and (weak := _weakness(study, results, run)):
            judged.setdefault(weak, []).append(run)
    found = "; ".join(f"{weak} (judge of {', '.join(names)})" for weak, names in judged.items())
    return found and f"A judge is near chance, so what it sees means nothing. Balanced accuracy: {found}."


def _weakness(study: Study, results: Results, run: str) -> str:
    """The balanced accuracies near chance of a run's judge, on what its edits are judged by."""
    edits = [row.metric.partition("/")[2] for row in results.rows if row.run == run and row.metric.startswith(_RATE)]
    names = dict.fromkeys(_judged_attribute(study, edit) for edit in edits)
    rows = [results.row(study.judge_of(run) or "", f"balanced_accuracy/{name}") for name in names]
    return ", ".join(
        f"{row.value:.2f} on {name.replace('_', ' ')}"
        for name, row in zip(names, rows, strict=True)
        if row is not None and row.value < _NEAR_CHANCE
    )


def _judged_attribute(study: Study, edit: str) -> str:
    described = study.edits.get(edit, {})
    return next(iter(described.get("set", []) or described.get("reset", [])), edit.removeprefix("No "))


def measured_tables(study: Study, results: Results) -> list[Cells]:
    """What we measured beyond the paper, and every edit beside the accuracy of its judge."""
    names = [name for name in dict.fromkeys(row.run for row in results.rows) if name not in study.judges]
    units = {row.metric: row.unit for row in results.rows}
    published = {metric for table in study.tables for metric in table.columns.values()}
    metrics = [metric for metric in _BEYOND if metric in units and metric not in published]
    lines = [[name, *(_number(results.row(name, metric)) for metric in metrics)] for name in names]
    header = ["model", *(f"{metric.replace('_', ' ')} ({units[metric]})" for metric in metrics)]
    note = judges_note(study, results, names, metrics)
    cells = [Cells("measured", "Beyond the paper's tables", header, lines, note)] if metrics else []
    for judge in study.judges:
        table = _edits_table(study, results, judge, [name for name in study.runs if study.judge_of(name) == judge])
        cells += [table] if table.rows else []
    return cells


def _edits_table(study: Study, results: Results, judge: str, runs: list[str]) -> Cells:
    rows, metrics = [], {row.metric for row in results.rows if row.run in runs}
    runs = [name for name in runs if any(row.run == name and row.metric.startswith(_RATE) for row in results.rows)]
    edits = dict.fromkeys(metric.partition("/")[2] for metric in sorted(metrics) if metric.startswith(_RATE))
    for edit in [*(e for e in study.edits if e in edits), *(e for e in edits if e not in study.edits)]:
        own = results.row(judge, f"balanced_accuracy/{_judged_attribute(study, edit)}")
        for kind in _OF_EDITS:
            found = [results.row(name, f"{kind}/{edit}") for name in runs]
            if any(found):
                count = f"{max(row.n for row in found if row):,}"
                rows.append([edit, kind.replace("_", " "), *(_number(row) for row in found), _number(own), count])
    header = ["edit", "metric", *runs, "judge's balanced accuracy", "n"]
    of = "" if len(study.judges) == 1 else f" ({', '.join(runs)})"
    name = judge.replace("judge", "edits")
    title = f"What the judge sees in test faces that lack the attribute{of}"
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


def claims_table(study: Study, results: Results, judgements: list[Judgement]) -> Cells:
    """Verdicts with their evidence."""
    by_judge = [claim for claim in study.claims if claim.metric.startswith(_JUDGED)]
    note = judges_note(study, results, [run for claim in by_judge for run in claim.runs()], _JUDGED)
    rows = []
    for judgement in judgements:
        evidence = "; ".join(
            f"{e['of']}: {e['mean']:,.3g} [{e['low']:,.3g}, {e['high']:,.3g}]" for e in judgement.evidence
        )
        rows.append([judgement.claim, judgement.verdict, evidence or "-"])
    return Cells("claims", "The paper's claims", ["claim", "verdict", "mean difference [95 % interval]"], rows, note)


def text_table(table: Cells) -> str:
    """A table as aligned text."""
    lines = [table.header, *table.rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(table.header))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    title = [table.title, *([table.note] if table.note else [])]
    return "\n".join([*title, text[0], "  ".join("-" * width for width in widths), *text[1:]])


def differences(study: Study, options: Options, context: Context) -> list[str]:
    """Where this reproduction differs from the paper, read off the records."""
    said = []
    if options.profile == "smoke":
        said.append(
            "The smoke profile trains for seconds: its numbers and verdicts show that everything runs, nothing else."
        )
    if options.data != study.data:
        said.append(
            f"The data are {data_words(options)}, not {study.data}: the published numbers stand beside ours for orientation "
            "only, and none of the verdicts speaks of the paper's data."
        )
    drawn = sorted({run.name for run in context.runs if not run.comparable and not run.is_judge})
    if drawn and options.data == study.data:
        said.append(f"Of {', '.join(drawn)} the data were drawn, since the paper's were not there.")
    lengths: dict[int, list[str]] = {}
    for name in study.runs:
        for seed, record in sorted(context.results.records.get(name, {}).items()):
            lengths.setdefault(record["training"]["epochs"], []).append(f"{name}, seed {seed}")
    for epochs, runs in sorted(lengths.items()):
        if epochs != study.epochs:
            said.append(
                f"The paper trained for {study.epochs:,} epochs; {epochs:,} were trained here: {'; '.join(runs)}."
            )
    records = [by_seed[min(by_seed)] for name, by_seed in context.results.records.items() if name in study.runs]
    for width in sorted({record["arguments"].get("width", 1.0) for record in records} - {1.0}):
        said.append(f"Networks have {width} times the paper's channels.")
    manifest = records[0]["data"]["manifest"]
    source = manifest.get("attributes", {})
    if isinstance(source, dict) and str(source.get("file", "")).endswith(".mat"):
        said.append(
            f"The attributes are the signs of the published scores ({source['file']}); the paper's are real-valued."
        )
    made = {run.name for run in context.runs}
    return [*said, *(d.text for d in study.differences if not d.runs or made & {*d.runs})]
