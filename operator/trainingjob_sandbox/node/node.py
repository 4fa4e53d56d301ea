"""The node: watches pods, starts and ends them as processes, and keeps itself registered and Ready.

The shell in which the parts meet; it decides only what kind of life a pod object begins with here (run it, or say that
it has failed). An error of one pod ends that pod, never the node. When `run` is cancelled, everything that it started
is killed; when the node's process dies, however it dies, the launchers do that.
"""

import asyncio
import logging
import os
import shutil
import sys
from collections.abc import Collection, Coroutine, Mapping
from pathlib import Path
from typing import Any

from trainingjob_operator.api.resources import CLAIMS, PODS
from trainingjob_operator.cluster.api import FullApi
from trainingjob_operator.cluster.reflector import Reflector
from trainingjob_sandbox.node import environment, isolating, registration
from trainingjob_sandbox.node.claims import Claims
from trainingjob_sandbox.node.finding import find_log
from trainingjob_sandbox.node.gpus import offered
from trainingjob_sandbox.node.hosts import hostname
from trainingjob_sandbox.node.machineports import MachinePorts
from trainingjob_sandbox.node.neighbourhood import Neighbourhood
from trainingjob_sandbox.node.placement import Offer, visible_devices
from trainingjob_sandbox.node.pod import PodRun
from trainingjob_sandbox.node.prepare import ClaimFolders, Ground, PodFolder
from trainingjob_sandbox.node.registration import Registration
from trainingjob_sandbox.node.scheduling import Scheduler
from trainingjob_sandbox.node.serving import Log, serving

Object = dict[str, Any]
logger = logging.getLogger(__name__)

RESTARTED = (
    "NodeRestarted",
    "the sandbox's node stopped while this pod ran on it, and its processes ended with it; start the pod again",
)
NO_GPUS = ("UnexpectedAdmissionError", "the pod was bound to this node by name, but not enough of its GPUs are free")


class Node:
    """A node of a cluster whose pods are processes of this machine.

    Args:
        api: the cluster's API server.
        name: the Node object's name.
        state_dir: hosts files, logs and emptyDirs of pods; must survive a restart of the node's process.
        claims_root: claims lie in ``<claims_root>/<namespace>/<name>``.
        claims: folders for claims of these names, in every namespace.
        gpus: how many GPUs to offer; None: those in /dev.
        isolate: whether containers get their own view of the machine; None: where that is possible.
        labels: labels of the Node besides the usual ones.
        log_port: where logs are served on 127.0.0.1; 0: a free port.

    ``ready`` is set once the node is registered and knows its pods.
    """

    def __init__(
        self,
        api: FullApi,
        *,
        name: str = "sandbox",
        state_dir: Path,
        claims_root: Path = Path(".trainingjob/claims"),
        claims: Mapping[str, Path] | None = None,
        gpus: int | None = None,
        gpu_resource: str = "nvidia.com/gpu",
        isolate: bool | None = None,
        labels: Mapping[str, str] | None = None,
        cluster_domain: str = "cluster.local",
        log_port: int = 0,
    ) -> None:
        self.ready = asyncio.Event()
        self._api = api
        self._name = name
        self._state = state_dir.absolute()
        self._claims = ClaimFolders(claims_root, dict(claims or {}))
        self._isolate = isolate
        self._log_port = log_port
        devices = [path.name for path in Path("/dev").glob("nvidia*")]
        offer = Offer(
            registration.machine_labels(name) | dict(labels or {}), gpu_resource, offered(gpus, os.environ, devices)
        )
        self._capacity = registration.machine_capacity(gpu_resource, len(offer.gpus))
        self._ports = MachinePorts()
        self._scheduler = Scheduler(api, name, offer, self._all_pods, self._ports)
        self._neighbours = Neighbourhood(cluster_domain, own_addresses=sys.platform == "linux")
        self._base = environment.handed_on(os.environ, str(Path(sys.executable).parent))
        self._pods: dict[str, Object] = {}
        self._runs: dict[str, PodRun] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._pod_watch = Reflector(api, PODS, self)

    async def run(self) -> None:
        """Works until cancelled; then kills everything that it started."""
        self._state.mkdir(parents=True, exist_ok=True)
        self._isolate = await isolating.decide(self._isolate, self._state)
        claims = Reflector(self._api, CLAIMS, Claims(self._api, self._claims, self._spawn))
        try:
            async with serving(self._find_log, self._name, self._state, self._log_port) as port:
                offer = self._scheduler.offer
                await registration.register(self._api, Registration(self._name, offer.labels, self._capacity, port))
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(registration.keep_alive(self._api, self._name))
                    tasks.create_task(self._scheduler.run())
                    tasks.create_task(claims.run())
                    tasks.create_task(self._pod_watch.run())
                    tasks.create_task(self._become_ready())
        finally:
            await self._end_everything()
            self._ports.give_all_back()

    # The sink of the pod watch.

    def put(self, raw: Object) -> None:
        """A pod came or changed."""
        uid = raw["metadata"]["uid"]
        node = raw["spec"].get("nodeName")
        if node not in (None, "", self._name):
            return
        self._pods[uid] = raw
        self._neighbours.add(raw)
        if uid in self._runs:
            self._runs[uid].update(raw)
        elif node:
            self._begin(raw)
        self._scheduler.wake()

    def remove(self, raw: Object) -> None:
        """A pod is gone."""
        uid = raw["metadata"]["uid"]
        if self._pods.pop(uid, None) is None:
            return
        self._neighbours.remove(raw)
        run = self._runs.pop(uid, None)
        if run:
            run.vanish()
        if run is None or run.over:
            self._clear(uid)

    def retain(self, uids: Collection[str], _version: str) -> None:
        """All pods that there are have been put."""
        for uid in [uid for uid in self._pods if uid not in uids]:
            self.remove(self._pods[uid])

    # Lives of pods.

    def _begin(self, pod: Object) -> None:
        """Starts the pod, or says why it has ended already."""
        uid = pod["metadata"]["uid"]
        folder = PodFolder(self._state / "pods" / uid)
        status = pod.get("status") or {}
        was_here = folder.path.exists() or bool(status.get("startTime"))
        granted = None if was_here else self._scheduler.grant(pod)
        folder.path.mkdir(parents=True, exist_ok=True)
        run = self._runs[uid] = self._pod_run(pod, folder, granted or ())
        if was_here:
            self._live(run, run.run_ended(*RESTARTED))
        elif granted is None:
            self._live(run, run.run_ended(*NO_GPUS))
        else:
            self._neighbours.keep_file(pod, folder.hosts)
            self._live(run, run.run())

    def _pod_run(self, pod: Object, folder: PodFolder, granted: tuple[str, ...]) -> PodRun:
        facts = environment.Facts(pod, self._neighbours.address(pod), self._name, self._capacity)
        names = None if self._isolate else lambda: self._neighbours.names(pod)
        base = self._base | {"HOSTNAME": hostname(pod)}
        ground = Ground(self._api, facts, folder, self._claims, base, names)
        devices = visible_devices(pod, granted, self._scheduler.offer)
        return PodRun(ground, devices, lambda: self._note_over(pod))

    def _note_over(self, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        self._scheduler.forget(uid)
        if uid not in self._pods:
            self._clear(uid)

    def _live(self, run: PodRun, life: Coroutine[Any, Any, None]) -> None:
        def note(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            if not task.cancelled() and (error := task.exception()):
                self._give_up(run, error)

        task = asyncio.create_task(life)
        self._tasks.add(task)
        task.add_done_callback(note)

    def _give_up(self, run: PodRun, error: BaseException) -> None:
        """The pod met an error of the node itself: its processes are killed by now, and its status must say so."""
        name = run.pod["metadata"]["name"]
        logger.error("pod %s ended by an error of the sandbox", name, exc_info=error)
        if not run.over:
            self._live(run, run.run_ended("SandboxError", f"the sandbox could not run the pod: {error!r}"))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _clear(self, uid: str) -> None:
        self._scheduler.forget(uid)
        self._spawn(asyncio.to_thread(_remove_folder, self._state / "pods" / uid))

    async def _become_ready(self) -> None:
        await self._pod_watch.synced.wait()
        for folder in (self._state / "pods").glob("*"):
            if folder.name not in self._pods:
                self._clear(folder.name)
        self.ready.set()

    async def _end_everything(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _all_pods(self) -> list[Object]:
        return list(self._pods.values())

    def _find_log(self, namespace: str, pod: str, container: str, previous: bool) -> Log:
        return find_log(self._runs.values(), namespace, pod, container, previous=previous)


def _remove_folder(folder: Path) -> None:
    shutil.rmtree(folder, onerror=lambda _, path, error: logger.warning("cannot remove %s: %s", path, error[1]))
