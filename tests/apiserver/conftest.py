"""Both clusters for the end-to-end stories, each started once, and a namespace for each test."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from support.arena import Arena, real_arena, sandbox_arena


@pytest.fixture(scope="session")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits, as `make demo` prepares them."""
    folder = tmp_path_factory.mktemp("datasets")
    argv = [sys.executable, "-m", "trainingjob_trainer", "prepare", "digits", str(folder)]
    subprocess.run(argv, check=True, capture_output=True)
    return folder


@pytest.fixture(
    scope="module",  # not the session: on the shared API server its operator and node would meddle with other tests
    params=[pytest.param("sandbox", marks=pytest.mark.real_api), pytest.param("real", marks=pytest.mark.real_api)],
)
def arena(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, datasets: Path) -> Iterator[Arena]:
    """The sandbox, then the real thing. (The sandbox needs no Go, but the tests' kubectl does.)"""
    folder = tmp_path_factory.mktemp(request.param)
    claims = {"datasets": datasets}
    if request.param == "sandbox":
        request.getfixturevalue("kubernetes_binaries")
        with sandbox_arena(folder, claims) as started:
            yield started
    else:
        with real_arena(folder, claims, request.getfixturevalue("control_plane")) as started:
            yield started


@pytest.fixture
def ns(arena: Arena) -> Iterator[str]:
    """A namespace of this test alone."""
    name = f"test-{uuid4().hex[:8]}"
    arena.kubectl("create", "namespace", name)
    yield name
    arena.kubectl("delete", "namespace", name, "--wait=false")
