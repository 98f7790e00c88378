"""`lit-faces arithmetic`: a - b + c of three photographs. Imports nothing heavy until the arguments are right."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from lit_faces.arguments import Parser
from lit_faces.editing.arguments import add_checkpoint, check_output, opened, save
from lit_faces.errors import UserError

_DESCRIPTION = """Decode z_a - z_b + z_c of three photographs a, b and c (MMD-VLAE paper, section 4). Cut them as the
model's training faces are cut; of a picture that is no square the middle is taken."""


def run(arguments: Sequence[str]) -> None:
    """Make one picture of three. Raises UserError for what the user can mend."""
    parsed = _parser().parse_args(arguments)
    photographs = [parsed.a, parsed.b, parsed.c]
    check_output(parsed.output, [*photographs, parsed.checkpoint])

    import torch

    from lit_faces.arithmetic import arithmetic, read_photograph
    from lit_faces.images import to_pil
    from lit_faces.methods.capabilities import Layered

    checkpoint = parsed.checkpoint
    method = opened(checkpoint, parsed.method)
    if not isinstance(method, Layered):
        raise UserError(f"{checkpoint} is of {type(method).__name__}, which has no layers: use a VLAE or MMDVLAE")
    a, b, c = (read_photograph(path, method.spec.image_shape) for path in photographs)
    layers = None if parsed.layers is None else [name.strip() for name in parsed.layers.split(",")]
    with torch.inference_mode():
        found = arithmetic(method, a, b, c, layers)
    picture = to_pil(torch.cat([a, b, c, found], 3)[0] if parsed.strip else found[0])
    save(picture, parsed.output)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="lit-faces arithmetic", description=_DESCRIPTION)
    for name, role in (("a", "what is changed"), ("b", "what is taken away"), ("c", "what is added")):
        parser.add_argument(name, type=Path, metavar=f"{name}.png", help=f"PNG, JPEG or WebP file, {role}")
    add_checkpoint(parser, "a method with layers, VLAE or MMDVLAE")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help="PNG, JPEG or WebP file to write, of the model's size"
    )
    parser.add_argument(
        "--layers",
        metavar="z_0,z_1",
        help="only these layers' codes are added, separated by commas, z_0 the lowest (default: all)",
    )
    parser.add_argument("--strip", action="store_true", help="write a, b and c, as the model sees them, and the result")
    return parser
