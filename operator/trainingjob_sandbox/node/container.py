"""One container from its first start to its last end: started, watched, restarted in place as the policy says.

Decides when to start again; what its state means for the pod is decided by status.py. Whoever cancels it kills it.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from trainingjob_operator.cluster.api import ApiError
from trainingjob_sandbox.node import probe
from trainingjob_sandbox.node.logs import fallback_message
from trainingjob_sandbox.node.prepare import Ground, prepare
from trainingjob_sandbox.node.process import Exit, Launch, Process, StartError, start
from trainingjob_sandbox.node.sources import ConfigError
from trainingjob_sandbox.node.status import ContainerView, Running, Terminated, Waiting, restarts

Object = dict[str, Any]
logger = logging.getLogger(__name__)

RETRY_SECONDS = 0.5  # how often something missing is looked for
FIRST_BACK_OFF, LONGEST_BACK_OFF = 10.0, 300.0
MESSAGE_BYTES = 4096


def back_off(restarts: int) -> float:
    """Seconds before the next start, after so many: at once, 10, 20, 40 ... 300, as the kubelet's."""
    return min(FIRST_BACK_OFF * 2.0 ** min(restarts - 1, 10), LONGEST_BACK_OFF) if restarts else 0.0


class ContainerRun:
    """A container of a pod. ``view`` is how it stands; ``changed`` is called whenever that changes."""

    def __init__(
        self,
        container: Object,
        ground: Ground,
        granted: Mapping[str, str],
        *,
        is_init: bool,
        changed: Callable[[], None],
    ) -> None:
        self._container = container
        self._ground = ground
        self._granted = granted
        self._is_init = is_init
        self._changed = changed
        self._process: Process | None = None
        self._stopping = asyncio.Event()
        self._killed = False
        waits_for_init = not is_init and ground.facts.pod["spec"].get("initContainers")
        reason = "PodInitializing" if waits_for_init else "ContainerCreating"
        self.view = ContainerView(container["name"], container.get("image", ""), Waiting(reason))

    async def run(self) -> None:
        """Returns when the container has ended for good."""
        while (launch := await self._prepared()) is not None:
            ended = await self._once(launch)
            again = restarts(self._ground.facts.pod, ended, is_init=self._is_init)
            self._show(replace(self.view, state=ended, ready=False))
            if not again or self._stopping.is_set():
                return
            await self._back_off(ended)

    def terminate(self) -> None:
        """Asks its process to end; it is not started (again)."""
        self._stopping.set()
        if self._process:
            self._process.terminate()

    def kill(self) -> None:
        """Ends its processes; it is not started (again)."""
        self._stopping.set()
        self._killed = True
        if self._process:
            self._process.kill()

    async def _prepared(self) -> Launch | None:
        """What to start, as soon as everything for it is there; None if it is not to start any more."""
        while not self._stopping.is_set():
            try:
                probe.check(self._container)
                return await prepare(self._ground, self._container, self._granted, self._number())
            except (ConfigError, OSError, ValueError) as error:
                if isinstance(error, aiohttp.ClientError):
                    logger.warning("container %s: %s; trying again", self.view.name, error)
                else:
                    self._show(replace(self.view, state=Waiting("CreateContainerConfigError", str(error))))
            except ApiError as error:
                logger.warning("container %s: %s; trying again", self.view.name, error)
            await self._pause(RETRY_SECONDS)
        return None

    def _number(self) -> int:
        """How often it was started before."""
        return self.view.restarts + (1 if self._ended_before() else 0)

    def _ended_before(self) -> Terminated | None:
        return self.view.state if isinstance(self.view.state, Terminated) else self.view.last

    async def _once(self, launch: Launch) -> Terminated:
        """One run of its process."""
        try:
            process = await start(launch)
        except StartError as error:
            number = self._number()
            self.view = replace(self.view, last=self._ended_before(), restarts=number)
            return Terminated(128, "StartError", None, datetime.now(UTC), str(error))
        try:
            self._started(process)
            ended = await self._watched(process, launch)
        except asyncio.CancelledError:
            process.close()
            await process.wait()
            raise
        finally:
            self._process = None
        return self._terminated(process, ended, launch.log)

    def _started(self, process: Process) -> None:
        self._process = process
        number = self._number()
        uid = self._ground.facts.pod["metadata"]["uid"]
        self._show(
            replace(
                self.view,
                state=Running(process.since),
                last=self._ended_before(),
                restarts=number,
                ready=not self._is_init and "readinessProbe" not in self._container,
                id=f"sandbox://{uid}/{self.view.name}/{number}",
            )
        )
        # It was told to end while it was being started.
        if self._killed:
            process.kill()
        elif self._stopping.is_set():
            process.terminate()

    async def _watched(self, process: Process, launch: Launch) -> Exit:
        if "readinessProbe" not in self._container or self._is_init:
            return await process.wait()

        async def execute(argv: list[str]) -> bool:
            return await _succeeds(argv, launch, process)

        asking = probe.watch(self._container, self._ground.facts.address, execute, self._report_ready)
        task = asyncio.create_task(asking)
        try:
            return await process.wait()
        finally:
            task.cancel()
            await asyncio.wait([task])

    def _report_ready(self, ready: bool) -> None:
        self._show(replace(self.view, ready=ready))

    def _terminated(self, process: Process, ended: Exit, log: Path) -> Terminated:
        reason = "Completed" if ended.code == 0 else "Error"
        message = self._message(ended, log)
        return Terminated(ended.code, reason, process.since, ended.at, message)

    def _message(self, ended: Exit, log: Path) -> str:
        written = self._ground.folder.termination(self.view.name).read_bytes()[:MESSAGE_BYTES]
        fallback = self._container.get("terminationMessagePolicy") == "FallbackToLogsOnError"
        if not written and fallback and ended.code != 0:
            return fallback_message(log)
        return written.decode(errors="replace")

    async def _back_off(self, ended: Terminated) -> None:
        seconds = back_off(self.view.restarts)
        if seconds:
            message = f"back-off {seconds:.0f}s restarting failed container={self.view.name}"
            self._show(replace(self.view, state=Waiting("CrashLoopBackOff", message), last=ended))
            await self._pause(seconds)

    async def _pause(self, seconds: float) -> None:
        """Waits, unless it is told to stop."""
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return

    def _show(self, view: ContainerView) -> None:
        if view != self.view:
            self.view = view
            self._changed()


async def _succeeds(argv: list[str], launch: Launch, process: Process) -> bool:
    """Runs a probe's command beside the container's process, in its view of the machine."""
    join = process.pid if launch.view else None
    try:
        probing = await start(Launch(argv, launch.env, launch.cwd, Path(os.devnull), join=join))
    except StartError:
        return False
    try:
        return (await probing.wait()).code == 0
    finally:
        probing.close()
