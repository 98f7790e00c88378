"""How files of earlier versions are read. Each entry names the version that stops reading them."""

import sys
from typing import Any, Literal

from lit_faces.errors import UserError


def upgraded(about: dict[str, Any]) -> dict[str, Any]:
    """The description in a checkpoint or an export, as this version writes it.

    Until 0.4.0. Version 0.1.0 named the class of a method without its module, which was the suite's own or given by the reader,
    and did not say for how many epochs the weights had been trained.
    """
    upgraded = {"epochs": 0.0, **about}
    if "method" in upgraded:
        upgraded["class_path"] = f"lit_faces.methods.{upgraded.pop('method')}"
    return upgraded


def unnamed(
    has_covariance: bool, path: object, asked: Literal["expected", "mean"] | None = None
) -> Literal["expected", "mean"]:
    """What the attributes are that nobody names: what is `asked`, else as expected given the others.

    Until 0.4.0. Version 0.1.0 kept no covariance of the attributes: they are at their mean then, and a line on stderr says so.
    Raises UserError, naming the `path` of the checkpoint, if they are asked to be as expected there.
    """
    if asked == "mean" or has_covariance:
        return asked or "expected"
    why = f"{path} is of an older version and has no covariance of the attributes"
    if asked is not None:
        raise UserError(f"--others expected: {why}: say --others mean, or train it again")
    print(f"{why}: those that are not named are at their mean", file=sys.stderr)
    return "mean"
