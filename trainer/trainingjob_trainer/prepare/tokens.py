"""Text as tokens: one flat file of numbers per split, read by memory mapping.

    FOLDER/{train,val}.bin      uint16 or uint32, little endian, documents one behind the other
    dataset.json, about         vocabulary (number of different tokens), dtype, end_of_text (number, or null)

Text files become their UTF-8 bytes (tokens 0 to 255), each document ended by 256; that needs no tokenizer and loses
nothing. Files of numbers (.npy, one dimension) are taken as they are, from any tokenizer. The end of each document
is held out. Never shuffles: data/tokens.py draws windows at random.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainingjob_trainer.errors import ConfigurationError
from trainingjob_trainer.prepare.sources import base, digest, find_files
from trainingjob_trainer.prepare.work import SOURCES, Piece

TOKENS_PER_PIECE = 2**20
BYTES = 256
ARRAY = ".npy"


@dataclass(frozen=True, slots=True)
class Stretch:
    """Tokens ``start`` to ``stop`` of a file, for one split; ``ends`` the document in this split."""

    file: str
    split: str
    start: int
    stop: int
    ends: bool


@dataclass(frozen=True, slots=True)
class TokensWork:
    """Documents as tokens.

    Args:
        folder: of the files
        files: relative names and their numbers of tokens
        vocabulary: number of different tokens, end_of_text among them
        end_of_text: the token behind each text, None for files of numbers
        held_out: share of each document's end
        source: options and digest of the sources
    """

    folder: Path
    name: str
    files: Mapping[str, int]
    vocabulary: int
    end_of_text: int | None
    held_out: float
    source: dict[str, Any]
    kind: str = "tokens"
    unit: str = "tokens"

    @property
    def dtype(self) -> str:
        return "<u2" if self.vocabulary <= 2**16 else "<u4"

    @property
    def total(self) -> int:
        return sum(self.files.values())

    def made_from(self) -> dict[str, Any]:
        return self.source

    def opening(self) -> Mapping[str, bytes]:
        return {"train.bin": b"", "val.bin": b""}

    def pieces(self, skip: int) -> Iterator[Piece]:
        for stretch in list(self._stretches())[skip:]:
            tokens = self._read(stretch)
            if stretch.ends and self.end_of_text is not None:
                tokens = np.append(tokens, self.end_of_text)
            yield Piece(stretch.stop - stretch.start, {f"{stretch.split}.bin": tokens.astype(self.dtype).tobytes()})

    def closing(self) -> Mapping[str, bytes]:
        return {}

    def describe(self, folder: Path) -> tuple[dict[str, int], dict[str, Any]]:
        width = np.dtype(self.dtype).itemsize
        splits = {split: (folder / f"{split}.bin").stat().st_size // width for split in ("train", "val")}
        return splits, {"vocabulary": self.vocabulary, "dtype": self.dtype, "end_of_text": self.end_of_text}

    def _stretches(self) -> Iterator[Stretch]:
        for file, size in self.files.items():
            border = size - round(size * self.held_out)
            for split, first, last in (("train", 0, border), ("val", border, size)):
                for start in range(first, last, TOKENS_PER_PIECE):
                    stop = min(last, start + TOKENS_PER_PIECE)
                    yield Stretch(file, split, start, stop, stop == last)

    def _read(self, stretch: Stretch) -> NDArray[Any]:
        path = self.folder / stretch.file
        if path.suffix == ARRAY:
            tokens = np.asarray(np.load(path, mmap_mode="r")[stretch.start : stretch.stop])
            self._check(path, tokens)
            return tokens
        # Not through a memory map: a file that shrinks meanwhile must be an error, not a signal.
        return np.fromfile(path, np.uint8, stretch.stop - stretch.start, offset=stretch.start).astype(np.int64)

    def _check(self, path: Path, tokens: NDArray[Any]) -> None:
        if tokens.size and not 0 <= int(tokens.min()) <= int(tokens.max()) < self.vocabulary:
            raise ConfigurationError(
                f"{path} holds the token {int(tokens.max())}, beyond --vocabulary {self.vocabulary}: give the number "
                "of tokens that its tokenizer knows"
            )


def tokens(source: Path, suffixes: list[str], held_out: float, vocabulary: int | None) -> TokensWork:
    """The text files, or files of numbers, of a folder. Raises ConfigurationError that names what is wrong."""
    names, folder = find_files(source, suffixes), base(source)
    are_numbers = {Path(name).suffix == ARRAY for name in names}
    if len(are_numbers) > 1:
        raise ConfigurationError(f"{source} mixes {ARRAY} files with text: pack one kind at a time, with --suffix")
    numbers = are_numbers.pop()
    if numbers and vocabulary is None:
        raise ConfigurationError(f"{source} holds tokens as {ARRAY}: say with --vocabulary how many there are")
    files = {name: _length(folder / name) for name in names}
    if not any(files.values()):
        raise ConfigurationError(f"{source}: every file is empty")
    options = {"kind": "tokens", "held_out": held_out, "vocabulary": vocabulary, SOURCES: digest(folder, names)}
    size = vocabulary if numbers and vocabulary else BYTES + 1
    return TokensWork(folder, source.resolve().name, files, size, None if numbers else BYTES, held_out, options)


def _length(path: Path) -> int:
    if path.suffix != ARRAY:
        return path.stat().st_size
    try:
        array = np.load(path, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be read as an array ({error}): write it anew or remove it") from error
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ConfigurationError(f"{path} is {array.dtype} of shape {array.shape}: it must be whole numbers in a row")
    return len(array)
