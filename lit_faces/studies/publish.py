"""From a report to the documentation: the pages in docs/results and the verdicts in the README, nothing typed by hand."""

import json
import shutil
from pathlib import Path
from typing import Any

from lit_faces.errors import UserError
from lit_faces.files import write_text
from lit_faces.studies.study import Study

# Bytes of a figure, and of the first picture of a page.
_LARGEST_FIGURE, _LARGEST_STRIP = 300 * 1024, 800 * 1024
_COPIED = (".png", ".csv", ".json")


def publish(study: Study, report: Path, docs: Path, readme: Path) -> list[Path]:
    """Copy a report's page, figures, tables and results into `docs`/results in place of older ones; renew `readme`'s verdicts.

    Returns the pages that were written. Raises UserError if there is no report, or if a figure is too large.
    """
    page, results = report / "report.md", report / "results.json"
    if not page.is_file() or not results.is_file():
        raise UserError(f"there is no report in {report}: run `lit-faces reproduce {study.name}` first")
    folder = docs / "results" / study.name
    folder.mkdir(parents=True, exist_ok=True)
    text = page.read_text(encoding="utf-8")
    files = [path for path in sorted(report.iterdir()) if path.suffix in _COPIED]
    for path in files:
        largest = _LARGEST_STRIP if path.name == "strip.png" else _LARGEST_FIGURE
        if path.suffix == ".png" and path.stat().st_size > largest:
            raise UserError(f"{path} has {path.stat().st_size // 1024} KB, more than {largest // 1024}")
    for path in files:
        shutil.copyfile(path, folder / path.name)
        text = text.replace(f"]({path.name})", f"]({study.name}/{path.name})")
    write_text(docs / "results" / f"{study.name}.md", text)
    # What an earlier publication had and this one has not.
    for path in folder.iterdir():
        if path.suffix in _COPIED and path.name not in {new.name for new in files}:
            path.unlink()
    table = readme_table(json.loads(results.read_text(encoding="utf-8")))
    write_text(readme, with_table(readme.read_text(encoding="utf-8"), study.name, table))
    return [docs / "results" / f"{study.name}.md", readme]


def readme_table(results: dict[str, Any]) -> str:
    """The verdicts as a Markdown table, from the contents of `results.json`; the numbers are on the study's own page."""
    lines = ["| claim of the paper | verdict |", "| --- | --- |"]
    return "\n".join(lines + [f"| {claim['claim']} | {claim['verdict']} |" for claim in results["claims"]])


def with_table(readme: str, name: str, table: str) -> str:
    """The README with the table between its two markers renewed. Raises UserError if a marker is missing."""
    start, end = f"<!-- results of {name}: made by `lit-faces report {name} --publish` -->", f"<!-- end of {name} -->"
    if start not in readme or end not in readme:
        raise UserError(f"the README lacks the markers {start} and {end}")
    before, rest = readme.split(start)
    return f"{before}{start}\n{table}\n{end}{rest.split(end)[1]}"
