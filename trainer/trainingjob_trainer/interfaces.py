"""Over which network interface this process meets the others, said at the start and checked where it can be.

A machine may have several; libraries choose by rules of their own, and a wrong choice looks like a gang that never
forms. Decides from facts that `look` has gathered; never sets a variable.
"""

import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from trainingjob_trainer.errors import ConfigurationError

VARIABLES = {"gloo": "GLOO_SOCKET_IFNAME", "nccl": "NCCL_SOCKET_IFNAME"}
_GET_ADDRESS = 0x8915  # SIOCGIFADDR of Linux


@dataclass(frozen=True, slots=True)
class Network:
    """This machine's interfaces by name with their IPv4 address (None: it has none), and two addresses of its own.

    ``route``: from which rank 0 is reached; ``host``: what the machine's name means, where gloo listens by default.
    """

    interfaces: Mapping[str, str | None]
    route: str | None
    host: str | None


def check(network: Network, backend: str, env: Mapping[str, str]) -> tuple[str, str | None]:
    """A line that says which interface is used, and a warning if that may be the wrong one.

    Raises ConfigurationError if the variable of the backend names an interface that is not there.
    """
    variable = VARIABLES.get(backend, "")
    asked = env.get(variable, "")
    if asked:
        used = _asked(network, variable, asked)
        return f"network: {_named(network, used)}, by {variable}={asked}", _other_than_route(network, used)
    route = interface_of(network, network.route)
    line = f"network: {_at(network.route, route)}" if network.route else "network: no route to rank 0 yet"
    return line, _gloo_elsewhere(network, route) if backend == "gloo" else None


def interface_of(network: Network, address: str | None) -> str | None:
    """The interface that has an address; all of 127.0.0.0/8 is the loopback's."""
    found = next((name for name, own in network.interfaces.items() if own is not None and own == address), None)
    if found is None and address and address.startswith("127."):
        return next((name for name, own in network.interfaces.items() if own and own.startswith("127.")), None)
    return found


def look(main_address: str, main_port: int) -> Network:
    """The facts of this machine. Sends nothing: connecting a datagram socket only asks the kernel for its route."""
    return Network(
        {name: _address(name) for _, name in socket.if_nameindex()}, _route(main_address, main_port), _host()
    )


def _asked(network: Network, variable: str, asked: str) -> list[str]:
    """The interfaces that the variable means. NCCL takes beginnings of names, `=` whole ones, `^` all others."""
    marks, names = asked[: len(asked) - len(asked.lstrip("^="))], asked.lstrip("^=").split(",")
    exact = variable == VARIABLES["gloo"] or "=" in marks
    named = [n for n in network.interfaces if any(n == name if exact else n.startswith(name) for name in names)]
    used = [n for n in network.interfaces if n not in named] if "^" in marks else named
    if not used:
        there = ", ".join(_at(address, name) for name, address in network.interfaces.items())
        raise ConfigurationError(
            f"{variable} is {asked!r}, but this node has {there}: set it in spec.env to an interface that all nodes "
            "have, or in spec.nodeOverrides[].env where nodes differ"
        )
    return used


def _other_than_route(network: Network, used: list[str]) -> str | None:
    route = interface_of(network, network.route)
    if route is None or route in used:
        return None
    return f"rank 0 is reached over {_at(network.route, route)}, which is none of {', '.join(used)}"


def _gloo_elsewhere(network: Network, route: str | None) -> str | None:
    """Gloo listens where the machine's name points to; on some machines that is not where the others are."""
    host = interface_of(network, network.host)
    if route is None or host is None or host == route:
        return None
    return (
        f"gloo will listen at {_at(network.host, host)}, because this host's name says so, but rank 0 is reached over "
        f"{_at(network.route, route)}: if the gang does not form, set GLOO_SOCKET_IFNAME={route} in spec.env"
    )


def _named(network: Network, names: list[str]) -> str:
    return ", ".join(_at(network.interfaces[name], name) for name in names)


def _at(address: str | None, interface: str | None) -> str:
    return f"{address or 'no IPv4 address'} on {interface or 'an unknown interface'}"


def _address(interface: str) -> str | None:
    """An interface's first IPv4 address; None where the system cannot tell."""
    try:
        import fcntl

        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            answer = fcntl.ioctl(asker.fileno(), _GET_ADDRESS, struct.pack("256s", interface.encode()[:15]))
        return socket.inet_ntoa(answer[20:24])
    except (ImportError, OSError):
        return None


def _route(address: str, port: int) -> str | None:
    try:
        family, kind, _, _, target = socket.getaddrinfo(address, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as asker:
            asker.connect(target)
            found: str = asker.getsockname()[0]
            return found
    except OSError:
        return None


def _host() -> str | None:
    try:
        return socket.gethostbyname(socket.gethostname())
    except OSError:
        return None
