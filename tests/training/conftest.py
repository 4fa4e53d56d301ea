"""What the training tests share: one dataset, and gangs whose whole run several tests look at."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.pods import Volumes, example, running
from support.training import Run, finish
from trainingjob_trainer.prepare import prepare


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example dataset, prepared once."""
    folder = tmp_path_factory.mktemp("claims") / "datasets"
    prepare(["digits", str(folder)])
    return folder


@pytest.fixture(scope="session")
def digit_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same images as PNG files, train/CLASS/*.png and val/CLASS/*.png."""
    folder = tmp_path_factory.mktemp("claims") / "files"
    prepare(["digits", "--png", str(folder)])
    return folder


@pytest.fixture(scope="session")
def volumes(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> Callable[[], Volumes]:
    """New, empty mounts for a job."""

    def make() -> Volumes:
        root = tmp_path_factory.mktemp("job")
        (root / "output").mkdir()
        return Volumes(root / "workspace", digits, root / "output")

    return make


@pytest.fixture(scope="session")
def two_pods(volumes: Callable[[], Volumes]) -> Run:
    """The example as it is: two pods with one process each, undisturbed."""
    return _undisturbed(example("digits.yaml"), volumes())


@pytest.fixture(scope="session")
def four_processes(volumes: Callable[[], Volumes]) -> Run:
    """The same job with two processes in each of the two pods."""
    return _undisturbed(example("digits.yaml", processesPerNode=2), volumes())


@pytest.fixture(scope="session")
def one_process(volumes: Callable[[], Volumes]) -> Run:
    """The same job in one process."""
    return _undisturbed(example("digits.yaml", numNodes=1), volumes())


@pytest.fixture(scope="session")
def misconfigured(volumes: Callable[[], Volumes]) -> Run:
    """The same job in one process, with a field that does not exist."""
    spec = example("digits.yaml", numNodes=1)
    spec["run"]["trainer"]["config"]["trainer"] = {"max_epoch": 10}
    return _undisturbed(spec, volumes())


def _undisturbed(spec: dict[str, Any], mounts: Volumes) -> Run:
    with running(spec, mounts) as pods:
        return finish(pods, mounts)
