"""Tests without their binaries: skipped in plain sight, and with CI=true not at all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.kubernetes.binaries import HERE, RECIPES, UnavailableError, available, kubectl_path, link_flags

ROOT = Path(__file__).resolve().parents[3]
NEEDS_HELM = "tests/chart/test_rendering.py::test_lint_finds_nothing"


@pytest.mark.parametrize(
    ("ci", "code", "summary"),
    [
        ("", 0, "SKIPPED [1] {file}: needs a real API server: there is no `go` on PATH; install Go >= 1.26"),
        ("true", 1, "skipped although CI=true"),
    ],
)
def test_without_go_a_test_on_the_real_api_is_skipped_except_in_ci(ci: str, code: int, summary: str) -> None:
    environment = {**os.environ, "CI": ci, "PATH": "/nonexistent", "KUBEBUILDER_ASSETS": ""}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", NEEDS_HELM],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == code, done.stdout + done.stderr
    wanted = summary.partition("{file}")
    assert wanted[0] in done.stdout
    assert wanted[2] in done.stdout


def test_assets_are_used_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in RECIPES:
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))

    assert kubectl_path() == tmp_path / "kubectl"
    assert available() == ""


def test_versions_come_from_go_mod() -> None:
    control_plane = (HERE / "control-plane" / "go.mod").read_text()
    helm = (HERE / "helm" / "go.mod").read_text()

    assert "-X k8s.io/component-base/version.gitVersion=v1.36.3" in link_flags(RECIPES["kubectl"], control_plane)
    assert "-X k8s.io/component-base/version.gitMinor=36" in link_flags(RECIPES["kube-apiserver"], control_plane)
    assert "internal/version.version=v3.22.0" in link_flags(RECIPES["helm"], helm)
    assert link_flags(RECIPES["etcd"], control_plane) == "-s -w"


def test_a_module_that_go_mod_does_not_have_is_named() -> None:
    with pytest.raises(UnavailableError, match=r"requires no k8s\.io/kubernetes"):
        link_flags(RECIPES["kubectl"], "module x\n")
