"""Pods without a cluster: processes on loopback with the command and the environment that the operator gives to a rank.

Command, files and variables come from the operator's own functions, so these tests also hold the two sides of the
contract together. Starts and ends real processes; knows nothing of what runs in them.
"""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from support.builders import raw_job
from support.ports import free_port
from trainingjob_operator.api import names
from trainingjob_operator.core.command import command
from trainingjob_operator.core.observed import Job, job_from
from trainingjob_operator.core.rendezvous import environment

DEADLINE = 120.0  # generous: only a hang reaches it
EXAMPLES = Path(__file__).parents[2] / "manifests" / "examples"

# What a pod does not inherit from the machine that runs the tests.
_FOREIGN = re.compile("MASTER_|NODE_RANK|LOCAL_|GROUP_|RANK|WORLD_SIZE|NNODES|PL_|LT_|PET_|OMP_|TRAININGJOB_|TORCH")


@dataclass(frozen=True)
class Volumes:
    """The folders that stand for a job's mounts."""

    workspace: Path
    data: Path | None = None
    output: Path | None = None


@dataclass(frozen=True)
class Start:
    """What a pod's first process starts with."""

    command: Sequence[str]
    env: Mapping[str, str]
    folder: Path
    stdout: Path
    stderr: Path


@dataclass
class Pod:
    """A started pod: its first process, leader of a group of its own, the files of what it prints, the main port."""

    process: subprocess.Popen[bytes]
    stdout: Path
    stderr: Path
    reason: Path
    port: int

    @property
    def lines(self) -> list[str]:
        """Standard output so far."""
        return self.stdout.read_text().splitlines()

    @property
    def errors(self) -> str:
        """Standard error so far."""
        return self.stderr.read_text()

    def listens(self) -> bool:
        """Whether somebody listens on the gang's main port."""
        with socket.socket() as caller:
            return caller.connect_ex(("127.0.0.1", self.port)) == 0

    def ended(self) -> int:
        """Wait for the end; returns the exit code, 128 + N when killed by signal N, as a container's."""
        code = self.process.wait(DEADLINE)
        return code if code >= 0 else 128 - code


def example(name: str, **changes: Any) -> dict[str, Any]:
    """The TrainingJob of an example manifest, with some fields of its spec changed."""
    documents = yaml.safe_load_all((EXAMPLES / name).read_text())
    return next(document["spec"] for document in documents if document["kind"] == names.KIND) | changes


@contextmanager
def running(
    spec: Mapping[str, Any],
    volumes: Volumes,
    attempt: int = 1,
    nodes: int | None = None,
    launch: Callable[[Start], Any] | None = None,
) -> Iterator[list[Pod]]:
    """Start the pods of one attempt (only the first ``nodes``, if given). On leaving, what still runs is killed.

    ``launch`` starts a pod's process in another way; it returns something like a subprocess.Popen.
    """
    job = job_from(raw_job(**(dict(spec) | {"masterPort": free_port(), "progressPort": 0})))
    assert job.spec is not None, job.problems
    _write_files(job, volumes)
    pods: list[Pod] = []
    try:
        for rank in range(nodes or job.spec.num_nodes):
            pods.append(_start(job, volumes, attempt, rank, launch or _launch))  # noqa: PERF401 - those already started must be ended
        yield pods
    finally:
        for pod in pods:
            if pod.process.poll() is None:
                os.killpg(pod.process.pid, signal.SIGKILL)
                pod.process.wait(DEADLINE)


def _write_files(job: Job, volumes: Volumes) -> None:
    assert job.spec is not None
    volumes.workspace.mkdir(parents=True, exist_ok=True)
    for name, text in job.spec.files.items():
        (volumes.workspace / name).write_text(text)
    if job.spec.run.trainer:
        (volumes.workspace / names.CONFIG_FILE).write_text(yaml.safe_dump(job.spec.run.trainer.config))


def _start(job: Job, volumes: Volumes, attempt: int, rank: int, launch: Callable[[Start], Any]) -> Pod:
    assert job.spec is not None
    variables = _variables(job, volumes, attempt, rank)
    files = [volumes.workspace / f"{attempt}-{rank}.{kind}" for kind in ("stdout", "stderr", "reason")]
    for file in files:
        file.write_bytes(b"")
    inherited = {key: value for key, value in os.environ.items() if not _FOREIGN.match(key)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{inherited.get('PATH', '')}"
    env = inherited | variables | {"TRAININGJOB_TERMINATION_LOG": str(files[2]), "PATH": path}
    process = launch(Start(_command(job, volumes, variables), env, volumes.workspace, files[0], files[1]))
    return Pod(process, *files, job.spec.master_port)


def _launch(given: Start) -> subprocess.Popen[bytes]:
    with given.stdout.open("wb") as stdout, given.stderr.open("wb") as stderr:
        return subprocess.Popen(
            given.command,
            env=given.env,
            cwd=given.folder,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )


def _variables(job: Job, volumes: Volumes, attempt: int, rank: int) -> dict[str, str]:
    """As on a cluster, but that every address is loopback and a mount is a folder."""
    given = environment(job, attempt, rank, "cluster.local")
    main = dict.fromkeys(("MASTER_ADDR", "PET_MASTER_ADDR"), "127.0.0.1")
    mounts = {"TRAININGJOB_DATA_DIR": volumes.data, "TRAININGJOB_OUTPUT_DIR": volumes.output}
    folders = {name: str(folder) for name, folder in mounts.items() if name in given}
    # Every pod has KUBERNETES_PORT: Lightning once took it for Kubeflow.
    return given | main | folders | {"KUBERNETES_PORT": "tcp://10.96.0.1:443", "CUDA_VISIBLE_DEVICES": ""}


def _command(job: Job, volumes: Volumes, variables: Mapping[str, str]) -> list[str]:
    assert job.spec is not None
    mounted = f"{names.CONFIG_DIR}/{names.CONFIG_FILE}"
    words = [word.replace(mounted, str(volumes.workspace / names.CONFIG_FILE)) for word in command(job.spec)]
    return [re.sub(r"\$\((\w+)\)", lambda name: variables[name[1]], word) for word in words]
