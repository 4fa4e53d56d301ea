"""Jobs over time: a steady stream of them, a gang that loses a pod, and small jobs beside a large one."""

import asyncio
import time

from benchmarks.control.figures import Figure, at_most, middle, percentile, slower_by_at_most
from benchmarks.control.objects import Shape, job
from benchmarks.control.world import World

from support.kubernetes.fake_kubelet import ended
from trainingjob_operator.api.resources import PODS, TRAININGJOBS

STEADY_NODES = 2


async def steady(on: World, *, quick: bool) -> list[Figure]:
    """20 jobs of two pods a second."""
    rate, seconds = 20, 5 if quick else 60
    namespace, count = await on.namespace(), rate * seconds
    submitted: dict[str, float] = {}
    async with on.operator():
        began = time.monotonic()
        tasks = [asyncio.create_task(_submit_at(on, namespace, n, began + n / rate, submitted)) for n in range(count)]
        await asyncio.gather(*tasks)
        await on.observer.seen(namespace, count * STEADY_NODES)
        case = f"{rate} jobs/s of {STEADY_NODES} pods"
        found = []
        for name, moments in (("created", on.observer.created), ("Running", on.observer.running)):
            waits = [max(on.observer.of(moments, namespace, f"{job}-1-")) - at for job, at in submitted.items()]
            found += [Figure(case, f"apply to all {name} p{p}", percentile(waits, p), "s") for p in (50, 99)]
        await on.clear(namespace)
    return found


async def _submit_at(on: World, namespace: str, number: int, at: float, submitted: dict[str, float]) -> None:
    await asyncio.sleep(max(at - time.monotonic(), 0))
    name = f"j{number}"
    submitted[name] = time.monotonic()
    await on.api.create(TRAININGJOBS, namespace, job(name, STEADY_NODES))


async def gang(on: World, *, quick: bool) -> list[Figure]:
    """One pod of a running gang of eight dies: until the whole new gang exists, and runs."""
    shape, found = Shape(5 if quick else 30, 8), []
    async with on.operator():
        for policy in ("Parallel", "MainNodeFirst"):
            namespace = await on.namespace()
            await on.post(namespace, ((TRAININGJOBS, job(f"j{n}", 8, policy)) for n in range(shape.jobs)))
            await on.observer.seen(namespace, shape.pods)
            await _all_say_running(on, namespace, shape.jobs)
            waits = [await _loss(on, namespace, f"j{number}") for number in range(shape.jobs)]
            await on.clear(namespace)
            created, runs = ([wait[at] for wait in waits] for at in (0, 1))
            case = f"a pod dies, {policy}"
            found += [
                Figure(case, "new gang created p50", middle(created), "s", samples=created),
                at_most(case, "new gang Running p50", middle(runs), "s", 0.5, runs),
                at_most(case, "new gang Running p99", percentile(runs, 99), "s", 1.0),
            ]
    return found


async def _all_say_running(on: World, namespace: str, count: int) -> None:
    async with asyncio.timeout(120):
        while True:
            jobs = (await on.api.list(TRAININGJOBS, namespace)).items
            if sum(found.get("status", {}).get("state") == "Running" for found in jobs) >= count:
                return
            await asyncio.sleep(0.2)


async def _loss(on: World, namespace: str, name: str) -> tuple[float, float]:
    began = time.monotonic()
    await on.api.patch(PODS, namespace, f"{name}-1-3", {"status": ended(1)}, subresource="status")
    await on.observer.seen(namespace, 8, f"{name}-2-")
    moments = (on.observer.created, on.observer.running)
    created, runs = (max(on.observer.of(found, namespace, f"{name}-2-")) - began for found in moments)
    return created, runs


async def fairness(on: World, *, quick: bool) -> list[Figure]:
    """50 small jobs alone, and beside one of 512 pods that was submitted just before."""
    small, large = (10, 64) if quick else (50, 512)
    alone: list[float] = []
    beside: list[float] = []
    async with on.operator():
        for _ in range(1 if quick else 3):
            alone += await _small_jobs(on, small, 0)
            beside += await _small_jobs(on, small, large)
    value, base = percentile(beside, 95), percentile(alone, 95)
    return [slower_by_at_most(f"{small} x 2 beside 1 x {large}", "small jobs created p95", value, base, 2)]


async def _small_jobs(on: World, count: int, large: int) -> list[float]:
    namespace = await on.namespace()
    if large:
        await on.post(namespace, [(TRAININGJOBS, job("large", large))])
    began = time.monotonic()
    await on.post(namespace, ((TRAININGJOBS, job(f"j{n}", 2)) for n in range(count)))
    await on.observer.seen(namespace, large + 2 * count)
    waits = [max(on.observer.of(on.observer.created, namespace, f"j{n}-1-")) - began for n in range(count)]
    await on.clear(namespace)
    return waits
