"""How expressions are drawn on cartoon faces: eyes, brows and mouth, from continuous numbers (see `cartoon_shapes`)."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lit_faces.data.cartoon_shapes import INK, LAYERS, WHITE, Layer, Look
from lit_faces.data.cartoon_sheet import Params, Sheet, both, ellipse, mix, rgb

EXPRESSIONS: tuple[str, ...] = ("Anger", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral")

# What the muscles do, with its value at rest: lengths in face units, slopes, and opacities from 0 to 1. Slopes are positive
# where the outer end is the higher one.
AT_REST: dict[str, float] = {
    "eye opening": 0.85,
    "lid": 0.14,
    "lid slope": 0.0,
    "lower lid": 0.0,
    "iris": 1.0,
    "brow raise": 0.0,
    "brow slope": 0.0,
    "brow arch": 0.0,
    "brows together": 0.0,
    "furrow": 0.0,
    "nose wrinkle": 0.0,
    "folds": 0.0,
    "mouth drop": 0.0,
    "mouth half width": 0.175,
    "mouth bend": 0.0,
    "mouth skew": 0.0,
    "mouth wave": 0.0,
    "mouth round": 0.0,
    "gap above": 0.0,
    "gap below": 0.0,
    "teeth": 0.0,
    "clenched": 0.0,
    "tongue": 0.0,
}
FACE: tuple[str, ...] = tuple(AT_REST)

# At full intensity: what a closed mouth goes with, and what opening the mouth adds.
_CLOSED: dict[str, dict[str, float]] = {
    "Anger": {
        "eye opening": 0.95,
        "lid": 0.62,
        "lid slope": 0.42,
        "iris": 0.85,
        "brow raise": -0.075,
        "brow slope": 0.62,
        "brow arch": -1.0,
        "brows together": 0.035,
        "furrow": 0.8,
        "mouth half width": 0.17,
        "mouth bend": -0.07,
    },
    "Disgust": {
        "eye opening": 0.62,
        "lid": 0.5,
        "lower lid": 0.35,
        "brow raise": -0.055,
        "brow slope": 0.28,
        "brows together": 0.03,
        "nose wrinkle": 1.0,
        "folds": 0.9,
        "mouth half width": 0.2,
        "mouth bend": -0.085,
        "mouth skew": -0.2,
        "mouth wave": 0.022,
    },
    "Fear": {
        "eye opening": 1.3,
        "lid": 0.0,
        "iris": 0.5,
        "brow raise": 0.095,
        "brow slope": -0.55,
        "mouth half width": 0.215,
        "mouth bend": -0.045,
        "mouth wave": 0.035,
    },
    "Happy": {
        "eye opening": 0.85,
        "lower lid": 0.62,
        "brow raise": 0.03,
        "brow arch": 1.5,
        "folds": 0.3,
        "mouth half width": 0.265,
        "mouth bend": 0.15,
        "mouth drop": 0.045,
    },
    "Sad": {
        "eye opening": 0.85,
        "lid": 0.6,
        "lid slope": -0.45,
        "brow raise": 0.02,
        "brow slope": -0.72,
        "brows together": 0.02,
        "mouth half width": 0.165,
        "mouth bend": -0.13,
    },
    "Surprise": {
        "eye opening": 1.4,
        "lid": 0.0,
        "iris": 0.85,
        "brow raise": 0.13,
        "brow arch": 3.5,
        "mouth drop": 0.05,
        "mouth half width": 0.085,
        "mouth round": 1.0,
        "gap above": 0.06,
        "gap below": 0.06,
    },
    "Neutral": {},
}
_OPENED: dict[str, dict[str, float]] = {
    "Anger": {"gap above": 0.08, "gap below": 0.08, "teeth": 0.2, "clenched": 1.0, "mouth half width": 0.045},
    "Disgust": {"gap above": 0.04, "gap below": 0.075, "tongue": 1.0, "mouth wave": -0.022, "mouth skew": 0.1},
    "Fear": {"gap above": 0.05, "gap below": 0.05, "teeth": 0.2, "clenched": 1.0, "mouth round": 1.0},
    "Happy": {"gap above": 0.03, "gap below": 0.16, "teeth": 0.07, "mouth bend": -0.04, "lower lid": 0.1},
    "Sad": {"gap above": 0.025, "gap below": 0.05, "mouth half width": 0.02, "lower lid": 0.15},
    "Surprise": {"gap above": 0.085, "gap below": 0.1, "mouth half width": 0.035, "mouth drop": 0.02},
    "Neutral": {},
}


def face_values(expression: Tensor, intensity: Tensor, opening: Tensor) -> Tensor:
    """The numbers named in `FACE`, (N, len(FACE)) float32.

    `expression` (N,) int64 is a position in `EXPRESSIONS`, `intensity` and `opening` of the mouth are (N,) in [0, 1]; even
    the weakest expression can be told from the face at rest, which has neither intensity nor opening.
    """
    rest = torch.tensor(list(AT_REST.values()))
    full = torch.tensor([[_CLOSED[name].get(part, rest) for part, rest in AT_REST.items()] for name in EXPRESSIONS])
    opened = torch.tensor([[_OPENED[name].get(part, 0.0) for part in AT_REST] for name in EXPRESSIONS])
    strength = (0.55 + 0.45 * intensity).unsqueeze(1)
    return rest + strength * (full[expression] - rest + opening.unsqueeze(1) * opened[expression])


def _eyes(s: Sheet, p: Params, look: Look) -> None:
    s = s.window(0.52, -0.24, 0.22)
    du, dv = s.fu.abs() - look.eye_u, s.v - look.eye_v
    size = 1 + 0.12 * p["eye_size"]
    ru, rv = 0.135 * size, 0.098 * size * p["eye opening"]
    upper = rv * (p["lid"] - 1) - p["lid slope"] * du - dv
    lower = dv - rv * (1 - 2 * p["lower lid"]) - 2.5 * p["lower lid"] * du.square()
    opened = both(both(ellipse(du, dv, ru, rv), upper), lower)
    s.paint(opened - 0.024, mix(look.line, rgb(INK), 0.7))
    lash = both((dv + rv * (1 - p["lid"]) + 0.45 * (du - 0.10)).abs_() - 0.024, (du - 0.150).abs_() - 0.055)
    s.paint(lash, rgb(INK), look.female)
    s.paint(opened, rgb(WHITE))
    # The gaze moves both irises the same way, hence not symmetrically.
    side = (s.fu > 0).float().mul_(2).sub_(1)
    gu, gv = du - 0.028 * p["gaze_x"] * side, dv - 0.012 * p["gaze_y"]
    hue = (p["eye_hue"].unsqueeze(1) + 1) / 2
    iris = mix(rgb((0.36, 0.20, 0.09)), rgb((0.16, 0.50, 0.80)), hue)
    radius = 0.078 * p["iris"]
    s.paint(both(ellipse(gu, gv, radius, radius), opened), iris)
    s.paint(both(ellipse(gu, gv, 0.6 * radius, 0.6 * radius), opened), rgb(INK))
    s.paint(both(ellipse(gu * side + 0.028, gv + 0.032, 0.022, 0.022), opened), rgb(WHITE))


def _brows(s: Sheet, p: Params, look: Look) -> None:
    s = s.window(0.48, -0.45, 0.16)
    du = s.fu.abs() - look.eye_u + p["brows together"]
    bushy = p["Bushy Eyebrows"]
    line = look.eye_v - 0.195 - 0.012 * p["brow_height"] - 0.015 * bushy - p["brow raise"]
    line = line + (1.2 + p["brow arch"]) * du.square() - (0.05 * p["brow_slope"] + p["brow slope"]) * du
    half = 0.024 + 0.008 * look.male + 0.022 * bushy
    d = both((s.v - line).abs_() - half * (1 - 1.5 * du), du.abs() - 0.145 - 0.02 * bushy)
    s.paint(d, mix(look.hair_dark * 0.85, rgb(INK), 0.4))
    au = s.fu.abs()
    crease = look.line * 0.7
    furrow = both((au - 0.035).abs_() - 0.014, (s.v + 0.13).abs_() - 0.075)
    s.paint(furrow, crease, p["furrow"])
    for height in (0.04, 0.115):
        bow = (s.v - look.eye_v - height + 0.8 * au).abs_() - 0.014
        s.paint(both(bow, au - 0.065), crease, p["nose wrinkle"])


def _mouth(s: Sheet, p: Params, look: Look) -> None:
    s = s.window(0.38, 0.2, 0.88)
    au = s.fu.abs()
    half = p["mouth half width"] + 0.012 * p["mouth_width"]
    across = (s.fu / half).square_()
    line = look.mouth_v + p["mouth drop"] - p["mouth bend"] * across.clamp(max=1.2)
    zigzag = ((s.fu * 5.4 - 0.25).remainder_(1.0) - 0.5).abs_().mul_(4).sub_(1)
    line = line + p["mouth skew"] * s.fu + p["mouth wave"] * zigzag
    dv = s.v - line
    # Lips narrow to nothing at the corners, a round mouth less early.
    lens = (1 - across).clamp_(min=0)
    taper = mix(lens, lens.sqrt(), p["mouth round"])
    lip = (0.022 + 0.008 * look.female + 0.025 * p["Big Lips"]) * taper + 0.012
    above, below = p["gap above"] * taper, p["gap below"] * taper
    gape, ends = torch.maximum(-above - dv, dv - below), au - half
    fold = (au - half - 0.05 - 0.25 * (s.v - look.nose_v - 0.1)).abs_() * 0.9 - 0.015
    s.paint(both(fold, (s.v - look.nose_v - 0.12).abs_() - 0.10), look.line, p["folds"])
    natural = mix(look.skin, rgb((0.62, 0.16, 0.18)), 0.60)
    lips = mix(natural, rgb((0.70, 0.10, 0.16)), 0.7 * look.female.unsqueeze(1))
    s.paint(both(gape - lip, ends - 0.015), lips)
    hole = both(gape - 0.013, ends)
    s.paint(hole, rgb((0.16, 0.03, 0.05)))
    inside = both(gape + 0.005, ends + 0.015)
    s.paint(both(inside, dv + above - p["teeth"]), rgb(WHITE))
    gaps = torch.minimum(dv.abs() - 0.013, ((s.fu * 14).remainder_(1.0) - 0.5).abs_() * 0.07 - 0.008)
    s.paint(both(inside, gaps), rgb(INK), 0.8 * p["clenched"])
    tongue = ellipse(s.fu, dv - p["gap below"] - 0.035, 0.10, 0.02 + 0.12 * p["tongue"])
    tongue = both(tongue, -dv)
    s.paint(tongue - 0.016, look.line * 0.5, p["tongue"])
    s.paint(tongue, rgb((0.93, 0.52, 0.54)), p["tongue"])
    s.paint(both(tongue + 0.03, au - 0.012), look.line * 0.7, p["tongue"])


# Wrinkles of age resemble those of disgust; the others would hide a part.
_OMITTED = ("age", "cheeks", "goatee", "mustache", "eyewear", "hat")
_KEPT = {name: layer for name, layer in LAYERS.items() if name not in _OMITTED}
FACE_LAYERS: Mapping[str, Layer] = _KEPT | {"eyes": _eyes, "brows": _brows, "mouth": _mouth}
