"""``pods/log``: the answer of the kubelet on the pod's node, passed on as it comes.

Decides which node and container to ask. As in a real cluster the kubelet's certificate is its own and is not verified.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import aiohttp
from aiohttp import web

from trainingjob_operator.api.resources import NODES, PODS
from trainingjob_operator.cluster.api import ApiError, Object
from trainingjob_sandbox.store import Store
from trainingjob_sandbox.store.errors import bad_request

PASSED_ON = ("follow", "previous", "sinceSeconds", "sinceTime", "timestamps", "tailLines", "limitBytes")


async def pod_log(
    request: web.Request, store: Store, session: aiohttp.ClientSession, namespace: str, name: str
) -> web.StreamResponse:
    """Stream a container's log. Raises NotFound, BadRequest (which container?), 500 if the kubelet is away."""
    pod = store.get(PODS, namespace, name).object
    container = container_of(pod, request.query.get("container", ""))
    node = (pod.get("spec") or {}).get("nodeName")
    if not node:
        # Not scheduled yet: nothing has been written, as a real server says by an empty answer.
        return web.Response(status=204)
    url = f"{kubelet_address(store.get(NODES, None, node).object)}/containerLogs/"
    url += "/".join(quote(part, safe="") for part in (namespace, name, container))
    query = {key: request.query[key] for key in PASSED_ON if key in request.query}
    try:
        async with session.get(url, params=query, ssl=False) as upstream:
            return await _pass_on(request, upstream)
    except aiohttp.ClientConnectionError as error:
        raise ApiError(
            500, "InternalError", f"Get {url!r}: the kubelet of node {node} does not answer: {error}"
        ) from error


def container_of(pod: Object, asked: str) -> str:
    """The container meant: the one asked for, or the only one. Raises BadRequest."""
    spec: Mapping[str, Any] = pod.get("spec") or {}
    regular = [container["name"] for container in spec.get("containers") or ()]
    known = regular + [container["name"] for container in spec.get("initContainers") or ()]
    name = pod["metadata"]["name"]
    if not asked:
        if len(regular) == 1:
            return str(regular[0])
        listed = " ".join(known)
        raise bad_request(f"a container name must be specified for pod {name}, choose one of: [{listed}]")
    if asked not in known:
        raise bad_request(f"container {asked} is not valid for pod {name}")
    return asked


def kubelet_address(node: Object) -> str:
    """The base URL of a node's kubelet, as its status tells. Raises 500 if it tells none."""
    status = node.get("status") or {}
    addresses = [found["address"] for found in status.get("addresses") or () if found.get("type") == "InternalIP"]
    port = ((status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}).get("Port")
    if not addresses or not port:
        name = node["metadata"]["name"]
        raise ApiError(500, "InternalError", f"node {name} tells no kubelet address (InternalIP and kubeletEndpoint)")
    host = f"[{addresses[0]}]" if ":" in addresses[0] else addresses[0]
    return f"https://{host}:{port}"


async def _pass_on(request: web.Request, upstream: aiohttp.ClientResponse) -> web.StreamResponse:
    if upstream.status >= 400:
        text = (await upstream.text()).strip()
        raise ApiError(upstream.status, "BadRequest" if upstream.status == 400 else "NotFound", text)
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await response.prepare(request)
    try:
        async for chunk in upstream.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
    except ConnectionError:
        # Whoever followed the log has seen enough.
        return response
    except aiohttp.ClientPayloadError:
        # The kubelet left in the middle: it must not look like the log's end.
        if request.transport is not None:
            request.transport.close()
    return response
