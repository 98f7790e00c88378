"""Your own pictures: a folder of them, and a table of their attributes."""

from pathlib import Path

from pytorch_lightning.utilities import rank_zero_info

from lit_faces.data.base import LoadedData
from lit_faces.data.batch import column_of
from lit_faces.data.cache import CachedFaces
from lit_faces.data.folder_cache import FaceCrop, cached_folder
from lit_faces.data.prepared import PreparedFaces
from lit_faces.errors import UserError


class Folder(PreparedFaces):
    """The pictures (PNG, JPEG, WebP) below the folder `root` that the table `attributes` names.

    The table is a CSV with the column `file` (a path below `root`) and one column of numbers an attribute, 0 and 1, -1 and 1, or
    real scores; the columns `person` and `split` (train, validation or test) may be left out. Without `split`, 80/10/10 of the
    persons, or of the pictures if the persons are not known, are drawn by a hash of their names. `size` is the side of the square
    images in pixels. `crop: face` cuts them around the largest face that is found in a picture, as `lit-faces edit` does,
    `none` takes the middle square. `labels` are the attributes for methods that model a few.
    """

    def __init__(
        self,
        root: str,
        attributes: str,
        batch_size: int = 100,
        limit: int | None = None,
        seed: int = 0,
        size: int = 64,
        crop: FaceCrop = "face",
        labels: tuple[str, ...] = (),
    ) -> None:
        super().__init__(root, batch_size, limit, seed, size)
        self.attributes, self.labels = Path(attributes).expanduser(), tuple(labels)
        self.crop: FaceCrop = crop

    def cached(self) -> CachedFaces:
        """The cache, built first if there is none. Raises UserError for what is wrong in the table or with a picture."""
        return cached_folder(self.root, self.attributes, self.size, self.crop)

    def load(self) -> LoadedData:
        """The three splits from the cache. Raises UserError for a label that is no attribute, or is given twice."""
        loaded = super().load()
        names = loaded.attributes
        labels = tuple(names[column_of(label, names, str(self.attributes))] for label in self.labels)
        if len(set(labels)) < len(labels):
            raise UserError(f"data.labels must be different attributes, got {', '.join(labels)}")
        train = loaded.splits["train"].attributes[: self.limit]
        for name, values in zip(names, train.unbind(1), strict=True):
            if bool((values == values[0]).all()):
                rank_zero_info(
                    f"warning: {self.attributes}: {name} is {values[0]:g} in all training pictures, so nothing is learned of it"
                )
        return LoadedData(loaded.splits, names, loaded.manifest, labels)
