"""The command line for tests: tiny runs, in this process or in one that may be killed."""

import argparse
import csv
import os
import resource
import signal
import sys
import warnings
from collections.abc import Sequence
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch

from lit_faces.data import verb

# Of 16 images, validated on 5 and tested on 7: no split is a whole number of batches.
DATA = {"size": 32, "train": 16, "validation": 5, "test": 7, "batch_size": 4}
# Lightning's own use of jsonargparse; pyproject.toml has the same for this process.
LIGHTNINGS = r"\s*(.*was deprecated in v4.49.0|By default only one Jsonargparse)"
LATENT = {
    "CMMA": "latent_dim",
    "CMMA2": "latent_dim",
    "CVAE": "latent_dim",
    "CGAN": "noise_dim",
    "CGANGauthier": "noise_dim",
}


def options(verb: str, method: str, folder: Path, **data: int) -> list[str]:
    """Arguments of a tiny run; `data` changes the data set."""
    words = [verb, "--model", method, "--model.width", "0.05", "--data", "Synthetic"]
    if method in LATENT:
        words += [f"--model.{LATENT[method]}", "3"]
    for name, value in {**DATA, **data}.items():
        words += [f"--data.{name}", str(value)]
    settings = {
        "trainer.default_root_dir": folder,
        "trainer.precision": "32-true",
        "trainer.accelerator": "cpu",
        "trainer.enable_progress_bar": "false",
        "trainer.enable_model_summary": "false",
        "samples.every_n_epochs": 0,
        "bounds.importance_samples": 3,
        "parzen.counts": "[2, 3]",
    }
    return words + [word for name, value in settings.items() for word in (f"--{name}", str(value))]


def logged(folder: Path, prefix: str) -> dict[tuple[int, str], float]:
    """All that the sittings of a run logged under names with this prefix, by epoch."""
    values = {}
    for file in sorted(folder.glob("logs/version_*/metrics.csv")):
        with file.open(newline="") as text:
            for row in csv.DictReader(text):
                named = {name: value for name, value in row.items() if name.startswith(prefix) and value}
                values |= {(int(row["epoch"]), name): float(value) for name, value in named.items()}
    return values


def data_verb(*words: str) -> None:
    """`lit-faces data` with these words, but that it raises its errors."""
    parser = argparse.ArgumentParser()
    verb.add_arguments(parser)
    verb.run(parser.parse_args(words))


def in_process_of_its_own(arguments: Sequence[str], output: Path, file_size: int | None = None) -> BaseProcess:
    """Start the command with its output in a file; no file of its own may grow beyond `file_size` bytes."""
    process = get_context("forkserver").Process(target=_work, args=(list(arguments), str(output), file_size))
    process.start()
    return process


def _work(arguments: list[str], output: str, file_size: int | None) -> None:
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if file_size is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, resource.RLIM_INFINITY))
    torch.set_num_threads(1)
    warnings.filterwarnings("error")
    warnings.filterwarnings("ignore", message=LIGHTNINGS)
    from lit_faces.__main__ import main

    sys.exit(main(arguments))
