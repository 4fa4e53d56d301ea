"""The position in the checkpoint, with the real training loop: stopped after any step, training goes on behind it.

What is counted is what the model was given, not what loader processes have read ahead.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainingjob_trainer import log
from trainingjob_trainer.callbacks import ResumedLoader
from trainingjob_trainer.data.claim_data import ClaimData, Samples
from trainingjob_trainer.imports import without_scipy_signal
from trainingjob_trainer.loop import make_lean

with without_scipy_signal():
    import pytorch_lightning as pl

pytestmark = [pytest.mark.training, pytest.mark.filterwarnings("ignore")]

SAMPLES, BATCH, EPOCHS = 27, 6, 3
STEPS = SAMPLES // BATCH * EPOCHS


class Draws:
    """A dataset whose samples are the draws themselves."""

    def __len__(self) -> int:
        return SAMPLES

    def __getitems__(self, draws: Sequence[int]) -> Tensor:
        return torch.tensor(draws)


class DrawData(ClaimData):
    def __init__(self, batch_size: int = BATCH, num_workers: int = 0) -> None:
        super().__init__("/none", batch_size, num_workers, 4, seed=1)

    def open(self, split: str) -> Samples:
        return Draws()

    def fingerprint(self) -> str:
        return "draws"


class Recorder(pl.LightningModule):
    """Remembers what it was trained on; asks for its number of steps, which makes Lightning build loaders early."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.seen: list[list[int]] = []

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        self.seen.append(batch.tolist())
        return (self.weight * batch).sum()

    def validation_step(self, batch: Tensor, batch_idx: int) -> None: ...

    def configure_optimizers(self) -> Any:
        assert self.trainer.estimated_stepping_batches > 0
        return torch.optim.SGD(self.parameters(), lr=0.1)


class StoppedError(Exception):
    pass


class StopAfter(pl.Callback):
    def __init__(self, step: int, path: Path) -> None:
        self.step, self.path = step, path

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.global_step == self.step:
            trainer.save_checkpoint(self.path)
            raise StoppedError


class SaveAfterEpoch(pl.callbacks.Checkpoint):
    """As the trainer's own: among the last, when the epoch counts as processed."""

    def __init__(self, epoch: int, path: Path) -> None:
        self.epoch, self.path = epoch, path

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.current_epoch == self.epoch:
            trainer.save_checkpoint(self.path)
            raise StoppedError


def train(data: DrawData, *callbacks: pl.Callback, resume: Path | None = None) -> list[list[int]]:
    """The batches of one attempt."""
    log.quieten()
    model = Recorder()
    trainer = pl.Trainer(
        max_epochs=EPOCHS,
        accelerator="cpu",
        callbacks=[ResumedLoader(), *callbacks],
        logger=False,
        enable_checkpointing=any(isinstance(callback, SaveAfterEpoch) for callback in callbacks),
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    make_lean(trainer)
    with suppress(StoppedError):
        trainer.fit(model, datamodule=data, ckpt_path=resume)
    return model.seen


@pytest.fixture(scope="module")
def whole() -> list[list[int]]:
    return train(DrawData())


def flat(batches: Sequence[Sequence[int]]) -> Iterator[int]:
    return (draw for batch in batches for draw in batch)


CASES = [(step, 0) for step in range(1, STEPS + 1)] + [
    (step, 2) for step in (2, SAMPLES // BATCH, SAMPLES // BATCH + 1)
]


@pytest.mark.parametrize(("step", "workers"), CASES)
def test_a_run_that_was_stopped_after_any_step_goes_on_behind_it(
    step: int, workers: int, whole: list[list[int]], tmp_path: Path
) -> None:
    path, again = tmp_path / "stopped.ckpt", tmp_path / "again.ckpt"
    first = train(DrawData(num_workers=workers), StopAfter(step, path))
    second = train(DrawData(num_workers=workers), StopAfter(step + 1, again), resume=path)
    assert (first, second) == (whole[:step], whole[step : step + 1])

    if step < STEPS:
        assert train(DrawData(num_workers=workers), resume=again) == whole[step + 1 :]


@pytest.mark.parametrize("epoch", range(EPOCHS))
def test_a_run_that_was_stopped_after_an_epoch_goes_on_with_the_next(
    epoch: int, whole: list[list[int]], tmp_path: Path
) -> None:
    path = tmp_path / "stopped.ckpt"
    first = train(DrawData(), SaveAfterEpoch(epoch, path))
    assert first + train(DrawData(), resume=path) == whole


@pytest.mark.parametrize(("step", "batch_size"), [(1, 4), (2, 9), (3, 1), (4, 5), (6, 13)])
def test_another_batch_size_goes_on_at_the_same_sample(
    step: int, batch_size: int, whole: list[list[int]], tmp_path: Path
) -> None:
    path, again = tmp_path / "stopped.ckpt", tmp_path / "again.ckpt"
    first = train(DrawData(), StopAfter(step, path))
    second = train(DrawData(batch_size), StopAfter(step + 1, again), resume=path)
    third = train(DrawData(batch_size), resume=again)

    rest = [*second, *third]
    assert all(len(batch) == batch_size for batch in rest)
    epoch = step // (SAMPLES // BATCH)
    done = [draw for draw in [*flat(first), *flat(rest)] if draw // SAMPLES == epoch]
    assert len(done) == len(set(done)) > SAMPLES - batch_size
    for later in range(epoch + 1, EPOCHS):
        assert sum(draw // SAMPLES == later for draw in flat(rest)) == SAMPLES // batch_size * batch_size
