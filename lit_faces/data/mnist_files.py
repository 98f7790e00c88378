"""The four files of MNIST, gzipped or plain, as they are on disk. Knows no torch."""

import gzip
import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lit_faces.data.sources import DEFAULT_ROOT_VARIABLE
from lit_faces.errors import UserError


@dataclass(frozen=True)
class Published:
    """A file as it was published: the shape of its values, the MD5 of the .gz, and the SHA-256 of what is inside."""

    shape: tuple[int, ...]
    gz_md5: str
    sha256: str


FILES = {
    "train-images-idx3-ubyte": Published(
        (60_000, 28, 28),
        "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    "train-labels-idx1-ubyte": Published(
        (60_000,),
        "d53e105ee54ea40749a09fcbcd1e9432",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    "t10k-images-idx3-ubyte": Published(
        (10_000, 28, 28),
        "9fb629c4189551a2d022fa330f9573f3",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    "t10k-labels-idx1-ubyte": Published(
        (10_000,),
        "ec29112dd5afa0611ce80d1b7f02629c",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
}


@dataclass(frozen=True)
class Content:
    """What a file holds: `values` uint8 in its published shape; `recompressed` if its .gz is not the published one."""

    values: NDArray[np.uint8]
    recompressed: bool


def raw_folder(root: Path) -> Path:
    """Where `prepare` puts the files: where torchvision looks for them."""
    return root / "MNIST" / "raw"


def search_folders(root: Path) -> tuple[Path, ...]:
    """Where the files may lie, preferred first."""
    return raw_folder(root), root / "mnist", root / "MNIST", root


def find_file(root: Path, name: str) -> Path | None:
    """One of `FILES`, or None: the plain one before the gzipped one, which takes longer to read."""
    places = (folder / file for folder in search_folders(root) for file in (name, f"{name}.gz"))
    return next((path for path in places if path.is_file()), None)


def find_files(root: Path) -> dict[str, Path]:
    """All of `FILES`. Raises UserError saying which are missing, where they were looked for and how to get them."""
    found = {name: path for name in FILES if (path := find_file(root, name)) is not None}
    if missing := [name for name in FILES if name not in found]:
        raise UserError(
            f"MNIST: no {' and no '.join(missing)} (or .gz) in {' or '.join(map(str, search_folders(root)))}: get them with "
            f"`lit-faces data prepare mnist`, or point --data.root or ${DEFAULT_ROOT_VARIABLE} to them"
        )
    return found


def read_file(path: Path) -> Content:
    """Read and verify one of `FILES`, by its name. Raises UserError if it is not whole or not what was published."""
    try:
        return decode(path.read_bytes(), path.name)
    except ValueError as error:
        raise UserError(f"{path} {error}: delete it and fetch it again with `lit-faces data prepare mnist`") from error


def decode(stored: bytes, name: str) -> Content:
    """The content of a file of this name, which ends in .gz if it is gzipped.

    A .gz other than the published one is accepted if what is inside is the original. Raises ValueError, worded to follow
    the name of the file, for all else. Layout: idx, http://yann.lecun.com/exdb/mnist.
    """
    plain = name.removesuffix(".gz")
    published, gzipped = FILES[plain], name != plain
    content = _unzipped(stored) if gzipped else stored
    shape = published.shape
    start = 4 + 4 * len(shape)
    magic = bytes([0, 0, 8, len(shape)])  # unsigned bytes, in so many dimensions
    if content[:4] != magic:
        raise ValueError(f"begins with {content[:4].hex() or 'nothing'}, not with {magic.hex()} as {plain} does")
    counts = tuple(int(n) for n in np.frombuffer(content[4:start].ljust(start - 4, b"\0"), ">u4"))
    if counts != shape:
        raise ValueError(f"says that it holds {_by(counts)} values, expected {_by(shape)}")
    if len(content) != start + np.prod(shape):
        raise ValueError(f"is {len(content):,} bytes long inside, expected {start + np.prod(shape):,}: it is not whole")
    digest = hashlib.sha256(content).hexdigest()
    if digest != published.sha256:
        raise ValueError(
            f"holds other values than MNIST's: SHA-256 {digest} (unzipped), expected {published.sha256}: it is damaged or "
            "of another data set"
        )
    recompressed = gzipped and hashlib.md5(stored, usedforsecurity=False).hexdigest() != published.gz_md5
    # A copy, since what lies in bytes cannot be written to, of which torch warns.
    return Content(np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy(), recompressed)


def _unzipped(stored: bytes) -> bytes:
    try:
        return gzip.decompress(stored)
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(f"({len(stored):,} bytes) is truncated or is no gzip file ({error})") from error


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(f"{n:,}" for n in shape)
