"""Fixtures for tests on a real API server: one per test session, a fresh namespace per test.

``cluster`` is the one that E2E_KUBECONFIG names, else ``control_plane``, which is always our own.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from support.kubernetes.binaries import control_plane_binaries, helm_path, kubectl_path
from support.kubernetes.cluster import Cluster
from support.kubernetes.control_plane import ControlPlane, start_control_plane

ROOT = Path(__file__).resolve().parents[3]
CRD = ROOT / "manifests" / "crd.yaml"


@pytest.fixture(scope="session")
def kubernetes_binaries(pytestconfig: pytest.Config) -> None:
    """Builds what is missing, with its progress on the terminal: it may take minutes."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        control_plane_binaries()
        kubectl_path()
        helm_path()


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory, kubernetes_binaries: None) -> Iterator[ControlPlane]:
    """A control plane of this test session that knows TrainingJobs."""
    with start_control_plane(tmp_path_factory.mktemp("control-plane"), manifests=[CRD]) as started:
        yield started


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """The cluster of E2E_KUBECONFIG, or the session's control plane."""
    if given := os.environ.get("E2E_KUBECONFIG"):
        return Cluster(Path(given).resolve(), tmp_path_factory.mktemp("cluster"))
    started: ControlPlane = request.getfixturevalue("control_plane")
    return started


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace of this test alone, in which pods can be made; deleted afterwards without waiting for it."""
    name = f"test-{uuid4().hex[:10]}"
    cluster.kubectl("create", "namespace", name)
    # Admission refuses pods until the namespace's service account exists.
    cluster.kubectl("wait", "--for=create", "serviceaccount/default", "-n", name, "--timeout=60s")
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")
