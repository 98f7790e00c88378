"""Settings that change with the epochs of training, and the networks that train under them."""

from math import nan

import pytest
import torch
from command import options
from pytorch_lightning import Callback, Trainer
from torch import nn
from variants import make

from lit_faces.data.base import to_unit_range
from lit_faces.data.synthetic import Synthetic
from lit_faces.errors import UserError
from lit_faces.methods import CMMA, load_method
from lit_faces.methods.schedules import at, check_ramp

FLOOR = {"start": -4.0, "end": -8.0, "epochs": [1, 2]}
RATE = {"start": 2e-3, "end": 1e-3, "epochs": [0, 4]}
QUIET = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
VARIATIONAL = ["CMMA", "CVAE", "CMMA2"]


def test_a_ramp_is_flat_then_linear_then_flat_for_as_long_as_a_run_goes_on():
    ramp = {"start": -4.0, "end": -8.0, "epochs": [8, 12]}
    assert [at(ramp, epochs) for epochs in (0, 8, 9, 10.5, 12, 500)] == [-4, -4, -5, -6.5, -8, -8]
    assert at({**ramp, "epochs": [8, 8]}, 7.9) == -4
    assert at({**ramp, "epochs": [8, 8]}, 8) == -8
    assert at(0.25, 3) == 0.25


@pytest.mark.parametrize(
    ("epochs", "message"),
    [
        ([12, 8], "model.floor.epochs runs backwards, from 12 to 8: swap them"),
        ([8], "model.floor.epochs must be two numbers"),
        ([0, 1, 2], "model.floor.epochs must be two numbers"),
        ([-1, 2], "model.floor.epochs must be two numbers"),
        ([0, nan], "model.floor.epochs must be two numbers"),
    ],
)
def test_epochs_that_are_no_ramp_are_refused(epochs, message):
    with pytest.raises(UserError, match=message):
        check_ramp("floor", {**FLOOR, "epochs": epochs})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"floor": {**FLOOR, "epochs": [2, 1]}}, "floor.epochs runs backwards"),
        ({"floor": 4.0}, "model.floor must be below 4"),
        ({"floor": {**FLOOR, "start": 5.0}}, "model.floor must be below 4"),
        ({"learning_rate": {**RATE, "end": -1.0}}, "model.learning_rate must be above 0"),
        ({"learning_rate": {**RATE, "start": nan}}, "model.learning_rate must be finite"),
        ({"warm_up_epochs": -1.0}, "model.warm_up_epochs must be at least 0"),
    ],
)
def test_a_method_refuses_a_schedule_that_it_cannot_follow(data, arguments, message):
    with pytest.raises(UserError, match=message):
        make("CMMA", data, **arguments)


class Rates(Callback):
    """The learning rate and the floor of every step."""

    def __init__(self):
        self.steps = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.steps.append((trainer.optimizers[0].param_groups[0]["lr"], pl_module.pixel_log_variance[0]))


@pytest.mark.parametrize("optimizer", ["adagrad", "adam"])
def test_every_step_has_the_rate_and_the_floor_of_its_place_in_the_epoch(data, optimizer):
    method = CMMA(width=0.05, latent_dim=3, learning_rate=RATE, warm_up_epochs=1.0, floor=FLOOR, optimizer=optimizer)
    rates = Rates()
    Trainer(accelerator="cpu", max_epochs=3, limit_val_batches=0, callbacks=[rates], **QUIET).fit(method, data)
    # Two steps an epoch; the first is half way up the warm-up.
    rates_of_ramp = [2e-3 * 0.5, 1.875e-3, 1.75e-3, 1.625e-3, 1.5e-3, 1.375e-3]
    expected = list(zip(rates_of_ramp, [-4, -4, -4, -6, -8, -8], strict=True))
    assert rates.steps == [pytest.approx(pair) for pair in expected]
    assert isinstance(
        method.optimizers().optimizer, {"adam": torch.optim.Adam, "adagrad": torch.optim.Adagrad}[optimizer]
    )


@pytest.mark.parametrize("variant", VARIATIONAL)
def test_no_pixel_has_less_than_the_floor_of_the_epochs_trained(data, batch, variant):
    method = make(variant, data, floor=FLOOR)
    for epochs, floor in ((0.0, -4), (1.5, -6), (7.0, -8)):
        method.epochs_trained = epochs
        z = torch.zeros(len(batch.images), 3)
        # A decoder that would have all variances vanish.
        head = (method.decoder if variant == "CVAE" else method.g).body.heads
        nn.init.constant_(head.bias, -50.0)
        deviation = method.likelihood(z, batch.attributes).stddev
        torch.testing.assert_close(deviation.log() * 2, torch.full_like(deviation, floor), rtol=0, atol=1e-4)


def test_a_checkpoint_keeps_the_floor_that_its_training_has_come_to(main, tmp_path):
    run = options("fit", "CMMA", tmp_path / "run")
    words = ["--model.floor", '{"start": -4, "end": -8, "epochs": [1, 3]}', "--trainer.max_epochs", "2"]
    assert main([*run, *words]) == 0
    assert load_method(tmp_path / "run").pixel_log_variance == (-6, 4)
    assert main(["test", *run[1:], *words]) == 0
    record = (tmp_path / "run" / "record.json").read_text()
    assert '"pixel_log_variance": [\n      -6.0,' in record
    assert main(["export", str(tmp_path / "run"), "--to", str(tmp_path / "export")]) == 0
    assert load_method(tmp_path / "export").pixel_log_variance == (-6, 4)


def always_zero(method, images):
    """The largest share of channels of any layer that are 0 for all images."""
    shares = {}

    def watch(name):
        def hook(module, inputs, output):
            channels = output.relu().flatten(2).amax((0, 2)) if output.dim() == 4 else output.amax(0)
            shares.setdefault(name, []).append(channels)

        return hook

    layers = {"h1": method.h.convolutions.conv1, "h2": method.h.convolutions.conv2, "h3": method.h.convolutions.conv3}
    layers |= {"g1": method.g.body.conv1, "g2": method.g.body.conv2}
    handles = [layer.register_forward_hook(watch(name)) for name, layer in layers.items()]
    with torch.no_grad():
        for part in images.split(250):
            method.reconstruct(part, torch.zeros(len(part), len(method.spec.attributes)))
    for handle in handles:
        handle.remove()
    return max(float((torch.stack(parts).amax(0) <= 0).double().mean()) for parts in shares.values())


def test_most_rectifiers_live_after_a_short_run_with_the_laptops_recipe():
    data = Synthetic(batch_size=16, size=32, train=1600, validation=1000, test=1)
    method = CMMA(
        width=0.25,
        latent_dim=20,
        optimizer="adam",
        initialization="he",
        learning_rate={"start": 2e-3, "end": 2e-5, "epochs": [0, 8]},
        warm_up_epochs=4.0,
        floor={"start": -4, "end": -8, "epochs": [6, 8]},
    )
    torch.manual_seed(0)
    Trainer(accelerator="cpu", max_epochs=2, limit_val_batches=0, gradient_clip_val=1000, **QUIET).fit(method, data)
    faces = data.splits["validation"]
    images = to_unit_range(next(iter(data.val_dataloader()))._replace(images=faces.images)).images
    assert always_zero(method, images) <= 1 / 3
