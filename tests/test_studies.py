"""Studies as they are shipped: their runs, published values, claims, and tables in the README."""

import json
import re
import shutil
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
from lit_faces.studies.plan import plan, write_overlays
from lit_faces.studies.publish import readme_table, with_table
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


@pytest.mark.parametrize("name", STUDIES)
def test_captions_of_runs_that_may_not_have_been_made_name_no_method(name: str) -> None:
    study = read_study(name)
    for figure in ("switched", "attribute_accuracy"):
        for stem in study.figures.get(figure, ()):
            assert not re.search("VAE|GAN|Bao", study.caption(stem))


def test_the_published_values_of_cmma_are_the_papers() -> None:
    published = {
        metric: {run: numbers[heading] for run, numbers in table.published.items()}
        for table in read_study("cmma").tables
        for heading, metric in table.columns.items()
    }
    assert published == {
        "elbo": {"cmma": 17973, "cvae": 14356, "cmma2": 17973},
        "parzen_log_likelihood": {"cmma": 9487, "cvae": 8714, "cgan": 8320, "cmma2": 9487},
        "posterior_deviation": {"cmma2_2d": 0.04, "cvae_2d": 0.036},
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
def test_the_command_line_takes_every_run(name: str, profile: str, parser: Any, tmp_path: Path) -> None:
    study = read_study(name)
    # Long trainings are of the papers' data, short ones of what is drawn in their place.
    drawn = STAND_INS if profile in ("smoke", "laptop") else {}
    data = drawn.get(study.data, study.data)
    methods = tuple(name for name in study.runs if study.only_on.get(name, data) == data)
    options = Options(profile, data, drawn, methods=methods, runs=tmp_path)
    runs = plan(study, options)
    write_overlays(study, options, runs)
    trained = {}
    for run in runs:
        config = parser.parse_args(list(run.fit)).fit
        trained[run.name] = str((config.model, config.data))
        assert config.model.class_path.rpartition(".")[2] == study.method_of(run.name)
        assert config.data.class_path.rpartition(".")[2] == run.data
        assert config.trainer.max_epochs >= METHODS[study.method_of(run.name)].fewest_epochs
    # A profile that overrode what an ablation leaves out would train the same model twice.
    compared = [trained[run] for run in study.chosen(profile, (), data)]
    assert len(set(compared)) == len(compared)


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
        ({"text": "x", "profiles": "laptop"}, "is not a study: a difference is a sentence, or {text: "),
        ({"text": "x", "profiles": ["huge"]}, "names the profile 'huge', not one of desktop, laptop, paper, smoke"),
        ({"text": "x", "run": ["cmma"]}, "unexpected keyword argument 'run'"),
        ({"runs": ["cmma"]}, "is not a study: 'text'"),
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


def test_a_damaged_study_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "experiments/profiles").mkdir(parents=True)
    (tmp_path / "experiments/bad").mkdir()
    (tmp_path / "experiments/bad/study.yaml").write_text("title: x\nrunz: {}\ntables: []\nclaims: []\n")
    monkeypatch.chdir(tmp_path)
    assert main(["report", "bad"]) == 2
    assert "study.yaml is not a study" in capsys.readouterr().err


@pytest.mark.parametrize("name", STUDIES)
def test_the_table_of_the_readme_is_that_of_the_published_results(name: str) -> None:
    readme = (ROOT / "README.md").read_text()
    results = json.loads((ROOT / f"docs/results/{name}/results.json").read_text())
    assert with_table(readme, name, readme_table(results)) == readme


def test_every_profile_is_yaml() -> None:
    for path in ROOT.glob("experiments/profiles/*.yaml"):
        assert isinstance(yaml.safe_load(path.read_text()), dict)
