"""How a checkpoint gets onto the shared volume: whole or not at all, and only from the attempt that owns the folder.

Written beside its final name (a rename is atomic only within one file system), flushed to the disk, then renamed.
The one before is kept as `previous.ckpt`, so that there is a valid file at every moment. Never decides when to save.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins import CheckpointIO
from lightning_fabric.utilities.types import _PATH

from trainingjob_trainer.ownership import Owner, require_ownership

FOLDER = "checkpoints"
LAST = "last.ckpt"
PREVIOUS = "previous.ckpt"


@dataclass
class AtomicCheckpointIO(CheckpointIO):
    """Lightning's way to its checkpoint files. ``folder`` is the one that only ``owner`` may write; None: no output."""

    folder: Path | None
    owner: Owner

    def save_checkpoint(self, checkpoint: dict[str, Any], path: _PATH, storage_options: Any | None = None) -> None:
        """Write one checkpoint. Raises SupersededError if a newer attempt owns the folder, OSError as the disk does."""
        target = Path(path)
        self._check(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name}.{self.owner.attempt}.tmp")
        with draft.open("wb") as file:
            torch.save(checkpoint, file)
            file.flush()
            os.fsync(file.fileno())
        # Writing may have taken minutes: long enough for a newer attempt to have started.
        self._check(target)
        publish(draft, target)

    def load_checkpoint(
        self, path: _PATH, map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read one checkpoint. Tensors and plain values only: a pickle on a shared volume could run anything."""
        loaded: dict[str, Any] = torch.load(path, map_location=map_location or "cpu", weights_only=True)
        return loaded

    def remove_checkpoint(self, path: _PATH) -> None:
        """Delete one checkpoint, if it is still there."""
        self._check(Path(path))
        Path(path).unlink(missing_ok=True)

    def _check(self, target: Path) -> None:
        if self.folder is not None and target.parent == self.folder:
            require_ownership(self.folder, self.owner)


def publish(draft: Path, target: Path) -> None:
    """Give a written and flushed file its final name; a `last.ckpt` in its way becomes `previous.ckpt`."""
    if target.name == LAST and target.exists():
        target.replace(target.with_name(PREVIOUS))
    draft.replace(target)
    flush_folder(target.parent)


def flush_folder(folder: Path) -> None:
    """Make renames in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
