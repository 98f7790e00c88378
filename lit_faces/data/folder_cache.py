"""A folder of pictures at training resolution: cut, joined with their table, split, and kept in a cache."""

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from lit_faces.data import cache
from lit_faces.data.cache import CachedFaces, Contents
from lit_faces.data.folder_faults import absent, refuse
from lit_faces.data.folder_table import SPLITS, Table, read_table
from lit_faces.data.sources import fingerprint, images_sha256
from lit_faces.errors import UserError
from lit_faces.files import sha256, sha256_of
from lit_faces.photographs.detector import find_faces
from lit_faces.photographs.framing import Box, Frame, cut, middle, region
from lit_faces.photographs.reading import open_photograph

FORMAT = 1
FaceCrop = Literal["face", "none"]
# One and a half times the box of the face, which is from brows to chin, with more of the picture above it, for hair.
FRAME = Frame(1 / 6, 0.22, 5 / 6, 0.22 + 2 / 3)
# Scaled up by more than this, a picture is a blur.
_MOST_SCALED = 4


def cached_folder(root: Path, attributes: Path, size: int, crop: FaceCrop) -> CachedFaces:
    """The pictures in `root` that the table `attributes` names, from the cache where there is one; else it is built.

    Raises UserError for what is wrong in the table or with pictures, all of which a file lists; a failure leaves no cache behind.
    """
    table = read_table(attributes, root)
    # At once, before faces are looked for.
    refuse(table, root, absent(table, root))
    prints = fingerprint(root, lambda _: table.files)
    key = sha256_of(["Folder", FORMAT, sha256(attributes), prints, size, crop, FRAME])
    return cache.open_or_build(f"folder-{size}-{key[:16]}", root, lambda: _build(root, table, size, crop))


def _build(root: Path, table: Table, size: int, crop: FaceCrop) -> Contents:
    order = [row for split in SPLITS for row, name in enumerate(table.splits) if name == split]
    images = np.zeros((len(order), size, size, 3), np.uint8)
    faults: dict[int, str] = {}
    for place, row in enumerate(tqdm(order, desc=f"Cutting {root.name}", unit=" pictures", disable=None)):
        try:
            images[place] = _cut(root / table.files[row], size, crop)
        except UserError as error:
            faults[row] = str(error)
    refuse(table, root, faults)
    numbers: dict[str, int] = {}
    identity = np.array([numbers.setdefault(name, len(numbers)) for name in table.persons or table.files], np.int64)[
        order
    ]
    ends = np.cumsum([0, *(table.splits.count(split) for split in SPLITS)]).tolist()
    bounds = {split: [ends[place], ends[place + 1]] for place, split in enumerate(SPLITS)}
    manifest = {
        "format": FORMAT,
        "data": "Folder",
        "images": {"file": root.resolve().name, "sha256": images_sha256(root, lambda _: table.files)},
        "attributes": {"file": table.path.name, "sha256": sha256(table.path), "names": list(table.names)},
        "crop": crop,
        **({"frame": list(FRAME)} if crop == "face" else {}),
        "size": size,
        "faces": len(order),
        "splits": bounds,
        "people": {split: len(np.unique(identity[start:end])) for split, (start, end) in bounds.items()}
        if table.persons
        else "no column 'person': every picture counts as a person of its own",
    }
    return Contents(images, table.values[order], identity, np.array(order, np.int64), manifest, unmatched={})


def _cut(path: Path, size: int, crop: FaceCrop) -> NDArray[np.uint8]:
    """A picture, or its largest face as it is cut for editing, (size, size, 3). Raises UserError if it cannot be used."""
    photograph = open_photograph(path)
    part = middle(photograph) if crop == "none" else _around_face(photograph)
    if part is None:
        raise UserError(
            f"no face was found in {path}: remove the row, or cut all faces yourself and give --data.crop=none"
        )
    if part.width * _MOST_SCALED < size:
        raise UserError(
            f"{path} would be scaled up from {part.width:.0f} to {size} pixels: use a larger one, remove the row, or lower "
            "--data.size"
        )
    return cut(photograph, part, size)


def _around_face(photograph: Image.Image) -> Box | None:
    faces = find_faces(photograph)
    return region(faces[0], FRAME) if faces else None
