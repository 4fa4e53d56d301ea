"""CSV and Parquet files as one stream of record batches of numbers.

Decides which columns are used and that all of them are numbers; the split and the layout are table.py's.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from trainingjob_trainer.errors import ConfigurationError

SUFFIXES = (".csv", ".parquet")
ROWS_PER_BATCH = 2**16
_CSV_BLOCK = 2**24


@dataclass(frozen=True, slots=True)
class TableSources:
    """Files of the same columns; ``columns`` are the features and, last, the target."""

    folder: Path
    files: Sequence[str]
    columns: Sequence[str]

    def rows(self) -> int:
        """Rows of all files; reads CSV files once."""
        return sum(self._rows(self.folder / file) for file in self.files)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """float32 columns; the same batches every time. Raises ConfigurationError naming the file."""
        for file in self.files:
            path = self.folder / file
            try:
                for batch in self._read(path):
                    yield self._numbers(batch, path)
            except (pa.ArrowException, KeyError) as error:
                raise ConfigurationError(f"{path} cannot be read as numbers ({error}): mend or remove it") from error

    def _read(self, path: Path) -> Iterator[pa.RecordBatch]:
        if path.suffix == ".parquet":
            return iter(pq.ParquetFile(path).iter_batches(ROWS_PER_BATCH, columns=list(self.columns)))
        types = dict.fromkeys(self.columns, pa.float64())
        convert = pc.ConvertOptions(include_columns=list(self.columns), column_types=types)
        return iter(pc.open_csv(path, pc.ReadOptions(block_size=_CSV_BLOCK), convert_options=convert))

    def _numbers(self, batch: pa.RecordBatch, path: Path) -> pa.RecordBatch:
        for name in self.columns:
            if batch.column(name).null_count:
                raise ConfigurationError(f"{path}: column {name} has empty cells: fill them, or drop those rows")
        arrays = [batch.column(name).cast(pa.float32(), safe=False) for name in self.columns]
        for name, array in zip(self.columns, arrays, strict=True):
            if not np.isfinite(array).all():
                raise ConfigurationError(
                    f"{path}: column {name} holds NaN, or a number too large for float32: mend it, or drop that row"
                )
        return pa.RecordBatch.from_arrays(arrays, schema=schema(self.columns))

    def _rows(self, path: Path) -> int:
        if path.suffix == ".parquet":
            return int(pq.read_metadata(path).num_rows)
        return sum(batch.num_rows for batch in self._read(path))


def schema(columns: Sequence[str]) -> pa.Schema:
    """All float32, none empty."""
    return pa.schema([pa.field(name, pa.float32(), nullable=False) for name in columns])


def choose_columns(path: Path, target: str, features: Sequence[str] | None) -> list[str]:
    """Features, then the target, as the first file has them. Raises ConfigurationError naming a missing column."""
    found = _types(path)
    numbers = [name for name, type_ in found.items() if pa.types.is_integer(type_) or pa.types.is_floating(type_)]
    chosen = list(features) if features else [name for name in numbers if name != target]
    missing = [name for name in [*chosen, target] if name not in found]
    if missing:
        raise ConfigurationError(f"{path} has no column {', '.join(missing)}; it has {', '.join(found)}")
    text = [name for name in [*chosen, target] if name not in numbers]
    if text:
        raise ConfigurationError(f"{path}: column {', '.join(text)} holds no numbers: encode it, or name --features")
    if not chosen:
        raise ConfigurationError(f"{path} has no column of numbers beside {target}: there is nothing to predict from")
    return [*chosen, target]


def _types(path: Path) -> dict[str, pa.DataType]:
    """Types by column. Raises ConfigurationError if the file is no table, or the names are no UTF-8."""
    try:
        found = pq.read_schema(path) if path.suffix == ".parquet" else pc.open_csv(path).schema
        return {field.name: field.type for field in found}
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read as a table ({error}): mend or remove it") from error
