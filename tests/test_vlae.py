"""VLAE and MMD-VLAE: the losses term by term, what a step moves, layers left out, and that they learn."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from command import options
from PIL import Image

from lit_faces.data.base import to_unit_range
from lit_faces.data.synthetic import Synthetic
from lit_faces.errors import UserError
from lit_faces.images import to_pil
from lit_faces.methods import MMDVLAE, VLAE, load_method
from lit_faces.methods.capabilities import Edits, Encodes, Generates, Labelled, Layered, Reconstructs, layers_of
from lit_faces.metrics.noise import ImageNoise
from lit_faces.objectives.mmd import squared_mmd

BOTH = [VLAE, MMDVLAE]


def make(cls, data, **arguments):
    torch.manual_seed(0)
    method = cls(**{"latent_dims": (2, 1, 3), "width": 0.05, **arguments})
    method.prepare(data.spec)
    return method


@pytest.fixture(scope="module")
def large():
    """Drawn faces, 48x48, and the first four test faces."""
    module = Synthetic(batch_size=4, size=48, train=4, validation=1, test=4)
    module.setup()
    return module, to_unit_range(next(iter(module.test_dataloader())))


@pytest.fixture(scope="module")
def few():
    """24 drawn faces, 32x32: a batch of four says too little of the statistics of evaluation."""
    module = Synthetic(batch_size=24, size=32, train=24, validation=1, test=24)
    module.setup()
    return module, to_unit_range(next(iter(module.test_dataloader())))


@pytest.fixture
def draws(monkeypatch):
    """What torch.randn_like gives, first to last."""
    generator, given = torch.Generator().manual_seed(5), []

    def draw(like):
        given.append(torch.randn(like.shape, generator=generator))
        return given[-1]

    monkeypatch.setattr(torch, "randn_like", draw)
    return given


def reconstruction(method, batch, noise):
    """Mean, standard deviation, code and |x - x_hat|, in float64."""
    with torch.no_grad():
        mean, std = method.encoder(batch.images)
        z = mean + noise * std
        x_hat = 1 / (1 + (-method.decoder(z).double()).exp())
    return mean.double(), std.double(), z.double(), (batch.images.double() - x_hat).abs()


def assert_losses(losses, expected):
    assert [*losses] == [*expected]
    for name, value in expected.items():
        assert float(losses[name].detach()) == pytest.approx(float(value), rel=1e-5, abs=1e-6), name
    assert [name for name, value in losses.items() if value.requires_grad] == ["loss"]


@pytest.mark.parametrize("step", [0, 300, 2000])
@pytest.mark.parametrize("latent_dims", [(2, 1, 3), (0, 2, 3)])
def test_the_loss_of_vlae_is_the_weighted_sum_of_its_terms(latent_dims, step, data, batch, draws, monkeypatch):
    monkeypatch.setattr(VLAE, "global_step", step)
    method = make(VLAE, data, latent_dims=latent_dims, reconstruction_weight=8.0, warm_up=1000)
    losses = method.losses(batch)
    (noise,) = draws
    mean, std, _, differences = reconstruction(method, batch, noise)
    error = differences.sum() / 4
    entries = 0.5 * (mean**2 + std**2 - 1 - 2 * std.log()).sum(0) / 4
    parts = torch.split(entries, list(latent_dims))
    kl = {f"kl_z_{level}": part.sum() for level, part in enumerate(parts) if len(part)}
    loss = 8 * error + (1 - math.exp(-step / 1000)) * entries.sum()
    assert_losses(losses, {"loss": loss, "reconstruction": error, "kl": entries.sum(), **kl})


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("latent_dims", [(2, 1, 3), (0, 0, 3)])
def test_the_loss_of_mmd_vlae_is_the_weighted_sum_of_its_terms(latent_dims, unbiased, data, batch, draws):
    method = make(MMDVLAE, data, latent_dims=latent_dims, lambda_reconstruction=7.0, lambda_mmd=30.0, unbiased=unbiased)
    losses = method.losses(batch)
    noise, prior = draws
    assert noise.shape == prior.shape == (4, sum(latent_dims))
    _, _, z, differences = reconstruction(method, batch, noise)
    parts = zip(*(torch.split(t, list(latent_dims), 1) for t in (z, prior.double())), strict=True)
    mmd = {
        f"mmd_z_{level}": squared_mmd(code, own, latent_dims[level] ** 2, unbiased)
        for level, (code, own) in enumerate(parts)
        if latent_dims[level]
    }
    total = sum(mmd.values())
    loss = 7 * differences.mean() + 30 * total
    assert_losses(losses, {"loss": loss, "reconstruction": differences.mean(), "mmd": total, **mmd})


def test_the_divergence_weighs_nothing_at_first_and_all_in_the_end(data, batch, monkeypatch):
    method = make(VLAE, data)
    weights = []
    for step in (0, 1, 2000, 200_000):
        monkeypatch.setattr(VLAE, "global_step", step)
        losses = method.losses(batch)
        weights.append(float((losses["loss"].detach() - losses["reconstruction"]) / losses["kl"]))
    assert weights[0] == 0
    assert weights[1:] == pytest.approx([1 / 2000, 1 - 1 / math.e, 1], abs=2e-3)


@pytest.mark.parametrize("cls", BOTH)
@pytest.mark.parametrize("latent_dims", [(2, 1, 3), (0, 0, 3), (0, 2, 1, 3), (0, 0, 0, 3)])
def test_a_step_moves_every_parameter(cls, latent_dims, data, batch, large):
    small = len(latent_dims) == 3
    method = make(cls, data if small else large[0], latent_dims=latent_dims)
    optimiser = method.configure_optimizers()
    before = {name: p.detach().clone() for name, p in method.named_parameters()}
    method.training_step(batch if small else large[1], 0)["loss"].backward()
    optimiser.step()
    assert [name for name, p in method.named_parameters() if torch.equal(p, before[name])] == []
    assert sum(len(group["params"]) for group in optimiser.param_groups) == len(before)


@pytest.mark.parametrize("cls", BOTH)
def test_a_penalty_of_a_layer_trains_what_lies_under_its_code_alone(cls, data, batch, monkeypatch):
    monkeypatch.setattr(VLAE, "global_step", 10**6)
    method = make(cls, data)
    q, z, _ = method.coded(batch)
    part = layers_of(method)["z_1"]
    prior = torch.zeros(4, 1)
    term = q.mean[:, part].square().sum() if cls is VLAE else squared_mmd(z[:, part], prior)
    named = dict(method.named_parameters())
    gradients = torch.autograd.grad(term, [*named.values()], allow_unused=True)
    trained = {name for name, g in zip(named, gradients, strict=True) if g is not None and g.any()}
    assert trained == {name for name in named if name.startswith(("encoder.chain.0.", "encoder.ladders.z_1."))}


def train(method, batch, steps):
    optimiser = method.configure_optimizers()
    for _ in range(steps):
        optimiser.zero_grad()
        method.losses(batch)["loss"].backward()
        optimiser.step()


@pytest.mark.parametrize("cls", BOTH)
def test_a_few_faces_are_learnt(cls, few):
    data, faces = few
    method = make(cls, data, learning_rate=3e-3)
    train(method, faces, 150)
    method.eval()
    with torch.no_grad():
        error = (method.reconstruct(faces.images, faces.attributes) - faces.images).square().mean()
    assert error < 0.7 * (faces.images - faces.images.mean(0)).square().mean()


def test_mmd_brings_the_codes_to_the_prior(few):
    data, faces = few
    method = make(MMDVLAE, data, latent_dims=(0, 0, 2), lambda_reconstruction=0.0, learning_rate=1e-2)
    with torch.no_grad():
        method.encoder.ladders["z_2"][-1].bias[:2] += 3
    start = method.losses(faces)["mmd"]
    train(method, faces, 40)
    end = torch.stack([method.losses(faces)["mmd"] for _ in range(5)]).mean()
    assert start > 0.4
    assert end < 0.25 * start


@pytest.mark.parametrize("cls", BOTH)
def test_attributes_play_no_part_in_the_training(cls, data, batch):
    method = make(cls, data)
    losses = []
    for attributes in (batch.attributes, -batch.attributes):
        torch.manual_seed(1)
        losses.append(method.losses(batch._replace(attributes=attributes)))
    assert losses[0] == losses[1]


@torch.no_grad()
@pytest.mark.parametrize("cls", BOTH)
def test_what_it_can_do(cls, data, batch):
    method = make(cls, data, latent_dims=(2, 0, 3)).eval()
    assert [isinstance(method, kind) for kind in (Layered, Reconstructs)] == [True] * 2
    assert not any(isinstance(method, kind) for kind in (Generates, Edits, Encodes, Labelled))
    assert layers_of(method) == {"z_0": slice(0, 2), "z_2": slice(2, 5)}
    q = method.posterior(batch.images)
    assert q.batch_shape + q.event_shape == (4, 5)
    mean, std = method.encoder(batch.images)
    assert torch.equal(q.mean, mean)
    assert torch.equal(q.stddev, std)
    found = method.reconstruct(batch.images, batch.attributes)
    assert torch.equal(found, method.decode(mean))
    torch.testing.assert_close(found, method.decoder(mean).sigmoid())
    assert found.shape == batch.images.shape


@torch.no_grad()
@pytest.mark.parametrize("cls", BOTH)
def test_a_loaded_method_gives_identical_pictures(cls, data, batch, tmp_path):
    method = make(cls, data, latent_dims=(0, 2, 3), authors_relu_top=True)
    method.losses(batch)
    checkpoint = {"state_dict": method.state_dict()}
    method.on_save_checkpoint(checkpoint)
    torch.save(checkpoint, tmp_path / "a.ckpt")
    loaded = load_method(tmp_path / "a.ckpt")
    assert (type(loaded), loaded.arguments, loaded.latent_dims) == (cls, method.arguments, (0, 2, 3))
    z = torch.randn(4, 5)
    assert torch.equal(loaded.decode(z), method.eval().decode(z))
    assert torch.equal(loaded.posterior(batch.images).mean, method.posterior(batch.images).mean)
    assert loaded.posterior(batch.images).mean[:, 2:].min() >= 0


@pytest.mark.parametrize(
    ("cls", "arguments", "message"),
    [
        (VLAE, {"reconstruction_weight": -1.0}, "model.reconstruction_weight must be at least 0, got -1"),
        (VLAE, {"warm_up": 0}, "model.warm_up must be above 0, got 0"),
        (MMDVLAE, {"lambda_mmd": -1.0}, "model.lambda_mmd must be at least 0, got -1"),
        (
            VLAE,
            {"latent_dims": (2, 2, 2, 2)},
            "VLAE cannot be built for Synthetic: latent_dims must be 3 numbers for 32x32",
        ),
        (
            MMDVLAE,
            {"latent_dims": (2, 2, 0)},
            "MMDVLAE cannot be built for Synthetic: latent_dims must be at least 0, and",
        ),
    ],
)
def test_what_it_cannot_train_with_is_refused(cls, arguments, message, data):
    with pytest.raises(UserError, match=message):
        make(cls, data, **arguments)


@torch.no_grad()
def test_the_picture_of_a_run_has_faces_reconstructions_and_draws_from_the_prior(main, tmp_path):
    words = options("fit", "MMDVLAE", tmp_path)
    assert main([*words, "--model.latent_dims=[1,0,2]", "--samples.every_n_epochs=1", "--trainer.max_epochs=1"]) == 0
    method = load_method(tmp_path / "checkpoints" / "last.ckpt")
    assert method.latent_dims == (1, 0, 2)
    data = Synthetic(batch_size=5, size=32, train=16, validation=5, test=7)
    data.setup()
    batch = to_unit_range(next(iter(data.val_dataloader())))
    drawn = method.decode(ImageNoise(3, batch.row, 3).draw(1)[:, 0])
    rows = batch.images, method.reconstruct(batch.images, batch.attributes), drawn
    with Image.open(Path(tmp_path) / "samples" / "epoch-0001.png") as picture:
        pixels = np.asarray(picture).astype(int)
    # Two black lines around each face.
    assert pixels.shape == (3 * 34 + 2, 5 * 34 + 2, 3)
    for i, row in enumerate(rows):
        for j, face in enumerate(row):
            found = pixels[34 * i + 2 : 34 * i + 34, 34 * j + 2 : 34 * j + 34]
            assert abs(found - np.asarray(to_pil(face)).astype(int)).max() <= 1
