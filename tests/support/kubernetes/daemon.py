"""A real process of a test: started with a log file, stopped or killed on request, never left behind.

Decides nothing about what runs. It does not outlive the test run, even when pytest itself is killed (see tether.py).
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

TETHER = Path(__file__).with_name("tether.py")
POLL = 0.05


class DaemonError(AssertionError):
    """A process ended early or never became ready; the message ends with its log's last lines."""


@dataclass(slots=True)
class Daemon:
    """One command with its log. ``signal`` and ``kill`` reach the command itself and what it has started."""

    name: str
    argv: Sequence[str]
    log_file: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, again if need be; the log goes on."""
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(TETHER), *self.argv],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )

    def wait_until(self, what: str, is_so: Callable[[], bool], *, seconds: float = 120) -> None:
        """Wait for a condition of this process, such as an answered health check."""
        deadline = time.monotonic() + seconds
        while not is_so():
            if (code := self.exit_code()) is not None:
                raise DaemonError(f"{self.name} ended with {code} before {what}{self._tail()}")
            if time.monotonic() > deadline:
                raise DaemonError(f"{self.name}: not so after {seconds:.0f} s: {what}{self._tail()}")
            time.sleep(POLL)

    def exit_code(self) -> int | None:
        """None while it runs; 128 + N, or -N after ``kill``, if signal N ended it."""
        if self._process is None or self._process.poll() is None:
            return None
        return self.wait()

    @property
    def pid(self) -> int | None:
        """The process that holds the command; its only child is the command itself."""
        return self._process.pid if self._process else None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; SIGSTOP and SIGCONT pause and resume it."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, number)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        self.wait()

    def stop(self, *, seconds: float = 20) -> int:
        """SIGTERM, SIGKILL if it is still there after ``seconds``; its exit code."""
        self.signal(signal.SIGTERM)
        try:
            return self.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return -signal.SIGKILL

    def log(self) -> str:
        """All that it has printed so far."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def wait(self, seconds: float | None = None) -> int:
        """Its exit code once it has ended; subprocess.TimeoutExpired after ``seconds``."""
        if self._process is None:
            return 0
        code = self._process.wait(seconds)
        if self._process.stdin is not None:
            self._process.stdin.close()
        return code

    def _tail(self, lines: int = 40) -> str:
        return f"; the end of its log:\n{chr(10).join(self.log().splitlines()[-lines:])}"
