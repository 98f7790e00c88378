"""The Toronto Face Database with its seven expressions, from the file that its authors license."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lit_faces.data.base import SPLITS, FaceDataModule, Faces, LoadedData, Split
from lit_faces.data.cache import cache_folders
from lit_faces.data.expression_shapes import EXPRESSIONS
from lit_faces.data.sources import DEFAULT_ROOT_VARIABLE, data_root
from lit_faces.errors import UserError
from lit_faces.files import sha256, sha256_of

# The sharper one first.
FILES = ("TFD_96x96.mat", "TFD_48x48.mat")
THRESHOLD = 0.9
# Raise this with every change of how `tfd_labels` labels images: tables that were written before are then left alone.
LABELS_FORMAT = 1
_SHARES = (0.8, 0.1, 0.1)
_CHUNK = 4096


@dataclass(frozen=True)
class TFDFile:
    """The file's content: `images` (N, H, W) uint8, `labels` (N,) 1 to 7 or at most 0 if there is none, `identity` (N,), at
    most 0 if unknown, and `folds` (N, 5): 0 unlabelled, 1 train, 2 validation, 3 test.
    """

    path: Path
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    identity: NDArray[np.int64]
    folds: NDArray[np.int64]


@dataclass(frozen=True)
class Table:
    """Where a table `row,label` of labels for images that have none lies, and what is known of its origin."""

    path: Path
    manifest: dict[str, Any]


class TFD(FaceDataModule):
    """Grey photographs of faces with expressions: about 4,200 labelled by people, more with `extended` labels.

    `root` (default `$LIT_FACES_DATA`, else `data/`) or its folder `tfd` holds `TFD_96x96.mat` or `TFD_48x48.mat`. `extended`
    is a table `row,label` of further labels; `auto` takes the one that `lit-faces data prepare tfd` wrote for this file and
    `data_seed`, if there is one. Without a table the other images are left out. Images are resized to `size` (bilinear,
    antialiased) and have one channel. The attributes are the columns of `EXPRESSIONS`, 0 or 1, of which one holds; the labels
    are the first six, a neutral face having none.

    The split is 80/10/10 at random from `data_seed`, of the images labelled by people and of the others separately, as in
    Klys, Snell and Zemel 2018, section 5.2.1. All images of a known identity go to the split that its labelled ones were drawn
    into (a share is then met only to within one identity); an image of unknown identity counts as a person of its own, so
    that two of one unknown person may be in different splits.

    `Faces.identity` is positive for images labelled by people. An extended image has -1 - row, its own, though the file may
    know the person: what compares photographs of one person is then never told a guessed expression.
    """

    def __init__(
        self,
        root: str | None = None,
        batch_size: int = 64,
        limit: int | None = None,
        seed: int = 0,
        size: int = 64,
        extended: str | None = "auto",
        data_seed: int = 0,
    ) -> None:
        super().__init__(batch_size, limit, seed)
        if size < 8:
            raise UserError(f"data.size must be at least 8, got {size}")
        self.root = data_root(root)
        self.size, self.data_seed = size, data_seed
        self.extended = extended

    def load(self) -> LoadedData:
        """Read the file, split it and resize its images; each `Faces.index` is a row of the file."""
        file = read_tfd(self.root)
        labels = file.labels.copy()
        original = labels > 0
        digest = sha256(file.path)
        table, extended = self._table(file.path, digest), None
        if table is not None:
            rows, added = read_labels(table.path, labels)
            labels[rows] = added
            known = {"file": table.path.name, "sha256": sha256(table.path), "labels": len(rows)}
            extended = table.manifest | known
        used = np.flatnonzero(labels > 0)
        people = people_of(file)
        identity = np.where(original, people, -1 - np.arange(len(people)))
        split = split_rows(people[used], original[used], self.data_seed)
        splits: dict[Split, Faces] = {}
        counts: dict[str, Any] = {}
        for number, name in enumerate(SPLITS):
            rows = used[split == number]
            if not len(rows):
                raise UserError(
                    f"{file.path}: {len(used)} labelled images of {len(np.unique(people[used]))} people leave no {name} split"
                )
            counts[name] = {"labelled by people": int(original[rows].sum()), "extended": int((~original[rows]).sum())}
            splits[name] = Faces(
                resize(file.images[rows], self.size),
                torch.nn.functional.one_hot(torch.from_numpy(labels[rows]) - 1, len(EXPRESSIONS)).float(),
                torch.from_numpy(identity[rows]),
                torch.from_numpy(rows),
            )
        manifest = {
            "source": file.path.name,
            "sha256": digest,
            "extended": extended,
            "size": self.size,
            "data_seed": self.data_seed,
            "counts": counts,
        }
        return LoadedData(splits, EXPRESSIONS, manifest, labels=EXPRESSIONS[:-1], exclusive=True, groups=(EXPRESSIONS,))

    def _table(self, path: Path, digest: str) -> Table | None:
        if self.extended == "auto":
            return find_labels(path, digest, self.data_seed)
        return Table(Path(self.extended).expanduser(), {}) if self.extended else None


def search_folders(root: Path) -> tuple[Path, Path]:
    """Where the file may lie: `root/tfd` and `root` itself."""
    return root / "tfd", root


def find_file(root: Path) -> Path | None:
    """The file, or None: the one of larger images before the other."""
    return next((folder / name for name in FILES for folder in search_folders(root) if (folder / name).is_file()), None)


def read_tfd(root: Path) -> TFDFile:
    """Read `TFD_96x96.mat` or `TFD_48x48.mat` from `root/tfd` or `root`.

    Raises UserError, naming the file, if there is none or if it is not in the published layout.
    """
    path = find_file(root)
    if path is None:
        raise UserError(
            f"TFD: no {' or '.join(FILES)} in {' or '.join(map(str, search_folders(root)))}: the Toronto Face Database needs a "
            "licence from its authors (University of Toronto); put their file there, or point --data.root or "
            f"${DEFAULT_ROOT_VARIABLE} to it"
        )
    from scipy.io import loadmat

    names = ("images", "labs_ex", "labs_id", "folds")
    try:
        content = loadmat(path, variable_names=names)
        images = np.asarray(content["images"])
        labels, identity = (np.asarray(content[name]).ravel().astype(np.int64) for name in names[1:3])
        folds = np.asarray(content["folds"]).astype(np.int64)
    except Exception as error:  # scipy documents no error of its own for a damaged file
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise UserError(
            f"{path} is no MATLAB file with {', '.join(names)} ({reason}): copy the authors' file again"
        ) from error
    count = len(images)
    shapes = (images.ndim, images.shape[1:2] == images.shape[2:], labels.shape, identity.shape, folds.shape)
    if images.dtype != np.uint8 or shapes != (3, True, (count,), (count,), (count, 5)) or labels.max(initial=0) > 7:
        raise UserError(
            f"{path}: images {images.shape} {images.dtype}, labs_ex {labels.shape}, labs_id {identity.shape}, folds "
            f"{folds.shape} are not N square uint8 images, N labels up to 7, N identities and N times 5 folds: copy the authors' "
            "file again"
        )
    return TFDFile(path, images, labels, identity, folds)


def people_of(file: TFDFile) -> NDArray[np.int64]:
    """The person (N,) of each image, from 1; each of those that the file does not know has a number of its own."""
    return np.where(file.identity > 0, file.identity, file.identity.max(initial=0) + 1 + np.arange(len(file.identity)))


def labels_folders(path: Path, digest: str, data_seed: int) -> list[Path]:
    """Where the prepared labels for the file at `path`, of SHA-256 `digest`, and for a split may lie, preferred first."""
    name = f"tfd-labels-{sha256_of([LABELS_FORMAT, digest, THRESHOLD, data_seed])[:16]}"
    return [folder / name for folder in cache_folders(path.parent)]


def find_labels(path: Path, digest: str, data_seed: int) -> Table | None:
    """The labels that `lit-faces data prepare tfd` wrote for this file and split, if they are there and whole."""
    for folder in labels_folders(path, digest, data_seed):
        table = folder / "labels.csv"
        try:
            manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
            if manifest["sha256"] == sha256(table):
                return Table(table, manifest)
        except (OSError, ValueError, LookupError, TypeError):
            continue
    return None


def read_labels(path: Path, labels: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows (K,) of the images and their labels (K,), 1 to 7, from a table `row,label`; rows count from 0.

    `labels` (N,) are those of the file. Raises UserError, naming the line, for a row that is none, or has a label already.
    """
    if not path.is_file():
        raise UserError(
            f"TFD: no extended labels {path}: `lit-faces data prepare tfd` makes some, which TFD finds by itself"
        )
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        header, *lines = [*csv.reader(file)] or [[]]
    if header != ["row", "label"]:
        raise UserError(f"{path}: the first line must be row,label, got {','.join(header)}")
    found: dict[int, int] = {}
    for number, line in enumerate(lines, 2):
        try:
            row, label = map(int, line)
        except ValueError as error:
            raise UserError(f"{path}, line {number}: {','.join(line)!r} is not two whole numbers") from error
        if not 0 <= row < len(labels) or not 1 <= label <= len(EXPRESSIONS):
            raise UserError(f"{path}, line {number}: row {row} is not below {len(labels)}, or label {label} not 1 to 7")
        if row in found or labels[row] > 0:
            raise UserError(f"{path}, line {number}: row {row} has a label already")
        found[row] = label
    return np.array([*found], np.int64), np.array([*found.values()], np.int64)


def split_rows(people: NDArray[np.int64], labelled: NDArray[np.bool_], seed: int) -> NDArray[np.int64]:
    """Numbers (N,) of the splits 80/10/10, at random by person, the `labelled` (N,) bool rows before and apart from the others.

    `people` (N,) are identities: no person is in two splits. Where the `labelled` rows go does not depend on the others. Raises
    UserError for a negative seed.
    """
    if seed < 0:
        raise UserError(f"data.data_seed must be at least 0, got {seed}")
    generator = np.random.default_rng(seed)
    person = np.unique(people, return_inverse=True)[1]
    split_of = np.full(person.max(initial=-1) + 1, -1)
    for stratum in (labelled, ~labelled):
        here = person[stratum]
        placed = np.bincount(split_of[here][split_of[here] >= 0], minlength=len(SPLITS))
        room = np.cumsum(np.maximum(np.array(_SHARES) * len(here) - placed, 0))
        free, pictures = np.unique(here[split_of[here] < 0], return_counts=True)
        order = generator.permutation(len(free))
        free, pictures = free[order], pictures[order]
        # A person belongs where the middle one of the pictures falls.
        middle = np.cumsum(pictures) - pictures / 2
        split_of[free] = np.searchsorted(room[:-1] / room[-1] * pictures.sum() if room[-1] else room[:-1], middle)
    return split_of[person]


def resize(images: NDArray[np.uint8], size: int) -> torch.Tensor:
    """Square images (N, H, H) uint8 to (N, size, size, 1) uint8, bilinear and antialiased."""
    resized = torch.empty(len(images), size, size, dtype=torch.uint8)
    for start in range(0, len(images), _CHUNK):
        chunk = torch.tensor(images[start : start + _CHUNK]).unsqueeze(1).float()
        chunk = torch.nn.functional.interpolate(chunk, (size, size), mode="bilinear", antialias=True)
        resized[start : start + _CHUNK] = chunk.squeeze(1).round_().clamp_(0, 255).byte()
    return resized.unsqueeze(-1)
