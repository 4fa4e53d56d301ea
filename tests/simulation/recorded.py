"""Each write of the operator as one line for people: when, verb, kind, name, what matters of the body, the answer.

Reads what goes over the wire and changes nothing of it. Whatever differs from run to run without meaning (UIDs,
versions) is left out, so that two records of one story are the same text.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from simulation.process import Process
from simulation.wire import Wire
from trainingjob_operator.api import names
from trainingjob_operator.api.resources import Resource
from trainingjob_operator.cluster.api import ApiError

if TYPE_CHECKING:
    from simulation.world import World

Object = dict[str, Any]


class RecordedWire(Wire):
    """The wire, with a line in the world's record for each request that changes something."""

    async def create(self, resource: Resource, namespace: str | None, body: Object) -> Object:
        what = f"create {resource.kind} {body['metadata'].get('name', '')}".strip()
        line = self._line(f"{what}: {_essence(resource.kind, body)}")
        return await self._told(line, lambda: super(RecordedWire, self).create(resource, namespace, body))

    async def replace(
        self, resource: Resource, namespace: str | None, name: str, body: Object, *, subresource: str = ""
    ) -> Object:
        line = self._line(f"{subresource} {resource.kind} {name}: {_status(body['status'])}")
        write = super().replace
        return await self._told(line, lambda: write(resource, namespace, name, body, subresource=subresource))

    async def delete(self, resource: Resource, namespace: str | None, name: str, **options: Any) -> Object:
        uid, grace = options.get("uid"), options.get("grace_seconds")
        how = f"{'this UID only' if uid else 'ANY UID'}, {'its own grace' if grace is None else f'grace {grace} s'}"
        line = self._line(f"delete {resource.kind} {name}: {how}")
        return await self._told(line, lambda: super(RecordedWire, self).delete(resource, namespace, name, **options))

    def _line(self, text: str) -> int:
        """Add a line; its place in the record."""
        log = self._process.world.log
        log.append(f"{self._loop.time():9.3f}  {text}")
        return len(log) - 1

    async def _told(self, line: int, write: Callable[[], Any]) -> Any:
        log = self._process.world.log
        try:
            return await write()
        except ApiError as error:
            log[line] += f" -> {error.status} {error.reason}"
            raise


class RecordedProcess(Process):
    """An operator whose wire is recorded."""

    wire_type = RecordedWire


def record(world: "World") -> list[str]:
    """The lines of writes and of what the world did, without the wire's own notes."""
    return [line for line in world.log if " operator: " not in line or "dies" in line]


def _essence(kind: str, body: Object) -> str:
    spec = body.get("spec", {})
    match kind:
        case "Event":
            return f"{body['type']} {body['reason']}: {body['message']}"
        case "Pod":
            return _pod(spec)
        case "Service":
            return f"clusterIP {spec['clusterIP']}, ports {[port['port'] for port in spec['ports']]}"
        case "NetworkPolicy":
            return f"{'/'.join(spec['policyTypes'])} from {_sources(spec)}"
        case _:
            return f"keys {sorted(body.get('data', {}))}"


def _sources(spec: Object) -> str:
    return " and ".join(sorted({key for rule in spec["ingress"] for source in rule["from"] for key in source}))


def _pod(spec: Object) -> str:
    main = next(one for one in spec["containers"] if one["name"] == names.MAIN_CONTAINER)
    env = {variable["name"]: variable.get("value", "") for variable in main["env"]}
    told = [f"{name}={env[name]}" for name in ("NODE_RANK", "WORLD_SIZE", "MASTER_ADDR")]
    alias = [f"alias {one['ip']}" for one in spec.get("hostAliases", ())]
    away = ["avoids a node"] if spec.get("affinity") else []
    return ", ".join([" ".join(told), *alias, *away])


def _status(status: Object) -> str:
    words = [
        f"{status['state']} ({status.get('reason')})",
        f"attempt={status.get('attempt', 0)}",
        f"restarts={status.get('restarts', 0)}",
        f"nodes={status.get('nodes')}",
        "gang" if status.get("gang") else "no gang",
        f"true={[one['type'] for one in status['conditions'] if one['status'] == 'True']}",
    ]
    ended = [_attempt(attempt) for attempt in status.get("attempts", ()) if attempt.get("endTime")]
    return ", ".join([*words, *ended])


def _attempt(attempt: Object) -> str:
    failure = attempt.get("firstFailure")
    who = f" by rank {failure['rank']} ({failure.get('exitCode')})" if failure else ""
    counted = "counted" if attempt.get("counted") else "not counted"
    return f"[{attempt['attempt']}: {attempt.get('reason')}, {counted}{who}]"
