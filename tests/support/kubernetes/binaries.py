"""Where the real Kubernetes binaries of the tests come from: $KUBEBUILDER_ASSETS, else built from pinned Go modules.

Decides which files are wanted and whether they are up to date. Never downloads a binary, and never writes outside the
cache folder (Go keeps its own module and build caches where it always does).

    python tests/support/kubernetes/binaries.py      builds all that is missing and prints where it is
"""

import fcntl
import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
MINIMUM_GO = (1, 26)

COMPONENT_VERSION = "k8s.io/component-base/version"
HELM = "helm.sh/helm/v3"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one binary is built. ``cold`` says how long that takes with empty Go caches on two cores."""

    name: str
    module: str
    package: str
    cold: str


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("etcd", "control-plane", "go.etcd.io/etcd/server/v3", "a minute"),
        Recipe("kube-apiserver", "control-plane", "k8s.io/kubernetes/cmd/kube-apiserver", "four minutes"),
        Recipe("kube-controller-manager", "control-plane", "k8s.io/kubernetes/cmd/kube-controller-manager", "a minute"),
        Recipe("kubectl", "control-plane", "k8s.io/kubernetes/cmd/kubectl", "half a minute"),
        Recipe("helm", "helm", f"{HELM}/cmd/helm", "a minute"),
    )
}
CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager")


class UnavailableError(Exception):
    """A binary is neither among the assets nor can it be built here; the message says what would help."""


def kubectl_path() -> Path:
    """kubectl, built if need be."""
    return _binary("kubectl")


def helm_path() -> Path:
    """helm, built if need be."""
    return _binary("helm")


def control_plane_binaries() -> dict[str, Path]:
    """etcd, kube-apiserver and kube-controller-manager by name, built if need be."""
    return {name: _binary(name) for name in CONTROL_PLANE}


def available() -> str:
    """Empty if every binary is there or can be built, else the reason why not."""
    missing = [name for name in RECIPES if _asset(name) is None]
    return _why_go_cannot_build() if missing else ""


def link_flags(recipe: Recipe, go_mod: str) -> str:
    """The linker's flags: no debugging tables, and the version that the binary reports."""
    flags = ["-s", "-w"]
    if recipe.name == "helm":
        minor = _required(go_mod, "k8s.io/client-go").split(".")[1]
        flags += _variables(f"{HELM}/internal/version", {"version": _required(go_mod, HELM)})
        for package in ("pkg/chartutil", "pkg/lint/rules"):
            flags += _variables(f"{HELM}/{package}", {"k8sVersionMajor": "1", "k8sVersionMinor": minor})
    elif recipe.name != "etcd":
        version = _required(go_mod, "k8s.io/kubernetes")
        major, minor = version.removeprefix("v").split(".")[:2]
        flags += _variables(COMPONENT_VERSION, {"gitVersion": version, "gitMajor": major, "gitMinor": minor})
    return " ".join(flags)


def _variables(package: str, values: Mapping[str, str]) -> list[str]:
    return [f"-X {package}.{name}={value}" for name, value in values.items()]


def _required(go_mod: str, module: str) -> str:
    """The version of a module that go.mod asks for."""
    found = re.search(rf"^\s*{re.escape(module)} (v\S+)", go_mod, re.MULTILINE)
    if found is None:
        raise UnavailableError(f"go.mod requires no {module}; run `go mod tidy` beside it")
    return found.group(1)


def _binary(name: str) -> Path:
    if asset := _asset(name):
        return asset
    if reason := _why_go_cannot_build():
        raise UnavailableError(f"{name} cannot be had: {reason}")
    recipe = RECIPES[name]
    target = _cache_folder(recipe.module) / name
    if not target.exists():
        with _lock(target.parent):
            if not target.exists():
                _build(recipe, target)
    return target


def _asset(name: str) -> Path | None:
    folder = os.environ.get("KUBEBUILDER_ASSETS")
    path = Path(folder, name) if folder else None
    return path if path and os.access(path, os.X_OK) else None


@functools.cache
def _why_go_cannot_build() -> str:
    remedy = f"install Go >= {MINIMUM_GO[0]}.{MINIMUM_GO[1]}, or set KUBEBUILDER_ASSETS to a folder with the binaries"
    if shutil.which("go") is None:
        return f"there is no `go` on PATH; {remedy}"
    found = re.match(r"go(\d+)\.(\d+)", _go_version())
    if found is None or tuple(map(int, found.groups())) < MINIMUM_GO:
        return f"`go` is {_go_version()}; {remedy}"
    return ""


@functools.cache
def _go_version() -> str:
    return subprocess.run(["go", "env", "GOVERSION"], check=True, capture_output=True, text=True).stdout.strip()


@functools.cache
def _cache_folder(module: str) -> Path:
    """A folder of its own for every set of inputs, so that what is in it is never out of date."""
    inputs = hashlib.sha256(f"{_go_version()} {RECIPES!r}".encode())
    for name in ("go.mod", "go.sum"):
        inputs.update((HERE / module / name).read_bytes())
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "trainingjob" / "kubernetes" / inputs.hexdigest()[:16]


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """One builder at a time: a second test worker waits here and then finds the file."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(recipe: Recipe, target: Path) -> None:
    _say(f"building {recipe.name} (once; up to {recipe.cold}, plus the download of its sources) ...")
    began = time.monotonic()
    module = HERE / recipe.module
    flags = link_flags(recipe, (module / "go.mod").read_text())
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        made = Path(folder, recipe.name)
        build = ["go", "build", "-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags", flags, "-o", str(made)]
        done = subprocess.run(
            [*build, recipe.package],
            cwd=module,
            env={**os.environ, "CGO_ENABLED": "0"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise UnavailableError(f"building {recipe.name} failed; Go says:\n{done.stdout}")
        made.replace(target)
    _say(f"built {recipe.name} in {time.monotonic() - began:.0f} s")


def _say(text: str) -> None:
    print(f"kubernetes binaries: {text}", file=sys.stderr, flush=True)


def main(report: Callable[[str], None] = print) -> int:
    """Build what is missing. Without Go: say so and succeed, since the tests then skip in plain sight."""
    if reason := available():
        _say(f"the tests on a real API server will be skipped: {reason}")
        return 0
    for name in RECIPES:
        report(str(_binary(name)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
