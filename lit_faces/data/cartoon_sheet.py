"""What cartoon shapes are drawn on: posed coordinates, antialiased coverage, colours.

Face coordinates (u, v): u to the right, v downwards; before the head is posed, the image spans `FRAME` each way around
(0, `CENTRE`), which a face with its hat fills. A shape is a plane of approximate signed distances in these units, negative
inside. Only elementwise operations are used, so that an image does not depend on those drawn with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, floor

import torch
from torch import Tensor

Params = Mapping[str, Tensor]

FRAME, CENTRE = 0.78, 0.05

# How far a head is posed at most: radians, face units, and a part of its size.
_ROLL, _SHIFT_X, _SHIFT_Y, _TURN, _SCALE = 0.11, 0.055, 0.04, 0.06, 0.06


def rgb(colour: tuple[float, float, float]) -> Tensor:
    """A colour, (3, 1, 1)."""
    return torch.tensor(colour).view(3, 1, 1)


def mix(a: Tensor, b: Tensor, weight: Tensor | float) -> Tensor:
    """`a` at weight 0, `b` at weight 1."""
    return a + (b - a) * weight


def ellipse(du: Tensor, dv: Tensor, ru: Tensor | float, rv: Tensor | float) -> Tensor:
    """Signed distance to an ellipse around the origin of (du, dv), exact to first order where the radii are equal."""
    mean = (ru + rv) / 4
    return (du * (1 / ru)).square_().add_((dv * (1 / rv)).square_()).sub_(1).mul_(mean)


def both(d: Tensor, other: Tensor) -> Tensor:
    """Intersection of two shapes."""
    return torch.maximum(d, other)


@dataclass(frozen=True)
class Sheet:
    """The images being drawn, (n, C, H, W) in [0, 1], or a window of them, and where their pixels lie on each face.

    `u` and `v` (n, H, W) are coordinates on the head; `fu` replaces u for the features, which shift against the outline of
    a head turned sideways; `axis` (size,) are the coordinates of the whole image in [-1, 1], `sharp` (n, 1, 1) is pixels a face
    unit.
    """

    image: Tensor
    u: Tensor
    v: Tensor
    fu: Tensor
    axis: Tensor
    sharp: Tensor

    @classmethod
    def blank(cls, p: Params, size: int, channels: int = 3) -> "Sheet":
        """Heads in their poses on blank images of 3 channels, or 1 for grey; they roll so little that first terms do."""
        axis = (torch.arange(size) + 0.5) * (2 / size) - 1
        scale = 0.97 + _SCALE * p["scale"]
        roll = _ROLL * p["roll"]
        cos = 1 - roll * roll / 2
        x = (FRAME * axis.view(1, 1, size) - _SHIFT_X * p["shift_x"]) / scale
        y = (FRAME * axis.view(1, size, 1) + CENTRE - _SHIFT_Y * p["shift_y"]) / scale
        u = cos * x + roll * y
        v = cos * y - roll * x
        image = torch.empty(len(u), channels, size, size)
        return cls(image, u, v, u - _TURN * p["turn"], axis, scale * (size / 2 / FRAME))

    def window(self, width: float, top: float, bottom: float) -> "Sheet":
        """The part that can show |u| and |fu| below `width` and v from `top` to `bottom`, however the head is posed."""
        right = (0.97 + _SCALE) * (width + _TURN + _ROLL * max(abs(top), abs(bottom))) + _SHIFT_X
        slack = _SCALE * max(abs(top), abs(bottom)) + _ROLL * right + _SHIFT_Y
        rows = self._pixels(top - slack - CENTRE, bottom + slack - CENTRE)
        columns = self._pixels(-right, right)
        u, v, fu = (t[:, rows, columns] for t in (self.u, self.v, self.fu))
        return Sheet(self.image[:, :, rows, columns], u, v, fu, self.axis, self.sharp)

    def _pixels(self, low: float, high: float) -> slice:
        """The pixels of an axis between two face coordinates counted from the image's middle."""
        size = len(self.axis)
        low, high = low / FRAME, high / FRAME
        # One more pixel each side for the antialiased edge.
        return slice(max(0, floor((low + 1) / 2 * size) - 1), min(size, ceil((high + 1) / 2 * size) + 1))

    def paint(self, d: Tensor, colour: Tensor, opacity: Tensor | float = 1.0, blur: float = 0.0) -> None:
        """Lay a colour over a shape; its edge is one pixel wide, or `blur` face units if that is more."""
        sharp = self.sharp if blur == 0 else torch.clamp(self.sharp, max=1 / blur)
        alpha = (d * -sharp).add_(0.5).clamp_(0, 1)
        if isinstance(opacity, Tensor) or opacity != 1:
            alpha.mul_(opacity)
        self.image.lerp_(self.tone(colour).expand(len(alpha), -1, 1, 1), alpha.unsqueeze(1))

    def tone(self, colour: Tensor) -> Tensor:
        """A colour (..., 3, H, W) as these images have it: on grey ones its luma (ITU-R BT.601), (..., 1, H, W)."""
        if self.image.shape[1] == 3:
            return colour
        red, green, blue = colour.unbind(-3)
        return (0.299 * red + 0.587 * green + 0.114 * blue).unsqueeze(-3)
