"""What is measured of a method is the same on one process and on two. Run as a script, this file is what both run."""

import subprocess
import sys
from unittest import mock

import painter
import pytest
import torch
from eye import Seeing, kept
from layered import Describing, Dim, Gan, Ladder
from painter import Tinted, evaluate

from lit_faces.callbacks.arithmetic import Arithmetic
from lit_faces.callbacks.attribute_edits import AttributeEdits
from lit_faces.callbacks.c_hat import CHat
from lit_faces.callbacks.code_match import CodeMatch
from lit_faces.callbacks.counterfactual_error import CounterfactualError
from lit_faces.callbacks.identity_pairs import IdentityPairs
from lit_faces.callbacks.layer_probes import LayerProbes
from lit_faces.callbacks.leakage import Leakage
from lit_faces.callbacks.linear_accuracy import LinearAccuracy
from lit_faces.callbacks.reconstruction import Reconstruction
from lit_faces.callbacks.sample_quality import SampleQuality
from lit_faces.callbacks.verification import Verification


def labels(data, devices, embedding=None):
    callbacks = [
        AttributeEdits("judge", mean_over="images", strengths=(1.0, 2.0)),
        CounterfactualError(),
        IdentityPairs(pairs=25),
        Leakage(probe_images=33),
        LinearAccuracy(33, enabled=True),
        Reconstruction(),
        CHat(),
        Verification(),
    ]
    data.setup()
    return kept(Seeing(0.2), data, *callbacks, embedding=embedding, devices=devices)


def layers(data, devices):
    return evaluate(Ladder(), data, LayerProbes(33), CodeMatch(7), devices=devices)


def samples(method, devices, **arguments):
    data, callback = Tinted(exclusive=False, batch_size=3), SampleQuality(**arguments, enabled=True)
    with mock.patch.object(painter, "Judge", Describing):
        return evaluate(method, data, AttributeEdits("judge", edits={}), callback, devices=devices)


def sums(devices):
    data = Tinted(exclusive=False, people=9)
    return evaluate(Dim(), data, AttributeEdits("judge", edits={}), Arithmetic(images=11), devices=devices)


CASES = {
    # Nine people's 54 faces in batches of 4.
    "labels that exclude each other": lambda n: labels(Tinted(people=9), n, "eye.ckpt"),
    # One person's 4 faces, of which there are no pairs, and in which a rank sees no one with both labels.
    "labels that do not": lambda n: labels(Tinted(exclusive=False, people=1, train=20), n),
    # Twelve faces and eight, of which seven are compared with the prior.
    "layers and classes": lambda n: layers(Tinted(people=2), n),
    "layers and labels": lambda n: layers(Tinted(exclusive=False, people=2, train=20), n),
    "samples": lambda n: samples(Ladder(), n),
    # Of the first three images each rank has one or two, and then batches without any.
    "three samples": lambda n: samples(Gan(), n, samples=3),
    "arithmetic": sums,
}
OF_LABELS = {"edit_accuracy", "counterfactual_mse", "leakage", "linear_accuracy", "reconstruction_mse"}
OF_PAIRS = {"target_changed", "verification_accuracy", "identity_kept"}
OF_LAYERS = {"probe_accuracy", "mmd", "code_mean", "code_covariance", "active_units"}
OF_SAMPLES = {"fid", "kid", "fid_of_photographs", "kid_of_photographs"}
# What a case must measure, so that there is something to compare.
MEASURED = {
    "labels that exclude each other": OF_LABELS | OF_PAIRS | {"subspace_accuracy/w_A/Neutral"},
    "labels that do not": OF_LABELS | {"c_hat_off/A", "c_hat_on"},
    "layers and classes": OF_LAYERS | {"probe_accuracy/z_0/class"},
    "layers and labels": OF_LAYERS | {"probe_accuracy/z_0/A", "probe_r2/z_1/warmth"},
    "samples": OF_SAMPLES,
    "three samples": OF_SAMPLES,
    "arithmetic": {f"arithmetic_{kind}{of}" for kind in ("accuracy", "unedited_rate") for of in ("", "/A", "/B")},
}


def measured(case, devices):
    torch.manual_seed(0)
    return {metric: vars(measurement) for metric, measurement in CASES[case](devices).items()}


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    path = tmp_path_factory.mktemp("two") / "found.pt"
    done = subprocess.run(
        [sys.executable, __file__, str(path)], capture_output=True, text=True, timeout=150, check=False
    )
    assert done.returncode == 0, done.stderr
    return [torch.load(f"{path}{rank}") for rank in range(2)]


@pytest.mark.parametrize("case", CASES)
def test_two_processes_measure_what_one_does(two, case):
    expected = measured(case, 1)
    assert MEASURED[case] <= set(expected)
    for rank in range(2):
        found = two[rank][case]
        assert found.keys() == expected.keys()
        for metric, one in expected.items():
            for number in ("value", "stderr"):
                # Some have no error, a mean over labels, say.
                close = None if one[number] is None else pytest.approx(one[number], rel=1e-6, abs=1e-9)
                assert found[metric][number] == close, (rank, metric, number)
            assert (found[metric]["n"], found[metric]["settings"]) == (one["n"], one["settings"]), (rank, metric)


if __name__ == "__main__":
    torch.set_num_threads(1)
    found = {case: measured(case, 2) for case in CASES}
    torch.save(found, f"{sys.argv[1]}{torch.distributed.get_rank()}")
