"""LFW at training resolution: cropped, joined with its attributes, split, and kept in a cache."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lit_faces.data import cache, lfw_files
from lit_faces.data.cache import CachedFaces, Contents, Crop
from lit_faces.data.lfw_files import Picture, picture_files, picture_name, picture_of
from lit_faces.data.sources import fingerprint, images_sha256
from lit_faces.errors import UserError
from lit_faces.files import sha256, sha256_of

FORMAT = 1
# LFWcrop's (Sanderson and Lovell 2009): pixels 83 to 166 by 92 to 175, both inclusive, of 250 x 250.
LFWCROP = Crop(83 / 250, 92 / 250, 167 / 250, 176 / 250)
# The papers cut the 13,143 rows of the attribute file into 10,000 for training, 1,000 for validation, 2,143 for test.
FULL_ROWS, TRAIN_END, VALIDATION_END = 13_143, 10_000, 11_000
# More unmatched rows than this mean files that do not belong together.
MAX_UNMATCHED = 0.01


def cached_lfw(root: Path, size: int, crop: Crop) -> CachedFaces:
    """The faces under `root`, from the cache where there is one; else it is built, which takes seconds.

    Raises UserError if the data are not there or cannot be read; a failure leaves no cache behind.
    """
    images, attributes = lfw_files.find_sources(root)
    name = _name(images, attributes, size, crop)
    return cache.open_or_build(name, images.parent, lambda: _build(images, attributes, size, crop))


def find_cache(images: Path, attributes: Path, size: int, crop: Crop) -> CachedFaces | None:
    """The cache built from exactly these files, if there is one; takes milliseconds, rereads neither file."""
    return cache.find_cache(_name(images, attributes, size, crop), images.parent)


def _name(images: Path, attributes: Path, size: int, crop: Crop) -> str:
    prints = [fingerprint(path, picture_files) for path in (images, attributes)]
    key = sha256_of([FORMAT, *prints, asdict(crop), size])
    return f"{images.name.removesuffix('.tgz')}-{size}-{key[:16]}"


def _build(images: Path, attributes: Path, size: int, crop: Crop) -> Contents:
    table = lfw_files.read_attributes(attributes)
    row_of = {picture: row for row, picture in enumerate(table.pictures)}
    cropped = cache.crop_all(
        images,
        lfw_files.read_images(images),
        lambda name: row_of.get(picture) if (picture := picture_of(name)) else None,
        len(row_of),
        size,
        crop,
        remedy="delete the images and fetch them again with `lit-faces data prepare lfw`",
    )
    pixels, found, leftover = cropped.pixels, cropped.found, cropped.leftover
    missing = [picture_name(table.pictures[row]) for row in np.flatnonzero(~found)]
    if len(missing) > MAX_UNMATCHED * len(found):
        raise UserError(
            f"{len(missing):,} of the {len(found):,} rows of {attributes} have no image in {images} (first: "
            f"{', '.join(missing[:3])}): put the attribute file and the images of one release there"
        )
    identity = _number_people(table.pictures)
    cuts = split_rows(identity)
    kept = np.flatnonzero(found)
    bounds = {name: [int(found[:start].sum()), int(found[:end].sum())] for name, (start, end) in cuts.items()}
    manifest = {
        "format": FORMAT,
        "data": "LFW",
        "images": {"file": images.name, "sha256": images_sha256(images, picture_files)},
        "attributes": {"file": attributes.name, "sha256": sha256(attributes), "names": list(table.names)},
        "crop": asdict(crop),
        "size": size,
        "faces": len(kept),
        "splits": bounds,
        "people": {name: len(np.unique(identity[kept[start:end]])) for name, (start, end) in bounds.items()},
        "join": {"rows_without_image": len(missing), "images_without_attributes": len(leftover)},
    }
    return Contents(
        images=pixels if found.all() else pixels[kept],
        attributes=table.values[kept],
        identity=identity[kept],
        index=kept.astype(np.int64),
        manifest=manifest,
        unmatched={"rows_without_image": missing, "images_without_attributes": sorted(leftover)},
    )


def _number_people(pictures: Sequence[Picture]) -> NDArray[np.int64]:
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(person, len(numbers)) for person, _ in pictures], np.int64)


def split_rows(identity: NDArray[np.int64]) -> dict[str, tuple[int, int]]:
    """First and last-plus-one row of each split, in the order of the attribute file; no person is in two splits.

    The full set is cut as published. A smaller one is cut in the same proportions, at the nearest row where one person
    ends and another begins. Raises UserError if that is impossible.
    """
    rows = len(identity)
    last_row = {person: row for row, person in enumerate(identity.tolist())}
    # A cut after row r is clean when everybody seen so far ends there or before.
    reach = np.maximum.accumulate([last_row[person] for person in identity.tolist()])
    clean = np.flatnonzero(reach == np.arange(rows))[:-1] + 1
    if rows == FULL_ROWS:
        first, second = TRAIN_END, VALIDATION_END
        if not {first, second} <= set(clean.tolist()):
            raise UserError(
                f"LFW: the published split at rows {first:,} and {second:,} parts the pictures of one person, so the order of "
                "the attribute file is not the published one: restore that file"
            )
    elif len(clean) < 2:
        raise UserError(f"LFW: {rows} rows cannot be split into train, validation and test without sharing a person")
    else:
        second = _nearest(clean[1:], rows * VALIDATION_END / FULL_ROWS)
        first = _nearest(clean[clean < second], rows * TRAIN_END / FULL_ROWS)
    return {"train": (0, first), "validation": (first, second), "test": (second, rows)}


def _nearest(candidates: NDArray[np.int64], target: float) -> int:
    return int(candidates[np.abs(candidates - target).argmin()])
