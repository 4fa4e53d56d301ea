"""One pod from its binding to its end: its containers in order, its deadline, its deletion, its status.

Decides nothing about placement. Its status is computed whole from its containers and written when it changed; several
changes that come together make one write. A pod is told to end with SIGTERM, and after the grace period with SIGKILL.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from trainingjob_sandbox.node.container import ContainerRun
from trainingjob_sandbox.node.prepare import Ground
from trainingjob_sandbox.node.report import Gone, delete, write_status
from trainingjob_sandbox.node.status import ContainerView, PodView, Terminated, pod_status

Object = dict[str, Any]

DEFAULT_GRACE = 30
DEADLINE = ("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")


class PodRun:
    """A pod on this node. ``over``: none of its processes will run any more."""

    def __init__(self, ground: Ground, granted: Mapping[str, Mapping[str, str]], on_over: Callable[[], None]) -> None:
        self.ground = ground
        self.pod = ground.facts.pod
        self.over = False
        self._since = datetime.now(UTC)
        self._on_over = on_over
        self._written: Object | None = None
        self._changed = asyncio.Event()
        self._stopping = self._vanished = False
        self._ended: tuple[str, str] | None = None
        self._kill_at: float | None = None
        self._timers: list[asyncio.TimerHandle] = []
        spec = self.pod["spec"]
        self._init = [self._container(c, granted, is_init=True) for c in spec.get("initContainers") or []]
        self._main = [self._container(c, granted, is_init=False) for c in spec["containers"]]

    async def run(self) -> None:
        """Returns when the pod object is gone. Cancelling it kills the pod's processes."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._report())
                self._set_deadline()
                self.update(self.pod)
                await self._run_containers()
                self._finish()
        finally:
            for timer in self._timers:
                timer.cancel()

    async def run_ended(self, reason: str, message: str) -> None:
        """Instead of `run`, for a pod whose processes are not there: it has failed for this reason."""
        now = datetime.now(UTC)
        lost = Terminated(137, "ContainerStatusUnknown", None, now, message)
        self._ended = (reason, message)
        for container in [*self._init, *self._main]:
            container.view = ContainerView(container.view.name, container.view.image, lost)
        self._finish()
        self.update(self.pod)
        await self._report()

    def update(self, pod: Object) -> None:
        """Takes note of the object as it is now."""
        if int(pod["metadata"]["resourceVersion"]) >= int(self.pod["metadata"]["resourceVersion"]):
            self.pod = pod
        if pod["metadata"].get("deletionTimestamp"):
            grace = pod["metadata"].get("deletionGracePeriodSeconds")
            self._stop(DEFAULT_GRACE if grace is None else grace)
            self._note()

    def vanish(self) -> None:
        """The object is gone: everything of it ends at once, and nothing is written any more."""
        self._vanished = True
        self._stop(0)
        self._note()

    def views(self) -> list[ContainerView]:
        """How its containers stand."""
        return [container.view for container in [*self._init, *self._main]]

    def _container(self, container: Object, granted: Mapping[str, Mapping[str, str]], *, is_init: bool) -> ContainerRun:
        own = granted.get(container["name"], {})
        return ContainerRun(container, self.ground, own, is_init=is_init, changed=self._note)

    async def _run_containers(self) -> None:
        for container in self._init:
            await container.run()
            if not _succeeded(container.view):
                return
        await asyncio.gather(*(container.run() for container in self._main))

    def _set_deadline(self) -> None:
        seconds = self.pod["spec"].get("activeDeadlineSeconds")
        if seconds is not None:
            self._after(seconds, self._exceed)

    def _exceed(self) -> None:
        self._ended = DEADLINE
        self._stop(self.pod["spec"].get("terminationGracePeriodSeconds", DEFAULT_GRACE))

    def _stop(self, grace: float) -> None:
        """SIGTERM now, SIGKILL after the grace period; a shorter period than an earlier one takes its place."""
        kill_at = asyncio.get_running_loop().time() + grace
        if self._kill_at is not None and self._kill_at <= kill_at:
            return
        self._kill_at = kill_at
        if grace <= 0:
            self._kill()
            return
        if not self._stopping:
            self._stopping = True
            for container in [*self._init, *self._main]:
                container.terminate()
        self._after(grace, self._kill)

    def _kill(self) -> None:
        self._stopping = True
        for container in [*self._init, *self._main]:
            container.kill()

    def _after(self, seconds: float, call: Callable[[], None]) -> None:
        self._timers.append(asyncio.get_running_loop().call_later(seconds, call))

    def _note(self) -> None:
        self._changed.set()

    def _finish(self) -> None:
        self.over = True
        self._note()
        self._on_over()

    def _view(self) -> PodView:
        init = tuple(container.view for container in self._init)
        main = tuple(container.view for container in self._main)
        # The end is told when the last process is gone, not while a deadline's grace period runs.
        ended = self._ended if self.over else None
        return PodView(self.ground.facts.address, self._since, init, main, self._stopping and self.over, ended)

    async def _report(self) -> None:
        """Writes each change of status, and deletes the object when it is to go and all processes are gone."""
        try:
            while not self._vanished:
                await self._changed.wait()
                self._changed.clear()
                await self._write()
                if self.over and self.pod["metadata"].get("deletionTimestamp"):
                    await delete(self.ground.api, self.pod)
                    return
        except Gone:
            self.vanish()

    async def _write(self) -> None:
        view = self._view()
        wanted = pod_status(self.pod, view, datetime.now(UTC))
        if self._vanished or wanted == self._written or _is_told(self.pod):
            return
        if wanted["phase"] in ("Succeeded", "Failed") and not self.over:
            return  # `_finish` follows: an end is told when the last process is gone, with its reason, and once
        answer = await write_status(self.ground.api, self.pod, wanted)
        self._written = wanted
        self.update(answer)


def _succeeded(view: ContainerView) -> bool:
    return isinstance(view.state, Terminated) and view.state.exit_code == 0


def _is_told(pod: Object) -> bool:
    """Whether the object says already how the pod ended."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
