"""`lit-faces export`: a trained model as a folder to give away. Imports nothing heavy until the arguments are right."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lit_faces.arguments import Parser
from lit_faces.editing.arguments import add_method, opened
from lit_faces.errors import UserError

_DESCRIPTION = """Write a trained model as a folder that can be given away, and that every --checkpoint takes: its
weights, in a format that holds no code, its config, and a card that says what it is, what it learned from and on which
terms, and how good it is. What was measured is taken from the record.json of the run."""


def run(arguments: Sequence[str]) -> None:
    """Export, and push if asked. Raises UserError for what the user can mend."""
    parser = Parser(prog="lit-faces export", description=_DESCRIPTION)
    parser.add_argument(
        "checkpoint", type=Path, help="a checkpoint, or the folder of a run, of which the last is taken"
    )
    parser.add_argument("--to", type=Path, required=True, metavar="DIR", help="folder to write; an export is replaced")
    parser.add_argument("--push", metavar="OWNER/NAME", help="also put it on the Hugging Face Hub, there private")
    parser.add_argument("--public", action="store_true", help="a repository that --push makes is public")
    add_method(parser)
    parsed = parser.parse_args(arguments)
    if parsed.public and parsed.push is None:
        raise UserError("--public needs --push OWNER/NAME")
    if parsed.push is not None:
        from lit_faces.editing.hub import check_hub

        check_hub(parsed.push)
    export(parsed.checkpoint, parsed.to, parsed.method)
    print(f"{parsed.to}: read its README.md before you give it away")
    if parsed.push is not None:
        from lit_faces.editing.hub import push

        print(push(parsed.to, parsed.push, parsed.public))


def export(checkpoint: str | Path, folder: str | Path, own: str | None = None) -> None:
    """Export a checkpoint, or the last one of a run's folder, to `folder`.

    `own` is the import path of a method that the suite does not have. Raises UserError for a checkpoint that cannot be loaded or
    exported, and if `folder` holds something else than an export.
    """
    from lit_faces.editing.model_card import model_card
    from lit_faces.methods.checkpoint import checkpoint_in, read_checkpoint
    from lit_faces.methods.exported import check_export_folder, is_export, write_export

    path, folder = Path(checkpoint), Path(folder).resolve()
    check_export_folder(folder)
    if is_export(path):
        raise UserError(f"{path} is an export already: copy the folder")
    path = checkpoint_in(path)
    read = read_checkpoint(path)
    method = opened(path, own)
    write_export(read, folder, model_card(read, method, _record_of(path, read)))


def _record_of(path: Path, checkpoint: dict[str, Any]) -> dict[str, Any] | None:
    """The record of the run that a checkpoint lies in, if it was measured on this checkpoint."""
    file = path.absolute().parent.parent / "record.json"
    if not file.is_file():
        return None
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        training = record["training"]
        _ = [(m["metric"], m["value"], m["stderr"], m["n"], m["unit"]) for m in record["measurements"]]
    except (ValueError, LookupError, TypeError) as error:
        raise UserError(f"{file} is damaged: remove it, or run `lit-faces test` again") from error
    # Of the same run at another time, or of another checkpoint that lies beside its last one.
    return record if training == checkpoint.get("training") else None
