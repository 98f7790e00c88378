"""A trained method as a folder to give away: its weights in a format that holds no code, its config, its card."""

import json
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from lit_faces.errors import UserError
from lit_faces.files import replacing_folder, sha256, sha256_of, write_json, write_text

CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"


def is_export(folder: Path) -> bool:
    """Whether `folder` is to be read as an export, even one that is not whole, and not as that of a run."""
    return (folder / CONFIG).is_file() or (folder / WEIGHTS).is_file()


def check_export_folder(folder: Path) -> None:
    """Raise UserError unless `folder` is free: not there, empty, or an export, which may be replaced."""
    if not folder.exists():
        return
    held = {path.name for path in folder.iterdir()} if folder.is_dir() else None
    if held == set():
        return
    if held is None or CONFIG not in held or not held <= {CONFIG, WEIGHTS, CARD}:
        what = "is a file" if held is None else "holds something else than an export"
        raise UserError(f"{folder} {what}: name another folder, or move it away")
    _read_config(folder)


def write_export(checkpoint: dict[str, Any], folder: Path, card: str) -> None:
    """Write the weights of a checkpoint and all that loading needs, with its `card`; an export that is there is replaced.

    Names of local files lose their folders. Raises UserError if `folder` holds something else, or if an argument of the method
    is a local path or nothing that JSON knows.
    """
    check_export_folder(folder)
    about = checkpoint["lit_faces"]
    data = about["data"]
    about = {**about, "data": {**data, "manifest": _without_folders(data.get("manifest", {}))}}
    try:
        plain = json.loads(json.dumps(about, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise UserError(
            f"this {about['class_path']} cannot be exported, JSON cannot say what it is: {error}"
        ) from error
    for name, value in plain["arguments"].items():
        if _without_folders(value) != value:
            raise UserError(
                f"this {about['class_path']} cannot be exported: its argument {name}={value!r} is a path on this machine, "
                "which others do not have"
            )
    with replacing_folder(folder) as new:
        # Apart from each other and in rows: a file has no memory that is shared, nor a layout of its own.
        weights = {name: value.detach().contiguous().clone() for name, value in checkpoint["state_dict"].items()}
        (new / WEIGHTS).write_bytes(save(weights, {"format": "pt"}))
        checksums = {"lit_faces": sha256_of(plain), WEIGHTS: sha256(new / WEIGHTS)}
        write_json(new / CONFIG, {"lit_faces": plain, "sha256": checksums})
        write_text(new / CARD, card)


def read_export(folder: Path, device: str | torch.device = "cpu") -> dict[str, Any]:
    """What `write_export` was given, `lit_faces` and `state_dict`; tuples are lists. Nothing in the folder is executed.

    Raises UserError if a file is missing, damaged, edited or of something else.
    """
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise UserError(f"{folder} is an export that is not whole, it has no {name}: copy the whole export again")
    config, path = _read_config(folder), folder / WEIGHTS
    if config["sha256"].get(WEIGHTS) != sha256(path):
        raise UserError(f"{path} is damaged or not that of {folder / CONFIG}: copy the whole export again")
    try:
        weights = load_file(path, device=str(device))
    except SafetensorError as error:
        raise UserError(f"{path} cannot be read ({error}): copy the whole export again") from error
    return {"lit_faces": config["lit_faces"], "state_dict": weights}


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        config = None
    if not isinstance(config, dict) or not all(isinstance(config.get(key), dict) for key in ("lit_faces", "sha256")):
        raise UserError(f"{path} is not that of a lit_faces model: name a folder that `lit-faces export` wrote")
    if config["sha256"].get("lit_faces") != sha256_of(config["lit_faces"]):
        raise UserError(
            f"{path} is damaged, or was edited after `lit-faces export` wrote it: copy the whole export again"
        )
    return config


def _without_folders(value: Any) -> Any:
    """The value with each absolute path in it, of any system, cut down to the file's name."""
    if isinstance(value, dict):
        return {key: _without_folders(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_folders(inner) for inner in value]
    if isinstance(value, str):
        text = value.removeprefix("file://")
        if text.startswith("~") or PurePosixPath(text).is_absolute() or PureWindowsPath(text).is_absolute():
            return PureWindowsPath(text).name
    return value
