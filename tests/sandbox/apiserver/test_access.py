"""Who is let in, and what the server says about itself."""

import ssl
from typing import Any

import aiohttp
import pytest

from support.sandbox_server import Served


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic x", "Bearer "])
async def test_nobody_is_let_in_without_the_token(sandbox: Served, header: str | None) -> None:
    headers = {"Authorization": header} if header else {}
    connector = aiohttp.TCPConnector(ssl=sandbox.server.client_tls())

    async with (
        aiohttp.ClientSession(connector=connector, headers=headers) as stranger,
        stranger.get(f"{sandbox.server.url}/api/v1/pods") as response,
    ):
        assert response.status == 401
        assert (await response.json())["reason"] == "Unauthorized"


async def test_each_server_has_its_own_token(sandbox: Served) -> None:
    from support.sandbox_server import served

    async with served(sandbox.store) as other:
        assert other.server.token != sandbox.server.token
        assert len(other.server.token) >= 40


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz", "/version"])
async def test_probes_need_no_token(sandbox: Served, path: str) -> None:
    connector = aiohttp.TCPConnector(ssl=sandbox.server.client_tls())

    async with aiohttp.ClientSession(connector=connector) as stranger, stranger.get(sandbox.server.url + path) as found:
        assert found.status == 200


async def test_the_certificate_is_trusted_by_those_who_have_it_and_nobody_else(sandbox: Served) -> None:
    strict = sandbox.server.client_tls()
    strict.verify_flags |= ssl.VERIFY_X509_STRICT
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=strict)) as knowing,
        knowing.get(f"{sandbox.server.url}/healthz") as response,
    ):
        assert response.status == 200

    async with aiohttp.ClientSession() as stranger:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await stranger.get(f"{sandbox.server.url}/healthz")


async def test_the_kubeconfig_holds_all_that_a_client_needs(sandbox: Served) -> None:
    config = sandbox.server.kubeconfig("team")

    assert config["clusters"][0]["cluster"]["server"] == sandbox.server.url
    assert config["users"][0]["user"]["token"] == sandbox.server.token
    assert config["contexts"][0]["context"]["namespace"] == "team"


async def test_both_forms_of_discovery_name_the_same_kinds(sandbox: Served) -> None:
    plain = await _plain_discovery(sandbox)

    found = set()
    accept = {"Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"}
    for path in ("/api", "/apis"):
        answer = await sandbox.ask("GET", path, headers=accept)
        assert "as=APIGroupDiscoveryList" in answer.content_type
        for group in answer.body["items"]:
            for version in group["versions"]:
                for entry in version["resources"]:
                    name = group["metadata"].get("name", "")
                    found.add((name, version["version"], entry["resource"]))
                    found |= {
                        (name, version["version"], f"{entry['resource']}/{sub['subresource']}")
                        for sub in entry.get("subresources", ())
                    }
    assert found == plain
    assert ("example.dev", "v1", "widgets/status") in found
    assert ("", "v1", "pods/log") in found


async def test_a_group_can_be_looked_up(sandbox: Served) -> None:
    assert (await sandbox.ask("GET", "/apis/example.dev")).body["preferredVersion"]["version"] == "v1"
    assert (await sandbox.ask("GET", "/apis/nothing.dev")).status == 404
    assert (await sandbox.ask("GET", "/apis/example.dev/v9")).status == 404


async def test_the_one_user_may_do_everything(sandbox: Served) -> None:
    review = {"spec": {"resourceAttributes": {"verb": "create", "resource": "pods"}}}

    access = await sandbox.ask("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
    myself = await sandbox.ask("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {})

    assert access.body["status"]["allowed"] is True
    assert myself.body["status"]["userInfo"]["username"] == "sandbox"


async def test_openapi_describes_the_fields_of_custom_kinds(sandbox: Served) -> None:
    index = (await sandbox.ask("GET", "/openapi/v3")).body["paths"]
    document = (await sandbox.ask("GET", index["apis/example.dev/v1"]["serverRelativeURL"])).body

    schema = document["components"]["schemas"]["dev.example.v1.Widget"]
    assert schema["properties"]["spec"]["properties"]["choice"]["description"] == "One of two."
    path = document["paths"]["/apis/example.dev/v1/namespaces/{namespace}/widgets/{name}"]
    assert "fieldValidation" in [one["name"] for one in path["patch"]["parameters"]]


async def test_openapi_is_fetched_anew_when_kinds_change(sandbox: Served) -> None:
    before = (await sandbox.ask("GET", "/openapi/v3")).body["paths"]["api/v1"]

    await sandbox.ask("DELETE", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.dev")

    after = (await sandbox.ask("GET", "/openapi/v3")).body["paths"]
    assert after["api/v1"] != before
    assert "apis/example.dev/v1" not in after


async def _plain_discovery(sandbox: Served) -> set[tuple[str, str, str]]:
    versions = [("", version) for version in (await sandbox.ask("GET", "/api")).body["versions"]]
    groups: list[dict[str, Any]] = (await sandbox.ask("GET", "/apis")).body["groups"]
    versions += [(group["name"], one["version"]) for group in groups for one in group["versions"]]
    found = set()
    for group, version in versions:
        path = f"/apis/{group}/{version}" if group else f"/api/{version}"
        for entry in (await sandbox.ask("GET", path)).body["resources"]:
            found.add((group, version, entry["name"]))
    return found
