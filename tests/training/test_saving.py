"""When a checkpoint is saved, who is asked, and what a background writer owes to the thread that trains."""

import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from trainingjob_trainer.imports import without_scipy_signal

with without_scipy_signal():
    import pytorch_lightning as pl

from torch.utils.data import DataLoader

from trainingjob_trainer import log
from trainingjob_trainer.agreement import Agreement
from trainingjob_trainer.checkpoint import AtomicCheckpointIO
from trainingjob_trainer.errors import PreemptedError
from trainingjob_trainer.loop import make_lean
from trainingjob_trainer.ownership import Owner
from trainingjob_trainer.preemption import Preemption
from trainingjob_trainer.resume import find_resume_point
from trainingjob_trainer.retention import BEST, newest_first, step_of
from trainingjob_trainer.saving import SaveAndStop, Saving
from trainingjob_trainer.writer import BackgroundWriter

pytestmark = [pytest.mark.training, pytest.mark.filterwarnings("ignore")]

BATCHES: Any = [(torch.ones(2, 3), torch.ones(2, 1))] * 7


class Line(pl.LightningModule):
    """One layer; its val_loss is what it is told to be. It may be told to stop at a step, or in a validation."""

    def __init__(self, losses: list[float], preemption: Preemption, stop_at: str = "") -> None:
        super().__init__()
        self.net = torch.nn.Linear(3, 1)
        self.losses, self.preemption, self.stop_at = losses, preemption, stop_at

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        self.preemption.requested |= self.stop_at == f"step {self.global_step + 1}"
        return torch.nn.functional.mse_loss(self.net(batch[0]), batch[1])

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.preemption.requested |= self.stop_at == f"validation {self.current_epoch + 1}"
        self.log("val_loss", self.losses[self.current_epoch])

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def train(
    folder: Path, saving: Saving, losses: list[float], stop_at: str = "", resume: Path | None = None
) -> list[int]:
    """Train; returns the steps of the checkpoints that are left, the oldest first."""
    log.quieten()
    preemption = Preemption()
    io = AtomicCheckpointIO(folder, Owner("digits", "", 1), saving.keep)
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=len(losses),
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[SaveAndStop(folder, saving, preemption, io)],
        plugins=[io],
        num_sanity_val_steps=0,
    )
    make_lean(trainer)
    model = Line(losses, preemption, stop_at)
    try:
        trainer.fit(model, DataLoader(BATCHES, None), DataLoader(BATCHES, None), ckpt_path=resume)
    except PreemptedError:
        assert stop_at
    names = newest_first(path.name for path in folder.iterdir())
    return [step for name in reversed(names) if (step := step_of(name)) is not None]


@pytest.mark.parametrize(
    ("saving", "steps"),
    [
        (Saving(keep=9), [7, 14, 21, 28]),
        (Saving(), [21, 28]),
        (Saving(every_epochs=3, keep=9), [21, 28]),
        (Saving(every_epochs=0, every_steps=5, keep=9), [5, 10, 15, 20, 25]),
        (Saving(every_steps=5, keep=9), [5, 7, 10, 14, 15, 20, 21, 25, 28]),
        # The clock is always late: a save at each agreement that is not just before a validation.
        (Saving(every_epochs=0, every_minutes=1e-9, keep=1), [28]),
    ],
)
def test_checkpoints_are_saved_after_epochs_steps_and_by_the_clock(
    saving: Saving, steps: list[int], tmp_path: Path
) -> None:
    left = train(tmp_path, saving, [1.0] * 4)
    assert left == steps or (saving.every_minutes and left)


@pytest.mark.parametrize(("mode", "step"), [("min", 14), ("max", 21)])
def test_the_best_checkpoint_is_kept_also_over_a_restart(mode: Any, step: int, tmp_path: Path) -> None:
    saving, losses = Saving(monitor="val_loss", mode=mode), [2.0, 1.0, 4.0, 3.0]
    train(tmp_path, saving, losses, stop_at="step 24")
    point = find_resume_point(tmp_path)
    assert point is not None
    train(tmp_path, saving, losses, resume=point.path)
    assert torch.load(tmp_path / BEST)["global_step"] == step


def test_a_metric_that_nobody_logs_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(tmp_path, Saving(monitor="val_los"), [2.0, 1.0])

    told = capsys.readouterr().err
    assert told.count("checkpoint.monitor: no metric 'val_los' after epoch 1; logged: ") == 1
    assert "val_loss" in told


def test_a_metric_that_was_no_number_is_not_the_best_for_ever(tmp_path: Path) -> None:
    train(tmp_path, Saving(monitor="val_loss"), [float("nan"), 2.0, float("nan")])

    assert torch.load(tmp_path / BEST)["global_step"] == 14


@pytest.mark.parametrize(
    ("stop_at", "step"),
    [("step 1", 1), ("validation 2", 14), ("step 28", None)],
)
def test_told_to_stop_it_saves_at_once_and_goes_on_there(stop_at: str, step: int | None, tmp_path: Path) -> None:
    stopped = train(tmp_path, Saving(keep=1), [1.0] * 4, stop_at)
    assert stopped == [step or 28]
    if step is None:
        return  # training was done
    point = find_resume_point(tmp_path)
    assert point is not None
    assert train(tmp_path, Saving(keep=1), [1.0] * 4, resume=point.path) == [28]


def test_a_verdict_stays_until_it_is_acted_on() -> None:
    agreement = Agreement(Preemption(requested=True), every_seconds=0.0)
    trainer: Any = type("Alone", (), {"world_size": 1})()
    agreement.ask(trainer)
    agreement.preemption.requested = False
    agreement.ask(trainer)
    assert (agreement.verdict.stop, agreement.verdict.save) == (True, True)
    agreement.saved()
    assert (agreement.verdict.stop, agreement.verdict.save) == (True, False)


def test_what_follows_a_write_waits_for_it_and_is_left_out_if_it_fails() -> None:
    writer, gate, done = BackgroundWriter(), threading.Event(), list[str]()
    writer.submit(lambda: (gate.wait(120), done.append("written")))  # type: ignore[arg-type, return-value]
    writer.after(lambda: done.append("removed"))
    assert (writer.busy, done) == (True, [])
    gate.set()
    writer.wait()
    assert done == ["written", "removed"]
    gate.clear()
    writer.submit(lambda: (gate.wait(120), 1 / 0))  # type: ignore[arg-type, return-value]
    writer.after(lambda: done.append("removed again"))
    gate.set()
    with pytest.raises(ZeroDivisionError):
        writer.wait()
    writer.wait()
    assert done == ["written", "removed"]
