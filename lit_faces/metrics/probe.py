"""What a small classifier, trained for the purpose, can tell from codes."""

import copy
import warnings
from dataclasses import dataclass
from math import nan, sqrt
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

_HIDDEN, _RATE, _BATCH, _EPOCHS, _PATIENCE = 64, 1e-3, 200, 100, 10


@dataclass(frozen=True)
class ProbeScore:
    """Of C `classes` that are there in both splits: `recall` (C,), the share of the n (`counts`, (C,)) test codes of a class
    that the probe recognises, and `linear` (C,), the same of a linear probe. `right` (N,) is 1 or 0 for each test code that the
    probe is right about or not, NaN for those of other classes.
    """

    classes: tuple[int, ...]
    counts: tuple[int, ...]
    recall: tuple[float, ...]
    linear: tuple[float, ...]
    right: tuple[float, ...]

    @property
    def accuracy(self) -> float:
        """Balanced accuracy: mean recall. By chance it is 1 / C."""
        return sum(self.recall) / len(self.recall)

    @property
    def linear_accuracy(self) -> float:
        """Balanced accuracy of the linear probe."""
        return sum(self.linear) / len(self.linear)

    @property
    def errors(self) -> tuple[float, ...]:
        """Standard error of each recall: that of a proportion."""
        return tuple(sqrt(r * (1 - r) / n) for r, n in zip(self.recall, self.counts, strict=True))

    @property
    def error(self) -> float:
        """Standard error of the balanced accuracy; the probe is taken as given."""
        return sqrt(sum(error**2 for error in self.errors)) / len(self.recall)


Split = tuple[NDArray[np.float64], NDArray[np.int64]]


def probe(train: Split, test: Split, seed: int = 0) -> ProbeScore | None:
    """Train a network of 64 hidden units and a linear one to tell the class from the code, and score them on the test codes.

    Every class counts the same in both, however rare, and so it does in the balanced accuracy.

    Shapes: codes (N, d) and classes (N,) integers for each split. Gives None if fewer than two classes are there in both, twice
    in train.
    """
    classes = [int(c) for c in np.unique(train[1]) if (train[1] == c).sum() > 1 and (test[1] == c).any()]
    if len(classes) < 2:
        return None
    asked = np.isin(test[1], classes)
    (codes, truth), (held_out, wanted) = (
        (x[np.isin(y, classes)], np.searchsorted(classes, y[np.isin(y, classes)])) for x, y in (train, test)
    )
    codes, held_out = _standardised(codes, held_out)
    answers = _network(codes, truth, held_out, seed), _linear(codes, truth, held_out, "balanced")
    recall, linear = (tuple(float((a[wanted == c] == c).mean()) for c in range(len(classes))) for a in answers)
    right = np.full(len(asked), nan)
    right[asked] = answers[0] == wanted
    return ProbeScore(tuple(classes), tuple(np.bincount(wanted).tolist()), recall, linear, tuple(right.tolist()))


def linear_answers(
    train: Split, held_out: NDArray[np.float64], class_weight: Literal["balanced"] | None = None
) -> NDArray[np.int64]:
    """What a linear classifier, to which every training code counts the same, says of each held-out code.

    If it is `balanced`, every class counts the same instead, however rare.

    Shapes: training codes (N, d) with classes (N,) integers, held-out codes (M, d); gives (M,) classes. If the training
    codes are of one class, that is the answer to all.
    """
    codes, truth = train
    if (truth == truth[0]).all():
        return np.full(len(held_out), truth[0])
    codes, held_out = _standardised(codes, held_out)
    return _linear(codes, truth, held_out, class_weight)


def linear_values(
    codes: NDArray[np.float64], values: NDArray[np.float64], held_out: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What a linear regression says of each held-out code: ridge on standardised codes, with a penalty of one observation.

    Shapes: training codes (N, d) with values (N,), held-out codes (M, d); gives (M,). Codes that do not vary tell
    nothing, and the answer is the mean.
    """
    codes, held_out = _standardised(codes, held_out)
    mean = values.mean()
    # The penalty settles entries that are copies of each other or constant.
    slopes = np.linalg.solve(codes.T @ codes + np.eye(codes.shape[1]), codes.T @ (values - mean))
    answer: NDArray[np.float64] = mean + held_out @ slopes
    return answer


def _standardised(
    codes: NDArray[np.float64], held_out: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both with the mean and the standard deviation of the first taken out."""
    mean, std = codes.mean(0), codes.std(0)
    scale = np.where(std > 0, std, 1)
    return (codes - mean) / scale, (held_out - mean) / scale


def _linear(
    codes: NDArray[np.float64],
    truth: NDArray[np.int64],
    held_out: NDArray[np.float64],
    class_weight: Literal["balanced"] | None = None,
) -> NDArray[np.int64]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(class_weight=class_weight, max_iter=200).fit(codes, truth)
    answer: NDArray[np.int64] = model.predict(held_out)
    return answer


def _network(
    codes: NDArray[np.float64], truth: NDArray[np.int64], held_out: NDArray[np.float64], seed: int
) -> NDArray[np.int64]:
    """Adam, stopped by the balanced cross-entropy on a tenth of the training codes.

    Scikit-learn's is stopped by the plain accuracy, which a rare class hardly moves: it then learns nothing and finds no leak.
    """
    with torch.inference_mode(False), torch.enable_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        x, y = torch.from_numpy(codes).float(), torch.from_numpy(truth)
        order = torch.randperm(len(x))
        check, learn = order[: len(x) // 10], order[len(x) // 10 :]
        weight = 1 / torch.bincount(y).float()
        network = nn.Sequential(nn.Linear(x.shape[1], _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, len(weight)))
        optimiser = torch.optim.Adam(network.parameters(), lr=_RATE, fused=True)
        best, kept, waited = float("inf"), copy.deepcopy(network), 0
        size = min(_BATCH, max(_BATCH // 10, len(learn) // 50))
        for _ in range(_EPOCHS):
            for rows in torch.split(learn[torch.randperm(len(learn))], size):
                optimiser.zero_grad()
                torch.autograd.backward(nn.functional.cross_entropy(network(x[rows]), y[rows], weight))
                optimiser.step()
            with torch.no_grad():
                loss = float(nn.functional.cross_entropy(network(x[check]), y[check], weight)) if len(check) else -1.0
            waited += 1
            if loss < best or not len(check):
                best, kept, waited = loss, copy.deepcopy(network), 0
            if waited == _PATIENCE:
                break
        with torch.no_grad():
            answer: NDArray[np.int64] = kept(torch.from_numpy(held_out).float()).argmax(1).numpy()
    return answer
