"""How fast pods are created and run: one job again and again, and many at once, each beside the floor.

The floor is a plain client that posts the same objects: TrainingJobs, which belong to another manager, and for each
that is stored its Service, NetworkPolicy and pods, 32 requests in flight, while no operator works. Floor and operator
take turns.
"""

import asyncio
import time
from dataclasses import dataclass

from benchmarks.control.figures import Figure, as_fast_as, middle, slower_by_at_most
from benchmarks.control.objects import Shape, job, objects_of
from benchmarks.control.world import World

from trainingjob_operator.api.resources import TRAININGJOBS

OTHER = "example.dev/nobody"
BURSTS = {Shape(50, 8): 7, Shape(200, 4): 7, Shape(1, 512): 3}
"""How often each is made. The same turn takes up to half as long again on a machine that others use, too."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Seconds from the first request to when all pods were created, and to when all ran."""

    created: float
    running: float


async def floor_turn(on: World, shape: Shape) -> Turn:
    """A plain client makes jobs and their pods."""
    namespace = await on.namespace()

    async def make(name: str) -> None:
        (stored,) = await on.post(namespace, [(TRAININGJOBS, job(name, shape.nodes, manager=OTHER))])
        await on.post(namespace, objects_of(stored))

    began = time.monotonic()
    await asyncio.gather(*(make(f"j{n}") for n in range(shape.jobs)))
    return await _finish(on, namespace, shape, began)


async def operator_turn(on: World, shape: Shape, policy: str = "Parallel") -> Turn:
    """The operator, which is running, makes them when the jobs are submitted."""
    namespace = await on.namespace()
    began = time.monotonic()
    await on.post(namespace, ((TRAININGJOBS, job(f"j{n}", shape.nodes, policy)) for n in range(shape.jobs)))
    return await _finish(on, namespace, shape, began)


async def _finish(on: World, namespace: str, shape: Shape, began: float) -> Turn:
    await on.observer.seen(namespace, shape.pods)
    created = max(on.observer.of(on.observer.created, namespace)) - began
    running = max(on.observer.of(on.observer.running, namespace)) - began
    await on.clear(namespace)
    return Turn(created, running)


async def single(on: World, *, quick: bool) -> list[Figure]:
    """One job of 8 pods, again and again."""
    shape, times = Shape(1, 8), 5 if quick else 25
    floor = [await floor_turn(on, shape) for _ in range(times)]
    async with on.operator():
        await operator_turn(on, shape)  # the first one warms connections up, as the floor's preparations did
        parallel = [await operator_turn(on, shape) for _ in range(times)]
        main_first = [await operator_turn(on, shape, "MainNodeFirst") for _ in range(times)]
    after = [await floor_turn(on, shape) for _ in range(times)]
    base = middle([turn.created for turn in (*floor, *after)])
    runs = middle([turn.running for turn in (*floor, *after)])
    return [
        slower_by_at_most("1 x 8", "all created p50", middle([turn.created for turn in parallel]), base, 3),
        Figure("1 x 8", "all Running p50", middle([turn.running for turn in parallel]), "s", runs),
        Figure("1 x 8", "all created p50, MainNodeFirst", middle([turn.created for turn in main_first]), "s", base),
        Figure("1 x 8", "all Running p50, MainNodeFirst", middle([turn.running for turn in main_first]), "s", runs),
    ]


async def bursts(on: World, *, quick: bool) -> list[Figure]:
    """Many pods at once."""
    turns = {Shape(20, 4): 1} if quick else BURSTS
    return [figure for shape, times in turns.items() for figure in await burst(on, shape, times)]


async def burst(on: World, shape: Shape, times: int) -> list[Figure]:
    """Floor and operator in turn, each on a control plane at rest; medians."""
    floor: list[Turn] = []
    ours: list[Turn] = []
    for _ in range(times):
        await on.at_rest()
        floor.append(await floor_turn(on, shape))
        async with on.operator():
            await on.at_rest()
            ours.append(await operator_turn(on, shape))
    case, promised = f"burst {shape}", shape.jobs > 1
    found = []
    for name, share in (("created", 0.85), ("running", 0.8)):
        value, base = (middle([shape.pods / getattr(turn, name) for turn in turns]) for turns in (ours, floor))
        title = f"pods {name}"
        found.append(
            as_fast_as(case, title, value, base, share) if promised else Figure(case, title, value, "pods/s", base)
        )
    return found
