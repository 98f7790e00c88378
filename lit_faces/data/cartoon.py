"""Cartoon faces from named factors: their attributes, how they are sampled, changed and drawn."""

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from difflib import get_close_matches

import torch
from torch import Tensor

from lit_faces.data.cartoon_shapes import LAYERS, Layer, draw
from lit_faces.errors import UserError

# Raise this with every change of the drawings or of the sampling: it goes into the manifest.
VERSION = 2

ATTRIBUTES: tuple[str, ...] = (
    "Male",
    "Pale Skin",
    "Senior",
    "Smiling",
    "Mouth Wide Open",
    "Mouth Closed",
    "Eyeglasses",
    "No Eyewear",
    "Sunglasses",
    "Mustache",
    "Goatee",
    "Bushy Eyebrows",
    "Big Nose",
    "Pointy Nose",
    "Big Lips",
    "Bald",
    "Bangs",
    "Blond Hair",
    "Black Hair",
    "Gray Hair",
    "Wearing Hat",
    "Rosy Cheeks",
)
HAIR_COLOURS: tuple[str, ...] = ("Blond Hair", "Black Hair", "Gray Hair")
EYEWEAR: tuple[str, ...] = ("Eyeglasses", "No Eyewear", "Sunglasses")

IDENTITY_FACTORS: tuple[str, ...] = (
    "tone",
    "hair_tint",
    "face_width",
    "face_height",
    "jaw",
    "ear_size",
    "eye_distance",
    "eye_height",
    "eye_size",
    "eye_hue",
    "brow_height",
    "brow_slope",
    "nose_height",
    "nose_size",
    "mouth_height",
    "mouth_width",
    "hair_length",
    "hair_volume",
    "parting",
)
PICTURE_FACTORS: tuple[str, ...] = (
    "roll",
    "turn",
    "shift_x",
    "shift_y",
    "scale",
    "gaze_x",
    "gaze_y",
    "light",
    "light_x",
    "backdrop_red",
    "backdrop_green",
    "backdrop_blue",
    "backdrop_slope",
    "clothes_red",
    "clothes_green",
    "clothes_blue",
    "hat_red",
    "hat_green",
    "hat_blue",
    "frame_hue",
)
NUISANCE: tuple[str, ...] = IDENTITY_FACTORS + PICTURE_FACTORS

# Attributes of the person, shared by all pictures of one identity; the others belong to the picture.
_PERSON = (
    "Male",
    "Pale Skin",
    "Senior",
    "Bushy Eyebrows",
    "Big Nose",
    "Pointy Nose",
    "Big Lips",
    "Bald",
    "hair colour",
)
_PICTURE = ("Smiling", "Mouth Wide Open", "Mustache", "Goatee", "Bangs", "Wearing Hat", "Rosy Cheeks", "eyewear")
# So many pixels are drawn together (64 images of 64 by 64): their planes then stay in a processor's cache.
_CHUNK_PIXELS = 64 * 64 * 64


@dataclass(frozen=True)
class Factors:
    """All that determines N images: `attributes` (N, A) float32, 0 or 1; `nuisance` (N, F) float32 in [-1, 1]."""

    attributes: Tensor
    nuisance: Tensor

    def __len__(self) -> int:
        return len(self.attributes)

    def __getitem__(self, rows: Tensor | slice) -> "Factors":
        return Factors(self.attributes[rows], self.nuisance[rows])


def sample_factors(count: int, seed: int, correlation: float = 0.0, per_identity: int = 4) -> tuple[Factors, Tensor]:
    """Draw the factors of `count` images and their identities (N,) int64, counted from 0, `per_identity` images each.

    At correlation 0 attributes are independent but for logic; towards 1 they go together as in life, for example Male with
    Mustache and Big Nose, Senior with Gray Hair. A smaller count gives the first rows of a larger one.
    """
    identity = torch.arange(count) // per_identity
    people = -(-count // per_identity)
    person = _uniform(people, len(_PERSON) + len(IDENTITY_FACTORS), seed, "person")[identity]
    picture = _uniform(count, len(_PICTURE) + len(PICTURE_FACTORS), seed, "picture")
    chances = dict(zip(_PERSON, person.unbind(1), strict=False)) | dict(zip(_PICTURE, picture.unbind(1), strict=False))
    nuisance = torch.cat([person[:, len(_PERSON) :], picture[:, len(_PICTURE) :]], 1) * 2 - 1
    return Factors(_attributes(chances, correlation), nuisance), identity


def _uniform(rows: int, columns: int, seed: int, purpose: str) -> Tensor:
    digest = hashlib.sha256(f"{seed} {purpose}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:4], "big"))
    return torch.rand(rows, columns, generator=generator)


def _attributes(chance: dict[str, Tensor], correlation: float) -> Tensor:
    """Attributes (N, A) from one uniform number (N,) a choice."""

    def decide(name: str, alone: float, real: Tensor | float) -> Tensor:
        return (chance[name] < alone + correlation * (real - alone)).float()

    def choose(name: str, alone: tuple[float, ...], real: tuple[Tensor | float, ...]) -> list[Tensor]:
        """At most one of several, each with its own probability."""
        below = torch.zeros_like(chance[name])
        chosen = []
        for a, r in zip(alone, real, strict=True):
            above = below + a + correlation * (r - a)
            chosen.append(((chance[name] >= below) & (chance[name] < above)).float())
            below = above
        return chosen

    value = {"Male": decide("Male", 0.5, 0.5), "Pale Skin": decide("Pale Skin", 0.3, 0.3)}
    male = value["Male"]
    female = 1 - male
    senior = value["Senior"] = decide("Senior", 0.25, 0.25)
    value["Bushy Eyebrows"] = decide("Bushy Eyebrows", 0.3, 0.05 + 0.5 * male)
    value["Big Nose"] = decide("Big Nose", 0.3, 0.08 + 0.44 * male)
    value["Pointy Nose"] = decide("Pointy Nose", 0.3, 0.2 + 0.2 * female)
    value["Big Lips"] = decide("Big Lips", 0.3, 0.15 + 0.3 * female)
    bald = value["Bald"] = decide("Bald", 0.12, male * (0.1 + 0.4 * senior))
    colours = choose("hair colour", (0.25, 0.3, 0.15), (0.3 - 0.25 * senior, 0.4 - 0.35 * senior, 0.02 + 0.73 * senior))
    value |= {name: colour * (1 - bald) for name, colour in zip(HAIR_COLOURS, colours, strict=True)}
    smiling = value["Smiling"] = decide("Smiling", 0.5, 0.5)
    value["Mouth Wide Open"] = decide("Mouth Wide Open", 0.3, 0.05 + 0.5 * smiling)
    value["Mouth Closed"] = 1 - value["Mouth Wide Open"]
    value["Eyeglasses"], value["Sunglasses"] = choose("eyewear", (0.2, 0.12), (0.1 + 0.4 * senior, 0.15 - 0.1 * senior))
    value["No Eyewear"] = 1 - value["Eyeglasses"] - value["Sunglasses"]
    # From halfway, the default of the data set, women have no beards.
    beard = male if correlation >= 0.5 else torch.ones_like(male)
    value["Mustache"] = decide("Mustache", 0.2, 0.35 * male) * beard
    value["Goatee"] = decide("Goatee", 0.2, male * (0.15 + 0.4 * value["Mustache"])) * beard
    value["Bangs"] = decide("Bangs", 0.3, 0.12 + 0.33 * female) * (1 - bald)
    value["Wearing Hat"] = decide("Wearing Hat", 0.15, 0.1 + 0.1 * male)
    value["Rosy Cheeks"] = decide("Rosy Cheeks", 0.25, 0.05 + 0.3 * smiling + 0.15 * female)
    return torch.stack([value[name] for name in ATTRIBUTES], 1)


def render(factors: Factors, size: int = 64) -> Tensor:
    """Draw images, uint8 (N, size, size, 3); each depends on its own factors alone."""
    return render_values(torch.cat([factors.attributes, factors.nuisance], 1), ATTRIBUTES + NUISANCE, size)


def render_values(
    values: Tensor, names: tuple[str, ...], size: int, layers: Mapping[str, Layer] = LAYERS, channels: int = 3
) -> Tensor:
    """Draw images, uint8 (N, size, size, 3), from the numbers (N, P) that the `layers` know by these P names.

    With one channel they are drawn in grey, and their three channels are equal.
    """
    images = torch.empty(len(values), size, size, 3, dtype=torch.uint8)
    chunk = max(1, _CHUNK_PIXELS // (size * size))

    def draw_chunk(start: int) -> None:
        columns = values[start : start + chunk].t().contiguous().view(len(names), -1, 1, 1)
        drawn = draw(dict(zip(names, columns.unbind(0), strict=True)), size, layers, channels).mul_(255).add_(0.5)
        images[start : start + chunk] = drawn.to(torch.uint8).permute(0, 2, 3, 1)

    # One thread a chunk rather than all threads in each small operation, where they would wait for one another: on a busy
    # machine that is tens of times slower. A thread's setting reaches the others, hence the restoration.
    threads = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            list(pool.map(draw_chunk, range(0, len(values), chunk)))
    finally:
        torch.set_num_threads(threads)
    return images


def counterfactual(factors: Factors, name: str, on: bool) -> Factors:
    """The same people and pictures with one attribute set or reset, and what logic demands of the others.

    Without "No Eyewear", a face that wore none has eyeglasses. Raises UserError for an unknown attribute.
    """
    if name not in ATTRIBUTES:
        close = get_close_matches(name, ATTRIBUTES, n=3, cutoff=0.5)
        hint = f"did you mean {', '.join(close)}? " if close else ""
        raise UserError(f"Synthetic has no attribute {name!r}: {hint}it has {', '.join(ATTRIBUTES)}")
    column = ATTRIBUTES.index(name)
    attributes = factors.attributes.clone()
    before = attributes[:, column].clone()
    attributes[:, column] = float(on)

    def put(other: str, value: Tensor | float) -> None:
        attributes[:, ATTRIBUTES.index(other)] = value

    if name in EYEWEAR:
        others = [other for other in EYEWEAR if other != name]
        if on:
            for other in others:
                put(other, 0.0)
        else:
            fallback = "Eyeglasses" if name == "No Eyewear" else "No Eyewear"
            put(fallback, torch.maximum(before, attributes[:, ATTRIBUTES.index(fallback)]))
    elif name in ("Mouth Wide Open", "Mouth Closed"):
        put("Mouth Closed" if name == "Mouth Wide Open" else "Mouth Wide Open", float(not on))
    elif on and name in (*HAIR_COLOURS, "Bangs"):
        put("Bald", 0.0)
        for other in HAIR_COLOURS:
            if name in HAIR_COLOURS and other != name:
                put(other, 0.0)
    elif on and name == "Bald":
        for other in (*HAIR_COLOURS, "Bangs"):
            put(other, 0.0)
    return Factors(attributes, factors.nuisance)
