"""SIGTERM in every way and at every moment: the gang stops with a whole checkpoint and 143, or ends with 0.

`make trainer-faults` plays all combinations; here is a sample.
"""

import os
import time
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

import pytest
import torch

from support import exact, warm
from support.eventually import eventually
from support.pods import Pod, Volumes, running
from support.training import Run, finish
from trainingjob_trainer.resume import find_resume_point

pytestmark = pytest.mark.training

SAMPLE = [
    (1, "rank 1 only", "training"),
    (2, "apart", "validation"),
    (2, "together", "before the first step"),
    (1, "twice", "after the last step"),
]
ALL = list(
    product(
        (1, 2),
        ("together", "apart", "rank 0 only", "rank 1 only", "twice"),
        ("before the first step", "training", "validation", "after the last step"),
    )
)
CASES = ALL if "TRAINER_FAULTS" in os.environ else SAMPLE


@pytest.mark.parametrize(("processes", "way", "moment"), CASES)
def test_sigterm_ends_the_gang_in_order(processes: int, way: str, moment: str, volumes: Callable[[], Volumes]) -> None:
    mounts = volumes()
    run, seconds = terminated(mounts, processes, way, moment)
    _note(f"{processes} {way}, {moment}: {run.codes} after {seconds:.1f} s")
    if moment == "before the first step":
        # Nothing is worth saving yet: who has the signal ends at once, and the others have lost a peer.
        assert 143 in run.codes, run.errors
        assert set(run.codes) <= {143, 75}, run.errors
        return
    assert run.codes == ([0, 0] if moment == "after the last step" else [143, 143]), run.errors
    assert mounts.output is not None
    point = find_resume_point(mounts.output / "checkpoints")
    assert point is not None
    if run.codes == [143, 143]:
        stopped = [line for pod in run.lines for line in pod if "stopped by SIGTERM after step" in line]
        assert len(stopped) == 2 * processes
        assert {f"after step {point.step};" in line for line in stopped} == {True}


def test_a_run_that_was_stopped_within_a_validation_does_it_again_and_ends_as_ever(
    volumes: Callable[[], Volumes],
) -> None:
    stopped, plain = volumes(), volumes()
    first, _ = terminated(stopped, 1, "apart", "validation")
    assert (first.codes, first.epochs) == ([143, 143], {}), first.errors
    with running(exact.spec(), stopped, attempt=2, launch=warm.start) as pods:
        second = finish(pods, stopped)
    with running(exact.spec(), plain, launch=warm.start) as pods:
        undisturbed = finish(pods, plain)
    assert second.codes == undisturbed.codes == [0, 0], second.errors
    assert second.epochs == undisturbed.epochs
    expected, seen = exact.witnessed(plain, 1), exact.witnessed(stopped, 2)
    assert seen.history == expected.history
    assert all(torch.equal(seen.weights[name], weight) for name, weight in expected.weights.items())


def slow(processes: int, moment: str) -> dict[str, object]:
    """The job, slow enough at this moment that a signal finds it there."""
    pauses = {"training": {"pause": 0.1}, "validation": {"val_pause": 1.0}}
    return exact.spec(model=pauses.get(moment), processesPerNode=processes)


def terminated(mounts: Volumes, processes: int, way: str, moment: str) -> tuple[Run, float]:
    """Run a job, send SIGTERM in this way at this moment; the run, and seconds from the last signal to its end."""
    with running(slow(processes, moment), mounts, launch=warm.start) as pods:
        eventually(moment, lambda: _has_come(moment, pods, mounts))
        _terminate(pods, way)
        begin = time.monotonic()
        return finish(pods, mounts), time.monotonic() - begin


def _has_come(moment: str, pods: Sequence[Pod], mounts: Volumes) -> bool:
    assert mounts.output is not None
    text = pods[0].stdout.read_text()
    match moment:
        case "before the first step":
            return "rank 0 of" in text
        case "training":
            notes = mounts.output / "seen-1-0.jsonl"
            # The second step comes after the first gradients were summed: by then every rank trains.
            return notes.exists() and notes.read_text().count("\n") > 1
        case "validation":
            return "validating" in text
    return f"step {exact.EPOCHS * exact.STEPS}" in text


def _terminate(pods: Sequence[Pod], way: str) -> None:
    match way:
        case "rank 0 only":
            pods[0].process.terminate()
        case "rank 1 only":
            pods[1].process.terminate()
        case "apart" | "together":
            pods[0].process.terminate()
            if way == "apart":
                time.sleep(0.3)  # waits for nothing: it is what is tried
            pods[1].process.terminate()
        case "twice":
            for pod in (*pods, *pods):
                pod.process.terminate()


def _note(text: str) -> None:
    """For `make trainer-faults`: how long each took."""
    if log := os.environ.get("TRAINER_FAULTS_LOG"):
        with Path(log).open("a") as file:
            file.write(f"{text}\n")
