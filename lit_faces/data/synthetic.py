"""The embedded data set: cartoon faces, drawn when they are loaded."""

import torch
from torch import Tensor

from lit_faces.data.base import SPLITS, Faces, LoadedData, Split
from lit_faces.data.cartoon import (
    ATTRIBUTES,
    EYEWEAR,
    HAIR_COLOURS,
    NUISANCE,
    VERSION,
    Factors,
    counterfactual,
    render,
    sample_factors,
)
from lit_faces.data.drawn import DrawnFaces
from lit_faces.data.subsets import FACIAL_HAIR, Subset, check_subset, choose, rules_of, with_facial_hair
from lit_faces.errors import UserError

_PER_IDENTITY = 4
_LABELS = {"glasses": "Eyeglasses", "facial hair": FACIAL_HAIR, "makeup": "Rosy Cheeks"}
_BEARD = ("Mustache", "Goatee")
_GROUPS = (EYEWEAR, ("Mouth Wide Open", "Mouth Closed"), (*HAIR_COLOURS, "Bald"), ("Bangs", "Bald"))
# Attributes of which a change of one may demand a change of the others.
_TIED = (*map(set, _GROUPS), *({FACIAL_HAIR, part} for part in _BEARD))


class Synthetic(DrawnFaces):
    """Cartoon faces drawn from named factors; no file is needed, and the true counterfactual of each face can be drawn.

    `train`, `validation` and `test` are the numbers of images of the splits, which share no identity; `size` is their height
    and width in pixels. `correlation` in [0, 1] is how strongly attributes go together as in life (0: independent but for
    logic). `data_seed` determines the faces, `seed` only the order of the training batches.

    A `subset` is chosen from the faces of each split, as from CelebA's, and `limit` keeps the first of it. `Glasses` is all
    faces with Eyeglasses and twice as many without, some of them with Sunglasses, which do not count. `FacialHair` is all with
    Facial_Hair and as many without, where that is Mustache or Goatee and becomes the last attribute. `GlassesFacialHair` is the
    union of both. `HeavyMakeup` is all with Rosy Cheeks, the cartoons' only makeup, and as many without. `subset_seed`
    determines which faces without.
    """

    def __init__(
        self,
        batch_size: int = 100,
        limit: int | None = None,
        seed: int = 0,
        size: int = 48,
        train: int = 10000,
        validation: int = 1000,
        test: int = 2000,
        correlation: float = 0.5,
        data_seed: int = 0,
        subset: Subset = "all",
        subset_seed: int = 0,
    ) -> None:
        counts: dict[Split, int] = {"train": train, "validation": validation, "test": test}
        super().__init__(batch_size, limit, seed, size, counts, _PER_IDENTITY, data_seed)
        if not 0 <= correlation <= 1:
            raise UserError(f"data.correlation must be from 0 to 1, got {correlation}")
        check_subset(subset)
        self.correlation, self.subset_seed = correlation, subset_seed
        self.subset: Subset = subset

    def load(self) -> LoadedData:
        """Draw the splits; with a limit, only the first images of each, the same as without.

        Raises UserError if a split has no face with the label of the subset.
        """
        rules = rules_of(self.subset, _LABELS)
        names = (*ATTRIBUTES, FACIAL_HAIR) if FACIAL_HAIR in [rule.label for rule in rules] else ATTRIBUTES
        splits: dict[Split, Faces] = {}
        report = {}
        for name in SPLITS:
            index = self._rows(name)
            factors, identity = self._sample(name)
            attributes = factors.attributes
            if FACIAL_HAIR in names:
                attributes = with_facial_hair(attributes, _bearded(factors), off=0)
            if rules:
                present = {rule.label: attributes[:, names.index(rule.label)] > 0 for rule in rules}
                chosen = choose(present, rules, name, self.subset_seed, "Synthetic")
                report[name] = chosen.report
                rows = chosen.rows[: self.limit]
                index, factors, identity, attributes = index[rows], factors[rows], identity[rows], attributes[rows]
            splits[name] = Faces(render(factors, self.size), attributes, identity, index)
        manifest = self._manifest(splits, VERSION, correlation=self.correlation)
        if rules:
            manifest["subset"] = {"name": self.subset, "seed": self.subset_seed, "splits": report}
        labels = tuple(rule.label for rule in rules)
        return LoadedData(splits, names, manifest, labels, follows=_follows(names), groups=_GROUPS)

    def factors(self, index: Tensor) -> Factors:
        """The factors of rows of the data set, `index` (B,) as in its batches. Raises UserError for an unknown row."""
        attributes, nuisance = torch.zeros(len(index), len(ATTRIBUTES)), torch.zeros(len(index), len(NUISANCE))
        for split, here, position in self._located(index):
            picked = self._sample(split)[0][position]
            attributes[here], nuisance[here] = picked.attributes, picked.nuisance
        return Factors(attributes, nuisance)

    def counterfactual(self, index: Tensor, name: str, on: bool) -> Tensor:
        """Rows of the data set redrawn with one attribute set or reset, uint8 (B, H, W, C).

        All else remains: the person, the pose, the light and the background. `index` (B,) is that of a batch. Without
        Facial_Hair a face has neither Mustache nor Goatee; with it, a face that had neither has a Goatee.
        """
        factors = self.factors(index)
        if name != FACIAL_HAIR:
            return render(counterfactual(factors, name, on), self.size)
        if on:
            attributes = counterfactual(factors, "Goatee", True).attributes
            changed = torch.where(_bearded(factors).unsqueeze(1), factors.attributes, attributes)
            return render(Factors(changed, factors.nuisance), self.size)
        for part in _BEARD:
            factors = counterfactual(factors, part, False)
        return render(factors, self.size)

    def _sampled(self, split: Split) -> int:
        """How many images of a split are sampled; a limit cuts the subset, not the faces that it is chosen from."""
        return super()._sampled(split) if self.subset == "all" else self.counts[split]

    def _sample(self, split: Split) -> tuple[Factors, Tensor]:
        """Factors and identities of a split."""
        stream = self._stream(split)
        factors, identity = sample_factors(self._sampled(split), stream, self.correlation, _PER_IDENTITY)
        return factors, identity + self._first_identity(split)


def _follows(names: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """For each attribute that is tied to others, those of `names`."""
    tied = {name: {other for group in _TIED if name in group for other in group} - {name} for name in names}
    follows = {name: tuple(other for other in names if other in others) for name, others in tied.items()}
    return {name: others for name, others in follows.items() if others}


def _bearded(factors: Factors) -> Tensor:
    """Which faces (N,) have a Mustache or a Goatee."""
    return factors.attributes[:, [ATTRIBUTES.index(name) for name in _BEARD]].amax(1) > 0
