"""Child processes that have done their work as soon as they begin, to see what a study executes."""

import os
from collections.abc import Callable, Sequence

import pytest

from lit_faces.__main__ import run_verb

# What a wait never waits for.
_READY, _other_end = os.pipe()
os.close(_other_end)


def instant_children(
    monkeypatch: pytest.MonkeyPatch,
    work_on: Callable[[Sequence[str]], object] = len,
    code: int = 0,
    report: tuple[int, Sequence[str]] = (0, ()),
) -> list[tuple[str, ...]]:
    """Let the children of studies do nothing but `work_on` their verb; returns the verbs, which are collected.

    They end with `code`; one that writes a `report` with a code and lines of its own.
    """
    called: list[tuple[str, ...]] = []

    class Instant:
        def __init__(self, work: object, *arguments: Sequence[str], environment: object = None) -> None:
            self.signs = [os.dup(_READY)]
            self.code, self.last_lines = (code, ()) if work is run_verb else report
            if work is run_verb:
                called.append(tuple(arguments[0]))
                work_on(arguments[0])

        def __del__(self) -> None:
            os.close(self.signs[0])

        def lines(self) -> list[str]:
            return []

    monkeypatch.setattr("lit_faces.studies.schedule.Child", Instant)
    return called
