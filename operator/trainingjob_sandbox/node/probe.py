"""Whether a running container is ready to serve: its readinessProbe, asked again and again.

tcpSocket, httpGet and exec are asked as the kubelet does; a container without a probe is ready when it runs.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

from trainingjob_sandbox.node.sources import ConfigError

Object = dict[str, Any]
Execute = Callable[[list[str]], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When a probe is asked (seconds) and how many answers in a row change the verdict."""

    initial_delay: float
    period: float
    timeout: float
    successes: int
    failures: int


def rhythm(probe: Object) -> Rhythm:
    """The probe's times, with the API's defaults."""
    return Rhythm(
        probe.get("initialDelaySeconds", 0),
        probe.get("periodSeconds", 10),
        probe.get("timeoutSeconds", 1),
        probe.get("successThreshold", 1),
        probe.get("failureThreshold", 3),
    )


def port_number(port: int | str, container: Object) -> int:
    """A probe's port, which may be the name of one of the container's ports.

    Raises:
        ConfigError: no port has that name.
    """
    named = {entry.get("name"): entry["containerPort"] for entry in container.get("ports") or []}
    if isinstance(port, int):
        return port
    if port not in named:
        raise ConfigError(f'readinessProbe: no port of the container is called "{port}"; name one or give its number')
    return int(named[port])


async def watch(container: Object, address: str, execute: Execute, report: Callable[[bool], None]) -> None:
    """Asks until cancelled; reports each change of verdict, the first when the container becomes ready."""
    probe = container["readinessProbe"]
    times = rhythm(probe)
    ready, streak = False, 0
    await asyncio.sleep(times.initial_delay)
    while True:
        answer = await _ask(probe, container, address, execute, times.timeout)
        streak = streak + 1 if answer != ready else 0
        if streak >= (times.successes if answer else times.failures):
            ready, streak = answer, 0
            report(ready)
        await asyncio.sleep(_pause(times.period, ready=ready))


def _pause(period: float, *, ready: bool) -> float:
    # Until it is ready, ask more often than the kubelet: here a probe costs nothing, and somebody waits for it.
    return period if ready else min(period, 0.2)


async def _ask(probe: Object, container: Object, address: str, execute: Execute, timeout: float) -> bool:  # noqa: ASYNC109
    try:
        async with asyncio.timeout(timeout):
            if "exec" in probe:
                return await execute(probe["exec"]["command"])
            if "httpGet" in probe:
                return await _http(probe["httpGet"], container, address)
            return await _tcp(probe["tcpSocket"], container, address)
    except (TimeoutError, OSError, aiohttp.ClientError):
        return False


async def _tcp(wanted: Object, container: Object, address: str) -> bool:
    port = port_number(wanted["port"], container)
    _, writer = await asyncio.open_connection(wanted.get("host") or address, port)
    writer.close()
    await writer.wait_closed()
    return True


async def _http(wanted: Object, container: Object, address: str) -> bool:
    host, port = wanted.get("host") or address, port_number(wanted["port"], container)
    url = f"{wanted.get('scheme', 'HTTP').lower()}://{host}:{port}/{wanted.get('path', '').lstrip('/')}"
    headers = {header["name"]: header["value"] for header in wanted.get("httpHeaders") or []}
    trusting = ssl.create_default_context()
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE  # a probe asks whether it serves, not who it is, as the kubelet's
    async with (
        aiohttp.ClientSession() as session,
        session.get(url, headers=headers, ssl=trusting, allow_redirects=False) as response,
    ):
        return 200 <= response.status < 400


def check(container: Object) -> None:
    """Refuses a probe that would never answer here.

    Raises:
        ConfigError: the probe is of a kind that the sandbox does not ask, or names no port of the container.
    """
    probe = container.get("readinessProbe")
    if not probe:
        return
    for kind in ("tcpSocket", "httpGet"):
        if kind in probe:
            port_number(probe[kind]["port"], container)
            return
    if "exec" not in probe:
        raise ConfigError("readinessProbe: only tcpSocket, httpGet and exec are asked here; use one of these")
