"""A study's report: tables, claims, figures, provenance; as HTML, Markdown, JSON and CSV."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from jsonargparse import ArgumentParser

from lit_faces.callbacks.record import environment
from lit_faces.data.base import FaceDataModule
from lit_faces.files import sha256_of, write_json, write_text
from lit_faces.methods.base import Method, load_method
from lit_faces.studies import figures
from lit_faces.studies.baselines import baseline_records
from lit_faces.studies.claims import Judgement, judge
from lit_faces.studies.collect import Results, Row, collect, rows_of
from lit_faces.studies.plan import JUDGE, Run, plan
from lit_faces.studies.study import Options, Study


@dataclass(frozen=True)
class Cells:
    """A table as it is printed: a title, a header and rows of text."""

    title: str
    header: list[str]
    rows: list[list[str]]


def write_report(study: Study, options: Options) -> str:
    """Write `index.html`, `report.md`, `results.json`, CSVs and figures into the report's folder; returns what to print.

    Raises UserError if a record is missing.
    """
    runs = plan(study, options)
    results = collect(study, options, runs)
    data = load_data(next(run for run in runs if run.name != JUDGE))
    results.rows.extend(
        row for name, r in baseline_records(data).items() for row in rows_of(study, options, name, {0: r})
    )
    judgements = judge(study, results)
    folder = options.reports / study.name / options.label
    folder.mkdir(parents=True, exist_ok=True)
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
    tables = [*published_tables(study, options, results), *measured_tables(study, results)]
    names = [table.name for table in study.tables] + ["measured", "edits"]
    for name, table in zip(names, tables, strict=False):
        figures.write_table(folder / f"{name}.csv", table.header, table.rows)
    pictures = _draw(study, runs, results, data, folder)
    context = {
        "title": f"{study.title}: {options.profile} profile on {_data_words(options)}",
        "paper": study.paper,
        "tables": tables,
        "judgements": judgements,
        "claims": claims_table(judgements),
        "pictures": [(path.name, path.stem.replace("_", " "), path.with_suffix(".csv").name) for path in pictures],
        "differences": differences(study, options, results, data),
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
        write_text(folder / name, environment_.get_template(template).render(context))
    printed = [text_table(table) for table in tables[: len(study.tables)]]
    return "\n\n".join([*printed, text_table(claims_table(judgements)), f"report: {folder / 'index.html'}"])


def _data_words(options: Options) -> str:
    return "synthetic faces" if options.data == "Synthetic" else options.data


def load_data(run: Run) -> FaceDataModule:
    """The data of a run, set up, from the config in its folder."""
    config = yaml.safe_load(run.folder.config.read_text(encoding="utf-8"))["data"]
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(FaceDataModule, "data")
    data = parser.instantiate_classes(parser.parse_object({"data": config})).data
    assert isinstance(data, FaceDataModule)
    data.prepare_data()
    data.setup()
    return data


def _number(row: Row | None) -> str:
    if row is None:
        return "-"
    digits = 0 if row.unit == "nats per image" else 3
    error = "" if row.stderr is None else f" ± {row.stderr:,.{digits}f}"
    spread = "" if row.spread is None else f" (seeds: ± {row.spread:,.{digits}f})"
    return f"{row.value:,.{digits}f}{error}{spread}"


def published_tables(study: Study, options: Options, results: Results) -> list[Cells]:
    """The paper's tables with its numbers beside ours."""
    cells = []
    comparable = options.data == study.data
    for table in study.tables:
        header = ["model", "ours ± standard error", "the paper's", "n", "seeds", "how"]
        measured = [row for row in results.rows if row.metric == table.metric]
        rows = []
        for row in measured:
            published = "-" if row.published is None else f"{row.published:,.0f}"
            if row.published is not None and not comparable:
                published += " (not comparable)"
            how = ", ".join(f"{key} {_plain(value)}" for key, value in row.settings.items())
            rows.append([row.run, _number(row), published, f"{row.n:,}", str(len(row.seeds)), how])
        cells.append(Cells(table.title, header, rows))
    return cells


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, dict):
        return "; ".join(f"{key} {_plain(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return f"[{', '.join(_plain(inner) for inner in value)}]"
    return str(value)


def measured_tables(study: Study, results: Results) -> list[Cells]:
    """What we measured beyond the paper: the terms of the bound, and how well edits show, beside the judge's own accuracy."""
    names = list(dict.fromkeys(row.run for row in results.rows if row.run != JUDGE))
    metrics = ("log_likelihood", "kl", "iwae", "pixels_at_variance_floor", "nearest_sample_rms")
    units = {row.metric: row.unit for row in results.rows}
    terms = [
        [metric, *(_number(results.row(name, metric)) for name in names), units[metric]]
        for metric in metrics
        if metric in units
    ]
    cells = [Cells("Terms of the bound and distances", ["metric", *names, "unit"], terms)]
    models = [name for name in names if results.row(name, "generation_accuracy") is not None]
    rows = []
    for edit, described in study.edits.items():
        judged = next(iter(described.get("set", []) or described.get("reset", [])))
        own = results.row(JUDGE, f"balanced_accuracy/{judged}")
        for kind in ("unedited_rate", "edit_accuracy", "edit_change_in_others", "generation_accuracy"):
            found = [results.row(name, f"{kind}/{edit}") for name in models]
            if any(found):
                rows.append(
                    [edit, kind, *(_number(row) for row in found), _number(own), str(max(r.n for r in found if r))]
                )
    header = ["edit", "metric", *models, "judge's balanced accuracy", "n"]
    cells.append(Cells("How often the judge sees the attribute, on test faces that lack it", header, rows))
    return cells


def claims_table(judgements: list[Judgement]) -> Cells:
    """Verdicts with their evidence."""
    rows = []
    for judgement in judgements:
        evidence = "; ".join(
            f"{e['of']}: {e['mean']:,.3g} [{e['low']:,.3g}, {e['high']:,.3g}]" for e in judgement.evidence
        )
        rows.append([judgement.claim, judgement.verdict, evidence or "-"])
    return Cells("The paper's claims", ["claim", "verdict", "mean difference [95 % interval]"], rows)


def text_table(table: Cells) -> str:
    """A table as aligned text."""
    lines = [table.header, *table.rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(table.header))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([table.title, text[0], "  ".join("-" * width for width in widths), *text[1:]])


def differences(study: Study, options: Options, results: Results, data: FaceDataModule) -> list[str]:
    """Where this reproduction differs from the paper, read off the records."""
    said = []
    if options.profile == "smoke":
        said.append(
            "The smoke profile trains for seconds: its numbers and verdicts show that everything runs, nothing else."
        )
    if options.data != study.data:
        said.append(
            f"The data are {_data_words(options)}, not {study.data}: the published numbers stand beside ours for orientation "
            "only, and none of the verdicts speaks of the paper's data."
        )
    for name in study.runs:
        for seed, record in sorted(results.records.get(name, {}).items()):
            epochs = record["training"]["epochs"]
            if epochs != study.epochs:
                said.append(
                    f"{name}, seed {seed}, was trained for {epochs} epochs; the paper trained for {study.epochs}."
                )
    width = next((r[min(r)]["arguments"].get("width") for n, r in results.records.items() if n in study.runs), None)
    if width not in (None, 1.0):
        said.append(f"The networks have {width} times the paper's channels.")
    source = data.spec.manifest.get("attributes", {})
    if isinstance(source, dict) and str(source.get("file", "")).endswith(".mat"):
        said.append(
            f"The {len(data.spec.attributes)} attributes are the signs of the published scores ({source['file']}); the "
            "paper's are real-valued."
        )
    return [*said, *study.differences]


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
            "device": f"{record['training']['processor']}, {record['training']['threads']} threads"
            if record["training"]["accelerator"] == "none"
            else record["training"]["accelerator"],
            "evaluation_minutes": round(record["evaluation"]["seconds"] / 60, 1),
        }
        for name, by_seed in results.records.items()
        for seed, record in by_seed.items()
    }
    return {"runs": runs, "report": environment()}


@torch.no_grad()
def _draw(study: Study, runs: list[Run], results: Results, data: FaceDataModule, folder: Path) -> list[Path]:
    """All figures; those that show pictures are of the first seed."""
    first = min(run.seed for run in runs if run.name != JUDGE)
    loaded: dict[str, Method] = {
        run.name: load_method(run.folder.checkpoint) for run in runs if run.name == JUDGE or run.seed == first
    }
    judge_ = loaded.pop(JUDGE)
    drawn: list[Path | None] = []
    for name, method in loaded.items():
        drawn.append(figures.draw_generated(study, name, method, judge_, folder))
    for name, method in loaded.items():
        drawn.append(figures.draw_edited(study, name, method, judge_, data, folder))
    drawn.append(figures.draw_removed(study, loaded, judge_, data, folder))
    drawn.append(figures.draw_reconstructed(loaded, data, folder))
    drawn.append(figures.draw_widths(results, folder))
    drawn.append(figures.draw_training([run for run in runs if run.name != JUDGE], folder))
    return [path for path in drawn if path is not None]
