"""Token files: random windows out of one long row of numbers, mapped into memory.

    FOLDER/{train,val}.bin      uint16 or uint32, little endian
    FOLDER/dataset.json         about: vocabulary, dtype, end_of_text (absent: `dtype` and `vocabulary` are given)

An epoch cuts the row into windows that lie side by side, from an offset of its own, and shuffles them: each token is
seen about once per epoch, every time at another place in its window.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainingjob_trainer.data.claim_data import ClaimData
from trainingjob_trainer.data.description import (
    DESCRIPTION,
    Checks,
    Description,
    check_sizes,
    is_count,
    read_description,
)
from trainingjob_trainer.data.fingerprint import fingerprint
from trainingjob_trainer.errors import ConfigurationError
from trainingjob_trainer.limits import at_least

KIND = "tokens"
DTYPES = {"uint16": "<u2", "uint32": "<u4"}
ABOUT: Checks = {
    "vocabulary": lambda value: is_count(value) and value > 0,
    "dtype": lambda value: value in DTYPES.values(),
}


@dataclass(frozen=True, slots=True)
class TokenWindows:
    """Windows of ``context`` tokens and the one that follows; ``seed`` None: always from the first token on.

    A token beyond the ``vocabulary`` (None: not known) would be an error without a name on the CPU, and an assertion of
    the device on a GPU.
    """

    tokens: NDArray[np.uint16] | NDArray[np.uint32]
    context: int
    seed: int | None
    path: Path = Path()
    vocabulary: int | None = None

    def __len__(self) -> int:
        # One window less where offsets vary, so that the last one always fits.
        spare = self.context if self._varies else 1
        return max(0, (len(self.tokens) - spare) // self.context)

    def __getitems__(self, draws: Sequence[int]) -> Tensor:
        """Tokens int32 [B, context + 1]. Raises ConfigurationError for one beyond the vocabulary."""
        starts = [self.start(draw) for draw in draws]
        tokens = np.stack([self.tokens[at : at + self.context + 1] for at in starts])
        if self.vocabulary is not None and tokens.max() >= self.vocabulary:
            raise ConfigurationError(
                f"{self.path} holds the token {tokens.max()}, beyond a vocabulary of {self.vocabulary}: set "
                "model.init_args.vocabulary (and data.init_args.vocabulary, if given) to the number of tokens that its "
                "tokenizer knows"
            )
        return torch.from_numpy(tokens.astype(np.int32))

    def start(self, draw: int) -> int:
        """Where the window of a draw begins."""
        epoch, index = divmod(draw, len(self))
        offset = epoch_offset(self.seed, epoch, self.context) if self._varies and self.seed is not None else 0
        return offset + index * self.context

    @property
    def _varies(self) -> bool:
        return self.seed is not None and len(self.tokens) >= 2 * self.context


def epoch_offset(seed: int, epoch: int, context: int) -> int:
    """Where the first window of an epoch begins, 0 to context - 1."""
    digest = hashlib.blake2b(f"{seed} {epoch}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") % context


class Tokens(ClaimData):
    """Token files as `prepare tokens` writes them, or plain train.bin and val.bin.

    Args:
        folder: the dataset; by default where the operator mounts spec.data (TRAININGJOB_DATA_DIR, /data)
        context: tokens per window; a batch is int64 [B, context + 1], inputs and their successors
        dtype: uint16 or uint32, of files without a dataset.json
        vocabulary: number of different tokens, of files without a dataset.json
        batch_size: windows per step over all processes together; the number of processes must divide it
        num_workers: loader processes per training process; by default none on the CPU and one beside a GPU
        prefetch: batches that each of them reads ahead
        seed: of the order and the offsets of the windows
    """

    noun = "windows"

    def __init__(
        self,
        folder: str | None = None,
        context: int = 256,
        dtype: str | None = None,
        vocabulary: int | None = None,
        batch_size: int = 32,
        num_workers: int | None = None,
        prefetch: int = 2,
        seed: int = 0,
    ) -> None:
        super().__init__(folder, batch_size, num_workers, prefetch, seed)
        if dtype is not None and dtype not in DTYPES:
            raise ConfigurationError(f"data.dtype is {dtype}: it must be {' or '.join(DTYPES)}")
        at_least(1, "data", context=context, vocabulary=vocabulary)
        self.context = context
        self.dtype = dtype
        self._vocabulary = vocabulary
        self._description: Description | None = None

    @property
    def vocabulary(self) -> int | None:
        """Number of different tokens, None if nobody has said it."""
        return self._vocabulary if self.dtype else int(self.description.about["vocabulary"])

    @property
    def description(self) -> Description:
        """What the dataset says of itself, read once. Raises ConfigurationError."""
        if self._description is None:
            self._description = read_description(self.folder, KIND, ABOUT)
            check_sizes(self.folder, self._description)
        return self._description

    def open(self, split: str) -> TokenWindows:
        dtype = DTYPES[self.dtype] if self.dtype else self.description.about["dtype"]
        path, seed = self._path(split), self.seed if split == "train" else None
        windows = TokenWindows(_map(path, dtype), self.context, seed, path, self.vocabulary)
        if len(windows) == 0:
            raise ConfigurationError(
                f"{path} holds {len(windows.tokens)} tokens, fewer than a window of data.context + 1 = "
                f"{self.context + 1}: lower data.context, or prepare more text"
            )
        return windows

    def expect(self, vocabulary: int) -> None:
        """Let no token pass that is not below this number, where nobody has said how many there are."""
        self._vocabulary = vocabulary
        self._opened.clear()

    def fingerprint(self) -> str:
        described = [] if self.dtype else [self.folder / DESCRIPTION]
        return fingerprint([*described, self._path("train"), self._path("val")])

    def on_after_batch_transfer(self, batch: Tensor, dataloader_idx: int) -> Tensor:
        """int64 on the device only: half the transfer."""
        return batch.long()

    def _path(self, split: str) -> Path:
        return self.folder / f"{split}.bin"


def _map(path: Path, dtype: str) -> NDArray[np.uint16] | NDArray[np.uint32]:
    try:
        return np.memmap(path, dtype, "r")
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be read as {dtype} tokens ({error}): prepare it anew") from error
