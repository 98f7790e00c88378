"""Changes of named attributes in faces of which nothing but the picture is known."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

import torch
from torch import Tensor

from lit_faces.data.batch import DataSpec, Others
from lit_faces.errors import UserError
from lit_faces.methods.base import Method
from lit_faces.methods.capabilities import Edits, Infers, Labelled, Layered, Recognises, Switches


def editable(method: Method) -> tuple[str, ...]:
    """The attributes that the method can change: its labels, if it models a few, else all of its data.

    Errors: UserError for a method that cannot edit.
    """
    if not isinstance(method, Edits):
        name = type(method).__name__
        if isinstance(method, Layered):
            raise UserError(
                f"{name} cannot edit faces by their attributes: use `lit-faces arithmetic` or `lit-faces demo` with "
                "it, or a checkpoint of a method that can, CMMA or CSVAE, for instance"
            )
        raise UserError(f"{name} cannot edit faces: use a checkpoint of a method that can, CMMA or CSVAE, for instance")
    return method.labels if isinstance(method, Labelled) else method.spec.attributes


def find_editable(method: Method, name: str) -> str:
    """The attribute's name as the method has it; a space and an underscore, and large and small letters, are the same.

    Errors: UserError with the closest names, and all, for a name that is not among those that the method can change.
    """
    return find_name(method, name, editable(method), "change")


def find_name(method: Method, name: str, names: Sequence[str], can: str) -> str:
    """The one of the `names` that is meant, of attributes that the method `can` change or draw.

    Errors: UserError with the closest names, and all, if there is none.
    """
    plain = {_plain(known): known for known in names}
    if _plain(name) in plain:
        return plain[_plain(name)]
    close = [plain[match] for match in get_close_matches(_plain(name), plain, n=3, cutoff=0.5)]
    hint = f"did you mean {', '.join(close)}? " if close and len(close) < len(names) else ""
    raise UserError(f"this {type(method).__name__} cannot {can} {name!r}: {hint}it {can}s {', '.join(names)}")


def edited(
    method: Method,
    images: Tensor,
    amounts: Mapping[str, float],
    strength: float = 1.0,
    styles: Tensor | None = None,
    others: Others = "kept",
) -> Tensor:
    """Images (B, C, H, W) in [0, 1] of the same faces, changed by `amounts`.

    An amount of 1 sets the attribute that it is of, -1 takes it away, 2 and -2 do so twice as strongly, 0 changes nothing. What
    is set takes away the others of its group that are not named, as strongly. A method that `Infers` says what the faces are
    like now. For others they have the opposite of what is asked, and else what a method that `Recognises` sees in them, or the
    average. The `others`, attributes that are not named, are kept, or move along as is expected of faces that change so. The
    `strength` is of all amounts; at 0 the faces come back as the edit takes them to be now. `styles` (K, style_dim) are those
    of labels that are set, for a method that `Switches`; by default its own.
    Errors: UserError for a method that cannot edit, for an attribute that it cannot change, and for others as expected where
    the method's data were described by an older version.
    """
    attributes, target, strengths = _change(method, images, amounts, strength, others)
    if styles is None:
        assert isinstance(method, Edits)
        return method.edit(images, attributes, target, strengths)
    assert isinstance(method, Switches)
    return method.switch(images, attributes, target, styles, strengths)


@torch.inference_mode()
def moved_along(method: Method, images: Tensor, amounts: Mapping[str, float]) -> dict[str, float]:
    """How far each attribute that is not named moves in `edited` with others as expected, the furthest first.

    In standard deviations, mean over the images (B, C, H, W), of the attributes that the method can change. Errors as there.
    """
    attributes, target, strengths = _change(method, images, amounts, 1.0, "expected")
    moves = ((target - attributes) * strengths).mean(0)
    named = _with_groups({find_editable(method, name): amount for name, amount in amounts.items()}, method.spec)
    others = [name for name in editable(method) if name not in named]
    found = {name: float(moves[method.spec.position(name)]) for name in others}
    return dict(sorted(found.items(), key=lambda item: -abs(item[1])))


def _change(
    method: Method, images: Tensor, amounts: Mapping[str, float], strength: float, others: Others
) -> tuple[Tensor, Tensor, Tensor]:
    """The standardised attributes (B, A) that the faces have and are to have, and how strongly (A,) each is to change."""
    found = {find_editable(method, name): amount for name, amount in amounts.items()}
    spec, attributes = method.spec, _assumed(method, images)
    target, strengths = attributes.clone(), images.new_zeros(len(spec.attributes))
    for name, amount in found.items():
        if amount and not isinstance(method, Infers):
            attributes[:, spec.position(name)] = spec.standard_value(name, amount < 0)
    touched = []
    for name, amount in _with_groups(found, spec).items():
        column = spec.position(name)
        target[:, column] = spec.standard_value(name, amount > 0)
        strengths[column] = strength * abs(amount)
        touched.append(column)
    if others == "expected":
        along = spec.expected((target - attributes) * strengths, touched)
        free = torch.ones(len(spec.attributes), dtype=torch.bool)
        free[touched] = False
        target[:, free], strengths[free] = attributes[:, free] + along[:, free], 1.0
    return attributes, target, strengths


def _with_groups(amounts: Mapping[str, float], spec: DataSpec) -> dict[str, float]:
    """The amounts that are not 0, and those of the attributes that go with them by their groups."""
    named = {name: amount for name, amount in amounts.items() if amount}
    all_ = dict(named)
    for name, amount in named.items():
        if amount > 0:
            for other in spec.implied([name], list(named)):
                all_[other] = min(all_.get(other, 0.0), -amount)
    return all_


def _assumed(method: Method, images: Tensor) -> Tensor:
    """Standardised attributes (B, A) of images as the method sees them; average ones of a method that does not look."""
    if isinstance(method, Infers):
        return method.infer(images)
    spec, attributes = method.spec, images.new_zeros(len(images), len(method.spec.attributes))
    if not isinstance(method, Recognises):
        return attributes
    for label, seen in zip(method.labels, method.label_probabilities(images).unbind(1), strict=True):
        values = images.new_tensor([spec.standard_value(label, False), spec.standard_value(label, True)])
        attributes[:, spec.position(label)] = torch.where(seen > 0.5, values[1], values[0])
    return attributes


def _plain(name: str) -> str:
    return name.replace("_", " ").casefold().strip()
