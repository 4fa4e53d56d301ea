"""The processes of one pod, one per device: started side by side, ended together.

Only with more than one process per pod. It never trains and never imports torch: it starts the ranks, passes
SIGTERM on, and decides the pod's exit code by the first failure that has a cause of its own.
"""

import os
import queue
import signal
import subprocess
import threading
from collections.abc import Sequence
from types import FrameType

from trainingjob_trainer.exit_codes import DONE, LOST_PEER

PEER_GRACE = 10.0  # seconds in which the ranks beside a failed one may end by themselves, saying why


def run_local_ranks(command: Sequence[str], devices: int) -> int:
    """Run the command once per local rank; returns the pod's exit code when all have ended."""
    children: list[subprocess.Popen[bytes]] = []
    told: list[int] = []

    def pass_on(signum: int, _: FrameType | None) -> None:
        told.append(signum)
        for child in children:
            child.send_signal(signum)

    # Before the first is started: a signal between two starts would leave processes behind.
    signal.signal(signal.SIGTERM, pass_on)
    for local_rank in range(devices):
        if not told:
            children.append(_start(command, local_rank))  # noqa: PERF401 - the handler looks at those started so far
    if told and children:
        children[-1].send_signal(told[-1])  # it may have come while this one was being started
    if not children:
        return 128 + told[-1]
    ended: queue.Queue[int] = queue.Queue()
    for child in children:
        threading.Thread(target=lambda child=child: ended.put(child.wait()), daemon=True).start()
    return pod_exit_code(_wait(children, ended))


def pod_exit_code(codes: Sequence[int]) -> int:
    """The pod's exit code, from those of its processes in the order in which they ended (-9: killed by signal 9)."""
    failures = [code if code >= 0 else 128 - code for code in codes if code != DONE]
    causes = [code for code in failures if code != LOST_PEER]
    return next(iter(causes + failures), DONE)


def _start(command: Sequence[str], local_rank: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, env=os.environ | {"LOCAL_RANK": str(local_rank)})


def _wait(children: Sequence[subprocess.Popen[bytes]], ended: "queue.Queue[int]") -> list[int]:
    codes: list[int] = []
    while len(codes) < len(children):
        failed = any(code != DONE for code in codes)
        try:
            codes.append(ended.get(timeout=PEER_GRACE if failed else None))
        except queue.Empty:
            for child in children:
                child.kill()
    # Ranks that had to be killed came after the failure, so they never decide the pod's code.
    return codes
