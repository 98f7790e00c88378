"""The files of a data set on disk: their folder, and what tells one version of them from another. Knows no torch."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from lit_faces.files import sha256, sha256_of

DEFAULT_ROOT_VARIABLE = "LIT_FACES_DATA"

PictureNames = Callable[[Path], Iterable[str]]
"""Lists the pictures in a folder by their paths below it."""


def data_root(root: str | Path | None = None) -> Path:
    """The folder of all data sets: the one given, else `$LIT_FACES_DATA`, else `data`."""
    return Path(root or os.environ.get(DEFAULT_ROOT_VARIABLE) or "data").expanduser()


def fingerprint(path: Path, pictures: PictureNames) -> Any:
    """What tells one version of a file or of an image folder from another without reading it: names, sizes and times."""
    if path.is_dir():
        files = sorted(pictures(path))
        return [path.name, len(files), sha256_of([[name, *_size_and_time(path / name)] for name in files])]
    return [path.name, *_size_and_time(path)]


def _size_and_time(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def images_sha256(path: Path, pictures: PictureNames) -> str:
    """SHA-256 of an archive, or of the sorted names and SHA-256 of the pictures in a folder."""
    if path.is_dir():
        return sha256_of([[name, sha256(path / name)] for name in sorted(pictures(path))])
    return sha256(path)
