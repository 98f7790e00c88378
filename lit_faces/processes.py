"""Child processes that end when their parent does."""

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from lit_faces.errors import ReportedError, UserError

_PARENT = "LIT_FACES_PARENT"
# From Linux's prctl.h.
_PR_SET_PDEATHSIG = 1


def end_with_parent() -> bool:
    """In a child made by `run_verb`: be terminated when the parent dies, even by SIGKILL (Linux; elsewhere nothing).

    Returns whether this is such a child.
    """
    parent = os.environ.pop(_PARENT, None)
    if parent is not None and sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != int(parent):
            sys.exit(143)
    return parent is not None


def check_devices(option: str, devices: int) -> None:
    """Raises UserError, naming the option, for more processes than there are GPUs or, without one, processor cores.

    Two processes are allowed on a single core, to try them.
    """
    import torch

    gpus, cores = torch.cuda.device_count(), max(2, os.cpu_count() or 1)
    there, what = (gpus, "GPUs") if gpus else (cores, "processor cores")
    if not 1 <= devices <= there:
        raise UserError(f"{option} must be from 1 to {there}, the number of {what} here, got {devices}")


@contextmanager
def exit_when_terminated() -> Iterator[None]:
    """Let a termination signal raise SystemExit(143) in the block, so that it ends in order."""
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def run_verb(arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
    """Run one verb of `lit-faces` in a process of its own, with more `environment`, and wait for it.

    The process is forked from one that has imported everything and done nothing else, which saves seconds a verb. A termination
    signal is passed on. Raises KeyboardInterrupt if the child was interrupted, SystemExit(143) if it was terminated, UserError
    if it failed; the child has printed why.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["lit_faces.cli"])
    child = context.Process(target=_run_child, args=(list(arguments), {**os.environ, **(environment or {})}))
    child.start()

    def pass_on(number: int, frame: FrameType | None) -> None:
        child.terminate()

    before = signal.signal(signal.SIGTERM, pass_on)
    try:
        child.join()
    except KeyboardInterrupt:
        # A terminal has interrupted the child too: let it stop in order. Otherwise end it.
        child.join(timeout=10)
        if child.exitcode is None:
            child.terminate()
            child.join()
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
    code = child.exitcode
    if code in (130, -signal.SIGINT):
        raise KeyboardInterrupt
    if code in (143, -signal.SIGTERM):
        sys.exit(143)
    if code == 2:
        raise ReportedError(f"`lit-faces {arguments[0]}` ended with an error")
    if code:
        raise UserError(f"`lit-faces {arguments[0]}` ended with code {code}; its last lines above say why")


def _run_child(arguments: list[str], environment: dict[str, str]) -> NoReturn:
    import lit_faces.__main__ as command

    os.environ.clear()
    os.environ.update(environment)
    os.environ[_PARENT] = str(os.getppid())
    # What Lightning starts its further ranks with.
    sys.argv = [command.__file__, *arguments]
    sys.exit(command.main(arguments))
