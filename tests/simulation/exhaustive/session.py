"""One controller of the product, put into a state, driven by hand, and read out again.

Everything that it waits for is a future in the hands of the caller; nothing in here waits for time or takes a chance.
"""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import aiohttp

import trainingjob_operator.controller as product
from simulation.exhaustive.memory import Memory, Refusal, Request, State
from simulation.exhaustive.values import JOB, NAMESPACE, Job, Pod, at, place_of, tick_of, version_of
from trainingjob_operator.api import names
from trainingjob_operator.api.resources import EVENTS, PODS, TRAININGJOBS
from trainingjob_operator.cluster.api import ApiError, ObjectList
from trainingjob_operator.cluster.cache import Key
from trainingjob_operator.core.observed import Job as SeenJob
from trainingjob_operator.core.observed import Observed

if TYPE_CHECKING:
    from simulation.exhaustive.automaton import Automaton

Object = dict[str, Any]
KEY = Key(NAMESPACE, JOB)


class Alarm:
    """In the place of the work queue: notes who wants to be woken and when, wakes nobody."""

    def __init__(self, memory: Memory) -> None:
        self.woken, self.retries, self.after = memory.woken, memory.retry, None

    def add(self, _: Key) -> None:
        self.woken = True

    def add_after(self, key: Key, seconds: float) -> None:
        if seconds <= 0:
            self.add(key)
        else:
            self.after = seconds

    def retry(self, _: Key, at_least: float = 0.0) -> float:
        self.retries = True
        return at_least

    def succeeded(self, _: Key) -> None: ...


@dataclass(slots=True)
class Line:
    """The operator's API: each request waits in ``open`` until the world answers."""

    open: dict[Request, "asyncio.Future[Any]"] = field(default_factory=dict)
    troubles: list[Any] = field(default_factory=list)

    async def list(self, *_: Any, **__: Any) -> ObjectList:
        # Nobody else creates this job's pods while a list is on its way, so it is newer than all that is known.
        return ObjectList(await self._ask(("list",)), "9999")

    async def get(self, resource: Any, _namespace: Any, name: str) -> Any:
        if resource is TRAININGJOBS:
            return await self._ask(("get",))
        return await self._ask(("look", resource.kind, name))

    async def create(self, resource: Any, _namespace: Any, body: Object) -> Any:
        if resource is EVENTS:
            return body
        life = int(body["metadata"]["ownerReferences"][0]["uid"].removeprefix("job-"))
        number = names.attempt_and_rank(body["metadata"]["name"]) if resource is PODS else (0, 0)
        return await self._ask(("create", resource.kind, life, *(number or ())))

    async def replace(self, _resource: Any, _namespace: Any, _name: str, body: Object, **_: Any) -> Any:
        meta = body["metadata"]
        life, version = int(meta["uid"].removeprefix("job-")), version_of(meta["resourceVersion"])
        return await self._ask(("status", life, version, place_of(body["status"])))

    async def delete(self, _resource: Any, _namespace: Any, name: str, **options: Any) -> Any:
        return await self._ask(("delete", name, options.get("uid"), options.get("grace_seconds")))

    async def _ask(self, request: Request) -> Any:
        assert request not in self.open
        future = self.open[request] = asyncio.get_running_loop().create_future()
        return await future


class Session:
    """One controller, put into a state and driven by hand."""

    def __init__(self, automaton: "Automaton", state: State) -> None:
        self._automaton, self._state = automaton, state
        self._line = Line()
        self._observed: list[Observed] = []
        self._task: asyncio.Task[None] | None = None
        memory = state.memory
        self._alarm = Alarm(memory)
        self._controller = product.Controller(self._line, clock=lambda: at(0))  # type: ignore[arg-type]
        self._remember(memory)
        self._controller.queue = self._alarm  # type: ignore[assignment]
        for cache in (self._controller.jobs, self._controller.pods):
            cache._wake = self._alarm.add

    def _remember(self, memory: Memory) -> None:
        """Lay into the caches what `put` would leave there; parsing it again each time is half of all work."""
        controller, automaton = self._controller, self._automaton
        if memory.job is not None:
            controller.jobs._jobs[KEY] = automaton.parsed_job(memory.job)
        for pod in memory.pods:
            controller.pods._by_job.setdefault(KEY, {})[pod.name] = automaton.parsed_pod(pod)
            controller.pods._versions[pod.uid] = pod.version
        for cache, uids in zip((controller.jobs, controller.pods), memory.graves, strict=True):
            for uid in uids:
                cache._graves.bury(uid)
        if memory.doubts:
            controller._doubts.add(KEY)
        if memory.refused is not None:
            controller._refusals[KEY] = memory.refused
        if memory.reported is not None:
            controller._reported[KEY] = at(memory.reported)

    async def __aenter__(self) -> "Session":
        self._plan = product.plan
        product.plan = self._noted_plan
        return self

    async def __aexit__(self, *_: object) -> None:
        product.plan = self._plan
        if self._task and not self._task.done():
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _noted_plan(self, observed: Observed) -> Any:
        self._observed.append(observed)
        return self._plan(observed)

    async def take(self, move: tuple[Any, ...]) -> None:
        """One input."""
        match move:
            case ("begin",):
                self._begin()
            case ("event", kind, value):
                self._show(kind, value)
            case ("answer", request, answer):
                self._answer(request, answer)
        if self._task and not self._task.done():
            await _until_all_wait()

    def _begin(self) -> None:
        self._alarm.woken = self._alarm.retries = False
        self._task = asyncio.create_task(self._controller.reconcile(KEY))

    def _show(self, kind: str, value: Any) -> None:
        """As kopf's handler and the reflector do."""
        jobs, pods, raw = self._controller.jobs, self._controller.pods, self._automaton
        match kind:
            case "job":
                jobs.put(raw.raw(value))
            case "job gone":
                jobs.remove(KEY, value.uid)
            case "pod":
                pods.put(raw.raw_pod(value))
            case "pod gone":
                pods.remove(raw.raw_pod(value))
            case "pods":
                for pod in value:
                    pods.put(raw.raw_pod(pod))
                pods.retain({pod.uid for pod in value}, "9999")

    def _answer(self, request: Request, answer: Any) -> None:
        future = self._line.open.pop(request)
        if isinstance(answer, Refusal):
            self._line.troubles.append((request[0], answer.status, answer.reason))
            future.set_exception(_error(answer))
        elif request == ("list",):
            future.set_result([self._automaton.raw_pod(pod) for pod in answer])
        else:
            future.set_result(self._raw(answer))

    def _raw(self, answer: Any) -> Object:
        if isinstance(answer, Pod):
            return self._automaton.raw_pod(answer)
        if isinstance(answer, Job):
            return self._automaton.raw(answer)
        owners = [{"kind": names.KIND, "name": JOB, "uid": f"job-{answer}", "controller": True}] if answer else []
        return {"kind": "Service", "metadata": {"name": JOB, "ownerReferences": owners}}

    def found(self, move: tuple[Any, ...]) -> tuple[tuple[Any, ...], State]:
        """What tells the state that was reached from others, and the state."""
        began = self._task is not None
        if not began or (self._task and self._task.done()):
            memory = self._memory()
            return ("idle", memory), State(memory)
        requests = tuple(sorted(self._line.open, key=repr))
        assert requests, "a pass waits for the API server or is over"
        inputs = (*self._state.inputs, move)
        state = replace(self._state, inputs=inputs, requests=requests)
        troubles = tuple(sorted(map(repr, self._line.troubles)))
        knows = _print(self._observed[-1]) if self._observed else self._state.memory.job
        return ("pass", self._memory(), requests, troubles, knows), state

    def _memory(self) -> Memory:
        controller, alarm = self._controller, self._alarm
        job = controller.jobs.get(KEY)
        reported = controller._reported.get(KEY)
        timer = None if alarm.after is None else tick_of(at(0) + timedelta(seconds=alarm.after))
        if self._task is None:
            timer = self._state.memory.timer
        return Memory(
            job=None if job is None else _job(job),
            pods=tuple(sorted(self._automaton.pod_of(pod) for pod in controller.pods.of(KEY))),
            graves=(frozenset(controller.jobs._graves._uids), frozenset(controller.pods._graves._uids)),
            refused=controller._refusals.get(KEY),
            reported=None if reported is None else tick_of(reported),
            woken=alarm.woken,
            retry=alarm.retries,
            doubts=KEY in controller._doubts,
            timer=timer,
        )


async def _until_all_wait() -> None:
    """Until the pass waits for the API server, or is over: until nothing but this can run."""
    loop: Any = asyncio.get_running_loop()
    idle = 0
    while idle < 2:
        await asyncio.sleep(0)
        idle = 0 if loop._ready else idle + 1


def _error(refusal: Refusal) -> Exception:
    if refusal.status == 0:
        return aiohttp.ClientConnectionError(refusal.message)
    return ApiError(refusal.status, refusal.reason, refusal.message, details={"name": JOB})


def _job(seen: SeenJob) -> Job:
    """The value behind a job that the cache holds."""
    life, suspend = int(seen.uid.removeprefix("job-")), bool(seen.spec and seen.spec.suspend)
    return Job(life, version_of(seen.resource_version), seen.generation, suspend, place_of(seen.status.wire()))


def _print(observed: Observed) -> tuple[Any, ...]:
    """What a pass has seen, and so all that it is going to do."""
    return (
        _job(observed.job),
        observed.pods,
        observed.now,
        observed.quorum,
        observed.refusal,
        observed.reported_at,
    )
