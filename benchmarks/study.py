"""A study from the command line to its report: two runs at a time against one, and what part of it evaluation takes."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.result import Result
from benchmarks.timing import speed_up, spread
from benchmarks.workload import Scale

# Each trains everything anew, which takes a minute or two: fewer rounds than of what takes seconds.
ROUNDS = 3
JOBS = (1, 2)


def run(scale: Scale) -> Result:
    """Time the smoke profile of CMMA's study on drawn faces; tiny, once, with its shortest method alone.

    Both numbers of jobs take turns, in an order that rotates, each time with all that a user waits for: imports, training,
    evaluation and reports.
    """
    result = Result("study", scale)
    words = ["--methods", "cgan", "--epochs", "1"] if scale.quick else []
    seconds: dict[str, list[float]] = {_name(jobs): [] for jobs in JOBS}
    shares: list[float] = []
    for turn in range(1 if scale.quick else ROUNDS):
        for jobs in JOBS if turn % 2 == 0 else JOBS[::-1]:
            took, records = reproduce(jobs, words)
            seconds[_name(jobs)].append(took)
            shares.append(evaluation_share(records))
    result.add(seconds)
    result.ratios["a study, two jobs"] = speed_up(seconds, _name(2), _name(1))
    result.details |= {
        "study": "cmma, smoke profile, drawn faces",
        "runs": len(records),
        "threads_a_run": sorted({record["training"]["threads"] for record in records}),
        "share_of_evaluation": spread(shares),
    }
    return result


def _name(jobs: int) -> str:
    return f"{jobs} job{'s' * (jobs > 1)}"


def reproduce(jobs: int, words: Sequence[str] = ()) -> tuple[float, list[dict[str, Any]]]:
    """Wall seconds of `lit-faces reproduce` in folders of its own, and the records that it wrote."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "lit_faces", "reproduce", "cmma", "--profile", "smoke", "--data", "Synthetic"]
        command += ["--jobs", str(jobs), "--runs", f"{folder}/runs", "--reports", f"{folder}/reports", *words]
        # The package that is measured, wherever it was installed from.
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
        start = perf_counter()
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        took = perf_counter() - start
        if done.returncode:
            raise RuntimeError(f"`{' '.join(command)}` ended with code {done.returncode}:\n{done.stderr}")
        return took, [json.loads(path.read_text()) for path in Path(folder).glob("runs/**/record.json")]


def evaluation_share(records: Sequence[dict[str, Any]]) -> float:
    """The part that evaluation has in the time of all runs, from 0 to 1: seconds of testing by those of training and testing."""
    evaluation, training = (sum(r[part]["seconds"] for r in records) for part in ("evaluation", "training"))
    return float(evaluation / (evaluation + training))
