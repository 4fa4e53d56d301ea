"""Ports of loopback that nothing listens on. Does not hold them: whoever asks should use them soon."""

import random
import socket

ADDRESS = "127.0.0.1"
# Below the range from which kernels take the ports of outgoing connections, which may take one at any moment.
PORTS = range(20_000, 32_000)


def free_ports(count: int) -> list[int]:
    """Distinct ports, chosen at random, so that tests side by side hardly ever choose the same."""
    found: list[int] = []
    for port in random.sample(PORTS, len(PORTS)):
        if len(found) == count:
            break
        with socket.socket() as candidate:
            try:
                candidate.bind((ADDRESS, port))
            except OSError:
                continue
        found.append(port)
    return found


def free_port() -> int:
    """One port."""
    return free_ports(1)[0]
