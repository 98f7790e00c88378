"""IcGAN's three stages: their lengths, what each trains, and resuming between them."""

import shutil
from copy import deepcopy

import pytest
import torch
from pytorch_lightning import Trainer

from lit_faces.callbacks.exact_resume import AtomicCheckpointIO, EpochCheckpoint, EpochSeed
from lit_faces.data.synthetic import Synthetic
from lit_faces.errors import UserError
from lit_faces.methods import load_method
from lit_faces.methods.icgan import IcGAN, stage_ends

LABELS = ("Smiling",)


def make(data, **arguments):
    torch.manual_seed(0)
    method = IcGAN(**{"labels": LABELS, "latent_dim": 5, "width": 0.06, **arguments})
    method.prepare(data.spec)
    return method


@pytest.mark.parametrize(("epochs", "ends"), [(55, (25, 40)), (11, (5, 8)), (4, (2, 3)), (3, (1, 2))])
def test_the_number_of_epochs_decides_the_stages(epochs, ends, monkeypatch):
    assert stage_ends((25, 15, 15), epochs) == ends
    method = IcGAN(LABELS)
    method.epochs, stages = epochs, []
    for epoch in range(epochs):
        monkeypatch.setattr(IcGAN, "current_epoch", epoch)
        stages.append(method.stage)
    first, second = ends
    assert stages == [0] * first + [1] * (second - first) + [2] * (epochs - second)


@pytest.mark.parametrize("shares", [(1, 1, 98), (98, 1, 1), (1, 98, 1)])
def test_every_stage_has_an_epoch(shares):
    for epochs in range(3, 12):
        first, second = stage_ends(shares, epochs)
        assert 0 < first < second < epochs


@pytest.mark.parametrize("epochs", [2, -1])
def test_too_few_epochs_or_no_limit_are_refused(epochs):
    with pytest.raises(UserError, match=rf"three stages: give --trainer\.max_epochs of 3 or more, got {epochs}"):
        stage_ends((25, 15, 15), epochs)


@pytest.fixture(scope="module")
def faces():
    """Faces of its own, since a trainer attaches itself to them."""
    return Synthetic(batch_size=4, size=32, train=9, validation=5, test=7)


class Kept(EpochCheckpoint):
    """Keeps the checkpoint of every epoch, and the state before the first."""

    def on_train_start(self, trainer, pl_module):
        self.states = [deepcopy(pl_module.state_dict())]

    def on_train_epoch_end(self, trainer, pl_module):
        super().on_train_epoch_end(trainer, pl_module)
        self.states.append(deepcopy(pl_module.state_dict()))
        folder = trainer.default_root_dir + "/checkpoints"
        shutil.copy(f"{folder}/last.ckpt", f"{folder}/{trainer.current_epoch}.ckpt")


def trainer_of(folder, epochs, *callbacks):
    return Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        default_root_dir=folder,
        callbacks=[EpochSeed(), *callbacks],
        plugins=[AtomicCheckpointIO()],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=True,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )


def new():
    torch.manual_seed(0)
    return IcGAN(LABELS, latent_dim=5, width=0.06)


@pytest.fixture(scope="module")
def run(faces, tmp_path_factory):
    """A run of one epoch a stage: its folder, and the state before it and after each epoch."""
    folder, kept = tmp_path_factory.mktemp("icgan"), Kept()
    trainer_of(folder, 3, kept).fit(new(), datamodule=faces)
    return folder / "checkpoints", kept.states


@pytest.mark.parametrize(
    ("stage", "networks"), [(0, {"generator", "discriminator"}), (1, {"encoder_z"}), (2, {"encoder_y"})]
)
def test_each_stage_moves_its_own_networks_and_no_others(stage, networks, run):
    before, after = run[1][stage], run[1][stage + 1]
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert {name.partition(".")[0] for name in moved} == networks
    # A bias in front of a batch normalisation has no gradient.
    own = {name for name in before if name.partition(".")[0] in networks}
    assert {name for name in own if before[name].dim() > 1 or "running" in name} <= moved
    assert any("running_mean" in name for name in moved)


def test_each_network_makes_steps_in_its_stage_alone(run):
    # Two batches an epoch.
    for epoch, expected in enumerate([[2, 2, 0, 0], [2, 2, 2, 0], [2, 2, 2, 2]]):
        checkpoint = torch.load(run[0] / f"{epoch}.ckpt", weights_only=True)
        states = [optimiser["state"] for optimiser in checkpoint["optimizer_states"]]
        assert [max((int(one["step"]) for one in state.values()), default=0) for state in states] == expected


@pytest.mark.parametrize("epoch", [0, 1])
def test_a_run_that_is_resumed_between_stages_is_the_run_in_one(epoch, run, faces, tmp_path):
    method = new()
    torch.manual_seed(1)
    trainer_of(tmp_path, 3).fit(method, datamodule=faces, ckpt_path=str(run[0] / f"{epoch}.ckpt"), weights_only=True)
    found, expected = method.state_dict(), run[1][-1]
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_a_run_is_not_continued_with_other_stages(run, faces, tmp_path):
    with pytest.raises(UserError, match=r"parts of 3 epochs, not of 4: give --trainer\.max_epochs=3") as error:
        trainer_of(tmp_path, 4).fit(new(), datamodule=faces, ckpt_path=str(run[0] / "0.ckpt"), weights_only=True)
    assert "\n" not in str(error.value)
    assert str(run[0]) in str(error.value)
    with pytest.raises(UserError, match="three stages"):
        trainer_of(tmp_path, 2).fit(new(), datamodule=faces)


def test_a_trained_one_is_loaded_and_tested_without_its_number_of_epochs(run, faces, batch, tmp_path):
    path = str(run[0] / "last.ckpt")
    method = new()
    trainer_of(tmp_path, 7).test(method, datamodule=faces, ckpt_path=path, weights_only=True, verbose=False)
    loaded = load_method(path, IcGAN)
    with torch.no_grad():
        expected = loaded.reconstruct(batch.images, batch.attributes)
        assert torch.equal(method.eval().reconstruct(batch.images, batch.attributes), expected)
        # Statistics and weights do not depend on what else is in the batch.
        torch.testing.assert_close(loaded.reconstruct(batch.images[:1], batch.attributes[:1]), expected[:1])
