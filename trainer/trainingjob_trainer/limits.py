"""Values of the configuration that nobody can have meant, told with their field before anything is built from them.

Decides only what can never be right; what does not fit a dataset or a gang is said where those are known.
"""

import math
from pathlib import Path
from typing import Any

from trainingjob_trainer.errors import ConfigurationError


def at_least(bound: int, section: str, **numbers: float | None) -> None:
    """Raise ConfigurationError for the first that is given and lower, or no number; all are fields of ``section``."""
    for name, number in numbers.items():
        if number is not None and not number >= bound:
            raise ConfigurationError(f"{section}.{name} is {number}: it must be {bound} or more")


def above_zero(section: str, **numbers: float | None) -> None:
    """Raise ConfigurationError for the first that is given and not above 0, or not finite."""
    for name, number in numbers.items():
        if number is not None and not (number > 0 and math.isfinite(number)):
            raise ConfigurationError(f"{section}.{name} is {number}: it must be more than 0")


def below_one(section: str, **numbers: float) -> None:
    """Raise ConfigurationError for the first that is no less than the whole."""
    for name, number in numbers.items():
        if not number < 1:
            raise ConfigurationError(f"{section}.{name} is {number}: it must be less than 1")


def check_settings(trainer: Any, *, fits: bool) -> None:
    """Raise ConfigurationError for settings of Lightning's Trainer that it divides by, or that train nothing.

    Args:
        trainer: the settings as attributes
        fits: whether training is asked for
    """
    once = ("accumulate_grad_batches", "check_val_every_n_epoch")
    at_least(1, "trainer", **{name: getattr(trainer, name) for name in once})
    never_negative = ("gradient_clip_val", "log_every_n_steps", "min_epochs", "min_steps")
    at_least(0, "trainer", **{name: getattr(trainer, name) for name in never_negative})
    for name in ("max_epochs", "max_steps", "limit_train_batches") if fits else ():
        if getattr(trainer, name) == 0:
            raise ConfigurationError(
                f"trainer.{name} is 0: the job would succeed without having trained; leave it out, or give more"
            )


def require_seed(seed: bool | int) -> None:
    """Raise ConfigurationError for a `seed_everything` that numpy does not take."""
    if not 0 <= seed < 2**32:
        raise ConfigurationError(f"seed_everything is {seed}: it must be 0 to {2**32 - 1}")


def require_checkpoint(path: str | Path | None) -> None:
    """Raise ConfigurationError for a `ckpt_path` in the file system at which there is nothing."""
    text = str(path or "")
    # Lightning has words for its own checkpoints, and opens URLs.
    if "/" in text and "://" not in text and not Path(text).exists():
        raise ConfigurationError(f"ckpt_path {text} does not exist: mount the volume that holds it, or leave it out")
