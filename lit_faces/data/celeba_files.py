"""The official files of CelebA, as they are on disk. Knows neither torch nor the cache."""

import os
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lit_faces.data.sources import DEFAULT_ROOT_VARIABLE
from lit_faces.errors import UserError

OFFICIAL_SITE = "http://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
IMAGES = "img_align_celeba"
ATTRIBUTES, PARTITION, IDENTITY = "list_attr_celeba.txt", "list_eval_partition.txt", "identity_CelebA.txt"
LISTS = (ATTRIBUTES, PARTITION, IDENTITY)
# Of the official files, as torchvision 0.26 demands them (torchvision/datasets/celeba.py).
MD5 = {
    "img_align_celeba.zip": "00d2c5bc6d35e252742224ab0c1e8fcb",
    ATTRIBUTES: "75e246fa4810816ffd6ee81facbd244c",
    PARTITION: "d32c9cbf5e040fd4025c592c306e6668",
    IDENTITY: "32bd1bd63d3c78cd57e08160ec5ed1e2",
}
_IMAGE_NAME = re.compile(r"(?:^|/)(\d{6})\.jpg$")
_VALUES = {"-1": -1, "1": 1}
_RESTORE = "restore the official file"


@dataclass(frozen=True)
class Sources:
    """Where the images (a folder or a zip) and the three lists are; only `identity` may be absent."""

    images: Path
    attributes: Path
    partition: Path
    identity: Path | None


@dataclass(frozen=True)
class Attributes:
    """The attribute list: `numbers` (N) of the images, `names` (A), `values` (N, A) int8, -1 or 1, in the file's order."""

    numbers: tuple[int, ...]
    names: tuple[str, ...]
    values: NDArray[np.int8]


def search_folders(root: Path) -> tuple[Path, Path]:
    """Where the files of CelebA may lie: `root/celeba` and `root` itself."""
    return root / "celeba", root


def find_images(root: Path) -> Path | None:
    """The images, or None: the folder before the official zip before another `img_align_celeba*.zip`, by name."""
    folders = search_folders(root)
    places = [parent / IMAGES for parent in folders if holds_pictures(parent / IMAGES)]
    places += [parent / f"{IMAGES}.zip" for parent in folders]
    places += [path for parent in folders for path in sorted(parent.glob(f"{IMAGES}*.zip"))]
    return next((path for path in places if path.exists()), None)


def find_list(root: Path, name: str) -> Path | None:
    """One of the three lists, or None."""
    return next((parent / name for parent in search_folders(root) if (parent / name).is_file()), None)


def find_sources(root: Path) -> Sources:
    """All files. Raises UserError saying what is missing, where it was looked for and how to get it."""
    images, attributes, partition = find_images(root), find_list(root, ATTRIBUTES), find_list(root, PARTITION)
    if images is not None and attributes is not None and partition is not None:
        return Sources(images, attributes, partition, find_list(root, IDENTITY))
    wanted = {f"{IMAGES}/ or {IMAGES}*.zip": images, ATTRIBUTES: attributes, PARTITION: partition}
    missing = [name for name, path in wanted.items() if path is None]
    raise UserError(
        f"CelebA: no {' and no '.join(missing)} in {' or '.join(str(folder) for folder in search_folders(root))}: get the "
        f"files by hand at {OFFICIAL_SITE} (its host needs a login) and name them to `lit-faces data prepare celeba --from`, "
        f"or point --data.root or ${DEFAULT_ROOT_VARIABLE} to them"
    )


def is_archive(path: Path) -> bool:
    """Whether a file has the name of an archive of the aligned images."""
    return path.name.startswith(IMAGES) and path.suffix == ".zip"


def holds_pictures(folder: Path) -> bool:
    """Whether a folder directly holds pictures `000001.jpg`."""
    return folder.is_dir() and any(True for _ in picture_files(folder))


def picture_files(folder: Path) -> Iterator[str]:
    """The pictures in an image folder, `000001.jpg`, in no order."""
    with os.scandir(folder) as files:
        yield from (file.name for file in files if number_of(file.name) is not None)


def number_of(name: str) -> int | None:
    """The number of an image from `.../000001.jpg`, or None for any other name."""
    match = _IMAGE_NAME.search(name)
    return int(match[1]) if match else None


def image_name(number: int) -> str:
    """Inverse of `number_of`: `000001.jpg`."""
    return f"{number:06d}.jpg"


def read_images(path: Path) -> Iterator[tuple[str, bytes]]:
    """Name and JPEG bytes of every picture, from a folder or a zip, which is not unpacked.

    Raises UserError for an archive that is empty, truncated, damaged or no zip.
    """
    if path.is_dir():
        for name in sorted(picture_files(path)):
            yield name, (path / name).read_bytes()
        return
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if number_of(member.filename) is not None:
                    yield member.filename, archive.read(member)
    # RuntimeError: encrypted, or (NotImplementedError) packed in a way that Python does not know.
    except (zipfile.BadZipFile, EOFError, zlib.error, OSError, RuntimeError) as error:
        size = path.stat().st_size if path.exists() else 0
        raise UserError(
            f"{path} ({size:,} bytes) is damaged, cut short or no zip archive ({error or type(error).__name__}): delete it and "
            f"get it again at {OFFICIAL_SITE}"
        ) from error


def read_attributes(path: Path) -> Attributes:
    """Read `list_attr_celeba.txt`: a count, which is not believed, the names, and a row an image.

    Raises UserError for a file that is not in this layout, naming the line.
    """
    lines = _read_lines(path)
    if len(lines) < 2 or not lines[0].strip().isdigit():
        raise UserError(f"{path} does not begin with a count and a line of attribute names: {_RESTORE}")
    names = tuple(lines[1].split())
    if len(set(names)) != len(names):
        raise UserError(f"{path} names an attribute twice: {_RESTORE}")
    numbers, values = [], []
    for line, number, cells in _rows(path, lines, 2, len(names)):
        try:
            values.append([_VALUES[cell] for cell in cells])
        except KeyError as error:
            column = next(column for column, cell in enumerate(cells) if cell not in _VALUES)
            raise UserError(
                f"{path}, line {line} ({image_name(number)}): {names[column]} is {cells[column]}, expected -1 or 1: {_RESTORE}"
            ) from error
        numbers.append(number)
    return Attributes(tuple(numbers), names, np.array(values, np.int8))


def read_partition(path: Path) -> dict[int, int]:
    """Split of each image by its number: 0 train, 1 validation, 2 test. Raises UserError for any other value."""
    return _read_numbers(path, "partition", ("0", "1", "2"))


def read_identity(path: Path) -> dict[int, int]:
    """Person of each image by its number. Raises UserError for a value that is no number."""
    return _read_numbers(path, "identity")


def check_list(path: Path) -> None:
    """Read one of the three lists, told by its name. Raises UserError if it is not in its layout."""
    if path.name == ATTRIBUTES:
        read_attributes(path)
    elif path.name == PARTITION:
        read_partition(path)
    else:
        read_identity(path)


def _read_numbers(path: Path, what: str, allowed: tuple[str, ...] | None = None) -> dict[int, int]:
    numbers = {}
    for line, number, (cell,) in _rows(path, _read_lines(path), 0, 1):
        if cell not in allowed if allowed else not cell.isdecimal():
            raise UserError(
                f"{path}, line {line} ({image_name(number)}): unknown {what} {cell!r}, expected "
                f"{', '.join(allowed) if allowed else 'a number'}: {_RESTORE}"
            )
        numbers[number] = int(cell)
    return numbers


def _read_lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not text: {_RESTORE}") from error
    if not lines:
        raise UserError(f"{path} is empty: {_RESTORE}")
    return lines


def _rows(path: Path, lines: list[str], skip: int, columns: int) -> Iterator[tuple[int, int, list[str]]]:
    """Line number, image number and values of each row. Raises UserError for another count, a bad name or a second row."""
    first_lines: dict[int, int] = {}
    for line, text in enumerate(lines[skip:], skip + 1):
        if not text.strip():
            continue
        name, *cells = text.split()
        number = number_of(name)
        if number is None:
            raise UserError(f"{path}, line {line}: {name!r} is no image name like 000001.jpg: {_RESTORE}")
        if len(cells) != columns:
            raise UserError(f"{path}, line {line} ({name}): expected {columns} values, got {len(cells)}: {_RESTORE}")
        if number in first_lines:
            raise UserError(f"{path}, line {line}: {name} is already in line {first_lines[number]}: remove one of them")
        first_lines[number] = line
        yield line, number, cells
    if not first_lines:
        raise UserError(f"{path} has no rows: {_RESTORE}")
