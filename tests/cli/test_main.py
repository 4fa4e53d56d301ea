"""The `trainingjob` command as a process: Ctrl-C ends it quietly at any moment."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.eventually import eventually
from support.ports import free_port

JOB = """
apiVersion: trainingjob.dev/v1alpha1
kind: TrainingJob
metadata: {name: sleeps}
spec: {numNodes: 1, image: any, masterPort: %d, progressPort: 0, run: {command: [sleep, "600"]}}
"""

# Interrupts itself when this module is looked for.
IMPATIENT = """
import os, signal, sys

module = sys.argv.pop(1)

class Impatient:
    def find_spec(self, name, path=None, target=None):
        if name == module:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Impatient())
from trainingjob_cli.main import main
main()
"""


@pytest.fixture
def job(tmp_path: Path) -> Path:
    file = tmp_path / "job.yaml"
    # Ports of its own: for one that somebody else holds the job would wait, and say so.
    file.write_text(JOB % free_port())
    return file


@pytest.mark.parametrize("module", ["click", "trainingjob_cli.documents", "aiohttp", "trainingjob_sandbox.sandbox"])
def test_an_interrupt_while_it_imports_ends_it_at_once_and_quietly(job: Path, module: str) -> None:
    argv = [sys.executable, "-c", IMPATIENT, module, "run", str(job)]
    done = subprocess.run(argv, cwd=job.parent, capture_output=True, text=True, check=False, timeout=120)

    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_an_interrupt_while_a_job_runs_ends_its_pods_first(job: Path) -> None:
    said = job.with_name("said")
    with said.open("w") as file:
        argv = [Path(sys.executable).with_name("trainingjob"), "run", str(job)]
        running = subprocess.Popen(argv, cwd=job.parent, stdout=file, stderr=subprocess.STDOUT)
    try:
        eventually("the job runs", lambda: "Running" in said.read_text())
        running.send_signal(signal.SIGINT)
        assert running.wait(120) == 130
    finally:
        running.kill()
    *before, last = said.read_text().splitlines()
    assert last == "stopped; nothing is left running"
    assert {line.split()[0] for line in before} == {"NAME", "sleeps"}, before
