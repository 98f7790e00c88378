"""Are two pictures of one person? Cosine similarities of embeddings, compared with a threshold."""

import torch
from torch import Tensor

from lit_faces.metrics.per_image import ImageRows


class Embedded:
    """Embeddings of N images, on the CPU.

    `index` (N,) ascends without repeats; `identity` (N,); `vectors` (N, d) float64.
    """

    # Not a dataclass or a tuple: torchmetrics would look inside and squeeze away the shape of a single value.
    def __init__(self, index: Tensor, identity: Tensor, vectors: Tensor) -> None:
        self.index, self.identity, self.vectors = index, identity, vectors

    def __len__(self) -> int:
        return len(self.index)

    def similarity(self, pairs: Tensor) -> Tensor:
        """Cosine similarities (P,) of pairs (P, 2) of positions."""
        # In parts: a copy of every pair's vectors would be larger than the data.
        parts = (part.T for part in torch.split(pairs, 10_000))
        return torch.cat([(self.vectors[one] * self.vectors[other]).sum(1) for one, other in parts])


class Embeddings(ImageRows):
    """The embedding of every image with the person's identity.

    Shapes: `update(index (B,), identity (B,), vectors (B, dim))`; `compute` gives Embedded.
    Errors: ValueError for other shapes, and in `compute` if no rank saw an image.
    """

    def __init__(self, dim: int) -> None:
        super().__init__(1 + dim)

    def update(self, index: Tensor, identity: Tensor, vectors: Tensor) -> None:
        """Add a batch: `index` (B,), `identity` (B,), `vectors` (B, dim)."""
        self.record(index, torch.cat([identity[:, None].to(self.precision), vectors.to(self.precision)], 1))

    def compute(self) -> Embedded:
        """Embeddings of every image seen on any rank."""
        index, values = self.rows()
        return Embedded(index, values[:, 0].long(), values[:, 1:])


def verification_pairs(identity: Tensor, per_person: int, seed: int) -> tuple[Tensor, Tensor]:
    """Pairs of different images of the same person, and as many of different persons.

    Of a person with more than `per_person` pairs so many are drawn by the seed. For each of them, its first image makes
    a pair with an image drawn from all other persons.

    Shapes: `identity` (N,) integers; gives positions (P, 2) and (P, 2), P = 0 if there are no two persons.
    """
    generator = torch.Generator().manual_seed(seed)
    order = identity.argsort(stable=True)
    persons, sizes = torch.unique(identity, return_counts=True)
    parts = [torch.empty(0, 2, dtype=torch.int64)]
    for rows in torch.split(order, sizes.tolist()) if len(persons) > 1 else ():
        pairs = torch.combinations(rows)
        if len(pairs) > per_person:
            pairs = pairs[torch.randperm(len(pairs), generator=generator)[:per_person]]
        parts.append(pairs)
    same = torch.cat(parts)
    first = same[:, 0]
    person = torch.searchsorted(persons, identity[first])
    # In the order of the persons, those of others follow the person's own, around the end.
    others = len(identity) - sizes[person]
    steps = (torch.rand(len(first), generator=generator, dtype=torch.float64) * others).long()
    second = order[(sizes.cumsum(0)[person] + steps) % max(1, len(identity))]
    return same, torch.stack((first, second), 1)


def next_of_another(identity: Tensor) -> Tensor | None:
    """Position (N,) of the next image of another person, around the end; None if there is only one person.

    Shapes: `identity` (N,).
    """
    last = (identity != identity.roll(-1)).nonzero()[:, 0]
    if not len(last):
        return None
    following = torch.searchsorted(last, torch.arange(len(identity)))
    return (last[following % len(last)] + 1) % len(identity)


def verification_accuracy(same: Tensor, different: Tensor, threshold: float) -> float:
    """Balanced accuracy: mean of the shares of `same` (P,) above the threshold and of `different` (Q,) not above it."""
    return float((same > threshold).double().mean() + (different <= threshold).double().mean()) / 2


def best_threshold(same: Tensor, different: Tensor) -> float:
    """The threshold of cosine similarities `same` (P,) and `different` (Q,) with the best balanced accuracy.

    Half way between two neighbouring similarities, or beyond them all; of several the lowest.
    """
    found = torch.unique(torch.cat([same, different]))
    edges = torch.cat([found[:1] - 1, found, found[-1:] + 1])
    thresholds = (edges[1:] + edges[:-1]) / 2
    lost, rejected = (torch.searchsorted(side.sort().values, thresholds, right=True) for side in (same, different))
    # In whole numbers, so that equally good thresholds are found equal.
    return float(thresholds[(rejected * len(same) - lost * len(different)).argmax()])


def verification_auc(same: Tensor, different: Tensor) -> float:
    """Probability that a similarity of `same` (P,) is above one of `different` (Q,); ties count half.

    This is the area under the ROC curve.
    """
    ordered = different.sort().values
    below, not_above = (torch.searchsorted(ordered, same, right=right).double() for right in (False, True))
    return float((below + not_above).mean()) / (2 * len(different))
