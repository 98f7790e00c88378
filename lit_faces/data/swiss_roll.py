"""The Swiss roll: points in space that stand in for images, with one label."""

from typing import Literal

import torch

from lit_faces.data.base import FaceDataModule, Faces, LoadedData, Split
from lit_faces.errors import UserError

# Coordinates are divided by this, to be about as large as a network's weights expect.
SCALE = 10.0
# The coordinate that exceeds 10 where the label holds.
_COORDINATE = {"paper": 0, "half": 1}


class SwissRoll(FaceDataModule):
    """Points of scikit-learn's `make_swiss_roll`, without noise, each an "image" of three channels and one pixel.

    `samples` points are split 80/10/10; images are float32 (N, 1, 1, 3), the coordinates divided by `SCALE`, from about -1.1 to
    2.1. The one label, "Half", holds where a coordinate exceeds 10 before that: the first one as the paper prints it (`paper`,
    about 14 % of the points, the outermost turn's end), or the second one, along the axis, which does split the roll in half
    as the paper says (`half`, about 52 %). `data_seed` determines the points and their split, `seed` only the order of the
    training batches. Source: Klys, Snell and Zemel 2018, section 5.1 (10,000 points).
    """

    def __init__(
        self,
        batch_size: int = 64,
        limit: int | None = None,
        seed: int = 0,
        samples: int = 10000,
        label: Literal["paper", "half"] = "half",
        data_seed: int = 0,
    ) -> None:
        super().__init__(batch_size, limit, seed)
        if samples < 10:
            raise UserError(f"data.samples must be at least 10, to be split 80/10/10, got {samples}")
        if label not in _COORDINATE:
            raise UserError(f"data.label must be paper or half, got {label!r}")
        self.samples, self.label, self.data_seed = samples, label, data_seed

    def load(self) -> LoadedData:
        """Draw the points; they come in random order, so that consecutive ones make the splits."""
        from sklearn.datasets import make_swiss_roll

        points = torch.from_numpy(make_swiss_roll(self.samples, noise=0.0, random_state=self.data_seed)[0])
        holds = points[:, _COORDINATE[self.label]] > 10
        row = torch.arange(self.samples)
        images = (points / SCALE).float().view(-1, 1, 1, 3)
        faces = Faces(images, holds.float().unsqueeze(1), row, row)
        first, second = self.samples * 8 // 10, self.samples * 9 // 10
        splits: dict[Split, Faces] = {"train": faces[:first], "validation": faces[first:second], "test": faces[second:]}
        manifest = {
            "source": "sklearn.datasets.make_swiss_roll",
            "samples": self.samples,
            "label": self.label,
            "scale": SCALE,
            "data_seed": self.data_seed,
        }
        return LoadedData(splits, ("Half",), manifest, labels=("Half",))
