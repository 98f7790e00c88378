"""Two processes train together, and evaluate as one does. Run as a script, this file is what the processes run."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from command import DATA, options

from lit_faces.data.base import to_unit_range
from lit_faces.data.batch import Batch
from lit_faces.data.synthetic import Synthetic
from lit_faces.methods import load_method

METHODS = ("CMMA", "CVAE", "CGAN", "CSVAE", "IFcVAEGAN", "CVAEGANBao", "IcGAN", "MMDVLAE")
LABELS = ["--model.labels=[Eyeglasses,Bald]", "--model.latent_dim=3"]
LABELLED = dict.fromkeys(("IFcVAEGAN", "CVAEGANBao", "IcGAN"), LABELS)
LABELLED["CSVAE"] = [*LABELS, "--model.search=principal"]
# Probes scale codes that hardly differ so early, and with them what batches of other sizes round otherwise.
LADDER = {"MMDVLAE": ["--model.latent_dims=[1,0,2]", "--quality.enabled=true", "--probes.enabled=false"]}
# One a stage.
EPOCHS = {"IcGAN": 3}
# Shards of 5 and 4 test faces: two batches and one.
TEST = {"test": 9}
JUDGE = "AttributeClassifier"


def checkpoint(folder, method):
    return folder / method / "checkpoints" / "last.ckpt"


def words(verb, method, folder, **data):
    return [*options(verb, method, folder, **data), *(LABELLED | LADDER).get(method, [])]


def test_options(method, folder, where):
    edits = {"glasses": {"set": ["Eyeglasses"], "reset": ["No Eyewear"]}, "bald": {"reset": ["Bald"]}}
    return [
        *words("test", method, folder / where / method, **TEST),
        *("--ckpt_path", str(checkpoint(folder, method))),
        *("--edits.classifier", str(checkpoint(folder, JUDGE)), "--edits.edits", json.dumps(edits)),
    ]


test_options.__test__ = False


def work(folder):
    from lit_faces.__main__ import main

    torch.set_num_threads(1)
    both = ["--trainer.devices", "2", "--trainer.strategy", "ddp"]
    for method in (JUDGE, *METHODS):
        code = main([*words("fit", method, folder / method), *both, "--trainer.max_epochs", str(EPOCHS.get(method, 2))])
        if not code and method != JUDGE:
            code = main([*test_options(method, folder, "two"), *both])
        if code:
            sys.exit(code)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where two processes trained and tested everything."""
    folder = tmp_path_factory.mktemp("ranks")
    command = [sys.executable, __file__, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return folder


@pytest.mark.parametrize("method", METHODS)
def test_two_processes_train_on_the_whole_data(folder, method):
    state = torch.load(checkpoint(folder, method), weights_only=True)
    epochs = EPOCHS.get(method, 2)
    assert (state["epoch"], state["training"]["devices"]) == (epochs - 1, 2)
    # 16 images in batches of 4 on each of two ranks.
    assert state["training"]["batches"] == 2 * epochs
    assert all(value.isfinite().all() for value in state["state_dict"].values())


@torch.no_grad()
def test_two_processes_keep_the_class_means_of_the_whole_validation_split(folder):
    """Also with batch normalisation, whose running statistics each rank has from its own images."""
    method = load_method(checkpoint(folder, "CSVAE"))
    data = Synthetic(**DATA)
    data.setup()
    faces = data.splits["validation"]
    batch = to_unit_range(Batch(faces.images, faces.attributes, faces.identity, faces.index))
    labels = method.label_values(batch.attributes)
    member, code = method.membership(labels).double(), method.class_code(batch.images, labels).double()
    present = member.sum(0) > 0
    expected = (member.T @ code)[present] / member.sum(0)[present][:, None]
    torch.testing.assert_close(method.class_means[present].double(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_two_processes_measure_what_one_does(folder, method, main):
    assert main(test_options(method, folder, "one")) == 0
    one, two = (json.loads((folder / where / method / "record.json").read_text()) for where in ("one", "two"))
    assert (one["evaluation"]["devices"], two["evaluation"]["devices"]) == (1, 2)
    expected = {m["metric"]: m for m in one["measurements"]}
    found = {m["metric"]: m for m in two["measurements"]}
    assert found.keys() == expected.keys()
    if method in LADDER:
        names = {"reconstruction_mse", "mmd/z_2", "kid", "arithmetic_accuracy"}
    else:
        names = {"parzen_log_likelihood", "nearest_sample_rms", "generation_accuracy/glasses", "unedited_rate/bald"}
        assert expected["parzen_log_likelihood"]["n"] == 9
    if method in ("CMMA", "CVAE"):
        names |= {"elbo", "kl", "log_likelihood", "iwae", "pixels_at_variance_floor"}
    if method != "CGAN" and method not in LADDER:
        names |= {"reconstruction_mse", "edit_accuracy/glasses", "counterfactual_mse/glasses", "unedited_mse/bald"}
    if method in LABELLED:
        names |= {"leakage/Eyeglasses", "sharpness", "c_hat_off/Eyeglasses"}
    if method in ("IFcVAEGAN", "IcGAN"):
        names |= {"label_accuracy/Bald", "majority_accuracy/Bald"}
    assert names <= expected.keys()
    for name, measurement in expected.items():
        for number in ("value", "stderr"):
            # Some have no error, a mean over labels, say.
            close = pytest.approx(measurement[number] or 0.0, abs=1e-4, rel=0)
            assert (found[name][number] or 0.0) == close, f"{number} of {name}"
        assert (found[name]["n"], found[name]["settings"]) == (measurement["n"], measurement["settings"]), name
    rows = [(folder / where / method / "per_image.csv").read_text().splitlines() for where in ("one", "two")]
    assert [len(r) for r in rows] == [10, 10]
    assert [r.split(",")[:2] for r in rows[0]] == [r.split(",")[:2] for r in rows[1]]


if __name__ == "__main__":
    work(Path(sys.argv[1]))
