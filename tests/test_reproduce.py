"""A study from the command line to its report."""

import json
import os
import re
import signal
from pathlib import Path

import pytest

from lit_faces.__main__ import main
from lit_faces.errors import UserError
from lit_faces.studies.figures import FIGURES
from lit_faces.studies.publish import publish
from lit_faces.studies.report import write_report
from lit_faces.studies.sources import SOURCES, Source, settle
from lit_faces.studies.statements import METRICS
from lit_faces.studies.study import Options, read_study

ROOT = Path(__file__).parents[1]


def test_a_terminated_study_says_that_it_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lit_faces.studies.schedule.execute", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    before = signal.getsignal(signal.SIGTERM)
    assert main(["reproduce", "cmma", "--data", "Synthetic", "--runs", str(tmp_path)]) == 143
    assert capsys.readouterr().err == "lit-faces: terminated; the same command resumes where it stopped\n"
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], "there is no study 'nothing': use one of cmma"),
        (["cmma", "--profile", "huge"], "there is no profile 'huge'"),
        (["cmma", "--seeds", "a"], "--seeds must be whole numbers"),
        (["cmma", "--data", "MNIST"], "--data must be LFW or Synthetic"),
        (["cmma", "--methods", "gan", "--data", "Synthetic"], "cmma has no method gan"),
        (["cmma", "--methods", ",", "--data", "Synthetic"], "--methods must be names separated by commas, got ','"),
        (["cmma", "--devices", "0"], "--devices must be from 1 to "),
        (["cmma", "--jobs", "0"], "--jobs must be at least 1, got 0"),
        (["cmma", "--jobs", "x"], "argument --jobs: invalid int value: 'x'"),
        (["cmma", "--threads", "0"], "--threads must be from 1 to "),
        (["cmma", "--threads", "9999"], "the number of processor cores here, got 9999"),
        (["cmma", "--threads", "x"], "argument --threads: invalid int value: 'x'"),
        (["cmma", "--epochs", "0"], "--epochs must be at least 1, got 0"),
        (["ifcvaegan", "--epochs", "2", "--data", "Synthetic"], "--epochs must be at least 3 for icgan (IcGAN), got 2"),
        (["cmma", "--seeds", "1,1"], "--seeds must be different numbers"),
        (["cmma", "--seeds", "99999999999"], "--seeds must be different numbers from 0 to 4294967295"),
        (["cmma", "--epochs", "many"], "invalid int value: 'many'"),
        (["cmma", "--prof", "smoke"], "unrecognized arguments: --prof"),
    ],
)
def test_bad_options_are_one_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", *arguments]) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("lit-faces: error: ")
    assert said in error
    assert "\n" not in error


def test_the_paper_profile_wants_the_papers_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIT_FACES_DATA", str(tmp_path))
    assert main(["reproduce", "cmma", "--profile", "paper"]) == 2
    assert "lit-faces data prepare lfw" in capsys.readouterr().err


def test_every_data_set_of_the_runs_is_said_to_be_itself_or_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIT_FACES_DATA", str(tmp_path))
    study = read_study("vlae")
    every, faces = [*study.runs], ["vlae"]
    asked = "data are drawn here, as asked: Synthetic for CelebA"
    assert settle(study, "Synthetic", "smoke", every)[2] == [f"{asked}, Digits for MNIST"]
    assert settle(study, "Synthetic", "smoke", faces)[2] == [asked]
    assert settle(study, "auto", "smoke", every)[2][1].endswith("Digits stands in for it")
    monkeypatch.setitem(SOURCES, "MNIST", Source(lambda root: True, ""))
    assert settle(study, "auto", "smoke", every)[2][1:] == [f"MNIST is that under {tmp_path}"]
    assert len(settle(study, "auto", "smoke", faces)[2]) == 1


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Path]:
    folder = tmp_path_factory.mktemp("study")
    arguments = ["cmma", "--profile", "smoke", "--data", "Synthetic"]
    arguments += ["--runs", str(folder / "runs"), "--reports", str(folder / "reports")]
    assert main(["reproduce", *arguments]) == 0
    return arguments, folder


# The sections of a report in their order.
SECTIONS = ("edits", "verdicts", "tables", "further", "figures", "differences", "made")


def test_the_smoke_study_leaves_a_whole_report(reproduced: tuple[list[str], Path]) -> None:
    report = reproduced[1] / "reports/cmma/smoke-synthetic"
    results = json.loads((report / "results.json").read_text())
    assert set(results) >= {"rows", "claims", "data", "provenance"}
    keys = {"run", "metric", "value", "stderr", "n", "seeds", "unit", "published", "comparable"}
    assert all(keys <= set(row) for row in results["rows"])
    measured = {(row["run"], row["metric"]) for row in results["rows"]}
    assert {(run, "parzen_log_likelihood") for run in ("cmma", "cvae", "cgan", "mean_face", "nearest_face")} <= measured
    assert {("cmma", "elbo"), ("cvae", "elbo"), ("cmma", "iwae"), ("cmma", "edit_accuracy")} <= measured
    assert {("cmma2", "edit_inferred_accuracy"), ("cmma2_2d", "posterior_deviation")} <= measured
    assert {("gauthier", "generation_accuracy"), ("judge_32", "balanced_accuracy")} <= measured
    # Of other images.
    assert ("gauthier", "parzen_log_likelihood") not in measured
    assert {run for run, metric in measured if metric == "edit_inferred_accuracy"} == {"cmma2", "cmma2_2d"}
    assert ("cgan", "elbo") not in measured
    assert ("cgan", "edit_accuracy") not in measured
    assert not any(row["comparable"] for row in results["rows"])
    verdicts = {claim["claim"]: claim["verdict"] for claim in results["claims"]}
    # A classifier of two epochs guesses: nothing is claimed on its word.
    assert {claim for claim, verdict in verdicts.items() if verdict == "not tested"} == {
        claim for claim in verdicts if "edit" in claim or "Faces generated" in claim
    }
    page = (report / "index.html").read_text()
    shown = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(shown) > 10
    figures = ["latent2d_a", "latent2d_b", "edit_senior_cmma2", "edit_missing_cmma2", "generate_gauthier"]
    assert {f"{name}.png" for name in figures} <= set(shown)
    assert all((report / name).is_file() for name in shown if not name.startswith("#"))
    assert "not comparable" in page
    # Pictures and verdicts come first, and what explains them is folded behind them.
    places = [page.index(f'id="{name}"') for name in SECTIONS]
    assert places == sorted(places)
    assert page.index("strip.png") < places[1]
    folded = [re.search(rf'<details><summary>[^<]*</summary>\s*<\w+ id="{name}"', page) for name in SECTIONS]
    assert [bool(found) for found in folded] == [False, False, False, True, True, True, True]
    assert [f"#{name}" for name in SECTIONS] == [link for link in shown if link.startswith("#")]
    assert 'http-equiv="refresh"' not in page
    text = (report / "report.md").read_text()
    assert re.search(r"!\[.*\]\((.*)\)", text)[1] == "strip.png"  # type: ignore[index]
    assert text.index("## Verdicts: ") < text.index("## The paper's tables") < text.index("<summary>Further results")
    assert text.count("<details>") == text.count("</details>") == 5
    assert "synthetic faces" in re.search("<title>(.*)</title>", page)[1]  # type: ignore[index]


def test_a_second_call_trains_nothing_again(
    reproduced: tuple[list[str], Path], capfd: pytest.CaptureFixture[str]
) -> None:
    arguments, folder = reproduced
    records = {path: path.stat().st_mtime_ns for path in folder.glob("runs/**/record.json")}
    assert len(records) == len(read_study("cmma").runs) + 2
    headers = [path.read_text().splitlines()[0].split(",") for path in folder.glob("runs/**/per_image.csv")]
    named = {name.partition("/")[0] for header in headers for name in header} - {"row", "identity"}
    assert "elbo" in named <= METRICS
    assert main(["reproduce", *arguments]) == 0
    said = capfd.readouterr().out
    assert said.count("done before") == len(records)
    assert said.strip().splitlines()[-1].endswith("index.html")
    assert {path: path.stat().st_mtime_ns for path in records} == records


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("cvae-seed0/record.json", "{}", "is damaged: remove it and run `lit-faces reproduce` again"),
        ("cvae-seed0/record.json", '{"measurements": [{}]}', "is damaged: remove it and run"),
        ("cvae-seed0/record.json", "[", "is damaged: remove it and run"),
        ("cvae-seed0/plan.json", "xx", "is damaged: remove it and run `lit-faces reproduce` again"),
        ("cvae-seed0/per_image.csv", "a,b\n1", "is damaged: remove it and run `lit-faces reproduce` again"),
        ("cvae-seed0/per_image.csv", "row,identity,elbo\n1,2,high\n", "is damaged: remove it and run"),
        ("cvae-seed0/per_image.csv", "", "is damaged: remove it and run"),
        ("cmma-seed0/config.yaml", "{{{", "is damaged: remove it and run `lit-faces reproduce`, or `fit`, again"),
        ("cvae-seed0/config.yaml", "data: 3", "is damaged: remove it and run"),
    ],
)
def test_a_broken_run_is_one_line_and_leaves_the_report_as_it_was(
    reproduced: tuple[list[str], Path],
    file: str,
    content: str | None,
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments, folder = reproduced
    path = folder / "runs/cmma/smoke-synthetic" / file
    kept, before = path.read_bytes(), files_of(folder / "reports")
    path.unlink()
    if content is not None:
        path.write_text(content)
    try:
        assert main(["report", *arguments]) == 2
    finally:
        path.write_bytes(kept)
    assert capsys.readouterr().err.startswith(f"lit-faces: error: {path} {said}")
    assert files_of(folder / "reports") == before


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("cvae-seed0/per_image.csv", "left out: cvae, of which {} is missing"),
        ("cvae-seed0/checkpoints/last.ckpt", "left out: cvae, of which {} is missing"),
        ("cvae-seed0/plan.json", "not finished: cvae (after 2 epochs)"),
        ("judge/plan.json", "not finished: judge"),
    ],
)
def test_a_report_is_made_of_the_runs_that_are_finished(
    reproduced: tuple[list[str], Path], file: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, folder = reproduced
    path = folder / "runs/cmma/smoke-synthetic" / file
    report, name = folder / "reports/cmma/smoke-synthetic", Path(file).parts[0].removesuffix("-seed0")
    kept = path.read_bytes()
    path.unlink()
    try:
        assert main(["report", *arguments]) == 0
        results = json.loads((report / "results.json").read_text())
        page = (report / "index.html").read_text()
    finally:
        path.write_bytes(kept)
        assert main(["report", *arguments]) == 0
    line = said.format(path)
    assert line in capsys.readouterr().out
    assert line in page
    runs = {row["run"] for row in results["rows"]}
    assert runs == {*read_study("cmma").runs, "judge", "judge_32", "mean_face", "nearest_face"} - {name}
    verdicts = {claim["claim"]: claim["verdict"] for claim in results["claims"]}
    if name == "cvae":
        assert {verdict for claim, verdict in verdicts.items() if "CVAE's" in claim} == {"not tested"}
        assert "samples_cvae-seed0.png" in page
    assert verdicts[
        "The posterior of a code of two numbers is narrower than its prior (second version, section 4)"
    ] in (
        "refuted",
        "undecided",
        "confirmed",
    )


def test_a_report_between_two_runs_has_the_first_pictures_and_touches_no_run(
    reproduced: tuple[list[str], Path],
) -> None:
    folder = reproduced[1]
    study, before = read_study("cmma"), files_of(folder / "runs")
    options = Options("smoke", "Synthetic", runs=folder / "runs", reports=folder / "interim")
    path = folder / "runs/cmma/smoke-synthetic/cgan-seed0/plan.json"
    kept = path.read_text()
    # As though it were being made again by another plan.
    path.write_text(kept.replace('"fit",', '"fit", "--more",'))
    try:
        said = write_report(study, options, "8 of 9 runs, about 1 minute left")
    finally:
        path.write_text(kept)
    report = folder / "interim/cmma/smoke-synthetic"
    assert said == f"report: {report / 'index.html'}"
    page = (report / "index.html").read_text()
    assert "8 of 9 runs, about 1 minute left" in page
    assert '<meta http-equiv="refresh"' in page
    pictures = {name.name for name in report.glob("*.png")}
    assert pictures == {"strip.png", "samples_cgan-seed0.png"}
    assert set(re.findall(r'src="([^"]+)"', page)) == pictures
    assert {row["run"] for row in json.loads((report / "results.json").read_text())["rows"]}.isdisjoint(
        {"cgan", "mean_face"}
    )
    after = files_of(folder / "runs")
    assert {**after, path: None} == {**before, path: None}


def files_of(folder: Path) -> dict[Path, int | None]:
    """Everything in a folder, and when each file was written."""
    return {path: path.stat().st_mtime_ns if path.is_file() else None for path in folder.rglob("*")}


def test_a_report_that_fails_half_way_leaves_the_last_one(
    reproduced: tuple[list[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments, folder = reproduced
    before = files_of(folder / "reports")

    def fails(*settings: object) -> None:
        raise UserError("no more")

    monkeypatch.setitem(FIGURES, "training", fails)
    assert main(["report", *arguments]) == 2
    assert files_of(folder / "reports") == before


def test_a_report_takes_the_place_of_the_last_one(reproduced: tuple[list[str], Path]) -> None:
    arguments, folder = reproduced
    report = folder / "reports/cmma/smoke-synthetic"
    before = set(report.iterdir())
    (report / "figure_of_another_run.png").touch()
    assert main(["report", *arguments]) == 0
    assert set(report.iterdir()) == before
    assert [*report.parent.iterdir()] == [report]


def test_a_publication_takes_the_place_of_the_last_one(reproduced: tuple[list[str], Path], tmp_path: Path) -> None:
    report, study = reproduced[1] / "reports/cmma/smoke-synthetic", read_study("cmma")
    docs, readme = tmp_path / "docs", tmp_path / "README.md"
    readme.write_text((ROOT / "README.md").read_text())
    folder = docs / "results/cmma"
    folder.mkdir(parents=True)
    for name in ("edit_old.png", "edit_old.csv", "notes.txt"):
        (folder / name).touch()
    publish(study, report, docs, readme)
    left = {path.name for path in folder.iterdir()}
    assert left == {path.name for path in report.iterdir() if path.suffix in (".png", ".csv", ".json")} | {"notes.txt"}
    page = (docs / "results/cmma.md").read_text()
    shown = re.findall(r"!\[(.*)\]\((.*)\)", page)
    assert ("Figure 7: spectacles removed from held-out faces", "cmma/remove_spectacles.png") in shown
    assert shown[0][1] == "cmma/strip.png"
    assert all((docs / "results" / name).is_file() for _, name in shown)
    assert len({caption for caption, _ in shown}) == len(shown)
