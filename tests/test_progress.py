"""What a report says and shows of runs that are not finished."""

import re
from pathlib import Path

import pytest
import torch

from lit_faces.__main__ import main
from lit_faces.images import save_png
from lit_faces.studies.plan import plan
from lit_faces.studies.progress import is_finished, missing_lines, samples
from lit_faces.studies.report import write_report
from lit_faces.studies.study import Options, read_study


def options(folder: Path, **changed: object) -> Options:
    methods = ("cmma", "cvae")
    return Options("smoke", "Synthetic", methods=methods, runs=folder / "runs", reports=folder / "reports", **changed)  # type: ignore[arg-type]


def train(folder: Path, run: str, epochs: int) -> None:
    """Leave what a run leaves that is being trained: its samples, of so many epochs."""
    for epoch in range(1, epochs + 1):
        save_png(torch.rand(3, 20, 30), folder / "runs/cmma/smoke-synthetic" / run / f"samples/epoch-{epoch:04d}.png")


def test_without_any_run_there_is_no_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["cmma", "--profile", "smoke", "--data", "Synthetic"]
    assert main(["report", *arguments, "--runs", f"{tmp_path}/runs", "--reports", f"{tmp_path}/reports"]) == 2
    assert capsys.readouterr().err == (
        f"lit-faces: error: there are no runs in {tmp_path}/runs/cmma/smoke-synthetic: run `lit-faces reproduce cmma` with the "
        "same options first\n"
    )
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("progress", [None, "0 of 3 runs, about <9 minutes left"])
def test_before_the_first_run_is_finished_the_page_shows_what_is_trained(tmp_path: Path, progress: str | None) -> None:
    train(tmp_path, "cmma-seed0", 11)
    write_report(read_study("cmma"), options(tmp_path), progress)
    report = tmp_path / "reports/cmma/smoke-synthetic"
    page, text = (report / "index.html").read_text(), (report / "report.md").read_text()
    image = re.search(r'<img src="([^"]+)" width="(\d+)" height="(\d+)"', page)
    assert image is not None
    assert image.groups() == ("samples_cmma-seed0.png", "60", "40")
    latest = tmp_path / "runs/cmma/smoke-synthetic/cmma-seed0/samples/epoch-0011.png"
    assert (report / image[1]).read_bytes() == latest.read_bytes()
    assert "cmma, after 11 epochs" in page
    assert ('http-equiv="refresh"' in page) is (progress is not None)
    assert ("0 of 3 runs, about &lt;9 minutes left" in page) is (progress is not None)
    assert ("not begun: judge, cvae" in page) is (progress is None)
    assert "Verdicts" not in page + text
    assert f"## {'Not finished' if progress is None else 'In training'}\n" in text
    # Nothing was measured.
    assert {path.name for path in report.iterdir()} == {"index.html", "report.md", "samples_cmma-seed0.png"}


def test_a_page_without_pictures_says_when_they_come(tmp_path: Path) -> None:
    write_report(read_study("cmma"), options(tmp_path), "0 of 3 runs")
    page = (tmp_path / "reports/cmma/smoke-synthetic/index.html").read_text()
    assert "The first pictures appear after the first epoch" in page
    assert "<img" not in page
    assert not (tmp_path / "runs").exists()


def test_every_way_of_not_being_finished_has_a_line(tmp_path: Path) -> None:
    runs = plan(read_study("cmma"), options(tmp_path, seeds=(0, 1)))
    names = [run.folder.path.name for run in runs]
    assert names == ["judge", "cmma-seed0", "cvae-seed0", "cmma-seed1", "cvae-seed1"]
    judge, begun, whole, lost, absent = runs
    for run in (judge, begun, whole, lost):
        run.folder.path.mkdir(parents=True)
    train(tmp_path, "cmma-seed0", 1)
    for run in (whole, lost):
        run.done.write_text("{}")
    for path in whole.lost:
        path.parent.mkdir(exist_ok=True)
        path.touch()
    finished = [run for run in runs if is_finished(run)]
    assert finished == [whole]
    assert missing_lines(runs, finished) == [
        "not begun: cvae (seed 1)",
        "not finished: judge, cmma (after 1 epoch)",
        f"left out: cmma (seed 1), of which {', '.join(map(str, lost.lost))} is missing",
    ]
    assert [(sample.run, sample.epoch) for sample in samples(runs)] == [("cmma", 1)]
    assert not absent.folder.path.exists()
