"""Starts one operator after the other, each a fork of this process, which has imported everything already.

    python -m kills.nursery OPTION...       the operator's options; a line "start" on standard input starts one

Prints the process id of each. So a death costs what it costs in a cluster (all memory), without a second of imports.
"""

import asyncio
import os
import signal
import sys

from trainingjob_operator.__main__ import main as operator


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the dead need no burial
    for line in sys.stdin:
        if line.strip() != "start":
            continue
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            asyncio.set_event_loop_policy(None)
            operator(sys.argv[1:])
        print(child, flush=True)
    os.killpg(0, signal.SIGKILL)  # whoever started this is gone: so is everything


if __name__ == "__main__":
    main()
