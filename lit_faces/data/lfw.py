"""Labeled Faces in the Wild with its 73 attributes, as the papers use it."""

from lit_faces.data.cache import CachedFaces, Crop
from lit_faces.data.lfw_cache import LFWCROP, cached_lfw
from lit_faces.data.prepared import PreparedFaces


class LFW(PreparedFaces):
    """The 13,143 faces of LFW that have attributes: 10,000 train, 1,000 validation, 2,143 test, disjoint in persons.

    `root` (default `$LIT_FACES_DATA`, else `data/`) or its folder `lfw` holds the official images (`lfw-deepfunneled`,
    `lfw_funneled` or `lfw`, a folder or its .tgz) and the attributes (`lfw_attributes.txt`, real-valued, or
    `lfw_att_73.mat`, binary). `size` is the side of the square images in pixels, `crop` the region they show.
    """

    groups = (
        ("No Eyewear", "Eyeglasses", "Sunglasses"),
        ("Mouth Closed", "Mouth Slightly Open", "Mouth Wide Open"),
        ("Black Hair", "Blond Hair", "Brown Hair", "Gray Hair"),
    )

    def __init__(
        self,
        root: str | None = None,
        batch_size: int = 100,
        limit: int | None = None,
        seed: int = 0,
        size: int = 64,
        crop: Crop = LFWCROP,
    ) -> None:
        super().__init__(root, batch_size, limit, seed, size)
        self.crop = crop

    def cached(self) -> CachedFaces:
        """The cache, built first if there is none. Raises UserError if the data are not there or cannot be read."""
        return cached_lfw(self.root, self.size, self.crop)
