"""LFW at training resolution: cropped, joined with its attributes, split, and kept as memory-mapped arrays."""

import fcntl
import io
import json
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from tqdm import tqdm

from lit_faces.data import lfw_files
from lit_faces.data.lfw_files import Picture, picture_name, picture_of
from lit_faces.errors import UserError
from lit_faces.files import replacing, sha256, sha256_of, write_json

FORMAT = 1
# The papers cut the 13,143 rows of the attribute file into 10,000 for training, 1,000 for validation, 2,143 for test.
FULL_ROWS, TRAIN_END, VALIDATION_END = 13_143, 10_000, 11_000
# More unmatched rows than this mean files that do not belong together.
MAX_UNMATCHED = 0.01
_ARRAYS = ("images", "attributes", "identity", "index")


@dataclass(frozen=True)
class Crop:
    """A fixed region of the frame, as fractions of its width (left, right) and height (top, bottom).

    The default is LFWcrop's (Sanderson and Lovell 2009): pixels 83 to 166 by 92 to 175, both inclusive, of 250 x 250.
    """

    left: float = 83 / 250
    top: float = 92 / 250
    right: float = 167 / 250
    bottom: float = 176 / 250

    def __post_init__(self) -> None:
        if not (0 <= self.left < self.right <= 1 and 0 <= self.top < self.bottom <= 1):
            raise UserError(f"crop {asdict(self)} is no region: need 0 <= left < right <= 1 and 0 <= top < bottom <= 1")

    def cut(self, image: Image.Image, size: int) -> NDArray[np.uint8]:
        """The region, scaled to (size, size, 3) uint8, bilinear and antialiased."""
        width, height = image.size
        box = (self.left * width, self.top * height, self.right * width, self.bottom * height)
        scaled = image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR, box=box)
        return np.asarray(scaled)


@dataclass(frozen=True)
class CachedFaces:
    """Arrays of all faces in the order of the attribute file, the manifest of their origin, and the folder of both.

    `images` (N, H, W, 3) uint8, `attributes` (N, A) float32, `identity` (N,) int64, `index` (N,) int64.
    """

    images: NDArray[np.uint8]
    attributes: NDArray[np.float32]
    identity: NDArray[np.int64]
    index: NDArray[np.int64]
    manifest: dict[str, Any]
    folder: Path


def cached_lfw(root: Path, size: int, crop: Crop) -> CachedFaces:
    """The faces under `root`, from the cache where there is one; else it is built, which takes seconds.

    Raises UserError if the data are not there or cannot be read; a failure leaves no cache behind.
    """
    images, attributes = lfw_files.find_sources(root)
    if (cached := find_cache(images, attributes, size, crop)) is not None:
        return cached
    folders = cache_folders(images.parent)
    folder = next((parent for parent in folders if _writable(parent)), folders[-1]) / _name(
        images, attributes, size, crop
    )
    with _locked(folder.parent):
        # Another process may have built it while this one waited.
        if (cached := _open(folder)) is None:
            _build(folder, images, attributes, size, crop)
            cached = _open(folder)
    if cached is None:
        raise UserError(f"{folder} cannot be read back: check the disk, delete that folder and run again")
    return cached


def find_cache(images: Path, attributes: Path, size: int, crop: Crop) -> CachedFaces | None:
    """The cache built from exactly these files, if there is one; takes milliseconds, rereads neither file."""
    name = _name(images, attributes, size, crop)
    return next((cached for parent in cache_folders(images.parent) if (cached := _open(parent / name))), None)


def _name(images: Path, attributes: Path, size: int, crop: Crop) -> str:
    key = sha256_of([FORMAT, lfw_files.fingerprint(images), lfw_files.fingerprint(attributes), asdict(crop), size])
    return f"{images.name.removesuffix('.tgz')}-{size}-{key[:16]}"


def cache_folders(beside: Path) -> list[Path]:
    """Where caches may lie, preferred first: `$LIT_FACES_CACHE` alone if set, else beside the data, else ~/.cache."""
    if chosen := os.environ.get("LIT_FACES_CACHE"):
        return [Path(chosen)]
    return [beside / "cache", Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lit_faces"]


def _writable(folder: Path) -> bool:
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    # The mode as well, since root may write to folders that were marked read-only on purpose.
    return os.access(existing, os.W_OK) and bool(stat.S_IMODE(existing.stat().st_mode) & 0o222)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One builder at a time in a folder; the lock ends with the process, however it ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"cannot make the cache folder {folder} ({error.strerror}): set $LIT_FACES_CACHE to a folder that can be written"
        ) from error
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _open(folder: Path) -> CachedFaces | None:
    """The cache in a folder, mapped copy-on-write so that ranks share its pages; None if it is absent or damaged."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        arrays = {
            name: np.load(folder / f"{name}.npy", mmap_mode="c" if name == "images" else None, allow_pickle=False)
            for name in _ARRAYS
        }
    except (OSError, ValueError, EOFError):
        return None
    return CachedFaces(**arrays, manifest=manifest, folder=folder)


def _build(folder: Path, images: Path, attributes: Path, size: int, crop: Crop) -> None:
    table = lfw_files.read_attributes(attributes)
    pixels, found, leftover = _crop_all(images, table.pictures, size, crop)
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
        "images": {"file": images.name, "sha256": lfw_files.images_sha256(images)},
        "attributes": {"file": attributes.name, "sha256": sha256(attributes), "names": list(table.names)},
        "crop": asdict(crop),
        "size": size,
        "faces": len(kept),
        "splits": bounds,
        "people": {name: len(np.unique(identity[kept[start:end]])) for name, (start, end) in bounds.items()},
        "join": {"rows_without_image": len(missing), "images_without_attributes": len(leftover)},
    }
    arrays: dict[str, NDArray[Any]] = {
        "images": pixels if found.all() else pixels[kept],
        "attributes": table.values[kept],
        "identity": identity[kept],
        "index": kept.astype(np.int64),
    }
    unmatched = {"rows_without_image": missing, "images_without_attributes": sorted(leftover)}
    _write(folder, arrays, manifest, unmatched)


def _write(folder: Path, arrays: dict[str, NDArray[Any]], manifest: dict[str, Any], unmatched: dict[str, Any]) -> None:
    """Write a cache folder whole or not at all; the caller holds the lock, so what a killed builder left is ours."""
    temporary = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir()
        for name, array in arrays.items():
            with replacing(temporary / f"{name}.npy") as path, path.open("wb") as file:
                np.save(file, array, allow_pickle=False)
        write_json(temporary / "unmatched.json", unmatched)
        write_json(temporary / "manifest.json", manifest)
        if folder.exists():  # damaged, or it would have been opened
            shutil.rmtree(folder)
        temporary.rename(folder)
    except OSError as error:
        raise UserError(
            f"cannot write {folder} ({error.strerror}): set $LIT_FACES_CACHE to a folder that can be written"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _crop_all(
    source: Path, pictures: Sequence[Picture], size: int, crop: Crop
) -> tuple[NDArray[np.uint8], NDArray[np.bool_], list[str]]:
    """Crops (N, size, size, 3) uint8 in the order of `pictures`, which rows were found (N,), and the images left over."""
    row_of = {picture: row for row, picture in enumerate(pictures)}
    pixels = np.zeros((len(pictures), size, size, 3), np.uint8)
    found = np.zeros(len(pictures), np.bool_)
    leftover: list[str] = []
    frame: tuple[int, int] | None = None

    def wanted() -> Iterator[tuple[int, str, bytes]]:
        for name, content in lfw_files.read_images(source):
            picture = picture_of(name)
            row = row_of.get(picture) if picture else None
            if row is None:
                leftover.append(name)
                continue
            if found[row]:
                raise UserError(
                    f"{source} holds {name} twice: delete it and fetch it again with `lit-faces data prepare lfw`"
                )
            found[row] = True
            yield row, name, content

    def place(item: tuple[int, str, bytes]) -> tuple[str, tuple[int, int]]:
        row, name, content = item
        try:
            with Image.open(io.BytesIO(content)) as image:
                pixels[row] = crop.cut(image, size)
                return name, image.size
        except Exception as error:  # Pillow raises many kinds for a damaged file
            reason = "of no known format" if isinstance(error, UnidentifiedImageError) else " ".join(str(error).split())
            raise UserError(
                f"{source}: {name} ({len(content):,} bytes) is not a readable image ({reason}): restore it, or delete "
                "the images and fetch them again with `lit-faces data prepare lfw`"
            ) from error

    items = wanted()
    # Pillow decodes without the interpreter lock; chunks bound how much of the archive waits in memory.
    with (
        tqdm(total=len(pictures), desc=f"Cropping {source.name}", unit=" faces", disable=None) as progress,
        ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool,
    ):
        while chunk := list(islice(items, 256)):
            for name, shape in pool.map(place, chunk):
                frame = frame or shape
                if shape != frame:
                    raise UserError(
                        f"{source}: {name} is {shape[0]} x {shape[1]} pixels, the images before it {frame[0]} x {frame[1]}: "
                        "keep images of one release there"
                    )
            progress.update(len(chunk))
    return pixels, found, leftover


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
