"""The main job, as a user does it with kubectl, on the sandbox and on a real API server."""

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.arena import ROOT, Arena
from support.eventually import eventually
from support.examples import changed
from support.ports import free_port

pytestmark = [pytest.mark.training, pytest.mark.real_api]


def submit_digits(arena: Arena, ns: str, **trainer: Any) -> None:
    """The example as it is but for its port, which the tests on the other cluster must not have at the same time."""
    arena.kubectl("apply", "-n", ns, "-f", "-", stdin=changed("digits", masterPort=free_port(), trainer=trainer))


def test_a_trainingjob_trains_and_tells_how_it_goes(arena: Arena, ns: str) -> None:
    submit_digits(arena, ns)
    arena.kubectl("wait", "-n", ns, "--for=condition=Complete", "tj/digits", "--timeout=120s")

    log = arena.kubectl("logs", "-n", ns, "digits-1-0")
    assert "rank 0 of 2" in log
    assert "rank 1 of 2" in arena.kubectl("logs", "-n", ns, "digits-1-1")
    accuracy = re.findall(r"^val_acc=([0-9.]+)", log, re.MULTILINE)
    assert float(accuracy[-1]) >= 0.95

    header, row = arena.kubectl("get", "trainingjobs", "-n", ns).splitlines()
    assert header.split() == ["NAME", "STATE", "NODES", "RESTARTS", "PROGRESS", "ETA", "AGE"]
    assert row.split()[:4] == ["digits", "Succeeded", "2/2", "0"]
    wide = arena.kubectl("get", "tj", "-n", ns, "-o", "wide").splitlines()
    assert wide[0].split() == [*header.split(), "ATTEMPT", "REASON", "IMAGE"]
    assert "AllPodsSucceeded" in wide[1]

    arena.kubectl("delete", "-n", ns, "tj", "digits")
    eventually("nothing of the job is left", lambda: _children(arena, ns) == [])


def _children(arena: Arena, ns: str) -> list[str]:
    kinds = "pods,services,configmaps,networkpolicies"
    found = arena.cluster.get(kinds, "-n", ns, "-l", "trainingjob.dev/job=digits")
    return [item["metadata"]["name"] for item in found["items"]]


def test_explain_teaches_the_launchers(arena: Arena, ns: str) -> None:
    # A real API server publishes a new kind's short name and fields a moment after it has accepted the kind.
    asked = ("explain", "tj.spec.run")
    eventually("its fields are published", lambda: arena.cluster.try_kubectl(*asked).returncode == 0)
    text = arena.kubectl(*asked)

    for launcher in ("trainer", "python", "fabric", "torchrun", "command"):
        assert re.search(rf"^\s+{launcher}\t", text, re.MULTILINE), text
    assert "static rendezvous" in " ".join(text.split())


def test_a_killed_rank_restarts_the_gang_which_resumes_from_its_checkpoint(arena: Arena, ns: str) -> None:
    submit_digits(arena, ns, max_epochs=15)
    eventually("its progress is told", lambda: "progress" in arena.status("digits", ns))
    eventually("a checkpoint was written", lambda: "epoch 3/" in _log(arena, ns, "digits-1-0"))

    os.kill(_training_process(ns, "digits-1-1"), signal.SIGKILL)
    status = arena.until_state("digits", ns, "Succeeded")

    assert (status["restarts"], status["attempt"]) == (1, 2)
    failure = status["attempts"][0]["firstFailure"]
    assert (failure["rank"], failure["pod"], failure["exitCode"]) == (1, "digits-1-1", 137)
    assert "resuming from" in _log(arena, ns, "digits-2-0")
    assert (status["progress"]["maxSteps"], status["progress"]["done"]) == (15 * 22, "100%")
    (row,) = arena.kubectl("get", "tj", "-n", ns, "--no-headers").splitlines()
    assert row.split()[:5] == ["digits", "Succeeded", "2/2", "1", "100%"]


def _log(arena: Arena, ns: str, pod: str) -> str:
    return arena.cluster.try_kubectl("logs", "-n", ns, pod).stdout


def _training_process(ns: str, pod: str) -> int:
    """The pod's process: the one whose environment says so and that is a Python of its own."""
    job, attempt, rank = pod.rsplit("-", 2)
    wanted = {
        f"TRAININGJOB_NAMESPACE={ns}",
        f"TRAININGJOB_NAME={job}",
        f"TRAININGJOB_ATTEMPT={attempt}",
        f"NODE_RANK={rank}",
    }
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = set((process / "environ").read_text(errors="replace").split("\0"))
            arguments = (process / "cmdline").read_text().split("\0")
        except OSError:
            continue
        if wanted <= environment and "trainingjob_trainer" in arguments:
            found.append(int(process.name))
    return min(found)


@pytest.mark.parametrize("moment", ["it creates the pods", "the job runs"])
def test_a_killed_operator_comes_back_and_the_job_succeeds(arena: Arena, ns: str, moment: str) -> None:
    submit_digits(arena, ns, max_epochs=3)
    if moment == "the job runs":
        arena.until_state("digits", ns, "Running")
    else:
        eventually(
            "the first pod is there", lambda: "digits-1-0" in arena.kubectl("get", "pods", "-n", ns, "-o", "name")
        )

    arena.kill_operator()
    status = arena.until_state("digits", ns, "Succeeded")

    assert (status["restarts"], status["attempt"]) == (0, 1)
    assert arena.kubectl("get", "pods", "-n", ns, "-o", "name").split() == ["pod/digits-1-0", "pod/digits-1-1"]
    started = [e for e in arena.cluster.get("events", "-n", ns)["items"] if e["reason"] == "AttemptStarted"]
    assert len(started) <= 1


HANGS = """
import http.server, os

class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"trainingjob_step 7")

if os.environ["NODE_RANK"] == "0" and os.environ["TRAININGJOB_ATTEMPT"] == "1":
    address = os.environ["TRAININGJOB_POD_IP"], int(os.environ["TRAININGJOB_PROGRESS_PORT"])
    http.server.HTTPServer(address, Page).serve_forever()
"""


def test_a_gang_whose_step_stands_still_is_restarted(arena: Arena, ns: str) -> None:
    spec = {
        "numNodes": 2,
        "image": "trainer",
        "files": {"train.py": HANGS},
        "run": {"command": ["python", "train.py"]},
        "failurePolicy": {"stallTimeoutSeconds": 10},
    }
    job = {"apiVersion": "trainingjob.dev/v1alpha1", "kind": "TrainingJob", "metadata": {"name": "hangs"}, "spec": spec}
    arena.kubectl("apply", "-n", ns, "-f", "-", stdin=json.dumps(job))

    status = arena.until_state("hangs", ns, "Succeeded")

    assert (status["restarts"], status["attempt"]) == (1, 2)
    failure = status["attempts"][0]["firstFailure"]
    assert (failure["reason"], failure["pod"]) == ("Stalled", "hangs-1-0")


def test_suspending_ends_the_pods_and_resuming_starts_a_new_attempt(arena: Arena, ns: str) -> None:
    submit_digits(arena, ns)
    arena.until_state("digits", ns, "Running")

    arena.kubectl("patch", "-n", ns, "tj", "digits", "--type=merge", "-p", '{"spec":{"suspend":true}}')
    arena.until_state("digits", ns, "Suspended")
    arena.kubectl("patch", "-n", ns, "tj", "digits", "--type=merge", "-p", '{"spec":{"suspend":false}}')
    status = arena.until_state("digits", ns, "Succeeded")

    assert (status["restarts"], status["attempt"]) == (0, 2)


BAD = sorted((ROOT / "tests" / "api" / "bad").glob("*.yaml"))


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_broken_job_is_refused_with_the_fields_path(arena: Arena, ns: str, path: Path) -> None:
    """At once by the API server where the schema decides, else by the controller with condition Failed."""
    lines = path.read_text().splitlines()
    expected = lines[0].removeprefix("# expect:").strip()
    by_schema = lines[1].strip() == "# refused-by: schema"

    # What client-side apply remembers in an annotation is limited to 256 KiB.
    as_sent = json.dumps(yaml.safe_load(path.read_text()))  # with its YAML anchors resolved
    how = ["--server-side"] if len(as_sent) > 250_000 else []
    answer = arena.cluster.try_kubectl("apply", *how, "-n", ns, "-f", str(path))

    if by_schema:
        assert answer.returncode != 0
        assert expected in answer.stderr
    else:
        assert answer.returncode == 0, answer.stderr
        name = arena.cluster.get("tj", "-n", ns)["items"][0]["metadata"]["name"]
        status = arena.until_state(name, ns, "Failed")
        assert status["reason"] == "InvalidSpec"
        assert expected in next(c["message"] for c in status["conditions"] if c["type"] == "Failed")
