"""Two operators of one cluster, on a real API server: one works, the other is ready to, and never both."""

import json
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.eventually import eventually
from support.kubernetes.control_plane import ControlPlane
from support.kubernetes.daemon import Daemon
from support.kubernetes.operator_process import start_operator

pytestmark = pytest.mark.real_api

LEASE, SECONDS = "trainingjob-operator", 3
HANDOVER = 1.0
"""Seconds that a takeover may cost where nobody has to wait for a lease (the machine's slowness apart)."""


@dataclass(frozen=True)
class Pair:
    """Two operators of one namespace that compete for a Lease in it."""

    cluster: ControlPlane
    namespace: str
    operators: tuple[Daemon, Daemon]

    def lease(self) -> dict[str, Any]:
        found = self.cluster.get("lease", LEASE, "-n", self.namespace, "--ignore-not-found")
        return found.get("spec", {}) if found else {}

    def leader(self) -> Daemon:
        """Whoever said last that it leads, once the Lease says so, too."""
        return next(each for each in self.operators if self.identity(each) == self.lease()["holderIdentity"])

    def identity(self, operator: Daemon) -> str:
        said = [line for line in operator.log().splitlines() if "leading as" in line]
        return said[-1].rsplit(" ", 1)[-1] if said else "nobody"

    def settled(self) -> tuple[Daemon, Daemon]:
        """The leader and the standby."""
        eventually("one leads", lambda: self.lease().get("holderIdentity", "") in map(self.identity, self.operators))
        leader = self.leader()
        return leader, next(each for each in self.operators if each is not leader)

    def create(self, name: str) -> None:
        spec = {"numNodes": 2, "image": "example/image:1", "run": {"command": ["true"]}, "startPolicy": "Parallel"}
        job = {"apiVersion": "trainingjob.dev/v1alpha1", "kind": "TrainingJob", "metadata": {"name": name}}
        self.cluster.kubectl("create", "-n", self.namespace, "-f", "-", stdin=json.dumps(job | {"spec": spec}))

    def pods(self, job: str) -> set[str]:
        listed = self.cluster.get("pods", "-n", self.namespace, "-l", f"trainingjob.dev/job={job}")["items"]
        return {pod["metadata"]["name"] for pod in listed}

    def runs(self, job: str) -> None:
        eventually(f"the gang of {job} is there", lambda: self.pods(job) == {f"{job}-1-0", f"{job}-1-1"})


@pytest.fixture
def pair(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> Iterator[Pair]:
    options = ["--leader-elect", "--lease-namespace", namespace, "--lease-seconds", str(SECONDS)]
    with ExitStack() as stack:
        operators = [
            stack.enter_context(
                start_operator(control_plane.kubeconfig, tmp_path, namespaces=[namespace], options=options)
            )
            for _ in range(2)
        ]
        yield Pair(control_plane, namespace, (operators[0], operators[1]))


def test_one_works_and_the_other_takes_over_at_once_when_it_is_told_to_stop(pair: Pair) -> None:
    leader, standby = pair.settled()
    pair.create("first")
    pair.runs("first")

    began = time.monotonic()
    assert leader.stop() == 0
    eventually("the standby leads", lambda: pair.lease()["holderIdentity"] == pair.identity(standby))
    print(f"takeover after SIGTERM: {time.monotonic() - began:.2f} s")
    pair.create("second")
    pair.runs("second")

    assert "given up" in leader.log()
    assert pair.lease()["leaseTransitions"] == 1
    assert pair.pods("first") == {"first-1-0", "first-1-1"}


def test_after_kill_9_the_other_takes_over_when_the_lease_is_over(pair: Pair) -> None:
    leader, standby = pair.settled()
    leader.kill()
    began = time.monotonic()
    pair.create("orphan")
    pair.runs("orphan")
    print(f"takeover after SIGKILL: {time.monotonic() - began:.2f} s")

    assert pair.lease()["holderIdentity"] == pair.identity(standby)


def test_a_leader_that_was_asleep_past_its_lease_writes_nothing_when_it_wakes(pair: Pair) -> None:
    sleeper, standby = pair.settled()
    pair.create("before")
    pair.runs("before")
    sleeper.signal(signal.SIGSTOP)
    eventually("the standby leads", lambda: pair.lease()["holderIdentity"] == pair.identity(standby))
    pair.cluster.kubectl("delete", "pod", "before-1-1", "-n", pair.namespace, "--grace-period=0", "--force")
    eventually("the gang was restarted", lambda: pair.pods("before") >= {"before-2-0", "before-2-1"})
    sleeper.signal(signal.SIGCONT)
    eventually("it knows that it was deposed", lambda: "standing by" in sleeper.log())
    pair.create("after")
    pair.runs("after")

    assert pair.lease()["holderIdentity"] == pair.identity(standby)
    assert pair.lease()["leaseTransitions"] == 1
    assert pair.pods("before") >= {"before-2-0", "before-2-1"}
