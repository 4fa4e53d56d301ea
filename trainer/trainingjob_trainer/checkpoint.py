"""How a checkpoint gets onto the shared volume: whole or not at all, and only from the attempt that owns the folder.

Copied to memory while training waits, written by a thread while it goes on; one write at a time. Never decides when
to save (saving.py) or which file to resume from (resume.py).
"""

import errno
import pickle
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import torch
from lightning_fabric.plugins import CheckpointIO
from lightning_fabric.utilities.types import _PATH

from trainingjob_trainer.atomic_file import link_file, write_file
from trainingjob_trainer.errors import ConfigurationError, StorageError
from trainingjob_trainer.ownership import Owner, require_ownership
from trainingjob_trainer.retention import BEST, newest_first, superfluous
from trainingjob_trainer.snapshot import Snapshot
from trainingjob_trainer.writer import BackgroundWriter

FOLDER = "checkpoints"


class AtomicCheckpointIO(CheckpointIO):
    """Lightning's way to its checkpoint files.

    Args:
        folder: the one that only ``owner`` may write; None: no output
        owner: this attempt
        keep: how many of our own checkpoints stay
    """

    def __init__(self, folder: Path | None, owner: Owner, keep: int = 2) -> None:
        self.folder = folder
        self.owner = owner
        self.keep = keep
        self.writer = BackgroundWriter()
        self._snapshot = Snapshot()
        self._readable = False

    def save_checkpoint(self, checkpoint: dict[str, Any], path: _PATH, storage_options: Any | None = None) -> None:
        """Begin to write a checkpoint, when the one before is written; ``{"best": True}`` also names it best.ckpt.

        Raises what that one raised: StorageError, SupersededError if a newer attempt owns the folder.
        """
        self.writer.wait()
        target = Path(path)
        self._check(target)
        best = bool((storage_options or {}).get("best"))
        self.writer.submit(partial(self._write, self._snapshot.take(checkpoint), target, best))

    def reserve(self, tensors: Sequence[torch.Tensor]) -> None:
        """Make room for a checkpoint of these tensors, beside training, so that the first one is as quick as later."""
        self.writer.wait()
        self.writer.submit(self._snapshot.reserve(tensors))

    def load_checkpoint(
        self, path: _PATH, map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read one checkpoint. Tensors and plain values only: a pickle on a shared volume could run anything."""
        loaded: dict[str, Any] = torch.load(path, map_location=map_location or "cpu", weights_only=True)
        return loaded

    def remove_checkpoint(self, path: _PATH) -> None:
        """Delete one checkpoint, if it is still there; not before the one in flight is whole."""
        self._check(Path(path))
        self.writer.after(partial(Path(path).unlink, missing_ok=True))

    def teardown(self) -> None:
        """The end of the run, however it ends: what is being written is finished."""
        self.writer.wait()

    def _write(self, checkpoint: dict[str, Any], target: Path, best: bool) -> None:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            write_file(target, partial(_save, checkpoint), partial(self._accept, target))
            if best:
                link_file(target, target.with_name(BEST))
            self._clear(target)
        except OSError as error:
            raise StorageError(unwritable(target, error)) from error

    def _accept(self, target: Path, draft: Path) -> None:
        """Before a draft gets its name: it can be read again, and the folder is still ours."""
        if not self._readable:
            require_readable(draft)
            self._readable = True
        # Writing may have taken minutes: long enough for a newer attempt to have started.
        self._check(target)

    def _clear(self, written: Path) -> None:
        for name in superfluous(_names(written.parent), written.name, self.keep):
            written.with_name(name).unlink(missing_ok=True)

    def _check(self, target: Path) -> None:
        if self.folder is not None and target.parent == self.folder:
            require_ownership(self.folder, self.owner)


def require_readable(draft: Path) -> None:
    """Raises ConfigurationError if the checkpoint holds values that it could not be resumed with."""
    try:
        torch.load(draft, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        reason = next((line.strip() for line in str(error).splitlines() if "GLOBAL" in line), str(error).split("\n")[0])
        raise ConfigurationError(
            f"the checkpoint could not be read again: {reason} Let on_save_checkpoint, state_dict and "
            "save_hyperparameters of your classes keep tensors, numbers, strings, lists and dicts only"
        ) from error


def unwritable(target: Path, error: OSError) -> str:
    """What to do about a disk that refuses a checkpoint, and what is still there."""
    why = f"checkpoint {target} could not be written: {error.strerror or error}"
    remedy = "see that the volume of spec.output is mounted and writable"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        remedy = f"free space in {target.parent}, or give the claim of spec.output more"
    whole: list[str] = []
    with suppress(OSError):
        whole = newest_first(_names(target.parent))
    last = f"the last good one is {target.with_name(whole[0])}" if whole else "there is none yet"
    return f"{why}; {remedy}; {last}"


def _save(checkpoint: dict[str, Any], file: BinaryIO) -> None:
    torch.save(checkpoint, file)


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]
