"""Two operators of one cluster, on a real API server: one works, the other is ready to, and never both."""

import json
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from support.eventually import eventually
from support.kubernetes.control_plane import ADDRESS, ControlPlane, answers, free_ports
from support.kubernetes.daemon import Daemon
from support.kubernetes.operator_process import start_operator

pytestmark = pytest.mark.real_api

LEASE, SECONDS = "trainingjob-operator", 3
WRITES = ("create", "update", "patch", "delete")


@dataclass(frozen=True)
class Pair:
    """Two operators of one namespace that compete for a Lease in it."""

    cluster: ControlPlane
    namespace: str
    operators: tuple[Daemon, Daemon]
    ports: dict[str, int]

    def lease(self) -> dict[str, Any]:
        found = self.cluster.get("lease", LEASE, "-n", self.namespace, "--ignore-not-found")
        return found.get("spec", {}) if found else {}

    def leader(self) -> Daemon:
        """Whoever said last that it leads, once the Lease says so, too."""
        return next(each for each in self.operators if self.identity(each) == self.lease()["holderIdentity"])

    def identity(self, operator: Daemon) -> str:
        said = [line for line in operator.log().splitlines() if "leading as" in line]
        return said[-1].rsplit(" ", 1)[-1] if said else "nobody"

    def samples(self, operator: Daemon, name: str) -> list[tuple[dict[str, str], float]]:
        """An operator's samples of one name: labels and value."""
        with urlopen(f"http://{ADDRESS}:{self.ports[operator.name]}/metrics") as page:
            families = list(text_string_to_metric_families(page.read().decode()))
        return [(each.labels, each.value) for family in families for each in family.samples if each.name == name]

    def starting(self, operator: Daemon) -> float:
        """How many starting jobs an operator tells of."""
        return sum(n for labels, n in self.samples(operator, "trainingjob_jobs") if labels["state"] == "Starting")

    def says_that_it_leads(self, operator: Daemon) -> bool:
        return self.samples(operator, "trainingjob_operator_leader") == [({}, 1)]

    def writes(self, operator: Daemon) -> float:
        """How many writes about jobs an operator has sent."""
        counted = self.samples(operator, "trainingjob_operator_api_requests_total")
        return sum(n for labels, n in counted if labels["verb"] in WRITES and labels["resource"] != "leases")

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
    ports = free_ports(2)
    with ExitStack() as stack:
        operators = [
            stack.enter_context(
                start_operator(
                    control_plane.kubeconfig,
                    tmp_path,
                    namespaces=[namespace],
                    options=[*options, "--metrics-port", str(port)],
                )
            )
            for port in ports
        ]
        named = {each.name: port for each, port in zip(operators, ports, strict=True)}
        yield Pair(control_plane, namespace, (operators[0], operators[1]), named)


def test_one_works_and_the_other_takes_over_at_once_when_it_is_told_to_stop(pair: Pair) -> None:
    leader, standby = pair.settled()
    pair.create("first")
    pair.runs("first")

    assert (pair.starting(leader), pair.starting(standby)) == (1, 0)
    assert pair.writes(leader) > pair.writes(standby) == 0
    eventually("the standby is ready", lambda: answers(readiness(standby)))

    began = time.monotonic()
    assert leader.stop() == 0
    eventually("the standby leads", lambda: pair.lease()["holderIdentity"] == pair.identity(standby))
    print(f"from SIGTERM to the other's lease: {time.monotonic() - began:.2f} s")
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
    print(f"from SIGKILL to a new gang: {time.monotonic() - began:.2f} s")

    assert pair.lease()["holderIdentity"] == pair.identity(standby)


def test_a_leader_that_was_asleep_past_its_lease_writes_nothing_when_it_wakes(pair: Pair) -> None:
    sleeper, standby = pair.settled()
    pair.create("before")
    pair.runs("before")
    written = pair.writes(sleeper)
    sleeper.signal(signal.SIGSTOP)
    eventually("the standby leads", lambda: pair.lease()["holderIdentity"] == pair.identity(standby))
    pair.cluster.kubectl("delete", "pod", "before-1-1", "-n", pair.namespace, "--grace-period=0", "--force")
    eventually("the gang was restarted", lambda: pair.pods("before") >= {"before-2-0", "before-2-1"})
    sleeper.signal(signal.SIGCONT)
    eventually("it knows that it was deposed", lambda: "standing by" in sleeper.log())
    pair.create("after")
    pair.runs("after")

    assert pair.writes(sleeper) == written > 0
    assert pair.says_that_it_leads(standby)
    assert not pair.says_that_it_leads(sleeper)
    assert pair.lease()["holderIdentity"] == pair.identity(standby)
    assert pair.lease()["leaseTransitions"] == 1
    assert pair.pods("before") >= {"before-2-0", "before-2-1"}


def readiness(operator: Daemon) -> str:
    port = operator.argv[list(operator.argv).index("--liveness-port") + 1]
    return f"http://{ADDRESS}:{port}/readyz"
