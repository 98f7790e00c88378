"""The form of a checkpoint: a state dict, and a description of the method and its data that rebuilds the method."""

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lit_faces.compatibility import upgraded
from lit_faces.errors import UserError
from lit_faces.methods.exported import CONFIG, WEIGHTS, is_export


def class_path_of(cls: type) -> str:
    """The path that a class is imported by."""
    return f"{cls.__module__}.{cls.__qualname__}"


def name_of(about: dict[str, Any]) -> str:
    """The name of the method's class in a description."""
    return str(about["class_path"]).rpartition(".")[2]


def about_of(checkpoint: Any, path: object) -> dict[str, Any]:
    """The description in a checkpoint: `class_path`, `arguments`, `data`, `epochs` and `version`.

    Raises UserError, naming the `path`, for a checkpoint without a description.
    """
    about = checkpoint.get("lit_faces") if isinstance(checkpoint, dict) else None
    about = upgraded(about) if isinstance(about, dict) else {}
    if not {"class_path", "arguments", "data"} <= about.keys():
        raise UserError(f"{path} is not a lit_faces checkpoint: name one that `lit-faces fit` wrote")
    return about


def check_weights(method: nn.Module, checkpoint: dict[str, Any], path: object) -> None:
    """Raises UserError, naming the `path`, unless the checkpoint holds finite weights of this method."""
    weights = checkpoint.get("state_dict", {})
    theirs = {name: getattr(value, "shape", None) for name, value in weights.items()}
    wrong = theirs != {name: value.shape for name, value in method.state_dict().items()}
    if wrong or not all(bool(value.isfinite().all()) for value in weights.values()):
        what = "the weights of" if wrong else "finite weights of"
        raise UserError(
            f"{path} does not hold {what} {type(method).__name__}: it is damaged or of another version: name "
            "another, or train it again"
        )


def read_checkpoint(path: Path, device: str | torch.device = "cpu") -> dict[str, Any]:
    """Read a checkpoint without executing anything in it. Raises UserError if it is missing, damaged or something else."""
    if not path.is_file():
        raise UserError(f"there is no checkpoint at {path}: name one that `lit-faces fit` wrote")
    if path.name in (CONFIG, WEIGHTS) and is_export(path.parent):
        raise UserError(f"{path} is one file of an export: name its folder, {path.parent}")
    try:
        with warnings.catch_warnings():
            # torch warns of a pickle before it refuses to load it.
            warnings.filterwarnings("ignore", "Detected pickle protocol", UserWarning)
            checkpoint = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:
        # torch raises a dozen kinds of exceptions for files that are not checkpoints.
        raise UserError(
            f"{path} cannot be read as a checkpoint, it is damaged or something else: name another, or remove it and train again"
        ) from error
    about = about_of(checkpoint, path)
    return {**checkpoint, "lit_faces": about}


def checkpoint_in(path: Path) -> Path:
    """The checkpoint that a path stands for: the last one of a run's folder, else the path itself."""
    return path / "checkpoints" / "last.ckpt" if path.is_dir() else path
