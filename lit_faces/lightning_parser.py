"""The parser of the Lightning verbs, whose errors are one line by the option's name."""

import re
from pydoc import locate
from types import NoneType
from typing import Any, NoReturn, get_args

from pytorch_lightning.cli import LightningArgumentParser

from lit_faces.data.base import FaceDataModule
from lit_faces.errors import UserError
from lit_faces.methods import METHODS
from lit_faces.methods.base import parameters_of

_HINT = " (lit-faces VERB --help, --model.help CLASS and --data.help CLASS list the options)"
# What to give where jsonargparse wants a Python type.
_MEANT = {
    ("float",): "a finite number",
    ("int",): "a whole number",
    ("tuple",): "a list, '[{}]'",
    ("dict", "float"): "a finite number or a ramp, '{{start: A, end: B, epochs: [M, N]}}'",
}


def _data_sets() -> list[str]:
    """Names of the data sets of the suite."""
    found, classes = [], [FaceDataModule]
    while classes:
        children = classes.pop().__subclasses__()
        classes += children
        found += [child.__name__ for child in children if not child.__subclasses__()]
    return sorted(found)


def _refuse_value(message: str, ex: Exception | None) -> None:
    """Raises UserError with what may be given, if jsonargparse's message is about a choice, a number, a list or the edits."""
    found = re.search(r"(?:Got value|Given value): (.*)", message)
    if not found:
        return
    key, given = ".".join(re.findall(r'Parser key "([^"]+)"', message)), found[1]
    if key.startswith("edits.edits"):
        raise UserError(
            "--edits.edits must be of the form '{NAME: {set: [ATTRIBUTE], reset: [ATTRIBUTE], others: kept, strength: 1}}', got "
            + message.rpartition("Given value: ")[2]
        ) from ex
    expected = message.partition("Errors:")[2] or message
    choices = [choice.strip("' ") for group in re.findall(r"Literal\[(.*?)\]", expected) for choice in group.split(",")]
    if choices:
        raise UserError(f"--{key} must be one of {', '.join(choices)}, got {given!r}") from ex
    if "'start'" in given or "required keys" in expected:
        raise UserError(f"--{key} must be {_MEANT['dict', 'float'].format(given)}, got {given!r}") from ex
    types = tuple(sorted({*re.findall(r"Expected a <class '(\w+)'>", expected)} - {"NoneType"}))
    if types in _MEANT:
        raise UserError(f"--{key} must be {_MEANT[types].format(given)}, got {given!r}") from ex


def refuse_null(config: Any) -> None:
    """Raises UserError for an argument of the model or the data that is null though it is not optional.

    jsonargparse lets it pass in the arguments of a class. `config` is what the parser of a verb has parsed.
    """
    for key in ("model", "data"):
        parameters = parameters_of(locate(config[key].class_path))  # type: ignore[arg-type]
        for name, value in (config[key].get("init_args") or {}).items():
            known = parameters.get(name)
            if value is None and known is not None and NoneType not in get_args(known.annotation):
                raise UserError(f"--{key}.{name} must not be null: give a value, or leave it out")


class OneLineParser(LightningArgumentParser):
    """Says what is wrong with an argument in one line, by its key; takes no abbreviated key."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, allow_abbrev=False, **kwargs)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise UserError in place of printing every option."""
        failed = re.search(r"Call to compute_fn of link .* failed: (.*)", message)
        if failed:
            raise UserError(failed[1]) from ex
        noise = ("Does not validate", "Subtypes:", "Errors:", "Given value", "- Expected a <class 'NoneType'>")
        lines = (line.strip() for line in str(message).splitlines())
        text = " ".join(line.removeprefix("- ") for line in lines if line and not line.startswith(noise))
        # The parser of a class has said it, by the class's own key.
        nested = re.fullmatch(r'Parser key "(model|data)": --(.* must be .*)', text.removesuffix(_HINT))
        if nested:
            raise UserError(f"--{nested[1]}.{nested[2]}") from ex
        unknown = re.search(r'(?:Parser key "|--)(model|data)(?:": |\.help: ).*import path string: (\S+)', text)
        if unknown:
            key, name = unknown.groups()
            known = METHODS if key == "model" else _data_sets()
            raise UserError(
                f"--{key}: there is no class {name!r}: use one of {', '.join(known)}, or a dotted path"
            ) from ex
        strange = re.fullmatch(
            r"""Parser key "(model|data)": Option '(\w+)' is not accepted""", text.removesuffix(_HINT)
        )
        if strange:
            key, name = strange.groups()
            raise UserError(
                f"--{key}.{name}: option {name!r} is not accepted: give one that the class has, after --{key} itself{_HINT}"
            ) from ex
        _refuse_value(message, ex)
        # The parser of a verb has put the hint already.
        raise UserError(text.removesuffix(_HINT) + _HINT) from ex
