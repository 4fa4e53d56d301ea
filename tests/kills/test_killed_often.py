"""One job with two real failures on a real API server, and an operator that is killed fifty times meanwhile.

Ten times by default; `make kill-tests` does it fifty times.
"""

import asyncio
import os
import signal
from pathlib import Path
from random import Random

import pytest

from kills.playing import Record, _namespace, _world
from kills.proxy import Kill, Proxy
from kills.stories import NODES, Stage
from support.kubernetes.control_plane import ControlPlane
from trainingjob_operator.api.resources import NAMESPACES
from trainingjob_operator.cluster.api import Object

pytestmark = pytest.mark.real_api
KILLS = 50 if os.environ.get("TRAININGJOB_KILLS") == "all" else 10
PATIENCE = 300.0


class Killer:
    """Kills at writes of the job, and where the operator has nothing to write, without a write."""

    def __init__(self, proxy: Proxy, namespace: str) -> None:
        self.kills = 0
        self._proxy, self._namespace = proxy, namespace
        self._random = Random(KILLS)

    async def run(self) -> None:
        while self.kills < KILLS:
            await self._kill_once()
            self.kills += 1

    async def until(self, share: float) -> None:
        """Wait until so much of the killing is done."""
        async with asyncio.timeout(PATIENCE):
            while self.kills < KILLS * share:  # noqa: ASYNC110 - what is waited for sets no event
                await asyncio.sleep(0.05)

    async def _kill_once(self) -> None:
        proxy, namespace = self._proxy, self._namespace
        write = proxy.writes[namespace] + self._random.randint(1, 3)
        # A first write that always kills before it is passed on would let nothing happen at all.
        proxy.armed[namespace] = Kill(write, self._random.choice(("before", "after", "after")))
        try:
            async with asyncio.timeout(1.5):
                while namespace in proxy.armed:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        except TimeoutError:
            proxy.armed.pop(namespace, None)
            await self._kill_idle()

    async def _kill_idle(self) -> None:
        while not (victim := self._proxy.victim()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        os.kill(victim, signal.SIGKILL)
        self._proxy.killed.set()


async def _life(control_plane: ControlPlane, folder: Path) -> tuple[Object, int]:
    async with _world(control_plane, folder, Record()) as (api, proxy):
        namespace = await _namespace(api)
        killer = Killer(proxy, namespace)
        killing = asyncio.create_task(killer.run())
        on = Stage(api, namespace)
        try:
            await on.submit(startPolicy="Parallel")
            for attempt in (1, 2):
                await on.until("Running", attempt)
                await killer.until(attempt / 3)
                await on.exit(attempt, 1, attempt)
            await on.until("Running", 3)
            await killer.until(1)
            await on.finish(3)
            return await on.status(), killer.kills
        finally:
            killing.cancel()
            await asyncio.gather(killing, return_exceptions=True)
            await api.delete(NAMESPACES, None, namespace)


def test_an_operator_that_is_killed_again_and_again_counts_two_failures_as_two(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    status, kills = asyncio.run(_life(control_plane, tmp_path))

    assert kills == KILLS
    assert (status["state"], status["restarts"], status["attempt"]) == ("Succeeded", 2, 3)
    assert [(one["reason"], one["counted"]) for one in status["attempts"]] == [
        ("Error", True),
        ("Error", True),
        ("Completed", False),
    ]
    assert status["nodes"] == f"{NODES}/{NODES}"
