"""Faces to begin with: drawn by a model, or found in a photograph, as each model on the page sees them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from lit_faces.editing.photo import face_of
from lit_faces.errors import UserError
from lit_faces.methods.base import Method
from lit_faces.methods.capabilities import Generates, Layered
from lit_faces.photographs.detector import find_faces
from lit_faces.photographs.framing import Box, frame_of, middle, region
from lit_faces.photographs.reading import open_photograph

_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
# Of the prior's standard deviation: draws nearer to its mean are better pictures.
_NOISE = 0.5
# Side by side on a page that is to stay quick.
_MOST_PICTURES = 60
# Pixels a side of a photograph, which is sent to the browser whole.
_LONGEST = 1600


@dataclass(frozen=True)
class Face:
    """One face as each model sees it, `images` (1, C, H, W) in [0, 1], and the RGB photograph that they are `parts` of, if any.

    `found` is whether a face was found in the photograph; else its middle is taken.
    """

    images: tuple[Tensor, ...]
    photograph: Image.Image | None = None
    parts: tuple[Box, ...] = ()
    found: bool = True


def draws(method: Method) -> bool:
    """Whether the method makes faces of its own."""
    return isinstance(method, (Generates, Layered))


def draw(method: Method, seed: int) -> Tensor:
    """A face (1, C, H, W) in [0, 1] drawn by a method that `draws`, always the same one for the same `seed`.

    Attributes are drawn one by one, as often present as in the training data, and what else there is from the prior, at
    half its standard deviation.
    """
    generator = torch.Generator().manual_seed(seed)
    if isinstance(method, Layered):
        return method.decode(_NOISE * torch.randn(1, sum(method.latent_dims), generator=generator))
    assert isinstance(method, Generates)
    spec = method.spec
    mean, std, low, high = (torch.tensor(values) for values in (spec.mean, spec.std, spec.low, spec.high))
    present = torch.rand(len(mean), generator=generator) * (high - low) < mean - low
    attributes = (torch.where(present, high, low) - mean) / std
    return method.generate(attributes[None], _NOISE * torch.randn(1, method.noise_dim, generator=generator))


def fitted(face: Tensor, method: Method) -> Tensor:
    """A face (1, C, H, W) that another model has drawn, of the size and the colours of this one's."""
    channels, height, width = method.spec.image_shape
    if face.shape[2:] != (height, width):
        face = torch.nn.functional.interpolate(face, (height, width), mode="bilinear", antialias=True)
    return face.mean(1, keepdim=True) if channels == 1 else face.expand(-1, channels, -1, -1)


def read(picture: Path, methods: Sequence[Method]) -> Face:
    """The largest face in a photograph, cut out for each method as its training data are.

    Of a photograph in which no face is found, and for a method trained on data of which it is not known how they are cut, the
    middle is taken. A photograph of more than 1,600 pixels a side is reduced to that.
    Errors: UserError for a file that is no photograph.
    """
    photograph = open_photograph(picture)
    photograph.thumbnail((_LONGEST, _LONGEST))
    # What there is beside the pixels stays behind.
    photograph.info.clear()
    boxes = find_faces(photograph)
    parts = tuple(_part(photograph, boxes, method) for method in methods)
    images = tuple(face_of(method, photograph, part) for method, part in zip(methods, parts, strict=True))
    return Face(images, photograph, parts, bool(boxes))


def _part(photograph: Image.Image, boxes: Sequence[Box], method: Method) -> Box:
    try:
        frame = frame_of(method.spec.name, method.spec.manifest)
    except UserError:
        return middle(photograph)
    return region(boxes[0], frame) if boxes else middle(photograph)


def pictures_in(folder: Path) -> list[Path]:
    """The first PNG, JPEG and WebP files of a folder, by name. Raises UserError if there is no folder or no such file in it."""
    if not folder.is_dir():
        raise UserError(f"--faces: there is no folder {folder}: name one of pictures of faces")
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES and path.is_file())
    if not found:
        raise UserError(f"--faces: there are no PNG, JPEG or WebP pictures in {folder}: name another folder")
    return found[:_MOST_PICTURES]
