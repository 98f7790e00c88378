"""Every method trains in float32 on a processor with AVX2 and nothing more."""

import multiprocessing
import os

import pytest
from every_method import ARGUMENTS

from lit_faces.methods import METHODS
from lit_faces.methods.base import parameters_of

# Each method with its own networks, and the other family of those that have two.
CASES = {name: {} for name in METHODS} | {
    f"{name} residual": {"networks": "residual"} for name in METHODS if "networks" in parameters_of(METHODS[name])
}


def two_steps(name, arguments):
    # oneDNN reads it once, before its first operation: this process has had none yet.
    os.environ["ONEDNN_MAX_CPU_ISA"] = "AVX2"
    import torch
    from pytorch_lightning import Trainer

    from lit_faces.data.synthetic import Synthetic

    torch.set_num_threads(1)
    method = METHODS[name](**ARGUMENTS[name] | arguments)
    data = Synthetic(batch_size=4, size=32, train=8, validation=1, test=1)
    trainer = Trainer(
        accelerator="cpu",
        devices=1,
        precision="32-true",
        max_epochs=method.fewest_epochs,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(method, data)


@pytest.mark.parametrize("case", CASES)
def test_two_steps_with_avx2(case):
    process = multiprocessing.get_context("forkserver").Process(
        target=two_steps, args=(case.partition(" ")[0], CASES[case])
    )
    process.start()
    process.join(60)
    assert process.exitcode == 0
