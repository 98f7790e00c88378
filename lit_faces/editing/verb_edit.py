"""`lit-faces edit`: attributes changed in a photograph. Imports nothing heavy until the arguments are right."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lit_faces.arguments import Parser
from lit_faces.data.strength import check_strength
from lit_faces.editing.arguments import add_attributes, add_checkpoint, check_output, opened, resolved, save
from lit_faces.errors import UserError

if TYPE_CHECKING:
    from PIL import Image

    from lit_faces.methods.base import Method
    from lit_faces.photographs.framing import Box

_DESCRIPTION = """Change attributes of a face in a photograph. The face is found, cut out as the faces were that the
model was trained on, edited, and the change is put back: the rest of the photograph stays as it is. What the face is
like now is inferred by CMMA2; for others it has the opposite of what is asked and is average otherwise. The result has
the photograph's size and colour profile, and none of its other metadata (EXIF)."""

# Of standard deviations; and how many attributes a line has room for.
_SEEN, _MOST = 0.1, 8


def run(arguments: Sequence[str]) -> None:
    """Edit one face. Raises UserError for what the user can mend."""
    parsed = _parser().parse_args(arguments)
    _check(parsed)

    from lit_faces.editing.changes import find_editable, moved_along
    from lit_faces.editing.photo import check_editable, edit_photograph, face_of
    from lit_faces.photographs.reading import open_photograph

    photograph = open_photograph(parsed.photograph)
    method = opened(parsed.checkpoint, parsed.method)
    check_editable(method)
    if parsed.others == "expected" and not method.spec.covariance:
        raise UserError(
            f"--others expected: {parsed.checkpoint} is of an older version and has no covariance of the attributes: say "
            "--others kept, or train it again"
        )
    on, off = resolved(parsed.set, parsed.unset, lambda name: find_editable(method, name), method.spec.groups)
    amounts = dict.fromkeys(on, parsed.strength) | dict.fromkeys(off, -parsed.strength)
    part = _part(parsed, method, photograph)
    picture = edit_photograph(method, photograph, part, amounts, parsed.others)
    moved = "" if parsed.others == "kept" else _moved(moved_along(method, face_of(method, photograph, part), amounts))
    save(picture, parsed.output)
    if moved:
        print(moved)


def _moved(moves: dict[str, float]) -> str:
    shown = [f"{name} {move:+.1f}" for name, move in moves.items() if abs(move) >= _SEEN][:_MOST]
    what = f"{', '.join(shown)} (standard deviations)" if shown else "no other attribute"
    return f"moved along: {what}"


def _part(parsed: argparse.Namespace, method: "Method", photograph: "Image.Image") -> "Box":
    """The part of the photograph that the method is to edit."""
    from lit_faces.photographs.detector import find_faces
    from lit_faces.photographs.framing import frame_of, middle, region

    if parsed.align == "none":
        return middle(photograph)
    frame = frame_of(method.spec.name, method.spec.manifest)
    faces, number = find_faces(photograph), parsed.face or 1
    if not faces:
        raise UserError(
            f"{parsed.photograph}: no face was found: name a photograph of an upright face seen from the front, or cut "
            "the face out yourself, as the pictures that the model was trained on are cut, and say --align none"
        )
    if number > len(faces):
        there = "is 1 face" if len(faces) == 1 else f"are {len(faces)} faces"
        raise UserError(f"--face {number}: there {there} in {parsed.photograph}, the largest is 1")
    return region(faces[number - 1], frame)


def _check(parsed: argparse.Namespace) -> None:
    if not (parsed.set or parsed.unset):
        raise UserError("there is nothing to change: give --set NAME or --unset NAME, Smiling, for instance")
    check_strength("--strength", parsed.strength)
    if parsed.face is not None and parsed.align == "none":
        raise UserError(
            "--face is of the faces that are found, of which there are none with --align none: leave one out"
        )
    if parsed.face is not None and parsed.face < 1:
        raise UserError(f"--face must be at least 1, the largest face, got {parsed.face}")
    check_output(parsed.output, [parsed.photograph, parsed.checkpoint])


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="lit-faces edit", description=_DESCRIPTION)
    parser.add_argument("photograph", type=Path, metavar="PHOTO", help="PNG, JPEG or WebP file")
    add_checkpoint(parser, "a method that edits")
    add_attributes(parser)
    parser.add_argument(
        "--strength",
        type=float,
        default=1.0,
        help="from 0, nothing, over 1, what is asked, to 4, four times as much (default: 1)",
    )
    parser.add_argument(
        "--others",
        choices=("kept", "expected"),
        default="kept",
        help="expected: the attributes that are not named move along as they do in faces that differ so, and which do is "
        "printed (default: kept)",
    )
    parser.add_argument(
        "--face", type=int, metavar="N", help="which face, if there are several; 1 is the largest (default)"
    )
    parser.add_argument(
        "--align",
        choices=("auto", "none"),
        default="auto",
        help="none: the picture's middle square is already a face as the model knows it (default: auto, it is found)",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        help="PNG, JPEG or WebP file to write, of the photograph's size; only PNG keeps every pixel that is not edited",
    )
    return parser
