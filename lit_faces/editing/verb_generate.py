"""`lit-faces generate`: faces drawn from attributes. Imports nothing heavy until the arguments are right."""

import argparse
from collections.abc import Sequence
from math import ceil, sqrt
from pathlib import Path

from lit_faces.arguments import Parser
from lit_faces.editing.arguments import add_attributes, add_checkpoint, check_output, opened, resolved, save
from lit_faces.errors import UserError

_MOST = 1024
_DESCRIPTION = """Draw faces that have some attributes and do not have others; all that is not named is as expected
of such faces. The same command makes the same picture."""


def run(arguments: Sequence[str]) -> None:
    """Draw a picture of faces. Raises UserError for what the user can mend."""
    parsed = _parser().parse_args(arguments)
    if not 1 <= parsed.count <= _MOST:
        raise UserError(f"--count must be from 1 to {_MOST:,}, got {parsed.count}")
    if not 0 <= parsed.seed < 2**63:
        raise UserError(f"--seed must be from 0 to 2**63 - 1, got {parsed.seed}")
    check_output(parsed.output, [parsed.checkpoint])

    from torchvision.utils import make_grid

    from lit_faces.compatibility import unnamed
    from lit_faces.editing.generation import find_drawable, generated
    from lit_faces.images import to_pil

    method = opened(parsed.checkpoint, parsed.method)
    if method.spec.image_shape[1:] == (1, 1):
        raise UserError(f"{parsed.checkpoint} is of {method.spec.name}, which are points: use one of pictures of faces")
    on, off = resolved(parsed.set, parsed.unset, lambda name: find_drawable(method, name), method.spec.groups)
    others = unnamed(bool(method.spec.covariance), parsed.checkpoint, parsed.others)
    faces = generated(method, on, off, parsed.count, parsed.seed, others)
    one = parsed.count == 1
    save(to_pil(faces[0] if one else make_grid(faces.clamp(0, 1), nrow=ceil(sqrt(parsed.count)))), parsed.output)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="lit-faces generate", description=_DESCRIPTION)
    add_checkpoint(parser, "a method that draws faces")
    add_attributes(parser)
    parser.add_argument(
        "--others",
        choices=("expected", "mean"),
        help="the attributes that are not named: as expected of faces with those that are (default), or at their mean",
    )
    parser.add_argument("-n", "--count", type=int, default=16, help="how many faces, in a grid (default: 16)")
    parser.add_argument("--seed", type=int, default=0, help="of what the attributes do not say (default: 0)")
    parser.add_argument("-o", "--output", type=Path, required=True, help="PNG, JPEG or WebP file to write")
    return parser
