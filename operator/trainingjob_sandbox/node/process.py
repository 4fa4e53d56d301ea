"""One container's process as the node sees it: started through the launcher, told to end, waited for.

Decides nothing. The launcher (launch.py) is its own process per container; the pipe to it is the container's lifeline:
when the node dies, however it dies, the pipe ends and the launcher kills the container.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from trainingjob_sandbox.node.volumes import Mount

LAUNCHER = Path(__file__).with_name("launch.py")


class StartError(Exception):
    """The container's program could not be started."""


@dataclass(frozen=True, slots=True)
class View:
    """What an isolated container sees: a root built in the folder ``root`` with these mounts, and a host name."""

    root: Path
    hostname: str
    mounts: Sequence[Mount]


@dataclass(frozen=True, slots=True)
class Launch:
    """A process to be started. ``view`` None: it sees the machine; ``join``: it sees what that process sees."""

    argv: Sequence[str]
    env: dict[str, str]
    cwd: str
    log: Path
    view: View | None = None
    join: int | None = None

    def order(self) -> bytes:
        """The launcher's line of JSON."""
        view = self.view and {
            "root": str(self.view.root),
            "hostname": self.view.hostname,
            "folder": self.cwd,
            "mounts": [_mount(mount) for mount in self.view.mounts],
        }
        spec = {
            "argv": list(self.argv),
            "env": self.env,
            "cwd": self.cwd,
            "log": str(self.log),
            "times": str(_beside(self.log, "times")),
        }
        return orjson.dumps({**spec, "isolation": view, "join": self.join}) + b"\n"


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended: its exit code (128 + the signal's number if killed by one) and when."""

    code: int
    at: datetime
    signal: int | None = None


class Process:
    """A running container; made by :func:`start`."""

    def __init__(self, launcher: asyncio.subprocess.Process, pid: int, since: datetime) -> None:
        self._launcher = launcher
        self.pid = pid
        self.since = since

    def terminate(self) -> None:
        """SIGTERM to the container's first process."""
        self._order(b"T")

    def kill(self) -> None:
        """SIGKILL to all of its processes."""
        self._order(b"K")

    async def wait(self) -> Exit:
        """Returns when the first process has ended and every other one of the container is gone."""
        answer = await _answer(self._launcher)
        await self._launcher.wait()
        self.close()
        if "exit" not in answer:  # somebody killed the launcher, and the kernel the container with it
            return Exit(137, datetime.now(UTC), 9)
        code = answer["exit"]
        return Exit(128 - code if code < 0 else code, _moment(answer), -code if code < 0 else None)

    def close(self) -> None:
        """Ends the lifeline: what still runs is killed."""
        _pipe(self._launcher).close()

    def _order(self, letter: bytes) -> None:
        pipe = _pipe(self._launcher)
        if not pipe.is_closing():
            pipe.write(letter)


async def start(launch: Launch) -> Process:
    """Starts the process, and returns when it runs its program.

    Raises:
        StartError: there is no such program, a mount path cannot be made, or namespaces are forbidden here.
    """
    launcher = await _spawn(launch)
    try:
        answer = await _answer(launcher)
    except asyncio.CancelledError:
        _pipe(launcher).close()
        await launcher.wait()
        raise
    if "started" in answer:
        return Process(launcher, answer["started"], _moment(answer))
    _pipe(launcher).close()
    await launcher.wait()
    raise StartError(answer.get("error") or f"the launcher failed: {_beside(launch.log, 'errors').read_text()[-1000:]}")


async def _spawn(launch: Launch) -> asyncio.subprocess.Process:
    with _beside(launch.log, "errors").open("ab") as errors:
        launcher = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(LAUNCHER)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env={},
            start_new_session=True,  # Ctrl-C in the terminal is for the node; it tells its containers itself
        )
    _pipe(launcher).write(launch.order())
    return launcher


async def _answer(launcher: asyncio.subprocess.Process) -> dict[str, Any]:
    assert launcher.stdout is not None
    line = await launcher.stdout.readline()
    answer: dict[str, Any] = orjson.loads(line) if line else {}
    return answer


def _pipe(launcher: asyncio.subprocess.Process) -> asyncio.StreamWriter:
    assert launcher.stdin is not None
    return launcher.stdin


def _moment(answer: dict[str, Any]) -> datetime:
    return datetime.fromtimestamp(answer["time"], UTC)


def _beside(log: Path, what: str) -> Path:
    return log if log == Path(os.devnull) else log.with_name(f"{log.name}.{what}")


def _mount(mount: Mount) -> dict[str, Any]:
    return {**asdict(mount), "source": None if mount.source is None else str(mount.source)}
