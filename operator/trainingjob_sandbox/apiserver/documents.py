"""What the server says about itself: health, version, discovery, OpenAPI, and who the caller is.

Decides nothing but the form (one of two) in which discovery is asked for.
"""

from collections.abc import Sequence

from aiohttp import web

from trainingjob_operator.cluster.api import Object
from trainingjob_sandbox.apiserver import discovery, openapi
from trainingjob_sandbox.apiserver.answers import answer
from trainingjob_sandbox.apiserver.requests import json_body
from trainingjob_sandbox.apiserver.targets import no_such_page
from trainingjob_sandbox.store import Store

VERSION: Object = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.0+trainingjob-sandbox",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "none",
    "compiler": "none",
    "platform": "python",
}
_AGGREGATED_TYPE = f"application/json;g=apidiscovery.k8s.io;v=v2;as={discovery.AGGREGATED}"


class Documents:
    """Handlers of everything that is no stored object."""

    def __init__(self, store: Store) -> None:
        self._catalog = store.catalog

    def routes(self) -> Sequence[web.RouteDef]:
        return [
            *(web.get(path, self._healthy) for path in ("/healthz", "/livez", "/readyz")),
            web.get("/version", self._version),
            web.get("/api", self._core),
            web.get("/apis", self._groups),
            web.get("/api/{version}", self._kinds),
            web.get("/apis/{group}", self._group),
            web.get("/apis/{group}/{version}", self._kinds),
            web.get("/openapi/v3", self._openapi_index),
            web.get("/openapi/v3/api/{version}", self._openapi),
            web.get("/openapi/v3/apis/{group}/{version}", self._openapi),
            web.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", self._access),
            web.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", self._myself),
        ]

    async def _healthy(self, _: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def _version(self, _: web.Request) -> web.Response:
        return answer(VERSION)

    async def _core(self, request: web.Request) -> web.Response:
        if _wants_aggregated(request):
            return _aggregated(discovery.aggregated(self._catalog, core=True))
        return answer(discovery.core_versions(request.host))

    async def _groups(self, request: web.Request) -> web.Response:
        if _wants_aggregated(request):
            return _aggregated(discovery.aggregated(self._catalog, core=False))
        return answer(discovery.group_list(self._catalog))

    async def _group(self, request: web.Request) -> web.Response:
        found = [pair for pair in discovery.groups(self._catalog) if pair[0] == request.match_info["group"]]
        if not found:
            raise no_such_page()
        document = {"kind": "APIGroup", "apiVersion": "v1"}
        return answer(document | discovery.group_document(*found[0]))

    async def _kinds(self, request: web.Request) -> web.Response:
        return answer(discovery.resource_list(self._catalog, *self._served(request)))

    async def _openapi_index(self, _: web.Request) -> web.Response:
        return answer(openapi.paths(self._catalog))

    async def _openapi(self, request: web.Request) -> web.Response:
        return answer(openapi.document(self._catalog, *self._served(request)))

    async def _access(self, request: web.Request) -> web.Response:
        """Whoever has the token may do everything."""
        review = await json_body(request)
        return answer(review | {"status": {"allowed": True, "reason": "the sandbox has one user"}}, status=201)

    async def _myself(self, request: web.Request) -> web.Response:
        review = await json_body(request)
        user = {"username": "sandbox", "groups": ["system:masters", "system:authenticated"]}
        return answer(review | {"status": {"userInfo": user}}, status=201)

    def _served(self, request: web.Request) -> tuple[str, str]:
        """The group and version of the URL. Raises NotFound."""
        pair = request.match_info.get("group", ""), request.match_info["version"]
        if pair not in discovery.groups(self._catalog):
            raise no_such_page()
        return pair


def _wants_aggregated(request: web.Request) -> bool:
    accepted = request.headers.get("Accept", "")
    return any(discovery.AGGREGATED in part and "v=v2;" in part + ";" for part in accepted.split(","))


def _aggregated(document: Object) -> web.Response:
    response = answer(document)
    # kubectl tells the two forms apart by this header alone.
    response.headers["Content-Type"] = _AGGREGATED_TYPE
    return response
