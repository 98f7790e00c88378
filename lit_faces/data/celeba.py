"""CelebA with its 40 attributes, and the parts of it that the CSVAE paper is about."""

from torch import Tensor

from lit_faces.data.base import Faces, LoadedData, Split
from lit_faces.data.batch import column_of
from lit_faces.data.cache import CachedFaces, Crop
from lit_faces.data.celeba_cache import LARSEN, cached_celeba
from lit_faces.data.prepared import PreparedFaces
from lit_faces.data.subsets import FACIAL_HAIR, Subset, check_subset, choose, rules_of, with_facial_hair

_LABELS = {"glasses": "Eyeglasses", "facial hair": FACIAL_HAIR, "makeup": "Heavy_Makeup"}
# What Facial_Hair is derived from, and the other attributes of a beard.
_BEARD = ("No_Beard", "Mustache", "Goatee", "5_o_Clock_Shadow", "Sideburns")


class CelebA(PreparedFaces):
    """The aligned faces of CelebA in their official split: 162,770 train, 19,867 validation, 19,962 test, or fewer.

    `root` (default `$LIT_FACES_DATA`, else `data/`) or its folder `celeba` holds the images (folder or zip
    `img_align_celeba`), `list_attr_celeba.txt`, `list_eval_partition.txt` and, if there is one, `identity_CelebA.txt`; the
    lists may name a part of the official rows. `size` is the side of the square images in pixels, `crop` the region they
    show, by default Larsen et al.'s. Attributes are -1 or 1 and named as in the file; a row's index is its image's number less 1.

    A `subset` is chosen in each split (Klys et al. 2018): `Glasses` is all Eyeglasses and twice as many without; `FacialHair`
    all with Facial_Hair and as many without, where that is No_Beard = -1, Mustache = 1 or Goatee = 1 and becomes the last
    attribute; `GlassesFacialHair` the union of both; `HeavyMakeup` all Heavy_Makeup and as many without. `subset_seed`
    determines which faces without it. `limit` keeps the first faces of the subset.
    """

    groups = (("Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair"),)

    def __init__(
        self,
        root: str | None = None,
        batch_size: int = 100,
        limit: int | None = None,
        seed: int = 0,
        size: int = 64,
        crop: Crop = LARSEN,
        subset: Subset = "all",
        subset_seed: int = 0,
    ) -> None:
        super().__init__(root, batch_size, limit, seed, size)
        check_subset(subset)
        self.crop, self.subset, self.subset_seed = crop, subset, subset_seed

    def cached(self) -> CachedFaces:
        """The cache, built first if there is none. Raises UserError if the data are not there or cannot be read."""
        return cached_celeba(self.root, self.size, self.crop)

    def load(self) -> LoadedData:
        """The subset of each split, from the cache. Raises UserError if a split has no face with the label."""
        loaded = super().load()
        if self.subset == "all":
            return loaded
        names, rules = loaded.attributes, rules_of(self.subset, _LABELS)
        labels = tuple(rule.label for rule in rules)
        derived = FACIAL_HAIR in labels
        splits: dict[Split, Faces] = {}
        report = {}
        for split, faces in loaded.splits.items():
            attributes = faces.attributes
            if derived:
                attributes = with_facial_hair(attributes, _facial_hair(attributes, names), off=-1)
            all_names = (*names, FACIAL_HAIR) if derived else names
            present = {label: attributes[:, column_of(label, all_names, "CelebA")] > 0 for label in labels}
            chosen = choose(present, rules, split, self.subset_seed, "CelebA")
            report[split] = chosen.report
            picked = faces[chosen.rows]
            splits[split] = Faces(picked.images, attributes[chosen.rows], picked.identity, picked.index)
        manifest = {**loaded.manifest, "subset": {"name": self.subset, "seed": self.subset_seed, "splits": report}}
        follows = {FACIAL_HAIR: tuple(name for name in _BEARD if name in names)} if derived else {}
        return LoadedData(splits, all_names, manifest, labels, follows=follows, groups=loaded.groups)


def _facial_hair(attributes: Tensor, names: tuple[str, ...]) -> Tensor:
    """Which faces (N,) have facial hair: CelebA has no attribute for a beard, only for none."""
    no_beard, mustache, goatee = (
        attributes[:, column_of(name, names, "CelebA")] > 0 for name in ("No_Beard", "Mustache", "Goatee")
    )
    return ~no_beard | mustache | goatee
