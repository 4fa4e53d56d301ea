"""What the tree's layout promises: no clash with the standard library, and parts that stay apart."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("operator", "trainer")

IMPORT_ALL = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print(*sys.modules)
"""


def python(*arguments: str) -> str:
    """Standard output of a fresh interpreter that starts in the root of the tree."""
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def loaded_by(package: str) -> set[str]:
    """The top-level modules that are there once every module of a package was imported."""
    return {name.partition(".")[0] for name in python("-c", IMPORT_ALL, package).split()}


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_folders_are_no_packages(folder: str) -> None:
    assert [path.name for path in (ROOT / folder).glob("*.py")] == []
    assert list((ROOT / folder).glob("*/__init__.py")) != []


def test_no_test_folder_is_called_like_a_module_of_the_standard_library() -> None:
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir()}

    assert not folders & sys.stdlib_module_names


@pytest.mark.parametrize("isolated", [[], ["-I"]])
def test_operator_is_the_standard_librarys_even_in_the_root_of_the_tree(isolated: list[str]) -> None:
    assert python(*isolated, "-c", "import operator; print(operator.add(1, 2))").strip() == "3"


def test_the_operator_needs_no_torch() -> None:
    loaded = loaded_by("trainingjob_operator")

    assert "kopf" in loaded
    assert not loaded & {"torch", "lightning", "pytorch_lightning", "trainingjob_trainer"}


def test_the_trainer_needs_nothing_of_a_cluster() -> None:
    loaded = loaded_by("trainingjob_trainer")

    assert "torch" in loaded
    assert not loaded & {"kopf", "kubernetes", "trainingjob_operator", "trainingjob_sandbox", "trainingjob_cli"}


def test_decisions_load_no_event_loop_and_no_client() -> None:
    loaded = loaded_by("trainingjob_operator.core")

    assert not loaded & {"kopf", "kubernetes", "aiohttp", "asyncio"}
