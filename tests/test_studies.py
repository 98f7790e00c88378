"""Studies: options, plans, claims, reports, and the whole of `reproduce` in the smoke profile."""

import json
import os
import re
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import yaml

from lit_faces.__main__ import main
from lit_faces.errors import UserError
from lit_faces.methods import METHODS
from lit_faces.studies.figures import FIGURES
from lit_faces.studies.plan import Run, execute, plan, reported
from lit_faces.studies.publish import publish, readme_table, with_table
from lit_faces.studies.statements import METRICS
from lit_faces.studies.study import STAND_INS, Options, read_study

ROOT = Path(__file__).parents[1]
STUDIES = sorted(path.parent.name for path in ROOT.glob("experiments/*/study.yaml"))


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_is_whole(name: str) -> None:
    study = read_study(name)
    for config in (config for configs in (*study.runs.values(), *study.judges.values()) for config in configs):
        assert (study.folder / config).is_file()
    assert {run for table in study.tables for run in table.published} <= set(study.runs)
    assert set(study.figures) <= set(FIGURES)
    # Two figures name their files themselves.
    own = ("switched", "attribute_accuracy")
    drawn = [name for figure, settings in study.figures.items() for name in (settings if figure in own else [figure])]
    assert all(any(caption.startswith(name) for caption in study.captions) for name in drawn)
    named = {*study.figures.get("edit", ()), study.figures.get("remove")} - {None}
    assert named <= set(study.edits)


def test_the_published_values_of_cmma_are_the_papers() -> None:
    published = {
        metric: {run: numbers[heading] for run, numbers in table.published.items()}
        for table in read_study("cmma").tables
        for heading, metric in table.columns.items()
    }
    assert published == {
        "elbo": {"cmma": 17973, "cvae": 14356},
        "parzen_log_likelihood": {"cmma": 9487, "cvae": 8714, "cgan": 8320},
    }


def test_the_published_values_of_ifcvaegan_are_the_papers() -> None:
    study = read_study("ifcvaegan")
    headings = ("MSE", "Ĉ Not Smiling", "Ĉ Smiling", "accuracy of E_y")
    published = {
        table.name: {run: tuple(numbers.get(h) for h in headings) for run, numbers in table.published.items()}
        for table in study.tables
    }
    naive, icgan = (0.011, 0.22, 0.85, None), (0.028, 0.099, 0.919, None)
    assert published == {
        "table1": {
            "ifcvaegan": (0.028, 0.813, 1.0, None),
            "ifcvaegan_no_aux": (0.028, 0.188, 0.813, None),
            "ifcvaegan_class_on_reconstruction": (0.028, 0.938, 0.938, None),
            "icgan": icgan,
        },
        "table2": {"ifcvaegan_residual_rho_1": (0.011, 0.98, 1.0, None), "cvaegan": naive},
        "table3": {
            "ifcvaegan_residual": (0.011, 0.98, 1.0, 0.92),
            "ifcvaegan_residual_regularised": (0.02, 1.0, 1.0, 0.92),
            "ifcvaegan_residual_no_aux": (0.013, 0.28, 0.91, 0.91),
            "ifcvaegan_residual_no_kl": (0.039, 1.0, 0.96, 0.9),
            "ifcvaegan_residual_no_gan": (0.009, 1.0, 1.0, 0.88),
            "cvaegan": naive,
            "icgan": icgan,
        },
    }
    columns = {heading: metric for table in study.tables for heading, metric in table.columns.items()}
    assert [columns[h] for h in headings] == ["reconstruction_mse", "c_hat_off", "c_hat_on", "label_accuracy"]
    assert {table.name: table.incomparable for table in study.tables if table.incomparable} == {
        "table1": ("icgan",),
        "table3": ("icgan",),
    }


class BuiltError(Exception):
    """The command line's parser, before it parses."""


@pytest.fixture(scope="module")
def parser() -> Any:
    from lit_faces.cli import LitFacesCLI, run

    def built(cli: LitFacesCLI, parser: Any, arguments: Any) -> None:
        raise BuiltError(parser)

    with mock.patch.object(LitFacesCLI, "parse_arguments", built), pytest.raises(BuiltError) as found:
        run([])
    return found.value.args[0]


@pytest.mark.parametrize("profile", sorted(path.stem for path in ROOT.glob("experiments/profiles/*.yaml")))
@pytest.mark.parametrize("name", STUDIES)
def test_the_command_line_takes_every_run(
    name: str, profile: str, parser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = read_study(name)
    # Long trainings are of the papers' data, short ones of what is drawn in their place.
    drawn = STAND_INS if profile in ("smoke", "laptop") else {}
    data = drawn.get(study.data, study.data)
    methods = tuple(name for name in study.runs if study.only_on.get(name, data) == data)
    options = Options(profile, data, drawn, methods=methods, runs=tmp_path)
    runs = plan(study, options)
    monkeypatch.setattr("lit_faces.studies.plan.run_verb", lambda *arguments: None)
    execute(study, options, runs)
    for run in runs:
        config = parser.parse_args(list(run.fit)).fit
        assert config.model.class_path.rpartition(".")[2] == study.method_of(run.name)
        assert config.data.class_path.rpartition(".")[2] == run.data
        assert config.trainer.max_epochs >= METHODS[study.method_of(run.name)].fewest_epochs


def test_too_few_epochs_are_refused_before_anything_trains(tmp_path: Path) -> None:
    study, options = read_study("ifcvaegan"), Options(runs=tmp_path, epochs=2)
    with pytest.raises(UserError, match=r"--epochs must be at least 3 for icgan \(IcGAN\), got 2: "):
        plan(study, options)
    assert len(plan(study, replace(options, epochs=3))) > 2
    some = replace(options, methods=("ifcvaegan", "cvaegan"))
    runs = plan(study, some)
    assert [run.name for run in runs if not run.is_judge] == ["ifcvaegan", "cvaegan"]
    # A run that was made before is reported beside shorter ones.
    write_overlays(tmp_path / "ifcvaegan" / options.label)
    for run in plan(study, replace(some, methods=("ifcvaegan", "cvaegan", "icgan"), epochs=3)):
        make(run)
    assert "icgan" in {run.name for run in reported(study, some).runs}


def test_a_plan_holds_the_judge_and_every_method_and_seed(tmp_path: Path) -> None:
    runs = plan(read_study("cmma"), Options(seeds=(0, 1), methods=("cmma", "cgan"), epochs=3, runs=tmp_path))
    names = [(run.name, run.seed) for run in runs]
    assert names == [("judge", 0), ("cmma", 0), ("cgan", 0), ("cmma", 1), ("cgan", 1)]
    assert all("--trainer.max_epochs=3" in run.fit for run in runs[1:])
    assert "--trainer.max_epochs=3" not in runs[0].fit
    assert len({run.folder.path for run in runs}) == len(runs)


def test_the_published_values_of_csvae_are_means_of_each_other() -> None:
    # Table 1's accuracy is over all switches: of seven expressions alike, of two thirds faces without glasses, of two halves.
    tables = {table.name: table.published for table in read_study("csvae").tables}
    total = {run: numbers[""] for run, numbers in tables["accuracy"].items()}
    shares = {"accuracy_tfd": [1] * 7, "accuracy_glasses": [2, 1], "accuracy_facialhair": [1, 1]}
    means = {
        run: np.average(list(numbers.values()), weights=weights)
        for name, weights in shares.items()
        for run, numbers in tables[name].items()
    }
    assert means == pytest.approx(total, abs=1e-4)


def test_ablations_share_the_judges_of_their_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = read_study("ifcvaegan")
    options = Options(methods=("ifcvaegan", "ifcvaegan_residual_no_kl", "icgan"), runs=tmp_path)
    runs = plan(study, options)
    assert [run.name for run in runs] == ["judge", "identity", *options.methods]
    assert [run.judge for run in runs] == [None, None, "judge", "judge", "judge"]
    assert len({study.data_set(run) for run in study.runs if run != "dipvae"}) == 1
    monkeypatch.setattr("lit_faces.studies.plan.run_verb", lambda *arguments: None)
    execute(study, options, runs)
    [overlay] = {path for run in runs for path in run.configs if path.name == "edits.yaml"}
    assert yaml.safe_load(overlay.read_text()) == {
        "edits": {"classifier": str(runs[0].folder.checkpoint)},
        "identity": {"embedding": str(runs[1].folder.checkpoint)},
    }


def test_judges_are_of_the_same_data() -> None:
    study = read_study("csvae")
    assert [study.judge_of(run) for run in ("vae", "csvae_joint", "csvae_tfd", "csvae_swissroll")] == [
        "judge",
        "judge_joint",
        "judge_tfd",
        None,
    ]
    assert study.embedding_of("vae") is None


def test_a_run_that_nothing_stands_in_for_is_made_on_its_data_alone() -> None:
    study = read_study("ifcvaegan")
    assert "ifcvaegan_heavy_makeup" in study.chosen("desktop", (), "CelebA")
    assert "ifcvaegan_heavy_makeup" not in study.chosen("desktop", (), "Synthetic")
    with pytest.raises(UserError, match="ifcvaegan_heavy_makeup can be made with CelebA alone"):
        plan(study, Options(methods=("ifcvaegan_heavy_makeup",)))


def make(run: Run) -> None:
    run.folder.path.mkdir(parents=True)
    (run.folder.path / "plan.json").write_text(json.dumps(run.plan))
    run.folder.record.write_text("{}")


def write_overlays(folder: Path) -> None:
    for name in ("edits", "edits_tfd", "edits_facialhair"):
        (folder / f"{name}.yaml").parent.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.yaml").touch()


def test_a_report_keeps_what_was_made_before_with_the_same_seeds_and_data(tmp_path: Path) -> None:
    study, options = read_study("csvae"), Options(runs=tmp_path, seeds=(0, 1), methods=("csvae",))
    write_overlays(tmp_path / "csvae" / options.label)
    # How long it was trained does not matter.
    for run in plan(study, replace(options, methods=("vae", "vae_tfd"), epochs=3)):
        make(run)
    for run in plan(study, replace(options, methods=("condvae",), seeds=(0, 2))):
        if not run.is_judge:
            make(run)
    found = reported(study, options)
    runs = [(run.name, run.seed) for run in found.runs if not run.is_judge]
    assert runs == [(name, seed) for seed in (0, 1) for name in ("vae", "csvae", "vae_tfd")]
    assert found.remarks == []
    # With the real TFD the drawn faces' record is of other data.
    found = reported(study, replace(options, stand_ins={"CelebA": "Synthetic"}))
    assert {run.name for run in found.runs if not run.is_judge} == {"vae", "csvae"}
    assert found.remarks == ["left out: vae_tfd, made with other settings; `lit-faces reproduce` makes it again"]


def test_what_was_made_with_other_configs_is_left_out_unless_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "experiments", tmp_path / "experiments")
    monkeypatch.chdir(tmp_path)
    study, options = read_study("csvae"), Options(runs=tmp_path / "runs", methods=("condvae",))
    write_overlays(tmp_path / "runs/csvae" / options.label)
    for run in plan(study, replace(options, methods=("vae", "condvae"))):
        make(run)
    both = {"judge", "vae", "condvae"}
    assert {run.name for run in reported(study, options).runs} == both
    with (tmp_path / "experiments/csvae/vae.yaml").open("a") as file:
        file.write("# changed\n")
    found = reported(study, options)
    assert {run.name for run in found.runs} == {"judge", "condvae"}
    assert found.remarks == ["left out: vae, made with other settings; `lit-faces reproduce` makes it again"]
    found = reported(study, replace(options, methods=("vae", "condvae")))
    assert {run.name for run in found.runs} == both
    assert found.remarks == ["vae: made with other settings; `lit-faces reproduce` makes it again"]


def test_another_judge_changes_the_plans_of_what_it_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "experiments", tmp_path / "experiments")
    monkeypatch.chdir(tmp_path)
    called: list[tuple[str, ...]] = []
    monkeypatch.setattr("lit_faces.studies.plan.run_verb", lambda command, _: called.append(command))
    study, options = read_study("csvae"), Options(runs=tmp_path / "runs", methods=("vae", "vae_tfd"))

    def commands() -> list[str]:
        called.clear()
        execute(study, options, plan(study, options))
        return [Path(command[-1]).name for command in called]

    assert commands() == [
        name for name in ("judge", "judge_tfd", "vae-seed0", "vae_tfd-seed0") for _ in ("fit", "test")
    ]
    assert commands() == []
    with (tmp_path / "experiments/csvae/tfd.yaml").open("a") as file:
        file.write("# changed\n")
    assert set(commands()) == {"judge_tfd", "vae_tfd-seed0"}
    # The judge's own config alone.
    with (tmp_path / "experiments/csvae/classifier.yaml").open("a") as file:
        file.write("# changed\n")
    assert set(commands()) == {"judge", "judge_tfd", "vae-seed0", "vae_tfd-seed0"}
    assert commands() == []


def test_what_the_configs_of_a_run_say_is_found_without_a_profile() -> None:
    study = read_study("csvae")
    assert [study.epochs_of(run) for run in ("vae", "csvae_swissroll")] == [2300, 60]
    assert study.arguments_of("csvae_swissroll_printed") == {
        "latent_dim": 2,
        "prior_swap": True,
        "beta_1": 200,
        "beta_4": 1,
    }
    assert (study.method_of("condvae_info_tfd"), study.batch_size_of("vae")) == ("CondVAEInfo", 64)


def change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **changed: Any) -> None:
    """Go where the study cmma says something else."""
    shutil.copytree(ROOT / "experiments", tmp_path / "experiments")
    path = tmp_path / "experiments/cmma/study.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **changed}))
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("difference", "said"),
    [
        ({"text": "x", "runs": ["nobody"]}, "a difference names the run 'nobody'"),
        ({"text": "x", "runs": "cmma"}, "is not a study: a difference is a sentence, or {text: "),
        ({"text": "x", "run": ["cmma"]}, "is not a study: 'runs'"),
    ],
)
def test_a_wrong_difference_is_named(
    difference: dict[str, Any], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(tmp_path, monkeypatch, differences=[difference])
    with pytest.raises(UserError, match=re.escape(said)):
        read_study("cmma")


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        (
            {"level": {"run": "nobody", "metrics": ["elbo"], "above": 0}},
            "a claim names the run 'nobody', which is not among",
        ),
        (
            {"gain": {"metrics": ["elbo"], "run": "cmma", "over": "nobody", "at_most": 0}},
            "a claim names the run 'nobody'",
        ),
        (
            {"level": {"run": "cmma", "metrics": ["elbo"]}},
            "study.yaml is not a study: the claim 'x' needs level: {above",
        ),
        ({"rises": {"run": "cmma"}}, "study.yaml is not a study: the claim 'x' needs rises: "),
    ],
)
def test_a_wrong_claim_is_one_line(
    claim: dict[str, Any], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(tmp_path, monkeypatch, claims=[{"claim": "x", **claim}])
    with pytest.raises(UserError, match=re.escape(said)):
        read_study("cmma")


def test_a_table_without_its_incomparable_run_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = {"name": "t", "title": "T", "metric": "elbo", "published": {"cmma": 1}, "incomparable": ["nobody"]}
    change(tmp_path, monkeypatch, tables=[table])
    with pytest.raises(UserError, match="a table names the run 'nobody'"):
        read_study("cmma")


def test_a_terminated_study_says_that_it_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lit_faces.studies.plan.execute", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
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
        (["cmma", "--devices", "0"], "--devices must be from 1 to "),
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


def test_a_damaged_study_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "experiments/profiles").mkdir(parents=True)
    (tmp_path / "experiments/bad").mkdir()
    (tmp_path / "experiments/bad/study.yaml").write_text("title: x\nrunz: {}\ntables: []\nclaims: []\n")
    monkeypatch.chdir(tmp_path)
    assert main(["report", "bad"]) == 2
    assert "study.yaml is not a study" in capsys.readouterr().err


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Path]:
    folder = tmp_path_factory.mktemp("study")
    arguments = ["cmma", "--profile", "smoke", "--data", "Synthetic"]
    arguments += ["--runs", str(folder / "runs"), "--reports", str(folder / "reports")]
    assert main(["reproduce", *arguments]) == 0
    return arguments, folder


def test_the_smoke_study_leaves_a_whole_report(reproduced: tuple[list[str], Path]) -> None:
    report = reproduced[1] / "reports/cmma/smoke-synthetic"
    results = json.loads((report / "results.json").read_text())
    assert set(results) >= {"rows", "claims", "data", "provenance"}
    keys = {"run", "metric", "value", "stderr", "n", "seeds", "unit", "published", "comparable"}
    assert all(keys <= set(row) for row in results["rows"])
    measured = {(row["run"], row["metric"]) for row in results["rows"]}
    assert {(run, "parzen_log_likelihood") for run in ("cmma", "cvae", "cgan", "mean_face", "nearest_face")} <= measured
    assert {("cmma", "elbo"), ("cvae", "elbo"), ("cmma", "iwae"), ("cmma", "edit_accuracy")} <= measured
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
    assert all((report / name).is_file() for name in shown)
    assert "not comparable" in page
    assert "synthetic faces" in re.search("<title>(.*)</title>", page)[1]  # type: ignore[index]


def test_a_second_call_trains_nothing_again(
    reproduced: tuple[list[str], Path], capfd: pytest.CaptureFixture[str]
) -> None:
    arguments, folder = reproduced
    records = {path: path.stat().st_mtime_ns for path in folder.glob("runs/**/record.json")}
    assert len(records) == 4
    headers = [path.read_text().splitlines()[0].split(",") for path in folder.glob("runs/**/per_image.csv")]
    named = {name.partition("/")[0] for header in headers for name in header} - {"row", "identity"}
    assert "elbo" in named <= METRICS
    assert main(["reproduce", *arguments]) == 0
    said = capfd.readouterr().out
    assert said.count("done before") == 4
    assert said.strip().splitlines()[-1].endswith("index.html")
    assert {path: path.stat().st_mtime_ns for path in records} == records


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
    assert all((docs / "results" / name).is_file() for _, name in shown)
    assert len({caption for caption, _ in shown}) == len(shown)


@pytest.mark.parametrize("name", STUDIES)
def test_the_table_of_the_readme_is_that_of_the_published_results(name: str) -> None:
    readme = (ROOT / "README.md").read_text()
    results = json.loads((ROOT / f"docs/results/{name}/results.json").read_text())
    assert with_table(readme, name, readme_table(read_study(name), results)) == readme


def test_the_readme_says_which_published_numbers_do_not_compare() -> None:
    row = {"metric": "c_hat_off", "value": 0.5, "stderr": 0.01, "unit": "share of faces", "comparable": True}
    rows = [{**row, "run": run, "published": number} for run, number in (("ifcvaegan", 0.813), ("icgan", 0.099))]
    runs = {"ifcvaegan, seed 0": {"epochs": 3}, "icgan, seed 0": {"epochs": 4}}
    lines = readme_table(
        read_study("ifcvaegan"), {"rows": rows, "claims": [], "provenance": {"runs": runs}}
    ).splitlines()
    metric = "| Ĉ sees no label after y = 0, where it was (Table 1), share of faces |"
    assert lines[2:4] == [
        f"{metric} ifcvaegan | 0.500 ± 0.010 | 0.813 | 3 / 10 |",
        f"{metric} icgan | 0.500 ± 0.010 | 0.099 (not comparable) | 4 / 55 |",
    ]


def test_every_profile_is_yaml() -> None:
    for path in ROOT.glob("experiments/profiles/*.yaml"):
        assert isinstance(yaml.safe_load(path.read_text()), dict)
