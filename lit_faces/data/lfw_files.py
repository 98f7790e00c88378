"""The official files of LFW and of its attributes, as they are on disk. Knows neither torch nor the cache."""

import gzip
import os
import re
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lit_faces.data.sources import DEFAULT_ROOT_VARIABLE
from lit_faces.errors import UserError

# The three alignments that LFW was published in, best aligned first; a folder, or the archive of one.
IMAGE_SOURCES = {
    "lfw-deepfunneled": ("lfw-deepfunneled.tgz",),
    "lfw_funneled": ("lfw-funneled.tgz", "lfw_funneled.tgz"),
    "lfw": ("lfw.tgz",),
}
# Kumar et al.'s real-valued scores come before LFWA's binary labels, which are (score > 0).
ATTRIBUTE_FILES = ("lfw_attributes.txt", "lfw_att_73.mat")
# LFWA's names are Kumar's with underscores; only this one lost a character as well.
_KUMAR_SPELLING = {"5 o Clock Shadow": "5 o' Clock Shadow"}
_IMAGE_NAME = re.compile(r"(?:^|[/\\])([^/\\]+)[/\\]\1_(\d{4})\.jpg$")

Picture = tuple[str, int]
"""A person's name with underscores, and the number of the picture."""


@dataclass(frozen=True)
class Attributes:
    """An attribute file: `pictures` (N), `names` (A), `values` (N, A) float32, in the order of the file."""

    pictures: tuple[Picture, ...]
    names: tuple[str, ...]
    values: NDArray[np.float32]


def search_folders(root: Path) -> tuple[Path, Path]:
    """Where the files of LFW may lie: `root/lfw` and `root` itself."""
    return root / "lfw", root


def find_images(root: Path) -> Path | None:
    """The folder or archive of images, or None: deep-funneled before funneled before the original."""
    for folder_name, archive_names in IMAGE_SOURCES.items():
        for parent in search_folders(root):
            if holds_pictures(parent / folder_name):
                return parent / folder_name
            for archive_name in archive_names:
                if (parent / archive_name).is_file():
                    return parent / archive_name
    return None


def find_attributes(root: Path) -> Path | None:
    """The attribute file, or None: the real-valued one before the binary one."""
    for name in ATTRIBUTE_FILES:
        for parent in search_folders(root):
            if (parent / name).is_file():
                return parent / name
    return None


def find_sources(root: Path) -> tuple[Path, Path]:
    """Images and attribute file. Raises UserError saying what is missing, where it was looked for and how to get it."""
    images, attributes = find_images(root), find_attributes(root)
    if images is not None and attributes is not None:
        return images, attributes
    missing, names = [], []
    if images is None:
        missing, names = (
            ["images"],
            [name for folder, archives in IMAGE_SOURCES.items() for name in (folder, *archives)],
        )
    if attributes is None:
        missing, names = [*missing, "attributes"], [*names, *ATTRIBUTE_FILES]
    raise UserError(
        f"LFW: no {' and no '.join(missing)} in {' or '.join(str(folder) for folder in search_folders(root))} (looked for "
        f"{', '.join(names)}): get them with `lit-faces data prepare lfw`, or point --data.root or ${DEFAULT_ROOT_VARIABLE} "
        "to them"
    )


def holds_pictures(folder: Path) -> bool:
    """Whether a folder directly holds people's folders of pictures."""
    # A data folder `lfw/` that holds the archive must not pass for the image folder `lfw/`.
    return any(picture_of(f"{path.parent.name}/{path.name}") for path in folder.glob("*/*.jpg"))


def picture_of(name: str) -> Picture | None:
    """Person and number from `.../Person_Name/Person_Name_0001.jpg`, or None for any other name."""
    match = _IMAGE_NAME.search(name)
    return (match[1], int(match[2])) if match else None


def picture_name(picture: Picture) -> str:
    """Inverse of `picture_of`: `Person_Name/Person_Name_0001.jpg`."""
    person, number = picture
    return f"{person}/{person}_{number:04d}.jpg"


def picture_files(folder: Path) -> Iterator[str]:
    """The pictures in an image folder, as `Person_Name/Person_Name_0001.jpg`, in no order."""
    with os.scandir(folder) as people:
        for person in people:
            if person.is_dir():
                with os.scandir(person.path) as files:
                    yield from (f"{person.name}/{file.name}" for file in files if _is_picture(file.name))


def _is_picture(name: str) -> bool:
    # macOS leaves "._" companions in the archives it writes.
    return name.endswith(".jpg") and not name.rpartition("/")[2].startswith(".")


def read_images(path: Path) -> Iterator[tuple[str, bytes]]:
    """Name and JPEG bytes of every picture, streamed from a folder or an archive.

    Raises UserError for an archive that is empty, truncated or no gzipped tar.
    """
    if path.is_dir():
        for name in sorted(picture_files(path)):
            yield name, (path / name).read_bytes()
        return
    try:
        # Through gzip rather than tarfile's own "r|gz", which takes a cut file for a shorter archive.
        with gzip.open(path) as stream:
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                for member in archive:
                    file = archive.extractfile(member) if member.isfile() and _is_picture(member.name) else None
                    if file is not None:
                        yield member.name, file.read()
            while stream.read(1 << 20):  # to the end, where the checksum is
                pass
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        size = path.stat().st_size if path.exists() else 0
        raise UserError(
            f"{path} ({size:,} bytes) is truncated or is no .tgz archive ({error or type(error).__name__}): delete it and "
            "fetch it again with `lit-faces data prepare lfw`"
        ) from error


def read_attributes(path: Path) -> Attributes:
    """Read `lfw_attributes.txt` (Kumar et al., real values) or `lfw_att_73.mat` (LFWA, values 0 and 1).

    Both give Kumar's spelling of the names. Raises UserError for a file that is not in the official layout, naming the row.
    """
    attributes = _read_mat(path) if path.suffix == ".mat" else _read_text(path)
    if not attributes.pictures:
        raise UserError(f"{path} has no rows: delete it and fetch it again with `lit-faces data prepare lfw`")
    if len(set(attributes.names)) != len(attributes.names):
        raise UserError(f"{path} names an attribute twice: restore the published file")
    first_rows: dict[Picture, int] = {}
    for row, picture in enumerate(attributes.pictures, 1):
        if picture in first_rows:
            raise UserError(
                f"{path}, row {row}: {picture_name(picture)} is already in row {first_rows[picture]}: remove one of them"
            )
        first_rows[picture] = row
    bad = np.argwhere(~np.isfinite(attributes.values))
    if len(bad):
        row, column = bad[0]
        raise UserError(
            f"{path}, row {row + 1}: {attributes.names[column]!r} is {attributes.values[row, column]}, not a finite number: "
            "restore the published file"
        )
    return attributes


def _read_text(path: Path) -> Attributes:
    names: tuple[str, ...] | None = None
    pictures: list[Picture] = []
    values: list[list[float]] = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not text: delete it and fetch it again with `lit-faces data prepare lfw`"
        ) from error
    for line in lines:
        cells = line.rstrip().split("\t")
        if line.startswith("#"):
            if cells[1:3] == ["person", "imagenum"]:
                names = tuple(name.strip() for name in cells[3:])
            continue
        if not line.strip():
            continue
        if names is None:
            raise UserError(f"{path} has no header '#<tab>person<tab>imagenum<tab>...': restore the published file")
        row = len(pictures) + 1
        if len(cells) != len(names) + 2:
            raise UserError(
                f"{path}, row {row} ({cells[0]}): expected {len(names)} attribute values, got {max(len(cells) - 2, 0)}: "
                "restore the published file"
            )
        try:
            pictures.append(("_".join(cells[0].split()), int(cells[1])))
            values.append([float(cell) for cell in cells[2:]])
        except ValueError as error:
            raise UserError(f"{path}, row {row} ({cells[0]}): {error}: restore the published file") from error
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, which the caller refuses
        array = np.array(values, np.float64).reshape(len(pictures), len(names or ())).astype(np.float32)
    return Attributes(tuple(pictures), names or (), array)


def _read_mat(path: Path) -> Attributes:
    from scipy.io import loadmat

    try:
        content = loadmat(path, variable_names=("label", "AttrName", "name"))
        labels = np.asarray(content["label"], np.float32)
        attribute_names = [str(cell[0]).replace("_", " ") for cell in content["AttrName"].ravel()]
        image_names = [str(cell[0]) for cell in content["name"].ravel()]
    except Exception as error:  # scipy documents no error of its own for a damaged file
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise UserError(
            f"{path} is no MATLAB file with label, AttrName and name ({reason}): copy LFWA's file there again"
        ) from error
    if labels.shape != (len(image_names), len(attribute_names)):
        raise UserError(
            f"{path}: label is {labels.shape}, expected {(len(image_names), len(attribute_names))} from name and AttrName: "
            "copy LFWA's file there again"
        )
    pictures = []
    for row, name in enumerate(image_names, 1):
        picture = picture_of(name)
        if picture is None:
            raise UserError(f"{path}, row {row}: {name!r} is not Person\\Person_0001.jpg: copy LFWA's file there again")
        pictures.append(picture)
    return Attributes(tuple(pictures), tuple(_KUMAR_SPELLING.get(name, name) for name in attribute_names), labels)
