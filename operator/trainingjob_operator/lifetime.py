"""The operator process from its start to its end: what runs when, who leads, and in which order it stops.

Everything that watches runs from the start, in a standby as well; what writes runs while this process leads. At the end
nothing new is written, what is under way ends, and only then the Lease is given up.
"""

import asyncio
import logging
import math
import signal
import socket
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any
from uuid import uuid4

import kopf

from trainingjob_operator import handlers
from trainingjob_operator.api import names
from trainingjob_operator.api.resources import NODES, PODS, TRAININGJOBS
from trainingjob_operator.cluster.client import HttpApi
from trainingjob_operator.cluster.connect import connect, load
from trainingjob_operator.cluster.election import timing_of
from trainingjob_operator.cluster.fence import Fence, boot_clock
from trainingjob_operator.cluster.gate import Gate, GatedApi
from trainingjob_operator.cluster.health import Watched, Watches
from trainingjob_operator.cluster.lease import Candidate, Elector
from trainingjob_operator.cluster.progress_reader import Fetch, ProgressReader, http_fetch
from trainingjob_operator.cluster.reflector import Reflector
from trainingjob_operator.cluster.traffic import Traffic
from trainingjob_operator.controller import Controller, utc_now
from trainingjob_operator.metrics import CONTENT_TYPE, Metrics
from trainingjob_operator.probes import Check, page, probe, serve
from trainingjob_operator.settings import Settings

logger = logging.getLogger(__name__)

POD_LABELS = f"{names.LABEL_MANAGED_BY}={names.MANAGED_BY}"
DRAIN_SECONDS = 5.0
"""How long requests that are under way at the end are waited for; passes end at their next write anyway."""

STUCK_AFTER = 900.0
"""Seconds after which a pass over one job never ends: its requests time out after 30."""


async def run(settings: Settings) -> None:
    """Serve until a signal comes. What ends one of our tasks before that is raised, so that nothing dies in silence."""
    configuration, metrics = load(settings.kubeconfig), Metrics(boot_clock)
    watches = Watches(_expected(settings), boot_clock)
    traffic = Traffic(watches, metrics)
    async with (
        connect(configuration, traffic) as api,
        connect(configuration, traffic) as lease_api,
        http_fetch() as ask,
    ):
        work = Work(settings, api, ask)
        leadership = _leadership(settings, lease_api, work)
        _count(metrics, work, leadership)
        routes = (probe("/healthz", _ailing(watches, work)), probe("/readyz", _unready(watches, leadership)))
        scraped = page("/metrics", metrics.text, CONTENT_TYPE)
        async with serve(settings.liveness_port, *routes), serve(settings.metrics_port, scraped):
            registry = handlers.registry(work.controller.jobs, lambda: handlers.connection(configuration, traffic))
            await _live(settings, work, leadership, registry)


class Work:
    """What this process does about jobs: watching always, writing while it leads."""

    def __init__(self, settings: Settings, api: HttpApi, ask: Fetch) -> None:
        self.fence, self.gate = Fence(), Gate()
        self.controller = controller = Controller(
            GatedApi(replace(api, fence=self.fence), self.gate),
            cluster_domain=settings.cluster_domain,
            operator_namespace=settings.operator_namespace,
        )
        self._pods = [
            Reflector(api, PODS, controller.pods, namespace=namespace, labels=POD_LABELS)
            for namespace in settings.namespaces or (None,)
        ]
        self._nodes = [] if settings.namespaces else [Reflector(api, NODES, controller.nodes)]
        self._reader = ProgressReader(controller.jobs, controller.pods, controller.readings, ask, utc_now)
        self._workers = settings.workers

    def watching(self) -> list[Coroutine[Any, Any, None]]:
        """The watches of pods and nodes, for ever. kopf has that of the jobs."""
        return [reflector.run() for reflector in (*self._pods, *self._nodes)]

    async def lead(self) -> None:
        """Look at every job, then at those that change, until cancelled.

        Only once the pods are known: otherwise every job would ask the API server for its own.
        """
        for reflector in self._pods:
            await reflector.synced.wait()
        self.controller.look_at_all()
        await _together(self._reader.run(), self.controller.work(self._workers))

    async def end(self) -> None:
        """Send no more writes; wait for those that are under way."""
        self.fence.close()
        if not await self.controller.queue.drained(DRAIN_SECONDS):
            logger.warning("some requests were still under way after %.0f s", DRAIN_SECONDS)


class AlwaysLeads:
    """The only operator there is."""

    leads = standing = True

    def __init__(self, work: Work) -> None:
        self._work = work

    async def run(self) -> None:
        """Lead until cancelled."""
        self._work.fence.open_until(math.inf)
        await self._work.lead()


Leadership = Elector | AlwaysLeads


def _leadership(settings: Settings, api: HttpApi, work: Work) -> Leadership:
    """Who decides whether this process leads. An elector's requests have connections of their own: the renewal of a
    lease must not wait behind a thousand pods."""
    if settings.lease is None:
        return AlwaysLeads(work)
    timing = timing_of(settings.lease.seconds)
    candidate = Candidate(settings.lease.namespace, settings.lease.name, f"{socket.gethostname()}_{uuid4()}")
    patient = replace(api, request_timeout=timing.renew_deadline / 2)
    return Elector(patient, candidate, work.fence, work.lead, timing=timing)


async def _live(settings: Settings, work: Work, leadership: Leadership, registry: kopf.OperatorRegistry) -> None:
    """All our tasks start before kopf does: at its end it waits for every task that it finds started later."""
    ready, told = asyncio.Event(), asyncio.Event()
    watching = [asyncio.create_task(each) for each in (*work.watching(), _signal(ready, told))]
    leading = asyncio.create_task(leadership.run())
    watching.append(asyncio.create_task(_kopf(settings, registry, ready)))
    try:
        await asyncio.wait([leading, *watching], return_when=asyncio.FIRST_COMPLETED)
    finally:
        await work.end()
        await _end([leading])
        await _end(watching)


async def _signal(ready: asyncio.Event, told: asyncio.Event) -> None:
    """Until SIGTERM or SIGINT. kopf takes the signals for itself when it starts, so ours are set when it is ready."""
    await ready.wait()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    await told.wait()


async def _kopf(settings: Settings, registry: kopf.OperatorRegistry, ready: asyncio.Event) -> None:
    await kopf.operator(
        registry=registry,
        settings=handlers.settings(),
        clusterwide=not settings.namespaces,
        namespaces=settings.namespaces,
        standalone=True,
        ready_flag=ready,
    )


async def _together(*runs: Coroutine[Any, Any, None]) -> None:
    """Run all until one ends, or this is cancelled."""
    tasks = [asyncio.create_task(each) for each in runs]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await _end(tasks)


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    """End all tasks; what ended one of them on its own is raised."""
    ended = [task for task in tasks if task.done()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for task in ended:
        if not task.cancelled() and (error := task.exception()):
            raise error


def _expected(settings: Settings) -> list[Watched]:
    """The watches without which this operator is blind."""
    kinds = (TRAININGJOBS, PODS)
    if settings.namespaces:
        return [Watched(kind.plural, namespace) for kind in kinds for namespace in settings.namespaces]
    return [Watched(kind.plural, None) for kind in (*kinds, NODES)]


def _ailing(watches: Watches, work: Work) -> Check:
    def check() -> list[str]:
        wrong = [f"nobody opens the watch of {watch} any more" for watch in watches.dead()]
        seconds = work.controller.queue.longest()
        return wrong + ([f"a pass over one job has run for {seconds:.0f} s"] if seconds > STUCK_AFTER else [])

    return check


def _unready(watches: Watches, leadership: Leadership) -> Check:
    def check() -> list[str]:
        wrong = [f"the watch of {watch} is down" for watch in watches.down()]
        return wrong + ([] if leadership.standing else ["the lease was not seen yet"])

    return check


def _count(metrics: Metrics, work: Work, leadership: Leadership) -> None:
    """Let metrics see what happens, and what there is when they are asked for."""
    controller, gate = work.controller, work.gate
    controller.passed, controller.decided = metrics.passed, metrics.decided
    metrics.gauge("queue_depth", lambda: len(controller.queue))
    metrics.gauge("queue_age_seconds", controller.queue.age)
    metrics.gauge("pass_age_seconds", controller.queue.longest)
    metrics.gauge("api_window", lambda: int(gate.window.size))
    metrics.gauge("api_in_flight", lambda: gate.busy)
    metrics.gauge("api_waiting", lambda: gate.waiting)
    metrics.gauge("leader", lambda: int(leadership.leads))
    metrics.jobs(lambda: controller.jobs.states() if leadership.leads else {})
