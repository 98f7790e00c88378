"""The tables of a report: those of the paper and its claims, with every detail for files and in short for readers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from string import ascii_uppercase

from lit_faces.studies.cells import Cells, brief, digits, number
from lit_faces.studies.claims import Judgement
from lit_faces.studies.collect import Results, Row
from lit_faces.studies.judges import JUDGED, judges_note
from lit_faces.studies.measured import MEASURED
from lit_faces.studies.study import Study, Table
from lit_faces.studies.words import HEADINGS, OF_EDITS, metric_words, settings_words

# What follows a published number that does not compare with ours, the mark that readers see, and what it means.
_MARKS = {
    " (not comparable)": (" †", "†", "not comparable: measured on other data, or otherwise"),
    " (on all of the data)": (" ‡", "‡", "measured on all of the data, of which ours are a part"),
}
# Columns that are told below the table if every row has the same.
_SAME = {"n": "test images", "seeds": "number of seeds"}
_HOW = "how"


def _published(table: Table, row: Row | None) -> str:
    if row is None or row.published is None:
        return "-"
    comparable = row.comparable and row.run not in table.incomparable
    on = "" if comparable else " (not comparable)"
    on = " (on all of the data)" if comparable and row.partial else on
    return f"{row.published:,.{digits(row.unit)}f}{on}"


def published_tables(study: Study, results: Results) -> list[Cells]:
    """The paper's tables with its numbers beside ours, where anything was measured for them.

    A table of one metric has how its rows were made, and most have our other rows too.
    """
    cells = []
    for table in study.tables:
        one = len(table.columns) == 1
        header = ["model"]
        for heading in table.columns:
            of = f"{heading}: " if heading else ""
            header += [f"{of}ours ± standard error", f"{of}the paper's"]
        header += ["n", "seeds", *([_HOW] if one else [])]
        rows = []
        for run in dict.fromkeys(row.run for row in results.rows):
            found = [results.row(run, metric) for metric in table.columns.values()]
            present = [row for row in found if row is not None]
            if not present or run in study.judges or not table.has(run):
                continue
            line = [run, *(text for row in found for text in (number(row), _published(table, row)))]
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


def how_lines(tables: Sequence[Cells]) -> list[str]:
    """How the rows of tables were made, which a reader's table leaves out, once for all rows of a table that are alike."""
    said = []
    for table in (table for table in tables if _HOW in table.header):
        runs: dict[str, list[str]] = {}
        for row in table.rows:
            runs.setdefault(row[table.header.index(_HOW)], []).append(row[0])
        said += [f"{table.title}: {', '.join(names)}: {how}." for how, names in runs.items() if how]
    return said


def for_readers(table: Cells) -> Cells:
    """A table with short headings and what they mean in its legend, without the columns that say the same in every row."""
    legend: dict[str, str] = {}
    same: dict[str, str] = {}
    table = _turned(table) if table.name == "measured" else _of_edits(table, legend)
    left = [column for column, name in enumerate(table.header) if name != _HOW]
    for column in left[1:]:
        values = {row[column] for row in table.rows}
        name = table.header[column]
        if name in _SAME and len(values) == 1:
            left.remove(column)
            same[_SAME[name]] = values.pop()
    header = [_heading(table.header[column], legend) for column in left]
    rows = [[row[column] for column in left] for row in table.rows]
    for words, (mark, sign, meaning) in _MARKS.items():
        if any(words in cell for row in rows for cell in row):
            legend[sign] = meaning
        rows = [[cell.replace(words, mark) for cell in row] for row in rows]
    return replace(table, header=header, rows=rows, legend=legend | same)


def _heading(name: str, legend: dict[str, str]) -> str:
    """A column's short name, which goes to the legend; what it is of stands before a colon, or in brackets behind it."""
    of, colon, rest = name.rpartition(": ")
    if name not in HEADINGS and colon and rest in HEADINGS:
        short, meaning = HEADINGS[rest]
        # A column of ours has the table's own name for it, and the paper's stands next to it.
        ours = short == "ours"
        legend.setdefault("columns" if ours else short, meaning if ours else f"{meaning} of the column before it")
        return of if ours else short
    start, bracket, rest = (name, "", "") if name in HEADINGS else name.partition(" (")
    if start not in HEADINGS:
        return name
    short, meaning = HEADINGS[start]
    legend.setdefault(short, meaning)
    return f"{short}{bracket}{rest}"


def _turned(table: Cells) -> Cells:
    """A line for each metric, in words, and a column for each model: there are more metrics than models."""
    words = {metric.replace("_", " "): metric_words(metric) for metric in MEASURED}
    names = [cell.partition(" (") for cell in table.header[1:]]
    lines = zip(*(row[1:] for row in table.rows), strict=True)
    rows = [
        [words.get(name, name) + bracket + unit, *line]
        for (name, bracket, unit), line in zip(names, lines, strict=True)
    ]
    return replace(table, header=["", *(row[0] for row in table.rows)], rows=rows)


def _of_edits(table: Cells, legend: dict[str, str]) -> Cells:
    """The metrics of edits in short, and the name of each edit once."""
    if table.header[:2] != ["edit", "metric"]:
        return table
    rows, before = [], ""
    for edit, metric, *values in table.rows:
        short, meaning = OF_EDITS.get(metric, (metric, ""))
        if meaning:
            legend.setdefault(short, meaning)
        rows.append(["" if edit == before else edit, short, *values])
        before = edit
    return replace(table, rows=rows)


@dataclass(frozen=True)
class VerdictLine:
    """A claim as a reader sees it first: the verdict, the claim and the evidence in short, then all of it and the test.

    A claim that was not tested has the reason for its evidence, and no test.
    """

    verdict: str
    claim: str
    evidence: str
    parts: list[str]
    test: str


def verdict_lines(judgements: Sequence[Judgement]) -> list[VerdictLine]:
    """The verdicts, one line each."""
    lines = []
    for judgement in judgements:
        parts = [f"{e['of']}: {_interval(e)}" for e in judgement.evidence]
        # What was not tested has its reason in place of evidence.
        tested = judgement.verdict != "not tested"
        evidence, test = (_short(judgement), judgement.test) if tested else (judgement.test, "")
        lines.append(VerdictLine(judgement.verdict, judgement.claim, evidence, parts, test))
    return lines


def _short(judgement: Judgement) -> str:
    """The evidence of a claim in one piece, however many comparisons it has."""
    first, *others = judgement.evidence
    if not others:
        return f"{first['of']}: {_interval(first)}"
    means = [evidence["mean"] for evidence in judgement.evidence]
    return f"{brief(min(means))} to {brief(max(means))} in {len(means)} comparisons"


def _interval(evidence: dict[str, float]) -> str:
    return f"{brief(evidence['mean'])} [{brief(evidence['low'])}, {brief(evidence['high'])}]"


def count_verdicts(judgements: Sequence[Judgement]) -> str:
    """How many claims have each verdict."""
    verdicts = [judgement.verdict for judgement in judgements]
    kinds = ("confirmed", "refuted", "undecided", "not tested")
    return ", ".join(f"{verdicts.count(kind)} {kind}" for kind in kinds if kind in verdicts)


def lettered_tests(judgements: list[Judgement]) -> dict[str, str]:
    """The distinct tests by the letters that the table of claims has for them."""
    distinct = dict.fromkeys(judgement.test for judgement in judgements if judgement.verdict != "not tested")
    return dict(zip(ascii_uppercase, distinct, strict=False))


def claims_table(study: Study, results: Results, judgements: list[Judgement]) -> Cells:
    """Verdicts with their evidence in short, and the letter of the test."""
    by_judge = [claim for claim in study.claims if any(metric.startswith(JUDGED) for metric in claim.metrics)]
    note = judges_note(study, results, [run for claim in by_judge for run in claim.runs()], JUDGED)
    letters = {test: letter for letter, test in lettered_tests(judgements).items()}
    rows = [
        [line.verdict, line.claim, line.evidence, letters.get(line.test, "-")] for line in verdict_lines(judgements)
    ]
    header = ["verdict", "claim", "mean [95 % interval]", "test"]
    return Cells("claims", "The paper's claims", header, rows, note)
