"""The two Dockerfiles, read as text: there is no container engine where the tests run."""

import re
from pathlib import Path

import pytest

from support.chart import ROOT

DOCKERFILES = ["operator/Dockerfile", "trainer/Dockerfile"]

both = pytest.mark.parametrize("dockerfile", DOCKERFILES)


def instructions(dockerfile: str, name: str) -> list[str]:
    return re.findall(rf"^{name} (.*)$", (ROOT / dockerfile).read_text(), re.MULTILINE)


def copied(dockerfile: str) -> list[str]:
    """Sources of every COPY that is not from another stage."""
    return [
        source
        for arguments in instructions(dockerfile, "COPY")
        if not arguments.startswith("--from")
        for source in arguments.split()[:-1]
    ]


@both
def test_what_it_copies_exists_and_is_not_ignored(dockerfile: str) -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    kept = [line[1:] for line in lines if line.startswith("!")]

    for source in copied(dockerfile):
        assert (ROOT / source).exists(), source
        assert any(source.startswith(pattern) for pattern in kept), source


@both
def test_everything_it_installs_is_pinned_by_hash(dockerfile: str) -> None:
    installs = [line for line in instructions(dockerfile, "RUN") if '"install"' in line]

    assert len(installs) == 3
    assert all("--require-hashes" in line or ("--no-deps" in line and "--no-index" in line) for line in installs)
    for requirements in (source for source in copied(dockerfile) if source.startswith("requirements/")):
        text = (ROOT / requirements).read_text()
        pinned = re.findall(r"^[a-z0-9-]+(?:\[.*\])?==.*\\\n +--hash=sha256:", text, re.MULTILINE | re.IGNORECASE)
        assert len(pinned) == len(re.findall(r"^[A-Za-z0-9]", text, re.MULTILINE)) > 0


@both
def test_it_runs_as_a_numbered_user_without_a_shell(dockerfile: str) -> None:
    text = (ROOT / dockerfile).read_text()

    # A name would not do: the kubelet can only tell from a number that it is not root.
    assert instructions(dockerfile, "USER") == ["65532:65532"]
    assert text.rindex("USER") > text.rindex("FROM")
    for name in ("RUN", "ENTRYPOINT", "CMD"):
        assert all(line.startswith("[") for line in instructions(dockerfile, name))


@both
def test_each_image_has_its_own_requirements_only(dockerfile: str) -> None:
    component = Path(dockerfile).parent.name

    assert sorted(source for source in copied(dockerfile) if source.startswith("requirements/")) == sorted(
        ["requirements/build.txt", f"requirements/{component}.txt"]
    )


def test_there_is_no_torch_in_the_operator_and_no_kopf_in_the_trainer() -> None:
    operator = (ROOT / "requirements" / "operator.txt").read_text()
    trainer = (ROOT / "requirements" / "trainer.txt").read_text()

    assert "\ntorch==" not in operator
    assert "\ntorch==" in trainer
    assert "\nkopf==" in operator
    assert "\nkopf==" not in trainer
