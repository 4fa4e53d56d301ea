"""`python -m trainingjob_trainer VERB ...`: which verb, in which process, ending with which exit code.

Turns every ending into an exit code and a sentence; knows nothing of training. torch is imported only in the
processes that train.
"""

import atexit
import errno
import os
import signal
import sys
import threading
import traceback
from typing import NoReturn

from trainingjob_trainer import log
from trainingjob_trainer.environment import Environment, process_variables, read_environment
from trainingjob_trainer.errors import REMEDY, ConfigurationError, PreemptedError, StorageError, SupersededError
from trainingjob_trainer.exit_codes import CONFIGURATION, DONE, LOST_PEER, USER_ERROR, deciding, exit_code
from trainingjob_trainer.imports import without_collections
from trainingjob_trainer.termination import write_reason

# Errors whose text says it all.
_SENTENCES = (ConfigurationError, PreemptedError, StorageError, SupersededError)

# A library's error names no file: curves, a cache, or shared memory.
_FULL = "; free space in the claim of spec.output, or give it more (for /dev/shm: spec.sharedMemory)"


def main() -> int:
    """Run the verb of the command line; returns its exit code."""
    arguments = sys.argv[1:]
    try:
        if arguments[:1] == ["prepare"]:
            from trainingjob_trainer.prepare import prepare

            return prepare(arguments[1:])
        return _train(read_environment(os.environ))
    except SystemExit as asked:  # for help, or by the user's code
        return _asked_for(asked.code)
    except Exception as error:  # noqa: BLE001 - the one place that turns any ending into an exit code
        return _ended_by(error)


def _train(environment: Environment) -> int:
    if environment.devices > 1 and "LOCAL_RANK" not in os.environ:
        from trainingjob_trainer.local_ranks import run_local_ranks

        return run_local_ranks([sys.executable, "-m", "trainingjob_trainer", *sys.argv[1:]], environment.devices)
    os.environ.update(process_variables(environment))
    from trainingjob_trainer.preemption import Preemption

    preemption = Preemption.install()
    with without_collections():
        from trainingjob_trainer.cli import train
    train(environment, preemption)
    return DONE


def _ended_by(error: BaseException) -> int:
    """Say why the run ended, to the log and to the pod's status."""
    code = exit_code(error)
    if code == USER_ERROR and not isinstance(error, _SENTENCES):
        traceback.print_exception(error)
    text = _sentence(deciding(error), code)
    if isinstance(error, PreemptedError):
        log.say(text)
    else:
        log.fail(text)
    write_reason(os.environ, code, text)
    return code


def _asked_for(code: str | int | None) -> int:
    """What Python makes of the argument of `sys.exit`."""
    if isinstance(code, str):
        log.fail(code)
        return USER_ERROR
    return code or DONE


def _sentence(error: BaseException, code: int) -> str:
    if code == LOST_PEER:
        return f"lost a peer: {_first_line(error)}"
    if isinstance(error, _SENTENCES):
        return _from_worker(str(error), type(error).__name__)
    text = f"{type(error).__name__}: {_first_line(error)}"
    if code == CONFIGURATION:
        return text.rstrip(".") + "." + REMEDY
    return text + _FULL if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT) else text


def _from_worker(text: str, kind: str) -> str:
    """What a loader process said without torch's traceback around it, which ends with the error itself."""
    before, mark, said = text.rpartition(f"\n{__package__}.errors.{kind}: ")
    return said.strip() if mark and before.startswith("Caught ") else text


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [""])[0]


def _leave(code: int) -> NoReturn:
    """End without taking the interpreter apart, which costs 1.2 s of CPU after a run of torch.

    After a failure at once: threads of a broken process group could hang or abort the interpreter's exit. Else as
    multiprocessing ends its processes: threads of the user's end first, and what is to be done at exit is done.
    """
    # A SIGTERM that comes now is too late to change how the run ended.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if code == DONE:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _leave(main())
