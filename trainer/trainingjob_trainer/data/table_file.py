"""Columns of numbers on disk, read row by row in any order.

A prepared Arrow stream is mapped into memory and never copied as a whole. Parquet is compressed, so it is decoded
into memory once; that is said in docs/data.md. Imports pyarrow only when a table is opened.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Columns:
    """float32 columns in chunks: ``chunks[k][c]`` holds rows ``bounds[k]`` to ``bounds[k + 1]`` of column c."""

    chunks: Sequence[Sequence[NDArray[np.float32]]]
    bounds: NDArray[np.int64]

    def __len__(self) -> int:
        return int(self.bounds[-1])

    def rows(self, wanted: NDArray[np.int64]) -> NDArray[np.float32]:
        """The rows [n] as float32 [n, columns]."""
        if len(self.chunks) == 1:
            return np.stack([column[wanted] for column in self.chunks[0]], axis=1)
        owner = np.searchsorted(self.bounds, wanted, side="right") - 1
        out = np.empty((len(wanted), len(self.chunks[0])), np.float32)
        for chunk in np.unique(owner):
            mine = owner == chunk
            local = wanted[mine] - self.bounds[chunk]
            out[mine] = np.stack([column[local] for column in self.chunks[chunk]], axis=1)
        return out


def columns_of(table: Any, names: Sequence[str]) -> Columns:
    """The columns of a pyarrow table, without a copy where they are float32 already. Raises KeyError, ArrowException.

    A column that has empty cells becomes one with NaN in their place.
    """
    import pyarrow as pa

    batches = table.select(list(names)).cast(pa.schema([(name, pa.float32()) for name in names])).to_batches()
    chunks = [[column.to_numpy(zero_copy_only=False) for column in batch.columns] for batch in batches]
    sizes = [batch.num_rows for batch in batches]
    return Columns(chunks, np.cumsum([0, *sizes]))


def read_arrow(path: Path) -> Any:
    """A prepared Arrow stream as a table over a memory map."""
    import pyarrow as pa

    with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as stream:
        return stream.read_all()


def statistics(table: Any) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each column; 1 for one that never changes, so that it can be divided by."""
    import pyarrow.compute as pc

    means = [float(pc.mean(column).as_py()) for column in table.columns]
    stds = [float(pc.stddev(column).as_py()) or 1.0 for column in table.columns]
    return means, stds
