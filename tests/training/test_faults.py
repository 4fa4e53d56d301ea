"""One job through three attempts: a rank is killed, the newest checkpoint is damaged, SIGTERM comes, and it ends well.

The faults come from within, at exact steps, so nothing depends on time. The model is the user's own class, from
spec.files, by its full name.
"""

from collections.abc import Callable
from typing import Any

import pytest

from support.eventually import eventually
from support.pods import Volumes, example, running
from support.training import Run, finish
from trainingjob_trainer.resume import inspect

pytestmark = pytest.mark.training

FAULTY = """
import os, signal
from trainingjob_trainer.models.image_classifier import ImageClassifier

class Faulty(ImageClassifier):
    def on_train_batch_start(self, batch, batch_idx):
        moment = os.environ["TRAININGJOB_ATTEMPT"], self.global_step, self.global_rank
        if moment == ("1", 100, 1):
            os.kill(os.getpid(), signal.SIGKILL)
        if moment == ("2", 115, 1):
            os.kill(os.getpid(), signal.SIGTERM)
"""


@pytest.fixture(scope="module")
def mounts(volumes: Callable[[], Volumes]) -> Volumes:
    return volumes()


@pytest.fixture(scope="module")
def killed(mounts: Volumes) -> Run:
    """Attempt 1: rank 1 is killed in the fifth epoch."""
    return _attempt(1, mounts)


@pytest.fixture(scope="module")
def preempted(killed: Run, mounts: Volumes) -> Run:
    """Attempt 2: the newest checkpoint is torn; SIGTERM reaches rank 1 only, within the sixth epoch."""
    assert mounts.output is not None
    last = mounts.output / "checkpoints" / "step-00000088.ckpt"
    last.write_bytes(last.read_bytes()[:-2000])
    return _attempt(2, mounts)


@pytest.fixture(scope="module")
def completed(preempted: Run, mounts: Volumes) -> Run:
    """Attempt 3: nothing happens."""
    return _attempt(3, mounts)


def test_a_killed_rank_is_told_as_a_lost_peer(killed: Run) -> None:
    assert killed.codes == [75, 137], killed.errors
    assert "lost a peer" in killed.errors[0]
    assert "lost a peer" in killed.reasons[0]


def test_a_torn_checkpoint_is_named_and_the_one_before_is_used(preempted: Run) -> None:
    assert "step-00000088.ckpt is skipped" in preempted.errors[0]
    assert preempted.line("resuming from").endswith("step-00000066.ckpt at epoch 4, step 66")


def test_sigterm_at_one_rank_stops_all_after_the_same_step_with_a_checkpoint(preempted: Run, completed: Run) -> None:
    assert preempted.codes == [143, 143], preempted.errors
    stopped = {line.partition(";")[0] for pod in preempted.lines for line in pod if "stopped by SIGTERM" in line}
    assert len(stopped) == 1, stopped
    assert completed.line("resuming from").endswith(f"step {stopped.pop().rpartition(' ')[2]}")


def test_the_interrupted_job_learns_exactly_what_an_undisturbed_one_does(completed: Run, two_pods: Run) -> None:
    assert completed.codes == [0, 0], completed.errors
    assert completed.val_acc == two_pods.val_acc
    assert completed.epochs[10] == two_pods.epochs[10]
    assert completed.volumes.output is not None
    assert inspect(completed.volumes.output / "checkpoints" / "step-00000220.ckpt").step == 220


def test_sigterm_ends_a_pod_that_waits_for_its_peers(volumes: Callable[[], Volumes]) -> None:
    with running(example("digits.yaml"), volumes(), nodes=1) as (pod,):
        eventually("rank 0 waits in the rendezvous", pod.listens)
        pod.process.terminate()
        assert pod.ended() == 143


def _attempt(number: int, mounts: Volumes) -> Run:
    with running(_spec(), mounts, attempt=number) as pods:
        return finish(pods, mounts)


def _spec() -> dict[str, Any]:
    spec = example("digits.yaml", files={"faulty.py": FAULTY})
    spec["run"]["trainer"]["config"]["model"]["class_path"] = "faulty.Faulty"
    return spec
