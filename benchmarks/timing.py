"""Interleaved timing: every round runs each work once, so that a disturbance of the machine meets all of them."""

from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

import torch

MIN_ROUNDS = 5

Seconds = dict[str, list[float]]
"""One time a round, for each work by its name."""


def now(device: torch.device) -> float:
    """Seconds on a clock, once the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return perf_counter()


def timed(work: Callable[[], object], device: torch.device) -> Callable[[], float]:
    """A function that does the work and returns the seconds that it took."""

    def measure() -> float:
        start = now(device)
        work()
        return now(device) - start

    return measure


def interleave(works: dict[str, Callable[[], float]], rounds: int) -> Seconds:
    """Times of all works in `rounds` rounds, after a round of warm-up that is not counted.

    Each work returns its own seconds. The order within a round rotates. Raises ValueError for fewer than MIN_ROUNDS rounds.
    """
    if rounds < MIN_ROUNDS:
        raise ValueError(f"a median needs at least {MIN_ROUNDS} rounds, got {rounds}")
    names = list(works)
    seconds: Seconds = {name: [] for name in names}
    for name in names:
        works[name]()
    for turn in range(rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            seconds[name].append(works[name]())
    return seconds


def spread(values: list[float]) -> dict[str, Any]:
    """Median, extremes and all values."""
    return {"median": median(values), "min": min(values), "max": max(values), "rounds": values}


def speed_up(seconds: Seconds, fast: str, slow: str, goal: float | None = None) -> dict[str, Any]:
    """How many times faster `fast` is than `slow`: the ratio of each round, and the spread of these ratios."""
    ratios = [s / f for s, f in zip(seconds[slow], seconds[fast], strict=True)]
    return {"of": fast, "against": slow, "goal": goal, **spread(ratios)}
