"""What happens when things go wrong: the node is killed, the API server is away, a pod is strange."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest

from support.eventually import eventually as until
from support.node_world import NodeApi, Object, World, eventually, is_running, pod, shell
from trainingjob_operator.api.resources import LEASES, NODES, PODS, Resource
from trainingjob_operator.cluster.api import ApiError
from trainingjob_sandbox.node import container, report
from trainingjob_sandbox.node.prepare import Ground, prepare
from trainingjob_sandbox.node.process import LAUNCHER, Launch

# Starts a container, says its process id, and waits to be killed.
NODE = """
import asyncio, sys
from pathlib import Path
from trainingjob_sandbox.node.process import Launch, start

async def main():
    script = "trap '' TERM INT HUP; setsid sleep 99 & echo $!; sleep 99"
    process = await start(Launch(["sh", "-c", script], {"PATH": "/bin:/usr/bin"}, "/", Path(sys.argv[1])))
    print(process.pid, flush=True)
    await process.wait()

asyncio.run(main())
"""


def test_a_node_that_is_killed_leaves_no_process_behind(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with subprocess.Popen([sys.executable, "-c", NODE, str(log)], stdout=subprocess.PIPE, text=True) as node:
        assert node.stdout is not None
        main = int(node.stdout.readline())
        until("the daemon is named", lambda: log.read_text().endswith("\n"))
        processes = [Path(f"/proc/{pid}") for pid in (main, int(log.read_text()))]
        assert all(process.exists() for process in processes)
        node.kill()

    until("both are gone", lambda: not any(process.exists() for process in processes))


async def test_a_killed_launcher_takes_its_container_with_it(world: World) -> None:
    async with world.node():
        made = await world.apply(shell("echo $$$$ $PPID; while :; do sleep 0.05; done"))
        await world.until("p", is_running)

        async def said() -> bool:
            return world.logs(made) != ""

        await eventually(said)
        main, launcher = map(int, world.logs(made).split())
        os.kill(launcher, signal.SIGKILL)
        ended = await world.until("p", lambda found: found["status"]["phase"] == "Failed")

        assert ended["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 137

        async def gone() -> bool:
            return not Path(f"/proc/{main}").exists()  # noqa: ASYNC240

        await eventually(gone)


class Stormy(NodeApi):
    """An API server that is away now and then. ``storm`` counts the requests that still fail."""

    storm = 0

    async def patch(self, resource: Resource, *arguments: Any, **options: Any) -> Object:
        if resource is PODS and self.storm > 0:
            self.storm -= 1
            raise ApiError(503, "ServiceUnavailable", "away")
        return await super().patch(resource, *arguments, **options)


async def test_a_status_is_written_when_the_api_server_is_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "FIRST_RETRY", 0.01)
    api = world.api = Stormy(world.api.store)
    async with world.node():
        api.storm = 5
        ended = await world.run("true")

        assert ended["status"]["phase"] == "Succeeded"
        assert api.storm == 0


async def test_a_pod_that_the_node_cannot_handle_fails_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def strange(ground: Ground, container: Object, *_: Any) -> Awaitable[Launch]:
        if container["command"] == ["strange"]:
            raise RuntimeError("never seen before")
        return prepare(ground, container, *_)

    monkeypatch.setattr(container, "prepare", strange)
    async with world.node():
        await world.apply(shell("sleep 60", name="neighbour"))
        await world.until("neighbour", is_running)
        ended = await world.run("strange")

        assert (ended["status"]["phase"], ended["status"]["reason"]) == ("Failed", "SandboxError")
        assert "never seen before" in ended["status"]["message"]
        assert is_running(await world.api.get(PODS, "default", "neighbour"))


async def test_a_pod_that_somebody_else_bound_starts_too(world: World) -> None:
    async with world.node():
        ended = await world.run("true", nodeName="sandbox")

        assert ended["status"]["phase"] == "Succeeded"


async def test_a_pod_of_another_node_or_scheduler_is_left_alone(world: World) -> None:
    async with world.node():
        await world.apply(pod("true", name="elsewhere", nodeName="other"))
        await world.apply(pod("true", name="theirs", schedulerName="other"))
        await world.run("true")

        for name in ("elsewhere", "theirs"):
            found = await world.api.get(PODS, "default", name)
            assert not found.get("status", {}).get("containerStatuses")
            assert found["spec"].get("nodeName") in (None, "other")


async def test_the_node_is_registered_and_renews_its_lease(world: World) -> None:
    async with world.node(gpus=3, labels={"zone": "here"}):
        node = await world.api.get(NODES, None, "sandbox")

        async def renewed() -> bool:
            leases = await world.api.list(LEASES, "kube-node-lease")
            return [lease["metadata"]["name"] for lease in leases.items] == ["sandbox"]

        await eventually(renewed)
        assert node["status"]["allocatable"]["nvidia.com/gpu"] == "3"
        assert node["metadata"]["labels"]["zone"] == "here"
        assert {c["type"]: c["status"] for c in node["status"]["conditions"]} == {"Ready": "True"}
    async with world.node(gpus=1):
        node = await world.api.get(NODES, None, "sandbox")

        assert node["status"]["allocatable"]["nvidia.com/gpu"] == "1"


def test_the_launcher_starts_without_any_installed_package() -> None:
    """It must stay quick: importing the package costs every start of a container."""
    names = "launch, isolation, syscalls"
    program = f"import sys; sys.path.insert(0, sys.argv[1]); from trainingjob_sandbox.node import {names}"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-X", "importtime", "-c", program, str(LAUNCHER.parents[2])],
        capture_output=True,
        text=True,
        check=True,
    )

    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "trainingjob_sandbox.node.isolation" in imported
    assert not imported & {"asyncio", "aiohttp", "dataclasses", "logging", "subprocess"}


async def test_many_pods_run_side_by_side(world: World) -> None:
    async with world.node():
        names = [f"p{n}" for n in range(12)]
        await asyncio.gather(*(world.apply(shell("echo $HOSTNAME", name=name)) for name in names))
        ended = await asyncio.gather(
            *(world.until(name, lambda f: f["status"].get("phase") == "Succeeded") for name in names)
        )

        assert [world.logs(found).strip() for found in ended] == names
        assert len({found["status"]["podIP"] for found in ended}) == 12
