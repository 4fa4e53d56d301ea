"""Tables for training: rows of numbers, or windows of successive rows of a time series.

Columns are standardised on the device with mean and deviation of the training rows, so that no feature weighs more
because of its unit. Reads what `prepare table` wrote, or *.parquet and *.arrow files as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainingjob_trainer.data.claim_data import ClaimData
from trainingjob_trainer.data.description import (
    DESCRIPTION,
    Checks,
    Description,
    check_sizes,
    is_names,
    is_numbers,
    read_description,
)
from trainingjob_trainer.data.fingerprint import fingerprint
from trainingjob_trainer.data.table_file import Columns, columns_of, read_arrow
from trainingjob_trainer.errors import ConfigurationError
from trainingjob_trainer.limits import above_zero, at_least, below_one

KIND = "table"
ABOUT: Checks = {
    "features": is_names,
    "target": lambda value: isinstance(value, str),
    "mean": is_numbers,
    "std": is_numbers,
}
PARQUET = ".parquet"
Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class RowWindows:
    """Windows of ``window`` rows and the target ``horizon`` rows after the last of them.

    The columns are the features and, last, the target. ``rows`` are the first and the one behind the last row in use.
    """

    columns: Columns
    window: int
    horizon: int
    rows: tuple[int, int]

    def __len__(self) -> int:
        first, end = self.rows
        return max(0, end - first - self.window - self.horizon + 1)

    def __getitems__(self, draws: Sequence[int]) -> Batch:
        """Features float32 [B, F], or [B, window, F] with a window of more rows than one, and targets float32 [B]."""
        starts = np.asarray(draws) % len(self) + self.rows[0]
        rows = (starts[:, None] + np.arange(self.window)).reshape(-1)
        seen = self.columns.rows(rows).reshape(len(draws), self.window, -1)
        # In the same row the target has been read along with the features.
        last = self.columns.rows(starts + self.window - 1 + self.horizon) if self.horizon else seen[:, -1]
        features = seen[:, 0, :-1] if self.window == 1 else seen[..., :-1]
        return torch.from_numpy(np.ascontiguousarray(features)), torch.from_numpy(np.ascontiguousarray(last[:, -1]))


class Table(ClaimData):
    """A table of numbers: a prepared one, or a folder of Parquet and Arrow files.

    Args:
        folder: the dataset; by default where the operator mounts spec.data (TRAININGJOB_DATA_DIR, /data)
        target: column that is predicted; a prepared table knows its own
        features: columns to predict it from; a prepared table knows its own
        window: rows that are seen at once; more than 1 for a time series
        horizon: the target is this many rows after the last one seen; 0 is in the same row
        held_out: share of the rows, the last ones, that is held out of files that were not prepared
        batch_size: rows per step over all processes together; the number of processes must divide it
        num_workers: loader processes per training process; by default none on the CPU and one beside a GPU
        prefetch: batches that each of them reads ahead
        seed: of the order of the training rows
    """

    noun = "rows"

    def __init__(
        self,
        folder: str | None = None,
        target: str | None = None,
        features: list[str] | None = None,
        window: int = 1,
        horizon: int = 0,
        held_out: float = 0.1,
        batch_size: int = 64,
        num_workers: int | None = None,
        prefetch: int = 2,
        seed: int = 0,
    ) -> None:
        super().__init__(folder, batch_size, num_workers, prefetch, seed)
        at_least(1, "data", window=window)
        at_least(0, "data", horizon=horizon)
        above_zero("data", held_out=held_out)
        below_one("data", held_out=held_out)
        self.target = target
        self.features = features
        self.window = window
        self.horizon = horizon
        self.held_out = held_out
        self._description: Description | None = None
        self._moments: tuple[Tensor, Tensor] | None = None

    @property
    def prepared(self) -> bool:
        """Whether the folder is one that `prepare table` wrote; an empty one is reported as such."""
        return (self.folder / DESCRIPTION).exists() or not self._plain_files()

    @property
    def description(self) -> Description:
        """What a prepared table says of itself, read once. Raises ConfigurationError."""
        if self._description is None:
            self._description = read_description(self.folder, KIND, ABOUT)
            check_sizes(self.folder, self._description)
        return self._description

    @property
    def names(self) -> list[str]:
        """The features and, last, the target."""
        if self.prepared:
            about = self.description.about
            names = [*(self.features or about["features"]), self.target or about["target"]]
            return _known(names, [*about["features"], about["target"]], self.folder)
        if not self.features or not self.target:
            raise ConfigurationError(f"data.features and data.target: {self.folder} is not prepared, so name them")
        return [*self.features, self.target]

    @property
    def inputs(self) -> int:
        """Numbers per sample: features of all rows of a window."""
        return (len(self.names) - 1) * self.window

    def open(self, split: str) -> RowWindows:
        columns = self._columns(split)
        rows = (0, len(columns)) if self.prepared else self._part(split, len(columns))
        windows = RowWindows(columns, self.window, self.horizon, rows)
        if len(windows) == 0:
            raise ConfigurationError(
                f"{self.folder}: {rows[1] - rows[0]} {split} rows are fewer than data.window + data.horizon: lower them"
            )
        return windows

    def check(self, world_size: int) -> None:
        """As of every dataset, and what its columns are standardised with."""
        super().check(world_size)
        self.moments()

    def fingerprint(self) -> str:
        files = [self.folder / DESCRIPTION, *map(self._arrow, ("train", "val"))]
        return fingerprint(files if self.prepared else self._plain_files(), *self.names)

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Features and target less their means, by their deviations."""
        features, target = batch
        mean, std = (moment.to(features.device) for moment in self.moments())
        return (features - mean[:-1]) / std[:-1], (target - mean[-1]) / std[-1]

    def moments(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation over the training rows, float32 [F + 1]; the target's are the last."""
        if self._moments is None:
            train = self.split("train")
            assert isinstance(train, RowWindows)
            self._moments = self._described_moments() if self.prepared else _moments(train)
        return self._moments

    def _described_moments(self) -> tuple[Tensor, Tensor]:
        about = self.description.about
        columns = [*about["features"], about["target"]]
        if not len(columns) == len(about["mean"]) == len(about["std"]):
            raise ConfigurationError(
                f"data.folder {self.folder}: its {DESCRIPTION} has mean and std of other columns than it names; remove "
                "it and write it anew with `python -m trainingjob_trainer prepare table`"
            )
        places = [columns.index(name) for name in self.names]
        mean, std = (torch.tensor(about[key])[places] for key in ("mean", "std"))
        return mean, std

    def _columns(self, split: str) -> Columns:
        import pyarrow as pa

        names = self.names  # says better than pyarrow what is missing
        try:
            columns = columns_of(read_arrow(self._arrow(split)) if self.prepared else self._plain(names), names)
        except (pa.ArrowException, KeyError, OSError) as error:
            raise ConfigurationError(f"data.folder {self.folder}: its table cannot be read ({error})") from error
        if not self.prepared and any(np.isnan(column).any() for chunk in columns.chunks for column in chunk):
            raise ConfigurationError(f"data.folder {self.folder}: it has empty cells; `prepare table` names the column")
        return columns

    def _plain(self, names: list[str]) -> Any:
        import pyarrow as pa
        import pyarrow.feather as feather
        import pyarrow.parquet as pq

        read = [
            pq.read_table(path, columns=names) if path.suffix == PARQUET else feather.read_table(path, columns=names)
            for path in self._plain_files()
        ]
        return pa.concat_tables(read)

    def _part(self, split: str, rows: int) -> tuple[int, int]:
        border = rows - max(1, round(rows * self.held_out))
        return (0, border) if split == "train" else (border, rows)

    def _plain_files(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        return sorted(path for path in self.folder.iterdir() if path.suffix in (PARQUET, ".arrow", ".feather"))

    def _arrow(self, split: str) -> Path:
        return self.folder / f"{split}.arrow"


def _known(names: list[str], columns: list[str], folder: Path) -> list[str]:
    """The names, if they are columns of the prepared table. Raises ConfigurationError."""
    missing = [name for name in names if name not in columns]
    if missing:
        raise ConfigurationError(
            f"data.features and data.target: {folder} has no column {', '.join(missing)}; it has {', '.join(columns)}"
        )
    return names


def _moments(train: RowWindows) -> tuple[Tensor, Tensor]:
    rows = train.columns.rows(np.arange(*train.rows))
    std = rows.std(axis=0, dtype=np.float64)
    mean = rows.mean(axis=0, dtype=np.float64)
    return torch.from_numpy(mean).float(), torch.from_numpy(np.where(std == 0, 1, std)).float()
