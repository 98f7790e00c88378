"""The tables of a report."""

from dataclasses import replace
from string import ascii_uppercase

from lit_faces.studies.cells import Cells, digits, number
from lit_faces.studies.claims import Judgement
from lit_faces.studies.collect import Results, Row
from lit_faces.studies.judges import JUDGED, judges_note
from lit_faces.studies.measured import MEASURED
from lit_faces.studies.study import Study, Table
from lit_faces.studies.words import metric_words, settings_words


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
        header += ["n", "seeds", *(["how"] if one else [])]
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


def for_readers(table: Cells) -> Cells:
    """The table with words for the names of metrics, which its file keeps."""
    words = {metric.replace("_", " "): metric_words(metric) for metric in MEASURED}
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
    by_judge = [claim for claim in study.claims if any(metric.startswith(JUDGED) for metric in claim.metrics)]
    note = judges_note(study, results, [run for claim in by_judge for run in claim.runs()], JUDGED)
    letters = {test: letter for letter, test in lettered_tests(judgements).items()}
    rows = []
    for judgement in judgements:
        evidence = "; ".join(
            f"{e['of']}: {e['mean']:,.3g} [{e['low']:,.3g}, {e['high']:,.3g}]" for e in judgement.evidence
        )
        rows.append([judgement.claim, judgement.verdict, evidence or "-", letters.get(judgement.test, "-")])
    header = ["claim", "verdict", "mean [95 % interval]", "test"]
    return Cells("claims", "The paper's claims", header, rows, note)
