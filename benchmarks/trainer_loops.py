"""Three loops over the same model and data in one process group: plain PyTorch, this trainer, Lightning as shipped.

One process of the gang. They take turns, so that what the machine does besides falls on all of them. Each loop says
how many seconds its steps took; how they are compared is in trainer.py.
"""

import argparse
import json
import logging
import os
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from trainingjob_trainer.imports import without_scipy_signal

with without_scipy_signal():
    import pytorch_lightning as pl

from trainingjob_trainer.callbacks import EpochLine, ResumedLoader, without_lightnings_sigterm
from trainingjob_trainer.checkpoint import AtomicCheckpointIO
from trainingjob_trainer.cluster import GangEnvironment
from trainingjob_trainer.curves import Curves, loggers
from trainingjob_trainer.environment import Environment, read_environment
from trainingjob_trainer.loop import make_lean
from trainingjob_trainer.ownership import owner_of
from trainingjob_trainer.preemption import Preemption
from trainingjob_trainer.randomness import Randomness
from trainingjob_trainer.saving import SaveAndStop, Saving

BATCH = 32
KEPT = 16  # different batches


class Model(pl.LightningModule):
    """Four layers of ``width``; ``logs``: whether each step calls self.log, as most models do."""

    def __init__(self, width: int, logs: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        layers = [nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1)]
        self.net = nn.Sequential(*layers)
        self.logs = logs

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.net(inputs)
        return outputs

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        loss = nn.functional.mse_loss(self(batch[0]), batch[1])
        if self.logs:
            self.log("loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.01, momentum=0.9)


@dataclass
class Timed:
    """The batches of one epoch, and when each was asked for."""

    batches: Sequence[Any]
    steps: int
    asked: list[float] = field(default_factory=list)
    worked: list[float] = field(default_factory=list)

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[Any]:
        for number in range(self.steps):
            self.asked.append(time.perf_counter())
            self.worked.append(time.thread_time())
            yield self.batches[number % KEPT]

    def per_step(self, moments: list[float]) -> list[float]:
        """Seconds of each step but the first tenth: of the clock (``asked``) or of this thread's CPU (``worked``)."""
        counted = moments[self.steps // 10 :]
        return [after - before for before, after in pairwise(counted)]


def plain(model: Model, data: Timed) -> None:
    """The loop that one would write by hand."""
    ddp = DistributedDataParallel(model.net)
    optimizer = model.configure_optimizers()
    for inputs, targets in data:
        loss = nn.functional.mse_loss(ddp(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def ours(model: Model, data: Timed) -> None:
    """This trainer, with the files of figures that it writes for a job with an output."""
    with tempfile.TemporaryDirectory() as output:
        our_trainer(logger=loggers(Path(output), read_environment(os.environ))).fit(model, data)


def our_trainer(**settings: Any) -> pl.Trainer:
    """The trainer as `python -m trainingjob_trainer` puts it together, with its callbacks."""
    place = read_environment(os.environ)
    io = AtomicCheckpointIO(None, owner_of(place))
    stop = SaveAndStop(None, Saving(), Preemption(), io)
    trainer = _trainer(place, [EpochLine(), ResumedLoader(), Randomness(), stop, Curves()], plugins=[io], **settings)
    make_lean(trainer)
    without_lightnings_sigterm(trainer)
    return trainer


def shipped(model: Model, data: Timed) -> None:
    """Lightning's Trainer with the same settings and none of our parts."""
    _trainer(read_environment(os.environ), []).fit(model, data)


LOOPS = {"plain": plain, "ours": ours, "shipped": shipped}


def _trainer(place: Environment, callbacks: list[Any], plugins: Sequence[Any] = (), **settings: Any) -> pl.Trainer:
    common: dict[str, Any] = {
        "accelerator": "cpu",
        "devices": place.devices,
        "num_nodes": place.num_nodes,
        "strategy": "ddp",
        "max_epochs": 1,
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": bool(callbacks),
        "callbacks": callbacks,
        "plugins": [GangEnvironment(place), *plugins],
    }
    return pl.Trainer(**(common | settings))


def quiet() -> None:
    """No remarks about a run that is only measured."""
    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)


def measure(width: int, steps: int, rounds: int, logs: bool) -> dict[str, list[float]]:
    """Seconds of every counted step, by loop, and of CPU; the loops take turns, every second round the other way."""
    generator = torch.Generator().manual_seed(dist.get_rank())
    batches = [(torch.randn(BATCH, 64, generator=generator), torch.randn(BATCH, 1)) for _ in range(KEPT)]
    seconds: dict[str, list[float]] = {f"{name}{kind}": [] for name in LOOPS for kind in ("", " cpu")}
    for number in range(rounds):
        names = list(LOOPS) if number % 2 else list(LOOPS)[::-1]
        for name in names:
            data = Timed(batches, steps)
            dist.barrier()
            LOOPS[name](Model(width, logs), data)
            seconds[name] += data.per_step(data.asked)
            seconds[f"{name} cpu"] += data.per_step(data.worked)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=json.loads, help="[[width, steps, rounds, logs], ...]")
    parser.add_argument("--result", type=Path, help="where rank 0 writes its figures")
    options = parser.parse_args()
    quiet()
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    figures = [measure(*case) for case in options.cases]
    if dist.get_rank() == 0:
        options.result.write_text(json.dumps(figures))
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
