"""What the other attributes are like, on average, when some are known: by the covariance of the training data."""

from collections.abc import Sequence

import torch
from torch import Tensor

# Directions of less variance than this share of the largest count as none, so that attributes that determine each other
# (one of three kinds of eyewear is always worn) are no hindrance.
_RANK = 1e-8


def covariance_of(standardised: Tensor) -> Tensor:
    """Covariance (A, A) in float64 of standardised attributes (N, A), whose mean is 0."""
    values = standardised.double()
    return values.T @ values / len(values)


def regression(covariance: Tensor, named: Sequence[int]) -> Tensor:
    """Weights (A, K) that give the expected change of all A attributes for a change of the K `named` columns, float64.

    E[y | y_named] = S_AN S_NN^+ y_named for y of mean 0 and covariance S (A, A), with the pseudo-inverse. The named ones
    themselves are taken as they are given, even where the data never have them so together.
    """
    columns = list(named)
    double = covariance.double()
    inverse = torch.linalg.pinv(double[columns][:, columns], rtol=_RANK, hermitian=True)
    weights: Tensor = double[:, columns] @ inverse
    weights[columns] = torch.eye(len(columns), dtype=double.dtype)
    return weights
