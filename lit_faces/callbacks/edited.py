"""Pictures that several measures need of one batch, made once; and the true pictures of drawn faces."""

from functools import cached_property
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from lit_faces.callbacks.edits import Edit
from lit_faces.data.base import to_unit_range
from lit_faces.data.batch import Batch
from lit_faces.methods.base import Method
from lit_faces.methods.capabilities import Edits, EditsLatents, Reconstructs


class Pictures:
    """What a method makes of a batch of faces: reconstructions, and those that lack what an edit gives, edited."""

    def __init__(self, method: Method, batch: Batch) -> None:
        self.method, self.batch = method, batch
        self._edited: dict[Edit, Tensor] = {}

    @cached_property
    def unedited(self) -> Tensor:
        """Reconstructions (B, C, H, W); the faces themselves for a method that makes none."""
        if isinstance(self.method, Reconstructs):
            return self.method.reconstruct(self.batch.images, self.batch.attributes)
        return self.batch.images

    def lacking(self, edit: Edit) -> Tensor:
        """Which faces (B,) lack what an edit gives."""
        return edit.lacking(self.batch.attributes, self.method.spec)

    def edited(self, edit: Edit) -> Tensor:
        """The faces (M, C, H, W) that lack what an edit gives, edited."""
        if edit not in self._edited:
            lacking, method = self.lacking(edit), self.method
            faces, spec = part_of(self.batch, lacking), method.spec
            if isinstance(method, EditsLatents):
                target = edit.apply(faces.attributes, spec)
                self._edited[edit] = method.edit_latent(self.latent[lacking], faces.attributes, target, edit.reach)
            else:
                assert isinstance(method, Edits)
                self._edited[edit] = edit.made(method, faces.images, faces.attributes, spec)
        return self._edited[edit]

    @cached_property
    def latent(self) -> Tensor:
        """Latent codes (B, D), of a method that edits these."""
        assert isinstance(self.method, EditsLatents)
        return self.method.latent(self.batch.images, self.batch.attributes)


def part_of(batch: Batch, rows: Tensor) -> Batch:
    """Some faces of a batch, by their numbers (M,) or by whether they are among them (B,)."""
    return Batch(*(column[rows] for column in batch))


@runtime_checkable
class DrawsCounterfactuals(Protocol):
    """Data that can be drawn again with one attribute changed and all else as it was."""

    def counterfactual(self, index: Tensor, name: str, on: bool) -> Tensor:
        """Images (B, H, W, C) uint8 of the rows `index` (B,) with the attribute set or reset."""
        ...


def true_pictures(data: DrawsCounterfactuals, faces: Batch, attribute: str, on: bool) -> Tensor:
    """Images (B, C, H, W) in [0, 1] of the faces with one attribute set or reset, as they truly are."""
    # Drawn as the data were: in full precision, on ordinary tensors.
    with torch.inference_mode(False), torch.autocast("cpu", enabled=False):
        drawn = data.counterfactual(faces.row.cpu().clone(), attribute, on).to(faces.images.device)
    return to_unit_range(faces._replace(images=drawn)).images
