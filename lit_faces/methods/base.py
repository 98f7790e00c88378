"""What every method shares: networks built from the data's description, and self-contained checkpoints."""

from collections.abc import Mapping
from inspect import Parameter, signature
from math import isfinite
from typing import Any, cast

import torch
from pytorch_lightning import LightningModule
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor, nn

from lit_faces import __version__
from lit_faces.data.batch import Batch, DataSpec
from lit_faces.data.changed import other_kind, what_changed
from lit_faces.errors import UserError
from lit_faces.methods.capabilities import Generates, Reconstructs
from lit_faces.methods.checkpoint import about_of, check_weights, class_path_of, name_of
from lit_faces.methods.schedules import Ramp, check_ramp
from lit_faces.objectives.gaussian import PIXEL_LOG_VARIANCE


class Method(LightningModule):
    """One model of a paper with its own optimiser scheme.

    A subclass calls `self.save_hyperparameters(logger=False)` in its constructor, makes its networks in `build`, and trains in
    `losses` (one optimiser) or `training_step` (several). What it can do beyond that it says with the capabilities.
    """

    spec: DataSpec
    # Whether a step trains some parameters without the others, so that processes must look for those without a gradient.
    adversarial: bool = False
    # Of a whole run, `trainer.max_epochs` at the least.
    fewest_epochs: int = 1
    # Of a training batch: a covariance needs two, and so does batch normalisation where a channel is one number an image.
    fewest_images: int = 1
    # How long the weights have been trained, with the part of an epoch that has begun: schedules read it.
    epochs_trained: float = 0.0

    def build(self, spec: DataSpec) -> None:
        """Make the networks for images and attributes as described."""
        raise NotImplementedError(f"{type(self).__name__} must implement build()")

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Scalars of one training batch: `loss` is minimised, the others are logged."""
        raise NotImplementedError(f"{type(self).__name__} must implement losses() or training_step()")

    def prepare(self, spec: DataSpec) -> None:
        """Build the networks, once, in the memory layout that is fast.

        Raises UserError if they cannot take such images, if they do not fit into memory or if an argument is no size, rate or
        weight.
        """
        if not hasattr(self, "spec"):
            check_arguments(self.arguments)
            self.spec = spec
            try:
                self.build(spec)
            except ValueError as error:
                raise UserError(f"{type(self).__name__} cannot be built for {spec.name}: {error}") from error
            except (RuntimeError, MemoryError, TypeError) as error:
                if not _is_too_large(error):
                    raise
                sizes = [f"{k} {v}" for k, v in self.arguments.items() if k == "width" or k.endswith(("_dim", "_dims"))]
                raise UserError(
                    f"{type(self).__name__} with {', '.join(sizes)} does not fit into memory: make it smaller"
                ) from error
            self.to(memory_format=torch.channels_last)

    @property
    def arguments(self) -> dict[str, Any]:
        """The constructor's arguments, without what the command line adds for its own use."""
        return {key: value for key, value in self.hparams.items() if not key.startswith("_")}

    def configure_model(self) -> None:
        """Lightning's hook: build for the trainer's data, and refuse a fit that cannot be, before anything is written."""
        self.prepare(self.trainer.datamodule.spec)  # type: ignore[attr-defined]
        if self.trainer.state.fn == TrainerFn.FITTING:
            assert self.trainer.max_epochs is not None
            self.check_fit(self.trainer.max_epochs, self.trainer.datamodule.batch_size)  # type: ignore[attr-defined]

    def check_fit(self, epochs: int, batch_size: int) -> None:
        """Raises UserError for fewer epochs (-1: no limit) or smaller batches than the method can be trained with."""
        name = type(self).__name__
        if 0 <= epochs < self.fewest_epochs:
            raise UserError(
                f"{name} cannot be trained in {epochs} epochs: give --trainer.max_epochs of {self.fewest_epochs} or more"
            )
        if batch_size < self.fewest_images:
            raise UserError(
                f"{name} cannot be trained on batches of {batch_size}: give --data.batch_size of {self.fewest_images} or more"
            )

    def training_step(self, batch: Batch, batch_idx: int) -> Any:
        """One step of the one optimiser; returns the losses, on the device, for the callbacks to log."""
        return self.losses(batch)

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Count the epochs."""
        self.epochs_trained = self.current_epoch + (batch_idx + 1) / self.trainer.num_training_batches

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: int | float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """`--trainer.gradient_clip_val` by norm; Lightning's own refuses fused optimisers, for the sake of fp16's scaler."""
        if gradient_clip_val is not None:
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            nn.utils.clip_grad_norm_(parameters, gradient_clip_val)

    def on_validation_epoch_start(self) -> None:
        """Validate the network that the checkpoint will hold, which is the first rank's."""
        if self.trainer.world_size > 1:
            # Since its last step each rank has had running statistics of its own.
            for buffer in self.buffers():
                torch.distributed.broadcast(buffer, 0)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Nothing of its own: callbacks evaluate."""

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Nothing of its own: callbacks evaluate."""

    def predict_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Reconstructions (B, C, H, W) of the test faces; without an encoder, faces drawn from their attributes at zero noise.

        Raises UserError for a method that makes no pictures and for data that are points.
        """
        if self.spec.image_shape[1:] == (1, 1):
            raise UserError(f"{self.spec.name} are points, of which there are no pictures to predict")
        if isinstance(self, Reconstructs):
            return self.reconstruct(batch.images, batch.attributes)
        if isinstance(self, Generates):
            return self.generate(batch.attributes, batch.attributes.new_zeros(len(batch.row), self.noise_dim))
        raise UserError(f"{type(self).__name__} makes no pictures, so there is nothing to predict")

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Make the checkpoint self-contained: method, its arguments, the data's description."""
        checkpoint["lit_faces"] = {
            "version": __version__,
            "class_path": class_path_of(type(self)),
            "arguments": self.arguments,
            "epochs": self.epochs_trained,
            "data": self.spec.to_dict(),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse the checkpoint of another method, of other arguments, or of data that are others or have changed since."""
        path = getattr(self._trainer, "ckpt_path", None) or "the checkpoint"
        about = about_of(checkpoint, path)
        data = DataSpec.from_dict(about["data"])
        if (theirs := name_of(about)) != type(self).__name__:
            raise UserError(
                f"{path} is of {theirs}, not of {type(self).__name__}: give a --ckpt_path of {type(self).__name__}, or "
                f"--model={theirs}"
            )
        if other := other_kind(data, self.spec):
            raise UserError(
                f"{path} was trained on {other}: give the --data and --data.size that it was trained with, or another "
                "--ckpt_path"
            )
        if changed := what_changed(data, self.spec):
            raise UserError(
                f"{path} was trained on {data.name} before it changed ({changed}): give the data and --data.limit that it was "
                "trained with, or train anew in another folder"
            )
        # An argument that came after the checkpoint has its default, as when it is loaded by itself.
        ours, parameters = self.arguments, parameters_of(type(self))
        defaults = {name: parameters[name].default for name in ours if name in parameters}
        before = {**defaults, **about["arguments"]}
        if before != ours:
            differ = [
                f"{k}: {before.get(k)!r} -> {ours.get(k)!r}" for k in {**before, **ours} if before.get(k) != ours.get(k)
            ]
            raise UserError(
                f"{path} was trained with other arguments ({'; '.join(differ)}): give those that it was trained with, or "
                "another --ckpt_path"
            )
        check_weights(self, checkpoint, path)
        self.epochs_trained = about["epochs"]


def parameters_of(cls: type) -> dict[str, Parameter]:
    """What the constructor of a class takes, with what its `**` hands on to that of its base class."""
    found: dict[str, Parameter] = {}
    for base in reversed(cls.__mro__):
        if "__init__" in vars(base):
            own = signature(vars(base)["__init__"]).parameters
            hands_on = any(p.kind == Parameter.VAR_KEYWORD for p in own.values())
            found = {**(found if hands_on else {}), **own}
    return found


_WEIGHTS = ("alpha", "beta", "gamma", "delta", "rho")


def check_arguments(arguments: Mapping[str, object]) -> None:
    """Raises UserError if an argument of a method is not a valid size, rate, weight or schedule."""
    for name, value in arguments.items():
        _check_number(name, value)


def _check_number(name: str, value: object) -> None:
    if isinstance(value, dict) and value.keys() & Ramp.__annotations__.keys():
        check_ramp(name, cast(Ramp, value))
        for end in ("start", "end"):
            _check_number(name, value[end])
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return
    wrong = "finite" if not isfinite(value) else ""
    if name.endswith("_dim") and value < 1:
        wrong = "at least 1"
    elif (name in ("width", "warm_up") or name.endswith("learning_rate")) and value <= 0:
        wrong = "above 0"
    elif (
        name in _WEIGHTS
        or name.startswith(("beta_", "lambda_"))
        or name.endswith(("_weight", "weight_decay", "_epochs"))
    ) and value < 0:
        wrong = "at least 0"
    elif name == "floor" and value >= PIXEL_LOG_VARIANCE[1]:
        wrong = f"below {PIXEL_LOG_VARIANCE[1]:g}, the largest log-variance of a pixel"
    if wrong:
        raise UserError(f"model.{name} must be {wrong}, got {value}")


def _is_too_large(error: Exception) -> bool:
    """Whether torch, which has no one exception for it, could not make a tensor as large as it was to be."""
    said = str(error).lower()
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "allocate memory" in said or "overflow" in said


def adagrad(network: nn.Module, learning_rate: float, initial_accumulator_value: float) -> torch.optim.Adagrad:
    """Adagrad in the fastest form the device has (fused on the CPU; CUDA has no fused one)."""
    parameters = list(network.parameters())
    fused = True if parameters[0].device.type == "cpu" else None
    return torch.optim.Adagrad(
        parameters, lr=learning_rate, initial_accumulator_value=initial_accumulator_value, fused=fused
    )
