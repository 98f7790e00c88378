import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from multiprocessing import set_forkserver_preload

import pytest
import torch
from exporting import checkpoint_of
from variants import make

from lit_faces.callbacks.edited import part_of
from lit_faces.data.base import to_unit_range
from lit_faces.data.synthetic import Synthetic

pytest_plugins = ["fake_celeba", "fake_tfd"]

torch.set_num_threads(1)
# Imported once, not once a process.
set_forkserver_preload(["lit_faces.cli"])


@pytest.fixture(scope="session")
def data():
    """Drawn faces, 32x32, with 9, 5 and 7 of them in the splits."""
    module = Synthetic(batch_size=4, size=32, train=9, validation=5, test=7)
    module.setup()
    return module


@pytest.fixture(scope="session")
def batch(data):
    """The first four test faces, as a method sees them."""
    return part_of(to_unit_range(next(iter(data.test_dataloader()))), torch.arange(4))


@pytest.fixture
def own_environment(tmp_path, monkeypatch):
    """No data folder is set, and caches are made in the test's own folder."""
    monkeypatch.delenv("LIT_FACES_DATA", raising=False)
    monkeypatch.setenv("LIT_FACES_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def _imported_command_line():
    # Before a test captures the output: Lightning's log keeps the stream that it finds.
    import lit_faces.cli  # noqa: F401


@pytest.fixture
def main(_imported_command_line, monkeypatch):
    """The command line in this process; gives the exit code. Lightning's environment variables go with the test."""
    from lit_faces.__main__ import main

    monkeypatch.setattr(os, "environ", os.environ.copy())
    for name in ("PL_GLOBAL_SEED", "PL_SEED_WORKERS"):
        monkeypatch.delenv(name, raising=False)
    return main


@pytest.fixture
def error_line(main, capsys):
    """Runs a command that must fail with code 2, and gives its one line of error."""

    def run(arguments):
        capsys.readouterr()
        assert main(arguments) == 2
        line, *others = capsys.readouterr().err.splitlines()
        assert line.startswith("lit-faces: error: ")
        assert others == []
        return line.removeprefix("lit-faces: error: ")

    return run


@pytest.fixture
def checkpoint(data, tmp_path):
    """A run's folder with the checkpoint of a CMMA."""
    return checkpoint_of(make("CMMA", data), tmp_path / "run/checkpoints/last.ckpt")
