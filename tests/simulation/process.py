"""One process of the operator: it starts, is paused, crashes and starts again. What runs in it is the product's own."""

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar

import aiohttp

from simulation.wire import SILENCE, Wire
from support.stage import Jobs
from trainingjob_operator.api.resources import NODES, PODS, TRAININGJOBS
from trainingjob_operator.cluster.api import ApiError
from trainingjob_operator.cluster.reflector import Reflector
from trainingjob_operator.controller import Controller
from trainingjob_operator.lifetime import POD_LABELS

if TYPE_CHECKING:
    from simulation.world import World

WORKERS = 2
DOWN = 2.5
"""Seconds until a new process runs; longer than the longest latency."""


class Process:
    """An operator on its own wire; ``number`` tells it from a second one."""

    wire_type: ClassVar[type[Wire]] = Wire

    def __init__(self, world: "World", number: int) -> None:
        self.world = world
        self.number = number
        self._tasks: list[asyncio.Task[Any]] = []
        self._wire: Wire | None = None
        self._awake = asyncio.Event()
        self._awake.set()
        self._alarm: asyncio.TimerHandle | None = None

    @property
    def is_up(self) -> bool:
        return bool(self._tasks)

    def start(self) -> None:
        if self.is_up:
            return
        self._wire = wire = self.wire_type(self)
        controller = Controller(wire, clock=self.world.operators_clock)
        reflectors = [
            Reflector(wire, PODS, controller.pods, labels=POD_LABELS),
            Reflector(wire, TRAININGJOBS, Jobs(controller)),
        ]
        watched = [*reflectors, Reflector(wire, NODES, controller.nodes)] if self.world.nodes else reflectors
        self._tasks = [asyncio.create_task(reflector.run()) for reflector in watched]
        self._tasks.append(asyncio.create_task(_work(controller, reflectors)))
        for task in self._tasks:
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled():
            self.world.oracle.broken("X", f"a task of the operator ended: {task.exception()!r}")

    def stop(self) -> None:
        """SIGKILL: what is on the wire stays on the wire."""
        for task in self._tasks:
            task.cancel()
        self._tasks = []

    def crash(self, seconds: float = 0.0) -> None:
        """Die, and come back some time later, when what was on the wire has arrived."""
        self.stop()
        self.world.note("-- the operator dies", of=self)
        asyncio.get_running_loop().call_later(max(seconds, DOWN), self.world.restart, self)

    def pause(self, seconds: float) -> None:
        """Sleep as a process whose machine is suspended: it neither sends nor sees anything."""
        self._awake.clear()
        if self._alarm:
            self._alarm.cancel()
        self._alarm = asyncio.get_running_loop().call_later(seconds, self.wake)

    def wake(self) -> None:
        self._awake.set()

    async def awake(self) -> None:
        """Wait out a pause."""
        await self._awake.wait()

    def break_watch(self, kind: str, how: str) -> None:
        """One of this process's watches: closed, silent, expired, or skipped (events lost, then expired)."""
        stream = self._wire.streams.get(kind) if self._wire else None
        if stream is None:
            return
        expired = ApiError(410, "Expired", "too old resource version")
        if how == "watch closed":
            stream.end(aiohttp.ClientPayloadError("connection reset"))
        elif how == "watch expired":
            stream.end(expired)
        else:
            stream.silent_until = asyncio.get_running_loop().time() + SILENCE
            stream.broken = expired if how == "watch skipped" else None
            stream.news.set()


async def _work(controller: Controller, reflectors: list[Reflector]) -> None:
    for reflector in reflectors:
        await reflector.synced.wait()
    await controller.work(WORKERS)
