"""Runs a command that dies with whoever started it, even if that was killed with SIGKILL.

    python tether.py COMMAND...      standard input: a pipe that the starter keeps open; in a process group of its own

When the pipe closes (the starter closed it, or is gone), the whole process group is killed. Signals to the group reach
the command as they would without this process, which only waits and passes on the exit code.
"""

import os
import signal
import subprocess
import sys
import threading


def main(argv: list[str]) -> int:
    """Run the command; 128 + N if signal N ended it."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        # A handler, not SIG_IGN: what is ignored stays ignored in the command, a handler does not.
        signal.signal(number, lambda *_: None)
    command = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
    threading.Thread(target=_kill_the_group_at_the_end_of_input, daemon=True).start()
    code = command.wait()
    return code if code >= 0 else 128 - code


def _kill_the_group_at_the_end_of_input() -> None:
    # os.read, not sys.stdin: a thread inside a buffered read would hold up the interpreter's exit.
    while os.read(0, 4096):
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
