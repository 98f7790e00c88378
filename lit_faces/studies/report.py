"""A study's report: pictures, verdicts, tables, figures and provenance; as HTML, Markdown, JSON and CSV."""

import shutil
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from lit_faces.callbacks.record import environment
from lit_faces.errors import UserError
from lit_faces.files import replacing_folder, write_json
from lit_faces.studies.baselines import baseline_records
from lit_faces.studies.cells import text_table
from lit_faces.studies.claims import judge
from lit_faces.studies.collect import Results, collect, rows_of
from lit_faces.studies.differences import data_words, differences, parts_of_data
from lit_faces.studies.figures import FIGURES
from lit_faces.studies.figures.context import Context
from lit_faces.studies.figures.curves import unlogged
from lit_faces.studies.figures.drawing import write_table
from lit_faces.studies.figures.strip import draw_strip
from lit_faces.studies.measured import measured_tables
from lit_faces.studies.page import Page, Picture, write_pages
from lit_faces.studies.plan import Run, reported, root_of
from lit_faces.studies.progress import is_current, is_finished, missing_lines, samples
from lit_faces.studies.study import Options, Study
from lit_faces.studies.tables import (
    claims_table,
    count_verdicts,
    for_readers,
    how_lines,
    lettered_tests,
    published_tables,
    verdict_lines,
)


@dataclass(frozen=True)
class _Standing:
    """What a report is made from: the runs that are finished, all that belong to it, and what to say of the others."""

    finished: list[Run]
    runs: list[Run]
    remarks: list[str]
    progress: str | None


def write_report(study: Study, options: Options, progress: str | None = None) -> str:
    """Write `index.html`, `report.md`, `results.json`, CSVs and figures in place of an earlier report; returns what to print.

    The report is of the runs that are finished, and says which are not. With `progress` ("3 of 9 runs, about 8 minutes left")
    the study is still being made: the report is then written in seconds, without most figures, and its page loads itself again
    until the last one is written. If writing fails, the earlier report stays as it was.
    Errors: UserError if no run was begun, or if a file of a finished one is damaged.
    """
    standing = _standing(study, options, progress)
    results = collect(study, standing.finished)
    folder = options.reports / study.name / options.label
    with replacing_folder(folder) as temporary:
        said = _write(temporary, study, options, standing, results)
    return "\n\n".join([*said, f"report: {folder / 'index.html'}"])


def _standing(study: Study, options: Options, progress: str | None) -> _Standing:
    if progress is not None:
        # Runs of methods that are not asked for now stay in the report.
        runs = reported(study, options).runs
        as_of = f"{progress} (at {datetime.now():%H:%M})"
        return _Standing([run for run in runs if is_current(run)], runs, [], as_of)
    asked = reported(study, options)
    finished = [run for run in asked.runs if is_finished(run)]
    if not any(run.folder.path.is_dir() for run in asked.runs):
        raise UserError(
            f"there are no runs in {root_of(study, options)}: run `lit-faces reproduce {study.name}` with the same options first"
        )
    return _Standing(finished, asked.runs, [*asked.remarks, *missing_lines(asked.runs, finished)], None)


def _write(folder: Path, study: Study, options: Options, standing: _Standing, results: Results) -> list[str]:
    """The files of a report; returns what it says in short."""
    whole, finished = standing.progress is None, standing.finished
    context = Context(study, finished, results, folder)
    first = next((run for run in finished if not run.is_judge), None)
    compared = any("parzen_log_likelihood" in table.columns.values() for table in study.tables)
    if whole and compared and first is not None:
        for name, record in baseline_records(context.data(first.name)).items():
            results.rows.extend(rows_of(study, name, {0: record}, first.comparable))
    judgements = judge(study, results)
    provenance = _provenance(results)
    strip = None if first is None else draw_strip(context)
    figures = _draw(context) if whole and first is not None else {}
    published, measured = published_tables(study, results), measured_tables(study, results)
    claims = claims_table(study, results, judgements)
    remarks = [*parts_of_data(context), *standing.remarks, *(unlogged(context) if whole else [])]
    for table in (*published, *measured):
        write_table(folder / f"{table.name}.csv", table.header, table.rows)
    if finished:
        data = next(iter(results.records[(first or finished[0]).name].values()))["data"]
        write_json(folder / "records.json", results.records)
        write_json(
            folder / "results.json",
            {
                "study": study.name,
                "profile": options.profile,
                "rows": [row.to_dict() for row in results.rows],
                "claims": [judgement.to_dict() for judgement in judgements],
                "data": {"name": data["name"], "manifest": data["manifest"], "sha256": data["manifest_sha256"]},
                "provenance": provenance,
            },
        )
    page = Page(
        title=f"{study.title} ({options.profile} profile, {data_words(study, replace(context, runs=standing.runs))})",
        paper=study.paper,
        progress=standing.progress,
        remarks=remarks,
        strip=strip,
        samples=_copied_samples(folder, standing),
        verdicts=verdict_lines(judgements) if first is not None else [],
        counted=count_verdicts(judgements),
        note=claims.note,
        tables=[for_readers(table) for table in published],
        further=[for_readers(table) for table in measured],
        figures=figures,
        differences=differences(study, options, context) if first is not None else [],
        tests=lettered_tests(judgements),
        how=how_lines(published),
        provenance=provenance,
    )
    write_pages(folder, page)
    if not whole:
        return []
    tests = "\n".join(f"test {letter}: {test}." for letter, test in lettered_tests(judgements).items())
    return [*remarks, *map(text_table, published), text_table(claims), *([tests] if tests else [])]


def _copied_samples(folder: Path, standing: _Standing) -> list[Picture]:
    """The latest picture of each run that is not finished, in the report's folder."""
    pictures = []
    for sample in samples([run for run in standing.runs if run not in standing.finished]):
        path = folder / f"samples_{sample.path.parents[1].name}.png"
        shutil.copyfile(sample.path, path)
        pictures.append(Picture(path, f"{sample.run}, after {sample.epoch} epoch{'s' * (sample.epoch != 1)}"))
    return pictures


@torch.no_grad()
def _draw(context: Context) -> dict[str, list[Picture]]:
    """All figures that the study names, in its order, by the captions that they share."""
    figures: dict[str, list[Picture]] = {}
    for name, settings in context.study.figures.items():
        for path in FIGURES[name](settings, context):
            caption, rest = context.study.caption_parts(path.stem)
            figures.setdefault(caption, []).append(Picture(path, rest, path.with_suffix(".csv")))
    return figures


def _provenance(results: Results) -> dict[str, Any]:
    runs = {
        f"{name}, seed {seed}": {
            "config_sha256": record["config_sha256"],
            "data_sha256": record["data"]["manifest_sha256"],
            "parameters": record["parameters"],
            "epochs": record["training"]["epochs"],
            "training_minutes": round(record["training"]["seconds"] / 60, 1),
            "sittings": record["training"]["sittings"],
            "training_precision": record["training"]["precision"],
            "device": f"{record['training']['processor']}, {_threads(record['training']['threads'])}"
            if record["training"]["accelerator"] == "none"
            else record["training"]["accelerator"],
            "evaluation_minutes": round(record["evaluation"]["seconds"] / 60, 1),
        }
        for name, by_seed in results.records.items()
        for seed, record in by_seed.items()
    }
    return {"runs": runs, "report": environment()}


def _threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"
