"""Everything that must be there before a container's process can start.

Reads what the pod refers to, writes the files of its volumes, makes folders, and gives the finished Launch. Decides
only between the two ways to show a container its paths and names: its own view of the machine, or translated words.
"""

import asyncio
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainingjob_operator.api.resources import CLAIMS, CONFIGMAPS, Resource
from trainingjob_operator.cluster.api import Api, ApiError
from trainingjob_sandbox.node.environment import Facts, command_line, variables
from trainingjob_sandbox.node.hosts import hostname
from trainingjob_sandbox.node.kinds import SECRETS
from trainingjob_sandbox.node.logs import log_file
from trainingjob_sandbox.node.process import Launch, View
from trainingjob_sandbox.node.sources import Reference, Sources, claim_names, references
from trainingjob_sandbox.node.translation import Translation
from trainingjob_sandbox.node.volumes import File, Mount, files, mounts

Object = dict[str, Any]

TERMINATION_LOG = "/dev/termination-log"
SHARED_MEMORY = "/dev/shm"  # noqa: S108 - the kernel's shared memory mount, not a temporary file


@dataclass(frozen=True, slots=True)
class ClaimFolders:
    """Where claims lie: named ones where an option says, others below one root by namespace and name."""

    root: Path
    named: Mapping[str, Path]

    def folder(self, namespace: str, name: str) -> Path:
        """The folder of a claim, known or not."""
        return self.named.get(name, self.root / namespace / name).absolute()


@dataclass(frozen=True, slots=True)
class PodFolder:
    """The node's own folder of one pod."""

    path: Path

    @property
    def hosts(self) -> Path:
        return self.path / "hosts"

    @property
    def volumes(self) -> Path:
        return self.path / "volumes"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    def root(self, container: str) -> Path:
        return self.path / "roots" / container

    def work(self, container: str) -> Path:
        return self.path / "work" / container

    def termination(self, container: str) -> Path:
        return self.path / "termination" / container


@dataclass(frozen=True, slots=True)
class Ground:
    """What containers of one pod stand on. ``names``: the pod names to translate, None where they have own views."""

    api: Api
    facts: Facts
    folder: PodFolder
    claims: ClaimFolders
    base: Mapping[str, str]
    names: Callable[[], Mapping[str, str]] | None


async def prepare(ground: Ground, container: Object, granted: Mapping[str, str], restarts: int) -> Launch:
    """The container's process, ready to be started; ``granted`` are variables that the node sets itself.

    Raises:
        ConfigError: something that the container needs is missing.
        ApiError: the API server did not answer a question.
    """
    pod = ground.facts.pod
    sources = await _sources(ground)
    env = {**variables(container, ground.facts, sources, ground.base), **granted}
    argv = command_line(container, env)
    found = mounts(container, pod, sources, ground.folder.volumes, env)
    await asyncio.to_thread(_make, ground, container, sources, found, restarts)
    log = log_file(ground.folder.logs, container["name"], restarts)
    directory = container.get("workingDir") or ""
    if ground.names is None:
        view = View(ground.folder.root(container["name"]), hostname(pod), [*_own(ground, container, found), *found])
        return Launch(argv, env, directory or "/", log, view)
    translate = Translation(_paths(ground, container, found), ground.names())
    words = [translate(word) for word in argv]
    translated = {name: translate(value) for name, value in env.items()}
    cwd = translate(directory) if directory else str(ground.folder.work(container["name"]))
    return Launch(words, translated, cwd, log)


async def _sources(ground: Ground) -> Sources:
    pod = ground.facts.pod
    namespace = pod["metadata"]["namespace"]
    wanted = sorted(references(pod), key=lambda reference: (reference.kind, reference.name))
    claims = sorted(claim_names(pod))
    found = await asyncio.gather(*(_get(ground.api, _resource(r), namespace, r.name) for r in wanted))
    known = await asyncio.gather(*(_is_claim(ground, namespace, name) for name in claims))
    return Sources(
        {reference: item for reference, item in zip(wanted, found, strict=True) if item is not None},
        {name: ground.claims.folder(namespace, name) for name, yes in zip(claims, known, strict=True) if yes},
    )


async def _is_claim(ground: Ground, namespace: str, name: str) -> bool:
    return name in ground.claims.named or await _get(ground.api, CLAIMS, namespace, name) is not None


async def _get(api: Api, resource: Resource, namespace: str, name: str) -> Object | None:
    try:
        # A list and a get differ in whether they name the kind; what is read here always does.
        return {"kind": resource.kind} | await api.get(resource, namespace, name)
    except ApiError as error:
        if error.status == 404:
            return None
        raise


def _resource(reference: Reference) -> Resource:
    return CONFIGMAPS if reference.kind == "ConfigMap" else SECRETS


def _make(ground: Ground, container: Object, sources: Sources, found: list[Mount], restarts: int) -> None:
    """Writes what the mounts show, and empty files for what the container will write."""
    for volume in ground.facts.pod["spec"].get("volumes") or []:
        content = files(volume, ground.facts, sources)
        if content is not None:
            _write(ground.folder.volumes / volume["name"], content)
    for mount in found:
        if mount.made and mount.source is not None and not mount.source.exists():
            mount.source.mkdir(parents=True)
    name = container["name"]
    ground.folder.work(name).mkdir(parents=True, exist_ok=True)
    log_file(ground.folder.logs, name, restarts).parent.mkdir(parents=True, exist_ok=True)
    ground.folder.termination(name).parent.mkdir(parents=True, exist_ok=True)
    ground.folder.termination(name).write_bytes(b"")
    if ground.names is not None:
        _nest(found)


def _write(folder: Path, content: Mapping[str, File]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for path, file in content.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        place.write_bytes(file.content)
        place.chmod(file.mode)


def _nest(found: list[Mount]) -> None:
    """Without mounts, what lies below another mount's path must be put into that one's folder.

    Files are copied, not linked: Python looks for a script's neighbours where a link leads.
    """
    for mount in found:
        parent = _around(mount, found)
        if parent is None or mount.source is None or parent.source is None:
            continue
        place = parent.source / mount.target.removeprefix(parent.target).lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        if mount.source.is_file():
            place.unlink(missing_ok=True)
            shutil.copy(mount.source, place)
        elif not place.exists():
            place.symlink_to(mount.source, target_is_directory=True)


def _around(mount: Mount, found: list[Mount]) -> Mount | None:
    parents = [other for other in found if mount.target.startswith(other.target.rstrip("/") + "/")]
    return max(parents, key=lambda other: len(other.target), default=None)


def _own(ground: Ground, container: Object, found: list[Mount]) -> list[Mount]:
    """What every container has besides its volumes, unless a volume takes the place."""
    taken = {mount.target for mount in found}
    own = (
        Mount("/etc/hosts", ground.folder.hosts),
        Mount(_termination_path(container), ground.folder.termination(container["name"])),
    )
    return [mount for mount in own if mount.target not in taken]


def _paths(ground: Ground, container: Object, found: list[Mount]) -> dict[str, str]:
    own = {_termination_path(container): str(ground.folder.termination(container["name"]))}
    # /dev/shm is the kernel's, and libraries find it without being told.
    private = {mount.target: ground.folder.volumes / _flat(mount.target) for mount in found if mount.source is None}
    for target, folder in private.items():
        if target != SHARED_MEMORY:
            folder.mkdir(parents=True, exist_ok=True)
            own[target] = str(folder)
    # What lies below another mount's path was put into that one's folder, and is found through it.
    placed = [mount for mount in found if mount.source is not None and _around(mount, found) is None]
    return own | {mount.target: str(mount.source) for mount in placed}


def _flat(target: str) -> str:
    return target.strip("/").replace("/", "-")


def _termination_path(container: Object) -> str:
    return str(container.get("terminationMessagePath") or TERMINATION_LOG)
