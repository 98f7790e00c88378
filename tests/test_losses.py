"""The training losses: what a run is told that has become NaN."""

from types import SimpleNamespace

import pytest
import torch

from lit_faces.callbacks.losses import TrainingLosses
from lit_faces.errors import UserError
from lit_faces.methods import CGAN, CVAEGAN


@pytest.mark.parametrize(
    ("method", "advice"),
    [
        (CGAN(width=0.05), "lower the learning rate or set initial_accumulator_value"),
        (CVAEGAN(("Male",), width=0.05), "lower the learning rate"),
    ],
)
def test_only_arguments_that_the_method_has_are_advised(method, advice, data):
    method.prepare(data.spec)
    trainer = SimpleNamespace(num_training_batches=1, log_every_n_steps=1, current_epoch=0, loggers=[])
    losses = {"loss": torch.tensor(1.0), "generator_loss": torch.tensor(torch.nan)}
    with pytest.raises(UserError, match=rf"^{type(method).__name__}: the loss became NaN .* is kept; {advice}$"):
        TrainingLosses().on_train_batch_end(trainer, method, losses, None, 0)
