"""A world without faults in which a scenario is played by hand: the same every time.

Operator, store, kubelet and oracles are those of the random stories; what happens is told by coroutines that wait for
the job. The operator may be destined to die at chosen writes. Decides nothing about right and wrong.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Self

from simulation.faults import RequestFaults
from simulation.kubelet import DISRUPTED, FAILED, FINISHED, NAMESPACE, owner_of
from simulation.oracles import Oracle
from simulation.process import DOWN, Process
from simulation.schedule import RequestFault, Schedule, drawn
from simulation.world import JOB, World
from support.builders import raw_job
from trainingjob_operator.api import names
from trainingjob_operator.api.resources import PODS, TRAININGJOBS, Resource
from trainingjob_operator.cluster.api import MERGE_PATCH
from trainingjob_sandbox.store import DeleteOptions

Object = dict[str, Any]
Story = Callable[["Scene"], Awaitable[None]]
WRITES = frozenset({"status", "create", "delete"})


@dataclass(slots=True)
class Deaths:
    """The operator dies at these of its writes (from 1, over all its lives), before or after they are carried out."""

    at: dict[int, str] = field(default_factory=dict)
    written: int = 0

    def next(self) -> str | None:
        self.written += 1
        return self.at.get(self.written)


class SceneFaults(RequestFaults):
    """Nothing goes wrong but the operator's deaths."""

    def __init__(self, schedule: Schedule, deaths: Deaths) -> None:
        super().__init__(schedule)
        self._deaths = deaths

    def next(self, target: str) -> RequestFault | None:
        self.counts[target] += 1
        death = self._deaths.next() if target in WRITES else None
        return RequestFault(target, 0, death, 0.0) if death else None


class SceneOracle(Oracle):
    """The oracle of the random stories, which know neither invalid jobs nor the trainer's exit code 2."""

    def _check_failure(self, job: Object, new: Object) -> None:
        if new.get("reason") not in ("ConfigurationError", "InvalidSpec"):
            super()._check_failure(job, new)


class EvenDice(Random):
    """No chance at all: a kubelet always takes its usual time."""

    def random(self) -> float:
        return 0.5


class Scene(World):
    """One cluster with one job. ``spec`` holds camelCase fields of the job; ``with_nodes`` lets its nodes be lost."""

    def __init__(
        self,
        spec: Mapping[str, Any],
        *,
        deaths: Deaths | None = None,
        with_nodes: bool = False,
        process: type[Process] = Process,
    ) -> None:
        self.spec: Object = {"numNodes": 2, **spec}
        super().__init__(_calm(self.spec, with_nodes=with_nodes))
        self.kubelet._random = EvenDice()  # all that a schedule leaves to chance
        self.oracle = SceneOracle(self)
        self.deaths = deaths or Deaths()
        self.request_faults = SceneFaults(self.schedule, self.deaths)
        self.processes = [process(self, 0)]
        self._changed = asyncio.Event()
        self._watches = [self.store.watch(kind) for kind in (TRAININGJOBS, PODS)]
        for watch in self._watches:
            watch.notify = self._changed.set

    @property
    def operator(self) -> Process:
        return self.processes[0]

    @property
    def status(self) -> Object:
        """The job's status as the store has it."""
        return (self.job() or {}).get("status") or {}

    def tell(self, text: str) -> None:
        """Something that the world does, for the record."""
        self.note(f"world: {text}")

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait for what a change of the job or of a pod brings about, two virtual hours at most."""
        try:
            async with asyncio.timeout(7200):
                while not is_so():
                    await self._change()
        except TimeoutError:
            raise AssertionError("\n".join(["it never came to that:", *self.log])) from None

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()
        for watch in self._watches:
            watch.take()

    async def until_state(self, state: str, attempt: int | None = None) -> None:
        """Wait for the job to say this."""
        await self.until(lambda: self.status.get("state") == state and attempt in (None, self.status.get("attempt")))

    async def until_reason(self, reason: str) -> None:
        """Wait for the job to say why it is in its state."""
        await self.until(lambda: self.status.get("reason") == reason)

    async def running(self, attempt: int = 1) -> Self:
        """Wait until this attempt has been running for a second, under the eyes of a live operator.

        What happens while there is none, and is gone when it comes back, leaves its reason unknown.
        """
        await self.until_state("Running", attempt)
        await asyncio.sleep(1)
        if not self.operator.is_up:
            await asyncio.sleep(DOWN)
        return self

    def submit(self) -> None:
        """Somebody applies the job."""
        raw = raw_job(name=JOB, namespace=NAMESPACE, **self.spec)
        raw["metadata"] = {"name": JOB, "namespace": NAMESPACE}
        del raw["status"]
        self.tell("the job is applied")
        self.users.wants_job = True
        self.store.create(TRAININGJOBS, NAMESPACE, raw)

    def change(self, **fields: Any) -> None:
        """Somebody edits the job."""
        self.tell(f"the job is edited: {fields}")
        self.users.edit(**fields)

    def delete_job(self) -> None:
        """Somebody deletes the job; the garbage collector comes a moment later."""
        self.tell("the job is deleted")
        self.users.wants_job = False
        self.store.delete(TRAININGJOBS, NAMESPACE, JOB, DeleteOptions(propagation="Background"))
        self._loop.call_later(0.2, self.store.collect_garbage)

    def pod_of(self, rank: int) -> str:
        """The name of a rank's pod in the current attempt."""
        return names.pod_name(JOB, self.status["attempt"], rank)

    def exits(self, rank: int, code: int, reason: str = "") -> None:
        """The training process of a rank ends."""
        name = self.pod_of(rank)
        self.tell(f"{name} exits with {code}{f' ({reason})' if reason else ''}")
        self.kubelet.end(name, code, FAILED if code else FINISHED, reason)

    def strike(self, kind: str, rank: int) -> None:
        """Something happens to the pod of a rank: evict, preempt, drain, delete, force delete, remove node."""
        self.tell(f"{kind} {self.pod_of(rank)}")
        self.users.strike(kind, self.pod_of(rank), 1)

    def takes_to_stop(self, seconds: float) -> None:
        """Pods that are told to stop now go on for so long."""
        self.kubelet.stuck_until = self._loop.time() + seconds

    def keep(self, rank: int) -> None:
        """A finalizer keeps the pod of a rank, however it is deleted; it goes a minute later."""
        name = self.pod_of(rank)
        self._finalize(name, ["example.com/keep"])
        self._loop.call_later(60, self._finalize, name, None)

    def _finalize(self, name: str, finalizers: list[str] | None) -> None:
        if self.kubelet.pod(name) is not None:
            patch = {"metadata": {"finalizers": finalizers}}
            self.store.patch(PODS, NAMESPACE, name, patch, content_type=MERGE_PATCH)

    def refuse(self, rank: int, reason: str) -> None:
        """The kubelet ends the pod of a rank before its container has run."""
        name = self.pod_of(rank)
        pod = self.kubelet.pod(name)
        assert pod is not None
        self.tell(f"{name} is refused: {reason}")
        self.kubelet.fates[owner_of(pod), name] = DISRUPTED
        status = {"phase": "Failed", "reason": reason, "message": "the node refused it", "containerStatuses": None}
        self.kubelet._report(name, status)

    def fill_nodes(self) -> None:
        self.tell("the nodes are full")
        self.kubelet.full_until = math.inf

    def empty_nodes(self) -> None:
        self.tell("there is room on the nodes")
        self.kubelet.full_until = 0.0

    def lose_node(self, rank: int, how: str) -> None:
        """The node under the pod of a rank is out of reach (silence), or gone for good (remove)."""
        pod = self.kubelet.pod(self.pod_of(rank))
        assert pod is not None
        assert self.nodes is not None
        node = pod["spec"]["nodeName"]
        self.tell(f"{how} {node}")
        if how == "silence":
            self.nodes.silence(node, 3600.0)
        else:
            self.users._remove_node(node)

    async def finish(self) -> None:
        """Every rank exits with 0, and the job says so."""
        for rank in range(self.spec["numNodes"]):
            self.exits(rank, 0)
        await self.until_state("Succeeded")

    def exhaust_quota(self) -> None:
        self.tell("the namespace's quota is used up")
        self.quota_until = math.inf

    def make_room(self) -> None:
        self.tell("there is room in the quota again")
        self.quota_until = 0.0

    def names_of(self, resource: Resource) -> list[str]:
        """What is there of a kind."""
        return sorted(record.object["metadata"]["name"] for record in self.store.list(resource, NAMESPACE).records)


def _calm(spec: Object, *, with_nodes: bool) -> Schedule:
    """A schedule in which nothing happens; the oracles read the job's shape from it."""
    policy, base = spec.get("failurePolicy", {}), drawn(1)
    shape = replace(
        base.shape,
        nodes=spec["numNodes"],
        max_restarts=policy.get("maxRestarts", 3),
        policy=spec.get("startPolicy", "MainNodeFirst"),
        files=bool(spec.get("files")),
        rules=False,
        patience=policy.get("nodeLostAfterSeconds", 60),
        startup_timeout=spec.get("startupTimeoutSeconds", 0),
        deadline=spec.get("activeDeadlineSeconds", 0),
        time_to_live=spec.get("ttlSecondsAfterFinished", 0),
    )
    return replace(
        _Noded(**{name: getattr(base, name) for name in base.__slots__}) if with_nodes else base,
        shape=shape,
        operators=1,
        latency=0.0,
        lag_of_pods=0.0,
        lag_of_jobs=0.0,
        start_up=0.5,
        request_faults=(),
        faults=(),
        events=(),
        script=None,
        finishes=False,
        calm=0.0,
    )


class _Noded(Schedule):
    """A schedule whose pods are bound to nodes that can be lost."""

    @property
    def has_nodes(self) -> bool:
        return True
