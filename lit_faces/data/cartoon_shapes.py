"""How a cartoon face is drawn: layers of shapes from back to front, in face coordinates (see `cartoon_sheet`)."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from lit_faces.data.cartoon_sheet import Params, Sheet, both, ellipse, mix, rgb

BROWN = (0.40, 0.24, 0.13)
HAIR = {"Blond Hair": (0.97, 0.83, 0.40), "Black Hair": (0.09, 0.08, 0.11), "Gray Hair": (0.76, 0.77, 0.80)}
LIGHT_SKIN, DARK_SKIN, PALE_SKIN = (0.94, 0.73, 0.57), (0.52, 0.33, 0.22), (0.995, 0.925, 0.89)
INK = (0.10, 0.07, 0.08)
WHITE = (0.99, 0.99, 0.99)


class Look:
    """The colours and measures of each face that several layers share; numbers (n, 1, 1), colours (n, 3, 1, 1)."""

    def __init__(self, p: Params) -> None:
        def column(name: str) -> Tensor:
            return p[name].unsqueeze(1)

        # Pale faces keep a little of their own tone, so that the attribute does not erase the identity.
        tone = mix(rgb(LIGHT_SKIN), rgb(DARK_SKIN), (column("tone") + 1) / 2)
        self.skin = mix(tone, mix(rgb(PALE_SKIN), tone, 0.08), column("Pale Skin"))
        self.skin_dark = self.skin * rgb((0.78, 0.70, 0.68))
        self.line = self.skin * rgb((0.52, 0.42, 0.40))
        hair = rgb(BROWN) * (1 + 0.3 * column("hair_tint"))
        for name, colour in HAIR.items():
            hair = mix(hair, rgb(colour), column(name))
        self.hair = hair
        # Darker towards a purer colour: shaded blond is golden, not olive.
        self.hair_dark = hair * (0.42 + 0.36 * hair)
        # Brows and beards are darker still, so that they show on every skin.
        self.beard = mix(self.hair_dark, rgb(INK), 0.55)
        self.male, self.female = p["Male"], 1 - p["Male"]
        self.haired = 1 - p["Bald"]
        self.half_width = 0.53 + 0.04 * p["face_width"] + 0.015 * self.male
        self.half_height = 0.66 + 0.035 * p["face_height"]
        self.middle = 0.10
        self.eye_u = 0.225 + 0.025 * p["eye_distance"]
        self.eye_v = 0.01 + 0.02 * p["eye_height"]
        self.nose_v = 0.26 + 0.02 * p["nose_height"]
        self.mouth_v = 0.455 + 0.015 * p["mouth_height"]


def _background(s: Sheet, p: Params, look: Look) -> None:
    base = torch.cat([p["backdrop_red"], p["backdrop_green"], p["backdrop_blue"]], 1).unsqueeze(-1)
    slope = 0.10 * p["backdrop_slope"].unsqueeze(1)
    s.image.copy_(s.tone(0.62 + 0.22 * base - slope * s.axis.view(1, 1, -1, 1)).expand_as(s.image))


def _hair_behind(s: Sheet, p: Params, look: Look) -> None:
    up = ((s.v - look.middle) / (look.half_height + 0.07)).clamp_(max=0)
    width = look.half_width + 0.07 + 0.03 * p["hair_volume"] + 0.06 * look.female
    d = (s.u / width).square_().add_(up.square_()).sub_(1).mul_(0.3)
    length = 0.02 + 0.10 * p["hair_length"] + look.female * (0.64 + 0.18 * p["hair_length"])
    d = both(d, s.v - length + 0.25 * s.u.square())
    s.paint(d, look.hair_dark, look.haired)


def _body(s: Sheet, p: Params, look: Look) -> None:
    s = s.window(1.1, 0.4, 1.1)
    s.paint(both(s.u.abs() - 0.22 - 0.05 * look.male, 0.4 - s.v), look.skin_dark)
    clothes = torch.cat([p["clothes_red"], p["clothes_green"], p["clothes_blue"]], 1).unsqueeze(-1)
    width = 0.78 + 0.10 * look.male
    collar = 0.92 - 0.25 * (s.u.abs() - 0.3).clamp_(max=0)
    d = both(ellipse(s.u, s.v - 1.35, width, 0.50), collar - s.v)
    s.paint(d, 0.45 + 0.35 * clothes)


def _head(s: Sheet, p: Params, look: Look) -> None:
    sides = s.window(0.7, -0.1, 0.24)
    ear = ellipse(sides.u.abs() - look.half_width, sides.v - 0.07, 0.085, 0.13 + 0.02 * p["ear_size"])
    sides.paint(ear, look.line)
    sides.paint(ear + 0.03, look.skin_dark)
    # The width at the chin: narrow for women, square for men.
    down = ((s.v - look.middle) / look.half_height).clamp_(min=0).square_()
    jaw = 0.06 * p["jaw"] + 0.42 * look.female - 0.45 * look.male
    d = (s.u / look.half_width).square_().mul_(down.mul_(jaw).add_(1))
    d = d.add_(((s.v - look.middle) / look.half_height).square_()).sub_(1).mul_(0.30)
    s.paint(d, look.line)
    s.paint(d + 0.028, look.skin_dark)
    s.paint(d + 0.085, look.skin, blur=0.11)
    top = s.window(0.35, -0.46, -0.22)
    shine = ellipse(top.u + 0.17, top.v + 0.34, 0.13, 0.07)
    top.paint(shine, mix(look.skin, rgb(WHITE), 0.75), p["Bald"] * 0.85, blur=0.05)


def _age(s: Sheet, p: Params, look: Look) -> None:
    s = s.window(0.5, -0.4, 0.55)
    au = s.fu.abs()
    eye_du = au - look.eye_u
    opacity = 0.75 * p["Senior"]
    bow = s.v - 0.15 * s.fu.square()
    for height, reach in ((-0.255, 0.23), (-0.33, 0.17)):
        s.paint(both((bow - height).abs_() - 0.016, au - reach), look.line, opacity)
    fold = (au - 0.15 - 0.50 * (s.v - look.nose_v)).abs_() * 0.9 - 0.018
    s.paint(both(fold, (s.v - look.nose_v - 0.13).abs_() - 0.14), look.line, opacity)
    bag = ellipse(eye_du, s.v - look.eye_v - 0.075, 0.12, 0.105)
    bag = both(bag.abs_() - 0.014, look.eye_v + 0.115 - s.v)
    s.paint(bag, look.line, opacity)


def _cheeks(s: Sheet, p: Params, look: Look) -> None:
    s = s.window(0.55, 0.12, 0.45)
    d = ellipse(s.fu.abs() - 0.345, s.v - 0.285, 0.135, 0.11)
    s.paint(d, rgb((0.95, 0.28, 0.34)), 0.72 * p["Rosy Cheeks"], blur=0.09)


def _eyes(s: Sheet, p: Params, look: Look) -> None:
    s = s.window(0.52, -0.22, 0.16)
    du, dv = s.fu.abs() - look.eye_u, s.v - look.eye_v
    size = 1 + 0.12 * p["eye_size"]
    ru, rv = 0.135 * size, (0.098 + 0.012 * look.female) * size
    lash = both((dv + 0.095 * size + 0.45 * (du - 0.10)).abs_() - 0.026, (du - 0.155).abs_() - 0.062)
    s.paint(lash, rgb(INK), look.female)
    lid = ellipse(du, dv + 0.026 + 0.008 * look.female, ru + 0.012, rv + 0.012 + 0.008 * look.female)
    s.paint(lid, mix(look.line, rgb(INK), 0.6))
    white = ellipse(du, dv, ru, rv)
    s.paint(white, rgb(WHITE))
    # The gaze moves both irises the same way, hence not symmetrically.
    side = (s.fu > 0).float().mul_(2).sub_(1)
    gu, gv = du - 0.028 * p["gaze_x"] * side, dv - 0.016 * p["gaze_y"]
    hue = (p["eye_hue"].unsqueeze(1) + 1) / 2
    iris = mix(rgb((0.36, 0.20, 0.09)), rgb((0.16, 0.50, 0.80)), hue)
    s.paint(both(ellipse(gu, gv, 0.078, 0.078), white), iris)
    s.paint(both(ellipse(gu, gv, 0.042, 0.042), white), rgb(INK))
    s.paint(ellipse(gu * side + 0.028, gv + 0.032, 0.024, 0.024), rgb(WHITE))


def _brows(s: Sheet, p: Params, look: Look) -> None:
    s = s.window(0.48, -0.36, -0.04)
    du = s.fu.abs() - look.eye_u
    bushy = p["Bushy Eyebrows"]
    line = (
        look.eye_v - 0.195 - 0.012 * p["brow_height"] - 0.03 * bushy + 1.2 * du.square() - 0.10 * p["brow_slope"] * du
    )
    half = 0.020 + 0.010 * look.male + 0.045 * bushy
    d = both((s.v - line).abs_() - half * (1 - 1.5 * du), du.abs() - 0.145 - 0.02 * bushy)
    s.paint(d, look.beard)


def _nose(s: Sheet, p: Params, look: Look) -> None:
    s = s.window(0.3, -0.06, 0.36)
    au = s.fu.abs()
    big, pointy = p["Big Nose"], p["Pointy Nose"]
    size = 1 + 0.10 * p["nose_size"] + 0.95 * big
    tip = look.nose_v + 0.04 * big
    ru, rv = 0.085 * size, 0.062 * size
    round_nose = ellipse(s.fu, s.v - tip + rv, ru, rv)
    wings = ellipse(au - ru, s.v - tip + 0.6 * rv, 0.40 * ru, 0.5 * rv)
    round_nose = torch.minimum(round_nose, wings)
    top = 0.02 - 0.04 * big
    slant = (au - 0.10 * size * (s.v - top) / (tip - top)) * 0.9
    sharp_nose = both(slant, s.v - tip)
    d = mix(round_nose, sharp_nose, pointy)
    s.paint(d - 0.026, look.line)
    s.paint(d, mix(look.skin_dark, rgb((0.85, 0.30, 0.25)), 0.12 + 0.4 * big.unsqueeze(1)))
    # The lit side gives the round nose its bulb and the pointed one its ridge.
    glow = mix(ellipse(s.fu + 0.25 * ru, s.v - tip + 1.25 * rv, 0.6 * ru, 0.6 * rv), both(d + 0.01, s.fu), pointy)
    s.paint(glow, look.skin)
    nostril = ellipse(au - 0.5 * ru, s.v - tip + 0.012, 0.028 * size, 0.020 * size)
    s.paint(nostril, look.line * 0.7, big * (1 - pointy))


def _mouth(s: Sheet, p: Params, look: Look) -> None:
    s = s.window(0.32, 0.25, 0.75)
    au = s.fu.abs()
    smiling, wide, big = p["Smiling"], p["Mouth Wide Open"], p["Big Lips"]
    half = 0.185 + 0.015 * p["mouth_width"] + 0.065 * smiling - 0.02 * wide
    across = (s.fu / half).square_()
    bend = 0.125 * smiling - 0.015
    dv = s.v - (look.mouth_v + 0.045 * smiling + 0.035 * wide - bend * across)
    # Lips narrow to nothing at the corners.
    taper = (1 - across).clamp_(min=0)
    lip = 0.024 + 0.008 * look.female + 0.076 * big
    gap = 0.125 * wide
    outer = dv.abs() - (lip + gap) * taper - 0.012
    ends = au - half - 0.015
    natural = mix(look.skin, rgb((0.66, 0.18, 0.20)), 0.60)
    lips = mix(natural, rgb((0.82, 0.12, 0.20)), 0.85 * look.female.unsqueeze(1))
    s.paint(both(outer, ends), lips)
    inner = dv.abs() - gap * taper
    hole = both(inner, ends + 0.03)
    s.paint(hole, rgb((0.28, 0.03, 0.06)), wide)
    s.paint(both(hole, ellipse(s.fu, dv - 0.12, 0.11, 0.075)), rgb((0.90, 0.36, 0.40)), wide)
    s.paint(both(hole, dv + 0.055), rgb(WHITE), wide)
    s.paint(both(dv.abs() - 0.015, ends), look.line * 0.55, 1 - wide)


def _goatee(s: Sheet, p: Params, look: Look) -> None:
    s = s.window(0.26, 0.5, 0.95)
    chin = look.middle + look.half_height
    d = ellipse(s.fu, s.v - chin + 0.06, 0.23, 0.16)
    s.paint(d, look.beard, p["Goatee"])


def _mustache(s: Sheet, p: Params, look: Look) -> None:
    s = s.window(0.32, 0.22, 0.5)
    au = s.fu.abs()
    across = (s.fu / 0.27).square_()
    line = look.nose_v + 0.075 + 0.03 * p["Big Nose"] + 0.055 * across
    half = 0.035 + 0.040 * (1 - across).clamp_(min=0)
    d = both((s.v - line).abs_() - half, au - 0.27)
    s.paint(d, look.beard, p["Mustache"])


def _hair(s: Sheet, p: Params, look: Look) -> None:
    s = s.window(0.72, -0.75, 0.25)
    au = s.fu.abs()
    up = ((s.v - look.middle) / (look.half_height + 0.07)).clamp_(max=0)
    width = look.half_width + 0.055 + 0.02 * look.female
    d = (s.u / width).square_().add_(up.square_()).sub_(1).mul_(0.3)
    line = -0.375 + 1.75 * (s.fu - 0.10 * p["parting"]).square()
    front = both(d, s.v - line)
    # Without this the arch of the hairline would run down the whole cheek.
    front = both(front, s.v - 0.06 - 0.14 * look.female)
    s.paint(front, look.hair, look.haired)
    strand = ellipse(s.u - 0.22 * p["parting"], s.v + 0.43, 0.24, 0.035)
    s.paint(both(strand, front), mix(look.hair, rgb(WHITE), 0.35), 0.6 * look.haired, blur=0.04)
    wave = ((s.fu * 5.5 + 0.25 * p["parting"]).remainder_(1.0) - 0.5).abs_()
    fringe = both(both(d, s.v + 0.10 + 0.13 * wave), au - 0.45)
    s.paint(fringe, look.hair, p["Bangs"])
    s.paint(both(fringe, wave * 0.18 - 0.02), look.hair_dark, 0.7 * p["Bangs"])


def _eyewear(s: Sheet, p: Params, look: Look) -> None:
    s = s.window(0.6, -0.22, 0.24)
    au = s.fu.abs()
    eye_du = au - look.eye_u
    dark = p["Sunglasses"]
    worn = torch.maximum(dark, p["Eyeglasses"])
    dv = s.v - look.eye_v - 0.01
    lens = ellipse(eye_du, dv, 0.19 + 0.01 * dark, 0.165)
    tint = (p["frame_hue"].unsqueeze(1) + 1) / 2
    frame = mix(rgb((0.12, 0.10, 0.14)), rgb((0.55, 0.10, 0.12)), tint)
    bridge = both((dv + 0.035).abs_() - 0.03, au - look.eye_u + 0.17)
    temple = both((dv + 0.035).abs_() - 0.03, (au - 0.48).abs_() - 0.075)
    s.paint(torch.minimum(bridge, temple), frame, worn)
    s.paint(both(lens - 0.03, -0.03 - lens), frame, worn)
    s.paint(lens, rgb((0.75, 0.90, 1.0)), 0.3 * p["Eyeglasses"])
    s.paint(lens, rgb((0.06, 0.06, 0.09)), dark)
    glint = both((eye_du + dv + 0.06).abs_() - 0.035, lens + 0.05)
    s.paint(glint, rgb((0.55, 0.60, 0.72)), 0.7 * dark)


def _hat(s: Sheet, p: Params, look: Look) -> None:
    s = s.window(0.9, -1.0, -0.25)
    worn = p["Wearing Hat"]
    hue = torch.cat([p["hat_red"], p["hat_green"], p["hat_blue"]], 1).unsqueeze(-1)
    felt = 0.45 + 0.35 * hue
    u, v = s.u, s.v + 0.40
    crown = both(ellipse(u, v, look.half_width + 0.05, 0.38), v)
    s.paint(crown, felt, worn)
    s.paint(both(crown, -0.13 - v), felt * 0.45, worn)
    brim = ellipse(u, v - 0.04 * u.square(), 0.82, 0.075) * 0.6
    s.paint(brim, felt * 0.8, worn)


def _light(s: Sheet, p: Params, look: Look) -> None:
    across = 0.92 + 0.08 * p["light"] + 0.09 * p["light_x"] * s.axis.view(1, 1, -1)
    shade = across - 0.04 * s.axis.view(1, -1, 1)
    s.image.mul_(shade.unsqueeze(1)).clamp_(max=1)


Layer = Callable[[Sheet, Params, Look], None]

# From back to front.
LAYERS: Mapping[str, Layer] = {
    "background": _background,
    "hair behind": _hair_behind,
    "body": _body,
    "head": _head,
    "age": _age,
    "cheeks": _cheeks,
    "eyes": _eyes,
    "nose": _nose,
    "goatee": _goatee,
    "mouth": _mouth,
    "mustache": _mustache,
    "hair": _hair,
    "brows": _brows,
    "eyewear": _eyewear,
    "hat": _hat,
    "light": _light,
}


def draw(p: Params, size: int, layers: Mapping[str, Layer] = LAYERS, channels: int = 3) -> Tensor:
    """Draw faces. `p` has a number an image, (n, 1, 1), for each attribute (0 or 1) and each nuisance factor ([-1, 1]).

    `layers` are painted in their order. Returns (n, channels, size, size) in [0, 1]; a single channel is grey.
    """
    s = Sheet.blank(p, size, channels)
    look = Look(p)
    for layer in layers.values():
        layer(s, p, look)
    return s.image
