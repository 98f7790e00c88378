"""The suite's training loop against one written by hand: the same network, data, optimiser and precision."""

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.loggers import CSVLogger

from benchmarks.result import Result
from benchmarks.timing import interleave, now, speed_up, timed
from benchmarks.workload import QUICK, TOY, BareSteps, RandomFaces, Scale, device, network
from lit_faces.callbacks.exact_resume import EpochSeed
from lit_faces.callbacks.losses import TrainingLosses
from lit_faces.cli import fast_precision
from lit_faces.methods.cmma import CMMA


def run(scale: Scale) -> Result:
    """Check that both loops train the same parameters, then time an epoch of each: at the paper's size, and of a toy."""
    result = Result("training_loop", scale)
    result.check("parameters trained by suite and bare loop, fp32", difference(QUICK), 1e-6)
    cases = [("paper size", scale, 0.95)]
    if not scale.quick:
        cases.append(("toy", TOY, 0.9))
    for name, sizes, goal in cases:
        data, precision = RandomFaces(sizes), fast_precision()
        suite, bare = SuiteLoop(network(CMMA, sizes, data), data, precision), network(CMMA, sizes, data)
        seconds = interleave(
            {
                "suite": suite,
                "bare": timed(partial(BareSteps(bare, data, precision), sizes.batches), device()),
            },
            sizes.rounds,
        )
        result.add(seconds, f"{name}, {sizes.batches} batches of {sizes.batch}, ")
        result.ratios[f"suite, {name}"] = speed_up(seconds, "suite", "bare", sizes.goal(goal))
        result.details[f"{name}, batch"] = sizes.batch
        result.details[f"{name}, seconds to start and end a fit"] = suite.around
    return result


def difference(scale: Scale) -> float:
    """Largest difference of the parameters that the two loops train in one epoch from the same start."""
    data = RandomFaces(scale)
    suite, bare = network(CMMA, scale, data), network(CMMA, scale, data)
    SuiteLoop(suite, data, "32-true")()
    # The suite seeds an epoch's noise; the bare loop gets the same.
    EpochSeed().on_train_epoch_start(cast(Trainer, SimpleNamespace(current_epoch=0, global_rank=0)), bare)
    BareSteps(bare, data, "32-true")(scale.batches)
    pairs = zip(suite.parameters(), bare.parameters(), strict=True)
    return max(float((a.detach().to(b.device) - b.detach()).abs().amax()) for a, b in pairs)


class SuiteLoop:
    """One epoch by Lightning's Trainer, set up as `lit-faces fit` does.

    Gives the seconds of the training loop itself: what is done once a run (`around`: connecting, optimisers, tearing down) and
    once an epoch whatever its length (evaluation, the checkpoint) is left out, since a round is a few batches.
    """

    def __init__(self, method: CMMA, data: RandomFaces, precision: str) -> None:
        self.method, self.data, self.precision = method, data, precision
        self.around = 0.0

    def __call__(self) -> float:
        """Train an epoch."""
        watch, start = Stopwatch(), now(device())
        with _quiet(), tempfile.TemporaryDirectory() as folder:
            trainer = Trainer(
                accelerator="gpu" if device().type == "cuda" else "cpu",
                devices=1,
                precision=cast(Any, self.precision),
                max_epochs=1,
                limit_val_batches=0,
                num_sanity_val_steps=0,
                use_distributed_sampler=False,
                enable_checkpointing=False,
                enable_model_summary=False,
                default_root_dir=folder,
                logger=CSVLogger(folder, name="logs"),
                callbacks=[EpochSeed(), TrainingLosses(), watch],
            )
            trainer.fit(self.method, datamodule=self.data)
        self.method.to(device())
        self.around = now(device()) - start - watch.seconds
        return watch.seconds


class Stopwatch(Callback):
    """Seconds from the first batch being fetched to the end of the last epoch."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start."""
        self.seconds = -now(pl_module.device)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop."""
        self.seconds += now(pl_module.device)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The progress bar is drawn, but nowhere; what Lightning has to say of an unusual fit is kept back."""
    log = logging.getLogger("pytorch_lightning")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            with contextlib.redirect_stderr(io.StringIO()):
                yield
    finally:
        log.setLevel(level)
