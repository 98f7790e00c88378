"""A study's report: tables, claims, figures, provenance; as HTML, Markdown, JSON and CSV."""

from pathlib import Path
from typing import Any

import torch
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from lit_faces.callbacks.record import environment
from lit_faces.files import replacing_folder, sha256_of, write_json, write_text
from lit_faces.studies.baselines import baseline_records
from lit_faces.studies.cells import text_table
from lit_faces.studies.claims import judge
from lit_faces.studies.collect import Results, collect, rows_of
from lit_faces.studies.differences import data_words, differences, parts_of_data
from lit_faces.studies.figures import FIGURES
from lit_faces.studies.figures.context import Context
from lit_faces.studies.figures.curves import unlogged
from lit_faces.studies.figures.drawing import write_table
from lit_faces.studies.measured import measured_tables
from lit_faces.studies.plan import Reported, reported
from lit_faces.studies.study import Options, Study
from lit_faces.studies.tables import claims_table, for_readers, lettered_tests, published_tables


def write_report(study: Study, options: Options) -> str:
    """Write `index.html`, `report.md`, `results.json`, CSVs and figures in place of an earlier report; returns what to print.

    If it fails, the earlier report stays as it was. Raises UserError if a file that it is made from is missing or damaged.
    """
    asked = reported(study, options)
    results = collect(study, asked.runs)
    folder = options.reports / study.name / options.label
    with replacing_folder(folder) as temporary:
        said = _write(temporary, study, options, asked, results)
    return "\n\n".join([*said, f"report: {folder / 'index.html'}"])


def _write(folder: Path, study: Study, options: Options, asked: Reported, results: Results) -> list[str]:
    """The files of a report; returns what it says in short."""
    runs = asked.runs
    context = Context(study, runs, results, folder)
    first = next(run for run in runs if not run.is_judge)
    data = context.data(first.name)
    if any("parzen_log_likelihood" in table.columns.values() for table in study.tables):
        for name, record in baseline_records(data).items():
            results.rows.extend(rows_of(study, name, {0: record}, first.comparable))
    judgements = judge(study, results)
    provenance = _provenance(results)
    write_json(folder / "records.json", results.records)
    write_json(
        folder / "results.json",
        {
            "study": study.name,
            "profile": options.profile,
            "rows": [row.to_dict() for row in results.rows],
            "claims": [judgement.to_dict() for judgement in judgements],
            "data": {"name": data.spec.name, "manifest": data.spec.manifest, "sha256": sha256_of(data.spec.manifest)},
            "provenance": provenance,
        },
    )
    tables = [*published_tables(study, results), *measured_tables(study, results)]
    for table in tables:
        write_table(folder / f"{table.name}.csv", table.header, table.rows)
    pictures = _draw(context)
    remarks = [*parts_of_data(context), *asked.remarks, *unlogged(context)]
    claims = claims_table(study, results, judgements)
    page = {
        "title": f"{study.title} ({options.profile} profile, {data_words(study, context)})",
        "paper": study.paper,
        "remarks": remarks,
        "tables": [for_readers(table) for table in tables],
        "claims": claims,
        "tests": lettered_tests(judgements),
        "pictures": [(path.name, study.caption(path.stem), path.with_suffix(".csv").name) for path in pictures],
        "differences": differences(study, options, context),
        "provenance": provenance,
    }
    environment_ = Environment(
        loader=PackageLoader("lit_faces.studies"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for template, name in (("report.html", "index.html"), ("report.md", "report.md")):
        write_text(folder / name, environment_.get_template(template).render(page))
    published = {table.name for table in study.tables}
    printed = [text_table(table) for table in tables if table.name in published]
    tests = "\n".join(f"test {letter}: {test}." for letter, test in lettered_tests(judgements).items())
    return [*remarks, *printed, text_table(claims), *([tests] if tests else [])]


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


@torch.no_grad()
def _draw(context: Context) -> list[Path]:
    """All figures that the study names, in its order."""
    return [path for name, settings in context.study.figures.items() for path in FIGURES[name](settings, context)]
