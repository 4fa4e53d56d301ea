"""Which part of a log a reader gets, and how it is served."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.node_world import World, is_running, pod, shell
from trainingjob_operator.api.resources import NODES
from trainingjob_sandbox.node.logs import STAMP, Wanted, fallback_message, read

START = datetime(2026, 1, 1, tzinfo=UTC)


def written(folder: Path, *pieces: bytes) -> Path:
    """A log whose pieces came a second apart."""
    log, stamps = folder / "0.log", b""
    content = b""
    for second, piece in enumerate(pieces):
        stamps += STAMP.pack(len(content), (START + timedelta(seconds=second)).timestamp())
        content += piece
    log.write_bytes(content)
    (folder / "0.log.times").write_bytes(stamps)
    return log


async def part(log: Path, **wanted: object) -> bytes:
    return b"".join([piece async for piece in read(log, Wanted(**wanted), lambda: True)])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, b"a\nb\nc\n"),
        ({"tail": 2}, b"b\nc\n"),
        ({"tail": 0}, b""),
        ({"tail": 9}, b"a\nb\nc\n"),
        ({"limit": 3}, b"a\nb"),
        ({"since": START + timedelta(seconds=1)}, b"b\nc\n"),
        ({"since": START + timedelta(seconds=9)}, b""),
        ({"since": START, "tail": 1}, b"c\n"),
        ({"tail": 1, "timestamps": True}, b"2026-01-01T00:00:02.000000Z c\n"),
    ],
    ids=str,
)
async def test_a_reader_gets_the_part_that_was_asked_for(tmp_path: Path, wanted: dict, expected: bytes) -> None:
    assert await part(written(tmp_path, b"a\n", b"b\n", b"c\n"), **wanted) == expected


async def test_a_last_line_without_an_end_is_a_line(tmp_path: Path) -> None:
    assert await part(written(tmp_path, b"a\nb"), tail=1) == b"b"


@given(
    lines=st.lists(st.binary(max_size=5).map(lambda line: line.replace(b"\n", b"x")), max_size=20),
    tail=st.integers(0, 25),
)
@settings(deadline=None)
async def test_the_tail_is_the_last_lines(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], tail: int
) -> None:
    log = written(tmp_path_factory.mktemp("log"), b"".join(line + b"\n" for line in lines))

    expected = b"".join(line + b"\n" for line in lines[max(0, len(lines) - tail) :]) if tail else b""
    assert await part(log, tail=tail) == expected


def test_a_fallback_message_is_at_most_two_kibibytes(tmp_path: Path) -> None:
    assert fallback_message(written(tmp_path, b"x" * 5000)) == "x" * 2048


class Kubelet:
    """The node's endpoint, as an API server finds it."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def get(self, path: str) -> tuple[int, str]:
        node = await self._world.api.get(NODES, None, "sandbox")
        port = node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"]
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        url = f"https://127.0.0.1:{port}/containerLogs/default/{path}"
        async with aiohttp.ClientSession() as session, session.get(url, ssl=trusting) as response:
            return response.status, await response.text()


async def test_the_log_of_an_ended_pod_is_served(world: World) -> None:
    async with world.node():
        await world.run("sh", "-c", "echo one; echo two")

        assert await Kubelet(world).get("p/main?tailLines=1") == (200, "two\n")


async def test_a_log_is_followed_to_its_end(world: World) -> None:
    async with world.node():
        await world.apply(shell("echo one; sleep 0.3; echo two"))
        await world.until("p", is_running)

        assert await Kubelet(world).get("p/main?follow=true") == (200, "one\ntwo\n")


async def test_the_log_before_a_restart_is_the_previous_one(world: World) -> None:
    async with world.node():
        once = "test -e $HOME/seen && exit 0; touch $HOME/seen; echo first; exit 4"
        home = {"env": [{"name": "HOME", "value": str(world.folder)}]}
        await world.run("sh", "-c", once, restartPolicy="OnFailure", container=home)

        assert await Kubelet(world).get("p/main?previous=true") == (200, "first\n")
        assert await Kubelet(world).get("p/main") == (200, "")


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("absent/main", 404, "not on this node"),
        ("p/absent", 404, 'container "absent" is not part of pod "p"'),
        ("p/main", 400, "waiting to start: CreateContainerConfigError"),
        ("p/main?previous=true", 400, "previous terminated container"),
    ],
)
async def test_a_log_that_is_not_there_is_explained(world: World, path: str, status: int, words: str) -> None:
    async with world.node():
        await world.apply(pod())
        await world.until("p", lambda found: found["status"].get("containerStatuses"))
        answer = await Kubelet(world).get(path)

        assert answer[0] == status
        assert words in answer[1]
