"""What `trainingjob run` shows: states, what a waiting job waits for, and rank 0's log to its last line."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, cast

from support.virtual_time import run_virtually
from trainingjob_cli.follow import LAST_LINES_SECONDS, Follower, account
from trainingjob_operator.api.resources import PODS, Resource
from trainingjob_operator.cluster.api import Object, ObjectList
from trainingjob_operator.cluster.client import HttpApi

STARTED = {
    "metadata": {"name": "digits-1-0", "resourceVersion": "1"},
    "status": {"containerStatuses": [{"name": "trainer", "state": {"terminated": {"exitCode": 0}}}]},
}


class Scripted:
    """An API server that knows one job as it is now; its log's lines come ``pause`` seconds apart, ``None``: never."""

    def __init__(self, status: Object, lines: int = 0, pause: float | None = 0) -> None:
        self.job = {"metadata": {"name": "digits", "resourceVersion": "1"}, "status": status}
        self.lines = lines
        self.pause = pause

    async def list(self, resource: Resource, *_: Any, **__: Any) -> ObjectList:
        return ObjectList([STARTED if resource == PODS else self.job], "1")

    async def log(self, *_: Any, **__: Any) -> AsyncGenerator[str, None]:
        if self.pause is None:
            await asyncio.get_running_loop().create_future()
        for number in range(self.lines):
            await asyncio.sleep(self.pause or 0)
            yield str(number)


def shown(api: Scripted) -> list[str]:
    """What is said of the job to its end."""
    said: list[str] = []
    follower = Follower(cast(HttpApi, api), "default", frozenset({"digits"}), said.append)

    async def follow() -> None:
        # Time that jumps needs a timer to jump to.
        await asyncio.wait_for(follower.to_the_end(), 3600)

    run_virtually(follow())
    return said


def ended(reason: str = "AllPodsSucceeded") -> Object:
    return {"state": "Succeeded", "attempt": 1, "nodes": "1/1", "restarts": 0, "reason": reason}


def test_a_log_that_comes_slowly_is_shown_to_its_last_line() -> None:
    said = shown(Scripted(ended(), lines=20, pause=LAST_LINES_SECONDS * 0.9))

    assert said[-1] == "digits-1-0 | 19"


def test_a_log_that_gives_nothing_more_holds_nobody_up() -> None:
    assert shown(Scripted(ended(), pause=None))[-1].endswith("AllPodsSucceeded")


def test_a_pending_job_says_what_it_waits_for() -> None:
    said: list[str] = []
    waiting = {"type": "PodsReady", "status": "False", "message": 'pod digits-1-0: claim "datasets" is not known here'}
    follower = Follower(cast(HttpApi, Scripted({})), "default", frozenset({"digits"}), said.append)

    follower._take({"metadata": {"name": "digits"}, "status": {"state": "Pending", "conditions": [waiting]}})

    assert said[-1].splitlines()[-1] == 'digits: pod digits-1-0: claim "datasets" is not known here'


def test_what_ended_a_job_is_told_once() -> None:
    why = "exited with 3; its last lines: out of luck"
    failures = [{"rank": 0, "pod": f"digits-{attempt}-0", "message": why} for attempt in (1, 2)]
    end = f"rank 0 (pod digits-2-0 on node sandbox): {why}; spec.failurePolicy.maxRestarts is 1"
    failed = {"type": "Failed", "status": "True", "reason": "RestartLimitReached", "message": end}
    attempts = [{"attempt": attempt, "firstFailure": failure} for attempt, failure in enumerate(failures, 1)]

    assert account({"status": {"attempts": attempts, "conditions": [failed]}}) == [
        f"attempt 1: rank 0 (pod digits-1-0) {why}",
        f"RestartLimitReached: {end}",
    ]
    # Another reason than the last failure leaves that failure to be told.
    late = failed | {"reason": "DeadlineExceeded", "message": "active for longer than 10 s"}
    assert len(account({"status": {"attempts": attempts, "conditions": [late]}})) == 3
