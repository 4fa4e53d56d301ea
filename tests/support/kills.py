"""kill -9 at random moments of a training job, again and again until it is done.

Half of the kills come while a checkpoint is being written, the others at any moment of training; rank 0, rank 1 or
both. Every choice follows from a seed; the moments themselves are the machine's.
"""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support import exact, warm
from support.pods import DEADLINE, Pod, Volumes, running

# Large enough that a write takes about as long as some steps.
BALLAST = 500_000
PAUSE = 0.003


def spec() -> dict[str, Any]:
    """The job that is killed."""
    return exact.spec(model={"pause": PAUSE, "ballast": BALLAST})


@dataclass(frozen=True)
class Killed:
    """A job's way: how often it was killed, how often within a write, and what its processes said of it."""

    attempts: int
    kills: int
    torn: int
    codes: list[list[int]]


def run(volumes: Volumes, seed: int, kills: int) -> Killed:
    """Start the job, kill it ``kills`` times, and let it end."""
    dice = random.Random(seed)
    codes: list[list[int]] = []
    torn = done = 0
    while True:
        with running(spec(), volumes, attempt=len(codes) + 1, launch=warm.start) as pods:
            if done < kills and _killed(pods, volumes, dice):
                done += 1
                torn += bool(_drafts(volumes))
            codes.append([pod.ended() for pod in pods])
        if codes[-1] == [0, 0]:
            return Killed(len(codes), done, torn, codes)
        assert len(codes) <= kills, codes


def _killed(pods: Sequence[Pod], volumes: Volumes, dice: random.Random) -> bool:
    """Wait for the moment and kill; False if the job had ended before."""
    victims = dice.choice([pods[:1], pods[1:], pods])
    attempt_begins = time.monotonic()
    _until(pods, lambda: _trains(volumes, pods), attempt_begins)
    if dice.random() < 0.5:
        older = _drafts(volumes)
        _until(pods, lambda: bool(_drafts(volumes) - older), attempt_begins)
    else:
        moment = time.monotonic() + dice.uniform(0, exact.EPOCHS * exact.STEPS * PAUSE)
        _until(pods, lambda: time.monotonic() >= moment, attempt_begins)
    if all(pod.process.poll() is not None for pod in pods):
        return False
    for pod in victims:
        pod.process.kill()
    return any(pod.ended() == 137 for pod in victims)


def _until(pods: Sequence[Pod], condition: Callable[[], bool], begin: float) -> None:
    while not condition() and any(pod.process.poll() is None for pod in pods):
        assert time.monotonic() < begin + DEADLINE
        time.sleep(0.0005)


def _trains(volumes: Volumes, pods: Sequence[Pod]) -> bool:
    """Whether this attempt has begun its first step."""
    assert volumes.output is not None
    number = pods[0].stdout.name.partition("-")[0]
    file = volumes.output / f"seen-{number}-0.jsonl"
    return file.exists() and file.stat().st_size > 0


def _drafts(volumes: Volumes) -> set[Path]:
    assert volumes.output is not None
    return set((volumes.output / "checkpoints").glob(".step*.tmp"))
