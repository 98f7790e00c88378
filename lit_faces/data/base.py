"""Faces in memory: what every DataModule here shares."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torch.utils.data.distributed import DistributedSampler

from lit_faces.data.batch import Batch, DataSpec
from lit_faces.data.expectation import covariance_of
from lit_faces.errors import UserError

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


@dataclass(frozen=True)
class Faces:
    """Faces as they are stored: `images` (N, H, W, C) uint8 (float32, in a range of its own, for what is no picture),
    `attributes` (N, A) float32 in the data set's own units, `identity` (N,) int64, `index` (N,) int64, the row in the data set.
    """

    images: Tensor
    attributes: Tensor
    identity: Tensor
    index: Tensor

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, rows: Tensor | slice) -> "Faces":
        return Faces(self.images[rows], self.attributes[rows], self.identity[rows], self.index[rows])

    def to(self, device: torch.device) -> "Faces":
        """Copy to a device."""
        return Faces(*(t.to(device) for t in (self.images, self.attributes, self.identity, self.index)))


@dataclass(frozen=True)
class LoadedData:
    """What a DataModule reads: one `Faces` a split, the attributes' names, and the manifest of their origin.

    `labels` are the attributes that a method with few of them is to model, where the data set is about some in particular;
    `exclusive` if at most one of them holds (expressions, say). `follows` names, for an attribute, those that are no longer free
    when it changes (No_Beard for Facial_Hair, say): an edit may change them too. At most one attribute of each of the `groups`
    holds (kinds of eyewear, say): setting one resets the others.
    """

    splits: dict[Split, Faces]
    attributes: tuple[str, ...]
    manifest: dict[str, Any]
    labels: tuple[str, ...] = ()
    exclusive: bool = False
    follows: dict[str, tuple[str, ...]] = field(default_factory=dict)
    groups: tuple[tuple[str, ...], ...] = ()


class _Batches(Dataset[Batch]):
    """Indexed by a tensor of rows, gives the batch of these rows; images stay uint8 (B, H, W, C)."""

    def __init__(self, faces: Faces) -> None:
        self.faces = faces

    def __getitem__(self, rows: Tensor) -> Batch:
        picked = self.faces[rows.to(self.faces.index.device)]
        return Batch(picked.images, picked.attributes, picked.identity, picked.index)


class _BatchRows(DistributedSampler[Tensor]):
    """Yields one tensor of rows a batch: shuffled by (seed, epoch) for training, in order otherwise; sharded by rank.

    Training drops the incomplete batch, so that every rank makes equally many steps of one shape; evaluation sees every row
    exactly once, over all ranks. Being a DistributedSampler, it is left alone by Lightning.
    """

    def __init__(self, length: int, batch_size: int, seed: int | None, rank: int, world_size: int) -> None:
        self.length, self.batch_size, self.order_seed = length, batch_size, seed
        self.rank, self.num_replicas, self.epoch = rank, world_size, 0

    def __len__(self) -> int:
        if self.order_seed is not None:
            return self.length // (self.batch_size * self.num_replicas)
        return -(-len(range(self.rank, self.length, self.num_replicas)) // self.batch_size)

    def __iter__(self) -> Iterator[Tensor]:
        if self.order_seed is None:
            rows = torch.arange(self.length)
        else:
            generator = torch.Generator().manual_seed(self.order_seed * 1_000_003 + self.epoch)
            rows = torch.randperm(self.length, generator=generator)
        yield from torch.split(rows[self.rank :: self.num_replicas], self.batch_size)[: len(self)]


class FaceDataModule(LightningDataModule):
    """A data set of faces with attributes, wholly in memory, on the accelerator when it fits there.

    A data set implements `load`. `batch_size` is per process; validation and test take at least `evaluation_batch_size` images
    at a time, since small batches only cost time there. `limit` keeps only the first so many images of each split (for quick
    runs). `seed` orders the training batches: epoch e of seed s is always the same order.
    """

    evaluation_batch_size = 100

    def __init__(self, batch_size: int = 100, limit: int | None = None, seed: int = 0) -> None:
        super().__init__()
        if batch_size < 1 or (limit is not None and limit < 1):
            raise UserError(f"data.batch_size and data.limit must be at least 1, got {batch_size} and {limit}")
        self.batch_size, self.limit, self.seed = batch_size, limit, seed
        self.splits: dict[Split, Faces] = {}
        self.spec: DataSpec

    def load(self) -> LoadedData:
        """Read the data set, from a cache where `prepare_data` made one."""
        raise NotImplementedError(f"{type(self).__name__} must implement load()")

    def setup(self, stage: str | None = None) -> None:
        """Load the images, standardise the attributes on the train split, and move all to the accelerator if it fits."""
        if self.splits:
            return
        loaded = self.load()
        splits = {name: faces[: self.limit] if self.limit else faces for name, faces in loaded.splits.items()}
        train = splits["train"]
        if len(train) < self.batch_size:
            raise UserError(
                f"{type(self).__name__}: {len(train)} training images are fewer than one batch of {self.batch_size}: "
                "lower --data.batch_size or raise --data.limit"
            )
        raw = train.attributes.double()
        # A column without spread carries no information: it stays 0 rather than being divided by 0.
        std = raw.std(0, correction=0)
        std = torch.where(std > 0, std, torch.ones_like(std))
        quantiles = torch.quantile(raw, torch.tensor([0.05, 0.95], dtype=raw.dtype), dim=0, interpolation="nearest")
        low, high = quantiles[0], quantiles[1]
        # A rare binary attribute has equal percentiles: its two values are then the extremes.
        flat = low == high
        low, high = torch.where(flat, raw.amin(0), low), torch.where(flat, raw.amax(0), high)
        height, width, channels = train.images.shape[1:]
        self.spec = DataSpec(
            name=type(self).__name__,
            image_shape=(channels, height, width),
            attributes=loaded.attributes,
            mean=tuple(raw.mean(0).tolist()),
            std=tuple(std.tolist()),
            low=tuple(low.tolist()),
            high=tuple(high.tolist()),
            threshold=tuple(_threshold(raw).tolist()),
            labels=loaded.labels,
            exclusive=loaded.exclusive,
            follows=loaded.follows,
            groups=loaded.groups,
            covariance=tuple(map(tuple, covariance_of((raw - raw.mean(0)) / std).tolist())),
            manifest={**loaded.manifest, "limit": self.limit, "rows": {name: len(f) for name, f in splits.items()}},
        )
        standardised = {
            name: Faces(f.images, self.spec.standardise(f.attributes), f.identity, f.index)
            for name, f in splits.items()
        }
        device = self._resident_device(sum(f.images.nbytes for f in splits.values()))
        self.splits = {name: faces.to(device) for name, faces in standardised.items()}

    def _resident_device(self, size: int) -> torch.device:
        device = self.trainer.strategy.root_device if self.trainer is not None else torch.device("cpu")
        if device.type == "cuda" and size < torch.cuda.mem_get_info(device)[0] // 2:
            return device
        return torch.device("cpu")

    def loader(self, split: Split, shuffle: bool = False) -> DataLoader[Batch]:
        """Batches of one split; this process's share of them under several ranks."""
        faces = self.splits[split]
        rank, world_size = (self.trainer.global_rank, self.trainer.world_size) if self.trainer is not None else (0, 1)
        size = self.batch_size if shuffle else max(self.batch_size, self.evaluation_batch_size)
        seed = self.seed if shuffle else None
        # An iterator of a DataLoader draws a number as it begins, and a resumed run begins its first one earlier than a run that
        # goes on: with a generator of its own it leaves torch's, which draws the noise of training, alone.
        return DataLoader(
            _Batches(faces),
            batch_size=None,
            sampler=_BatchRows(len(faces), size, seed, rank, world_size),
            generator=torch.Generator(),
        )

    def train_dataloader(self) -> DataLoader[Batch]:
        """Shuffled batches of the train split."""
        return self.loader("train", shuffle=True)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Batches of the validation split, in order."""
        return self.loader("validation")

    def test_dataloader(self) -> DataLoader[Batch]:
        """Batches of the test split, in order."""
        return self.loader("test")

    def predict_dataloader(self) -> DataLoader[Batch]:
        """Batches of the test split, in order."""
        return self.loader("test")

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Images from uint8 (B, H, W, C) to floating point in [0, 1], (B, C, H, W), on the device."""
        return to_unit_range(batch)


def _threshold(raw: Tensor) -> Tensor:
    """Above what each attribute (N, A) counts as present: 0 for signed scores, half way for values that are never negative."""
    least, largest = raw.amin(0), raw.amax(0)
    # What never varies says nothing of where half way is, and is taken to be 0 or more.
    half = torch.where(least < largest, (least + largest) / 2, largest / 2)
    return torch.where(least < 0, 0.0, half)


def to_unit_range(batch: Batch) -> Batch:
    """Images from uint8 (B, H, W, C) to float32 in [0, 1], (B, C, H, W), channels last in memory; float32 keeps its range."""
    images = batch.images.permute(0, 3, 1, 2)
    return batch._replace(images=images.float().div_(255) if images.dtype == torch.uint8 else images)
