"""Weights & Biases: runs offline without a key, resumed by id, and the sweep as W&B's own agent runs it."""

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import wandb.wandb_agent
import yaml
from wandb.proto.wandb_internal_pb2 import Record

ROOT = Path(__file__).parents[1]
SWEEPS = {path.parent.name: yaml.safe_load(path.read_text()) for path in ROOT.glob("experiments/*/sweep.yaml")}
SMALL = ["--config=experiments/profiles/smoke.yaml", "--data=Synthetic", "--data.limit=32"]
QUIET = ["--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false"]
ARGUMENTS = ["--config=experiments/cmma/cmma.yaml", *SMALL, *QUIET, "--model.latent_dim=8"]


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """A home without a key, and a folder to run in that has the experiments."""
    for name in [*os.environ]:
        if name.startswith("WANDB_") or name == "NETRC":
            monkeypatch.delenv(name)
    (tmp_path / "experiments").symlink_to(ROOT / "experiments")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return monkeypatch


def call(command, env=None):
    """Run a command that cannot ask anything."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=env, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def lit_faces(*calls):
    """Several verbs in one process; a warning is an error, but for those of Lightning's use of jsonargparse."""
    script = (
        "import json, sys; from lit_faces.__main__ import main; sys.exit(any(main(c) for c in json.loads(sys.argv[1])))"
    )
    quiet = ["-W", "error", "-W", "ignore::DeprecationWarning"]
    return call([sys.executable, *quiet, "-c", script, json.dumps(calls)])


def records(run):
    """The records of an offline run's log, which has LevelDB's log format after a header of its own."""
    (log,) = run.glob("*.wandb")
    data, position, payload = log.read_bytes(), 7, b""
    while position + 7 <= len(data):
        if 32768 - position % 32768 < 7:
            position += 32768 - position % 32768
            continue
        _, length, kind = struct.unpack_from("<IHB", data, position)
        payload += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):
            yield Record.FromString(payload)
            payload = b""


def logged_config(run):
    """The run's config, by its outermost keys."""
    config = {}
    for record in records(run):
        for update in (record.run.config.update, record.config.update):
            config |= {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in update}
    return config


def agent_call(monkeypatch, sweep, run_id, parameters):
    """The command and the environment with which W&B's agent would run the sweep's next point."""
    calls = []

    class Process:
        def __init__(self, env, command, **_):
            calls.append((command, env))

    monkeypatch.setattr(wandb.wandb_agent, "AgentProcess", Process)
    for name in ("WANDB_DIR", "WANDB_RUN_ID", "WANDB_SWEEP_PARAM_PATH"):
        # The agent sets these; so they are restored.
        monkeypatch.setenv(name, str(Path.cwd()))
    monkeypatch.setenv("WANDB_SWEEP_ID", "abcd1234")
    agent = wandb.wandb_agent.Agent(api=None, queue=None)
    agent._sweep_command = [*sweep["command"]]
    arguments = {name: {"value": value} for name, value in parameters.items()}
    agent._command_run({"run_id": run_id, "program": sweep["program"], "args": arguments})
    return calls[0]


@pytest.mark.parametrize("study", SWEEPS)
def test_the_sweep_is_valid_and_its_parameters_and_metric_exist(study):
    sweep = SWEEPS[study]
    # The rules of W&B's documentation of sweep configurations; `wandb sweep` itself checks them on the server.
    known = {"name", "project", "program", "command", "method", "metric", "parameters", "run_cap", "early_terminate"}
    assert set(sweep) <= known | {"description", "entity", "controller"}
    assert sweep["method"] in ("grid", "random", "bayes")
    assert sweep["command"][:2] == ["${env}", "${interpreter}"]
    assert sweep["command"][-1] == "${args}"
    for parameter in sweep["parameters"].values():
        assert set(parameter) == {"values"}
        assert len(set(parameter["values"])) == len(parameter["values"]) > 1
    assert set(sweep["metric"]) == {"name", "goal"}
    assert sweep["metric"]["goal"] in ("maximize", "minimize")
    assert (ROOT / sweep["program"]).is_file()


@pytest.mark.parametrize("study", SWEEPS)
def test_the_agent_runs_each_point_of_the_sweep_in_a_folder_of_its_own(study, environment):
    sweep = SWEEPS[study]
    parameters = {name: parameter["values"][-1] for name, parameter in sweep["parameters"].items()}
    command, env = agent_call(environment, sweep, "point001", parameters)
    place = 1 + max(place for place, word in enumerate(command) if word.startswith("--config="))
    command[place:place] = SMALL
    output = call([*command, *QUIET, "--trainer.max_epochs=1"], {**env, "WANDB_MODE": "offline"})
    assert sweep["metric"]["name"] in output
    (folder,) = Path("runs").glob("*-synthetic-seed0-point001")
    assert (folder / "wandb_id").read_text() == "point001\n"
    (run,) = folder.glob("wandb/offline-run-*-point001")
    logged = logged_config(run)
    # What the agent chose is in the config as it is and where it belongs.
    assert {name: logged[name] for name in parameters} == parameters
    chosen = {name.rsplit(".", 1)[1]: value for name, value in parameters.items()}
    assert chosen.items() <= logged["model"]["init_args"].items()


def test_without_a_key_the_sittings_of_a_run_and_its_test_are_one_offline_run(environment):
    full_name = "--trainer.logger=pytorch_lightning.loggers.WandbLogger"
    lit_faces(
        ["fit", *ARGUMENTS, full_name, "--trainer.max_epochs=1"],
        ["fit", *ARGUMENTS, full_name, "--trainer.max_epochs=2"],
        ["test", *ARGUMENTS, "--trainer.logger=WandbLogger"],
    )
    folder = Path("runs/cmma-synthetic-seed0")
    run_id = (folder / "wandb_id").read_text().strip()
    # W&B names an offline sitting by its time and its run's id.
    first, second, tested = sorted(folder.glob("wandb/offline-run-*"))
    assert all(run_id in sitting.name for sitting in (first, second, tested))
    assert all(list(sitting.glob("files/media/images/samples*.png")) for sitting in (first, second))
    assert logged_config(first)["data"]["init_args"]["limit"] == 32

    (table,) = tested.glob("files/media/table/measurements*.table.json")
    logged = json.loads(table.read_text())
    measured = json.loads((folder / "record.json").read_text())["measurements"]
    assert logged["columns"] == ["metric", "value", "stderr", "n", "unit"]
    assert [row[0] for row in logged["data"]] == [m["metric"] for m in measured]
    # The config in the folder is free of the id: in another folder it starts another W&B run.
    assert run_id not in (folder / "config.yaml").read_text()


def test_a_key_that_cannot_be_one_is_an_error_without_a_traceback(environment, main, capsys):
    environment.setenv("WANDB_API_KEY", "short")
    try:
        assert main(["fit", *ARGUMENTS, "--trainer.logger=WandbLogger"]) == 2
    finally:
        wandb.teardown()
    assert capsys.readouterr().err.splitlines()[-1].startswith("lit-faces: error: WANDB_API_KEY invalid")
