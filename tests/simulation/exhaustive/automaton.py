"""The operator as an automaton, learned by running it: the product's own controller, caches, plan and applier.

A state is what a process remembers: its caches, what woke it, and, in the midst of a pass, the requests that it waits
for. Each pair of a state and an input is tried once: a controller is put into that state and given that input; after
that the answer is known. Neither time nor chance moves by itself here.
"""

import asyncio
from typing import Any

from simulation.exhaustive.memory import Memory, Request, State
from simulation.exhaustive.session import Session
from simulation.exhaustive.values import Job, Pod, raw_of_job, raw_of_pod
from trainingjob_operator.core.observed import Job as SeenJob
from trainingjob_operator.core.observed import Pod as SeenPod
from trainingjob_operator.core.observed import job_from, pod_from

Object = dict[str, Any]
DOWN = 0
"""The state of no process at all."""


class Automaton:
    """States are numbers; 0 is no process. ``policy`` and ``budget`` are the job's startPolicy and maxRestarts."""

    def __init__(self, policy: str, budget: int) -> None:
        self.policy, self.budget = policy, budget
        self.states: list[State | None] = [None]
        self.runs = 0
        self._known: dict[tuple[Any, ...], int] = {}
        self._moves: dict[tuple[Any, ...], int] = {}
        self._jobs: dict[Job, SeenJob] = {}
        self._pods: dict[Pod, SeenPod] = {}
        self._seen: dict[SeenPod, Pod] = {}
        self._loop = asyncio.SelectorEventLoop()

    def close(self) -> None:
        self._loop.close()

    def state(self, number: int) -> State:
        found = self.states[number]
        assert found is not None
        return found

    def started(self, job: Job | None, pods: tuple[Pod, ...]) -> int:
        """A new process whose first lists show this."""
        memory = Memory(job, pods, (frozenset(), frozenset()), woken=job is not None or bool(pods))
        return self._number(("idle", memory), State(memory))

    def begins(self, number: int) -> int:
        """A pass begins."""
        return self._after(number, ("begin",))

    def shown(self, number: int, event: tuple[str, Any]) -> int:
        """A watch shows something: ("job" or "pod", and "gone" before it for a deletion)."""
        return self._after(number, ("event", *event))

    def changed(self, number: int, memory: Memory) -> int:
        """The state of a process between passes, with another memory."""
        return self._number(("idle", memory), State(memory))

    def reads(self, number: int) -> bool:
        """Whether a pass waits for what it reads: then it matters what the watches show meanwhile."""
        return any(request in (("list",), ("get",)) for request in self.state(number).requests)

    def answered(self, number: int, request: Request, answer: Any) -> int:
        """The answer to a request arrives: values of this world, or a Refusal."""
        return self._after(number, ("answer", request, answer))

    def _after(self, number: int, move: tuple[Any, ...]) -> int:
        known = self._moves.get((number, move))
        if known is None:
            known = self._moves[number, move] = self._loop.run_until_complete(self._try(self.state(number), move))
        return known

    async def _try(self, state: State, move: tuple[Any, ...]) -> int:
        """Put the controller into a state, and see what the input makes of it."""
        self.runs += 1
        session = Session(self, state)
        async with session:
            for earlier in (*state.inputs, move):
                await session.take(earlier)
            return self._number(*session.found(move))

    def _number(self, print_: tuple[Any, ...], state: State) -> int:
        if print_ not in self._known:
            self._known[print_] = len(self.states)
            self.states.append(state)
        return self._known[print_]

    def raw(self, value: Job | Pod) -> Object:
        return raw_of_job(value, self.policy, self.budget) if isinstance(value, Job) else raw_of_pod(value)

    def parsed_job(self, job: Job) -> SeenJob:
        """The job as the cache holds it."""
        if job not in self._jobs:
            self._jobs[job] = job_from(self.raw(job))
        return self._jobs[job]

    def parsed_pod(self, pod: Pod) -> SeenPod:
        """The pod as the cache holds it."""
        if pod not in self._pods:
            seen = self._pods[pod] = pod_from(raw_of_pod(pod))
            self._seen[seen] = pod
        return self._pods[pod]

    def pod_of(self, seen: SeenPod) -> Pod:
        """The value behind a pod of the cache."""
        return self._seen[seen]

    def raw_pod(self, pod: Pod) -> Object:
        self.parsed_pod(pod)
        return raw_of_pod(pod)
