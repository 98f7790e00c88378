"""How digits are written: control points, the smooth strokes of a pen through them, and the ink that it leaves."""

from dataclasses import dataclass
from functools import lru_cache
from math import pi

import torch
from torch import Tensor

# Control points x,y (to the right and downwards, in hundredths of a digit's height), and the strokes that join them, by position
# (hexadecimal). Strokes that share a point meet in a corner, wherever it moves.
_GLYPHS = (
    ("38,0 12,17 2,52 12,86 34,100 57,84 66,48 57,14 36,1", "012345678"),
    ("31,0 30,33 30,67 29,100", "0123"),
    ("5,22 18,4 42,0 57,17 50,44 28,72 4,97 32,93 66,98", "0123456 678"),
    ("6,11 28,0 53,10 50,33 24,46 52,55 60,78 36,100 3,90", "01234 45678"),
    ("10,2 5,28 3,52 32,55 66,50 55,0 51,50 47,100", "012 234 567"),
    ("62,1 38,3 16,4 12,24 9,44 36,37 58,54 54,84 29,100 2,92", "012 234 456789"),
    ("48,0 22,20 7,52 8,84 30,100 55,85 51,61 28,56 9,74", "012345678"),
    ("3,8 32,5 63,3 47,35 34,68 27,100", "012 2345"),
    ("56,13 32,0 9,15 18,38 44,58 55,82 31,100 7,83 19,58 44,37 57,14", "0123456789a"),
    ("57,12 34,0 9,13 7,38 28,50 50,36 55,42 50,72 43,100", "0123450 0678"),
)
_CONTROLS = max(len(points.split()) for points, _ in _GLYPHS)
NUISANCE = 5 + 2 * _CONTROLS
# The pen's path is drawn as this many dots, closer to each other than a stroke is wide.
_DOTS = 64
# Small enough to stay in a processor's cache.
_CHUNK = 128
# A digit's height as a part of the image's.
_HEIGHT = 0.7
_TURN, _STRETCH, _SHIFT, _JITTER = 10 * pi / 180, (0.16, 0.08), 0.03, 0.06


@dataclass(frozen=True)
class Handwriting:
    """All that determines N images: the digit, the two styles that are measured, and what is left to chance.

    `digit` (N,) int64; `slant` (N,), how far a stroke runs to the right for each unit that it rises; `width` (N,) of the stroke,
    as a part of the image's side; `nuisance` (N, K) in [-1, 1]: turn, stretch across and down, shift across and down, and where
    the control points lie around their places.
    """

    digit: Tensor
    slant: Tensor
    width: Tensor
    nuisance: Tensor

    def __len__(self) -> int:
        return len(self.digit)

    def __getitem__(self, rows: Tensor | slice) -> "Handwriting":
        return Handwriting(self.digit[rows], self.slant[rows], self.width[rows], self.nuisance[rows])


def sample_handwriting(count: int, seed: int) -> Handwriting:
    """Draw `count` digits, all ten in turn, each in a hand of its own; a smaller count gives the first rows of a larger one."""
    # One row of numbers a digit, so that a digit does not depend on how many there are.
    chance = torch.rand(count, 2 + NUISANCE, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    slant, width = 0.15 + 0.3 * chance[:, 0], 0.1 + 0.035 * chance[:, 1]
    return Handwriting(torch.arange(count) % len(_GLYPHS), slant, width, chance[:, 2:])


def render(writing: Handwriting, size: int = 28) -> Tensor:
    """Draw images, white on black, uint8 (N, size, size, 1); each depends on its own handwriting alone."""
    images = torch.empty(len(writing), size, size, 1, dtype=torch.uint8)
    axis = (torch.arange(size) + 0.5) / size
    for start in range(0, len(writing), _CHUNK):
        rows = slice(start, start + _CHUNK)
        x, y = pen_path(writing[rows]).permute(2, 1, 0).unsqueeze(-1)  # (dots, n, 1) each
        # The square of a distance is a sum over the axes: that saves all but one addition a pixel and dot.
        across, down = (axis - x).square_().unsqueeze(2), (axis - y).square_().unsqueeze(3)
        nearest, squared = torch.full((2, x.shape[1], size, size), torch.inf)
        for dot in range(_DOTS):
            torch.add(across[dot], down[dot], out=squared)
            torch.minimum(nearest, squared, out=nearest)
        half = writing.width[rows].view(-1, 1, 1) / 2
        ink = nearest.sqrt_().sub_(half).mul_(-size).add_(0.5).clamp_(0, 1)
        images[rows] = ink.mul_(255).round_().byte().unsqueeze(-1)
    return images


def pen_path(writing: Handwriting) -> Tensor:
    """Where the pen passes, (N, dots, 2), x and y as parts of the image's side from its upper left corner."""
    places, weights = _pens()
    turn, wide, high, right, below = writing.nuisance[:, :5].unsqueeze(2).unbind(1)
    controls = places[writing.digit] + _JITTER * writing.nuisance[:, 5:].reshape(len(writing), _CONTROLS, 2)
    dots = (weights[writing.digit].unsqueeze(3) * controls.unsqueeze(1)).sum(2)
    x, y = dots[..., 0] * (1 + _STRETCH[0] * wide), dots[..., 1] * (1 + _STRETCH[1] * high)
    cosine, sine = (_TURN * turn).cos(), (_TURN * turn).sin()
    x, y = cosine * x - sine * y, sine * x + cosine * y
    written = torch.stack([x - writing.slant.unsqueeze(1) * y, y], 2)
    middle = (written.amin(1, keepdim=True) + written.amax(1, keepdim=True)) / 2
    return 0.5 + _HEIGHT * (written - middle) + _SHIFT * torch.stack([right, below], 2)


@lru_cache(maxsize=1)
def _pens() -> tuple[Tensor, Tensor]:
    """Places (10, K, 2) of the control points and weights (10, dots, K) that make the dots of them, evenly along the strokes."""
    places = torch.zeros(len(_GLYPHS), _CONTROLS, 2)
    weights = torch.zeros(len(_GLYPHS), _DOTS, _CONTROLS)
    for digit, (points, strokes) in enumerate(_GLYPHS):
        controls = torch.tensor([[int(x) / 100 for x in point.split(",")] for point in points.split()])
        places[digit, : len(controls)] = controls
        curves, steps = [], []
        for stroke in strokes.split():
            curve = _spline(len(stroke)) @ torch.eye(_CONTROLS)[[int(position, 16) for position in stroke]]
            path = curve @ places[digit]
            curves.append(curve)
            # The pen is lifted between strokes, which adds no length.
            steps.append(path.diff(dim=0, prepend=path[:1]).norm(dim=1))
        length = torch.cat(steps).cumsum(0)
        even = torch.linspace(0, float(length[-1]), _DOTS)
        weights[digit] = torch.cat(curves)[torch.searchsorted(length, even).clamp(max=len(length) - 1)]
    return places, weights


def _spline(count: int) -> Tensor:
    """Weights (T, count) of points whose sums are T points along the Catmull-Rom spline through them, its ends straight.

    Source: Catmull and Rom 1974, with tension 1/2.
    """
    t = torch.linspace(0, count - 1, 64 * count)
    segment = t.long().clamp(max=count - 2)
    f = (t - segment).unsqueeze(1)
    f2, f3 = f * f, f * f * f
    four = torch.cat([2 * f2 - f - f3, 2 - 5 * f2 + 3 * f3, f + 4 * f2 - 3 * f3, f3 - f2], 1) / 2
    weights = torch.zeros(len(t), count + 2).scatter(1, segment.unsqueeze(1) + torch.arange(4), four)
    points = torch.eye(count)
    # One more point at each end, in line with the last two.
    return weights @ torch.cat([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
