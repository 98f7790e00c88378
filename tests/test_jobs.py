"""The runs of a study side by side: the same bits as one by one, and an end in order however it comes."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from command import options
from instant import instant_children
from lightning_fabric.utilities.distributed import _set_num_threads_if_needed
from test_resume import assert_same
from tiny_study import write_study

from lit_faces.__main__ import run_verb
from lit_faces.errors import UserError
from lit_faces.processes import Child, cores, use_threads, wait_for_all
from lit_faces.studies import schedule
from lit_faces.studies.plan import plan, write_overlays
from lit_faces.studies.schedule import execute
from lit_faces.studies.study import Options, Study, read_study

ROOT = Path(__file__).parents[1]
FOLDERS = ("cmma-seed0", "cvae-seed0", "judge")


@pytest.fixture(scope="module")
def experiments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    write_study(folder)
    return folder


@pytest.fixture
def study(experiments: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.chdir(experiments)
    return read_study("tiny")


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Child]]:
    """The children of the studies that a test executes, none of which may outlive it."""
    begun: list[Child] = []

    class Watched(Child):
        def __init__(self, *arguments: Any, **settings: Any) -> None:
            super().__init__(*arguments, **settings)
            begun.append(self)

    monkeypatch.setattr(schedule, "Child", Watched)
    yield begun
    assert all(child.code is not None for child in begun)


def tiny(folder: Path, jobs: int = 2) -> Options:
    return Options("tiny", "Synthetic", jobs=jobs, runs=folder / "runs", reports=folder / "reports")


@pytest.fixture(scope="module")
def one_by_one(experiments: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the tiny study's runs, made with one job."""
    folder = tmp_path_factory.mktemp("one")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(experiments)
        study, options = read_study("tiny"), tiny(folder, jobs=1)
        execute(study, options, plan(study, options), run_verb)
    return folder / "runs/tiny/tiny-synthetic"


def untimed(record: Any) -> Any:
    """A record without what it took, and without where its judge lies."""
    for part in ("training", "evaluation"):
        del record[part]["seconds"]
    record["training"].pop("sittings")
    del record["config_sha256"]
    return json.loads(json.dumps(record))


def assert_same_study(folder: Path, other: Path) -> None:
    for name in FOLDERS:
        a, b = (untimed(json.loads((root / name / "record.json").read_text())) for root in (folder, other))
        assert a == b, name
        assert len(a["measurements"]) > 2
        states = [torch.load(root / name / "checkpoints/last.ckpt", weights_only=True) for root in (folder, other)]
        for part in ("state_dict", "optimizer_states", "epoch", "global_step"):
            assert_same(states[0][part], states[1][part], f"{name}: {part}")
        if name != "judge":
            assert (folder / name / "per_image.csv").read_bytes() == (other / name / "per_image.csv").read_bytes()


def note(study: Study, options: Options, progress: str) -> int:
    """In place of a report: when it began and ended, and how far the study was."""
    start = time.time()
    time.sleep(0.5)
    with (options.reports.parent / "noted").open("a") as file:
        file.write(json.dumps([start, time.time(), progress]) + "\n")
    return 0


def test_two_jobs_give_the_bits_of_one_and_renew_the_report_meanwhile(
    study: Study,
    one_by_one: Path,
    children: list[Child],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(schedule, "write_interim_report", note)
    options = tiny(tmp_path)
    execute(study, options, plan(study, options), run_verb)
    assert_same_study(tmp_path / "runs/tiny/tiny-synthetic", one_by_one)
    record = json.loads((tmp_path / "runs/tiny/tiny-synthetic/cmma-seed0/record.json").read_text())
    assert record["training"]["threads"] == record["evaluation"]["threads"] == 1
    lines = capsys.readouterr().out.splitlines()
    epochs = [line for line in lines if line.startswith("[2/3] cmma: epoch ")]
    assert [line.split(",")[0] for line in epochs] == [f"[2/3] cmma: epoch {number} of 3" for number in (1, 2, 3)]
    assert all(", validation/elbo " in line for line in epochs)
    assert any(line.endswith(" left") for line in epochs)
    # Nobody knows yet how long a method takes.
    assert not any(line.endswith("left") for line in lines if "judge: epoch" in line)
    assert [line for line in lines if line.endswith("judge: done")]
    # Both methods were begun before either was done.
    begun = [number for number, line in enumerate(lines) if " trains in " in line]
    assert max(begun) < min(number for number, line in enumerate(lines) if "cmma: done" in line or "cvae: done" in line)
    assert [line for line in lines if "report" in line] == [
        f"report so far: {tmp_path}/reports/tiny/tiny-synthetic/index.html"
    ]
    noted = [json.loads(line) for line in (tmp_path / "noted").read_text().splitlines()]
    assert len(noted) >= 3
    assert noted[0][2] == "0 of 3 runs"
    assert any(progress.startswith("1 of 3 runs") for _, _, progress in noted)
    assert noted[-1][2].endswith(" left")
    # One at a time.
    assert all(end <= start for (_, end, _), (start, _, _) in pairwise(noted))
    execute(study, replace(options, jobs=1), plan(study, options), run_verb)
    assert capsys.readouterr().out.splitlines() == [
        f"[{number}/3] {name}: done before" for number, name in enumerate(("judge", "cmma", "cvae"), 1)
    ]


@pytest.mark.skipif(cores() < 2, reason="needs two processor cores")
def test_the_threads_that_were_asked_for_are_recorded(children: list[Child], tmp_path: Path) -> None:
    for verb in ("fit", "test"):
        words = [*options(verb, "CVAE", tmp_path), "--threads=2", "--trainer.max_epochs=1"]
        wait_for_all([child := schedule.Child(run_verb, words)], 120)
        assert child.code == 0, child.last_lines
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["training"]["threads"] == record["evaluation"]["threads"] == 2


def test_threads_and_jobs_are_no_part_of_what_a_run_is(study: Study, tmp_path: Path) -> None:
    options = tiny(tmp_path)
    write_overlays(study, options, plan(study, options))
    plans = [
        [run.plan for run in plan(study, replace(options, jobs=jobs, threads=threads))]
        for jobs, threads in ((1, None), (3, None), (3, 1), (1, 2))
    ]
    assert all(same == plans[0] for same in plans)
    assert plan(study, replace(options, threads=2))[0].fit[-1] == "--threads=2"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_study_that_is_stopped_ends_its_runs_and_resumes_to_the_same_bits(
    number: int,
    code: int,
    study: Study,
    one_by_one: Path,
    children: list[Child],
    main: Callable[[Sequence[str]], int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options, folder = tiny(tmp_path), tmp_path / "runs/tiny/tiny-synthetic"

    def stop() -> None:
        wait_until(lambda: all((folder / name / "checkpoints/last.ckpt").exists() for name in FOLDERS))
        if number == signal.SIGINT:
            # As a terminal does, all.
            for child in children:
                if child.code is None:
                    os.kill(child._process.pid, number)  # type: ignore[arg-type]
        os.kill(os.getpid(), number)

    threading.Thread(target=stop).start()
    arguments = ["reproduce", "tiny", "--profile", "tiny", "--data", "Synthetic", "--jobs", "2"]
    arguments += ["--runs", str(options.runs), "--reports", str(options.reports)]
    start = time.monotonic()
    assert main(arguments) == code
    assert time.monotonic() - start < 60
    how = {143: "terminated", 130: "interrupted"}[code]
    assert capsys.readouterr().err == f"lit-faces: {how}; the same command resumes where it stopped\n"
    assert all(child.code is not None for child in children)
    assert not any((folder / name / "plan.json").exists() for name in FOLDERS[:2])
    assert not [*tmp_path.rglob("*.tmp")]
    execute(study, options, plan(study, options), run_verb)
    assert_same_study(folder, one_by_one)


def test_a_study_that_is_killed_takes_its_runs_with_it_and_resumes_to_the_same_bits(
    study: Study, one_by_one: Path, tmp_path: Path
) -> None:
    options, folder = tiny(tmp_path), tmp_path / "runs/tiny/tiny-synthetic"
    arguments = ["reproduce", "tiny", "--profile", "tiny", "--data", "Synthetic", "--jobs", "2"]
    arguments += ["--runs", str(options.runs), "--reports", str(options.reports)]
    command = [sys.executable, "-m", "lit_faces", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: all((folder / name / "checkpoints/last.ckpt").exists() for name in FOLDERS))
    process.kill()
    process.wait()
    for name in FOLDERS:
        with (folder / name / ".lock").open("a") as lock:
            # Nobody has it once the run's process has ended.
            wait_until(lambda lock=lock: _can_lock(lock))
    # They have not gone on to their end.
    trained = [torch.load(folder / name / "checkpoints/last.ckpt", weights_only=True)["epoch"] for name in FOLDERS[:2]]
    assert min(trained) < 2
    assert not any((folder / name / "plan.json").exists() for name in FOLDERS[:2])
    execute(study, options, plan(study, options), run_verb)
    assert_same_study(folder, one_by_one)


def _can_lock(file: Any) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(file, fcntl.LOCK_UN)
    return True


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_what_follows_the_last_line_of_a_child_is_read_when_it_ends() -> None:
    child = Child(os.write, 1, b"one\ntwo")
    wait_for_all([child], 60)
    child.lines()
    assert [*child.last_lines] == ["one", "two"]


def test_a_run_that_fails_is_one_line_and_ends_the_others(
    study: Study, children: list[Child], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_study(tmp_path)
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "experiments/tiny/cvae.yaml"
    config = yaml.safe_load(path.read_text())
    config["model"]["init_args"]["learning_rate"] = 1e30
    path.write_text(yaml.safe_dump(config))
    # So long that it would not end by itself.
    path = path.with_name("cmma.yaml")
    path.write_text(path.read_text().replace("max_epochs: 3", "max_epochs: 3000"))
    study, options = read_study("tiny"), tiny(tmp_path)
    with pytest.raises(
        UserError, match=r"^\[3/3\] cvae: CVAE: the loss became NaN or infinite at .*lower the learning"
    ):
        execute(study, options, plan(study, options), run_verb)
    assert all(child.code is not None for child in children)
    made = {path.parent.name for path in tmp_path.rglob("plan.json")}
    assert made == {"judge"}


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (-9, r"^\[1/3\] judge: the system has killed it, probably for want of memory: give fewer --jobs"),
        (1, r"^\[1/3\] judge: it ended with code 1; its last lines above say why"),
    ],
)
def test_a_crash_is_told_by_the_runs_name(
    code: int, said: str, study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instant_children(monkeypatch, code=code)
    with pytest.raises(UserError, match=said):
        execute(study, tiny(tmp_path), plan(study, tiny(tmp_path)), run_verb)


def test_a_report_that_fails_is_told_once_and_stops_nothing(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    called = instant_children(monkeypatch, report=(2, ["A warning", "lit-faces: error: no report yet"]))
    options = tiny(tmp_path, jobs=1)
    execute(study, options, runs := plan(study, options), run_verb)
    assert len(called) == 2 * len(runs)
    lines = capsys.readouterr().out.splitlines()
    assert lines.count("no report before the end: no report yet") == 1


def test_lightning_leaves_the_number_of_threads_alone(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setattr("os.cpu_count", lambda: 16)
    before = torch.get_num_threads()
    try:
        use_threads(1)
        _set_num_threads_if_needed(num_processes=2)
        assert torch.get_num_threads() == 1
    finally:
        use_threads(before)
