"""Whether a dataset is of the kind and the size that a model was made for; if not, which value to set.

Compares what both say of themselves; a data module of somebody else, which says nothing, is not doubted.
"""

from pytorch_lightning import LightningModule

from trainingjob_trainer.errors import ConfigurationError

# Data classes by what they call their samples.
_READERS = {"images": "PackedImages or ImageFolder", "windows": "Tokens", "rows": "Table"}


def require_kind(model: LightningModule, noun: str) -> None:
    """Raise ConfigurationError if the data module's samples are others than the model's."""
    data = model.trainer.datamodule  # type: ignore[attr-defined]
    found = getattr(data, "noun", noun)
    if found != noun:
        raise ConfigurationError(
            f"model {type(model).__name__} learns from {noun}, but data {type(data).__name__} gives {found}: "
            f"set data.class_path to {_READERS[noun]}, or choose another model"
        )


def require_equal(name: str, mine: int, found: int | None, what: str) -> None:
    """Raise ConfigurationError if the dataset says another number than the model's field ``name``."""
    if found is not None and found != mine:
        raise ConfigurationError(f"model.{name} is {mine}, but {what} {found}: set model.init_args.{name} to {found}")


def require_room(name: str, mine: int, found: int | None) -> None:
    """Raise ConfigurationError if the dataset needs more than the model's field ``name``."""
    if found is not None and found > mine:
        raise ConfigurationError(
            f"model.{name} is {mine}, but the dataset's is {found}: set model.init_args.{name} to {found}"
        )
