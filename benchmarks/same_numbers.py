"""Compare every number of the smoke studies with a commit's: `python -m benchmarks.same_numbers COMMIT`.

Runs the smoke profile of the studies on drawn faces, in fp32 with one thread a run, at the commit and here, and compares every
number in the records and results, bit by bit, except times. Numbers that only this tree has are new measures, and are listed.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
STUDIES = ("cmma", "csvae", "ifcvaegan", "vlae")
# Times, and what differs from machine to machine.
_LEFT_OUT = {"seconds", "training_minutes", "evaluation_minutes", "sittings", "report"}
# Keys that identify the entries of a list.
_KEYS = ("run", "metric", "claim", "name")


def main() -> int:
    """Returns 0 if all numbers are equal, else 1."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.same_numbers", description=__doc__)
    parser.add_argument("commit", help="commit whose numbers are the reference")
    parser.add_argument("studies", nargs="*", default=STUDIES, help="which studies, by default all")
    parser.add_argument("--keep", type=Path, help="folder for the reference, which a second call with it reuses")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        temporary, failed = Path(folder), False
        command = ["git", "rev-parse", "--verify", f"{options.commit}^{{commit}}"]
        commit = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
        reference = (options.keep or temporary / "reference").absolute() / commit
        for study in options.studies:
            before = reference / f"{study}.json"
            if not before.is_file():
                reference.mkdir(parents=True, exist_ok=True)
                before.write_text(json.dumps(numbers_of(study, _checked_out(commit, temporary / "tree"))))
            failed |= report(study, json.loads(before.read_text()), numbers_of(study, ROOT))
    return int(failed)


def report(study: str, before: Mapping[str, float], now: Mapping[str, float]) -> bool:
    """Print what differs; returns whether anything does that the reference has."""
    lost = [name for name in before if name not in now]
    changed = [name for name in before if name in now and before[name] != now[name]]
    new = [name for name in now if name not in before]
    print(f"{study}: {len(before)} numbers, {len(changed)} changed, {len(lost)} lost, {len(new)} new", flush=True)
    for name in lost:
        print(f"  lost     {name}")
    for name in changed:
        print(f"  changed  {name}: {before[name]!r} -> {now[name]!r}")
    for name in new:
        print(f"  new      {name}")
    return bool(lost or changed)


def numbers_of(study: str, tree: Path) -> dict[str, float]:
    """The numbers that a study's smoke profile computes with the package in a source tree, by where they stand."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "lit_faces", "reproduce", study, "--profile", "smoke", "--data", "Synthetic"]
        command += ["--threads", "1", "--runs", f"{folder}/runs", "--reports", f"{folder}/reports"]
        environment = {**os.environ, "PYTHONPATH": str(tree), "ONEDNN_MAX_CPU_ISA": "AVX2"}
        done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"`{' '.join(command)}` with {tree} ended with code {done.returncode}:\n{done.stderr}")
        files = [*Path(folder).glob("runs/**/record.json"), *Path(folder).glob("reports/**/results.json")]
        return {
            f"{file.parent.name}/{file.name}: {name}": value
            for file in sorted(files)
            for name, value in leaves(json.loads(file.read_text()))
        }


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Every number in nested lists and mappings, with the path to it."""
    if isinstance(value, dict):
        for key, part in value.items():
            if key not in _LEFT_OUT:
                yield from leaves(part, f"{path}/{key}")
    elif isinstance(value, list):
        for number, part in enumerate(value):
            names = [str(part[key]) for key in _KEYS if key in part] if isinstance(part, dict) else []
            yield from leaves(part, f"{path}/{' '.join(names) or number}")
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield path, value


def _checked_out(commit: str, tree: Path) -> Path:
    """A source tree of the commit."""
    if not tree.is_dir():
        tree.mkdir()
        archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True)
        subprocess.run(["tar", "-x", "-C", tree], input=archive.stdout, check=True)
    return tree


if __name__ == "__main__":
    sys.exit(main())
