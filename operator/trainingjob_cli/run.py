"""`trainingjob run`: a sandbox, the file's objects, the jobs to their end, and what came of them."""

import asyncio
import signal
from collections.abc import Callable

from trainingjob_cli.documents import Documents, Object
from trainingjob_cli.follow import Follower, account
from trainingjob_operator.api.resources import CLAIMS, CONFIGMAPS, NAMESPACES, PODS, SECRETS, SERVICES, TRAININGJOBS
from trainingjob_operator.cluster.api import ApiError
from trainingjob_sandbox.sandbox import Options, Sandbox, sandbox

APPLICABLE = {r.kind: r for r in (TRAININGJOBS, CLAIMS, CONFIGMAPS, SECRETS, SERVICES, PODS, NAMESPACES)}

Say = Callable[[str], None]


class RunError(Exception):
    """The file's objects cannot be created; the message is for the user."""


async def interruptible(documents: Documents, options: Options, say: Say, *, watch: bool, logs: bool) -> bool:
    """`run`, which SIGTERM ends as Ctrl-C does."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await run(documents, options, say, watch=watch, logs=logs)


async def run(documents: Documents, options: Options, say: Say, *, watch: bool, logs: bool) -> bool:
    """Run all jobs of a file; whether every one of them succeeded. Raises RunError."""
    _check_kinds(documents)
    async with sandbox(options) as running:
        await _create(running, documents)
        by_namespace: dict[str, set[str]] = {}
        for raw in documents.jobs:
            by_namespace.setdefault(raw["metadata"]["namespace"], set()).add(raw["metadata"]["name"])
        followers = [
            Follower(running.api, namespace, frozenset(jobs), say, watch=watch, logs=logs)
            for namespace, jobs in by_namespace.items()
        ]
        ends = await asyncio.gather(*(follower.to_the_end() for follower in followers))
    succeeded = [_report(name, raw, say) for end in ends for name, raw in end.items()]
    return all(succeeded)


def _check_kinds(documents: Documents) -> None:
    unknown = sorted({raw["kind"] for raw in documents.objects} - set(APPLICABLE))
    if unknown:
        raise RunError(f"the sandbox cannot run {', '.join(unknown)}; it takes {', '.join(APPLICABLE)}")


async def _create(running: Sandbox, documents: Documents) -> None:
    for raw in documents.objects:
        resource = APPLICABLE[raw["kind"]]
        namespace = raw["metadata"]["namespace"] if resource.namespaced else None
        if namespace not in (None, "default"):
            await _ensure_namespace(running, namespace)
        try:
            await running.api.create(resource, namespace, raw)
        except ApiError as error:
            raise RunError(error.message) from error


async def _ensure_namespace(running: Sandbox, name: str) -> None:
    try:
        await running.api.create(
            NAMESPACES, None, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        )
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise RunError(error.message) from error


def _report(name: str, raw: Object, say: Say) -> bool:
    state = (raw.get("status") or {}).get("state")
    for line in account(raw):
        say(f"{name}: {line}")
    say(f"trainingjob {name}: {state}")
    return bool(state == "Succeeded")
