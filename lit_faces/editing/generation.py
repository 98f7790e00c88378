"""Faces drawn from named attributes."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lit_faces.data.batch import Unnamed
from lit_faces.editing.changes import find_name
from lit_faces.errors import UserError
from lit_faces.methods.base import Method
from lit_faces.methods.capabilities import Generates, Labelled

_CHUNK = 64


def drawable(method: Method) -> tuple[str, ...]:
    """The attributes that the method draws faces from: its labels, if it models a few, else all of its data.

    Errors: UserError for a method that draws no faces from attributes.
    """
    if not isinstance(method, Generates):
        raise UserError(
            f"{type(method).__name__} draws no faces from attributes: use a checkpoint of a method that does, CMMA or "
            "CSVAE, for instance"
        )
    return method.labels if isinstance(method, Labelled) else method.spec.attributes


def find_drawable(method: Method, name: str) -> str:
    """The attribute's name as the method has it, of those that it draws faces from; written as in `find_editable`.

    Errors: UserError with the closest names, and all, for a name that is not among them.
    """
    return find_name(method, name, drawable(method), "draw")


@torch.inference_mode()
def generated(
    method: Method, on: Sequence[str], off: Sequence[str], count: int, seed: int = 0, others: Unnamed = "mean"
) -> Tensor:
    """Images (count, C, H, W) in [0, 1] with the attributes `on` and without those `off`.

    All `others` are at their mean, or as is expected of faces that have the named ones. The `seed` determines the noise.
    Errors: UserError for a method that draws no faces from attributes, for an attribute that it does not draw, and for others
    as expected where the method's data were described by an older version.
    """
    drawable(method)
    assert isinstance(method, Generates)
    on, off = ([find_drawable(method, name) for name in names] for names in (on, off))
    attributes = method.spec.vector(on, off, others).to(method.device).expand(count, -1)
    noise = torch.randn(count, method.noise_dim, generator=torch.Generator().manual_seed(seed)).to(method.device)
    pairs = zip(torch.split(attributes, _CHUNK), torch.split(noise, _CHUNK), strict=True)
    return torch.cat([method.generate(some, its_noise) for some, its_noise in pairs])
