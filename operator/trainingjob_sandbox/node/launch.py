"""Runs one container: starts its process, stores its output, passes on signals, and leaves nothing behind.

A program of its own, ``python -I -S launch.py``, the parent of one container's processes; it imports little because
every pod start waits for it. It decides nothing: what to run comes as one line of JSON on standard input, followed by
one-letter orders (``T``: SIGTERM to the container's first process, ``K``: SIGKILL to all of them). When standard
input ends, the node is gone, and everything is killed. Answers are lines of JSON on standard output: ``started``, then
``exit``; or ``error``. On Linux it adopts orphans, so no process of a container escapes by making itself a daemon.
"""

import json
import os
import select
import signal
import struct
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

STAMP = struct.Struct("<Qd")  # offset in the log, seconds since the epoch: when the bytes from there on were read
LINUX = sys.platform == "linux"


class Supervisor:
    """The parent of one container: its first process, its log, and the orders on standard input."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec = spec
        self.status: int | None = None
        self.log: BinaryIO = Path(spec["log"]).open("ab", buffering=0)  # noqa: SIM115 - open as long as this program runs
        self.times: BinaryIO = Path(spec["times"]).open("ab", buffering=0)  # noqa: SIM115
        self.output, self.child_output = os.pipe()
        self.child_ended, wake = os.pipe()
        for descriptor in (self.output, self.child_ended, wake):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.main = 0

    def start(self) -> str:
        """Forks the container's first process; the error in words, or nothing when it runs the wanted program."""
        failed, report = os.pipe()
        self.main = os.fork()
        if self.main == 0:
            _become_container(self.spec, self.child_output, report)
        os.close(report)
        os.close(self.child_output)
        with os.fdopen(failed, "rb") as answer:  # ends without a word when exec succeeds
            return answer.read().decode()

    def supervise(self) -> None:
        """Serves output and orders until the first process has ended."""
        poll = select.poll()
        for descriptor in (0, self.output, self.child_ended):
            poll.register(descriptor, select.POLLIN)
        while self.status is None:
            for descriptor, _ in poll.poll():
                if descriptor == 0 and not self.obey():
                    poll.unregister(0)
                elif descriptor == self.output and not self.store():
                    poll.unregister(self.output)
                elif descriptor == self.child_ended:
                    os.read(self.child_ended, 512)
                    self.reap()

    def obey(self) -> bool:
        """Carries out the orders that have arrived; False at their end."""
        orders = os.read(0, 64)
        if not orders or b"K" in orders:
            self.kill()
        elif self.status is None:
            os.kill(self.main, signal.SIGTERM)
        return bool(orders)

    def store(self) -> bool:
        """Appends what the container wrote to its log; False when nothing is left to come."""
        try:
            text = os.read(self.output, 65536)
        except BlockingIOError:
            return True
        if text:
            self.times.write(STAMP.pack(self.log.tell(), time.time()))
            self.log.write(text)
        return bool(text)

    def reap(self) -> None:
        """Notes the first process's end, and buries its orphans."""
        while True:
            try:
                process, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if process == 0:
                return
            if process == self.main:
                self.status = status

    def kill(self) -> None:
        """SIGKILL to every process of the container that is still there."""
        # On Linux a reaped leader's number may already be another's, and all that it left are children of ours.
        if self.status is None or not LINUX:
            # macOS says "not permitted" of a group whose processes are all dead.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.main, signal.SIGKILL)
        for process in _children():
            os.kill(process, signal.SIGKILL)

    def bury(self) -> None:
        """Kills what the first process left behind, until the kernel knows of no child any more."""
        self.kill()
        while True:
            try:
                os.waitpid(-1, 0)
            except ChildProcessError:
                break
            # Children of a killed one are ours now, and must go the same way.
            self.kill()
        while select.select([self.output], [], [], 0)[0] and self.store():
            pass


def main() -> int:
    """Runs the container that standard input describes."""
    spec = json.loads(_line())
    if LINUX:
        from trainingjob_sandbox.node import syscalls

        syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
    supervisor = Supervisor(spec)
    error = supervisor.start()
    if error:
        _say(error=error, time=time.time())
        return 1
    _say(started=supervisor.main, time=time.time())
    supervisor.supervise()
    ended = time.time()
    supervisor.bury()
    assert supervisor.status is not None
    _say(exit=os.waitstatus_to_exitcode(supervisor.status), time=ended)
    return 0


def _become_container(spec: dict[str, Any], output: int, report: int) -> None:
    """In the child: leads a session of its own and becomes the wanted program. Does not return."""
    try:
        os.setsid()
        _enter(spec)
        os.chdir(spec["cwd"])
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        _restore_signals()
        os.execvpe(spec["argv"][0], spec["argv"], spec["env"])  # noqa: S606
    except (OSError, ValueError) as error:
        os.write(report, f"cannot run {spec['argv'][0]!r}: {error}".encode())
    finally:
        os._exit(127)


def _enter(spec: dict[str, Any]) -> None:
    """Gives the calling process the container's view of the machine, and ties its life to the supervisor's."""
    if not LINUX:
        return
    from trainingjob_sandbox.node import isolation, syscalls

    if spec.get("join"):
        isolation.join(spec["join"])
    elif spec.get("isolation"):
        isolation.enter(**spec["isolation"])
    # Only now: changing credentials, as entering a user namespace does, clears it.
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)


def _restore_signals() -> None:
    """Python ignores these two, and ignoring is inherited."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)


def _children() -> list[int]:
    """Processes whose parent is this one; none where there is no /proc (the group was killed then, no more)."""
    found = []
    for process in Path("/proc").iterdir() if LINUX else []:
        if process.name.isdigit():
            try:
                # The second field is the program's name in brackets, and may hold anything, brackets too.
                fields = (process / "stat").read_text(errors="replace").rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[1]) == os.getpid():
                found.append(int(process.name))
    return found


def _line() -> bytes:
    """The first line of standard input, and not a byte more: orders follow."""
    line = bytearray()
    while not line.endswith(b"\n"):
        piece = os.read(0, 1)
        if not piece:
            break
        line += piece
    return bytes(line)


def _say(**answer: Any) -> None:
    os.write(1, json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    sys.exit(main())
