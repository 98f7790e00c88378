"""The work that is timed: CMMA on random faces, and a bare training step of it."""

from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor

from lit_faces.cli import fast_precision
from lit_faces.data.base import SPLITS, FaceDataModule, Faces, LoadedData, to_unit_range
from lit_faces.data.batch import Batch
from lit_faces.methods.cmma import CMMA

Form = TypeVar("Form", bound=CMMA)


def device() -> torch.device:
    """The GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@dataclass(frozen=True)
class Scale:
    """Sizes of networks and data, and how often each work is timed."""

    quick: bool
    width: float
    image_size: int
    attributes: int
    latent_dim: int
    batch: int
    steps: int
    """Steps a round, where steps are timed alone."""
    batches: int
    """Batches a round of the training loop."""
    images: int
    samples: int
    """Of the Parzen window: images, and samples of each."""
    rounds: int

    def goal(self, at_least: float, on: str = "") -> float | None:
        """A goal, where it is meant: at full size, and on the device `on` if one is named."""
        return None if self.quick or on not in ("", device().type) else at_least


_ON_GPU = device().type == "cuda"
# The paper's networks and batch. A round lasts seconds on a CPU, and some tenths of a second on a GPU.
FULL = Scale(
    quick=False,
    width=1.0,
    image_size=64,
    attributes=73,
    latent_dim=500,
    batch=100,
    steps=100 if _ON_GPU else 1,
    batches=100 if _ON_GPU else 4,
    images=10,
    samples=100,
    rounds=7,
)
QUICK = Scale(
    quick=True,
    width=0.03,
    image_size=32,
    attributes=5,
    latent_dim=8,
    batch=4,
    steps=2,
    batches=3,
    images=3,
    samples=20,
    rounds=5,
)
# Short steps, where what surrounds them shows.
TOY = replace(QUICK, quick=False, batch=16, batches=50, rounds=7)


class RandomFaces(FaceDataModule):
    """Random pixels and attributes, as many as a round trains on, on the device."""

    def __init__(self, scale: Scale) -> None:
        super().__init__(batch_size=scale.batch)
        self.scale = scale
        self.setup()
        self.splits = {name: faces.to(device()) for name, faces in self.splits.items()}

    def load(self) -> LoadedData:
        """Draw them, the same ones every time."""
        scale, generator = self.scale, torch.Generator().manual_seed(0)
        count, side = scale.batch * scale.batches, scale.image_size
        images = torch.randint(256, (count, side, side, 3), dtype=torch.uint8, generator=generator)
        attributes = torch.randn(count, scale.attributes, generator=generator)
        faces = Faces(images, attributes, torch.arange(count), torch.arange(count))
        names = tuple(f"attribute {number}" for number in range(scale.attributes))
        return LoadedData(dict.fromkeys(SPLITS, faces), names, {})

    @property
    def rows(self) -> list[Tensor]:
        """The rows of every training batch, in the order of a first epoch."""
        return list(self.train_dataloader().sampler)


def network(cls: type[Form], scale: Scale, data: RandomFaces) -> Form:
    """CMMA or another form of it, with the parameters of one seed, on the device."""
    torch.manual_seed(0)
    method = cls(latent_dim=scale.latent_dim, width=scale.width)
    method.prepare(data.spec)
    return method.to(device())


class BareSteps:
    """The training loop that one would write by hand: gather, forward, backward, optimiser, and nothing else."""

    def __init__(self, method: CMMA, data: RandomFaces, precision: str, channels_last: bool = True) -> None:
        layout = torch.channels_last if channels_last else torch.contiguous_format
        self.method = method.to(memory_format=layout)
        self.layout, self.precision = layout, precision
        self.faces, self.rows = data.splits["train"], data.rows
        optimiser = method.configure_optimizers()
        assert isinstance(optimiser, torch.optim.Optimizer)
        self.optimiser = optimiser

    def __call__(self, steps: int) -> None:
        """Train on the first batches of the epoch."""
        for rows in self.rows[:steps]:
            loss = self.loss(rows)
            self.optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()

    def loss(self, rows: Tensor) -> Tensor:
        """Loss of the faces in some rows."""
        picked = self.faces[rows.to(self.faces.index.device)]
        batch = to_unit_range(Batch(picked.images, picked.attributes, picked.identity, picked.index))
        batch = batch._replace(images=batch.images.contiguous(memory_format=self.layout))
        with torch.autocast(batch.images.device.type, torch.bfloat16, enabled=self.precision == "bf16-mixed"):
            return self.method.losses(batch)["loss"]


def precisions() -> tuple[str, ...]:
    """fp32, and bf16 where it is fast."""
    return ("32-true",) if fast_precision() == "32-true" else ("32-true", fast_precision())
