"""One machine as a cluster: the API server, the node and the operator, started together and ended together.

The operator is the real one, in a process of its own, started again when it dies, as a Deployment would do it. Claims
are folders that stay; everything else is gone when the sandbox ends.
"""

import asyncio
import logging
import os
import random
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import orjson

from trainingjob_operator.api.resources import CRDS
from trainingjob_operator.api.schema import crd
from trainingjob_operator.cluster.client import HttpApi
from trainingjob_operator.cluster.connect import connect, load
from trainingjob_sandbox.apiserver import serve
from trainingjob_sandbox.node import Node
from trainingjob_sandbox.node.syscalls import PR_SET_PDEATHSIG, prctl
from trainingjob_sandbox.store import Store

logger = logging.getLogger(__name__)

RESTART_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Options:
    """``home`` holds the claims; ``claims`` names folders for claims; ``gpus`` None looks for them."""

    home: Path = Path(".trainingjob")
    claims: Mapping[str, Path] = field(default_factory=dict)
    gpus: int | None = None
    isolate: bool | None = None
    port: int = 0


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A running sandbox: its API, and a KUBECONFIG for everything else.

    Beside the KUBECONFIG lie operator.log and operator.pid.
    """

    api: HttpApi
    kubeconfig: Path


@asynccontextmanager
async def sandbox(options: Options) -> AsyncIterator[Sandbox]:
    """A running sandbox. At the end nothing that it started is left."""
    with tempfile.TemporaryDirectory(prefix="trainingjob-") as folder:
        state = Path(folder)
        store = Store(lambda: datetime.now(UTC), random.Random())  # noqa: S311 - uids, not secrets
        async with serve(store, port=options.port) as server:
            kubeconfig = state / "kubeconfig"
            kubeconfig.touch(mode=0o600)
            kubeconfig.write_bytes(orjson.dumps(server.kubeconfig()))
            async with connect(load(kubeconfig)) as api:
                await api.create(CRDS, None, crd())
                async with running_node(api, options, state), _running_operator(kubeconfig, state):
                    yield Sandbox(api, kubeconfig)


@asynccontextmanager
async def running_node(api: HttpApi, options: Options, state: Path, name: str = "sandbox") -> AsyncIterator[Node]:
    """A node that runs the pods of an API server, and ends them in the end."""
    node = Node(
        api,
        name=name,
        state_dir=state / "node",
        claims_root=options.home / "claims",
        claims=options.claims,
        gpus=options.gpus,
        isolate=options.isolate,
    )
    task = asyncio.create_task(node.run())
    ready = asyncio.create_task(node.ready.wait())
    try:
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        yield node
    finally:
        ready.cancel()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def _running_operator(kubeconfig: Path, state: Path) -> AsyncIterator[None]:
    task = asyncio.create_task(OperatorProcess(kubeconfig, state / "operator.log").run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


class OperatorProcess:
    """The operator as a child process that is started again whenever it ends."""

    def __init__(self, kubeconfig: Path, log: Path) -> None:
        self._argv = [sys.executable, "-m", "trainingjob_operator", "--kubeconfig", str(kubeconfig)]
        self._log = log
        self._pid_file = log.with_suffix(".pid")

    async def run(self) -> None:
        """Keep it running until cancelled; then it has two seconds to end."""
        while True:
            with self._log.open("ab") as log:
                process = await asyncio.create_subprocess_exec(
                    *self._argv,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    preexec_fn=_die_with_parent,
                )
            self._pid_file.write_text(f"{process.pid}\n")
            try:
                code = await process.wait()
            finally:
                if process.returncode is None:
                    await _stop(process)
            logger.warning("the operator ended with exit code %s: starting it again", code)
            await asyncio.sleep(RESTART_SECONDS)


def _die_with_parent() -> None:
    """A sandbox that is killed takes its operator along (where the kernel can; elsewhere only an orderly end does)."""
    if sys.platform == "linux":
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


async def _stop(process: asyncio.subprocess.Process) -> None:
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), timeout=2)
    except TimeoutError:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
