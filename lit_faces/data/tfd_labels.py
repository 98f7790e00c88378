"""More labels for the Toronto Face Database: those of which an ensemble of classifiers is confident.

The members are logistic regressions on 16x16 pixels. They are as unlike the convolutional network that scores edited faces as
is simple, and must stay so: a score by what gave the labels would count its mistakes as successes.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from lit_faces.data.base import SPLITS
from lit_faces.data.expression_shapes import EXPRESSIONS
from lit_faces.data.tfd import (
    LABELS_FORMAT,
    THRESHOLD,
    Table,
    TFDFile,
    find_labels,
    labels_folders,
    people_of,
    read_tfd,
    split_rows,
)
from lit_faces.errors import UserError
from lit_faces.files import sha256, write_json, write_text

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

_SIDE = 16
_TRAIN = 1


@dataclass(frozen=True)
class Extension:
    """Labels (K,), 1 to 7, of `rows` (K,) that had none, and how well members did on labelled images that they had not seen.

    `accuracy` is over all of those, `kept` the part of them of which a member is confident, `precision` the accuracy on that
    part (0 if it is empty); each is the mean over members, in [0, 1].
    """

    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    accuracy: float
    kept: float
    precision: float


def keep_confident(
    probabilities: NDArray[np.float64], threshold: float = THRESHOLD
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows (K,) whose largest mean probability is at least `threshold`, and its label (K,), 1 to 7.

    `probabilities` (M, N, 7) are those of M classifiers for N images.
    """
    if probabilities.ndim != 3 or probabilities.shape[2] != len(EXPRESSIONS):
        raise ValueError(f"probabilities must be (M, N, {len(EXPRESSIONS)}), got {probabilities.shape}")
    mean = probabilities.mean(0)
    rows = np.flatnonzero(mean.max(1) >= threshold)
    return rows, mean[rows].argmax(1) + 1


def extend_labels(file: TFDFile, data_seed: int, threshold: float = THRESHOLD) -> Extension:
    """Label the images of a file that have no label, as an ensemble does that never saw one outside `TFD`'s train split.

    Each of five members is trained on those labelled images of the train split of `data_seed` that are training images of one
    of the five published folds, and tried on the other ones of the split. An image keeps the label that the members give it
    together if its mean probability is at least `threshold`. Source: Klys, Snell and Zemel 2018, section 5.2.1, which gives the
    threshold, and leaves the classifier open. Raises UserError for a fold that leaves a member less than two expressions.
    """
    pixels = _features(file.images)
    labelled = np.flatnonzero(file.labels > 0)
    unlabelled = np.flatnonzero(file.labels <= 0)
    split = split_rows(people_of(file)[labelled], np.ones(len(labelled), np.bool_), data_seed)
    train = labelled[split == SPLITS.index("train")]
    members, scores = [], []
    for fold in range(file.folds.shape[1]):
        seen = file.folds[train, fold] == _TRAIN
        chosen, held_out = train[seen], train[~seen]
        if len(np.unique(file.labels[chosen])) < 2:
            raise UserError(
                f"{file.path}: fold {fold + 1} has no training images of two expressions in the train split"
            )
        member = _fit(pixels[chosen], file.labels[chosen])
        members.append(_predict(member, pixels[unlabelled]))
        probabilities = _predict(member, pixels[held_out])
        right = probabilities.argmax(1) + 1 == file.labels[held_out]
        sure = probabilities.max(1) >= threshold
        scores.append([_mean(right), _mean(sure), _mean(right[sure])])
    rows, labels = keep_confident(np.stack(members), threshold)
    return Extension(unlabelled[rows], labels, *np.mean(scores, 0).tolist())


def prepare_labels(root: Path, data_seed: int) -> Table:
    """The labels that `TFD` finds for the file under `root` and the split of `data_seed`; written if they are not there.

    Raises UserError for no file, for what `extend_labels` refuses, and if no folder for them can be written.
    """
    file = read_tfd(root)
    digest = sha256(file.path)
    if (table := find_labels(file.path, digest, data_seed)) is not None:
        return table
    extension = extend_labels(file, data_seed)
    lines = [f"{row},{label}" for row, label in zip(extension.rows.tolist(), extension.labels.tolist(), strict=True)]
    counts = np.bincount(extension.labels - 1, minlength=len(EXPRESSIONS)).tolist()
    manifest = {
        "format": LABELS_FORMAT,
        "source": file.path.name,
        "source_sha256": digest,
        "threshold": THRESHOLD,
        "data_seed": data_seed,
        "labels": len(lines),
        "labels_by_expression": dict(zip(EXPRESSIONS, counts, strict=True)),
        "accuracy": extension.accuracy,
        "kept": extension.kept,
        "precision": extension.precision,
    }
    folders = labels_folders(file.path, digest, data_seed)
    for folder in folders:
        try:
            write_text(folder / "labels.csv", "\n".join(["row,label", *lines]) + "\n")
            # The manifest comes last and holds the table's checksum: without both there are no labels.
            write_json(folder / "manifest.json", manifest | {"sha256": sha256(folder / "labels.csv")})
        except OSError:
            continue
        if (table := find_labels(file.path, digest, data_seed)) is not None:
            return table
    raise UserError(
        f"cannot write {' or '.join(map(str, folders))}: set $LIT_FACES_CACHE to a folder that can be written"
    )


def _features(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Pixels (N, 256) of images (N, H, W), averaged to 16x16, each image with mean 0 and standard deviation 1."""
    small = [
        torch.nn.functional.adaptive_avg_pool2d(chunk.unsqueeze(1).float(), _SIDE).flatten(1)
        for chunk in torch.split(torch.from_numpy(images), 4096)
    ]
    pixels = torch.cat(small).double()
    pixels -= pixels.mean(1, keepdim=True)
    return np.asarray((pixels / pixels.std(1, correction=0, keepdim=True).clamp(min=1e-6)).numpy())


def _fit(pixels: NDArray[np.float64], labels: NDArray[np.int64]) -> "LogisticRegression":
    """A member trained on pixels (N, 256) with labels (N,)."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=0.1, max_iter=2000).fit(pixels, labels)


def _predict(member: "LogisticRegression", pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities (N, 7) for pixels (N, 256); 0 for expressions that the member never saw."""
    probabilities = np.zeros((len(pixels), len(EXPRESSIONS)))
    if len(pixels):
        probabilities[:, member.classes_ - 1] = member.predict_proba(pixels)
    return probabilities


def _mean(values: NDArray[np.bool_]) -> float:
    return float(values.mean()) if len(values) else 0.0
