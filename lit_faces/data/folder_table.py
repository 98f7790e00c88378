"""The table of a folder of pictures: a CSV with one row a picture. Knows no torch."""

import csv
import hashlib
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lit_faces.errors import UserError

SPLITS = ("train", "validation", "test")
_FILE, _PERSON, _SPLIT = "file", "person", "split"
# Of all persons, or of all files where the persons are not known, up to these shares.
_TRAIN, _VALIDATION = 0.8, 0.9


@dataclass(frozen=True)
class Table:
    """The rows of a table: `files` (N,) below the folder of the pictures, `lines` (N,), where the rows stand in the CSV, its
    header being 1, `persons` (N,) or None if there is no such column, `splits` (N,), attributes' `names` and `values` (N, A).
    """

    path: Path
    files: tuple[str, ...]
    lines: tuple[int, ...]
    persons: tuple[str, ...] | None
    splits: tuple[str, ...]
    names: tuple[str, ...]
    values: NDArray[np.float32]


def read_table(path: Path, root: Path) -> Table:
    """Read the table of the pictures in `root`.

    The column `file` says where a picture is below `root`, `person`, if there is one, who is in it, and `split`, if there is
    one, its split; all others are attributes. Without `split` the splits are drawn, 80/10/10, by a hash of the person, or of
    the file: no person is in two of them, and a further row moves no other. Whether the pictures are there is not looked at.
    Errors: UserError, naming the row and what to do, for whatever is wrong in it.
    """
    if not path.is_file():
        raise UserError(f"Folder: there is no table at {path}: give it with --data.attributes")
    if not root.is_dir():
        raise UserError(f"Folder: there is no folder {root}: give that of the pictures with --data.root")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header, *rows = [[cell.strip() for cell in row] for row in csv.reader(file)] or [[]]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is not a table (CSV, in UTF-8): {error}: save it as one") from error
    _check_header(path, header)
    numbered = [(line, row) for line, row in enumerate(rows, 2) if any(row)]
    if not numbered:
        raise UserError(f"{path} has no rows: write one for each picture")
    for line, row in numbered:
        if len(row) != len(header):
            raise UserError(f"{path}, row {line}: {len(row)} cells, but {len(header)} columns: correct the row")
    lines = tuple(line for line, _ in numbered)
    columns = dict(zip(header, zip(*(row for _, row in numbered), strict=True), strict=True))
    files = _files(path, root, lines, columns[_FILE])
    persons = columns.get(_PERSON)
    if persons is not None and "" in persons:
        line = lines[persons.index("")]
        raise UserError(f"{path}, row {line}: no person: write who it is, or a name for nobody else if it is not known")
    splits = columns.get(_SPLIT) or tuple(map(_drawn_split, persons or files))
    _check_splits(path, lines, splits, persons)
    names = tuple(name for name in header if name not in (_FILE, _PERSON, _SPLIT))
    values = np.array([[*_numbers(path, lines, name, columns[name])] for name in names], np.float32)
    return Table(path, files, lines, persons, splits, names, np.ascontiguousarray(values.T))


def _check_header(path: Path, header: list[str]) -> None:
    if _FILE not in header:
        raise UserError(
            f"{path} has no column {_FILE!r}, it has {', '.join(map(repr, header)) or 'nothing'}: its first row must name the "
            "columns, separated by commas"
        )
    for place, name in enumerate(header, 1):
        if not name:
            raise UserError(f"{path}: column {place} has no name: name it, or remove it")
        same = [other for other in header if other.replace("_", " ") == name.replace("_", " ")]
        if len(same) > 1:
            what = f"columns {same[0]!r} and {same[1]!r}, which are one name"
            what = what if same[0] != same[1] else f"column {name!r} twice"
            raise UserError(f"{path} has the {what}: rename or remove one of them")
    if not {*header} - {_FILE, _PERSON, _SPLIT}:
        raise UserError(f"{path} has no attributes: add a column of numbers for each")


def _files(path: Path, root: Path, lines: tuple[int, ...], written: tuple[str, ...]) -> tuple[str, ...]:
    """The files, each in one way of writing it."""
    found: dict[str, int] = {}
    for line, name in zip(lines, written, strict=True):
        file = posixpath.normpath(name)
        if not name or file == ".." or file.startswith(("/", "../")):
            raise UserError(f"{path}, row {line}: {name!r} is no file below {root}: write its path from there")
        if file in found:
            raise UserError(f"{path}, row {line}: {name} is in row {found[file]} already: remove one of them")
        found[file] = line
    return tuple(found)


def _drawn_split(name: str) -> str:
    chance = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64
    return SPLITS[(chance >= _TRAIN) + (chance >= _VALIDATION)]


def _check_splits(path: Path, lines: tuple[int, ...], splits: tuple[str, ...], persons: tuple[str, ...] | None) -> None:
    first: dict[str, tuple[str, int]] = {}
    for line, split, person in zip(lines, splits, persons or lines, strict=True):
        if split not in SPLITS:
            raise UserError(f"{path}, row {line}: {split!r} is no split: write one of {', '.join(SPLITS)}")
        there, before = first.setdefault(str(person), (split, line))
        if there != split:
            raise UserError(
                f"{path}, row {line}: {person} is in {split}, but in {there} in row {before}: put all pictures of a person "
                "into one split, or remove the column, and splits are drawn so"
            )
    for split in SPLITS:
        if split not in splits:
            raise UserError(
                f"{path}: no picture is in the {split} split, of {len(splits)}: add pictures, or say in a column 'split' which "
                "is in which"
            )


def _numbers(path: Path, lines: tuple[int, ...], name: str, cells: tuple[str, ...]) -> Iterator[np.float32]:
    for line, cell in zip(lines, cells, strict=True):
        try:
            with np.errstate(over="ignore"):
                value = np.float32(float(cell))
        except ValueError:
            value = np.float32("nan")
        if not np.isfinite(value):
            raise UserError(
                f"{path}, row {line}: {name} is {cell!r}, which is no finite number: write one, 0 or 1 for instance, or remove "
                "the row"
            )
        yield value
