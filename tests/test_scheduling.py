"""In what order the runs of a study begin, how many at a time, and on which GPUs."""

from pathlib import Path
from typing import Any

import pytest
import torch

from lit_faces.__main__ import run_verb
from lit_faces.studies import schedule
from lit_faces.studies.plan import plan
from lit_faces.studies.schedule import execute, gpus_of, in_order
from lit_faces.studies.study import Options, read_study


def test_the_first_method_comes_early_and_long_runs_before_short_ones(tmp_path: Path) -> None:
    study = read_study("cmma")
    runs = in_order(plan(study, Options(seeds=(0, 1), runs=tmp_path)))
    assert [(run.name, run.seed) for run in runs[:3]] == [("judge", 0), ("cmma", 0), ("judge_32", 0)]
    lengths = [run.epochs for run in runs[3:]]
    assert lengths == sorted(lengths, reverse=True)
    assert len(set(lengths)) > 2
    study = read_study("ifcvaegan")
    runs = in_order(plan(study, Options(runs=tmp_path)))
    assert [run.name for run in runs[:3]] == ["judge", "identity", "ifcvaegan"]


@pytest.mark.parametrize("jobs", [1, 2, 3, 50])
def test_as_many_jobs_as_asked_for_and_none_before_its_judges(
    jobs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, options = read_study("csvae"), Options(jobs=jobs, runs=tmp_path)
    runs = plan(study, options)
    by_folder = {str(run.folder.path): run for run in runs}
    working: list[Any] = []
    trained: set[str] = set()
    most = 0

    class Brief:
        """A child that ends a while after it began."""

        last_lines = ()
        signs = ()

        def __init__(self, work: object, *arguments: Any, environment: object = None) -> None:
            nonlocal most
            self.left, self.run = 5, None
            if work is run_verb:
                self.run = by_folder[arguments[0][-1].partition("=")[2]]
                assert self.run.needs <= trained
                self.is_last = arguments[0][0] == "test"
                working.append(self)
                most = max(most, len(working))

        @property
        def code(self) -> int | None:
            self.left -= 1
            if self.left > 0:
                return None
            if self in working:
                working.remove(self)
                if self.is_last:
                    trained.add(self.run.name)
            return 0

        def lines(self) -> list[str]:
            return []

    monkeypatch.setattr(schedule, "Child", Brief)
    monkeypatch.setattr(schedule, "wait_for", lambda children, seconds: None)
    execute(study, options, runs, run_verb)
    assert trained == {run.name for run in runs}
    # At most all methods at once: the judges have ended by then.
    assert most == min(jobs, sum(1 for run in runs if run.needs))


def test_each_job_has_gpus_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert gpus_of(1, 1) == {}
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert [gpus_of(slot, 1)["CUDA_VISIBLE_DEVICES"] for slot in range(5)] == ["0", "1", "2", "3", "0"]
    assert [gpus_of(slot, 2)["CUDA_VISIBLE_DEVICES"] for slot in range(2)] == ["0,1", "2,3"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3,5,7")
    assert [gpus_of(slot, 2)["CUDA_VISIBLE_DEVICES"] for slot in range(2)] == ["2,3", "5,7"]
