"""`python -m trainingjob_trainer prepare DATASET FOLDER`: put a dataset onto a volume, once.

Running it again verifies what is there by checksum and leaves it alone. Progress goes to standard error.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from trainingjob_trainer.errors import ConfigurationError
from trainingjob_trainer.exit_codes import DONE


def prepare(arguments: Sequence[str]) -> int:
    """Write the named dataset into the folder; returns the exit code. Raises ConfigurationError, OSError."""
    parser = argparse.ArgumentParser("python -m trainingjob_trainer prepare", description=__doc__)
    parser.add_argument("dataset", choices=["digits"], help="digits: 1,797 images of handwritten digits")
    parser.add_argument("folder", type=Path, help="where to, for example a claim's mount path")
    parser.add_argument("--seed", type=int, default=0, help="of the split into training and held-out images")
    options = parser.parse_args(arguments)
    if not _is_there(options.folder):
        _write_digits(options.folder, options.seed)
    return DONE


def _is_there(folder: Path) -> bool:
    """Whether the folder holds the dataset, whole. Raises ConfigurationError if it holds something else."""
    from trainingjob_trainer.data.packed_format import DESCRIPTION, is_intact, read_description

    if not (folder / DESCRIPTION).exists():
        if folder.is_dir() and any(
            path for path in folder.iterdir() if path.name not in ("train", "val", "lost+found")
        ):
            raise ConfigurationError(f"{folder} holds other files: give an empty folder")
        return False
    description = read_description(folder)
    if description.name != "digits":
        raise ConfigurationError(f"{folder} holds the dataset {description.name}: give another folder")
    if is_intact(folder, description):
        _tell(f"{folder} holds digits already, checksums verified")
        return True
    _tell(f"{folder} is damaged: a checksum differs; writing it anew")
    return False


def _write_digits(folder: Path, seed: int) -> None:
    from trainingjob_trainer.data import digits
    from trainingjob_trainer.data.packed_format import write_dataset

    _tell("reading digits")
    splits = digits.load_splits(seed)
    description = write_dataset(folder, digits.NAME, digits.CLASSES, digits.MAXIMUM, splits)
    counts = ", ".join(f"{entry['samples']} {split}" for split, entry in description.splits.items())
    _tell(f"wrote {counts} images to {folder}")


def _tell(text: str) -> None:
    print(f"trainingjob: prepare: {text}", file=sys.stderr, flush=True)
