"""DataModules of faces that are drawn when they are loaded: how many, which rows they have, and where they come from."""

import hashlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from lit_faces.data.base import SPLITS, FaceDataModule, Faces, Split
from lit_faces.errors import UserError


class DrawnFaces(FaceDataModule):
    """A data set of `counts` images a split, `size` pixels high and wide, `per_identity` of each person; splits share no person.

    Rows are numbered through the splits, train first. A limit leaves the numbers and the faces of those that remain.
    """

    def __init__(
        self,
        batch_size: int,
        limit: int | None,
        seed: int,
        size: int,
        counts: dict[Split, int],
        per_identity: int,
        data_seed: int,
    ) -> None:
        super().__init__(batch_size, limit, seed)
        for name, value in (("size", size), *counts.items()):
            smallest = 8 if name == "size" else 1
            if value < smallest:
                raise UserError(f"data.{name} must be at least {smallest}, got {value}")
        self.size, self.counts, self.per_identity, self.data_seed = size, counts, per_identity, data_seed

    def _sampled(self, split: Split) -> int:
        """How many images of a split are sampled: the first ones, up to the limit."""
        return min(self.counts[split], self.limit or self.counts[split])

    def _rows(self, split: Split) -> Tensor:
        """Indices (N,) of the images of a split that are sampled."""
        first = sum(self.counts[name] for name in SPLITS[: SPLITS.index(split)])
        return torch.arange(first, first + self._sampled(split))

    def _stream(self, split: Split) -> int:
        """The seed that a split is sampled from, its own."""
        return self.data_seed * len(SPLITS) + SPLITS.index(split)

    def _first_identity(self, split: Split) -> int:
        """The number of a split's first person, after all those of the splits before it."""
        return sum(-(-self.counts[name] // self.per_identity) for name in SPLITS[: SPLITS.index(split)])

    def _located(self, index: Tensor) -> Iterator[tuple[Split, Tensor, Tensor]]:
        """Each split that has rows of `index` (B,), which ones (B,) bool, and their positions in it (M,).

        Raises UserError for a row that no split has.
        """
        rows = index.cpu()
        unknown = torch.ones(len(rows), dtype=torch.bool)
        for split in SPLITS:
            span = self._rows(split)
            here = (rows >= span[0]) & (rows <= span[-1])
            if here.any():
                yield split, here, rows[here] - span[0]
                unknown &= ~here
        if unknown.any():
            row = int(rows[unknown][0])
            raise UserError(f"{type(self).__name__} has no row {row}: give indices that its batches give")

    def _manifest(self, splits: dict[Split, Faces], renderer: int | list[int], **options: Any) -> dict[str, Any]:
        """The manifest of drawn splits: the `renderer`'s version, the data set's own `options`, the checksum of the pixels."""
        digest = hashlib.sha256()
        for faces in splits.values():
            digest.update(faces.images.numpy().data)
        return {
            "source": "drawn by lit_faces",
            "renderer": renderer,
            "data_seed": self.data_seed,
            "size": self.size,
            **options,
            "counts": dict(self.counts),
            "images_per_identity": self.per_identity,
            "sha256": digest.hexdigest(),
        }
