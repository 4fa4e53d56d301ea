"""`trainingjob sandbox` and `trainingjob node`: a one-machine cluster, or its node alone, until Ctrl-C or SIGTERM."""

import asyncio
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path

from trainingjob_operator.cluster.connect import connect, load
from trainingjob_sandbox.sandbox import Options, running_node, sandbox


async def until_interrupted(options: Options, say: Callable[[str], None]) -> None:
    """Serve; say how to use it once it can be used, and that it is gone in the end."""
    stop = _stopped_by_signals()
    async with sandbox(options) as running:
        say(f"export KUBECONFIG={running.kubeconfig}")
        say("# in another terminal: kubectl get trainingjobs; Ctrl-C here ends everything")
        await stop.wait()
    say("# the sandbox and everything in it has ended; claims are kept under " + str(options.home / "claims"))


async def node_until_interrupted(
    kubeconfig: Path | None, name: str, options: Options, say: Callable[[str], None]
) -> None:
    """Run the pods of another cluster; nothing of them is left in the end."""
    stop = _stopped_by_signals()
    with tempfile.TemporaryDirectory(prefix="trainingjob-node-") as state:
        async with connect(load(kubeconfig)) as api, running_node(api, options, Path(state), name):
            say(f"node {name} is ready")
            await stop.wait()


def _stopped_by_signals() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
