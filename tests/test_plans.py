"""Which runs a study makes, and which of those made before it takes."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from instant import instant_children

from lit_faces.__main__ import run_verb
from lit_faces.errors import UserError
from lit_faces.studies.plan import Run, plan, reported
from lit_faces.studies.schedule import execute
from lit_faces.studies.study import Options, read_study

ROOT = Path(__file__).parents[1]


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


def test_ablations_share_the_judges_of_their_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = read_study("ifcvaegan")
    options = Options(methods=("ifcvaegan", "ifcvaegan_residual_no_kl", "icgan"), runs=tmp_path)
    runs = plan(study, options)
    assert [run.name for run in runs] == ["judge", "identity", *options.methods]
    assert [run.judge for run in runs] == [None, None, "judge", "judge", "judge"]
    assert len({study.data_set(run) for run in study.runs if run != "dipvae"}) == 1
    instant_children(monkeypatch)
    execute(study, options, runs, run_verb)
    [overlay] = {path for run in runs for path in run.configs if path.name == "edits.yaml"}
    judged = yaml.safe_load(overlay.read_text())
    assert judged["edits"]["classifier"] == str(runs[0].folder.checkpoint)
    assert judged["identity"] == {"embedding": str(runs[1].folder.checkpoint)}


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
    run.folder.path.mkdir(parents=True, exist_ok=True)
    run.done.write_text(json.dumps(run.plan))
    run.folder.checkpoint.parent.mkdir(exist_ok=True)
    for path in run.lost:
        path.touch()


def write_overlays(folder: Path) -> None:
    for name in ("edits", "edits_tfd", "edits_tfd-expressions", "edits_facialhair"):
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
    # With the real TFD what was made on drawn faces is no run of these data.
    found = reported(study, replace(options, stand_ins={"CelebA": "Synthetic"}))
    assert {run.name for run in found.runs if not run.is_judge} == {"vae", "csvae"}
    assert found.remarks == []


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
    called = instant_children(monkeypatch)
    study, options = read_study("csvae"), Options(runs=tmp_path / "runs", methods=("vae", "vae_tfd"))

    def commands() -> list[str]:
        called.clear()
        execute(study, options, runs := plan(study, options), run_verb)
        for run in runs:
            make(run)
        return [Path(command[-1]).name for command in called]

    assert commands() == [
        name
        for name in ("judge", "vae-seed0", "judge_tfd-expressions", "vae_tfd-expressions-seed0")
        for _ in ("fit", "test")
    ]
    assert commands() == []
    with (tmp_path / "experiments/csvae/tfd.yaml").open("a") as file:
        file.write("# changed\n")
    assert set(commands()) == {"judge_tfd-expressions", "vae_tfd-expressions-seed0"}
    # The judge's own config alone.
    with (tmp_path / "experiments/csvae/classifier.yaml").open("a") as file:
        file.write("# changed\n")
    assert set(commands()) == {"judge", "judge_tfd-expressions", "vae-seed0", "vae_tfd-expressions-seed0"}
    assert commands() == []


def test_what_is_drawn_for_other_data_lies_beside_what_is_made_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = instant_children(monkeypatch)
    study, drawn = read_study("vlae"), Options(runs=tmp_path, methods=("vlae", "vlae_mnist"))
    real = replace(drawn, stand_ins={"CelebA": "Synthetic"})
    for options, mnist in ((drawn, "_mnist-digits"), (real, "_mnist")):
        execute(study, options, runs := plan(study, options), run_verb)
        for run in runs:
            make(run)
        names = [run.folder.path.name for run in runs]
        assert names == ["judge", f"judge{mnist}", "vlae-seed0", f"vlae{mnist}-seed0"]
        assert [path.name for path in runs[-1].configs if path.parent == runs[-1].folder.path.parent] == [
            f"edits{mnist}.yaml"
        ]
    called.clear()
    for options in (drawn, real):
        execute(study, options, plan(study, options), run_verb)
        assert reported(study, options).remarks == []
        assert {run.name for run in reported(study, options).runs if not run.is_judge} == {"vlae", "vlae_mnist"}
    assert called == []


LOST = ("plan.json", "record.json", "per_image.csv", "checkpoints/last.ckpt", "config.yaml")


@pytest.mark.parametrize("lost", [*LOST, None])
def test_what_is_lost_of_a_run_is_made_again(lost: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called = instant_children(monkeypatch)
    study, options = read_study("csvae"), Options(runs=tmp_path, methods=("vae",))
    execute(study, options, runs := plan(study, options), run_verb)
    for run in runs:
        make(run)
    called.clear()
    execute(study, options, runs, run_verb)
    assert called == []
    if lost is None:
        runs[1].done.write_text("xx")
    else:
        (runs[1].folder.path / lost).unlink()
    execute(study, options, runs, run_verb)
    assert [command[0] for command in called] == ["fit", "test"]


def test_an_interrupted_remaking_does_not_pass_for_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study, options = read_study("csvae"), Options(runs=tmp_path, methods=("vae",))
    instant_children(monkeypatch)
    execute(study, options, runs := plan(study, options), run_verb)
    for run in runs:
        make(run)
    runs[1].folder.checkpoint.unlink()

    def interrupted(*arguments: object) -> None:
        # Of the first epoch.
        runs[1].folder.checkpoint.touch()
        raise KeyboardInterrupt

    instant_children(monkeypatch, interrupted)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            execute(study, options, runs, run_verb)


def test_a_run_that_lost_files_is_left_out_in_so_many_words(tmp_path: Path) -> None:
    study, options = read_study("csvae"), Options(runs=tmp_path, methods=("condvae",))
    write_overlays(tmp_path / "csvae" / options.label)
    runs = plan(study, replace(options, methods=("vae", "condvae")))
    for run in runs:
        make(run)
    runs[1].folder.per_image.unlink()
    found = reported(study, options)
    assert {run.name for run in found.runs} == {"judge", "condvae"}
    assert found.remarks == ["left out: vae, of which files are missing; `lit-faces reproduce` makes it again"]
    runs[1].done.write_text("{}")
    with pytest.raises(UserError, match=f"{re.escape(str(runs[1].done))} is damaged: remove it and run "):
        reported(study, options)


def test_a_report_writes_a_lost_overlay_again_if_its_judges_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instant_children(monkeypatch)
    study, options = read_study("ifcvaegan"), Options(runs=tmp_path, methods=("ifcvaegan", "cvaegan"))
    execute(study, options, runs := plan(study, options), run_verb)
    for run in runs:
        make(run)
    overlay = tmp_path / "ifcvaegan" / options.label / "edits.yaml"
    text = overlay.read_text()
    overlay.unlink()
    found = reported(study, replace(options, methods=("cvaegan",)))
    assert {run.name for run in found.runs} == {"judge", "identity", "ifcvaegan", "cvaegan"}
    assert found.remarks == []
    assert overlay.read_text() == text
    overlay.unlink()
    runs[1].folder.checkpoint.unlink()
    assert "made with other settings" in " ".join(reported(study, options).remarks)
    assert not overlay.exists()


def test_runs_that_were_moved_are_done_wherever_they_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "experiments", tmp_path / "experiments")
    monkeypatch.chdir(tmp_path)
    called = instant_children(monkeypatch)
    study, methods = read_study("ifcvaegan"), ("ifcvaegan", "cvaegan")

    def at(runs: Path) -> Options:
        return Options(runs=runs, methods=methods)

    execute(study, at(Path("old")), runs := plan(study, at(Path("old"))), run_verb)
    for run in runs:
        make(run)
    assert any("--trainer.default_root_dir=old/ifcvaegan/laptop-synthetic/cvaegan-seed0" in c for c in called)
    called.clear()
    Path("old").rename("runs")
    for place in (Path("runs"), tmp_path / "runs", Path("../", tmp_path.name, "runs")):
        # First by a report, which does not execute anything.
        assert reported(study, at(place)).remarks == []
        execute(study, at(place), moved := plan(study, at(place)), run_verb)
        assert called == []
        overlay = yaml.safe_load((place / "ifcvaegan/laptop-synthetic/edits.yaml").read_text())
        assert overlay["edits"]["classifier"] == str(moved[0].folder.checkpoint)
    # What changes a run still does.
    with Path("experiments/ifcvaegan/cvaegan.yaml").open("a") as file:
        file.write("# changed\n")
    execute(study, at(tmp_path / "runs"), plan(study, at(tmp_path / "runs")), run_verb)
    assert [(command[0], Path(command[-1]).name) for command in called] == [
        ("fit", "cvaegan-seed0"),
        ("test", "cvaegan-seed0"),
    ]
    assert f"--trainer.default_root_dir={tmp_path}/runs/ifcvaegan/laptop-synthetic/cvaegan-seed0" in called[0]
