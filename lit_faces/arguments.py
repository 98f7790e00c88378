"""An argument parser whose errors are one line, like all errors that a user can mend."""

import argparse
from typing import Any, NoReturn

from lit_faces.errors import UserError


class Parser(argparse.ArgumentParser):
    """argparse without abbreviations; a wrong argument raises UserError."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **arguments})

    def error(self, message: str) -> NoReturn:
        """Raise UserError in place of printing the usage."""
        raise UserError(f"{message} (`{self.prog} --help` lists every option)")
