"""`lit-faces fit | validate | test | predict`: LightningCLI with this suite's defaults."""

import logging
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import yaml
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning import Trainer
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.utilities import rank_zero_info
from pytorch_lightning.utilities.exceptions import SIGTERMException

import lit_faces.data.celeba
import lit_faces.data.digits
import lit_faces.data.expressions
import lit_faces.data.folder
import lit_faces.data.lfw
import lit_faces.data.mnist
import lit_faces.data.swiss_roll
import lit_faces.data.synthetic
import lit_faces.data.tfd  # noqa: F401  (these register the short class names --data=LFW)
from lit_faces.callbacks.arithmetic import Arithmetic
from lit_faces.callbacks.attribute_edits import AttributeEdits
from lit_faces.callbacks.c_hat import CHat
from lit_faces.callbacks.classifier_accuracy import ClassifierAccuracy
from lit_faces.callbacks.code_match import CodeMatch
from lit_faces.callbacks.counterfactual_error import CounterfactualError
from lit_faces.callbacks.epoch_lines import EpochLines
from lit_faces.callbacks.exact_resume import AtomicCheckpointIO, EpochCheckpoint, EpochSeed
from lit_faces.callbacks.identity_kept import IdentityKept
from lit_faces.callbacks.identity_pairs import IdentityPairs
from lit_faces.callbacks.label_accuracy import LabelAccuracy
from lit_faces.callbacks.layer_probes import LayerProbes
from lit_faces.callbacks.leakage import Leakage
from lit_faces.callbacks.likelihood_bounds import LikelihoodBounds
from lit_faces.callbacks.linear_accuracy import LinearAccuracy
from lit_faces.callbacks.losses import TrainingLosses
from lit_faces.callbacks.parzen_window import ParzenWindow
from lit_faces.callbacks.predictions import Predictions
from lit_faces.callbacks.reconstruction import Reconstruction
from lit_faces.callbacks.record import Record
from lit_faces.callbacks.sample_grid import SampleGrid
from lit_faces.callbacks.sample_quality import SampleQuality
from lit_faces.callbacks.verification import Verification
from lit_faces.data.base import FaceDataModule
from lit_faces.errors import UserError
from lit_faces.lightning_parser import OneLineParser, refuse_null
from lit_faces.loggers import finished_wandb_run, settle_loggers
from lit_faces.methods import Method
from lit_faces.methods.base import check_arguments
from lit_faces.methods.trained import method_class
from lit_faces.processes import check_devices, check_threads, use_threads
from lit_faces.run_folder import RunFolder, SaveRunConfig

_WITHOUT_BF16 = {"SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_VNNI"}


def fast_precision() -> str:
    """bf16-mixed where the processor multiplies bf16 matrices quickly (AMX or AVX-512 BF16, recent GPUs), else 32-true."""
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    capability = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    fast = capability.get("amx_tile", False) or capability.get("avx512_bf16", False)
    # oneDNN can be kept from using what the processor has.
    fast = fast and os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper() not in _WITHOUT_BF16
    return "bf16-mixed" if fast else "32-true"


_EXPECTED_WARNINGS = (
    # The data are in memory: workers would only copy them.
    ".*does not have many workers.*",
    # Losses are logged at the end of a short epoch too.
    ".*is smaller than the logging interval.*",
    # `args` is what came from the command line.
    "LightningCLI's args parameter.*",
    # Evaluation gives every rank the same value, so the first one's alone is logged.
    ".*It is recommended to use `self.log.*sync_dist=True.*",
    # Lightning's own use of torch.
    ".*LeafSpec.*is deprecated.*",
    # The summary counts parameters, which are float32.
    ".*is not supported by the model summary.*",
)


# What Lightning says of itself at every start, and would stand before a line that matters.
_EXPECTED_LINES = ("GPU available", "TPU available", "HPU available", "\U0001f4a1 Tip", "`weights_only` was not set")


def _is_news(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(_EXPECTED_LINES)


class LitFacesCLI(LightningCLI):
    """One method, one data set and one run folder (`--trainer.default_root_dir`), which holds all that the run leaves.

    `fit` resumes a run that was interrupted; a changed config in an old folder is refused.
    """

    folder: RunFolder

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        try:
            super().__init__(*args, **kwargs)
        finally:
            if hasattr(self, "folder"):
                self.folder.close()

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """The evaluation callbacks, each with its settings under its own name, and the threads."""
        parser.add_lightning_class_args(LikelihoodBounds, "bounds")
        parser.add_lightning_class_args(ParzenWindow, "parzen")
        parser.add_lightning_class_args(AttributeEdits, "edits")
        parser.add_lightning_class_args(Arithmetic, "arithmetic")
        parser.add_lightning_class_args(Leakage, "leakage")
        parser.add_lightning_class_args(LinearAccuracy, "linear")
        parser.add_lightning_class_args(LayerProbes, "probes")
        parser.add_lightning_class_args(CodeMatch, "codes")
        parser.add_lightning_class_args(IdentityKept, "identity")
        parser.add_lightning_class_args(IdentityPairs, "pairs")
        parser.add_lightning_class_args(SampleQuality, "quality")
        parser.add_lightning_class_args(SampleGrid, "samples")
        parser.add_argument(
            "--threads", type=int | None, default=None, help="processor threads (default: as many as torch chooses)"
        )
        parser.link_arguments("seed_everything", "data.init_args.seed", compute_fn=_whole_seed)

    def _parse_ckpt_path(self) -> None:
        """The config says what the model is: Lightning would silently put what the checkpoint holds in its place."""

    def instantiate_classes(self) -> None:
        """Lightning's, with a UserError of a constructor as it was raised."""
        try:
            super().instantiate_classes()
        except ValueError as error:
            if isinstance(error.__cause__, UserError):
                raise error.__cause__ from None
            raise

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Lightning's trainer, with checkpoints that are whole or absent, and progress bars on terminals alone."""
        plugins = self._get(self.config_init, "trainer").plugins or []
        plugins = [*plugins] if isinstance(plugins, list) else [plugins]
        if not sys.stderr.isatty():
            kwargs["enable_progress_bar"] = False
        try:
            return super().instantiate_trainer(plugins=[*plugins, AtomicCheckpointIO()], **kwargs)
        except MisconfigurationException as error:
            raise UserError(f"trainer: {' '.join(str(error).split())}") from error

    def before_instantiate_classes(self) -> None:
        """Settle the run's threads, folder and logger, and refuse a folder that holds another run."""
        config = self.config[self.subcommand]
        refuse_null(config)
        if config.threads is not None:
            check_threads("--threads", config.threads)
            use_threads(config.threads)
        if str(config.trainer.devices).isdigit():
            check_devices("--trainer.devices", int(config.trainer.devices))
            method = method_class(config.model.class_path)
            assert method is not None
            if int(config.trainer.devices) > 1 and method.adversarial and config.trainer.strategy in ("auto", "ddp"):
                config.trainer.strategy = "ddp_find_unused_parameters_true"
        # Before the folder is looked at, whose run may have other values.
        check_arguments(dict((config.model.get("init_args") or {}).items()))
        self.folder = RunFolder.of(config)
        text = self._parser(self.subcommand).dump(config, skip_unset=False, skip_validation=True)
        self.save_config_kwargs["text"] = text
        if self.subcommand == "fit":
            self.folder.open(yaml.safe_load(text))
            if config.ckpt_path is None and self.folder.checkpoint.exists():
                rank_zero_info(f"resuming {self.folder.checkpoint}")
                self.folder.refuse_fewer_epochs(config.trainer.max_epochs)
                config.ckpt_path = str(self.folder.checkpoint)
            config.weights_only = True
        elif config.get("ckpt_path") is None:
            config.ckpt_path = str(self.folder.checkpoint)
        if config.get("ckpt_path") is not None and not Path(config.ckpt_path).is_file():
            raise UserError(
                f"there is no checkpoint at {config.ckpt_path}: run `lit-faces fit` with the same config first"
            )
        settle_loggers(config.trainer, self.folder.path)


def _whole_seed(seed: int | bool) -> int:
    if isinstance(seed, bool) or not 0 <= seed < 2**32:
        raise UserError("seed_everything must be a whole number from 0 to 4294967295, so that the run can be repeated")
    return seed


@contextmanager
def _told_why_it_ended() -> Iterator[None]:
    """Ends by a signal as is usual: KeyboardInterrupt, which Lightning makes exit code 1, or exit code 143, which it makes 0."""
    try:
        yield
    except SIGTERMException:
        sys.exit(143)
    except SystemExit as end:
        if isinstance(end.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise


def _check_configs(arguments: Sequence[str]) -> None:
    """Raises UserError, naming the file, for a config that is no mapping in YAML; the parser tells of one that is not there."""
    given = [Path(value) for key, value in pairwise(arguments) if key in ("--config", "-c")]
    given += [Path(a.partition("=")[2]) for a in arguments if a.startswith("--config=")]
    for path in (path for path in given if path.is_file()):
        try:
            config = yaml.safe_load(path.read_text(encoding="utf-8"))
        except UnicodeDecodeError as error:
            raise UserError(f"{path} is no config: it is not text in UTF-8") from error
        except yaml.YAMLError as error:
            raise UserError(f"{path} is no config: {' '.join(str(error).split())}") from error
        if not isinstance(config, dict):
            raise UserError(
                f"{path} is no config: it is {'empty' if config is None else 'no mapping of keys to values'}"
            )


@finished_wandb_run()
@_told_why_it_ended()
def run(arguments: Sequence[str]) -> None:
    """Run one Lightning verb. Raises UserError for what the user can mend; argument errors exit with code 2."""
    _check_configs(arguments)
    for message in _EXPECTED_WARNINGS:
        warnings.filterwarnings("ignore", message=message)
    for handler in logging.getLogger("pytorch_lightning").handlers:
        handler.addFilter(_is_news)
    LitFacesCLI(
        Method,
        FaceDataModule,
        subclass_mode_model=True,
        subclass_mode_data=True,
        seed_everything_default=0,
        save_config_callback=SaveRunConfig,
        trainer_defaults={
            "precision": fast_precision(),
            "num_sanity_val_steps": 0,
            "use_distributed_sampler": False,
            "callbacks": [
                EpochSeed(),
                TrainingLosses(),
                EpochLines(),
                ClassifierAccuracy(),
                Verification(),
                LabelAccuracy(),
                Reconstruction(),
                CHat(),
                CounterfactualError(),
                EpochCheckpoint(),
                Record(),
                Predictions(),
            ],
        },
        parser_class=OneLineParser,
        parser_kwargs={"prog": "lit-faces"},
        auto_configure_optimizers=False,
        args=list(arguments),
    )
