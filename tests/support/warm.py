"""Training processes that start in a moment: forked from a process that has imported everything and run nothing.

The code that runs in them is that of `python -m trainingjob_trainer`; only its start differs, and of a pod with two
ranks the way in which it starts them.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from unittest.mock import patch

from support.pods import DEADLINE, Start


@dataclass
class WarmProcess:
    """As much of subprocess.Popen as a Pod and the trainer's own starter of ranks use."""

    process: BaseProcess

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    def poll(self) -> int | None:
        return self.process.exitcode

    def wait(self, timeout: float | None = DEADLINE) -> int:
        """The exit code, -N when killed by signal N."""
        self.process.join(timeout)
        assert self.process.exitcode is not None, "it runs on"
        return self.process.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start(given: Start) -> WarmProcess:
    """Start the command `python -m trainingjob_trainer ARGUMENTS` of a pod."""
    process = _context().Process(target=_run, args=(given,))
    process.start()
    return WarmProcess(process)


def _context() -> ForkServerContext:
    """The warm process is started by the first use. It has its module path from the environment, and says nothing if
    it cannot import."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["support.warm_imports"])
    # The number of threads is read when the libraries are loaded, long before a pod's own environment is set.
    with patch.dict(os.environ, PYTHONPATH=str(Path(__file__).parents[1]), OMP_NUM_THREADS="1"):
        forkserver.ensure_running()
    return context


def _run(given: Start) -> None:
    """In the new process."""
    os.setsid()
    os.chdir(given.folder)
    os.environ.clear()
    os.environ.update(given.env)
    for path, stream in ((given.stdout, 1), (given.stderr, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND), stream)
    sys.path.insert(0, str(given.folder))
    sys.argv = ["trainingjob_trainer", *given.command[3:]]
    _main()


def _main() -> Any:
    from trainingjob_trainer import __main__ as trainer
    from trainingjob_trainer import local_ranks

    local_ranks._start = _fork_rank  # type: ignore[assignment]
    code = trainer.main()
    # As `_leave`, but that the one it was forked from must not clean up after it.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


class _Forked:
    """A rank beside its siblings in one pod."""

    def __init__(self, local_rank: int) -> None:
        self.pid = os.fork()
        if not self.pid:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.environ["LOCAL_RANK"] = str(local_rank)
            _main()

    def wait(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def send_signal(self, number: int) -> None:
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _fork_rank(command: Sequence[str], local_rank: int) -> _Forked:
    return _Forked(local_rank)
