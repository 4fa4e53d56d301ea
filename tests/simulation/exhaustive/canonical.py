"""Which states are one: what nothing can depend on any more is forgotten, counters begin anew, equal ranks are merged.

Each of these merges is an exact one: from both states the same can follow, up to names and numbers. Changes what an
operator remembers only between its passes.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from simulation.exhaustive.automaton import DOWN, Automaton
from simulation.exhaustive.memory import Memory
from simulation.exhaustive.values import Job, Pod, facts, later, mirrored

if TYPE_CHECKING:
    from simulation.exhaustive.world import World

Event = tuple[str, Any]


def time_passed(world: "World", automaton: Automaton, ticks: int) -> "World":
    """The state so many ticks later: all times count from now."""
    memory = automaton.state(world.operator).memory
    reported = memory.reported - ticks if memory.reported is not None else None
    rested = replace(
        memory,
        job=_later(memory.job, ticks),
        timer=None,
        # A report that is a tick old does not hold the next one back.
        reported=reported if reported is not None and reported > -1 else None,
    )
    return world._replace(
        job=_later(world.job, ticks),
        job_news=tuple((kind, _later(job, ticks)) for kind, job in world.job_news),
        operator=automaton.changed(world.operator, rested),
    )


def _later(job: Job | None, ticks: int) -> Job | None:
    return job and job._replace(status=later(job.status, ticks))


def canonical(world: "World", automaton: Automaton, *, mirrors: bool) -> "World":
    """The one of all states that are alike; without ``mirrors`` the ranks keep their names, as a reader wants it."""
    mirrors = mirrors and automaton.policy == "Parallel"
    world = _forgotten(world)
    if world.operator == DOWN:
        return _renumbered(world, None, automaton, mirrors=mirrors)
    state = automaton.state(world.operator)
    if state.is_at_work:
        return world
    may_come = frozenset(value.uid for _, value in (*world.job_news, *world.pod_news))
    graves = tuple(uids & may_come for uids in state.memory.graves)
    memory = replace(state.memory, graves=(graves[0], graves[1]))
    return _renumbered(world, memory, automaton, mirrors=mirrors)


def _forgotten(world: "World") -> "World":
    """Without the names of ended attempts and how their pods ended."""
    job = world.job
    life, attempt = (job.life, facts(job.status).attempt) if job else (0, 0)
    numbers = tuple(one for one in world.numbers if one[0][0] == life and one[0][1] >= attempt)
    fates = frozenset(fate for fate in world.fates if job and fate[0] >= attempt)
    return world._replace(numbers=numbers, fates=fates)


def _renumbered(world: "World", memory: Memory | None, automaton: Automaton, *, mirrors: bool) -> "World":
    """Versions of the job count from 1; of two mirror images one."""
    world, memory = _versions(world, memory)
    if mirrors and _mirrors_first(world, memory):
        world, memory = _mirror(world, memory)
    return world if memory is None else world._replace(operator=automaton.changed(world.operator, memory))


def _versions(world: "World", memory: Memory | None) -> tuple["World", Memory | None]:
    jobs = [world.job, memory.job if memory else None, *(job for _, job in world.job_news)]
    order = sorted({(job.life, job.version) for job in jobs if job})
    numbers = {version: number for number, version in enumerate(order, 1)}

    def renumbered(job: Job | None) -> Job | None:
        return job and job._replace(version=numbers[job.life, job.version])

    news = tuple((kind, renumbered(job)) for kind, job in world.job_news)
    seen = memory and replace(memory, job=renumbered(memory.job))
    return world._replace(job=renumbered(world.job), job_news=news), seen


def _mirrors_first(world: "World", memory: Memory | None) -> bool:
    """Whether of a state and its mirror image the mirror image stands for both. (A pod that was made again has another
    UID than its mirror image, and with it the gang another digest: such states stand for themselves.)
    """
    if any(count != 1 for _, count in world.numbers):
        return False
    for mine, theirs in _sights(world, memory):
        if mine != theirs:
            return theirs < mine
    return False


def _sights(world: "World", memory: Memory | None) -> Iterator[tuple[Any, Any]]:
    """A state and its mirror image, feature by feature, the cheap ones first."""
    yield world.pods, _of_pods(world.pods)
    yield world.pod_news, tuple((kind, _of_pod(pod)) for kind, pod in world.pod_news)
    if memory:
        yield memory.pods, _of_pods(memory.pods)
    jobs = [job for job in (world.job, memory.job if memory else None, *(job for _, job in world.job_news)) if job]
    yield [job.status for job in jobs], [mirrored(job.status) for job in jobs]
    yield sorted(world.fates), sorted((attempt, 1 - rank, fate) for attempt, rank, fate in world.fates)
    if memory:
        yield sorted(memory.graves[1]), sorted(map(_of_uid, memory.graves[1]))


def _mirror(world: "World", memory: Memory | None) -> tuple["World", Memory | None]:
    """Ranks 0 and 1 exchanged."""
    mirror = world._replace(
        job=_of_job(world.job),
        pods=_of_pods(world.pods),
        job_news=tuple((kind, _of_job(job)) for kind, job in world.job_news),
        pod_news=tuple((kind, _of_pod(pod)) for kind, pod in world.pod_news),
        numbers=tuple(sorted(((life, attempt, 1 - rank), count) for (life, attempt, rank), count in world.numbers)),
        fates=frozenset((attempt, 1 - rank, fate) for attempt, rank, fate in world.fates),
    )
    return mirror, memory and replace(
        memory,
        job=_of_job(memory.job),
        pods=_of_pods(memory.pods),
        graves=(memory.graves[0], frozenset(map(_of_uid, memory.graves[1]))),
    )


def _of_pods(pods: tuple[Pod, ...]) -> tuple[Pod, ...]:
    return tuple(sorted(map(_of_pod, pods)))


def _of_job(job: Job | None) -> Job | None:
    return job and job._replace(status=mirrored(job.status))


def _of_pod(pod: Pod) -> Pod:
    return pod._replace(rank=1 - pod.rank)


def _of_uid(uid: str) -> str:
    head, rank, number = uid.rsplit("-", 2)
    return f"{head}-{1 - int(rank)}-{number}"
