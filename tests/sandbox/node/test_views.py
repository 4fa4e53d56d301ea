"""What a container sees: volumes at their paths, names of pods, both isolated and translated."""

import base64
from pathlib import Path

import pytest

from support.node_world import World, claim, claimed, eventually, is_running, pod, shell, state, terminated
from support.ports import free_port
from trainingjob_operator.api.resources import CLAIMS, CONFIGMAPS
from trainingjob_sandbox.node.kinds import SECRETS

BOTH = pytest.mark.parametrize("isolate", [True, False], ids=["isolated", "translated"])


@BOTH
async def test_a_claim_is_a_folder_that_stays(world: World, isolate: bool) -> None:
    async with world.node(isolate=isolate):
        await world.apply(claim("results"), CLAIMS)
        await world.run("sh", "-c", "echo done > /output/result", **claimed("results", "/output", subPath="job"))

    assert (world.folder / "claims/default/results/job/result").read_text() == "done\n"


@BOTH
async def test_an_option_puts_a_claim_anywhere(world: World, isolate: bool) -> None:
    folder = world.folder / "elsewhere"
    folder.mkdir()
    (folder / "x").write_text("found")
    async with world.node(isolate=isolate, claims={"dataset": folder}):
        ended = await world.run("cat", "/data/x", **claimed("dataset", "/data"))

        assert world.logs(ended) == "found"


async def test_an_unknown_claim_keeps_the_pod_waiting_until_it_is_applied(world: World) -> None:
    async with world.node():
        await world.apply(pod("true", **claimed("missing", "/data")))
        waiting = await world.until("p", lambda found: found["status"].get("containerStatuses"))

        assert waiting["status"]["phase"] == "Pending"
        assert state(waiting)["waiting"]["reason"] == "CreateContainerConfigError"
        assert 'apply a PersistentVolumeClaim "missing", or start with --claim missing=DIR' in str(state(waiting))
        await world.apply(claim("missing"), CLAIMS)
        await world.until("p", lambda found: found["status"]["phase"] == "Succeeded")


async def test_an_applied_claim_is_bound(world: World) -> None:
    async with world.node():
        await world.apply(claim("results"), CLAIMS)

        async def bound() -> bool:
            found = await world.api.get(CLAIMS, "default", "results")
            return found["status"].get("phase") == "Bound" and found["status"]["capacity"] == {"storage": "1Gi"}

        await eventually(bound)


async def test_what_is_mounted_read_only_cannot_be_written(world: World) -> None:
    async with world.node(isolate=True):
        await world.apply(claim("dataset"), CLAIMS)
        ended = await world.run("sh", "-c", "echo x > /data/x", **claimed("dataset", "/data", readOnly=True))

        assert "Read-only file system" in world.logs(ended)


@BOTH
async def test_files_of_a_config_map_lie_in_the_working_folder(world: World, isolate: bool) -> None:
    files = {"train.py": "import helper\nprint(helper.WORD)", "helper.py": "WORD = 'helped'"}
    await world.apply({"metadata": {"name": "files"}, "data": files}, CONFIGMAPS)
    mounts = [{"name": "w", "mountPath": "/workspace"}]
    mounts += [{"name": "f", "mountPath": f"/workspace/{name}", "subPath": name, "readOnly": True} for name in files]
    volumes = [{"name": "w", "emptyDir": {}}, {"name": "f", "configMap": {"name": "files"}}]
    async with world.node(isolate=isolate):
        container = {"volumeMounts": mounts, "workingDir": "/workspace"}
        ended = await world.run("python", "train.py", volumes=volumes, container=container)

        assert world.logs(ended) == "helped\n"


@BOTH
async def test_secrets_and_facts_of_the_pod_become_files(world: World, isolate: bool) -> None:
    secret = {"metadata": {"name": "s"}, "data": {"token": base64.b64encode(b"hush").decode()}}
    await world.apply(secret, SECRETS)
    own = {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}
    sources = [{"secret": {"name": "s"}}, {"downwardAPI": own}]
    body = shell("cat /etc/pod/token /etc/pod/labels", volumes=[{"name": "v", "projected": {"sources": sources}}])
    body["spec"]["containers"][0]["volumeMounts"] = [{"name": "v", "mountPath": "/etc/pod"}]
    body["metadata"]["labels"] = {"a": "b"}
    async with world.node(isolate=isolate):
        await world.apply(body)
        ended = await world.until("p", lambda found: found["status"].get("phase") == "Succeeded")

        assert world.logs(ended) == 'husha="b"'


async def test_shared_memory_is_limited(world: World) -> None:
    volumes = [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}]
    container = {"volumeMounts": [{"name": "shm", "mountPath": "/dev/shm"}]}
    async with world.node(isolate=True):
        script = "head -c 3000000 /dev/zero > /dev/shm/x; wc -c < /dev/shm/x"
        ended = await world.run("sh", "-c", script, volumes=volumes, container=container)

        assert world.logs(ended).splitlines()[-1] == str(1 << 20)


async def test_a_missing_config_map_is_named_with_its_remedy(world: World) -> None:
    async with world.node():
        source = {"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "absent", "key": "k"}}}]}
        await world.apply(pod("true", container=source))
        waiting = await world.until("p", lambda found: found["status"].get("containerStatuses"))

        assert 'configmap "absent" not found; create it' in state(waiting)["waiting"]["message"]


CONNECT = """
import os, socket, time
while True:
    try:
        print(socket.create_connection((os.environ["MAIN"], int(os.environ["PORT"]))).recv(9).decode())
        break
    except ConnectionRefusedError:
        time.sleep(0.02)
"""
SERVE = """
import os, socket
server = socket.create_server((os.environ["MAIN"], int(os.environ["PORT"])))
server.accept()[0].send(b"welcome")
"""


@BOTH
@pytest.mark.parametrize("first", ["server", "client"])
async def test_pods_find_each_other_by_name(world: World, isolate: bool, first: str) -> None:
    # A port of this test alone: a pod of the same name has the same address in every sandbox of this machine.
    port = {"name": "PORT", "value": str(free_port())}
    env = {"env": [{"name": "MAIN", "value": "server.job.default.svc.cluster.local"}, port]}
    named = {
        "server": pod("python", "-c", SERVE, name="server", hostname="server", subdomain="job", container=env),
        "client": pod("python", "-c", CONNECT, name="client", hostname="client", subdomain="job", container=env),
    }
    async with world.node(isolate=isolate):
        for name in sorted(named, key=lambda name: name != first):
            await world.apply(named[name])
        ended = await world.until("client", lambda found: found["status"].get("phase") in ("Succeeded", "Failed"))

        assert world.logs(ended) == "welcome\n"


async def test_a_pod_that_comes_later_appears_in_the_hosts_of_a_running_one(world: World) -> None:
    script = "until grep -q late.job /etc/hosts; do sleep 0.02; done; hostname; grep -c early.job /etc/hosts"
    async with world.node(isolate=True):
        await world.apply(shell(script, name="early", hostname="early", subdomain="job"))
        await world.until("early", is_running)
        await world.apply(pod("sleep", "60", name="late", hostname="late", subdomain="job"))
        ended = await world.until("early", lambda found: found["status"]["phase"] == "Succeeded")

        assert world.logs(ended) == "early\n1\n"


async def test_host_aliases_are_names_too(world: World) -> None:
    async with world.node(isolate=True):
        aliases = [{"ip": "127.9.9.9", "hostnames": ["main.elsewhere"]}]
        ended = await world.run("getent", "hosts", "main.elsewhere", hostAliases=aliases)

        assert world.logs(ended).split() == ["127.9.9.9", "main.elsewhere"]


async def test_a_mount_path_that_the_machine_lacks_leaves_no_trace_on_it(world: World) -> None:
    async with world.node(isolate=True):
        await world.apply(claim("c"), CLAIMS)
        ended = await world.run("sh", "-c", "touch /etc/deep/er/x && ls /etc/hosts", **claimed("c", "/etc/deep/er"))

        assert terminated(ended)["exitCode"] == 0
        assert (world.folder / "claims/default/c/x").exists()
    assert not Path("/etc/deep").exists()  # noqa: ASYNC240
