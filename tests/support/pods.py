"""Pods without a cluster: processes on loopback with exactly the environment that the operator gives to rank r of n.

Starts and ends real processes and collects what they print. Knows nothing of what runs in them.
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

DEADLINE = 90.0  # generous: only a hang reaches it
BIN = Path(sys.executable).parent

# What a pod does not inherit from the machine that runs the tests.
_FOREIGN = ("MASTER_", "NODE_RANK", "LOCAL_", "GROUP_RANK", "RANK", "WORLD_SIZE", "PL_", "LT_", "PET_", "TRAININGJOB_")


@dataclass(frozen=True)
class Gang:
    """A job of ``nodes`` pods with ``processes`` processes each, as far as its pods' environment tells."""

    nodes: int = 2
    processes: int = 1
    output: Path | None = None
    data: Path | None = None
    attempt: int = 1
    uid: str = "0f3b"
    port: int = field(default_factory=lambda: free_port())

    def variables(self, rank: int) -> dict[str, str]:
        """The variables of one pod (DESIGN section 6), values as on a cluster but for loopback."""
        nodes, processes = str(self.nodes), str(self.processes)
        main, port = "127.0.0.1", str(self.port)
        variables = {
            "MASTER_ADDR": main,
            "MASTER_PORT": port,
            "NODE_RANK": str(rank),
            "WORLD_SIZE": nodes,
            "NNODES": nodes,
            "LT_NUM_NODES": nodes,
            "LT_DEVICES": processes,
            "PL_TRAINER_NUM_NODES": nodes,
            "PL_TRAINER_DEVICES": processes,
            "PET_NNODES": nodes,
            "PET_NPROC_PER_NODE": processes,
            "PET_NODE_RANK": str(rank),
            "PET_MASTER_ADDR": main,
            "PET_MASTER_PORT": port,
            "TRAININGJOB_NAME": "digits",
            "TRAININGJOB_NAMESPACE": "default",
            "TRAININGJOB_UID": self.uid,
            "TRAININGJOB_ATTEMPT": str(self.attempt),
            "TRAININGJOB_NUM_NODES": nodes,
            "TRAININGJOB_DEVICES": processes,
            "TRAININGJOB_DATA_DIR": str(self.data or "/data"),
            "TRAININGJOB_OUTPUT_DIR": str(self.output or "/output"),
            "PYTHONUNBUFFERED": "1",
            "NCCL_DEBUG": "WARN",
            "OMP_NUM_THREADS": "1",
            "LIGHTLY_TRAIN_MAX_NUM_WORKERS_AUTO": "1",
            "CUDA_VISIBLE_DEVICES": "",
            "KUBERNETES_PORT": "tcp://10.96.0.1:443",  # every pod has it; Lightning once took it for Kubeflow
        }
        return variables | ({"RANK": str(rank)} if self.processes == 1 else {})


@dataclass
class Pod:
    """A started pod: its process (leader of a group of its own) and the files of what it prints."""

    process: subprocess.Popen[bytes]
    stdout: Path
    stderr: Path
    reason: Path

    @property
    def lines(self) -> list[str]:
        """Standard output so far."""
        return self.stdout.read_text().splitlines()

    @property
    def errors(self) -> str:
        """Standard error so far."""
        return self.stderr.read_text()

    def ended(self) -> int:
        """Wait for the end; returns the exit code (128 + N when killed by signal N, as a container's)."""
        code = self.process.wait(DEADLINE)
        return code if code >= 0 else 128 - code

    def kill(self) -> None:
        """As a node that loses power: no process of the pod gets to say anything."""
        os.killpg(self.process.pid, signal.SIGKILL)

    def terminate(self) -> None:
        """As the kubelet does: SIGTERM to the container's first process only."""
        self.process.terminate()

    def says(self, text: str) -> str:
        """Wait until a line of standard output contains the text; returns that line. Fails if the pod ends first."""
        while True:
            over = self.process.poll() is not None
            found = next((line for line in self.lines if text in line), None)
            if found is not None:
                return found
            assert not over, f"ended without {text!r}:\n{self.lines}\n{self.errors}"
            _pause(self.process)


@contextmanager
def running(gang: Gang, commands: Sequence[Sequence[str]], folder: Path, **extra: str) -> Iterator[list[Pod]]:
    """Start one pod per command, all at once; on leaving, whatever still runs is killed."""
    pods: list[Pod] = []
    try:
        for rank, command in enumerate(commands):
            pods.append(_start(gang.variables(rank) | extra, command, folder, f"{gang.attempt}-{rank}"))
        yield pods
    finally:
        for pod in pods:
            if pod.process.poll() is None:
                pod.kill()
                pod.process.wait(DEADLINE)


def trainer_command(*arguments: str) -> list[str]:
    """The built-in trainer with this verb and these arguments."""
    return [sys.executable, "-m", "trainingjob_trainer", *arguments]


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _start(variables: dict[str, str], command: Sequence[str], folder: Path, name: str) -> Pod:
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{name}.{kind}" for kind in ("stdout", "stderr", "reason")]
    for file in files:
        file.write_bytes(b"")
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(_FOREIGN)}
    path = f"{BIN}{os.pathsep}{inherited.get('PATH', '')}"
    env = inherited | variables | {"TRAININGJOB_TERMINATION_LOG": str(files[2]), "PATH": path}
    with files[0].open("wb") as stdout, files[1].open("wb") as stderr:
        process = subprocess.Popen(
            command, env=env, cwd=folder, stdout=stdout, stderr=stderr, stdin=subprocess.DEVNULL, start_new_session=True
        )
    return Pod(process, *files)


def _pause(process: subprocess.Popen[bytes]) -> None:
    """Give the pod a moment, or less if it ends."""
    try:
        process.wait(0.05)
    except subprocess.TimeoutExpired:
        return
