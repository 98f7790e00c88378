"""Codes that a user walks through by hand: the plane W_i of a label, the first dimensions of a ladder's layers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lit_faces.editing.changes import edited, find_editable
from lit_faces.errors import UserError
from lit_faces.methods.base import Method
from lit_faces.methods.capabilities import Edits, Layered, Switches, layers_of

# Of a ladder's layer; the others stay where the face has them.
_DIMENSIONS = 2
# Standard deviations of the prior N(0, 1).
_REACH = 3.0


@dataclass(frozen=True)
class Walk:
    """One or two numbers of a code: from `least` to `most`, at first `start`, one of each a number."""

    least: tuple[float, ...]
    most: tuple[float, ...]
    start: tuple[float, ...]


def check_shown(method: Method, path: object) -> None:
    """Raise UserError for a method that neither edits faces nor has layers, and for one of points."""
    name = type(method).__name__
    if not isinstance(method, (Edits, Layered)):
        raise UserError(
            f"{path} is of {name}, which cannot change a face: use one that edits, CMMA or CSVAE, or a VLAE"
        )
    if method.spec.image_shape[1:] == (1, 1):
        raise UserError(f"{path} was trained on {method.spec.name}, which are points: use a model of faces")


def walks_of(method: Method) -> dict[str, Walk]:
    """The walks by name: labels, with spaces for underscores, if their subspaces are planes; layers, `z_0` the lowest."""
    if isinstance(method, Layered):
        sizes = {name: min(part.stop - part.start, _DIMENSIONS) for name, part in layers_of(method).items()}
        return {name: Walk((-_REACH,) * size, (_REACH,) * size, (0.0,) * size) for name, size in sizes.items()}
    if not isinstance(method, Switches) or method.style_dim != 2:
        return {}
    candidates, styles = method.candidate_styles(), method.styles()
    # (K, 2) each; the styles before any validation may be all the same.
    least, most = candidates.amin(0) - 1, candidates.amax(0) + 1
    return {
        label.replace("_", " "): Walk(
            *(tuple(round(value, 2) for value in points[i].tolist()) for points in (least, most, styles))
        )
        for i, label in enumerate(method.labels)
    }


def changed(
    method: Method,
    images: Tensor,
    amounts: Mapping[str, float],
    walks: Mapping[str, Sequence[float]],
    strength: float = 1.0,
) -> Tensor:
    """Images (B, C, H, W) in [0, 1] of the same faces: attributes changed by `amounts`, codes walked to `walks`.

    The point of a label is the style that it gets where its amount is above 0, the point of a layer is added to the
    first numbers of the face's own code; what is not among `walks` stays as it is.
    The `strength` is of all of this; at 0 the faces come back as they are taken to be now.
    Errors: UserError for an attribute that the method cannot change.
    """
    if isinstance(method, Layered):
        z = method.posterior(images).mean.clone()
        for name, part in layers_of(method).items():
            for dimension, step in enumerate(walks.get(name, ())):
                z[:, part.start + dimension] += strength * step
        return method.decode(z)
    if not walks:
        return edited(method, images, amounts, strength)
    assert isinstance(method, Switches)
    styles = method.styles().clone()
    for label, point in walks.items():
        styles[method.labels.index(find_editable(method, label))] = torch.tensor(point)
    return edited(method, images, amounts, strength, styles)
