"""The control plane itself: that what other tests rely on is so."""

import json
import os
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from support.kubernetes.cluster import open_api
from support.kubernetes.control_plane import ControlPlane, start_control_plane
from support.kubernetes.daemon import Daemon, DaemonError
from support.ports import free_ports
from trainingjob_operator.api.resources import NAMESPACES, PODS
from trainingjob_operator.cluster.api import ApiError
from trainingjob_sandbox.certificates import self_signed

TETHER = Path(__file__).with_name("tether.py")


class Kubelet(BaseHTTPRequestHandler):
    """Answers every request for a log with the path that was asked for."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"log of {self.path}\n".encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
        """Keep the test's output clean."""


@contextmanager
def kubelet(folder: Path) -> Iterator[int]:
    certificate, key = self_signed("node", ["127.0.0.1"])
    both = folder / "kubelet.pem"
    both.write_bytes(certificate + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    with ThreadingHTTPServer(("127.0.0.1", 0), Kubelet) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def node(name: str, kubelet_port: int) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name},
        "status": {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet_port}},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def pod(name: str, node_name: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"nodeName": node_name, "containers": [{"name": "trainer", "image": "none"}]},
    }


@pytest.mark.real_api
def test_logs_come_from_a_kubelet_on_loopback_that_signed_its_own_certificate(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    with kubelet(tmp_path) as port:
        control_plane.kubectl("create", "-f", "-", stdin=json.dumps(node(f"node-of-{namespace}", port)))
        control_plane.kubectl("create", "-n", namespace, "-f", "-", stdin=json.dumps(pod("a", f"node-of-{namespace}")))

        assert control_plane.kubectl("logs", "-n", namespace, "a") == f"log of /containerLogs/{namespace}/a/trainer\n"


@pytest.mark.real_api
async def test_a_user_without_rights_is_refused(control_plane: ControlPlane, namespace: str) -> None:
    async with open_api(control_plane.user_kubeconfig("stranger")) as api:
        with pytest.raises(ApiError, match=r'User "stranger" cannot list resource "pods"'):
            await api.list(PODS, namespace)


@pytest.mark.real_api
async def test_a_service_account_acts_under_its_own_name(control_plane: ControlPlane, namespace: str) -> None:
    async with open_api(control_plane.service_account_kubeconfig(namespace, "default")) as api:
        with pytest.raises(ApiError, match=f"system:serviceaccount:{namespace}:default"):
            await api.list(NAMESPACES)


@pytest.mark.real_api
def test_dependents_go_with_their_owner(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.kubectl("create", "configmap", "owner", "-n", namespace)
    uid = control_plane.get("configmap", "owner", "-n", namespace)["metadata"]["uid"]
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}
    dependent = {"metadata": {"name": "dependent", "namespace": namespace, "ownerReferences": [reference]}}
    control_plane.apply({"apiVersion": "v1", "kind": "ConfigMap"} | dependent)

    control_plane.kubectl("delete", "configmap", "owner", "-n", namespace)

    control_plane.kubectl("wait", "--for=delete", "configmap/dependent", "-n", namespace, "--timeout=60s")


@pytest.mark.real_api
def test_a_control_plane_of_ones_own_survives_an_outage_and_audits(tmp_path: Path, kubernetes_binaries: None) -> None:
    audit_log = tmp_path / "audit.log"
    with start_control_plane(tmp_path / "cluster", audit_log=audit_log) as own:
        own.kubectl("create", "configmap", "kept", "-n", "default")
        assert own.api_server is not None
        own.api_server.kill()
        assert own.try_kubectl("get", "ns", "--request-timeout=2s").returncode != 0
        own.api_server.start()
        own.api_server.wait_until("it answers", lambda: own.try_kubectl("get", "--raw=/readyz").returncode == 0)

        assert own.get("configmap", "kept", "-n", "default")["metadata"]["name"] == "kept"
    writes = [json.loads(line) for line in audit_log.read_text().splitlines()]
    assert any(write["verb"] == "create" and write["objectRef"].get("name") == "kept" for write in writes)


def test_a_tethered_process_dies_with_a_starter_that_was_killed(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    script = f"import os, time; open({str(pid_file)!r}, 'w').write(f'{{os.getpid()}} '); time.sleep(600)"
    starter = (
        "import subprocess, sys; "
        f"subprocess.Popen([sys.executable, {str(TETHER)!r}, sys.executable, '-c', {script!r}], "
        "stdin=subprocess.PIPE, start_new_session=True).wait()"
    )
    with subprocess.Popen([sys.executable, "-c", starter]) as process:
        watcher = Daemon("watcher", [], tmp_path / "log")
        watcher.wait_until("the command runs", lambda: pid_file.exists() and pid_file.read_text().endswith(" "))
        pid = int(pid_file.read_text())
        process.kill()

    watcher.wait_until("the command is gone", lambda: not is_running(pid))


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return not state.stdout.startswith("Z")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 128 + 15), (signal.SIGKILL, -9)])
def test_a_signal_reaches_the_command_itself(number: signal.Signals, code: int, tmp_path: Path) -> None:
    script = "import time; print('up', flush=True); time.sleep(600)"
    sleeper = Daemon("sleeper", [sys.executable, "-c", script], tmp_path / "log")
    sleeper.start()
    sleeper.wait_until("it is up", lambda: "up" in sleeper.log())

    sleeper.signal(number)

    assert sleeper.wait() == code


def test_a_process_that_ends_early_is_reported_with_its_log(tmp_path: Path) -> None:
    broken = Daemon("broken", [sys.executable, "-c", "print('no such flag'); raise SystemExit(3)"], tmp_path / "log")
    broken.start()

    with pytest.raises(DaemonError, match=r"broken ended with 3 before it is ready(.|\n)*no such flag"):
        broken.wait_until("it is ready", lambda: False)


def test_free_ports_are_distinct() -> None:
    assert len(set(free_ports(50))) == 50
