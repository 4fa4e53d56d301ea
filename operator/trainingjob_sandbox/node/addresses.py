"""Which loopback address a pod has.

Pure. On Linux all of 127.0.0.0/8 is this machine, so each pod has an address of its own, derived from its name: a pod
that is not there yet already has one, and two sandboxes on one machine rarely meet. Elsewhere only 127.0.0.1 exists.
"""

import hashlib
from collections.abc import Container

LOOPBACK = "127.0.0.1"


def pod_address(namespace: str, name: str, taken: Container[str], *, own: bool) -> str:
    """The pod's address: the first free one of the sequence that starts at a digest of its name."""
    if not own:
        return LOOPBACK
    digest = int.from_bytes(hashlib.sha256(f"{namespace}/{name}".encode()).digest()[:4])
    return next(address for step in range(1 << 20) if (address := _address(digest + step)) not in taken)


def _address(number: int) -> str:
    # 127.64-127.x.1-254: away from 127.0.0.1, 127.0.1.1 (Debian's host name) and 127.0.0.53 (systemd's resolver).
    last, rest = number % 254 + 1, number // 254
    return f"127.{64 + rest // 256 % 64}.{rest % 256}.{last}"
