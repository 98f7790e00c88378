"""What is measured of labels and pairs is the same on one process and on two. Run as a script, this file is what both run."""

import subprocess
import sys

import pytest
import torch
from eye import Seeing, kept
from painter import Tinted

from lit_faces.callbacks.attribute_edits import AttributeEdits
from lit_faces.callbacks.c_hat import CHat
from lit_faces.callbacks.counterfactual_error import CounterfactualError
from lit_faces.callbacks.identity_pairs import IdentityPairs
from lit_faces.callbacks.leakage import Leakage
from lit_faces.callbacks.linear_accuracy import LinearAccuracy
from lit_faces.callbacks.reconstruction import Reconstruction
from lit_faces.callbacks.verification import Verification

# Nine people's 54 faces in batches of 4; one person's 4 faces, in which a rank sees no one with both labels.
DATA = {"exclusive": {"people": 9}, "independent": {"exclusive": False, "people": 1, "train": 20}}


def measured(devices):
    results = {}
    for name, arguments in DATA.items():
        callbacks = [
            AttributeEdits("judge", mean_over="images"),
            CounterfactualError(),
            IdentityPairs(pairs=25),
            Leakage(probe_images=33),
            LinearAccuracy(33, enabled=True),
            Reconstruction(),
            CHat(),
            Verification(),
        ]
        torch.manual_seed(0)
        data = Tinted(**arguments)
        data.setup()
        # Pairs of one person and of two need more than one.
        embedding = "eye.ckpt" if arguments["people"] > 1 else None
        found = kept(Seeing(0.2), data, *callbacks, embedding=embedding, devices=devices)
        results[name] = {metric: vars(measurement) for metric, measurement in found.items()}
    return results


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    path = tmp_path_factory.mktemp("two") / "found.pt"
    done = subprocess.run(
        [sys.executable, __file__, str(path)], capture_output=True, text=True, timeout=150, check=False
    )
    assert done.returncode == 0, done.stderr
    return [torch.load(f"{path}{rank}") for rank in range(2)]


@pytest.fixture(scope="module")
def expected():
    return measured(1)


@pytest.mark.parametrize("rank", range(2))
def test_two_processes_measure_what_one_does(two, expected, rank):
    names = {"edit_accuracy", "counterfactual_mse", "leakage", "linear_accuracy", "reconstruction_mse"}
    of_pairs = {"target_changed", "verification_accuracy", "identity_kept"}
    assert names | of_pairs | {"subspace_accuracy/w_A/Neutral"} <= set(expected["exclusive"])
    assert names | {"c_hat_off/A", "c_hat_on"} <= set(expected["independent"])
    for name, metrics in expected.items():
        assert two[rank][name].keys() == metrics.keys()
        for metric, measurement in metrics.items():
            found = two[rank][name][metric]
            for number in ("value", "stderr"):
                # One person alone gives no error.
                close = pytest.approx(measurement[number] or 0.0, rel=1e-6, abs=1e-9)
                assert (found[number] or 0.0) == close, (name, metric, number)
            assert (found["n"], found["settings"]) == (measurement["n"], measurement["settings"]), (name, metric)


if __name__ == "__main__":
    torch.set_num_threads(1)
    found = measured(2)
    rank = torch.distributed.get_rank()
    torch.save(found, f"{sys.argv[1]}{rank}")
