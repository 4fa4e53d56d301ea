"""The probes and the page of metrics over HTTP."""

import asyncio
from collections.abc import Callable

import aiohttp
import pytest

from support.kubernetes.control_plane import ADDRESS, free_ports
from trainingjob_operator.probes import PortError, page, probe, serve


async def test_a_probe_says_ok_or_what_is_wrong() -> None:
    wrong: list[str] = []
    (port,) = free_ports(1)
    async with serve(port, probe("/healthz", lambda: wrong)), aiohttp.ClientSession() as session:
        async with session.get(f"http://{ADDRESS}:{port}/healthz") as answer:
            assert (answer.status, await answer.text()) == (200, "ok\n")
        wrong += ["one thing", "another"]
        async with session.get(f"http://{ADDRESS}:{port}/healthz") as answer:
            assert (answer.status, await answer.text()) == (503, "one thing\nanother\n")


async def test_a_page_is_made_when_it_is_asked_for() -> None:
    (port,) = free_ports(1)
    numbers = iter(range(10))
    text: Callable[[], bytes] = lambda: f"n {next(numbers)}\n".encode()  # noqa: E731
    async with serve(port, page("/metrics", text, "text/plain; version=1.0.0")), aiohttp.ClientSession() as session:
        for number in range(2):
            async with session.get(f"http://{ADDRESS}:{port}/metrics") as answer:
                assert await answer.text() == f"n {number}\n"
                assert answer.headers["Content-Type"] == "text/plain; version=1.0.0"


async def test_without_a_port_nothing_is_served() -> None:
    async with serve(None, probe("/healthz", list)):
        await asyncio.sleep(0)


async def test_the_port_is_free_again_afterwards() -> None:
    (port,) = free_ports(1)
    for _ in range(2):
        async with serve(port, probe("/healthz", list)):
            pass
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get(f"http://{ADDRESS}:{port}/healthz")


async def test_a_port_that_is_taken_is_named_with_the_remedy() -> None:
    (port,) = free_ports(1)
    async with serve(port, probe("/healthz", list)):
        with pytest.raises(PortError, match=rf"port {port}: .*in use; give another one \(--liveness-port"):
            async with serve(port, probe("/healthz", list)):
                raise AssertionError("two listen on one port")


async def test_what_is_not_http_is_answered_and_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    (port,) = free_ports(1)
    async with serve(port, probe("/healthz", list)):
        reader, writer = await asyncio.open_connection(ADDRESS, port)
        writer.write(b"GET /healthz HTTP/9.9\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.0 400")
        writer.close()
        await writer.wait_closed()

    assert caplog.text == ""


async def test_a_page_that_cannot_be_made_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> bytes:
        raise KeyError("a metric")

    (port,) = free_ports(1)
    served, session = serve(port, page("/metrics", broken, "text/plain")), aiohttp.ClientSession()
    async with served, session, session.get(f"http://{ADDRESS}:{port}/metrics") as answer:
        assert answer.status == 500

    assert "a metric" in caplog.text
