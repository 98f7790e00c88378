"""What the page offers for some models, and what they make of a face as the sliders stand. Knows nothing of the page."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lit_faces.editing.changes import editable
from lit_faces.editing.demo.cards import Card
from lit_faces.editing.demo.faces import Face, draw, draws, fitted
from lit_faces.editing.demo.walks import changed, walks_of
from lit_faces.images import to_pil, to_rgb
from lit_faces.methods.base import Method
from lit_faces.methods.capabilities import Edits
from lit_faces.photographs.blending import blend

# Shown at first, if there are too many to show all: what can be seen in a picture, and is no judgement of a person.
_FIRST = ("Smiling", "Eyeglasses", "Mustache", "Bangs", "Blond Hair", "Male")
_ALL_SHOWN = 10


class Panel:
    """Models by their titles, and the sliders that they have between them.

    `attributes` are the names of all that a model can change, with spaces for underscores;
    `walks` are (title, name, walk) of each plane and layer. The sliders stand for `attributes`, one each, then for
    the numbers of the `walks`.
    """

    def __init__(self, models: dict[str, Method]) -> None:
        self.models = models
        self._names = {title: _names(method) for title, method in models.items()}
        self.attributes = tuple(dict.fromkeys(name for names in self._names.values() for name in names))
        self.walks = tuple(
            (title, name, walk) for title, method in models.items() for name, walk in walks_of(method).items()
        )

    @cached_property
    def first(self) -> tuple[str, ...]:
        """The attributes whose sliders are shown at first."""
        if len(self.attributes) <= _ALL_SHOWN:
            return self.attributes
        return tuple(name for name in _FIRST if name in self.attributes) or self.attributes[: len(_FIRST)]

    @cached_property
    def artist(self) -> str | None:
        """The title of the first model that draws faces of its own, if one does."""
        return next((title for title, method in self.models.items() if draws(method)), None)

    def has(self, title: str, attribute: str) -> bool:
        """Whether a model can change an attribute."""
        return attribute in self._names[title]

    def drawn(self, seed: int) -> Face:
        """A face drawn by the `artist`, always the same one for the same `seed`."""
        assert self.artist is not None
        with torch.inference_mode():
            face = draw(self.models[self.artist], seed)
            return Face(tuple(fitted(face, method) for method in self.models.values()))

    @property
    def rest(self) -> list[float]:
        """The values of all sliders at rest, where no picture is changed."""
        return [0.0] * len(self.attributes) + [value for _, _, walk in self.walks for value in walk.start]

    def made(self, face: Face, shown: Sequence[str], values: Sequence[float], strength: float = 1.0) -> list[Tensor]:
        """What each model makes of a face (C, H, W) in [0, 1], for the `values` of all sliders.

        Attributes that are not `shown` stay as they are, and at a `strength` of 0 all that there is.
        """
        amounts = {name: value for name, value in zip(self.attributes, values, strict=False) if name in shown}
        points = self._points(values[len(self.attributes) :])
        pictures = []
        with torch.inference_mode():
            for (title, method), seen in zip(self.models.items(), face.images, strict=True):
                own = {self._names[title][name]: amount for name, amount in amounts.items() if self.has(title, name)}
                pictures.append(changed(method, seen, own, points[title], strength)[0])
        return pictures

    def cards(self, face: Face, shown: Sequence[str], values: Sequence[float]) -> list[Card]:
        """The face, and what is `made` of it."""
        picked = Card(to_pil(face.images[0][0]), "The face", "as it was picked", "face.png")
        made = zip(self.models.items(), self.made(face, shown, values), strict=True)
        return [
            picked,
            *(Card(to_pil(image), title, _about(method), _file(title, "png")) for (title, method), image in made),
        ]

    def photographs(self, face: Face, shown: Sequence[str], values: Sequence[float]) -> list[Card]:
        """The photograph that the face is of with what is `made` of it, if it has more pixels than the models' pictures."""
        photograph = face.photograph
        if photograph is None or min(photograph.size) <= max(image.shape[-1] for image in face.images):
            return []
        before, after = (self.made(face, shown, values, strength) for strength in (0.0, 1.0))
        pictures = [
            blend(photograph, part, _pixels(old), _pixels(new))
            for part, old, new in zip(face.parts, before, after, strict=True)
        ]
        about = f"{photograph.width} x {photograph.height} pixels"
        return [
            Card(picture, f"The photograph, by {title}", about, _file(title, "jpg"))
            for title, picture in zip(self.models, pictures, strict=True)
        ]

    def _points(self, values: Sequence[float]) -> dict[str, dict[str, tuple[float, ...]]]:
        points: dict[str, dict[str, tuple[float, ...]]] = {title: {} for title in self.models}
        position = 0
        for title, name, walk in self.walks:
            points[title][name] = tuple(values[position : position + len(walk.start)])
            position += len(walk.start)
        return points


def _names(method: Method) -> dict[str, str]:
    """What the method calls the attributes that it can change, by what the page calls them."""
    return {name.replace("_", " "): name for name in editable(method)} if isinstance(method, Edits) else {}


def _about(method: Method) -> str:
    _, height, width = method.spec.image_shape
    return f"trained on {method.spec.name}, {width} x {height} pixels"


def _file(title: str, suffix: str) -> str:
    return f"{title.lower().replace(' ', '_')}.{suffix}"


def _pixels(image: Tensor) -> NDArray[np.float32]:
    """An image (C, H, W) as (H, W, 3)."""
    return np.ascontiguousarray(to_rgb(image).permute(1, 2, 0).float().numpy())
