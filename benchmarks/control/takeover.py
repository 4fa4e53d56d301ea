"""How long nobody works when the leader of two operators ends: told to (SIGTERM), or killed (SIGKILL).

Counted from the signal until the other one has made the pods of a job that was submitted in the same moment, so it
holds a whole pass beside the election. The lease is the default one.
"""

import asyncio
import signal
import time

from benchmarks.control.figures import Figure, at_most, middle
from benchmarks.control.objects import job
from benchmarks.control.world import World

from support.kubernetes.control_plane import ADDRESS, answers
from support.kubernetes.daemon import Daemon
from trainingjob_operator.api.resources import LEASES, TRAININGJOBS

LEASE = "trainingjob-operator"
LEASE_SECONDS = 15
"""The default of the operator's --lease-seconds."""
PODS_OF_A_JOB = 2


async def takeover(on: World, *, quick: bool) -> list[Figure]:
    """The leader ends, again and again; it is started anew and stands by before the next turn."""
    namespace = await on.namespace()
    options = ("--leader-elect", "--lease-namespace", namespace, "--lease-seconds", str(LEASE_SECONDS))
    async with on.operator(*options) as one, on.operator(*options) as other:
        told = [await _turn(on, namespace, (one, other), signal.SIGTERM, n) for n in range(2 if quick else 10)]
        killed = [await _turn(on, namespace, (one, other), signal.SIGKILL, n) for n in range(1 if quick else 3)]
        await on.clear(namespace)
    case, what = "the leader ends", "until the other has made a job's pods, longest"
    return [
        Figure(case, "SIGTERM, until the other has made a job's pods, p50", middle(told), "s", samples=told),
        at_most(case, f"SIGTERM, {what}", max(told), "s", 1.0, told),
        at_most(case, f"SIGKILL, {what}", max(killed), "s", LEASE_SECONDS + 1.0, killed),
    ]


async def _turn(on: World, namespace: str, operators: tuple[Daemon, Daemon], how: signal.Signals, number: int) -> float:
    leader = await _leader(on, namespace, operators)
    name = f"{how.name.lower()}-{number}"
    began = time.monotonic()
    leader.signal(how)
    await on.api.create(TRAININGJOBS, namespace, job(name, PODS_OF_A_JOB))
    await on.observer.seen(namespace, PODS_OF_A_JOB, name, runs=False)
    waited = max(on.observer.of(on.observer.created, namespace, name)) - began
    await asyncio.to_thread(leader.wait)
    leader.start()
    ready = f"http://{ADDRESS}:{leader.argv[list(leader.argv).index('--liveness-port') + 1]}/readyz"
    await asyncio.to_thread(leader.wait_until, "it stands by", lambda: answers(ready))
    return waited


async def _leader(on: World, namespace: str, operators: tuple[Daemon, Daemon]) -> Daemon:
    """Whoever the Lease names and who has said so."""
    while True:
        held = (await on.api.get(LEASES, namespace, LEASE)).get("spec", {}).get("holderIdentity")
        for operator in operators:
            if held and operator.log().count(f"leading as {held}"):
                return operator
        await asyncio.sleep(0.05)
