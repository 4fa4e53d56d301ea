"""Leads for as long as this process holds a Lease (coordination.k8s.io/v1), and opens the fence for that long.

What to do next is decided in election.py; requests, the watch of the Lease and the leader's task are here. A standby
watches the Lease, so it takes over within moments when a leader gives it up, and when its time is over otherwise.
"""

import asyncio
import logging
import math
import random
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import aiohttp

from trainingjob_operator.api.resources import LEASES
from trainingjob_operator.cluster.api import ApiError, FullApi, Object
from trainingjob_operator.cluster.election import Record, Sight, Step, Timing, decide, seen, write_until
from trainingjob_operator.cluster.errors import already_exists, is_conflict, is_gone
from trainingjob_operator.cluster.fence import Clock, Fence, boot_clock

logger = logging.getLogger(__name__)

RECONNECT = 0.1
RELEASE_TRIES = 2
MOMENT = 0.01
"""The shortest wait, in seconds: the event loop's clock and ours need not agree on when a moment is over."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Who stands for which Lease. ``identity`` is new for each process: a restarted one is another candidate."""

    namespace: str
    name: str
    identity: str


class Elector:
    """Runs ``lead`` whenever this process leads; cancels it when it does no longer."""

    def __init__(
        self,
        api: FullApi,
        candidate: Candidate,
        fence: Fence,
        lead: Callable[[], Awaitable[None]],
        *,
        timing: Timing,
        clock: Clock = boot_clock,
    ) -> None:
        self._api = api
        self._candidate = candidate
        self._fence = fence
        self._lead = lead
        self._timing = timing
        self._clock = clock
        self._version: str | None = None
        self._sight: Sight | None = None
        self._renewed_at: float | None = None
        self._term: asyncio.Future[None] | None = None
        self._changed = asyncio.Event()

    @property
    def leads(self) -> bool:
        """Whether this process leads."""
        return self._term is not None and self._fence.left() > 0

    @property
    def standing(self) -> bool:
        """Whether it knows the Lease: as leader or as standby."""
        return self._sight is not None

    async def run(self) -> None:
        """Stand for election until cancelled; then the leader's task is ended and, last, the Lease given up."""
        following = asyncio.create_task(self._follow())
        try:
            while True:
                await self._turn()
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            await self._end_term()
            await self._release()

    async def _turn(self) -> None:
        self._changed.clear()
        try:
            await self._check_term()
            if self._sight is None:
                await self._look()
            await self._step()
        except (ApiError, aiohttp.ClientError, TimeoutError, OSError) as error:
            logger.warning("lease %s: %s", self._candidate.name, error or type(error).__name__)
            await self._wait(self._timing.retry * (0.5 + random.random() / 2))  # noqa: S311

    async def _step(self) -> None:
        assert self._sight is not None
        decision = decide(self._sight, self._candidate.identity, self._renewed_at, self._clock(), self._timing)
        if decision.step is Step.WAIT:
            await self._wait(decision.seconds)
        else:
            await self._claim()

    async def _wait(self, seconds: float) -> None:
        """Until the Lease changes or so many seconds have passed; a leader never longer than it may write."""
        limit = min(seconds, self._fence.left()) if self._term else seconds
        with suppress(TimeoutError):
            async with asyncio.timeout(max(limit, MOMENT)):
                await self._changed.wait()

    async def _check_term(self) -> None:
        """End the term if it is over; if its task ended by itself, so does this one."""
        if self._term is None:
            return
        if self._term.done():
            self._term.result()
            raise RuntimeError("the leader's work has ended")
        if self._fence.left() <= 0 or not self._holds():
            logger.warning("lease %s: lost; standing by", self._candidate.name)
            await self._end_term()

    async def _claim(self) -> None:
        """Take or renew the Lease as it was last seen; somebody else's change is looked at, and wins."""
        sent = self._clock()
        try:
            reply = await self._write(self._claimed())
        except ApiError as error:
            if not (is_conflict(error) or already_exists(error) or is_gone(error)):
                raise
            await self._look()
            return
        self._take(reply)
        self._renewed_at = sent
        self._fence.open_until(write_until(sent, self._timing))
        if self._term is None:
            logger.info("lease %s: leading as %s", self._candidate.name, self._candidate.identity)
            self._term = asyncio.ensure_future(self._lead())
            self._term.add_done_callback(lambda _: self._changed.set())

    async def _end_term(self) -> None:
        self._renewed_at = None
        term, self._term = self._term, None
        if term is not None:
            term.cancel()
            await asyncio.gather(term, return_exceptions=True)

    async def _release(self) -> None:
        """Give the Lease up, if it is ours: the next leader need not wait until its time is over."""
        self._fence.close()
        for _ in range(RELEASE_TRIES):
            if not self._holds():
                return
            try:
                self._take(await self._write(self._released()))
                logger.info("lease %s: given up", self._candidate.name)
            except (ApiError, aiohttp.ClientError, TimeoutError, OSError) as error:
                # The reply to the last renewal may have been lost, and the version with it.
                logger.warning("lease %s: not given up: %s", self._candidate.name, error or type(error).__name__)
                with suppress(ApiError, aiohttp.ClientError, TimeoutError, OSError):
                    await self._look()

    async def _follow(self) -> None:
        """Keep what is known of the Lease up to date."""
        while True:
            pause = RECONNECT
            try:
                await self._look()
                await self._watch()
            except (ApiError, aiohttp.ClientError, TimeoutError, OSError) as error:
                logger.debug("watch of lease %s: %s", self._candidate.name, error)
                pause = self._timing.retry
            await asyncio.sleep(pause)

    async def _watch(self) -> None:
        if self._version is None:
            return
        fields = f"metadata.name={self._candidate.name}"
        stream = self._api.watch(LEASES, self._candidate.namespace, fields=fields, resource_version=self._version)
        async with aclosing(stream) as events:
            async for event in events:
                if event.type != "BOOKMARK":
                    self._take(event.object, deleted=event.type == "DELETED")

    async def _look(self) -> None:
        try:
            self._take(await self._api.get(LEASES, self._candidate.namespace, self._candidate.name))
        except ApiError as error:
            if not is_gone(error):
                raise
            self._version = None
            self._see(None)

    def _take(self, raw: Object, *, deleted: bool = False) -> None:
        """A version of the Lease; an older one than the known changes nothing."""
        version = raw["metadata"]["resourceVersion"]
        if self._version is not None and int(version) < int(self._version):
            return
        self._version = None if deleted else version
        self._see(None if deleted else record_of(raw))

    def _see(self, record: Record | None) -> None:
        before = self._sight
        self._sight = seen(before, record, self._clock())
        if self._sight is not before:
            self._changed.set()

    def _holds(self) -> bool:
        record = self._sight.record if self._sight else None
        return record is not None and record.holder == self._candidate.identity

    async def _write(self, spec: Object) -> Object:
        namespace, name = self._candidate.namespace, self._candidate.name
        body: Object = {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "spec": spec}
        body["metadata"] = {"name": name, "namespace": namespace}
        if self._version is None:
            return await self._api.create(LEASES, namespace, body)
        body["metadata"]["resourceVersion"] = self._version
        return await self._api.replace(LEASES, namespace, name, body)

    def _claimed(self) -> Object:
        now, known = _micro_time(), self._sight.record if self._sight else None
        ours = known is not None and self._holds()
        return {
            "holderIdentity": self._candidate.identity,
            "leaseDurationSeconds": math.ceil(self._timing.duration),
            "acquireTime": known.acquired if known and ours and known.acquired else now,
            "renewTime": now,
            "leaseTransitions": (known.transitions + (not ours)) if known else 0,
        }

    def _released(self) -> Object:
        return self._claimed() | {"holderIdentity": "", "leaseDurationSeconds": 1}


def record_of(raw: Object) -> Record:
    """What a Lease object says."""
    spec = raw.get("spec") or {}
    return Record(
        holder=spec.get("holderIdentity") or "",
        acquired=spec.get("acquireTime") or "",
        renewed=spec.get("renewTime") or "",
        transitions=int(spec.get("leaseTransitions") or 0),
        duration=float(spec.get("leaseDurationSeconds") or 0),
    )


def _micro_time() -> str:
    """Now, for people who read the Lease; nothing is decided from it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
