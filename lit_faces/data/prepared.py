"""DataModules of pictures that lie on disk and are read from a cache of crops."""

from typing import ClassVar

import torch

from lit_faces.data.base import SPLITS, FaceDataModule, Faces, LoadedData
from lit_faces.data.batch import known_groups
from lit_faces.data.cache import CachedFaces
from lit_faces.data.sources import data_root
from lit_faces.errors import UserError


class PreparedFaces(FaceDataModule):
    """A data set under the folder `root`, cropped and scaled to `size` pixels; a data set implements `cached`.

    `groups` are its exclusive attributes, those of them that the files have.
    """

    groups: ClassVar[tuple[tuple[str, ...], ...]] = ()

    def __init__(self, root: str | None, batch_size: int, limit: int | None, seed: int, size: int) -> None:
        super().__init__(batch_size, limit, seed)
        if size < 1:
            raise UserError(f"data.size must be at least 1 pixel, got {size}")
        self.root = data_root(root)
        self.size = size

    def cached(self) -> CachedFaces:
        """The cache, built first if there is none. Raises UserError if the data are not there or cannot be read."""
        raise NotImplementedError(f"{type(self).__name__} must implement cached()")

    def prepare_data(self) -> None:
        """Build the cache if there is none; Lightning calls this in one process only."""
        self.cached()

    def load(self) -> LoadedData:
        """The three splits from the cache, which is built first if `prepare_data` was not called."""
        cached = self.cached()
        manifest = cached.manifest
        faces = Faces(
            torch.from_numpy(cached.images),
            torch.from_numpy(cached.attributes),
            torch.from_numpy(cached.identity),
            torch.from_numpy(cached.index),
        )
        splits = {name: faces[slice(*manifest["splits"][name])] for name in SPLITS}
        names = tuple(manifest["attributes"]["names"])
        return LoadedData(splits, names, manifest, groups=known_groups(self.groups, names))
