"""Jobs killed at random moments, also within checkpoint writes, end as if nothing had happened: bit by bit.

`make trainer-faults` kills a hundred times; here is a sample.
"""

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from support import exact, kills, warm
from support.pods import Volumes, running
from support.training import finish

pytestmark = pytest.mark.training

RUNS = int(os.environ.get("TRAINER_FAULTS", "3"))
PER_JOB = 3  # kills in the life of one job


@pytest.fixture(scope="module")
def undisturbed(volumes: Callable[[], Volumes]) -> exact.Witnessed:
    """The same job, never killed."""
    mounts = volumes()
    with running(kills.spec(), mounts, launch=warm.start) as pods:
        run = finish(pods, mounts)
    assert run.codes == [0, 0], run.errors
    return exact.witnessed(mounts, attempts=1)


@pytest.mark.parametrize("seed", range((RUNS + PER_JOB - 1) // PER_JOB))
def test_a_job_killed_at_random_moments_learns_exactly_what_an_undisturbed_one_does(
    seed: int, undisturbed: exact.Witnessed, volumes: Callable[[], Volumes]
) -> None:
    mounts = volumes()
    job = kills.run(mounts, seed, PER_JOB)
    _count(job)
    for codes in job.codes[:-1]:
        assert set(codes) <= {75, 137}, job.codes
    seen = exact.witnessed(mounts, job.attempts)
    assert seen.history == undisturbed.history
    assert _samples(seen) == _samples(undisturbed)
    for name, weight in undisturbed.weights.items():
        assert torch.equal(seen.weights[name], weight), name


def _samples(seen: exact.Witnessed) -> dict[int, Counter[int]]:
    """How often each image was trained on, by epoch."""
    epochs: dict[int, Counter[int]] = {}
    for steps in seen.history:
        for _, epoch, images in steps:
            epochs.setdefault(epoch, Counter()).update(images)
    return epochs


def _count(job: kills.Killed) -> None:
    """For `make trainer-faults`: how many kills there were, and how many within a write."""
    if log := os.environ.get("TRAINER_FAULTS_LOG"):
        with Path(log).open("a") as file:
            file.write(f"{job.kills} {job.torn}\n")
