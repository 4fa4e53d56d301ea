"""A whole cluster for end-to-end stories: an API server, the real operator, and a node that runs pods as processes.

Two kinds with one face: the sandbox as a user starts it, and a real etcd + kube-apiserver + kube-controller-manager
with the same operator and the same node beside it.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.eventually import eventually
from support.kubernetes.cluster import Cluster
from support.kubernetes.control_plane import ControlPlane
from support.kubernetes.daemon import Daemon
from support.kubernetes.operator_process import start_operator

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "manifests" / "examples"
TRAININGJOB = [str(Path(sys.executable).with_name("trainingjob"))]

# Parameters of the fixture `arena`. The sandbox needs no Go, but the tests' kubectl does. Its tests have a worker group
# of their own: together with those on the real API server they took longer than all others.
SANDBOX = pytest.param("sandbox", marks=[pytest.mark.real_api, pytest.mark.xdist_group("sandbox")])
REAL = pytest.param("real", marks=pytest.mark.real_api)


@dataclass(frozen=True, slots=True)
class Arena:
    """A cluster whose operator can be killed; it comes back by itself."""

    cluster: Cluster
    kill_operator: Callable[[], None]

    def kubectl(self, *argv: str, stdin: str | None = None) -> str:
        return self.cluster.kubectl(*argv, stdin=stdin)

    def job(self, name: str, namespace: str) -> dict[str, Any]:
        return self.cluster.get("trainingjob", name, "-n", namespace)

    def status(self, name: str, namespace: str) -> dict[str, Any]:
        found: dict[str, Any] = self.job(name, namespace).get("status") or {}
        return found

    def until_state(self, name: str, namespace: str, state: str, *, attempt: int | None = None) -> dict[str, Any]:
        """Wait for a state; the status then. A job that fails on the way ends the wait with its status."""

        def arrived() -> bool:
            status = self.status(name, namespace)
            if state != "Failed":
                assert status.get("state") != "Failed", status
            return status.get("state") == state and attempt in (None, status.get("attempt"))

        eventually(f"{name} is {state}", arrived)
        return self.status(name, namespace)


@contextmanager
def sandbox_arena(folder: Path, claims: dict[str, Path]) -> Iterator[Arena]:
    """`trainingjob sandbox`, as a user starts it."""
    argv = [*TRAININGJOB, "sandbox", "--home", str(folder / "home")]
    argv += [word for name, path in claims.items() for word in ("--claim", f"{name}={path}")]
    daemon = Daemon("sandbox", argv, folder / "sandbox.log", {"PYTHONUNBUFFERED": "1"})
    daemon.start()
    try:
        daemon.wait_until("it prints its KUBECONFIG", lambda: "export KUBECONFIG=" in daemon.log())
        kubeconfig = Path(daemon.log().split("export KUBECONFIG=")[1].split()[0])
        pid_file = kubeconfig.with_name("operator.pid")

        def kill_operator() -> None:
            os.kill(int(pid_file.read_text()), signal.SIGKILL)

        yield Arena(Cluster(kubeconfig, folder), kill_operator)
    finally:
        daemon.stop()


@contextmanager
def real_arena(folder: Path, claims: dict[str, Path], control_plane: ControlPlane) -> Iterator[Arena]:
    """A real control plane with the operator and the node as processes of their own."""
    argv = [*TRAININGJOB, "node", "--kubeconfig", str(control_plane.kubeconfig), "--home", str(folder / "home")]
    argv += [word for name, path in claims.items() for word in ("--claim", f"{name}={path}")]
    node = Daemon("node", argv, folder / "node.log", {"PYTHONUNBUFFERED": "1"})
    node.start()
    try:
        node.wait_until("it is ready", lambda: "is ready" in node.log())
        with start_operator(control_plane.kubeconfig, folder) as operator:

            def kill_operator() -> None:
                operator.kill()
                operator.start()

            yield Arena(control_plane, kill_operator)
    finally:
        node.stop()
