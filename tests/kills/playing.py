"""Many lives at once on one real API server, with an operator that is killed at a chosen write of each.

Decides which writes kill: every one of every story, before and after, or a sample spread over them. What must hold is
judged by test_kills.py.
"""

import asyncio
import json
import os
import signal
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from kills.proxy import Kill, Proxy, serving
from kills.stories import STORIES, Ending, Stage
from support.kubernetes.cluster import open_api
from support.kubernetes.control_plane import ControlPlane, free_ports
from support.kubernetes.fake_kubelet import NODE, Kubelet, make_node
from trainingjob_operator.api.resources import NAMESPACES, NODES, PODS, Resource
from trainingjob_operator.cluster.api import ApiError
from trainingjob_operator.cluster.client import HttpApi

TOGETHER = 8
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount")
TESTS = Path(__file__).resolve().parents[1]
Creation = tuple[str, str, str]
"""Namespace, UID of the job, name of the pod."""


@dataclass(frozen=True, slots=True)
class Life:
    """One played story: how it ended, or what went wrong, and at which request the operator died (if it did)."""

    story: str
    kill: Kill | None
    ending: Ending | None
    trouble: str
    struck: str | None
    namespace: str


@dataclass(slots=True)
class Record:
    """All lives, how many writes a life without a death took, and the UIDs of each pod that was ever created."""

    lives: list[Life] = field(default_factory=list)
    writes: dict[str, int] = field(default_factory=dict)
    pods: dict[Creation, set[str]] = field(default_factory=lambda: defaultdict(set))

    @property
    def kills(self) -> list[Life]:
        return [life for life in self.lives if life.struck]


def play(control_plane: ControlPlane, folder: Path, sample: int | None) -> Record:
    """Each story undisturbed, then with its kills: all, or about ``sample``."""
    return asyncio.run(_play(control_plane, folder, sample))


async def _play(control_plane: ControlPlane, folder: Path, sample: int | None) -> Record:
    record = Record()
    async with _world(control_plane, folder, record) as (api, proxy):
        for story in STORIES:
            life = await _live(api, proxy, story, None)
            record.lives.append(life)
            record.writes[story] = proxy.writes[life.namespace]
        await _all_lives(api, proxy, record, chosen(record.writes, sample))
    return record


def chosen(writes: dict[str, int], sample: int | None) -> list[tuple[str, Kill]]:
    """The kills to play: for every write of every story before and after it, or so many of them, spread evenly."""
    every = [
        (story, Kill(write, moment))
        for story, count in writes.items()
        for write in range(1, count + 1)
        for moment in ("before", "after")
    ]
    if sample is None or sample >= len(every):
        return every
    return [every[at * len(every) // sample] for at in range(sample)]


async def _all_lives(api: HttpApi, proxy: Proxy, record: Record, kills: Sequence[tuple[str, Kill]]) -> None:
    gate = asyncio.Semaphore(TOGETHER)

    async def one(story: str, kill: Kill) -> None:
        async with gate:
            record.lives.append(await _live(api, proxy, story, kill))

    await asyncio.gather(*(one(story, kill) for story, kill in kills))


async def _live(api: HttpApi, proxy: Proxy, story: str, kill: Kill | None) -> Life:
    namespace = await _namespace(api)
    if kill:
        proxy.armed[namespace] = kill
    tell, _ = STORIES[story]
    stage = Stage(api, namespace)
    trouble, ending = "", None
    try:
        await tell(stage)
        status = await stage.status()
        ending = status["state"], status["attempt"], status.get("restarts", 0)
    except (AssertionError, ApiError) as error:
        trouble = str(error)
    if not trouble and kill:
        await _last_words(proxy, namespace)
    proxy.armed.pop(namespace, None)
    await api.delete(NAMESPACES, None, namespace)
    return Life(story, kill, ending, trouble, proxy.fired.get(namespace), namespace)


async def _last_words(proxy: Proxy, namespace: str) -> None:
    """The last events follow the last status: wait a moment for a death among them, which need not come."""
    with suppress(TimeoutError):
        async with asyncio.timeout(2):
            while True:
                if namespace in proxy.fired:
                    return
                await asyncio.sleep(0.05)


async def _namespace(api: HttpApi) -> str:
    """A namespace in which pods can be made."""
    name = f"kills-{uuid4().hex[:10]}"
    await api.create(NAMESPACES, None, {"metadata": {"name": name}})
    while not await _has_account(api, name):
        pass
    return name


async def _has_account(api: HttpApi, namespace: str) -> bool:
    try:
        await api.get(SERVICE_ACCOUNTS, namespace, "default")
    except ApiError:
        return False
    return True


@asynccontextmanager
async def _world(control_plane: ControlPlane, folder: Path, record: Record) -> AsyncIterator[tuple[HttpApi, Proxy]]:
    """A kubelet, eyes on all pods, and an operator behind the proxy that comes back whenever it was killed."""
    (port,) = free_ports(1)
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(open_api(control_plane.kubeconfig))
        operators = await stack.enter_async_context(_operators(_kubeconfig(folder, port), folder))
        proxy = Proxy(api, operators.victim)
        await make_node(api)
        stack.push_async_callback(api.delete, NODES, None, NODE)
        version = (await api.list(PODS)).resource_version
        work = (Kubelet(api).run(), _note_pods(api, version, record), operators.keep_alive(proxy))
        tasks = [asyncio.create_task(one) for one in work]
        await stack.enter_async_context(serving(proxy, port))
        try:
            yield api, proxy
            for task in tasks:
                assert not task.done(), task.exception()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _kubeconfig(folder: Path, port: int) -> Path:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "proxy",
        "clusters": [{"name": "proxy", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "proxy", "user": {"token": "none"}}],
        "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}],
    }
    path = folder / "proxy.kubeconfig"
    path.write_text(json.dumps(config))
    return path


async def _note_pods(api: HttpApi, version: str, record: Record) -> None:
    """Note the UID of every pod that a job ever had."""
    while True:
        async for event in api.watch(PODS, resource_version=version):
            meta = event.object["metadata"]
            version = meta["resourceVersion"]
            if event.type == "ADDED" and (owners := meta.get("ownerReferences")):
                record.pods[meta["namespace"], owners[0]["uid"], meta["name"]].add(meta["uid"])


@dataclass(slots=True)
class Operators:
    """One operator at a time."""

    nursery: asyncio.subprocess.Process
    pid: int = 0

    def victim(self) -> int:
        """The process id of the one that lives; nobody gets it twice."""
        pid, self.pid = self.pid, 0
        return pid

    async def keep_alive(self, proxy: Proxy) -> None:
        """Start one, and another whenever it was killed."""
        while True:
            assert self.nursery.stdin is not None
            assert self.nursery.stdout is not None
            proxy.killed.clear()
            self.nursery.stdin.write(b"start\n")
            self.pid = int(await self.nursery.stdout.readline())
            await proxy.killed.wait()


@asynccontextmanager
async def _operators(kubeconfig: Path, folder: Path) -> AsyncIterator[Operators]:
    argv = [sys.executable, "-m", "kills.nursery", "--kubeconfig", str(kubeconfig)]
    with (folder / "operators.log").open("wb") as log:
        nursery = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env={**os.environ, "PYTHONPATH": str(TESTS)},
            start_new_session=True,
        )
        operators = Operators(nursery)
        try:
            yield operators
        finally:
            os.killpg(nursery.pid, signal.SIGKILL)  # the nursery and all that it has started
            await nursery.wait()
