"""What keeping freed memory in the process does for a training step: two child processes, with and without, in turn."""

import resource
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import torch

from benchmarks.result import Result
from benchmarks.timing import interleave, now, speed_up
from benchmarks.workload import BareSteps, RandomFaces, Scale, device, network
from lit_faces.allocator import keep_freed_memory
from lit_faces.cli import fast_precision
from lit_faces.methods.cmma import CMMA

FORMS = {"kept": True, "returned": False}


def run(scale: Scale) -> Result:
    """Time the suite's training step with freed memory kept and with freed memory returned to the system.

    The setting cannot be undone, so each has a process; they take turns, and the one that waits does nothing.
    """
    result = Result("freed_memory", scale)
    # Not a fork of this process: it keeps its memory already.
    context = get_context("forkserver")
    pipes, children = {}, []
    try:
        for name, keep in FORMS.items():
            pipes[name], theirs = context.Pipe()
            child = context.Process(target=serve, args=(theirs, keep, scale, torch.get_num_threads()), daemon=True)
            child.start()
            theirs.close()
            children.append(child)
        last: dict[str, dict[str, Any]] = {}
        works = {name: _ask(pipe, name, last) for name, pipe in pipes.items()}
        seconds = interleave(works, scale.rounds)
    finally:
        for pipe in pipes.values():
            pipe.close()
        for child in children:
            child.join(timeout=10)
            child.terminate()
    result.add(seconds)
    result.ratios["freed memory kept"] = speed_up(seconds, "kept", "returned", scale.goal(1.3, on="cpu"))
    result.details |= {"steps_a_round": scale.steps, "last_round": last}
    return result


def _ask(pipe: "Connection[Any, Any]", name: str, last: dict[str, dict[str, Any]]) -> Callable[[], float]:
    def measure() -> float:
        pipe.send(None)
        last[name] = pipe.recv()
        return float(last[name]["seconds"])

    return measure


def serve(pipe: "Connection[Any, Any]", keep: bool, scale: Scale, threads: int) -> None:
    """A child: a few training steps whenever it is asked, until the parent closes the pipe."""
    if keep:
        keep_freed_memory()
    torch.set_num_threads(threads)
    data = RandomFaces(scale)
    steps = BareSteps(network(CMMA, scale, data), data, fast_precision())
    while True:
        try:
            pipe.recv()
        except EOFError:
            return
        faults, start = _usage().ru_minflt, now(device())
        steps(scale.steps)
        pipe.send(
            {
                "seconds": now(device()) - start,
                "page_faults": _usage().ru_minflt - faults,
                # The highest so far, in KiB on Linux.
                "peak_memory_mib": _usage().ru_maxrss / 1024,
            }
        )


def _usage() -> resource.struct_rusage:
    return resource.getrusage(resource.RUSAGE_SELF)
