"""The reason that the pod itself shows (`kubectl describe pod`): the kubelet reads it from a small file.

Writes one sentence and never fails a run for it: outside a pod the file is not there.
"""

from collections.abc import Mapping
from pathlib import Path

from trainingjob_trainer.exit_codes import LOST_PEER

LIMIT = 4096  # bytes; the kubelet cuts longer messages
DEFAULT = Path("/dev/termination-log")


def write_reason(env: Mapping[str, str], code: int, text: str) -> None:
    """Leave the sentence for the kubelet. "Lost a peer" never hides a primary cause that a local process wrote."""
    path = Path(env.get("TRAININGJOB_TERMINATION_LOG") or DEFAULT)
    if not path.is_file() and path == DEFAULT:
        return
    try:
        if code == LOST_PEER and path.is_file() and path.stat().st_size > 0:
            return
        path.write_bytes(text.encode()[:LIMIT])
    except OSError:
        # The same sentence is on standard error, which the kubelet falls back to.
        return
