"""One simulated cluster: the store, its nodes, the users and the operator's processes, all by one virtual clock.

Carries out a schedule and keeps the record of what happened. Says nothing about right and wrong: oracles.py does.
"""

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from random import Random
from typing import Any

from simulation.faults import RequestFaults
from simulation.kubelet import NAMESPACE, Kubelet, owner_of
from simulation.nodes import Nodes
from simulation.oracles import Oracle
from simulation.process import Process
from simulation.schedule import OUTAGE, Schedule, Timed
from simulation.script import Script
from simulation.users import Users
from support.builders import NOON
from support.served import serve_trainingjobs
from trainingjob_operator.api.resources import TRAININGJOBS
from trainingjob_sandbox.store import Store

Object = dict[str, Any]
JOB = "digits"
RESTLESS = 20_000
"""Requests of one story; the busiest ones need a tenth of that."""
COLLECTED_AFTER = 3.0
"""Seconds until an orphan is seen to be one."""
FULL_RULES_EVERY = 100
"""Every so many seeds the CRD's CEL rules are evaluated as well, at three times the cost."""


class World:
    """A schedule being carried out."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.log: list[str] = []
        self.events: Counter[str] = Counter()
        self.writes = 0
        self.quorum_reads = 0
        self._requests = 0
        self.last_write = 0.0
        self.outage_until = 0.0
        self.quota_until = 0.0
        self._loop = asyncio.get_running_loop()
        self._random = Random(schedule.seed + 1)
        self._skew = 0.0
        self._lags = {"pods": schedule.lag_of_pods, "jobs": schedule.lag_of_jobs, "nodes": schedule.lag_of_jobs * 10}
        self._is_calm = False
        self.store = Store(self.now, Random(schedule.seed))
        serve_trainingjobs(self.store, NAMESPACE, rules=schedule.seed % FULL_RULES_EVERY == 0)
        self._jobs = self.store.catalog.find(TRAININGJOBS)[1]
        self.nodes = Nodes(self.store, self._timestamp) if schedule.has_nodes else None
        self.kubelet = Kubelet(self.store, self.nodes, self._timestamp, self._random, schedule.start_up)
        self.oracle = Oracle(self)
        self.request_faults = RequestFaults(schedule)
        self.users = Users(self)
        self.script = Script(self) if schedule.script is not None else None
        self.processes = [Process(self, number) for number in range(schedule.operators)]

    def begin(self) -> None:
        """Submit the job, start the operator, and set the alarm for everything that is to happen."""
        self.users.submit()
        changes_leader = any(fault.kind == "leader change" for fault in self.schedule.faults)
        for process in self.processes[:1] if changes_leader else self.processes:
            process.start()
        for fault in self.schedule.faults:
            self._loop.call_later(fault.at, self._disturb, fault)
        for event in self.schedule.events:
            self._loop.call_later(event.at, self._happen, event)

    def calm(self) -> None:
        """No more faults and no more events; one operator is left."""
        self._is_calm = True
        self.request_faults.stop()
        self.outage_until = self.quota_until = 0.0
        self.kubelet.stuck_until = self.kubelet.full_until = 0.0
        if self.nodes:
            self.nodes.heal_all()
        self._lags = dict.fromkeys(self._lags, 0.0)
        self.users.leave()
        for process in self.processes[1:]:
            process.stop()
        self.processes[0].wake()
        self.processes[0].start()

    def restart(self, process: Process) -> None:
        """A process comes back; in calm times only the first one does."""
        if not self._is_calm or process is self.processes[0]:
            process.start()

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self._loop.time())

    def seconds(self) -> float:
        """Virtual seconds since the story began."""
        return self._loop.time()

    def operators_clock(self) -> datetime:
        """What the operator takes for the time."""
        return self.now() + timedelta(seconds=self._skew)

    def latency(self) -> float:
        """Seconds of one way on the wire."""
        return self.schedule.latency * (0.2 + 1.6 * self._random.random()) if self.schedule.latency else 0.0

    def lag(self, kind: str) -> float:
        """Seconds by which a watch lags now."""
        return self._lags[kind]

    def job(self) -> Object | None:
        """The job as the store has it."""
        record = self._jobs.get(NAMESPACE, JOB)
        return record.object if record else None

    def note(self, text: str, of: Process | None = None) -> None:
        """Remember a write of the operator, or anything else that a reader of the story wants to see."""
        if of is not None:
            self.writes += 1
            self.last_write = self._loop.time()
            text = f"operator{'' if of.number == 0 else ' 2'}: {text}"
        self.log.append(f"{self._loop.time():9.3f}  {text}")

    def collect_orphan(self, made: Object) -> None:
        """The garbage collector comes for what was made for a job that is gone."""
        job = self.job()
        if job is None or job["metadata"]["uid"] != owner_of(made):
            self._loop.call_later(COLLECTED_AFTER, self.store.collect_garbage)

    def count_request(self, by: Process) -> None:
        """Stop an operator that asks without end: no other oracle would ever get its turn."""
        self._requests += 1
        if self._requests == RESTLESS:
            self.oracle.broken("L3", f"{RESTLESS} requests, and no end")
        if self._requests >= RESTLESS:
            by.stop()

    def happened(self, text: str, kind: str) -> None:
        """Remember something that the world did."""
        self.events[kind] += 1
        self.note(f"world: {text}")

    def _timestamp(self) -> str:
        return self.now().strftime("%Y-%m-%dT%H:%M:%SZ")

    def _happen(self, event: Timed) -> None:
        if not self._is_calm and self.users.do(event) is False:
            self._loop.call_later(1.0, self._happen, event)

    def _disturb(self, fault: Timed) -> None:
        """A fault of the operator's machine or network begins."""
        if self._is_calm:
            return
        self.note(f"fault: {fault.kind} {fault.value:g}")
        self.request_faults.injected[fault.kind] += 1
        process = self.processes[fault.rank % len(self.processes)]
        match fault.kind:
            case "crash":
                if process.is_up:
                    process.crash(fault.value)
            case "pause":
                process.pause(fault.value)
            case "leader change":
                self._change_leader(fault.value)
            case "clock":
                self._skew += (fault.rank - 1.5) * fault.value * 5
            case "lag of pods" | "lag of jobs" | "lag of nodes":
                self._lags[fault.kind.removeprefix("lag of ")] = fault.value
            case "watch closed" | "watch silent" | "watch expired" | "watch skipped":
                process.break_watch(("jobs", "pods", "nodes", "pods")[fault.rank], fault.kind)
            case _:
                self._trouble_api(fault)

    def _trouble_api(self, fault: Timed) -> None:
        """The API server is away, or has no room, for everyone."""
        if fault.kind == "quota":
            self.quota_until = self._loop.time() + fault.value
            return
        assert fault.kind == "outage"
        self.outage_until = self._loop.time() + fault.value * OUTAGE
        for process in self.processes:
            for kind in self._lags:
                process.break_watch(kind, "watch closed")

    def _change_leader(self, seconds: float) -> None:
        """The leader is cut off; another takes over, and the old one, back again, does not know that it was deposed."""
        old, new = self.processes
        if new.is_up:
            old, new = new, old
        old.pause(seconds)
        new.wake()
        new.start()
