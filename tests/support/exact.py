"""A job that writes down what it trains on, and what is exact about it however often it was killed.

The model is small, with dropout, momentum and a schedule, so that a lost generator, moment or step would show.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from support.pods import Volumes, example

EPOCHS = 3
STEPS = 22  # of an epoch: 1,438 images in batches of 64

MODEL = """
import json, os, time, zlib
import torch
from pytorch_lightning import LightningModule
from torch import nn

class Witness(LightningModule):
    def __init__(self, steps, pause=0.0, val_pause=0.0, ballast=0):
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 10))
        self.register_buffer("ballast", torch.zeros(ballast))
        self.pause, self.val_pause, self.steps = pause, val_pause, steps

    def on_train_start(self):
        self.first = True
        name = f"seen-{os.environ['TRAININGJOB_ATTEMPT']}-{self.global_rank}.jsonl"
        self.notes = open(os.path.join(os.environ["TRAININGJOB_OUTPUT_DIR"], name), "w", buffering=1)

    def training_step(self, batch, batch_idx):
        images, labels = batch
        seen = [zlib.crc32(image.numpy().tobytes()) for image in images]
        self.notes.write(json.dumps([self.global_step + 1, self.current_epoch, seen]) + "\\n")
        if self.first:
            print("first step at", time.time(), flush=True)
            self.first = False
        time.sleep(self.pause)
        return nn.functional.cross_entropy(self.net(images), labels)

    def validation_step(self, batch, batch_idx):
        if self.trainer.state.fn == "fit" and not self.trainer.sanity_checking:
            print("validating", flush=True)
            time.sleep(self.val_pause)
        self.log("val_loss", nn.functional.cross_entropy(self.net(batch[0]), batch[1]), sync_dist=True)

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=0.01)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=self.steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
"""

Step = tuple[int, int, tuple[int, ...]]


def spec(every_steps: int = 4, model: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """The example with the model above.

    Its arguments: ``pause`` and ``val_pause``, seconds a step; ``ballast``, floats more in a checkpoint.
    """
    given = example("digits.yaml", files={"witness.py": MODEL}, **changes)
    config = given["run"]["trainer"]["config"]
    arguments = {"steps": EPOCHS * STEPS} | (model or {})
    config["model"] = {"class_path": "witness.Witness", "init_args": arguments}
    config["trainer"]["max_epochs"] = EPOCHS
    config["checkpoint"] = {"every_steps": every_steps}
    return given


@dataclass(frozen=True)
class Witnessed:
    """What a finished job has left: by attempt and rank the steps it began, and the final weights."""

    attempts: list[list[list[Step]]]
    weights: dict[str, torch.Tensor]

    @property
    def history(self) -> list[list[Step]]:
        """By rank the steps that count: of each attempt those before the one at which the next went on."""
        ranks = len(self.attempts[0])
        firsts = [attempt[0][0][0] if attempt[0] else None for attempt in self.attempts]
        history: list[list[Step]] = [[] for _ in range(ranks)]
        for number, attempt in enumerate(self.attempts):
            later = [first for first in firsts[number + 1 :] if first is not None]
            end = min(later, default=EPOCHS * STEPS + 1)
            for rank in range(ranks):
                history[rank] += [step for step in attempt[rank] if step[0] < end]
        return history


def witnessed(volumes: Volumes, attempts: int, ranks: int = 2) -> Witnessed:
    """Read what a job's attempts wrote down."""
    assert volumes.output is not None
    output = volumes.output
    steps = [[_steps(output / f"seen-{n}-{rank}.jsonl") for rank in range(ranks)] for n in range(1, attempts + 1)]
    last = output / "checkpoints" / f"step-{EPOCHS * STEPS:08d}.ckpt"
    return Witnessed(steps, torch.load(last, weights_only=True)["state_dict"])


def began(volumes: Volumes, attempt: int) -> float:
    """When rank 0 of an attempt began its first step, seconds since the epoch."""
    lines = (volumes.workspace / f"{attempt}-0.stdout").read_text().splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith("first step at"))


def _steps(file: Path) -> list[Step]:
    """The steps of one file; a line that was cut by the kill was never trained on."""
    lines = file.read_text().split("\n")[:-1] if file.exists() else []
    return [(step, epoch, tuple(seen)) for step, epoch, seen in map(json.loads, lines)]
