"""The figures of the studies, by the names that a study.yaml gives them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lit_faces.studies.figures.context import Context
from lit_faces.studies.figures.curves import draw_training, draw_widths
from lit_faces.studies.figures.faces import draw_edited, draw_generated, draw_reconstructed, draw_removed

FIGURES: dict[str, Callable[[Any, Context], list[Path]]] = {
    "generate": draw_generated,
    "edit": draw_edited,
    "remove": draw_removed,
    "reconstructions": draw_reconstructed,
    "parzen_width": draw_widths,
    "training": draw_training,
}
