"""A training loop beside a plain PyTorch loop, in one process group: this trainer, Lightning as shipped, plain itself.

One process of the gang. Each loop of the three trains in turns of a few steps with the plain one: whenever a turn
begins, its data first let the plain loop take as many steps. So both do their steps within the same tenths of a second,
on the same two cores, and what the machine does besides falls on both. Alike are the model, the batches (in memory,
no workers), one thread, DDP over gloo with its defaults, and SGD with its defaults; each loop has a model of its own.
Says how many seconds each step took; how they are compared is in trainer.py.
"""

import argparse
import json
import logging
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from support.pods import free_port
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
from trainingjob_trainer.reporting import PORT
from trainingjob_trainer.saving import SaveAndStop, Saving

BATCH = 32
KEPT = 16  # different batches

Turn = list[tuple[float, float]]  # its moments


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


def now() -> tuple[float, float]:
    """A moment: seconds of the clock, and of CPU that all threads of this process have used."""
    return time.perf_counter(), time.process_time()


@dataclass
class Timed:
    """The batches of one epoch, in turns of ``turn`` steps, and when each was asked for.

    ``others`` is called before each turn. A turn's moments are those of its batches and of its end; the last turn has
    no end, for who knows the number of batches does not ask once more.
    """

    batches: Sequence[Any]
    steps: int
    turn: int
    others: Callable[[], None] = lambda: None
    turns: list[Turn] = field(default_factory=list)

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[Any]:
        for number in range(self.steps):
            if number % self.turn == 0:
                if self.turns:
                    self.turns[-1].append(now())
                self.others()
                self.turns.append([])
            self.turns[-1].append(now())
            yield self.batches[number % KEPT]


def plain(model: Model, data: Iterable[Any]) -> Iterator[None]:
    """The loop that one would write by hand; pauses after each step."""
    ddp = DistributedDataParallel(model.net)
    optimizer = model.configure_optimizers()
    for inputs, targets in data:
        loss = nn.functional.mse_loss(ddp(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield


def plain_again(model: Model, data: Timed) -> None:
    """The same once more: how far from 1 the ratio of equal loops is here."""
    for _ in plain(model, data):
        pass


def ours(model: Model, data: Timed) -> None:
    """This trainer as under the operator: it writes its files of figures, and tells its progress on a port."""
    port = {PORT: str(free_port())}
    with tempfile.TemporaryDirectory() as output, mock.patch.dict(os.environ, port):
        our_trainer(logger=loggers(Path(output), read_environment(os.environ))).fit(model, data)


def our_trainer(**settings: Any) -> pl.Trainer:
    """The trainer as `python -m trainingjob_trainer` puts it together, with its callbacks."""
    place = read_environment(os.environ)
    io = AtomicCheckpointIO(None, owner_of(place))
    stop = SaveAndStop(None, Saving(), _preemption(), io)
    trainer = _trainer(place, [EpochLine(), ResumedLoader(), Randomness(), stop, Curves()], plugins=[io], **settings)
    make_lean(trainer)
    without_lightnings_sigterm(trainer)
    return trainer


@cache
def _preemption() -> Preemption:
    """Installed once, with its thread, as in a process that trains once."""
    return Preemption.install()


def shipped(model: Model, data: Timed) -> None:
    """Lightning's Trainer with the same settings and none of our parts."""
    _trainer(read_environment(os.environ), []).fit(model, data)


LOOPS = {"ours": ours, "shipped": shipped, "plain": plain_again}


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


def measure(width: int, turn: int, turns: int, logs: bool) -> dict[str, list[list[Turn]]]:
    """By loop: for each turn the moments of the plain loop's steps and of its own, one more than steps."""
    generator = torch.Generator().manual_seed(dist.get_rank())
    batches = [(torch.randn(BATCH, 64, generator=generator), torch.randn(BATCH, 1)) for _ in range(KEPT)]
    return {name: _beside_plain(loop, batches, width, turn, turns, logs) for name, loop in LOOPS.items()}


def _beside_plain(
    loop: Callable[[Model, Timed], None], batches: Sequence[Any], width: int, turn: int, turns: int, logs: bool
) -> list[list[Turn]]:
    steps = plain(Model(width, logs), cycle(batches))
    plains: list[Turn] = []

    def take_turn() -> None:
        plains.append([now()])
        for _ in range(turn):
            next(steps)
            plains[-1].append(now())

    data = Timed(batches, turn * turns + 1, turn, take_turn)
    dist.barrier()
    loop(Model(width, logs), data)
    return [[theirs, mine] for theirs, mine in zip(plains, data.turns[:-1], strict=False)]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=json.loads, help="[[width, steps of a turn, turns, logs], ...]")
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
