"""Rows of numbers as an Arrow stream per split, which is mapped into memory and read without conversion.

FOLDER/{train,val}.arrow    float32 columns; also readable by pyarrow.ipc.open_stream, pandas and polars
dataset.json, about         features, target, ordered, mean and std of each column over the training rows
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from trainingjob_trainer.data.table_file import read_arrow, statistics
from trainingjob_trainer.errors import ConfigurationError
from trainingjob_trainer.prepare.sources import base, digest, find_files
from trainingjob_trainer.prepare.table_sources import SUFFIXES, TableSources, choose_columns, schema
from trainingjob_trainer.prepare.work import SOURCES, Piece

_END_OF_STREAM = b"\xff\xff\xff\xff\0\0\0\0"  # Arrow columnar format, "IPC streaming format"


@dataclass(frozen=True, slots=True)
class TableWork:
    """A table.

    Args:
        sources: of the rows
        total: number of rows
        held_out: share of the rows in `val`
        seed: of the choice of these rows; None: the last rows of a time series
        source: options and digest of the sources
    """

    name: str
    sources: TableSources
    total: int
    held_out: float
    seed: int | None
    source: dict[str, Any]
    kind: str = "table"
    unit: str = "rows"

    def made_from(self) -> dict[str, Any]:
        return self.source

    def opening(self) -> Mapping[str, bytes]:
        head = schema(self.sources.columns).serialize().to_pybytes()
        return {"train.arrow": head, "val.arrow": head}

    def pieces(self, skip: int) -> Iterator[Piece]:
        first = 0
        for number, batch in enumerate(self.sources.batches()):
            if number >= skip:
                val = self._is_val(number, first, batch.num_rows)
                parts = {"train.arrow": batch.filter(pa.array(~val)), "val.arrow": batch.filter(pa.array(val))}
                content = {name: part.serialize().to_pybytes() for name, part in parts.items() if part.num_rows}
                yield Piece(batch.num_rows, content)
            first += batch.num_rows

    def closing(self) -> Mapping[str, bytes]:
        return {"train.arrow": _END_OF_STREAM, "val.arrow": _END_OF_STREAM}

    def describe(self, folder: Path) -> tuple[dict[str, int], dict[str, Any]]:
        splits = {split: read_arrow(folder / f"{split}.arrow").num_rows for split in ("train", "val")}
        mean, std = statistics(read_arrow(folder / "train.arrow"))
        *features, target = self.sources.columns
        about = {"features": features, "target": target, "ordered": self.seed is None, "mean": mean, "std": std}
        return splits, about

    def _is_val(self, batch: int, first: int, rows: int) -> NDArray[np.bool_]:
        if self.seed is None:
            return np.arange(first, first + rows) >= self.total - round(self.total * self.held_out)
        return np.random.default_rng([self.seed, batch]).random(rows) < self.held_out


def table(source: Path, target: str, features: Sequence[str] | None, held_out: float, seed: int | None) -> TableWork:
    """The rows of CSV or Parquet files. Raises ConfigurationError that names what is wrong."""
    files, folder = find_files(source, SUFFIXES), base(source)
    columns = choose_columns(folder / files[0], target, features)
    sources = TableSources(folder, files, columns)
    rows = _rows(sources)
    options = {"kind": "table", "columns": columns, "held_out": held_out, "seed": seed, SOURCES: digest(folder, files)}
    return TableWork(source.resolve().stem, sources, rows, held_out, seed, options)


def _rows(sources: TableSources) -> int:
    try:
        rows = sources.rows()
    except (pa.ArrowException, KeyError) as error:
        raise ConfigurationError(f"{sources.folder}: its files cannot be read as one table ({error})") from error
    if rows < 2:
        raise ConfigurationError(f"{sources.folder}: the table has {rows} rows: it needs some to train and to hold out")
    return rows
