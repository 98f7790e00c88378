"""Child processes, what they say, and how they end: in order, and never later than their parent."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import wait
from typing import Any, NoReturn

from lit_faces.errors import UserError

# Seconds that a terminated process has to end in order.
_PATIENCE = 30.0


def cores() -> int:
    """The processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_devices(option: str, devices: int) -> None:
    """Raises UserError, naming the option, for more processes than there are GPUs or, without one, processor cores.

    Two processes are allowed on a single core, to try them.
    """
    import torch

    gpus = torch.cuda.device_count()
    there, what = (gpus, "GPUs") if gpus else (max(2, cores()), "processor cores")
    if not 1 <= devices <= there:
        raise UserError(f"{option} must be from 1 to {there}, the number of {what} here, got {devices}")


def check_threads(option: str, threads: int) -> None:
    """Raises UserError, naming the option, for more threads than this process may use processor cores."""
    if not 1 <= threads <= cores():
        raise UserError(f"{option} must be from 1 to {cores()}, the number of processor cores here, got {threads}")


def use_threads(threads: int) -> None:
    """Compute with so many threads in this process, in torch and in the libraries under NumPy and SciPy."""
    import torch
    from threadpoolctl import threadpool_limits

    threadpool_limits(threads)
    torch.set_num_threads(threads)
    # With several processes Lightning would set a number of its own.
    os.environ["OMP_NUM_THREADS"] = str(threads)


@contextmanager
def exit_when_terminated() -> Iterator[None]:
    """Let a termination signal raise SystemExit(143) in the block, so that it ends in order."""
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class Child:
    """A function with its arguments in a process of its own, whose output and errors the parent reads.

    The process is forked from one that has imported everything and done nothing else, which saves seconds. It has more
    `environment` than this one, and is terminated when this one dies, even by SIGKILL. The exit code is what `work` returns.
    """

    def __init__(
        self, work: Callable[..., int], *arguments: object, environment: Mapping[str, str] | None = None
    ) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["lit_faces.cli"])
        self._output, output = context.Pipe(duplex=False)
        os.set_blocking(self._output.fileno(), False)
        self._unfinished = b""
        self.last_lines: deque[str] = deque(maxlen=40)
        """What it said last, to be shown if it fails."""
        self._process = context.Process(
            target=_work, args=(output, {**os.environ, **(environment or {})}, work, arguments)
        )
        self._process.start()
        output.close()

    @property
    def code(self) -> int | None:
        """Its exit code, negative if a signal killed it; None while it works."""
        return self._process.exitcode

    @property
    def signs(self) -> list[Any]:
        """What is ready once it has said something or has ended."""
        return [self._process.sentinel, *([] if self._output.closed else [self._output])]

    def lines(self) -> list[str]:
        """The whole lines that it has said since the last call, and at its end what follows the last of them."""
        said = self._unfinished
        while not self._output.closed:
            try:
                part = os.read(self._output.fileno(), 1 << 16)
            except BlockingIOError:
                break
            if not part:
                self._output.close()
            said += part
        *whole, self._unfinished = said.split(b"\n")
        if self._output.closed and self._unfinished:
            whole.append(self._unfinished)
            self._unfinished = b""
        lines = [line.decode(errors="replace").rstrip() for line in whole]
        self.last_lines.extend(lines)
        return lines

    def terminate(self) -> None:
        """Ask it to end in order."""
        self._process.terminate()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()


def wait_for(children: Iterable[Child], seconds: float) -> None:
    """Wait until one of them says something or ends, but no longer than some seconds."""
    wait([sign for child in children for sign in child.signs], seconds)


def wait_for_all(children: Iterable[Child], seconds: float) -> None:
    """Wait until all have ended, but no longer than some seconds; what they say is read, so that none waits to be heard."""
    deadline = time.monotonic() + seconds
    while (working := [child for child in children if child.code is None]) and (
        left := deadline - time.monotonic()
    ) > 0:
        wait_for(working, left)
        for child in working:
            child.lines()


def end(children: Iterable[Child]) -> None:
    """Terminate those that still work, and kill what has not ended in order half a minute later."""
    children = [child for child in children if child.code is None]
    for child in children:
        child.terminate()
    wait_for_all(children, _PATIENCE)
    for child in children:
        child.kill()
    wait_for_all(children, _PATIENCE)


def _work(
    output: Any, environment: dict[str, str], work: Callable[..., int], arguments: tuple[object, ...]
) -> NoReturn:
    for stream in (1, 2):
        os.dup2(output.fileno(), stream)
    output.close()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ.clear()
    os.environ.update(environment)
    sys.exit(work(*arguments))


def _end_with_parent() -> None:
    """Waits for the parent's death, which closes a pipe, however it died."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_PATIENCE)
    os.kill(os.getpid(), signal.SIGKILL)
