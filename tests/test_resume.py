"""A run that was stopped, in whatever way, ends bit by bit where one that never stopped ends."""

import os
import signal
import time
from functools import cache

import pytest
import torch
import yaml
from command import in_process_of_its_own, logged, options

from lit_faces.methods import load_method

EPOCHS = 3
# As small as the others, of two labels; with the second moments of its codes.
SMALL = {
    "CSVAE": ["--model.latent_dim=3", "--model.labels=[Eyeglasses,Male]", "--model.search=principal"],
    "IFcVAEGAN": ["--model.latent_dim=3", "--model.labels=[Eyeglasses,Male]"],
    # The weight of its divergence grows with the steps.
    "VLAE": ["--model.latent_dims=[1,0,2]", "--model.warm_up=10"],
}


def fit(method, folder, epochs, **data):
    return [*options("fit", method, folder, **data), *SMALL.get(method, []), "--trainer.max_epochs", str(epochs)]


def last(folder):
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)


def assert_same(a, b, where=""):
    """Equal to the last bit, whatever it is made of."""
    assert type(a) is type(b), where
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            assert_same(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{where}[{i}]")
    else:
        assert a == b, where


def assert_same_run(folder, other):
    """The same parameters, optimisers, progress, and everything logged."""
    a, b = last(folder), last(other)
    for part in ("state_dict", "optimizer_states", "lr_schedulers", "epoch", "global_step", "lit_faces"):
        assert_same(a[part], b[part], part)
    assert len(a["optimizer_states"][0]["state"]) > 0
    assert (a["epoch"], a["training"]["epochs"]) == (EPOCHS - 1, EPOCHS)
    assert logged(folder, "validation/") == logged(other, "validation/")
    assert logged(folder, "train/") == logged(other, "train/")


def no_leftovers(folder):
    return not [*folder.rglob("*.tmp")]


@pytest.mark.parametrize("method", ["CMMA", "CGAN", "CGANGauthier", "CSVAE", "IFcVAEGAN", "VLAE"])
def test_a_run_in_two_sittings_is_the_run_in_one(method, main, tmp_path):
    straight, resumed = tmp_path / "straight", tmp_path / "resumed"
    assert main(fit(method, straight, EPOCHS)) == 0
    assert main(fit(method, resumed, EPOCHS - 1)) == 0
    after_two = last(resumed)["state_dict"]
    # What happens in between has no influence.
    torch.manual_seed(time.time_ns())
    assert main(fit(method, resumed, EPOCHS)) == 0
    assert_same_run(straight, resumed)
    end = last(straight)
    # An average over all images of every epoch stays what it is.
    moving = [name for name in after_two if name not in ("brightness", "contrast")]
    assert all(not torch.equal(after_two[name], end["state_dict"][name]) for name in moving)
    assert len(end["optimizer_states"]) == {"CMMA": 1, "IFcVAEGAN": 3, "VLAE": 1}.get(method, 2)
    assert (end["training"]["sittings"], last(resumed)["training"]["sittings"]) == (1, 2)
    assert len(logged(straight, "train/loss")) == EPOCHS
    if method == "CMMA":
        assert len(logged(straight, "validation/elbo")) == EPOCHS
    if method == "CSVAE":
        # Twice by milestones, 1 and 3.
        assert [scheduler["_last_lr"][0] for scheduler in end["lr_schedulers"]] == pytest.approx(
            [5e-4 * 0.1 ** (2 / 7)] * 2
        )
    assert no_leftovers(tmp_path)


# 100 steps an epoch, enough to be stopped in the middle of one.
LONG = {"train": 200, "batch_size": 2}


@pytest.fixture(scope="module")
def straight(tmp_path_factory, _imported_command_line):
    """A run of a method in a process of its own that nobody stops, made once."""

    @cache
    def run(method):
        folder = tmp_path_factory.mktemp("straight")
        process = in_process_of_its_own(fit(method, folder / "run", EPOCHS, **LONG), folder / "output")
        process.join(60)
        assert process.exitcode == 0, (folder / "output").read_text()
        return folder / "run"

    return run


def wait_for(path, process):
    deadline = time.monotonic() + 60
    while not path.exists():
        assert process.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("method", "number", "code"),
    [
        ("CMMA", signal.SIGKILL, -signal.SIGKILL),
        ("CMMA", signal.SIGTERM, 143),
        ("CMMA", signal.SIGINT, 130),
        ("CSVAE", signal.SIGKILL, -signal.SIGKILL),
    ],
)
def test_a_run_that_was_killed_in_an_epoch_ends_as_if_it_had_not(
    method, number, code, straight, main, tmp_path, capsys
):
    output, checkpoint = tmp_path / "output", tmp_path / "run" / "checkpoints" / "last.ckpt"
    arguments = fit(method, tmp_path / "run", EPOCHS, **LONG)
    process = in_process_of_its_own(arguments, output)
    wait_for(checkpoint, process)
    if number == signal.SIGKILL:
        # One process at a time.
        assert main(arguments) == 2
        assert "another process is training in" in capsys.readouterr().err
    time.sleep(0.05)
    os.kill(process.pid, number)
    process.join(30)
    assert process.exitcode == code, output.read_text()
    assert "Traceback" not in output.read_text()
    if number != signal.SIGKILL:
        assert no_leftovers(tmp_path)
    assert last(tmp_path / "run")["epoch"] < EPOCHS - 1
    load_method(checkpoint)
    assert main(arguments) == 0
    assert_same_final_state(tmp_path / "run", straight(method))


def assert_same_final_state(folder, other):
    a, b = last(folder), last(other)
    for part in ("state_dict", "optimizer_states", "lr_schedulers", "epoch", "global_step"):
        assert_same(a[part], b[part], part)
    assert logged(folder, "validation/") == logged(other, "validation/")


def test_an_old_folder_takes_more_epochs_but_no_other_config(main, error_line, tmp_path):
    assert main([*options("fit", "CMMA", tmp_path), "--trainer.max_epochs", "1"]) == 0
    before = (tmp_path / "checkpoints" / "last.ckpt").read_bytes()
    changed = [*options("fit", "CMMA", tmp_path), "--trainer.max_epochs", "2", "--model.learning_rate", "0.5"]
    message = error_line(changed)
    assert "model.init_args.learning_rate: 0.001 -> 0.5" in message
    assert "max_epochs" not in message
    assert str(tmp_path) in message
    assert (tmp_path / "checkpoints" / "last.ckpt").read_bytes() == before
    assert yaml.safe_load((tmp_path / "config.yaml").read_text())["model"]["init_args"]["learning_rate"] == 0.001
    assert "seed_everything: 0 -> 1" in error_line([*options("fit", "CMMA", tmp_path), "--seed_everything", "1"])
    assert "data.init_args.train: 16 -> 12" in error_line(options("fit", "CMMA", tmp_path, train=12))
    assert main([*options("fit", "CMMA", tmp_path), "--trainer.max_epochs", "2"]) == 0
    assert last(tmp_path)["epoch"] == 1


def test_a_run_that_is_older_than_an_option_goes_on_with_its_default(main, error_line, tmp_path):
    folder = tmp_path / "run"
    assert main(fit("CMMA", folder, 1)) == 0

    def forget():
        path = folder / "config.yaml"
        config = yaml.safe_load(path.read_text())
        for name in ("floor", "optimizer"):
            del config["model"]["init_args"][name]
        path.write_text(yaml.safe_dump(config))

    forget()
    assert main(fit("CMMA", folder, 2)) == 0
    assert last(folder)["training"]["epochs"] == 2
    forget()
    line = error_line([*fit("CMMA", folder, 3), "--model.floor", "-7"])
    assert "another config (model.init_args.floor: -8.0 -> -7.0): give another" in line
    # The error is about the invalid value, not about the folder.
    line = error_line([*fit("CMMA", folder, 3), "--model.floor", "{start: -4, end: -8, epochs: [12, 8]}"])
    assert "model.floor.epochs runs backwards, from 12 to 8" in line
