"""Both clusters for the end-to-end stories, each started once, and a namespace for each test."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from support.arena import REAL, SANDBOX, Arena, real_arena, sandbox_arena
from support.examples import head


@pytest.fixture(scope="session")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits, as `make demo` prepares them."""
    folder = tmp_path_factory.mktemp("datasets")
    argv = [sys.executable, "-m", "trainingjob_trainer", "prepare", "digits", str(folder)]
    subprocess.run(argv, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def kinds_of_data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Claims of the examples with other data, as the head of each manifest says to prepare them."""
    heads = {example: head(example) for example in ("gpt", "images", "table")}
    folder = tmp_path_factory.mktemp("kinds")
    env = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    preparing = {
        example: subprocess.Popen(
            ["bash", "-euc", said.commands], cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        for example, said in heads.items()
    }
    for example, process in preparing.items():
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0, (example, output)
    return {said.claim: folder / said.folder for said in heads.values()}


@pytest.fixture(scope="session")
def sandbox(
    tmp_path_factory: pytest.TempPathFactory, datasets: Path, kinds_of_data: dict[str, Path], kubernetes_binaries: None
) -> Iterator[Arena]:
    with sandbox_arena(tmp_path_factory.mktemp("sandbox"), {"datasets": datasets} | kinds_of_data) as started:
        yield started


@pytest.fixture(
    scope="module",  # not the session: on the shared API server its operator and node would meddle with other tests
    params=[SANDBOX, REAL],
)
def arena(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, datasets: Path) -> Iterator[Arena]:
    """The sandbox, then the real thing."""
    if request.param == "sandbox":
        yield request.getfixturevalue("sandbox")
        return
    control_plane = request.getfixturevalue("control_plane")
    with real_arena(tmp_path_factory.mktemp("real"), {"datasets": datasets}, control_plane) as started:
        yield started


@pytest.fixture
def ns(arena: Arena) -> Iterator[str]:
    """A namespace of this test alone."""
    name = f"test-{uuid4().hex[:8]}"
    arena.kubectl("create", "namespace", name)
    yield name
    arena.kubectl("delete", "namespace", name, "--wait=false")
