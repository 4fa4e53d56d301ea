"""Brings the placement of waiting pods to the API server: binds those that fit, and tells the others why not.

Decides nothing about who fits (placement.py). Remembers which GPUs were granted to whom.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import aiohttp

from trainingjob_operator.api.resources import PODS
from trainingjob_operator.cluster.api import Api, ApiError
from trainingjob_sandbox.node.kinds import binding_of
from trainingjob_sandbox.node.machineports import MachinePorts
from trainingjob_sandbox.node.placement import Bind, Offer, Refuse, Tenant, amounts, free, place, ports
from trainingjob_sandbox.node.status import conditions, unschedulable

Object = dict[str, Any]
logger = logging.getLogger(__name__)

SCHEDULER = "default-scheduler"
RETRY_SECONDS = 1.0
PORT_TAKEN_OUTSIDE = (
    "port {port} of this machine is in use by another program or sandbox, and pods of the sandbox share the machine's "
    "network; it starts when the port is free, or choose another port (masterPort in a TrainingJob)"
)


class Scheduler:
    """Places pods on one node. ``pods`` gives all pods that may concern it, in the order in which they came."""

    def __init__(
        self, api: Api, node: str, offer: Offer, pods: Callable[[], list[Object]], machine_ports: MachinePorts
    ) -> None:
        self.offer = offer
        self._machine_ports = machine_ports
        self._api = api
        self._node = node
        self._pods = pods
        self._granted: dict[str, tuple[str, ...]] = {}
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Something came, changed or went."""
        self._wake.set()

    def forget(self, uid: str) -> None:
        """The pod holds nothing any more."""
        self._granted.pop(uid, None)
        self._machine_ports.give_back(uid)
        self.wake()

    def grant(self, pod: Object) -> tuple[str, ...] | None:
        """The GPUs of a pod on this node, those free if somebody else bound it; None if there are not enough."""
        uid = pod["metadata"]["uid"]
        if uid not in self._granted:
            wanted = amounts(pod).get(self.offer.gpu_resource, 0)
            found = free(self._tenants(), self.offer)
            if wanted > len(found):
                return None
            self._granted[uid] = found[:wanted]
        return self._granted[uid]

    async def run(self) -> None:
        """Places pods whenever something happened, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            waiting = [pod for pod in self._pods() if self._is_waiting(pod)]
            for decision in place(waiting, self._tenants(), self.offer):
                await self._carry_out(self._if_the_machine_agrees(decision))

    def _is_waiting(self, pod: Object) -> bool:
        spec, metadata = pod["spec"], pod["metadata"]
        ours = spec.get("schedulerName", SCHEDULER) == SCHEDULER and not spec.get("schedulingGates")
        placed = spec.get("nodeName") or metadata["uid"] in self._granted
        return ours and not placed and "deletionTimestamp" not in metadata and not _is_over(pod)

    def _tenants(self) -> list[Tenant]:
        return [
            Tenant(pod, self._granted.get(pod["metadata"]["uid"], ()))
            for pod in self._pods()
            if not _is_over(pod) and (pod["spec"].get("nodeName") or pod["metadata"]["uid"] in self._granted)
        ]

    def _if_the_machine_agrees(self, decision: Bind | Refuse) -> Bind | Refuse:
        """A placement, unless a port is taken outside this node; then it is tried again in a while."""
        if isinstance(decision, Refuse):
            return decision
        taken = self._machine_ports.take(decision.pod["metadata"]["uid"], ports(decision.pod))
        if taken is None:
            return decision
        asyncio.get_running_loop().call_later(RETRY_SECONDS, self.wake)
        return Refuse(decision.pod, PORT_TAKEN_OUTSIDE.format(port=taken))

    async def _carry_out(self, decision: Bind | Refuse) -> None:
        uid = decision.pod["metadata"]["uid"]
        try:
            if isinstance(decision, Refuse):
                await self._refuse(decision)
                return
            # Before the request: the watch may tell of the binding before its answer is here.
            self._granted[uid] = decision.gpus
            await self._bind(decision.pod)
        except (ApiError, aiohttp.ClientError, TimeoutError, OSError) as error:
            if isinstance(decision, Bind):
                self._granted.pop(uid, None)
                self._machine_ports.give_back(uid)
            self._failed(decision.pod, error)

    def _failed(self, pod: Object, error: Exception) -> None:
        if isinstance(error, ApiError) and error.status in (404, 409):
            return  # gone, deleted or bound meanwhile: the watch tells
        logger.warning("placing pod %s: %s; trying again", pod["metadata"]["name"], error or type(error).__name__)
        asyncio.get_running_loop().call_later(RETRY_SECONDS, self.wake)

    async def _bind(self, pod: Object) -> None:
        metadata = pod["metadata"]
        body = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"]},
            "target": {"apiVersion": "v1", "kind": "Node", "name": self._node},
        }
        await self._api.create(binding_of(metadata["name"]), metadata["namespace"], body)

    async def _refuse(self, decision: Refuse) -> None:
        metadata = decision.pod["metadata"]
        known = (decision.pod.get("status") or {}).get("conditions") or []
        if any(c["type"] == "PodScheduled" and c.get("message") == decision.message for c in known):
            return
        now = datetime.now(UTC)
        status = {"phase": "Pending", "conditions": conditions(known, [unschedulable(decision.message)], now)}
        body = {"metadata": {"uid": metadata["uid"]}, "status": status}
        await self._api.patch(PODS, metadata["namespace"], metadata["name"], body, subresource="status")


def _is_over(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
