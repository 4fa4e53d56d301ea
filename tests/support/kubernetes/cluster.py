"""A Kubernetes cluster as tests see it: a kubeconfig, kubectl, and ways to act as somebody else.

Decides nothing about where the cluster comes from: a control plane that the tests started, or one that the environment
names (E2E_KUBECONFIG). It never waits for anything but the command that it runs.
"""

import json
import os
import ssl
import subprocess
from base64 import b64decode
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from support.kubernetes.authority import Authority, write_kubeconfig
from support.kubernetes.binaries import kubectl_path
from trainingjob_operator.cluster.client import HttpApi

Object = dict[str, Any]


class KubectlError(AssertionError):
    """kubectl ended with an error; the message is what it said."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """An API server and an administrator's kubeconfig. ``folder`` is where further kubeconfigs are written.

    ``authority`` signs certificates of other users; None for a cluster that is not ours.
    """

    kubeconfig: Path
    folder: Path
    authority: Authority | None = None

    @property
    def server(self) -> str:
        """URL of the API server."""
        return str(_entry(self.kubeconfig, "cluster")["server"])

    def kubectl(self, *argv: str, stdin: str | None = None, kubeconfig: Path | None = None) -> str:
        """What kubectl prints. KubectlError, with its message, if it fails."""
        done = self.try_kubectl(*argv, stdin=stdin, kubeconfig=kubeconfig)
        if done.returncode:
            raise KubectlError(f"kubectl {' '.join(argv)}: {done.stderr.strip()}")
        return done.stdout

    def try_kubectl(
        self, *argv: str, stdin: str | None = None, kubeconfig: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl as the administrator, or as the user of ``kubeconfig``; the caller judges the exit code."""
        return subprocess.run(
            [str(kubectl_path()), *argv],
            env={**os.environ, "KUBECONFIG": str(kubeconfig or self.kubeconfig), "HOME": str(self.folder)},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )

    def get(self, *argv: str) -> Object:
        """`kubectl get ... -o json`, decoded."""
        answer: Object = json.loads(self.kubectl("get", *argv, "-o", "json"))
        return answer

    def apply(self, *objects: Mapping[str, Any]) -> str:
        """Apply objects server-side, so that no size limit of annotations is in the way."""
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        return self.kubectl("apply", "--server-side", "-f", "-", stdin=text)

    def user_kubeconfig(self, user: str, groups: Iterable[str] = ()) -> Path:
        """A kubeconfig with a fresh client certificate; only for a control plane of our own."""
        if self.authority is None:
            raise RuntimeError("certificates for other users need a control plane that the tests started")
        return write_kubeconfig(
            self.folder / f"{user.replace(':', '-')}.kubeconfig",
            self.server,
            self._authority_pem(),
            certificate=self.authority.issue(user, groups),
        )

    def service_account_kubeconfig(self, namespace: str, name: str) -> Path:
        """A kubeconfig with a token of a service account."""
        token = self.kubectl("create", "token", name, "-n", namespace, "--duration=1h").strip()
        path = self.folder / f"{namespace}-{name}.kubeconfig"
        return write_kubeconfig(path, self.server, self._authority_pem(), token=token)

    def _authority_pem(self) -> bytes:
        return b64decode(_entry(self.kubeconfig, "cluster")["certificate-authority-data"])


@asynccontextmanager
async def open_api(kubeconfig: Path) -> AsyncIterator[HttpApi]:
    """The operator's own client as the user of a kubeconfig that holds certificates or a token."""
    cluster, user = _entry(kubeconfig, "cluster"), _entry(kubeconfig, "user")
    context = ssl.create_default_context(cadata=b64decode(cluster["certificate-authority-data"]).decode())
    if "client-certificate-data" in user:
        both = kubeconfig.with_suffix(".pem")
        both.touch(mode=0o600)
        both.write_bytes(b64decode(user["client-certificate-data"]) + b64decode(user["client-key-data"]))
        context.load_cert_chain(both)
    headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        yield HttpApi(session, cluster["server"])


def _entry(kubeconfig: Path, kind: str) -> Object:
    """The cluster or the user of a kubeconfig's current context."""
    config = yaml.safe_load(kubeconfig.read_text())
    contexts = {entry["name"]: entry["context"] for entry in config["contexts"]}
    name = contexts[config["current-context"]][kind]
    found: Object = next(entry[kind] for entry in config[f"{kind}s"] if entry["name"] == name)
    return found
