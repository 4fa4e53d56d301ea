"""A stage for the real controller: the sandbox's store, a kubelet that plays its part, and virtual time.

Everything of the operator but kopf is the product's own: reflectors, caches, queue, controller. The operator can be
killed at any of its writes and started again, as often as a story wants.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any

from support.builders import NOON, raw_job
from support.served import serve_trainingjobs
from trainingjob_operator.api import names
from trainingjob_operator.api.resources import EVENTS, PODS, TRAININGJOBS, Resource
from trainingjob_operator.cluster.progress_reader import Fetch, ProgressReader
from trainingjob_operator.cluster.reflector import Reflector
from trainingjob_operator.controller import Controller
from trainingjob_operator.handlers import take
from trainingjob_sandbox.store import Store
from trainingjob_sandbox.store_api import StoreApi

Object = dict[str, Any]
NAMESPACE = "ml"


@dataclass(slots=True)
class Death:
    """The operator dies at its n-th write (from 1), before or after the API server has carried it out."""

    at_write: int
    after: bool
    happened: asyncio.Event = field(default_factory=asyncio.Event)


class OperatorsApi(StoreApi):
    """The API as the operator sees it: its writes are logged, checked and, if a death is due, cut short."""

    def __init__(self, store: Store, log: list[str], death: Death | None = None) -> None:
        super().__init__(store)
        self._log = log
        self._death = death

    async def create(self, resource: Resource, namespace: str | None, body: Object) -> Object:
        if resource is PODS:
            _check_no_older_gang(self.store, body)
        name = body["metadata"].get("name", body.get("reason", ""))
        return await self._write(
            f"create {resource.kind} {name}", lambda: super(OperatorsApi, self).create(resource, namespace, body)
        )

    async def replace(
        self, resource: Resource, namespace: str | None, name: str, body: Object, *, subresource: str = ""
    ) -> Object:
        status = body["status"]
        text = f"status {name} {status['state']} attempt={status['attempt']} restarts={status['restarts']}"
        return await self._write(
            text, lambda: super(OperatorsApi, self).replace(resource, namespace, name, body, subresource=subresource)
        )

    async def delete(self, resource: Resource, namespace: str | None, name: str, **options: Any) -> Object:
        assert options.get("uid"), "a delete without a UID precondition may hit a namesake"
        return await self._write(
            f"delete {resource.kind} {name}",
            lambda: super(OperatorsApi, self).delete(resource, namespace, name, **options),
        )

    async def _write(self, text: str, carry_out: Callable[[], Any]) -> Object:
        self._log.append(text)
        due = self._death is not None and len(self._log) == self._death.at_write
        if due and not self._death.after:
            await self._die()
        answer: Object = await carry_out()
        if due:
            await self._die()
        return answer

    async def _die(self) -> None:
        assert self._death is not None
        self._death.happened.set()
        await asyncio.Future()  # nothing of this process happens any more


def _check_no_older_gang(store: Store, body: Object) -> None:
    """Safety: no pod is created while one of an older attempt, or of a namesake, still trains."""
    new = names.attempt_and_rank(body["metadata"]["name"])
    owner = body["metadata"]["ownerReferences"][0]
    assert new is not None
    for record in store.list(PODS, body["metadata"].get("namespace", NAMESPACE)).records:
        other = record.object
        other_owner = other["metadata"]["ownerReferences"][0]
        if other_owner["name"] != owner["name"] or _has_stopped(other):
            continue
        number = names.attempt_and_rank(other["metadata"]["name"])
        assert number is not None
        assert other_owner["uid"] == owner["uid"], f"{body['metadata']['name']} beside a namesake's pod"
        assert number[0] >= new[0], f"{body['metadata']['name']} beside {other['metadata']['name']}"


def _has_stopped(pod: Object) -> bool:
    statuses = pod.get("status", {}).get("containerStatuses") or []
    return any("terminated" in s.get("state", {}) for s in statuses) or pod.get("status", {}).get("phase") in (
        "Succeeded",
        "Failed",
    )


class Kubelet:
    """Starts every pod half a second after it is created, ends it when told to or when it is deleted."""

    START, STOP = 0.5, 0.2

    def __init__(self, store: Store, now: Callable[[], str]) -> None:
        self.api = StoreApi(store)
        self._now = now
        self._seen: set[str] = set()
        self._leaving: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        listed = await self.api.list(PODS)
        async for event in self.api.watch(PODS, resource_version=listed.resource_version):
            meta = event.object["metadata"]
            if event.type == "ADDED" and meta["uid"] not in self._seen:
                self._seen.add(meta["uid"])
                self._soon(self.START, partial(self._start, meta["name"]))
            # A pod that goes at once (grace 0) is seen marked, too, but there is nothing left to do.
            leaves = event.type != "DELETED" and meta.get("deletionGracePeriodSeconds")
            if leaves and meta["uid"] not in self._leaving:
                self._leaving.add(meta["uid"])
                self._soon(self.STOP, partial(self._leave, meta["name"], meta["uid"]))

    def _soon(self, seconds: float, what: Callable[[], Awaitable[None]]) -> None:
        async def later() -> None:
            await asyncio.sleep(seconds)
            await what()

        task = asyncio.create_task(later())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _start(self, name: str) -> None:
        ip = f"10.0.0.{len(self._seen) % 250 + 1}"
        await self._status(name, running_status(self._now(), ip))

    async def end(self, name: str, code: int, message: str = "") -> None:
        """The training container exits."""
        await self._status(name, stopped_status(self._now(), code, message))

    async def evict(self, name: str) -> None:
        """The node is short of memory."""
        await self._status(name, {"phase": "Failed", "reason": "Evicted", "message": "the node was low on memory"})

    async def _leave(self, name: str, uid: str) -> None:
        pods = {p["metadata"]["name"]: p for p in (await self.api.list(PODS, NAMESPACE)).items}
        if name in pods and not _has_stopped(pods[name]):
            await self.end(name, 143)
        if name in pods:
            await self.api.delete(PODS, NAMESPACE, name, uid=uid, grace_seconds=0)

    async def _status(self, name: str, status: Object) -> None:
        pods = {p["metadata"]["name"]: p for p in (await self.api.list(PODS, NAMESPACE)).items}
        if name in pods and not _has_stopped(pods[name]):
            await self.api.patch(PODS, NAMESPACE, name, {"status": status}, subresource="status")


def running_status(now: str, ip: str) -> Object:
    """The status of a pod whose container runs."""
    state = {"running": {"startedAt": now}}
    return {"phase": "Running", "podIP": ip, "conditions": [_ready("True")], "containerStatuses": [_container(state)]}


def stopped_status(now: str, code: int, message: str = "", reason: str = "") -> Object:
    """The status of a pod whose container has exited."""
    ended = {
        "exitCode": code,
        "reason": reason or ("Error" if code else "Completed"),
        "message": message,
        "finishedAt": now,
    }
    return {
        "phase": "Failed" if code else "Succeeded",
        "conditions": [_ready("False")],
        "containerStatuses": [_container({"terminated": ended})],
    }


def _ready(status: str) -> Object:
    return {"type": "Ready", "status": status}


def _container(state: Object) -> Object:
    ready = "running" in state
    return {
        "name": names.MAIN_CONTAINER,
        "state": state,
        "ready": ready,
        "image": "",
        "imageID": "",
        "restartCount": 0,
    }


class Jobs:
    """Feeds the job cache as kopf's handler does."""

    def __init__(self, controller: Controller) -> None:
        self._jobs = controller.jobs

    def put(self, raw: Object) -> None:
        take(self._jobs, "MODIFIED", raw)

    def remove(self, raw: Object) -> None:
        take(self._jobs, "DELETED", raw)

    def retain(self, uids: Collection[str], version: str) -> None:
        """kopf does not tell what vanished while its watch was down."""


class Stage:
    """One cluster in virtual time. ``writes`` is everything that the operator asked the API server to change.

    ``fetch`` stands in for the pods' progress pages; without it nobody asks for them.
    """

    def __init__(self, seed: int = 0) -> None:
        loop = asyncio.get_running_loop()
        self.now = lambda: NOON + timedelta(seconds=loop.time())
        self.store = Store(self.now, Random(seed))
        serve_trainingjobs(self.store, NAMESPACE)
        self.api = StoreApi(self.store)
        self.kubelet = Kubelet(self.store, lambda: self.now().strftime("%Y-%m-%dT%H:%M:%SZ"))
        self.writes: list[str] = []
        self.fetch: Fetch | None = None
        self._tasks: list[asyncio.Task[Any]] = []

    def start_operator(self, death: Death | None = None) -> None:
        """Start the operator, which may be destined to die."""
        api = OperatorsApi(self.store, self.writes, death)
        controller = Controller(api, clock=self.now)
        reflectors = [Reflector(api, PODS, controller.pods), Reflector(api, TRAININGJOBS, Jobs(controller))]
        self._tasks = [asyncio.create_task(r.run()) for r in reflectors]
        if self.fetch is not None:
            reader = ProgressReader(controller.jobs, controller.pods, controller.readings, self.fetch, self.now)
            self._tasks.append(asyncio.create_task(reader.run()))

        async def work() -> None:
            for reflector in reflectors:
                await reflector.synced.wait()
            await controller.work(2)

        self._tasks.append(asyncio.create_task(work()))

    async def kill_operator(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def submit(self, name: str = "digits", **fields: Any) -> None:
        raw = raw_job(name=name, namespace=NAMESPACE, **fields)
        raw["metadata"] = {"name": name, "namespace": NAMESPACE}
        del raw["status"]
        await self.api.create(TRAININGJOBS, NAMESPACE, raw)

    async def edit(self, name: str = "digits", **fields: Any) -> None:
        await self.api.patch(TRAININGJOBS, NAMESPACE, name, {"spec": fields})

    def status(self, name: str = "digits") -> Object:
        records = [r.object for r in self.store.list(TRAININGJOBS, NAMESPACE).records]
        return next((r.get("status") or {} for r in records if r["metadata"]["name"] == name), {})

    def pods(self) -> dict[str, Object]:
        return {r.object["metadata"]["name"]: r.object for r in self.store.list(PODS, NAMESPACE).records}

    def count(self, resource: Resource) -> int:
        return len(self.store.list(resource, NAMESPACE).records)

    async def until(self, is_so: Callable[[], bool], *, seconds: float = 3600) -> None:
        """Wait for something, in virtual time."""
        for _ in range(int(seconds * 10)):
            if is_so():
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"not so after {seconds} virtual seconds; status {self.status()}; writes {self.writes}")

    async def until_state(self, state: str, attempt: int | None = None) -> None:
        await self.until(
            lambda: self.status().get("state") == state and attempt in (None, self.status().get("attempt"))
        )


@asynccontextmanager
async def stage(*, operator: bool = True) -> AsyncIterator[Stage]:
    """A stage with its kubelet, and the operator unless the story starts it."""
    found = Stage()
    kubelet = asyncio.create_task(found.kubelet.run())
    if operator:
        found.start_operator()
    try:
        yield found
    finally:
        await found.kill_operator()
        kubelet.cancel()
        await asyncio.gather(kubelet, return_exceptions=True)


def without_events(writes: Iterable[str]) -> Iterator[str]:
    """The writes that matter; events come after them and may get lost."""
    return (write for write in writes if not write.startswith(f"create {EVENTS.kind}"))
