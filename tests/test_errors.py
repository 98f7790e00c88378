"""What a user can do wrong, or can befall a run, ends with exit code 2 and one line that says what and where."""

import errno
import os
import subprocess
import sys

import pytest
import torch
from command import in_process_of_its_own, options

from lit_faces.__main__ import VERBS
from lit_faces.methods import load_method
from lit_faces.methods.variational import Variational

ARGUMENTS = {
    "an unknown verb": (["fot"], "no verb 'fot': use one of fit, validate"),
    "a typo in a key": (["--trainer.max_epoch_s", "3"], "--trainer.max_epoch_s"),
    "an abbreviated key": (["--trainer.max_epoch", "3"], "--trainer.max_epoch"),
    "a typo in a key of the model": (["--model.latentdim", "3"], "latentdim"),
    "a word for a number": (["--model.latent_dim", "many"], "latent_dim must be a whole number, got 'many'"),
    "a word for a number of epochs": (["--trainer.max_epochs", "three"], "trainer.max_epochs must be a whole number"),
    "an unknown choice": (["--model.posterior", "yx"], "posterior.*yx"),
    "an unknown model": (["--model", "CMA"], "model.*CMA"),
    "an unknown data set": (["--data", "Sinthetic"], "data.*Sinthetic"),
    "a word for a number of threads": (["--threads", "x"], "threads must be a whole number"),
    "no threads": (["--threads", "0"], "--threads must be from 1 to .*, the number of processor cores here, got 0"),
    "a missing config": (["--config", "nowhere.yaml"], "nowhere.yaml"),
    "a missing checkpoint": (["--ckpt_path", "nowhere.ckpt"], "no checkpoint at nowhere.ckpt"),
    "a batch of nothing": (["--data.batch_size", "0"], "batch_size.*at least 1"),
    "a batch larger than the data": (["--data.batch_size", "17"], "16 training images are fewer than one batch of 17"),
    "images of a wrong size": (["--data.size", "20"], "CMMA cannot be built for Synthetic: images must be.* 32x32"),
    "a width of nothing": (["--model.width", "0"], "model.width must be above 0, got 0"),
    "no latent dimension": (["--model.latent_dim", "-3"], "model.latent_dim must be at least 1, got -3"),
    "a rate that is no number": (["--model.learning_rate", ".nan"], "model.learning_rate must be finite, got nan"),
    "no seed": (["--seed_everything", "true"], "seed_everything must be a whole number"),
}


@pytest.mark.parametrize("what", ARGUMENTS)
def test_a_wrong_argument_is_named(what, error_line, tmp_path):
    words, message = ARGUMENTS[what]
    whole = [*options("fit", "CMMA", tmp_path), "--trainer.max_epochs", "1", *words]
    line = error_line(words if what == "an unknown verb" else whole)
    assert_has(line, message)
    assert line.count("--help") <= 1


def assert_has(line, pattern):
    with pytest.raises(UserWarning, match=pattern):
        raise UserWarning(line)


def test_a_config_with_a_wrong_key_is_refused(error_line, tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("model:\n  class_path: CMMA\n  init_args:\n    widht: 1.0\ndata:\n  class_path: Synthetic\n")
    assert_has(error_line(["fit", "--config", str(file)]), "widht")
    file.write_text("model: [")
    assert_has(error_line(["fit", "--config", str(file)]), "config")


def test_more_processes_than_cores_are_refused(error_line, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    line = error_line([*options("fit", "CMMA", tmp_path), "--trainer.devices", "3"])
    assert_has(line, "--trainer.devices must be from 1 to 2, the number of processor cores here, got 3")


def test_nothing_can_be_tested_before_it_is_trained(error_line, tmp_path):
    line = error_line(options("test", "CMMA", tmp_path))
    assert_has(line, r"no checkpoint at .*last\.ckpt: run `lit-faces fit`")


@pytest.mark.parametrize(("verb", "resumes"), [("fit", True), ("edit", False), ("demo", False), ("test", False)])
def test_an_interruption_says_that_the_command_resumes_if_it_does(verb, resumes, main, capsys, monkeypatch):
    def interrupted(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("lit_faces.__main__._lightning", interrupted)
    monkeypatch.setitem(VERBS, verb, interrupted)
    assert main([verb]) == 130
    hint = "; the same command resumes where it stopped" if resumes else ""
    assert capsys.readouterr().err == f"lit-faces: interrupted{hint}\n"


def test_the_program_ends_with_code_2_and_one_line():
    command = [sys.executable, "-m", "lit_faces", "fot"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("lit-faces: error: there is no verb 'fot'")
    assert done.stderr.count("\n") == 1


@pytest.fixture
def trained(main, tmp_path):
    """A run of one epoch: its folder."""
    assert main([*options("fit", "CMMA", tmp_path / "run"), "--trainer.max_epochs", "1"]) == 0
    return tmp_path / "run"


def longer(folder):
    return [*options("fit", "CMMA", folder), "--trainer.max_epochs", "3"]


def test_a_wrong_checkpoint_is_refused(trained, error_line):
    checkpoint = trained / "checkpoints" / "last.ckpt"
    for method, message in (("CVAE", "is of CMMA, not of CVAE"), ("CGAN", "is of CMMA, not of CGAN")):
        line = error_line([*options("test", method, trained), "--ckpt_path", str(checkpoint)])
        assert_has(line, message)
    assert_has(
        error_line([*options("test", "CMMA", trained), "--model.latent_dim", "4"]), "other arguments .latent_dim: "
    )
    line = error_line(options("test", "CMMA", trained, size=40))
    assert_has(line, r"trained on Synthetic .*\(3, 32, 32\).*\(3, 40, 40\)")
    assert_has(
        error_line(options("test", "CMMA", trained, limit=6)),
        r"6 training images, then 16\): give the data and --data\.limit that",
    )


@pytest.mark.parametrize("length", [0, 1000])
def test_a_damaged_checkpoint_is_refused(length, trained, error_line):
    checkpoint = trained / "checkpoints" / "last.ckpt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:length])
    test = options("test", "CMMA", trained)
    for arguments in (longer(trained), test, [*test, "--ckpt_path", str(checkpoint)]):
        assert_has(error_line(arguments), r"last\.ckpt cannot be read as a checkpoint")


def test_a_loss_that_is_not_a_number_stops_the_run_and_keeps_the_last_good_checkpoint(trained, error_line, monkeypatch):
    good, real = (trained / "checkpoints" / "last.ckpt").read_bytes(), Variational.losses
    calls = []

    def losses(method, batch):
        calls.append(batch)
        found = real(method, batch)
        return {**found, "loss": found["loss"] * (float("nan") if len(calls) == 6 else 1)}

    monkeypatch.setattr(Variational, "losses", losses)
    line = error_line(longer(trained))
    # The sixth batch of this sitting, which began with epoch 1; an epoch has four.
    assert_has(line, r"CMMA: the loss became NaN or infinite at batch 9 \(epoch 2, batch 1\)")
    assert_has(line, r"largest parameter is [fgh]\.\S+ with \|nan\|")
    method = load_method(trained / "checkpoints" / "last.ckpt")
    assert all(p.isfinite().all() for p in method.parameters())
    # Epoch 1 was whole and is kept, epoch 2 was not.
    assert (trained / "checkpoints" / "last.ckpt").read_bytes() != good
    assert torch.load(trained / "checkpoints" / "last.ckpt", weights_only=True)["epoch"] == 1


def test_a_learning_rate_that_explodes_stops_the_first_epoch(error_line, tmp_path):
    line = error_line([*longer(tmp_path), "--model.learning_rate", "1e30"])
    assert_has(line, r"NaN or infinite at batch \d+ \(epoch 0, .*lower the learning rate")
    assert not (tmp_path / "checkpoints" / "last.ckpt").exists()


def leftovers(folder):
    return [*folder.rglob("*.tmp")]


@pytest.mark.parametrize(("writes", "file"), [(0, "config.yaml"), (1, "checkpoints/last.ckpt")])
def test_a_full_disk_keeps_what_was_written_before(writes, file, trained, error_line, monkeypatch):
    before, good = (trained / file).read_bytes(), []

    def fsync(descriptor):
        if len(good) == writes:
            raise OSError(errno.ENOSPC, "No space left on device")
        good.append(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        line = error_line(longer(trained))
    assert line == f"no space left to write {trained / file}: free some disk space and run the same command again"
    assert (trained / file).read_bytes() == before
    assert leftovers(trained) == []


def test_a_disk_that_fills_up_within_a_checkpoint_keeps_the_last_one(trained, main):
    checkpoint = trained / "checkpoints" / "last.ckpt"
    before = checkpoint.read_bytes()
    output = trained / "output"
    process = in_process_of_its_own(longer(trained), output, file_size=len(before) // 2)
    process.join(60)
    last_line = output.read_text().splitlines()[-1]
    assert last_line.startswith(f"lit-faces: error: no space left to write {checkpoint}"), output.read_text()
    assert process.exitcode == 2
    assert "Traceback" not in output.read_text()
    assert checkpoint.read_bytes() == before
    assert leftovers(trained) == []
    assert main(longer(trained)) == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe\xb4", "it is not text in UTF-8"),
        (b"", "it is empty"),
        (b"- 1", "it is no mapping of keys to values"),
        (b"a: [", "while parsing"),
    ],
)
def test_a_config_that_is_none_is_named(content, said, tmp_path, error_line):
    config = tmp_path / "some.yaml"
    config.write_bytes(content)
    for given in (["--config", str(config)], [f"--config={config}"]):
        line = error_line(["fit", *given])
        assert line.startswith(f"{config} is no config: ")
        assert said in line


def test_an_option_that_a_class_lacks_is_answered_with_the_order_of_words(error_line, tmp_path):
    for words in (["--model.widht=1", "--model=CMMA"], ["--model=CMMA", "--model.widht=1"]):
        line = error_line(["fit", "--data=Synthetic", *words])
        assert line.startswith(
            "--model.widht: option 'widht' is not accepted: give one that the class has, after --model "
        )
        assert line.count("--help") == 1


@pytest.mark.parametrize(("key", "known"), [("model", "CSVAE"), ("data", "CelebA")])
def test_an_unknown_class_is_answered_with_the_known_ones(key, known, error_line):
    line = error_line(["fit", "--model=CMMA", "--data=Synthetic", f"--{key}=Nonsense"])
    assert line.startswith(f"--{key}: there is no class 'Nonsense': use one of ")
    assert known in line


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ["--seed_everything", "-1"],
            "seed_everything must be a whole number from 0 to 4294967295, so that the run can ",
        ),
        (
            ["--data.subset", "Foo"],
            "--data.subset must be one of all, Glasses, FacialHair, GlassesFacialHair, HeavyMakeup, ",
        ),
        (["--model.posterior", "yx"], "--model.posterior must be one of x, xy, got 'yx'"),
        (["--edits.mean_over", "all"], "--edits.mean_over must be one of edits, images, got 'all'"),
    ],
)
def test_a_value_out_of_its_range_is_told_by_its_key_alone(words, line, error_line, tmp_path):
    assert error_line([*options("fit", "CMMA", tmp_path), *words]).startswith(line)


EARLY = {
    "no data": ["--data", "LFW", "--data.root", "nowhere"],
    "a wrong pair": ["--data.size", "20"],
    "too few images": ["--data.batch_size", "17"],
    "no checkpoint": ["--ckpt_path", "nowhere.ckpt"],
}


@pytest.mark.parametrize("what", EARLY)
def test_what_is_refused_before_training_leaves_nothing(what, error_line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    whole = [*options("fit", "CMMA", tmp_path / "deep" / "run"), "--trainer.max_epochs", "1", *EARLY[what]]
    if what == "no data":
        del whole[whole.index("--data") : whole.index("--trainer.default_root_dir")]
    error_line(whole)
    assert [*tmp_path.iterdir()] == []
    (tmp_path / "deep" / "run").mkdir(parents=True)
    error_line(whole)
    assert [*(tmp_path / "deep").rglob("*")] == [tmp_path / "deep" / "run"]


def test_a_foreign_checkpoint_leaves_the_folder_as_it_was(trained, error_line, tmp_path):
    checkpoint = str(trained / "checkpoints" / "last.ckpt")
    line = error_line(
        [*options("fit", "CVAE", tmp_path / "new"), "--trainer.max_epochs", "1", "--ckpt_path", checkpoint]
    )
    assert line.startswith(f"{checkpoint} is of CMMA, not of CVAE: give a --ckpt_path of CVAE, or --model=CMMA")
    assert not (tmp_path / "new").exists()
    # With other epochs, which would be written into the config.
    other = tmp_path / "other"
    config = trained / "config.yaml"
    before = config.read_bytes()
    foreign = torch.load(checkpoint, weights_only=True)
    foreign["lit_faces"]["arguments"]["latent_dim"] = 4
    torch.save(foreign, other)
    line = error_line([*longer(trained), "--ckpt_path", str(other)])
    assert line.startswith(f"{other} was trained with other arguments (latent_dim: 4 -> 3): give those")
    assert config.read_bytes() == before


def test_a_verb_that_runs_others_has_its_own_option_for_the_folder(trained, error_line, monkeypatch):
    changed = [*longer(trained), "--model.learning_rate", "0.5"]
    assert "give another --trainer.default_root_dir, or remove the folder" in error_line(changed)
    monkeypatch.setenv("LIT_FACES_FOLDER_OPTION", "--runs FOLDER")
    assert "give another --runs FOLDER, or remove the folder" in error_line(changed)
