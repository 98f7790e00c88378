"""How far the runs of a study are: which are finished, what is missing, and pictures of what is being trained."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lit_faces.studies.plan import Run


@dataclass(frozen=True)
class Sample:
    """The latest picture of a run that is not finished, and after how many epochs it was made."""

    run: str
    path: Path
    epoch: int


def is_finished(run: Run) -> bool:
    """Whether a run was trained and evaluated, and all is there that a report is made from."""
    return run.done.is_file() and not run.lost


def is_current(run: Run) -> bool:
    """Whether a run is finished and was made by its own plan, not by another one whose results it is to replace."""
    return is_finished(run) and run.is_planned()


def missing_lines(runs: Sequence[Run], finished: Sequence[Run]) -> list[str]:
    """What to say of the runs that are not finished, a line for each way of not being so."""
    left = [run for run in runs if run not in finished]
    absent = [run for run in left if not run.folder.path.is_dir()]
    begun = [run for run in left if run not in absent and not run.done.is_file()]
    said = []
    if absent:
        said.append(f"not begun: {_names(absent)}")
    if begun:
        said.append(f"not finished: {', '.join(_begun(run) for run in begun)}")
    for run in left:
        if run.done.is_file() and run.lost:
            said.append(f"left out: {_names([run])}, of which {', '.join(str(path) for path in run.lost)} is missing")
    return said


def samples(runs: Sequence[Run]) -> list[Sample]:
    """The latest picture of each of these runs that has one."""
    return [Sample(_names([run]), path, epoch) for run in runs if (path := _latest(run)) and (epoch := _epoch(path))]


def _begun(run: Run) -> str:
    latest = _latest(run)
    return _names([run]) + ("" if latest is None else f" (after {_epochs(_epoch(latest))})")


def _latest(run: Run) -> Path | None:
    pictures = sorted(run.folder.path.glob("samples/epoch-*.png"), key=_epoch)
    return pictures[-1] if pictures else None


def _epoch(picture: Path) -> int:
    return int(picture.stem.partition("-")[2])


def _epochs(count: int) -> str:
    return f"{count} epoch{'s' * (count != 1)}"


def _names(runs: Sequence[Run]) -> str:
    """The runs' names, each with its seeds where it has others than 0."""
    seeds: dict[str, list[int]] = {}
    for run in runs:
        seeds.setdefault(run.name, []).append(run.seed)
    return ", ".join(
        name if of == [0] else f"{name} (seed{'s' * (len(of) > 1)} {', '.join(map(str, of))})"
        for name, of in seeds.items()
    )
