"""Cartoon faces with expressions, drawn when they are loaded: what the Toronto Face Database is for people."""

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from lit_faces.data import cartoon
from lit_faces.data.base import SPLITS, Faces, LoadedData, Split
from lit_faces.data.batch import column_of
from lit_faces.data.drawn import DrawnFaces
from lit_faces.data.expression_shapes import EXPRESSIONS, FACE, FACE_LAYERS, face_values
from lit_faces.errors import UserError

# Raise this with every change of the drawings or of the sampling: it goes into the manifest.
VERSION = 2

NEUTRAL = EXPRESSIONS.index("Neutral")
_PER_IDENTITY = 2 * len(EXPRESSIONS)
_PARAMETERS = cartoon.ATTRIBUTES + cartoon.NUISANCE + FACE


@dataclass(frozen=True)
class Portraits:
    """All that determines N images: the person and the picture, the expression, and its style.

    `person` holds N cartoon faces, `expression` (N,) int64 positions in `EXPRESSIONS`, `style` (N, 2) float32 in [0, 1]: how
    intense the expression is and how far the mouth is open.
    """

    person: cartoon.Factors
    expression: Tensor
    style: Tensor

    def __len__(self) -> int:
        return len(self.expression)

    def __getitem__(self, rows: Tensor | slice) -> "Portraits":
        return Portraits(self.person[rows], self.expression[rows], self.style[rows])


def sample_portraits(count: int, seed: int) -> tuple[Portraits, Tensor]:
    """Draw `count` portraits and their identities (N,) int64, counted from 0: fourteen of each, two an expression.

    The person and the hair are the identity's; pose, light, gaze, background, clothes and style are the picture's.
    A smaller count gives the first rows of a larger one.
    """
    person, identity = cartoon.sample_factors(count, seed, 0.5, _PER_IDENTITY)
    attributes, nuisance = person.attributes[identity * _PER_IDENTITY], person.nuisance.clone()
    # A fringe would hide the brows.
    attributes[:, cartoon.ATTRIBUTES.index("Bangs")] = 0
    # Faces are aligned, as detected ones are.
    nuisance[:, len(cartoon.IDENTITY_FACTORS) :] *= 0.6
    expression = torch.arange(count) % len(EXPRESSIONS)
    digest = hashlib.sha256(f"{seed} style".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:4], "big"))
    style = torch.rand(count, 2, generator=generator)
    return Portraits(cartoon.Factors(attributes, nuisance), expression, style), identity


def render(portraits: Portraits, size: int = 64, gray: bool = True) -> Tensor:
    """Draw images, uint8 (N, size, size, C), of one channel if `gray`, else three; each depends on its own portrait alone."""
    intensity, opening = portraits.style.unbind(1)
    face = face_values(portraits.expression, intensity, opening)
    values = torch.cat([portraits.person.attributes, portraits.person.nuisance, face], 1)
    channels = 1 if gray else 3
    # Equal channels would count each error three times.
    return cartoon.render_values(values, _PARAMETERS, size, FACE_LAYERS, channels)[..., :channels].contiguous()


class Expressions(DrawnFaces):
    """Cartoon faces with seven expressions; no file is needed, and the true counterfactual of each face can be drawn.

    The attributes are the columns of `EXPRESSIONS`, 0 or 1, of which one holds; the labels are the first six, since a neutral
    face has none of them. `train`, `validation` and `test` are the numbers of images of the splits, which share no identity,
    and `size` is their height and width in pixels. They are `gray`, of one channel, like those of the Toronto Face
    Database, or have three. `data_seed` determines the faces, `seed` only the order of the training batches.
    """

    def __init__(
        self,
        batch_size: int = 64,
        limit: int | None = None,
        seed: int = 0,
        size: int = 48,
        train: int = 10080,
        validation: int = 1260,
        test: int = 1260,
        gray: bool = True,
        data_seed: int = 0,
    ) -> None:
        counts: dict[Split, int] = {"train": train, "validation": validation, "test": test}
        super().__init__(batch_size, limit, seed, size, counts, _PER_IDENTITY, data_seed)
        self.gray = gray

    def load(self) -> LoadedData:
        """Draw the splits; with a limit, only the first images of each, the same as without."""
        splits: dict[Split, Faces] = {}
        for name in SPLITS:
            portraits, identity = self._sample(name)
            images = render(portraits, self.size, self.gray)
            attributes = torch.nn.functional.one_hot(portraits.expression, len(EXPRESSIONS)).float()
            splits[name] = Faces(images, attributes, identity, self._rows(name))
        manifest = self._manifest(splits, [cartoon.VERSION, VERSION], gray=self.gray)
        return LoadedData(
            splits, EXPRESSIONS, manifest, labels=EXPRESSIONS[:NEUTRAL], exclusive=True, groups=(EXPRESSIONS,)
        )

    def portraits(self, index: Tensor) -> Portraits:
        """What determines rows of the data set, `index` (B,) as in its batches. Raises UserError for an unknown row."""
        count = len(index)
        attributes, nuisance = torch.zeros(count, len(cartoon.ATTRIBUTES)), torch.zeros(count, len(cartoon.NUISANCE))
        expression, style = torch.zeros(count, dtype=torch.int64), torch.zeros(count, 2)
        for split, here, position in self._located(index):
            picked = self._sample(split)[0][position]
            attributes[here], nuisance[here] = picked.person.attributes, picked.person.nuisance
            expression[here], style[here] = picked.expression, picked.style
        return Portraits(cartoon.Factors(attributes, nuisance), expression, style)

    def counterfactual(self, index: Tensor, name: str, on: bool) -> Tensor:
        """Rows of the data set redrawn with the expression `name`, or neutral where it was and is to be off.

        All else remains: the person, the picture, and how intense an expression is and how open its mouth. `index` (B,) is
        that of a batch; uint8 (B, H, W, C). Raises UserError for an unknown expression and for a face not to be neutral.
        """
        column = column_of(name, EXPRESSIONS, "Expressions")
        portraits = self.portraits(index)
        if on:
            expression = torch.full_like(portraits.expression, column)
        elif column == NEUTRAL:
            raise UserError(
                f"a face that is not neutral has an expression: set one of {', '.join(EXPRESSIONS[:NEUTRAL])}"
            )
        else:
            expression = torch.where(portraits.expression == column, NEUTRAL, portraits.expression)
        return render(Portraits(portraits.person, expression, portraits.style), self.size, self.gray)

    def _sample(self, split: Split) -> tuple[Portraits, Tensor]:
        """Portraits and identities of a split."""
        portraits, identity = sample_portraits(self._sampled(split), self._stream(split))
        return portraits, identity + self._first_identity(split)
