"""`trainingjob sandbox`: a one-machine cluster until Ctrl-C or SIGTERM."""

import asyncio
import signal
from collections.abc import Callable

from trainingjob_sandbox.sandbox import Options, sandbox


async def until_interrupted(options: Options, say: Callable[[str], None]) -> None:
    """Serve; say how to use it once it can be used, and that it is gone in the end."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with sandbox(options) as running:
        say(f"export KUBECONFIG={running.kubeconfig}")
        say("# in another terminal: kubectl get trainingjobs; Ctrl-C here ends everything")
        await stop.wait()
    say("# the sandbox and everything in it has ended; claims are kept under " + str(options.home / "claims"))
