"""What the verbs that make pictures share: the attributes named and the file written. Imports nothing heavy."""

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lit_faces.errors import UserError
from lit_faces.files import replacing

if TYPE_CHECKING:
    from PIL import Image

    from lit_faces.methods.base import Method

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
_LONGEST = {"PNG": 2**31 - 1, "JPEG": 65_500, "WEBP": 16_383}


def add_attributes(parser: argparse.ArgumentParser) -> None:
    """Add `--set` and `--unset`, which may be repeated."""
    for option, what in (("--set", "to give"), ("--unset", "to take away")):
        parser.add_argument(
            option, action="append", default=[], metavar="NAME", help=f"an attribute {what}; may be repeated"
        )


def add_checkpoint(parser: argparse.ArgumentParser, what: str, *, several: bool = False) -> None:
    """Add `--checkpoint`, of `what`, and `--method`."""
    parser.add_argument(
        "--checkpoint",
        type=Path,
        required=True,
        action="append" if several else "store",
        help=f"checkpoint of {what}, or the folder of its run or its export",
    )
    add_method(parser)


def add_method(parser: argparse.ArgumentParser) -> None:
    """Add `--method`, which imports a method of the user's own."""
    parser.add_argument(
        "--method",
        metavar="MODULE.CLASS",
        help="import path of a method of your own, where neither the suite nor the run's config has the checkpoint's",
    )


def opened(checkpoint: Path, method: str | None) -> "Method":
    """The trained method of `--checkpoint`, with what `--method` names imported. Errors: UserError if either cannot be had."""
    from lit_faces.methods.trained import load_method, method_class

    if method is not None and method_class(method) is None:
        raise UserError(f"--method {method} is not the class of a method: give its import path, MODULE.CLASS")
    return load_method(checkpoint)


def resolved(
    on: Sequence[str], off: Sequence[str], find: Callable[[str], str], groups: Sequence[Sequence[str]] = ()
) -> tuple[list[str], list[str]]:
    """The attributes of `--set` and `--unset` as `find` says that the method calls them.

    Errors: UserError for an attribute in both, for two in `--set` of one of the `groups`, which exclude each other, and those of
    `find`.
    """
    there, gone = ([find(name) for name in names] for names in (on, off))
    for name in there:
        if name in gone:
            raise UserError(f"{name} is in --set and in --unset: say one of them")
    for group in groups:
        if len(both := [name for name in dict.fromkeys(there) if name in group]) > 1:
            raise UserError(f"--set {' --set '.join(map(repr, both))}: a face has one of them alone: say which")
    return there, gone


def check_output(output: Path, inputs: Sequence[Path]) -> None:
    """Errors: UserError if no picture can be written to `output`, or if that would overwrite one of the inputs."""
    if output.suffix.lower() not in FORMATS:
        raise UserError(f"--output {output} must end in .png, .jpg or .webp")
    if not output.parent.is_dir():
        raise UserError(f"--output {output}: there is no folder {output.parent}: make it, or name another")
    if not os.access(output.parent, os.W_OK):
        raise UserError(f"--output {output}: nothing can be written into {output.parent}: name another folder")
    if output.is_dir():
        raise UserError(f"--output {output} is a folder: name a file")
    if output.exists() and any(path.exists() and output.samefile(path) for path in inputs):
        raise UserError(f"--output {output} is one of the inputs, which would be lost: name another file")


def save(picture: "Image.Image", output: Path) -> None:
    """Write a picture in the format that the name ends in, with its colour profile, whole or not at all.

    Errors: UserError for a picture too large for the format.
    """
    kind = FORMATS[output.suffix.lower()]
    if max(picture.size) > _LONGEST[kind]:
        raise UserError(
            f"--output {output}: {picture.width} x {picture.height} pixels are too many for {kind}, which has at most "
            f"{_LONGEST[kind]:,} a side: let it end in .png"
        )
    with replacing(output) as temporary:
        picture.save(temporary, format=kind, quality=95, icc_profile=picture.info.get("icc_profile"))
