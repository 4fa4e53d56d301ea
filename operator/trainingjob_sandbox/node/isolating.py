"""Whether containers get their own view of the machine: asked once, by trying it."""

import logging
import sys
from pathlib import Path

from trainingjob_sandbox.node.process import Launch, StartError, View, start

logger = logging.getLogger(__name__)


async def decide(wanted: bool | None, folder: Path) -> bool:
    """The option, or where it says nothing, what works here.

    Raises:
        StartError: it is wanted, and impossible here.
    """
    if wanted is False:
        _say("it was asked for")
        return False
    trouble = await _trouble(folder)
    if trouble is None:
        return True
    if wanted:
        raise StartError(f"containers cannot have their own view of this machine: {trouble}; leave isolate unset")
    _say(trouble)
    return False


async def _trouble(folder: Path) -> str | None:
    """Why it does not work; None if it does."""
    if sys.platform != "linux":
        return f"{sys.platform} has no mount namespaces"
    argv = [sys.executable, "-I", "-S", "-c", ""]
    try:
        process = await start(
            Launch(argv, {}, "/", folder / "isolation.log", View(folder / "isolation", "sandbox", ()))
        )
    except StartError as error:
        return str(error)
    await process.wait()
    return None


def _say(why: str) -> None:
    logger.warning(
        "containers see this machine as it is (%s): mount paths and pod names are translated in environment values,"
        " command and arguments, but not inside programs and files",
        why,
    )
