"""The operator itself under the chart's permissions: they suffice for a job's whole life."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.chart import NAMESPACE, render
from support.kubernetes.control_plane import ControlPlane
from support.kubernetes.daemon import Daemon
from support.kubernetes.operator_process import start_operator

pytestmark = pytest.mark.real_api

JOB = {
    "apiVersion": "trainingjob.dev/v1alpha1",
    "kind": "TrainingJob",
    "metadata": {"name": "pair"},
    "spec": {
        "numNodes": 2,
        "image": "example/image:1",
        "files": {"train.py": "print()"},
        "run": {"python": {"script": "train.py"}},
        "startPolicy": "Parallel",
    },
}


@pytest.fixture
def operator(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> Iterator[Daemon]:
    """The operator of one namespace, as the service account that the chart makes."""
    system = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    settings = ('rbac.scope="namespaces"', f'rbac.namespaces=["{namespace}"]', "crds.enabled=false")
    control_plane.apply(system, *render(*settings))
    kubeconfig = control_plane.service_account_kubeconfig(NAMESPACE, "trainingjob-operator")
    election = ["--leader-elect", "--lease-namespace", NAMESPACE, "--lease-name", "trainingjob-operator"]
    with start_operator(kubeconfig, tmp_path, namespaces=[namespace], options=election) as started:
        yield started


def test_a_job_runs_fails_and_restarts_without_a_denied_request(
    operator: Daemon, control_plane: ControlPlane, namespace: str
) -> None:
    def pods() -> set[str]:
        return {pod["metadata"]["name"] for pod in control_plane.get("pods", "-n", namespace)["items"]}

    control_plane.kubectl("create", "-n", namespace, "-f", "-", stdin=json.dumps(JOB))
    operator.wait_until("the gang is there", lambda: pods() == {"pair-1-0", "pair-1-1"})
    for kind in ("service", "configmap", "networkpolicy"):
        assert control_plane.get(kind, "pair", "-n", namespace)["metadata"]["name"] == "pair"

    control_plane.kubectl("delete", "pod", "pair-1-1", "-n", namespace, "--grace-period=0", "--force")
    operator.wait_until("the next gang is there", lambda: pods() == {"pair-2-0", "pair-2-1"})

    assert control_plane.get("events", "-n", namespace)["items"] != []
    lease = control_plane.get("lease", "trainingjob-operator", "-n", NAMESPACE)
    assert lease["spec"]["holderIdentity"] != ""
    assert "orbidden" not in operator.log()


def test_an_operator_that_was_killed_goes_on_where_it_was(
    operator: Daemon, control_plane: ControlPlane, namespace: str
) -> None:
    operator.kill()
    control_plane.kubectl("create", "-n", namespace, "-f", "-", stdin=json.dumps(JOB))
    operator.start()

    def names() -> list[str]:
        return [pod["metadata"]["name"] for pod in control_plane.get("pods", "-n", namespace)["items"]]

    operator.wait_until("the gang is there", lambda: names() == ["pair-1-0", "pair-1-1"])
