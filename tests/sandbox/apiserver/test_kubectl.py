"""A real kubectl against the sandbox's API server."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.api_objects import Clock, configmap, pod, widget
from support.kubernetes.binaries import kubectl_path
from support.sandbox_server import Kubectl, Served
from trainingjob_operator.api.resources import CONFIGMAPS, EVENTS, PODS
from trainingjob_operator.cluster.api import MERGE_PATCH
from trainingjob_sandbox.store.builtin.kinds import SECRETS

pytestmark = pytest.mark.real_api

MANIFESTS = Path(__file__).resolve().parents[3] / "manifests"


@pytest.fixture
def kubectl(sandbox: Served, tmp_path: Path) -> Kubectl:
    return Kubectl.of(kubectl_path(), tmp_path, sandbox.server)


async def test_what_is_applied_is_created_then_unchanged_then_configured(kubectl: Kubectl) -> None:
    objects = f"{json.dumps(widget())}\n---\n{json.dumps(pod())}\n"

    assert await kubectl("apply", "-f", "-", stdin=objects) == "widget.example.dev/w created\npod/p created\n"
    assert await kubectl("apply", "-f", "-", stdin=objects) == "widget.example.dev/w unchanged\npod/p unchanged\n"
    changed = json.dumps(widget(numNodes=3))
    assert await kubectl("apply", "-f", "-", stdin=changed) == "widget.example.dev/w configured\n"


async def test_server_side_apply_takes_over(kubectl: Kubectl, sandbox: Served) -> None:
    first = json.dumps(configmap(a="1", b="2"))
    second = json.dumps(configmap(a="9"))
    await kubectl("apply", "--server-side", "-f", "-", stdin=first)

    refused = await kubectl.run("apply", "--server-side", "--field-manager=other", "-f", "-", stdin=second)
    assert 'conflict with "kubectl": .data.a' in refused.err

    await kubectl("apply", "--server-side", "-f", "-", stdin=second)
    assert sandbox.store.get(CONFIGMAPS, "default", "c").object["data"] == {"a": "9"}


async def test_faults_are_told_at_once_with_the_fields_path(kubectl: Kubectl) -> None:
    bounds = await kubectl.run("apply", "-f", "-", stdin=json.dumps(widget(numNodes=0)))
    typing_error = await kubectl.run("apply", "-f", "-", stdin=json.dumps(widget(numNodez=1)))

    assert bounds.err == (
        'The Widget "w" is invalid: spec.numNodes: Invalid value: 0: '
        "spec.numNodes in body should be greater than or equal to 1\n"
    )
    assert 'strict decoding error: unknown field "spec.numNodez"' in typing_error.err


async def test_the_projects_own_manifests_are_taken(kubectl: Kubectl) -> None:
    await kubectl("apply", "-f", str(MANIFESTS / "crd.yaml"))
    await kubectl("wait", "--for=condition=Established", "crd/trainingjobs.trainingjob.dev", "--timeout=30s")
    examples = sorted((MANIFESTS / "examples").glob("*.yaml"))

    for example in examples:
        await kubectl("apply", "-f", str(example))

    listed = await kubectl("get", "tj")
    assert listed.split()[0] == "NAME"
    assert len(listed.splitlines()) >= len(examples)


async def test_get_prints_tables(kubectl: Kubectl, sandbox: Served, clock: Clock) -> None:
    sandbox.store.create(PODS, "default", pod())
    await kubectl("create", "-f", "-", stdin=json.dumps(widget()))
    clock.advance(90)

    assert (await kubectl("get", "wd")).splitlines() == [
        "NAME   STATE   NODES   DONE   AGE",
        "w              2              90s",
    ]
    wide = (await kubectl("get", "pods", "-A", "-o", "wide")).splitlines()
    assert wide[0].split()[:6] == ["NAMESPACE", "NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert wide[1].split()[:6] == ["default", "p", "0/1", "Pending", "0", "90s"]
    assert "pod/p" in await kubectl("get", "all")


async def test_get_follows_changes(kubectl: Kubectl, sandbox: Served) -> None:
    await kubectl("create", "-f", "-", stdin=json.dumps(widget()))
    watching = await kubectl.start("get", "wd", "-w", "--no-headers")
    assert watching.stdout is not None
    assert (await watching.stdout.readline()).split()[0] == b"w"

    await kubectl("patch", "wd", "w", "--type=merge", "--subresource=status", "-p", '{"status":{"state":"Running"}}')

    assert (await watching.stdout.readline()).split()[:2] == [b"w", b"Running"]
    watching.terminate()
    await watching.communicate()


async def test_wait_returns_when_the_condition_holds(kubectl: Kubectl, sandbox: Served) -> None:
    await kubectl("create", "-f", "-", stdin=json.dumps(widget()))
    waiting = await kubectl.start("wait", "--for=condition=Complete", "wd/w", "--timeout=60s")
    status = {"conditions": [{"type": "Complete", "status": "True"}]}

    await kubectl("patch", "wd", "w", "--type=merge", "--subresource=status", "-p", json.dumps({"status": status}))

    out, err = await waiting.communicate()
    assert out == b"widget.example.dev/w condition met\n", err


async def test_labels_annotations_and_patches(kubectl: Kubectl, sandbox: Served) -> None:
    sandbox.store.create(PODS, "default", pod())

    await kubectl("label", "pod", "p", "a=b")
    await kubectl("annotate", "pod", "p", "c=d")
    await kubectl("set", "image", "pod/p", "main=new:1")
    await kubectl("patch", "pod", "p", "--type=json", "-p", '[{"op":"remove","path":"/metadata/annotations/c"}]')

    found = sandbox.store.get(PODS, "default", "p").object
    assert found["metadata"]["labels"] == {"a": "b"}
    assert "annotations" not in found["metadata"] or "c" not in found["metadata"]["annotations"]
    assert found["spec"]["containers"][0]["image"] == "new:1"
    assert await kubectl("get", "pods", "-l", "a=b", "-o", "name") == "pod/p\n"


async def test_delete_waits_until_the_object_is_gone(kubectl: Kubectl, sandbox: Served) -> None:
    sandbox.store.create(PODS, "default", pod(node="n"))
    deleting = await kubectl.start("delete", "pod", "p")
    watch = sandbox.store.watch(PODS, version=str(sandbox.store.version))
    await _until_woken(watch)

    await sandbox.ask("DELETE", "/api/v1/namespaces/default/pods/p?gracePeriodSeconds=0")

    out, err = await deleting.communicate()
    assert b'pod "p" deleted' in out, err


async def test_describe_shows_an_objects_events(kubectl: Kubectl, sandbox: Served) -> None:
    created = sandbox.store.create(PODS, "default", pod()).object
    involved = {"kind": "Pod", "name": "p", "namespace": "default", "uid": created["metadata"]["uid"]}
    event = {
        "metadata": {"name": "e"},
        "involvedObject": involved,
        "type": "Warning",
        "reason": "FailedScheduling",
        "message": "no room",
    }
    sandbox.store.create(EVENTS, "default", event)

    described = await kubectl("describe", "pod", "p")

    assert "FailedScheduling" in described
    assert "no room" in described


async def test_explain_describes_fields(kubectl: Kubectl) -> None:
    one = await kubectl("explain", "wd.spec.choice")
    all_of_them = await kubectl("explain", "wd", "--recursive")

    assert "One of two." in one
    assert "numNodes" in all_of_them
    assert "-required-" in all_of_them


async def test_create_commands_work(kubectl: Kubectl, sandbox: Served) -> None:
    await kubectl("create", "namespace", "team")
    await kubectl("create", "configmap", "c", "-n", "team", "--from-literal=a=b")
    await kubectl("create", "secret", "generic", "s", "-n", "team", "--from-literal=a=b")
    await kubectl("run", "p", "-n", "team", "--image=i")
    await kubectl("expose", "pod", "p", "-n", "team", "--port=80")

    assert sandbox.store.get(CONFIGMAPS, "team", "c").object["data"] == {"a": "b"}
    assert sandbox.store.get(SECRETS, "team", "s").object["data"] == {"a": "Yg=="}
    await kubectl("delete", "namespace", "team")
    assert not sandbox.store.exists(CONFIGMAPS, "team", "c")


async def test_the_user_is_told_who_they_are_and_what_they_may_do(kubectl: Kubectl) -> None:
    assert await kubectl("auth", "can-i", "create", "pods") == "yes\n"
    assert "sandbox" in await kubectl("auth", "whoami")
    assert "Server Version: v1.36" in (await kubectl.run("version")).out


async def test_a_dry_run_shows_what_would_be_stored(kubectl: Kubectl, sandbox: Served) -> None:
    shown = await kubectl("create", "--dry-run=server", "-o", "yaml", "-f", "-", stdin=json.dumps(widget()))

    stored: dict[str, Any] = yaml.safe_load(shown)
    assert stored["spec"]["numNodes"] == 2
    assert sandbox.store.list(PODS).records == []


async def test_pods_that_finished_are_shown_so(kubectl: Kubectl, sandbox: Served) -> None:
    sandbox.store.create(PODS, "default", pod())
    ended = {"state": {"terminated": {"exitCode": 0, "reason": "Completed"}}, "name": "main"}
    status = {"status": {"phase": "Succeeded", "containerStatuses": [ended]}}
    sandbox.store.patch(PODS, "default", "p", status, content_type=MERGE_PATCH, subresource="status")

    assert (await kubectl("get", "pod", "p", "--no-headers")).split()[2] == "Completed"


async def _until_woken(watch: Any) -> None:
    import asyncio

    woken = asyncio.Event()
    watch.notify = woken.set
    async with asyncio.timeout(60):
        await woken.wait()
