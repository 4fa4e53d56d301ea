"""The probes and the page of metrics over HTTP."""

import asyncio
from collections.abc import Callable

import aiohttp
import pytest

from support.kubernetes.control_plane import ADDRESS, free_ports
from trainingjob_operator.probes import page, probe, serve


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
