"""A small Toronto Face Database in its published layout, for the tests of its reader and of its label extension."""

import numpy as np
import pytest
from scipy.io import savemat

LABELLED, COUNT = 420, 600


def pictures(labels, generator, side=48):
    """Noise, but for a bright patch whose place gives the label 1 to 7."""
    images = generator.integers(0, 80, (len(labels), side, side), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[:, 6 * (label - 1) : 6 * label] += 120
    return images


def content(**changes):
    """The variables of the file: the first rows labelled, ten pictures a person, the others unlabelled and unknown."""
    generator = np.random.default_rng(0)
    true = generator.integers(1, 8, COUNT)
    labels = np.where(np.arange(COUNT) < LABELLED, true, -1)
    identity = np.where(np.arange(COUNT) < LABELLED, np.arange(COUNT) // 10 + 1, -1)
    # Some unlabelled pictures are of people known from labelled ones.
    identity[-20:] = np.arange(20) + 1
    folds = np.zeros((COUNT, 5), np.int64)
    for fold in range(5):
        folds[:LABELLED, fold] = (np.arange(LABELLED) // 10 + fold) % 5
    folds[:LABELLED] = np.select([folds[:LABELLED] == 0, folds[:LABELLED] == 1], [3, 2], 1)
    # MATLAB has no vectors: they are columns.
    file = {"images": pictures(true, generator), "labs_ex": labels[:, None].astype(np.int16)}
    return file | {"labs_id": identity[:, None], "folds": folds.astype(np.uint8)} | changes, true


@pytest.fixture
def tfd_root(tmp_path):
    (tmp_path / "tfd").mkdir()
    savemat(tmp_path / "tfd/TFD_48x48.mat", content()[0])
    return tmp_path


def write_table(path, rows):
    path.write_text("\n".join(["row,label", *(f"{row},{label}" for row, label in rows)]) + "\n")
    return path
