"""What the operator costs: requests per job, and memory, CPU and writes while a thousand jobs just run.

Counted are the lines of the API server's audit log that name the operator's user.
"""

import asyncio
import json
import os
import time
from collections import Counter
from pathlib import Path

from benchmarks.control.figures import Figure, at_most, middle
from benchmarks.control.objects import Shape, job
from benchmarks.control.world import World

from support.kubernetes.daemon import Daemon
from support.kubernetes.fake_kubelet import ended
from trainingjob_operator.api.resources import PODS, TRAININGJOBS

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


def requests(audit_log: Path, user: str = "operator") -> Counter[str]:
    """How often a user did what to which kind, leases apart: "create pods", "update trainingjobs/status"."""
    counted: Counter[str] = Counter()
    with audit_log.open() as lines:
        for line in lines:
            entry = json.loads(line)
            target = entry.get("objectRef", {})
            if entry["user"]["username"] == user and target.get("resource") not in (None, "leases"):
                part = f"/{target['subresource']}" if target.get("subresource") else ""
                counted[f"{entry['verb']} {target['resource']}{part}"] += 1
    return counted


def writes(counted: Counter[str]) -> int:
    return sum(count for what, count in counted.items() if what.split()[0] in WRITES)


async def per_job(on: World, *, quick: bool) -> list[Figure]:
    """Requests from apply to Complete for a job of eight pods."""
    shape = Shape(2 if quick else 20, 8)
    async with on.operator():
        namespace = await on.namespace()
        before = requests(on.audit_log)
        for number in range(shape.jobs):
            await _whole_life(on, namespace, f"j{number}")
        counted = requests(on.audit_log) - before
        await on.clear(namespace)
    each = {what: count / shape.jobs for what, count in sorted(counted.items())}
    events = each.get("create events", 0.0) + each.get("patch events", 0.0)
    own = writes(counted) / shape.jobs - events
    case = "one job x 8 to Complete"
    return [
        at_most(case, "API writes without events", own, "", shape.nodes + 7),
        at_most(case, "events", events, "", 4),
        *(Figure(case, what, count, "") for what, count in each.items() if not what.startswith("watch")),
    ]


async def _whole_life(on: World, namespace: str, name: str) -> None:
    await on.api.create(TRAININGJOBS, namespace, job(name, 8))
    await _until_state(on, namespace, name, "Running")
    await asyncio.gather(
        *(
            on.api.patch(PODS, namespace, f"{name}-1-{rank}", {"status": ended(0)}, subresource="status")
            for rank in range(8)
        )
    )
    await _until_state(on, namespace, name, "Succeeded")


async def _until_state(on: World, namespace: str, name: str, state: str) -> None:
    async with asyncio.timeout(120):
        while True:
            found = await on.api.get(TRAININGJOBS, namespace, name)
            if found.get("status", {}).get("state") == state:
                return
            await asyncio.sleep(0.02)


async def present(on: World, *, quick: bool) -> list[Figure]:
    """A thousand running jobs: memory, CPU and writes while nothing happens, and a restart of the operator."""
    shape, idle = Shape(20 if quick else 1000, 8), 10 if quick else 60
    namespace = await on.namespace()
    case = f"{shape} running"
    async with on.operator() as operator:
        await on.post(namespace, ((TRAININGJOBS, job(f"j{n}", shape.nodes)) for n in range(shape.jobs)))
        await on.observer.seen(namespace, shape.pods)
        for number in range(shape.jobs):
            await _until_state(on, namespace, f"j{number}", "Running")
        found = await _at_rest(on, operator, case, idle)
    async with on.operator() as operator:
        before = writes(requests(on.audit_log))
        await asyncio.sleep(idle / 2)
        found += [
            at_most(case, "writes after a restart", writes(requests(on.audit_log)) - before, "", 0),
            at_most(case, "RSS after a restart", rss(operator), "MB", 150),
        ]
    again = [await _working_again(on) for _ in range(1 if quick else 3)]
    found.append(at_most(case, "restart until it works again", middle(again), "s", 5))
    await on.clear(namespace)
    return found


async def _working_again(on: World) -> float:
    """Seconds from the start of the process until it has made the pods of a job submitted while it was away."""
    namespace = await on.namespace()
    await on.api.create(TRAININGJOBS, namespace, job("new", 2))
    began = time.monotonic()
    async with on.operator():
        await on.observer.seen(namespace, 2, runs=False)
        waited = max(on.observer.of(on.observer.created, namespace)) - began
        await on.clear(namespace)
    return waited


def rss(operator: Daemon) -> float:
    """Megabytes of memory that the operator's process holds."""
    status = (_proc(operator) / "status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024 / 1e6


def cpu_seconds(operator: Daemon) -> float:
    """Seconds of a core that it has used so far."""
    fields = (_proc(operator) / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _proc(operator: Daemon) -> Path:
    """Of the operator itself: what was started is a tether that holds it."""
    tether = operator.pid
    (child,) = Path(f"/proc/{tether}/task/{tether}/children").read_text().split()
    return Path("/proc", child)


async def _at_rest(on: World, operator: Daemon, case: str, seconds: float) -> list[Figure]:
    await asyncio.sleep(10)  # counts of ready pods are reported up to five seconds late
    before, used = writes(requests(on.audit_log)), cpu_seconds(operator)
    await asyncio.sleep(seconds)
    share = 100 * (cpu_seconds(operator) - used) / seconds
    return [
        at_most(case, f"writes in {seconds:.0f} idle seconds", writes(requests(on.audit_log)) - before, "", 0),
        at_most(case, "RSS", rss(operator), "MB", 150),
        Figure(case, "CPU while idle", share, "% of a core"),
    ]
