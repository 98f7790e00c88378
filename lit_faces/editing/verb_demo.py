"""`lit-faces demo`: the web page. Imports nothing heavy until the arguments are right."""

import argparse
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from lit_faces.arguments import Parser
from lit_faces.editing.arguments import add_checkpoint, opened
from lit_faces.errors import UserError

if TYPE_CHECKING:
    from lit_faces.methods.base import Method

_DESCRIPTION = """A web page on this machine: pick or upload a face, move sliders, and see what each model makes of it.
Of a photograph the largest face is taken."""


def run(arguments: Sequence[str]) -> None:
    """Serve the page until it is interrupted. Raises UserError for what the user can mend."""
    parsed = _parser().parse_args(arguments)
    if find_spec("gradio") is None:
        raise UserError("the page needs gradio, which is not installed: pip install 'lit_faces[demo]'")
    from lit_faces.editing.demo.server import free_port, serve

    port = free_port(parsed.host, parsed.port)
    print("loading ...", file=sys.stderr, flush=True)

    from lit_faces.editing.demo.faces import pictures_in
    from lit_faces.editing.demo.panel import Panel

    pictures = pictures_in(parsed.faces) if parsed.faces else []
    panel = Panel(_models(parsed.checkpoint, parsed.method))

    def build() -> object:
        from lit_faces.editing.demo.page import build

        return build(panel, pictures)

    serve(build, parsed.host, port)


def _models(checkpoints: Sequence[Path], own: str | None = None) -> "dict[str, Method]":
    from lit_faces.editing.demo.walks import check_shown

    models: dict[str, Method] = {}
    for path in checkpoints:
        method = opened(path, own)
        check_shown(method, path)
        name = type(method).__name__
        run_folder = path if path.is_dir() else path.parent.parent
        title = name if name not in models else f"{name} {run_folder.name}"
        if title in models:
            raise UserError(f"--checkpoint {path} is given twice: name each once")
        models[title] = method
    return models


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="lit-faces demo", description=_DESCRIPTION)
    add_checkpoint(parser, "a method that edits faces or has layers (several stand side by side)", several=True)
    parser.add_argument("--faces", type=Path, metavar="FOLDER", help="PNG and JPEG pictures of faces to choose from")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen at (default: 127.0.0.1, this machine alone)"
    )
    parser.add_argument("--port", type=int, help="port to listen at (default: the first free one from 7860 on)")
    return parser
