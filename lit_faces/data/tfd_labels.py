"""More labels for the Toronto Face Database: those of which an ensemble of classifiers is confident.

The members are logistic regressions on 16x16 pixels. They are as unlike the convolutional network that scores edited faces as
is simple, and must stay so: a score by what gave the labels would count its mistakes as successes.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from lit_faces.data.expression_shapes import EXPRESSIONS
from lit_faces.data.tfd import read_tfd
from lit_faces.errors import UserError
from lit_faces.files import write_text

_SIDE = 16
_TRAIN = 1


@dataclass(frozen=True)
class Extension:
    """Labels (K,), 1 to 7, of `rows` (K,) that had none, and how well members did on labelled images they had not seen.

    `accuracy` is over all of those, `kept` the part of them of which a member is confident, `precision` the accuracy on that
    part (0 if it is empty); each is the mean over members, in [0, 1].
    """

    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    accuracy: float
    kept: float
    precision: float


def keep_confident(
    probabilities: NDArray[np.float64], threshold: float = 0.9
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows (K,) whose largest mean probability is at least `threshold`, and its label (K,), 1 to 7.

    `probabilities` (M, N, 7) are those of M classifiers for N images.
    """
    if probabilities.ndim != 3 or probabilities.shape[2] != len(EXPRESSIONS):
        raise ValueError(f"probabilities must be (M, N, {len(EXPRESSIONS)}), got {probabilities.shape}")
    mean = probabilities.mean(0)
    rows = np.flatnonzero(mean.max(1) >= threshold)
    return rows, mean[rows].argmax(1) + 1


def extend_labels(root: Path, path: Path, threshold: float = 0.9) -> Extension:
    """Label images of the TFD in `root` that have no label, and write the table `row,label` that `TFD` takes as `extended`.

    Each of five members is trained on the training images of one of the five published folds, and tried on the others that
    have a label. An image keeps the label that they give it together if its mean probability is at least `threshold`. The
    folds are not the splits of `TFD`: labels of images in its test split are learned from, too. Source: Klys, Snell and Zemel
    2018, section 5.2.1, which gives the threshold, and leaves the classifier open. Raises UserError for a threshold outside
    (0, 1], for no file, and for a fold without training images of two expressions.
    """
    if not 0 < threshold <= 1:
        raise UserError(f"the threshold must be above 0 and at most 1, got {threshold}")
    file = read_tfd(root)
    pixels = _features(file.images)
    labelled = file.labels > 0
    unlabelled = np.flatnonzero(~labelled)
    members, scores = [], []
    for fold in range(file.folds.shape[1]):
        seen = labelled & (file.folds[:, fold] == _TRAIN)
        if len(np.unique(file.labels[seen])) < 2:
            raise UserError(f"{file.path}: fold {fold + 1} has no training images of two expressions")
        probabilities = _fit_and_predict(pixels[seen], file.labels[seen], pixels)
        members.append(probabilities[unlabelled])
        held_out = labelled & ~seen
        right = probabilities[held_out].argmax(1) + 1 == file.labels[held_out]
        sure = probabilities[held_out].max(1) >= threshold
        scores.append([_mean(right), _mean(sure), _mean(right[sure])])
    rows, labels = keep_confident(np.stack(members), threshold)
    rows = unlabelled[rows]
    lines = [f"{row},{label}" for row, label in zip(rows.tolist(), labels.tolist(), strict=True)]
    write_text(path, "\n".join(["row,label", *lines]) + "\n")
    return Extension(rows, labels, *np.mean(scores, 0).tolist())


def _features(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Pixels (N, 256) of images (N, H, W), averaged to 16x16, each image with mean 0 and standard deviation 1."""
    small = [
        torch.nn.functional.adaptive_avg_pool2d(chunk.unsqueeze(1).float(), _SIDE).flatten(1)
        for chunk in torch.split(torch.from_numpy(images), 4096)
    ]
    pixels = torch.cat(small).double()
    pixels -= pixels.mean(1, keepdim=True)
    return np.asarray((pixels / pixels.std(1, correction=0, keepdim=True).clamp(min=1e-6)).numpy())


def _fit_and_predict(
    pixels: NDArray[np.float64], labels: NDArray[np.int64], every: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Probabilities (N, 7) for the images `every` (N, 256) of a member trained on others."""
    from sklearn.linear_model import LogisticRegression

    member = LogisticRegression(C=0.1, max_iter=2000).fit(pixels, labels)
    # A fold may lack an expression.
    probabilities = np.zeros((len(every), len(EXPRESSIONS)))
    probabilities[:, member.classes_ - 1] = member.predict_proba(every)
    return probabilities


def _mean(values: NDArray[np.bool_]) -> float:
    return float(values.mean()) if len(values) else 0.0
