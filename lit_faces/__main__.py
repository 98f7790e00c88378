"""The command `lit-faces`: the verbs, each imported only when it is called."""

import signal
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from lit_faces import __version__
from lit_faces.allocator import keep_freed_memory
from lit_faces.errors import UserError

_TERMINATED = 128 + signal.SIGTERM
LIGHTNING_VERBS = ("fit", "validate", "test", "predict")
_RESUMED = ("fit", "reproduce")

USAGE = """usage: lit-faces VERB [options]

Train and evaluate one method (LightningCLI; `lit-faces VERB --help` lists the settings):
  fit        train:             lit-faces fit --config experiments/cmma/cmma.yaml
  validate   evaluate on the validation split
  test       evaluate on the test split, and write record.json
  predict    reconstruct the test faces, as pictures in the run's folder

Use a trained method:
  edit       change attributes in a photograph:
                                lit-faces edit photo.jpg --checkpoint runs/RUN --set Smiling -o smiling.jpg
  generate   draw faces from attributes:
                                lit-faces generate --checkpoint runs/RUN --set Male -o faces.png
  arithmetic a - b + c of three photographs, with a ladder:
                                lit-faces arithmetic a.png b.png c.png --checkpoint runs/RUN -o out.png
  demo       a web page with sliders:
                                lit-faces demo --checkpoint runs/RUN
  export     a folder to give away, which every --checkpoint takes:
                                lit-faces export runs/RUN --to DIR

Reproduce a paper:
  reproduce  run a study:       lit-faces reproduce cmma --profile laptop
  report     make its report again from the records
  data       prepare and list data sets

`lit-faces VERB --help` for more."""


def _lightning(arguments: Sequence[str]) -> None:
    from lit_faces.cli import run

    run(arguments)


def run_verb(arguments: list[str]) -> int:
    """One verb, in a child process; returns the exit code."""
    # What Lightning starts its further ranks with.
    sys.argv = [__file__, *arguments]
    return main(arguments)


def _reproduce(arguments: Sequence[str]) -> None:
    # A child imports the function by this name, not by `__main__`.
    from lit_faces.__main__ import run_verb
    from lit_faces.studies.verbs import reproduce

    reproduce(arguments, run_verb)


def _report(arguments: Sequence[str]) -> None:
    from lit_faces.studies.verbs import report

    report(arguments)


def _data(arguments: Sequence[str]) -> None:
    from lit_faces.arguments import Parser
    from lit_faces.data import verb

    parser = Parser(prog="lit-faces data", description="Prepare and list data sets.")
    verb.add_arguments(parser)
    verb.run(parser.parse_args(arguments))


VERBS: dict[str, Callable[[Sequence[str]], None]] = {
    "reproduce": _reproduce,
    "report": _report,
    "data": _data,
}
# Each a module of its own in lit_faces/editing, with a function `run`.
EDITING_VERBS = ("edit", "generate", "arithmetic", "demo", "export")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code: 2 for an error that the user can mend."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    # As for `python -m lit_faces`: a method or a data set of the user's own lies here.
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE, file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    if arguments == ["--version"]:
        print(f"lit_faces {__version__}")
        return 0
    verb, *rest = arguments
    try:
        if verb in LIGHTNING_VERBS:
            keep_freed_memory()
            _lightning(arguments)
        elif verb in VERBS:
            VERBS[verb](rest)
        elif verb in EDITING_VERBS:
            import_module(f"lit_faces.editing.verb_{verb}").run(rest)
        else:
            raise UserError(
                f"there is no verb {verb!r}: use one of {', '.join((*LIGHTNING_VERBS, *VERBS, *EDITING_VERBS))}"
            )
    except UserError as error:
        print(f"lit-faces: error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        # A folder that cannot be made, a file that cannot be read: the system's own words name it.
        if error.filename is None:
            raise
        print(f"lit-faces: error: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        _say_how_it_ended("interrupted", verb)
        return 130
    except SystemExit as end:
        if end.code != _TERMINATED:
            raise
        _say_how_it_ended("terminated", verb)
        return _TERMINATED
    return 0


def _say_how_it_ended(what: str, verb: str) -> None:
    hint = "; the same command resumes where it stopped" if verb in _RESUMED else ""
    print(f"lit-faces: {what}{hint}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
