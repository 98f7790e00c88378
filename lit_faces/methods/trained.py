"""Trained methods, from their checkpoints and exports."""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
import yaml

from lit_faces import __version__
from lit_faces.data.batch import DataSpec
from lit_faces.errors import UserError
from lit_faces.methods.base import Method
from lit_faces.methods.checkpoint import about_of, check_weights, checkpoint_in, name_of, read_checkpoint
from lit_faces.methods.exported import is_export, read_export


def load_method(path: str | Path, cls: type[Method] | None = None, device: str | torch.device = "cpu") -> Method:
    """A trained method, ready to generate and edit, from its checkpoint, the folder of its run (its last one) or an export.

    Its class is `cls`, else the one that the checkpoint names if that is the suite's, is imported already, or is named by the
    config of the run whose folder holds the checkpoint. Nothing else is imported: a file from a stranger does not decide what
    runs here. Raises UserError if the class is none of these, if it is another than `cls`, if the file is missing, damaged or
    something else, or if its weights are not that method's.
    """
    path = Path(path)
    exported = is_export(path)
    path = path if exported else checkpoint_in(path)
    checkpoint = read_export(path, device) if exported else read_checkpoint(path, device)
    about = about_of(checkpoint, path)
    cls = cls or _class_of(about["class_path"], None if exported else path.absolute().parent.parent / "config.yaml")
    if cls is None or cls.__name__ != name_of(about):
        raise UserError(
            f"{path} is of {about['class_path']}, a method that is not known here: say --method {about['class_path']}, or give "
            "load_method its class"
        )
    try:
        method = cls(**about["arguments"])
        method.prepare(DataSpec.from_dict(about["data"]))
    except UserError:
        raise
    except Exception as error:
        # What is written in a file may be wrong in as many ways as there are values.
        raise UserError(
            f"{path} does not describe a {cls.__name__} of lit_faces {__version__} ({' '.join(str(error).split())}): it is "
            f"damaged, or of another version ({about.get('version')})"
        ) from error
    check_weights(method, checkpoint, path)
    method.load_state_dict(checkpoint["state_dict"])
    method.epochs_trained = about["epochs"]
    return method.to(device).eval()


def method_class(name: str) -> type[Method] | None:
    """Import the class of a method by its name in the suite or its import path; None if it does not exist."""
    module, _, name = name.rpartition(".")
    try:
        found: Any = getattr(import_module(module or "lit_faces.methods"), name, None)
    except ModuleNotFoundError:
        return None
    return found if isinstance(found, type) and issubclass(found, Method) else None


def _class_of(class_path: str, config: Path | None) -> type[Method] | None:
    """The class that a checkpoint names, if it may be imported."""
    module = class_path.rpartition(".")[0]
    is_known = module.partition(".")[0] == "lit_faces" or module in sys.modules
    return method_class(class_path) if is_known or class_path == _class_in(config) else None


def _class_in(config: Path | None) -> str | None:
    """The class that a run's config names, if there is one."""
    if config is None or not config.is_file():
        return None
    try:
        written = yaml.safe_load(config.read_text(encoding="utf-8"))
        return str(written["model"]["class_path"])
    except (OSError, ValueError, yaml.YAMLError, LookupError, TypeError):
        # It decides nothing but this, and the checkpoint is read without it.
        return None
