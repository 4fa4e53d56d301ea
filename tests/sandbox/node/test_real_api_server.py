"""The node on a real kube-apiserver: what the sandbox's own server might be too kind about."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.eventually import eventually
from support.kubernetes.cluster import Cluster
from support.kubernetes.control_plane import ControlPlane
from support.node_world import World, claim, claimed, is_running, pod, shell, state, terminated
from support.node_world import eventually as until
from trainingjob_operator.api.resources import CLAIMS
from trainingjob_operator.cluster.connect import connect, load

pytestmark = pytest.mark.real_api


@pytest.fixture
async def real(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> AsyncIterator[World]:
    before = _sockets()
    async with connect(load(control_plane.kubeconfig)) as api:
        yield World(tmp_path, api, namespace)

    async def closed() -> bool:
        return _sockets() <= before

    # A closed TLS connection is open until the other side agrees; the loop must not end before.
    await until(closed)


async def kubectl(cluster: Cluster, *argv: str) -> str:
    return await asyncio.to_thread(cluster.kubectl, *argv)


async def test_kubectl_sees_a_pod_run_and_reads_its_log(real: World, control_plane: ControlPlane) -> None:
    async with real.node(name="real-a"):
        ended = await real.run("sh", "-c", "echo one; echo two")
        log = await kubectl(control_plane, "logs", "p", "-n", real.namespace, "--tail=1")
        nodes = json.loads(await kubectl(control_plane, "get", "node", "real-a", "-o", "json"))

        assert ended["status"]["phase"] == "Succeeded"
        assert log == "two\n"
        assert nodes["status"]["conditions"][-1]["status"] == "True"


async def test_a_pod_that_kubectl_deletes_ends_within_its_grace_period(
    real: World, control_plane: ControlPlane
) -> None:
    async with real.node(name="real-b"):
        await real.apply(claim("results"), CLAIMS)
        script = "trap 'echo bye > /output/last; exit 3' TERM; echo up; while :; do sleep 0.05; done"
        made = await real.apply(shell(script, **claimed("results", "/output")))
        await real.until("p", is_running)
        await asyncio.to_thread(_wait_for, real, made)
        await kubectl(control_plane, "delete", "pod", "p", "-n", real.namespace, "--timeout=20s")

    assert (real.folder / "claims" / real.namespace / "results" / "last").read_text() == "bye\n"


async def test_a_container_that_was_restarted_is_accepted_by_validation(real: World) -> None:
    async with real.node(name="real-c"):
        await real.apply(shell("exit 3", restartPolicy="OnFailure"))
        again = await real.until("p", lambda found: _restarts(found) == 1)

        assert again["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 3


async def test_a_pod_that_cannot_start_says_why(real: World) -> None:
    async with real.node(name="real-d"):
        await real.apply(pod("true", **claimed("absent", "/data")))
        waiting = await real.until("p", lambda found: found["status"].get("containerStatuses"))
        ended = await real.run("no-such-program", name="q")

        assert "--claim absent=DIR" in state(waiting)["waiting"]["message"]
        assert terminated(ended)["reason"] == "StartError"


def _sockets() -> int:
    with os.scandir("/proc/self/fd") as entries:
        links = [entry.path for entry in entries]
    return sum(Path(link).readlink().name.startswith("socket:") for link in links if Path(link).is_symlink())


def _restarts(found: dict) -> int:
    return sum(status["restartCount"] for status in found["status"].get("containerStatuses") or [])


def _wait_for(real: World, made: dict) -> None:
    eventually("it has set its trap", lambda: real.logs(made) == "up\n", seconds=20)
