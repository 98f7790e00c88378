"""Settings that change while a method trains, given in epochs, so that a longer run only adds to a shorter one."""

from math import isfinite
from typing import TypedDict

from lit_faces.errors import UserError


class Ramp(TypedDict):
    """`start` before the first of two `epochs`, `end` from the second on, and linear in between."""

    start: float
    end: float
    epochs: list[float]


Schedule = float | Ramp


def at(schedule: Schedule, epochs: float) -> float:
    """The value after so many epochs of training, which need not be whole."""
    if not isinstance(schedule, dict):
        return schedule
    first, last = schedule["epochs"]
    share = (epochs - first) / (last - first) if first < last else float(epochs >= last)
    return schedule["start"] + min(1.0, max(0.0, share)) * (schedule["end"] - schedule["start"])


def check_ramp(name: str, ramp: Ramp) -> None:
    """Raises UserError for what is no ramp, one that runs backwards, or one whose epochs are not two numbers from 0 on."""
    if ramp.keys() != Ramp.__annotations__.keys():
        raise UserError(f"model.{name} must be a number or have {', '.join(Ramp.__annotations__)}, got {ramp}")
    epochs = ramp["epochs"]
    if len(epochs) != 2 or not all(isfinite(epoch) and epoch >= 0 for epoch in epochs):
        raise UserError(f"model.{name}.epochs must be two numbers of epochs, the first and the last, got {epochs}")
    if epochs[0] > epochs[1]:
        raise UserError(f"model.{name}.epochs runs backwards, from {epochs[0]:g} to {epochs[1]:g}: swap them")
