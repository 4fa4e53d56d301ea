"""The command line of the processes that train: a LightningCLI whose defaults are right under the operator.

Decides the defaults and the order (parse, check, form the gang, resume, train, say the result, part). The parts
themselves are in modules of their own.
"""

import sys
from pathlib import Path
from typing import Any

from trainingjob_trainer.imports import without_scipy_signal

with without_scipy_signal():
    import pytorch_lightning as pl
    from pytorch_lightning.cli import LightningArgumentParser, LightningCLI

import torch

from trainingjob_trainer import gang, log
from trainingjob_trainer.atomic_file import remove_drafts
from trainingjob_trainer.callbacks import (
    EpochLine,
    ResumedLoader,
    without_lightnings_sigterm,
)
from trainingjob_trainer.checkpoint import FOLDER, AtomicCheckpointIO
from trainingjob_trainer.cluster import GangEnvironment, strategy_for
from trainingjob_trainer.curves import ConfigurationFile, Curves, loggers
from trainingjob_trainer.data import fingerprint
from trainingjob_trainer.data.image_folder import ImageFolder
from trainingjob_trainer.data.packed import PackedImages
from trainingjob_trainer.data.table import Table
from trainingjob_trainer.data.tokens import Tokens
from trainingjob_trainer.environment import Environment
from trainingjob_trainer.limits import check_settings, require_checkpoint, require_seed
from trainingjob_trainer.loop import make_lean
from trainingjob_trainer.models.gpt import GPT
from trainingjob_trainer.models.image_classifier import ImageClassifier
from trainingjob_trainer.models.regressor import Regressor
from trainingjob_trainer.ownership import claim, owner_of
from trainingjob_trainer.parser import Parser, refusal
from trainingjob_trainer.preemption import Preemption
from trainingjob_trainer.progress import held_out, metric_text
from trainingjob_trainer.randomness import Randomness
from trainingjob_trainer.resume import ResumePoint, agree, find_resume_point
from trainingjob_trainer.saving import SaveAndStop, Saving

# Known by their short names in a configuration, as every class that has been imported.
BUILT_IN = (ImageClassifier, GPT, Regressor, PackedImages, ImageFolder, Tokens, Table)

DESCRIPTION = (
    "A LightningCLI that trains in the pods of a TrainingJob. Datasets: `prepare --help` in place of a subcommand."
)


def train(environment: Environment, preemption: Preemption) -> None:
    """Run the command line's subcommand (fit, validate, test, predict) in this process of the gang.

    Raises ConfigurationError, PreemptedError, SupersededError, and whatever the model's code raises.
    """
    log.quieten()
    TrainerCLI(environment, preemption)
    gang.dissolve()


class TrainerCLI(LightningCLI):
    """One run in one process; LightningCLI runs the subcommand from its constructor."""

    def __init__(self, environment: Environment, preemption: Preemption) -> None:
        self.environment = environment
        self.preemption = preemption
        self.accelerator = "cuda" if torch.cuda.device_count() >= environment.devices else "cpu"
        self.output = _output_folder(environment)
        self.store: gang.Store | None = None
        super().__init__(
            parser_class=Parser,
            parser_kwargs={"prog": "python -m trainingjob_trainer", "description": DESCRIPTION},
            trainer_defaults=self._defaults(),
            save_config_callback=ConfigurationFile,
            save_config_kwargs={"overwrite": True},
            seed_everything_default=0,
        )

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Only the one that was asked for: describing the arguments of each costs 0.1 s at every start."""
        every = LightningCLI.subcommands()
        asked = next((word for word in sys.argv[1:] if word in every), None)
        return {asked: every[asked]} if asked else every

    @property
    def folder(self) -> Path | None:
        """Where checkpoints go, None for a job without an output."""
        return self.output / FOLDER if self.output else None

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Raises ConfigurationError for a seed that Lightning would refuse without naming it."""
        super().parse_arguments(parser, args)
        require_seed(self.config[self.config.subcommand].seed_everything)

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_class_arguments(gang.ProcessGroup, "process_group")
        parser.add_class_arguments(Saving, "checkpoint")

    def instantiate_classes(self) -> None:
        """Raises ConfigurationError for what a class does not accept, and what the class raises else."""
        try:
            super().instantiate_classes()
        except Exception as error:  # noqa: BLE001 - whichever it is, it goes on
            raise refusal(error) from None

    def instantiate_trainer(self, **kwargs: Any) -> pl.Trainer:
        """Lightning's trainer, with our checkpoints, our gang and our way to stop."""
        check_settings(self._get(self.config_init, "trainer"), fits=self.subcommand == "fit")
        if self.output is None:
            self.save_config_callback = None
            if self.environment.rank == 0 and self.subcommand == "fit":
                log.warn("no output folder (spec.output): no checkpoints are kept, a restart begins anew")
        trainer = super().instantiate_trainer(**self._additions(), **kwargs)
        make_lean(trainer)
        without_lightnings_sigterm(trainer)
        return trainer

    def before_fit(self) -> None:
        """Everything that can be wrong without peers is said before any of them is waited for."""
        require_checkpoint(self._get(self.config_init, "ckpt_path"))
        check = getattr(self.datamodule, "check", None)
        if check is not None:
            check(self.environment.world_size)
        settings = self._get(self.config_init, "process_group")
        self.store = gang.form(self.environment, settings, self.accelerator)
        dataset = getattr(self.datamodule, "fingerprint", None)
        if dataset is not None:
            fingerprint.compare(self.store, self.environment, dataset())

    before_validate = before_test = before_predict = before_fit

    def fit(self, **kwargs: Any) -> None:
        """Train, from this job's newest checkpoint if it has one, else from `ckpt_path`, else from the start."""
        point = self._resume_point()
        if point is not None:
            kwargs["ckpt_path"] = str(point.path)
            if self.environment.rank == 0:
                log.say(f"resuming from {point.path} at epoch {point.epoch + 1}, step {point.step}")
        self.trainer.fit(**kwargs)

    def after_fit(self) -> None:
        """The result in plain lines. A run that was resumed at its very end has not validated yet."""
        if not held_out(self._metrics()) and self.trainer.val_dataloaders is not None:
            self.trainer.validate(self.model, datamodule=self.datamodule, verbose=False)
        self._say_metrics()

    def _say_metrics(self) -> None:
        metrics = held_out(self._metrics())
        if self.environment.rank == 0:
            for name, value in metrics.items():
                print(metric_text(name, value), flush=True)

    after_validate = after_test = _say_metrics

    def _metrics(self) -> dict[str, float]:
        """All that the model logged; called on every rank, for it may be a collective."""
        return {name: float(value) for name, value in self.trainer.callback_metrics.items()}

    def _resume_point(self) -> ResumePoint | None:
        if self.folder is None:
            return None
        point = None
        if self.environment.rank == 0:
            moved = claim(self.folder, owner_of(self.environment))
            remove_drafts(self.folder)
            if moved is not None:
                log.say(f"starting anew: the checkpoints of an earlier job were kept in {moved}")
            point = find_resume_point(self.folder)
        return agree(self.store, self.environment.rank, point, self.folder)

    def _defaults(self) -> dict[str, Any]:
        return {
            "accelerator": self.accelerator,
            "devices": self.environment.devices,
            "num_nodes": self.environment.num_nodes,
            "strategy": "ddp" if self.environment.world_size > 1 else "auto",
            "default_root_dir": str(self.output) if self.output else None,
            "max_epochs": 10,
            "logger": None,  # ours (curves.py); false for none
            # Its control characters fill a pod's log, and a line per epoch says as much.
            "enable_progress_bar": False,
            "enable_model_summary": False,
        }

    def _additions(self) -> dict[str, Any]:
        """The trainer's arguments that are objects of ours, beside those of the configuration."""
        given = self._get(self.config_init, "trainer")
        folder = self.folder if given.enable_checkpointing is not False else None
        saving = self._get(self.config_init, "checkpoint")
        io = AtomicCheckpointIO(self.folder, owner_of(self.environment), saving.keep)
        mine: list[pl.Callback] = [EpochLine(), ResumedLoader(), Randomness()]
        mine.append(SaveAndStop(folder, saving, self.preemption, io))
        draws = given.logger is None and self.output is not None and self.subcommand == "fit"
        if draws:
            mine.append(Curves())
        return {
            "logger": loggers(self.output, self.environment) if draws and self.output else given.logger or False,
            "plugins": [*_as_list(given.plugins), GangEnvironment(self.environment), io],
            "callbacks": [*_as_list(given.callbacks), *mine],
            "strategy": strategy_for(self.environment, given.strategy),
            # Ours are callbacks of Lightning's kind `Checkpoint`, even the one that only prints.
            "enable_checkpointing": True,
        }


def _output_folder(environment: Environment) -> Path | None:
    """The mounted output; a path that is not there means a job without one, and nothing is made in its place."""
    folder = environment.output_dir
    return folder if folder is not None and folder.is_dir() else None


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
