"""Where the `trainingjob` command begins: until it can end what it has started, Ctrl-C ends it at once and quietly.

Imports nothing that Python has not loaded already: the commands' own imports take the moment in which somebody who
mistyped interrupts, and `signal` alone a tenth of it.
"""

import _signal  # type: ignore[import-not-found]  # what `signal` wraps in enumerations
import os

INTERRUPTED = 130  # 128 + SIGINT


def main() -> None:
    """Run the command line; ends the process."""
    _signal.signal(_signal.SIGINT, _leave)
    from trainingjob_cli.commands import main as commands

    commands()


def _leave(*_: object) -> None:
    """Not by an exception, which would show where in the imports it came."""
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
