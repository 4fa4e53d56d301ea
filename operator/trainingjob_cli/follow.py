"""Follows jobs to their end: a line for each new state, what a waiting job waits for, rank 0's log in between.

Only reads. The lines look like `kubectl get trainingjobs`, so that what is learnt here is known there.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from trainingjob_operator.api import names
from trainingjob_operator.api.resources import PODS, TRAININGJOBS
from trainingjob_operator.cluster.api import ApiError
from trainingjob_operator.cluster.client import HttpApi

Object = dict[str, Any]
Say = Callable[[str], None]
FINISHED = ("Succeeded", "Failed")
LAST_LINES_SECONDS = 5.0


@dataclass(slots=True)
class Follower:
    """Follows some jobs of one namespace. ``watch`` shows states, ``logs`` shows rank 0's log."""

    api: HttpApi
    namespace: str
    jobs: frozenset[str]
    say: Say
    watch: bool = True
    logs: bool = True
    _shown: dict[str, str] = field(default_factory=dict)
    _ended: dict[str, Object] = field(default_factory=dict)
    _logs: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _lines: int = 0

    async def to_the_end(self) -> dict[str, Object]:
        """The jobs by name as they were when the last of them had finished."""
        if self.watch:
            self.say(_row("NAME", "STATE", "NODES", "RESTARTS", "REASON"))
        listed = await self.api.list(TRAININGJOBS, self.namespace)
        for raw in listed.items:
            self._take(raw)
        version = listed.resource_version
        try:
            while len(self._ended) < len(self.jobs):
                version = await self._watch(version)
            await self._last_lines()
        finally:
            # Also when somebody interrupts: they would tell of the sandbox's end as of a failure.
            for task in self._logs.values():
                task.cancel()
        return self._ended

    async def _last_lines(self) -> None:
        """Let the logs come to their end, however long they are; that of a pod which never started has none."""
        waiting, shown = set(self._logs.values()), -1
        while waiting and self._lines > shown:
            shown = self._lines
            _, waiting = await asyncio.wait(waiting, timeout=LAST_LINES_SECONDS)

    async def _watch(self, version: str) -> str:
        stream = self.api.watch(TRAININGJOBS, self.namespace, resource_version=version)
        async for event in stream:
            version = event.object["metadata"]["resourceVersion"]
            if event.type in ("ADDED", "MODIFIED"):
                self._take(event.object)
            elif event.type == "DELETED" and event.object["metadata"]["name"] in self.jobs:
                self._ended[event.object["metadata"]["name"]] = event.object
            if len(self._ended) == len(self.jobs):
                break
        await stream.aclose()
        return version

    def _take(self, raw: Object) -> None:
        name, status = raw["metadata"]["name"], raw.get("status") or {}
        if name not in self.jobs:
            return
        told = "\n".join([_state(name, status), *_waits_for(name, status)])
        if self.watch and status and self._shown.get(name) != told:
            self._shown[name] = told
            self.say(told)
        attempt = status.get("attempt", 0)
        if self.logs and attempt:
            self._follow_log(name, attempt)
        if status.get("state") in FINISHED:
            self._ended[name] = raw

    def _follow_log(self, job: str, attempt: int) -> None:
        pod = names.pod_name(job, attempt, 0)
        if pod not in self._logs:
            self._logs[pod] = asyncio.create_task(self._log(pod))

    async def _log(self, pod: str) -> None:
        """Show a pod's log from the moment its container has started; a pod that never starts has none."""
        if not await self._started(pod):
            return
        try:
            async for line in self.api.log(self.namespace, pod, container=names.MAIN_CONTAINER, follow=True):
                self._lines += 1
                self.say(f"{pod} | {line}")
        except (ApiError, aiohttp.ClientError) as error:
            self.say(f"{pod} | (the log ends here: {error})")

    async def _started(self, pod: str) -> bool:
        listed = await self.api.list(PODS, self.namespace, fields=f"metadata.name={pod}")
        if any(_has_started(raw) for raw in listed.items):
            return True
        version = listed.resource_version
        while True:
            stream = self.api.watch(PODS, self.namespace, fields=f"metadata.name={pod}", resource_version=version)
            async for event in stream:
                version = event.object["metadata"]["resourceVersion"]
                if event.type == "DELETED":
                    return False
                if event.type != "BOOKMARK" and _has_started(event.object):
                    return True


def _has_started(pod: Object) -> bool:
    statuses: Iterable[Object] = (pod.get("status") or {}).get("containerStatuses") or []
    main = next((s for s in statuses if s["name"] == names.MAIN_CONTAINER), {})
    return any(key in (main.get("state") or {}) for key in ("running", "terminated"))


def _state(name: str, status: Object) -> str:
    restarts = str(status.get("restarts", ""))
    return _row(name, status.get("state", ""), status.get("nodes", ""), restarts, status.get("reason", ""))


def _waits_for(name: str, status: Object) -> list[str]:
    """What a pending job waits for, in words: its reason alone does not say what to do."""
    ready: Object = next((c for c in status.get("conditions") or [] if c["type"] == "PodsReady"), {})
    return [f"{name}: {ready['message']}"] if status.get("state") == "Pending" and ready.get("message") else []


def _row(name: str, state: str, nodes: str, restarts: str, reason: str) -> str:
    return f"{name:<24} {state:<11} {nodes:<7} {restarts:<9} {reason}".rstrip()


def account(raw: Object) -> list[str]:
    """What there is to say about a finished job: each ended attempt, and why it ended.

    The attempt that ended the job is left out where the reason of the end tells the same.
    """
    status = raw.get("status") or {}
    failed = next((c for c in status.get("conditions") or [] if c["type"] == "Failed" and c["status"] == "True"), None)
    end = failed["message"] if failed else ""
    lines = []
    for attempt in status.get("attempts") or []:
        failure = attempt.get("firstFailure")
        if failure:
            why = failure.get("message") or failure["reason"]
            if failure["pod"] not in end or why not in end:
                lines.append(f"attempt {attempt['attempt']}: rank {failure['rank']} (pod {failure['pod']}) {why}")
    return lines + ([f"{failed['reason']}: {end}"] if failed else [])
