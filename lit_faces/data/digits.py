"""Handwritten digits, drawn when they are loaded: what MNIST is for people's."""

import torch
from torch import Tensor

from lit_faces.data.base import SPLITS, Faces, LoadedData, Split
from lit_faces.data.digit_shapes import NUISANCE, Handwriting, render, sample_handwriting
from lit_faces.data.drawn import DrawnFaces
from lit_faces.data.mnist import DIGITS

# Raise this with every change of the drawings or of the sampling: it goes into the manifest.
VERSION = 1


class Digits(DrawnFaces):
    """Drawn digits in many hands, white on black, of one channel; no file is needed, and slant and stroke width are known.

    The attributes and labels are the digits "0" to "9", of which one holds; all are equally frequent, and each image has an
    identity of its own, as in MNIST. `train`, `validation` and `test` are the numbers of images of the splits, and `size` is
    their height and width in pixels. `data_seed` determines the digits, `seed` only the order of the training batches.
    """

    def __init__(
        self,
        batch_size: int = 100,
        limit: int | None = None,
        seed: int = 0,
        size: int = 28,
        train: int = 55000,
        validation: int = 5000,
        test: int = 10000,
        data_seed: int = 0,
    ) -> None:
        counts: dict[Split, int] = {"train": train, "validation": validation, "test": test}
        super().__init__(batch_size, limit, seed, size, counts, 1, data_seed)

    def load(self) -> LoadedData:
        """Draw the splits; with a limit, only the first images of each, the same as without."""
        splits: dict[Split, Faces] = {}
        for name in SPLITS:
            writing, row = self._sample(name), self._rows(name)
            attributes = torch.nn.functional.one_hot(writing.digit, len(DIGITS)).float()
            splits[name] = Faces(render(writing, self.size), attributes, row, row)
        return LoadedData(
            splits, DIGITS, self._manifest(splits, VERSION), labels=DIGITS, exclusive=True, groups=(DIGITS,)
        )

    def factors(self, index: Tensor) -> Handwriting:
        """What determines rows of the data set, `index` (B,) as in its batches. Raises UserError for an unknown row."""
        count = len(index)
        digit, nuisance = torch.zeros(count, dtype=torch.int64), torch.zeros(count, NUISANCE)
        slant, width = torch.zeros(2, count)
        for split, here, position in self._located(index):
            picked = self._sample(split)[position]
            digit[here], nuisance[here] = picked.digit, picked.nuisance
            slant[here], width[here] = picked.slant, picked.width
        return Handwriting(digit, slant, width, nuisance)

    def _sample(self, split: Split) -> Handwriting:
        return sample_handwriting(self._sampled(split), self._stream(split))
