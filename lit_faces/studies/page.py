"""The pages of a report, from what stands on them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from PIL import Image

from lit_faces.files import write_text
from lit_faces.studies.cells import Cells
from lit_faces.studies.figures.strip import Strip
from lit_faces.studies.tables import VerdictLine


@dataclass(frozen=True)
class Picture:
    """A picture in the folder of a report, the words that belong to it, and the table that it was drawn from, if any."""

    path: Path
    words: str
    table: Path | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        with Image.open(self.path) as picture:
            return picture.size


@dataclass(frozen=True)
class Page:
    """What stands on a page, in its order; what is empty is left out.

    `progress` says how far a study is that is still being made, None of any other. `figures` are pictures by the captions that
    they share, `tests` those of the claims by their letters, `provenance` the runs' and the report's own.
    """

    title: str
    paper: str
    progress: str | None
    remarks: list[str]
    strip: Strip | None
    samples: list[Picture]
    verdicts: list[VerdictLine]
    counted: str
    note: str
    tables: list[Cells]
    further: list[Cells]
    figures: dict[str, list[Picture]]
    differences: list[str]
    tests: dict[str, str]
    how: list[str]
    provenance: dict[str, Any]

    @property
    def contents(self) -> dict[str, str]:
        """The sections that the page has, by the names that links have for them."""
        sections = {
            "edits": (self.strip.heading if self.strip else "", self.strip),
            "samples": ("Not finished" if self.progress is None else "In training", self.samples),
            "verdicts": ("Verdicts", self.verdicts),
            "tables": ("The paper's tables", self.tables),
            "further": ("Further results", self.further),
            "figures": ("Figures", self.figures),
            "differences": ("Differences from the paper", self.differences),
            "made": ("How it was made", self.provenance["runs"]),
        }
        return {name: title for name, (title, there) in sections.items() if there}


def write_pages(folder: Path, page: Page) -> None:
    """Write `index.html` and `report.md`."""
    templates = Environment(
        loader=PackageLoader("lit_faces.studies"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for template, name in (("report.html", "index.html"), ("report.md", "report.md")):
        write_text(folder / name, templates.get_template(template).render(page=page))
