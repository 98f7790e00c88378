"""The figures of the studies, by the names that a study.yaml gives them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lit_faces.studies.figures.arithmetic import draw_arithmetic
from lit_faces.studies.figures.attribute_accuracy import draw_attribute_accuracy
from lit_faces.studies.figures.context import Context
from lit_faces.studies.figures.curves import draw_training, draw_widths
from lit_faces.studies.figures.faces import (
    draw_edited,
    draw_generated,
    draw_missing,
    draw_reconstructed,
    draw_removed,
    draw_senior,
)
from lit_faces.studies.figures.latent2d import draw_latent2d
from lit_faces.studies.figures.manifolds import draw_manifolds
from lit_faces.studies.figures.roll import draw_swiss_roll
from lit_faces.studies.figures.styles import draw_styles, draw_subspaces
from lit_faces.studies.figures.switched import draw_switched
from lit_faces.studies.figures.transfer import draw_expressions, draw_identity_transfer, draw_joint

FIGURES: dict[str, Callable[[Any, Context], list[Path]]] = {
    "generate": draw_generated,
    "edit": draw_edited,
    "remove": draw_removed,
    "edit_senior": draw_senior,
    "edit_missing": draw_missing,
    "latent2d": draw_latent2d,
    "reconstructions": draw_reconstructed,
    "swiss_roll": draw_swiss_roll,
    "styles": draw_styles,
    "joint": draw_joint,
    "identity_transfer": draw_identity_transfer,
    "expressions": draw_expressions,
    "subspaces": draw_subspaces,
    "switched": draw_switched,
    "attribute_accuracy": draw_attribute_accuracy,
    "manifolds": draw_manifolds,
    "arithmetic": draw_arithmetic,
    "parzen_width": draw_widths,
    "training": draw_training,
}
