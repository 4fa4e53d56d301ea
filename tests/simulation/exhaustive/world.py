"""The small world around the operator: what the API server, the kubelet, the collector and a user may do in a state.

Semantics of the API only, as pure functions from one state to the next; the operator is a number of its automaton.
Watches lag: what happened waits in ``news``, per kind, until it is shown to the operator.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from simulation.exhaustive.automaton import DOWN, Automaton
from simulation.exhaustive.canonical import canonical, time_passed
from simulation.exhaustive.memory import Refusal, Request
from simulation.exhaustive.values import (
    DONE,
    EVICTED,
    FAILED,
    LEAVES,
    LEFT,
    RUNS,
    TICK,
    WAITS,
    Job,
    Pod,
    facts,
)

NODES = 2
TAKEN = Refusal(409, "AlreadyExists", "it exists already")
GONE = Refusal(404, "NotFound", "it does not exist")
CHANGED = Refusal(409, "Conflict", "it has been modified")
LOST = Refusal(0, "", "connection reset")
QUOTA = Refusal(403, "Forbidden", "exceeded quota: team")
Event = tuple[str, Any]


class World(NamedTuple):
    """One state. ``service`` is the life that owns the Service, 0 if there is none; ``numbers`` counts pods by name.

    ``fates`` remembers which pods of this life have exited with 0 or 1; ``answers`` are on their way to the operator.
    """

    job: Job | None
    lives: int
    pods: tuple[Pod, ...]
    service: int
    job_news: tuple[Event, ...]
    pod_news: tuple[Event, ...]
    numbers: tuple[tuple[tuple[int, int, int], int], ...]
    fates: frozenset[tuple[int, int, str]]
    operator: int
    answers: tuple[tuple[Request, Any], ...]
    faults: int


class Move(NamedTuple):
    """One step: in words, where it leads, whether it is a fault, and the write of the operator that it carries out."""

    text: str
    after: World
    is_fault: bool = False
    write: Request | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """How large a world is: the job's startPolicy, how many faults may happen, and what is told apart.

    ``each_event``: a watch may show any part of what it withholds, not only all of it. ``slow_stops``: a pod that was
    told to stop has stopped some time before it is gone. ``slow_reads``: something may happen between the moment that
    a read tells of and its answer's arrival.
    """

    policy: str = "Parallel"
    faults: int = 1
    each_event: bool = False
    slow_stops: bool = False
    slow_reads: bool = True


def first(automaton: Automaton, shape: Shape) -> World:
    """The job has just been applied, and the operator knows it."""
    job = Job(1, 1, 1, False, 0)
    return World(job, 1, (), 0, (), (), (), frozenset(), automaton.started(job, ()), (), shape.faults)


class Rules:
    """What may happen next, for one operator automaton."""

    def __init__(self, automaton: Automaton, shape: Shape) -> None:
        self._operator = automaton
        self._shape = shape

    def moves(self, world: World) -> Iterator[Move]:
        """Everything that may happen in a state."""
        yield from self._of_operator(world)
        yield from self._of_news(world)
        yield from _of_pods(world, slow_stops=self._shape.slow_stops)
        yield from _of_people(world)
        if world.faults:
            left = world._replace(faults=world.faults - 1)
            yield from (move._replace(is_fault=True) for move in self._faults(left))

    def settled(self, move: Move, *, mirrors: bool = True) -> Move:
        """The same move, without news that tell the operator nothing: they may as well be shown at once."""
        world = self._without_news_of_nothing(move.after)
        return move._replace(after=canonical(world, self._operator, mirrors=mirrors))

    def _without_news_of_nothing(self, world: World) -> World:
        if world.operator == DOWN:
            return world._replace(job_news=(), pod_news=())
        for kind in ("job_news", "pod_news"):
            news = getattr(world, kind)
            if not self._shape.each_event:
                news = tuple(sorted({event[1].uid: event for event in news}.values()))
            while news and self._operator.shown(world.operator, news[0]) == world.operator:
                news = news[1:]
            world = world._replace(**{kind: news})
        return world

    def _of_operator(self, world: World) -> Iterator[Move]:
        if world.operator == DOWN:
            started = self._operator.started(world.job, world.pods)
            yield Move("the operator starts and lists everything", world._replace(operator=started))
            return
        state = self._operator.state(world.operator)
        if state.is_at_work:
            yield from self._answers(world, state.requests)
            return
        memory = state.memory
        if memory.woken or memory.retry:
            yield Move("a pass begins", world._replace(operator=self._operator.begins(world.operator)))
        elif memory.timer is not None:
            waited = time_passed(world, self._operator, memory.timer)
            text = f"{memory.timer * TICK} s later the operator looks again"
            yield Move(text, waited._replace(operator=self._operator.begins(waited.operator)))

    def _answers(self, world: World, requests: tuple[Request, ...]) -> Iterator[Move]:
        sent = {request for request, _ in world.answers}
        for request, answer in world.answers:
            rest = tuple(one for one in world.answers if one[0] != request)
            answered = self._operator.answered(world.operator, request, answer)
            yield Move(f"the answer to {_said(request)} arrives", world._replace(operator=answered, answers=rest))
        for request in requests:
            if request in sent:
                continue
            after, answer = carried_out(world, request)
            if self._shape.slow_reads and request[0] in ("list", "get"):
                answers = tuple(sorted((*world.answers, (request, answer)), key=repr))
                yield Move(f"{_said(request)} is answered", after._replace(answers=answers))
            else:
                told = f" -> {answer.reason}" if isinstance(answer, Refusal) else ""
                answered = self._operator.answered(world.operator, request, answer)
                yield Move(f"{_said(request)}{told}", after._replace(operator=answered), write=request)

    def _of_news(self, world: World) -> Iterator[Move]:
        """While a pass writes, news may as well come after it: it looks into no cache any more."""
        if world.operator == DOWN or not self._listens(world.operator):
            return
        for kind in ("job_news", "pod_news"):
            news: tuple[Event, ...] = getattr(world, kind)
            if not news:
                continue
            count = 1 if self._shape.each_event else len(news)
            shown = world.operator
            for event in news[:count]:
                shown = self._operator.shown(shown, event)
            text = ", ".join(map(_news, news[:count]))
            yield Move(f"the operator sees: {text}", world._replace(operator=shown, **{kind: news[count:]}))

    def _listens(self, operator: int) -> bool:
        return not self._operator.state(operator).is_at_work or self._operator.reads(operator)

    def _faults(self, world: World) -> Iterator[Move]:
        """``world`` has paid for it."""
        yield from _of_misfortune(world)
        if world.operator == DOWN:
            return
        yield Move("THE OPERATOR DIES", world._replace(operator=DOWN, answers=(), job_news=(), pod_news=()))
        if world.pod_news:
            shown = self._operator.shown(world.operator, ("pods", world.pods))
            yield Move("THE WATCH OF PODS IS TOO OLD: a new list", world._replace(operator=shown, pod_news=()))
        state = self._operator.state(world.operator)
        if state.is_at_work:
            yield from self._of_wire(world, state.requests)

    def _of_wire(self, world: World, requests: tuple[Request, ...]) -> Iterator[Move]:
        sent = {request for request, _ in world.answers}
        for request in requests:
            if request in sent:
                continue
            without = world._replace(operator=self._operator.answered(world.operator, request, LOST))
            yield Move(f"{_said(request)} IS LOST on the way there", without)
            if request[0] in ("status", "create", "delete"):
                after, _ = carried_out(world, request)
                text = f"{_said(request)}, THE ANSWER IS LOST"
                yield Move(text, after._replace(operator=without.operator), write=request)
            if request[:2] == ("create", "Pod"):
                refused = self._operator.answered(world.operator, request, QUOTA)
                yield Move(f"{_said(request)} IS REFUSED for quota", world._replace(operator=refused))


def carried_out(world: World, request: Request) -> tuple[World, Any]:
    """The API server's part of a request: the state after it, and the answer."""
    match request:
        case ("list",):
            return world, world.pods
        case ("get",):
            return world, world.job or GONE
        case ("status", life, version, place):
            return _written(world, life, version, place)
        case ("create", "Pod", life, attempt, rank):
            return _pod_created(world, life, attempt, rank)
        case ("create", _, life, _, _):
            return (world, TAKEN) if world.service else (world._replace(service=life), life)
        case ("look", "Pod", name):
            return world, next((pod for pod in world.pods if pod.name == name), GONE)
        case ("look", _, _):
            return world, world.service or GONE
        case ("delete", name, uid, grace):
            return _pod_deleted(world, name, uid, grace)
    raise AssertionError(f"nothing answers {request}")


def _written(world: World, life: int, version: int, place: int) -> tuple[World, Any]:
    if world.job is None:
        return world, GONE
    if (world.job.life, world.job.version) != (life, version):
        return world, CHANGED
    job = world.job._replace(version=version + 1, status=place)
    return _job_changed(world, job), job


def _job_changed(world: World, job: Job) -> World:
    return world._replace(job=job, job_news=(*world.job_news, ("job", job)))


def _pod_created(world: World, life: int, attempt: int, rank: int) -> tuple[World, Any]:
    if any((pod.attempt, pod.rank) == (attempt, rank) for pod in world.pods):
        return world, TAKEN
    numbers = dict(world.numbers)
    number = numbers.get((life, attempt, rank), 0)
    numbers[life, attempt, rank] = number + 1
    pod = Pod(life, attempt, rank, number, WAITS)
    after = world._replace(pods=tuple(sorted((*world.pods, pod))), numbers=tuple(sorted(numbers.items())))
    return after._replace(pod_news=(*world.pod_news, ("pod", pod))), pod


def _pod_deleted(world: World, name: str, uid: str, grace: int | None) -> tuple[World, Any]:
    pod = next((pod for pod in world.pods if pod.name == name), None)
    if pod is None:
        return world, GONE
    if uid is not None and pod.uid != uid:
        return world, CHANGED
    after = told_to_go(world, pod) if grace != 0 else vanished(world, pod)
    return after, next((one for one in after.pods if one.uid == pod.uid), None)


def told_to_go(world: World, pod: Pod) -> World:
    """Somebody deletes a pod: what runs gets its grace period, everything else goes at once."""
    if pod.state == LEAVES:
        return world
    return changed(world, pod, LEAVES) if pod.state == RUNS else vanished(world, pod)


def vanished(world: World, pod: Pod) -> World:
    """A pod is no more."""
    pods = tuple(one for one in world.pods if one != pod)
    return world._replace(pods=pods, pod_news=(*world.pod_news, ("pod gone", pod)))


def changed(world: World, pod: Pod, state: str) -> World:
    """A pod has come into another state."""
    new = pod._replace(state=state)
    pods = tuple(new if one == pod else one for one in world.pods)
    fates = world.fates
    if state in (DONE, FAILED) and world.job is not None and pod.life == world.job.life:
        fates |= {(pod.attempt, pod.rank, state)}
    return world._replace(pods=pods, pod_news=(*world.pod_news, ("pod", new)), fates=fates)


def _of_pods(world: World, *, slow_stops: bool) -> Iterator[Move]:
    """The kubelet's and the collector's work."""
    life = world.job.life if world.job else 0
    for pod in world.pods:
        if pod.state == WAITS:
            yield Move(f"{pod.name} starts", changed(world, pod, RUNS))
        elif pod.state == LEAVES and not slow_stops:
            yield Move(f"{pod.name} is gone", vanished(world, pod))
        elif pod.state == LEAVES:
            yield Move(f"{pod.name} stops", changed(world, pod, LEFT))
        elif pod.state == LEFT:
            yield Move(f"{pod.name} is gone", vanished(world, pod))
        elif pod.state == RUNS and _can_finish(world, pod):
            yield Move(f"{pod.name} exits with 0", changed(world, pod, DONE))
    orphans = [pod for pod in world.pods if pod.life != life and pod.state not in (LEAVES, LEFT)]
    if orphans or world.service not in (0, life):
        yield Move("the collector takes what the old job left", _collected(world, orphans))


def _collected(world: World, orphans: list[Pod]) -> World:
    after = world._replace(service=world.service if world.job and world.service == world.job.life else 0)
    for pod in orphans:
        after = told_to_go(after, pod)
    return after


def _can_finish(world: World, pod: Pod) -> bool:
    """Training ends only after all ranks have trained together."""
    if world.job is None or world.job.life != pod.life:
        return False
    gang = [one for one in world.pods if (one.life, one.attempt) == (pod.life, pod.attempt)]
    return len(gang) == NODES and all(one.state in (RUNS, DONE) for one in gang)


def _of_people(world: World) -> Iterator[Move]:
    """A user who suspends or deletes the job has it go on in the end."""
    job = world.job
    if job is None:
        new = Job(world.lives + 1, 1, 1, False, 0)
        created = world._replace(lives=new.life, fates=frozenset())
        yield Move("the job is created again", _job_changed(created, new))
    elif job.suspend:
        resumed = job._replace(version=job.version + 1, generation=job.generation + 1, suspend=False)
        yield Move("the job is resumed", _job_changed(world, resumed))


def _of_misfortune(world: World) -> Iterator[Move]:
    """What may happen to pods and jobs, by faults of machines or people."""
    for pod in world.pods:
        if pod.state == RUNS:
            yield Move(f"{pod.name} EXITS WITH 1", changed(world, pod, FAILED))
            yield Move(f"{pod.name} IS EVICTED", changed(world, pod, EVICTED))
            yield Move(f"{pod.name} IS DELETED", told_to_go(world, pod))
        yield Move(f"{pod.name} VANISHES", vanished(world, pod))
    job = world.job
    if job is None:
        return
    news = (*world.job_news, ("job gone", job))
    yield Move("THE JOB IS DELETED", world._replace(job=None, job_news=news))
    touched = job._replace(version=job.version + 1)
    yield Move("SOMEBODY LABELS THE JOB", _job_changed(world, touched))
    if not job.suspend:
        asleep = touched._replace(generation=job.generation + 1, suspend=True)
        yield Move("THE JOB IS SUSPENDED", _job_changed(world, asleep))


def _said(request: Request) -> str:
    match request:
        case ("create", "Pod", _, attempt, rank):
            return f"create Pod digits-{attempt}-{rank}"
        case ("create", kind, *_):
            return f"create {kind}"
        case ("status", _, _, place):
            return f"status: {facts(place).shown}"
        case ("delete", name, *_):
            return f"delete {name}"
        case ("look", kind, name):
            return f"get {kind} {name}"
    return f"{request[0]} of the {'pods' if request == ('list',) else 'job'}"


def _news(event: Event) -> str:
    kind, value = event
    if isinstance(value, Pod):
        return f"{value.name} {'is gone' if kind == 'pod gone' else value.state}"
    return f"the job {'is gone' if kind == 'job gone' else f'at version {value.version}'}"
