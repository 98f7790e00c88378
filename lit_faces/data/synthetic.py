"""The embedded data set: cartoon faces, drawn when they are loaded."""

import hashlib

import torch
from torch import Tensor

from lit_faces.data.base import SPLITS, FaceDataModule, Faces, LoadedData, Split
from lit_faces.data.cartoon import ATTRIBUTES, NUISANCE, VERSION, Factors, counterfactual, render, sample_factors
from lit_faces.errors import UserError

_PER_IDENTITY = 4


class Synthetic(FaceDataModule):
    """Cartoon faces drawn from named factors; no file is needed, and the true counterfactual of each face can be drawn.

    `train`, `validation` and `test` are the numbers of images of the splits, which share no identity; `size` is their height
    and width in pixels. `correlation` in [0, 1] is how strongly attributes go together as in life (0: independent but for
    logic). `data_seed` determines the faces, `seed` only the order of the training batches.
    """

    def __init__(
        self,
        batch_size: int = 100,
        limit: int | None = None,
        seed: int = 0,
        size: int = 64,
        train: int = 10000,
        validation: int = 1000,
        test: int = 2000,
        correlation: float = 0.5,
        data_seed: int = 0,
    ) -> None:
        super().__init__(batch_size, limit, seed)
        self.counts: dict[Split, int] = {"train": train, "validation": validation, "test": test}
        for name, value in (("size", size), *self.counts.items()):
            smallest = 8 if name == "size" else 1
            if value < smallest:
                raise UserError(f"data.{name} must be at least {smallest}, got {value}")
        if not 0 <= correlation <= 1:
            raise UserError(f"data.correlation must be from 0 to 1, got {correlation}")
        self.size, self.correlation, self.data_seed = size, correlation, data_seed

    def load(self) -> LoadedData:
        """Draw the splits; with a limit, only the first images of each, the same as without."""
        splits: dict[Split, Faces] = {}
        digest = hashlib.sha256()
        for name in SPLITS:
            index = self._rows(name)
            factors, identity = self._sample(name)
            images = render(factors, self.size)
            digest.update(images.numpy().data)
            splits[name] = Faces(images, factors.attributes, identity, index)
        manifest = {
            "source": "drawn by lit_faces",
            "renderer": VERSION,
            "data_seed": self.data_seed,
            "size": self.size,
            "correlation": self.correlation,
            "counts": dict(self.counts),
            "images_per_identity": _PER_IDENTITY,
            "sha256": digest.hexdigest(),
        }
        return LoadedData(splits, ATTRIBUTES, manifest)

    def factors(self, index: Tensor) -> Factors:
        """The factors of rows of the data set, `index` (B,) as in its batches."""
        rows = index.cpu()
        attributes, nuisance = torch.zeros(len(rows), len(ATTRIBUTES)), torch.zeros(len(rows), len(NUISANCE))
        known = torch.zeros(len(rows), dtype=torch.bool)
        for name in SPLITS:
            span = self._rows(name)
            here = (rows >= span[0]) & (rows <= span[-1])
            if here.any():
                picked = self._sample(name)[0][rows[here] - span[0]]
                attributes[here], nuisance[here] = picked.attributes, picked.nuisance
                known |= here
        if not known.all():
            raise UserError(f"Synthetic has no row {int(rows[~known][0])}: give indices that its batches give")
        return Factors(attributes, nuisance)

    def counterfactual(self, index: Tensor, name: str, on: bool) -> Tensor:
        """Rows of the data set redrawn with one attribute set or reset, uint8 (B, H, W, C).

        All else remains: the person, the pose, the light and the background. `index` (B,) is that of a batch.
        """
        return render(counterfactual(self.factors(index), name, on), self.size)

    def _rows(self, split: Split) -> Tensor:
        """Indices of a split's images, unchanged by a limit."""
        first = sum(self.counts[name] for name in SPLITS[: SPLITS.index(split)])
        count = self.counts[split]
        return torch.arange(first, first + (min(count, self.limit) if self.limit else count))

    def _sample(self, split: Split) -> tuple[Factors, Tensor]:
        """Factors and identities of a split, each split from a stream of its own."""
        number = SPLITS.index(split)
        seed = self.data_seed * len(SPLITS) + number
        factors, identity = sample_factors(len(self._rows(split)), seed, self.correlation, _PER_IDENTITY)
        people = sum(-(-self.counts[name] // _PER_IDENTITY) for name in SPLITS[:number])
        return factors, identity + people
