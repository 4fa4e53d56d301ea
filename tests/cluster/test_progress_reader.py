"""Who is asked for progress, how often, and what becomes of the answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from support.builders import UID, deleting, exited, job, live, pod
from support.stage import stage
from support.virtual_time import run_virtually
from trainingjob_operator.cluster.cache import Key
from trainingjob_operator.cluster.progress_reader import (
    LARGEST_PAGE,
    NO_ANSWER,
    SilentError,
    Target,
    http_fetch,
    pause,
    target,
)

KEY = Key("ml", "digits")


def test_rank_0_of_a_whole_gang_is_asked_at_its_address() -> None:
    found = target(KEY, job(status=live(gang="g")), (pod(1), pod(0), pod(0, attempt=2, ip="10.9.9.9")))

    assert found == Target(KEY, UID, 1, "10.0.0.1", 29490)


@pytest.mark.parametrize(
    ("fields", "pods"),
    [
        ({"status": live()}, (pod(0),)),
        ({"progressPort": 0}, (pod(0),)),
        ({"managedBy": "somebody/else"}, (pod(0),)),
        ({}, ()),
        ({}, (pod(0, ip=None),)),
        ({}, (exited(0, 0),)),
        ({}, (deleting(0),)),
        ({}, (pod(0, job_uid="a namesake's"),)),
    ],
    ids=["gang not formed", "switched off", "another's", "no pod", "no address", "ended", "leaving", "a namesake's"],
)
def test_nobody_is_asked_who_cannot_or_need_not_answer(fields: dict, pods: tuple) -> None:
    assert target(KEY, job(**({"status": live(gang="g")} | fields)), pods) is None


def test_a_script_that_tells_nothing_is_asked_ever_more_rarely() -> None:
    now, asked = 0.0, 0
    while now < 3600:
        asked += 1
        now += pause(heard=False, asked_for=now)
    assert 80 <= asked <= 120
    assert pause(heard=True, asked_for=3600) == 10


def test_a_running_job_shows_its_progress_and_costs_a_write_every_half_minute() -> None:
    async def story() -> tuple[int, str, str]:
        async with stage(operator=False) as on:

            async def fetch(_: Target) -> str:
                step = int(asyncio.get_running_loop().time())
                return f"trainingjob_step {step}\ntrainingjob_max_steps 7200\ntrainingjob_steps_per_second 1"

            on.fetch = fetch
            on.start_operator()
            await on.submit()
            await on.until(lambda: "progress" in on.status())
            before = len(on.writes)
            await asyncio.sleep(3600)
            return len(on.writes) - before, on.status()["progress"]["done"], on.status()["progress"]["eta"]

    writes, done, eta = run_virtually(story())
    assert 90 <= writes <= 120
    assert done in ("49%", "50%")
    assert eta in ("1h0m", "59m")


def test_jobs_that_tell_nothing_cost_no_write() -> None:
    async def story() -> int:
        async with stage(operator=False) as on:

            async def fetch(_: Target) -> str:
                raise ConnectionRefusedError

            on.fetch = fetch
            on.start_operator()
            await on.submit()
            await on.until_state("Running")
            before = len(on.writes)
            await asyncio.sleep(3600)
            return len(on.writes) - before

    assert run_virtually(story()) == 0


@pytest.mark.parametrize("how", ["a constant step", "no answer"])
def test_a_gang_that_hangs_is_restarted_and_its_operator_may_die_meanwhile(how: str) -> None:
    async def story() -> list[dict]:
        async with stage(operator=False) as on:
            hung_at: list[float] = []

            async def fetch(_: Target) -> str:
                if on.status()["attempt"] > 1:
                    return f"trainingjob_step {asyncio.get_running_loop().time()}"
                if hung_at and how == "no answer":
                    raise SilentError
                return "trainingjob_step 7"

            on.fetch = fetch
            on.start_operator()
            await on.submit(failurePolicy={"stallTimeoutSeconds": 120})
            await on.until(lambda: "progress" in on.status())
            hung_at.append(asyncio.get_running_loop().time())
            await asyncio.sleep(60)
            await on.kill_operator()
            on.start_operator()
            await on.until_state("Running", attempt=2)
            await asyncio.sleep(600)
            took = asyncio.get_running_loop().time() - hung_at[0]
            return [*on.status()["attempts"], {"took": took}]

    first, second, measured = run_virtually(story())
    assert (first["reason"], first["counted"], second["attempt"]) == ("Stalled", True, 2)
    assert measured["took"] < 900


def test_one_strange_answer_does_not_end_the_reader(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> dict:
        async with stage(operator=False) as on:
            asked = 0

            async def fetch(_: Target) -> str:
                nonlocal asked
                asked += 1
                if asked == 1:
                    raise RuntimeError("nobody thought of this")
                return "trainingjob_step 7"

            on.fetch = fetch
            on.start_operator()
            await on.submit()
            await on.until(lambda: "progress" in on.status())
            return on.status()["progress"]

    assert run_virtually(story())["step"] == 7
    assert "nobody thought of this" in caplog.text


@asynccontextmanager
async def served(answer: bytes | None) -> AsyncIterator[Target]:
    """A server on loopback that gives one answer to everything, or takes questions and is silent."""
    done = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if answer is None:
            await done.wait()
        else:
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield Target(KEY, UID, 1, "127.0.0.1", server.sockets[0].getsockname()[1])
    finally:
        done.set()
        server.close()
        await server.wait_closed()


async def test_a_page_is_fetched() -> None:
    async with served(b"HTTP/1.0 200 OK\r\n\r\ntrainingjob_step 7\n") as whom, http_fetch() as fetch:
        assert await fetch(whom) == "trainingjob_step 7\n"


async def test_of_an_endless_page_only_the_beginning_is_read() -> None:
    async with served(b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 1_000_000) as whom, http_fetch() as fetch:
        assert len(await fetch(whom)) == LARGEST_PAGE


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.0 302 Found\r\nLocation: http://169.254.169.254/\r\n\r\n",
        b"HTTP/1.0 404 Not Found\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"",
    ],
)
async def test_an_answer_that_is_no_page_is_none(answer: bytes) -> None:
    async with served(answer) as whom, http_fetch() as fetch:
        if b"302" in answer:
            assert await fetch(whom) == ""  # and nobody was asked at the other address
            return
        with pytest.raises(NO_ANSWER):
            await fetch(whom)


async def test_nobody_at_the_port_is_no_silence() -> None:
    async with served(b"") as whom:
        pass
    async with http_fetch() as fetch:
        with pytest.raises(NO_ANSWER):
            await fetch(whom)


async def test_who_takes_the_question_and_never_answers_is_silent() -> None:
    async with served(None) as whom, http_fetch() as fetch:
        with pytest.raises(SilentError):
            await fetch(whom)
