"""Faces at training resolution: cropped side by side, and kept as memory-mapped arrays. Knows no torch."""

import fcntl
import io
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
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

from lit_faces.errors import UserError
from lit_faces.files import replacing, write_json

_ARRAYS = ("images", "attributes", "identity", "index")
# What every manifest has.
_SECTIONS = ("splits", "attributes")


@dataclass(frozen=True)
class Crop:
    """A fixed region of the frame, as fractions of its width (left, right) and height (top, bottom)."""

    left: float
    top: float
    right: float
    bottom: float

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
class Cropped:
    """Crops `pixels` (N, size, size, 3) uint8 by row, which rows were `found` (N,), the names left over, the frame in pixels."""

    pixels: NDArray[np.uint8]
    found: NDArray[np.bool_]
    leftover: list[str]
    frame: tuple[int, int] | None


@dataclass(frozen=True)
class Contents:
    """What a cache is written from: arrays as in `CachedFaces`, the manifest, and the names of what did not join."""

    images: NDArray[np.uint8]
    attributes: NDArray[np.float32]
    identity: NDArray[np.int64]
    index: NDArray[np.int64]
    manifest: dict[str, Any]
    unmatched: dict[str, list[str]]


@dataclass(frozen=True)
class CachedFaces:
    """Arrays of all faces, one split after another, the manifest of their origin, and the folder of both.

    `images` (N, H, W, 3) uint8, `attributes` (N, A) float32, `identity` (N,) int64, `index` (N,) int64.
    """

    images: NDArray[np.uint8]
    attributes: NDArray[np.float32]
    identity: NDArray[np.int64]
    index: NDArray[np.int64]
    manifest: dict[str, Any]
    folder: Path


def open_or_build(name: str, beside: Path, build: Callable[[], Contents]) -> CachedFaces:
    """The cache of this name for data in the folder `beside`; `build` is called if there is none.

    Raises UserError if the cache cannot be written; a failure leaves none behind.
    """
    if (cached := find_cache(name, beside)) is not None:
        return cached
    folder = new_caches(beside) / name
    with _locked(folder.parent):
        # Another process may have built it while this one waited.
        if (cached := _open(folder)) is None:
            _write(folder, build())
            cached = _open(folder)
    if cached is None:
        raise UserError(f"{folder} cannot be read back: check the disk, delete that folder and run again")
    return cached


def find_cache(name: str, beside: Path) -> CachedFaces | None:
    """The cache of this name, if there is one that is whole; takes milliseconds."""
    return next((cached for parent in cache_folders(beside) if (cached := _open(parent / name))), None)


def cache_folders(beside: Path) -> list[Path]:
    """Where caches may lie, preferred first: `$LIT_FACES_CACHE` alone if set, else beside the data, else ~/.cache."""
    if chosen := os.environ.get("LIT_FACES_CACHE"):
        return [Path(chosen)]
    return [beside / "cache", Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lit_faces"]


def new_caches(beside: Path) -> Path:
    """Where a cache that is not there yet is made: the first of these folders that can be written."""
    folders = cache_folders(beside)
    return next((folder for folder in folders if _writable(folder)), folders[-1])


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
        if not isinstance(manifest, dict) or not all(isinstance(manifest.get(key), dict) for key in _SECTIONS):
            return None
        arrays = {
            name: np.load(folder / f"{name}.npy", mmap_mode="c" if name == "images" else None, allow_pickle=False)
            for name in _ARRAYS
        }
    except (OSError, ValueError, EOFError):
        return None
    return CachedFaces(**arrays, manifest=manifest, folder=folder)


def _write(folder: Path, contents: Contents) -> None:
    """Write a cache folder whole or not at all; the caller holds the lock, so what a killed builder left is ours."""
    temporary = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir()
        for name in _ARRAYS:
            with replacing(temporary / f"{name}.npy") as path, path.open("wb") as file:
                np.save(file, getattr(contents, name), allow_pickle=False)
        write_json(temporary / "unmatched.json", contents.unmatched)
        write_json(temporary / "manifest.json", contents.manifest)
        if folder.exists():  # damaged, or it would have been opened
            shutil.rmtree(folder)
        temporary.rename(folder)
    except OSError as error:
        raise UserError(
            f"cannot write {folder} ({error.strerror}): set $LIT_FACES_CACHE to a folder that can be written"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def crop_all(
    source: Path,
    images: Iterable[tuple[str, bytes]],
    row_of: Callable[[str], int | None],
    rows: int,
    size: int,
    crop: Crop,
    remedy: str,
) -> Cropped:
    """Crop the `images` of a source, given by name and content, into `rows` rows; `row_of` tells a name's row, if it has one.

    Raises UserError, ending in the `remedy`, for a row found twice, a content that is no image, or images of two sizes.
    """
    pixels = np.zeros((rows, size, size, 3), np.uint8)
    found = np.zeros(rows, np.bool_)
    leftover: list[str] = []
    frame: tuple[int, int] | None = None

    def wanted() -> Iterator[tuple[int, str, bytes]]:
        for name, content in images:
            row = row_of(name)
            if row is None:
                leftover.append(name)
                continue
            if found[row]:
                raise UserError(f"{source} holds {name} twice: {remedy}")
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
                f"{source}: {name} ({len(content):,} bytes) is not a readable image ({reason}): restore it, or {remedy}"
            ) from error

    items = wanted()
    # Pillow decodes without the interpreter lock; chunks bound how much of the archive waits in memory.
    with (
        tqdm(total=rows, desc=f"Cropping {source.name}", unit=" faces", disable=None) as progress,
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
    return Cropped(pixels, found, leftover, frame)
