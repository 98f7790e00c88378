"""Labeled Faces in the Wild with its 73 attributes, as the papers use it."""

import torch

from lit_faces.data.base import SPLITS, FaceDataModule, Faces, LoadedData
from lit_faces.data.lfw_cache import CachedFaces, Crop, cached_lfw
from lit_faces.data.lfw_files import data_root
from lit_faces.errors import UserError

LFWCROP = Crop()


class LFW(FaceDataModule):
    """The 13,143 faces of LFW that have attributes: 10,000 train, 1,000 validation, 2,143 test, disjoint in persons.

    `root` (default `$LIT_FACES_DATA`, else `data/`) or its folder `lfw` holds the official images (`lfw-deepfunneled`,
    `lfw_funneled` or `lfw`, a folder or its .tgz) and the attributes (`lfw_attributes.txt`, real-valued, or
    `lfw_att_73.mat`, binary). `size` is the side of the square images in pixels, `crop` the region they show.
    """

    def __init__(
        self,
        root: str | None = None,
        batch_size: int = 100,
        limit: int | None = None,
        seed: int = 0,
        size: int = 64,
        crop: Crop = LFWCROP,
    ) -> None:
        super().__init__(batch_size, limit, seed)
        if size < 1:
            raise UserError(f"data.size must be at least 1 pixel, got {size}")
        self.root = data_root(root)
        self.size, self.crop = size, crop

    def prepare_data(self) -> None:
        """Build the cache if there is none; Lightning calls this in one process only."""
        self._cached()

    def load(self) -> LoadedData:
        """The three splits from the cache, which is built first if `prepare_data` was not called."""
        cached = self._cached()
        manifest = cached.manifest
        faces = Faces(
            torch.from_numpy(cached.images),
            torch.from_numpy(cached.attributes),
            torch.from_numpy(cached.identity),
            torch.from_numpy(cached.index),
        )
        splits = {name: faces[slice(*manifest["splits"][name])] for name in SPLITS}
        return LoadedData(splits, tuple(manifest["attributes"]["names"]), manifest)

    def _cached(self) -> CachedFaces:
        return cached_lfw(self.root, self.size, self.crop)
