"""A pod's life on the node: real processes, a store in place of the API server."""

import os
import sys
from pathlib import Path

import pytest

from support.node_world import World, eventually, is_running, pod, shell, state, terminated
from trainingjob_operator.api.resources import PODS

# As in any container: two dollars are one.
FOREVER = "echo up; while :; do sleep 0.05; done"


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def ends(pid: int) -> None:
    async def gone() -> bool:
        return not is_alive(pid)

    await eventually(gone)


async def written(world: World, found: dict, lines: int = 1) -> list[str]:
    """The first lines of a pod's log, as soon as they are there."""

    async def enough() -> bool:
        return world.logs(found).count("\n") >= lines

    await eventually(enough)
    return world.logs(found).splitlines()


async def test_a_pod_that_succeeds_says_so(world: World) -> None:
    async with world.node():
        ended = await world.run("sh", "-c", "echo hello")

        assert ended["status"]["phase"] == "Succeeded"
        assert terminated(ended)["reason"] == "Completed"
        assert world.logs(ended) == "hello\n"


async def test_python_is_the_nodes_own(world: World) -> None:
    async with world.node():
        ended = await world.run("python", "-c", "import sys; print(sys.executable)")

        assert world.logs(ended).strip() == sys.executable


@pytest.mark.parametrize(("script", "code"), [("exit 7", 7), ("kill -9 $$$$", 137), ("kill -15 $$$$", 143)])
async def test_a_failed_pod_has_the_exit_code_of_its_process(world: World, script: str, code: int) -> None:
    async with world.node():
        ended = await world.run("sh", "-c", script)

        assert ended["status"]["phase"] == "Failed"
        assert (terminated(ended)["exitCode"], terminated(ended)["reason"]) == (code, "Error")


async def test_a_program_that_does_not_exist_is_a_start_error(world: World) -> None:
    async with world.node():
        ended = await world.run("no-such-program")

        assert (terminated(ended)["reason"], terminated(ended)["exitCode"]) == ("StartError", 128)
        assert "no-such-program" in terminated(ended)["message"]


async def test_the_last_lines_of_a_failed_container_are_its_message(world: World) -> None:
    async with world.node():
        policy = {"terminationMessagePolicy": "FallbackToLogsOnError"}
        ended = await world.run("sh", "-c", "seq 1 100; exit 1", container=policy)

        assert terminated(ended)["message"].splitlines() == [str(n) for n in range(21, 101)]


@pytest.mark.parametrize("isolate", [None, False])
async def test_what_a_container_writes_as_its_termination_message_is_told(world: World, isolate: bool | None) -> None:
    async with world.node(isolate=isolate):
        ended = await world.run("sh", "-c", "echo log; printf because > /dev/termination-log; exit 1")

        assert terminated(ended)["message"] == "because"


async def test_a_deleted_pod_gets_sigterm_and_leaves(world: World) -> None:
    async with world.node():
        made = await world.apply(shell(f"trap 'echo bye; exit 3' TERM; {FOREVER}"))
        await world.until("p", is_running)
        await written(world, made)
        await world.api.delete(PODS, "default", "p")
        last = await world.until("p", lambda found: "terminated" in state(found))

        assert terminated(last)["exitCode"] == 3
        await world.until_gone("p")


async def test_a_deleted_pod_that_ignores_sigterm_is_killed_after_its_grace_period(world: World) -> None:
    async with world.node():
        made = await world.apply(shell(f"trap '' TERM; echo $$$$; {FOREVER}"))
        await world.until("p", is_running)
        pid = int((await written(world, made))[0])
        await world.api.delete(PODS, "default", "p", grace_seconds=1)
        last = await world.until("p", lambda found: "terminated" in state(found))

        assert terminated(last)["exitCode"] == 137
        await world.until_gone("p")
        assert not is_alive(pid)


async def test_a_shorter_grace_period_takes_the_place_of_a_longer_one(world: World) -> None:
    async with world.node():
        made = await world.apply(shell(f"trap '' TERM; {FOREVER}"))
        await world.until("p", is_running)
        await written(world, made)
        await world.api.delete(PODS, "default", "p", grace_seconds=3600)
        await world.api.delete(PODS, "default", "p", grace_seconds=1)

        await world.until_gone("p")


async def test_a_pod_object_that_vanishes_takes_its_processes_with_it(world: World) -> None:
    async with world.node():
        made = await world.apply(shell(f"trap '' TERM; echo $$$$; {FOREVER}"))
        await world.until("p", is_running)
        pid = int((await written(world, made))[0])
        await world.api.delete(PODS, "default", "p", grace_seconds=0)

        await ends(pid)


async def test_a_process_that_made_itself_a_daemon_ends_with_its_container(world: World) -> None:
    async with world.node():
        daemon = (
            "import os, time; os.fork() and os._exit(0); os.setsid(); print(os.getpid(), flush=True); time.sleep(99)"
        )
        made = await world.apply(shell(f"python -c '{daemon}'; sleep 99"))
        await world.until("p", is_running)
        pid = int((await written(world, made))[0])
        assert is_alive(pid)
        await world.api.delete(PODS, "default", "p", grace_seconds=0)

        await ends(pid)


async def test_a_namesake_is_another_pod(world: World) -> None:
    async with world.node():
        await world.apply(shell(FOREVER))
        await world.until("p", is_running)
        await world.api.delete(PODS, "default", "p", grace_seconds=0)
        ended = await world.run("sh", "-c", "exit 0")

        assert ended["status"]["phase"] == "Succeeded"


async def test_a_pod_past_its_deadline_is_ended(world: World) -> None:
    async with world.node():
        ended = await world.run("sh", "-c", FOREVER, activeDeadlineSeconds=1, terminationGracePeriodSeconds=1)

        assert (ended["status"]["phase"], ended["status"]["reason"]) == ("Failed", "DeadlineExceeded")
        assert terminated(ended)["exitCode"] == 143


async def test_a_container_is_started_again_as_its_policy_says(world: World) -> None:
    async with world.node():
        once = "test -e $HOME/seen && exit 0; touch $HOME/seen; exit 4"
        home = {"env": [{"name": "HOME", "value": str(world.folder)}]}
        ended = await world.run("sh", "-c", once, restartPolicy="OnFailure", container=home)
        status = ended["status"]["containerStatuses"][0]

        assert ended["status"]["phase"] == "Succeeded"
        assert (status["restartCount"], status["lastState"]["terminated"]["exitCode"]) == (1, 4)


async def test_init_containers_run_one_after_the_other_before_the_main_one(world: World) -> None:
    steps = [{"name": f"init{n}", "image": "none", "command": ["sh", "-c", f"echo {n} >> /w/steps"]} for n in (1, 2)]
    for step in steps:
        step["volumeMounts"] = [{"name": "w", "mountPath": "/w"}]
    main = {"volumeMounts": [{"name": "w", "mountPath": "/w"}]}
    async with world.node():
        volumes = [{"name": "w", "emptyDir": {}}]
        ended = await world.run("cat", "/w/steps", initContainers=steps, volumes=volumes, container=main)

        assert world.logs(ended) == "1\n2\n"


async def test_a_failed_init_container_fails_the_pod(world: World) -> None:
    async with world.node():
        init = [{"name": "init", "image": "none", "command": ["false"]}]
        ended = await world.run("true", initContainers=init)

        assert ended["status"]["phase"] == "Failed"
        assert state(ended) == {"waiting": {"reason": "PodInitializing"}}


async def test_a_pod_fails_if_one_of_its_containers_does(world: World) -> None:
    async with world.node():
        two = pod("true")
        two["spec"]["containers"].append({"name": "other", "image": "none", "command": ["false"]})
        await world.apply(two)
        ended = await world.until("p", lambda found: found["status"].get("phase") == "Failed")

        assert [c["state"]["terminated"]["exitCode"] for c in ended["status"]["containerStatuses"]] == [0, 1]


async def test_a_container_without_a_command_says_what_to_do(world: World) -> None:
    async with world.node():
        await world.apply(pod())
        waiting = await world.until("p", lambda found: found["status"].get("containerStatuses"))

        assert state(waiting)["waiting"]["reason"] == "CreateContainerConfigError"
        assert "set command" in state(waiting)["waiting"]["message"]


@pytest.mark.parametrize(
    "probe",
    [
        {"tcpSocket": {"port": 18765}},
        {"httpGet": {"port": "web", "path": "/"}},
        {"exec": {"command": ["test", "-e", "/w/ready"]}},
    ],
    ids=lambda probe: next(iter(probe)),
)
async def test_a_container_is_ready_when_its_probe_says_so(world: World, probe: dict) -> None:
    serve = 'import http.server as h; open("/w/ready", "w"); '
    serve += 'h.HTTPServer(("", 18765), h.SimpleHTTPRequestHandler).serve_forever()'
    container = {
        "readinessProbe": {**probe, "periodSeconds": 1},
        "ports": [{"name": "web", "containerPort": 18765}],
        "volumeMounts": [{"name": "w", "mountPath": "/w"}],
    }
    async with world.node():
        await world.apply(pod("python", "-c", serve, container=container, volumes=[{"name": "w", "emptyDir": {}}]))
        ready = await world.until("p", lambda found: any(c.get("ready") for c in _statuses(found)))

        conditions = {c["type"]: c["status"] for c in ready["status"]["conditions"]}
        assert conditions["Ready"] == conditions["ContainersReady"] == "True"


def _statuses(found: dict) -> list[dict]:
    statuses: list[dict] = found["status"].get("containerStatuses") or []
    return statuses


async def test_every_status_of_a_plain_pod_takes_two_writes(world: World) -> None:
    async with world.node():
        made = await world.apply(shell("sleep 0.2"))
        stream = world.api.watch(PODS, "default", resource_version=made["metadata"]["resourceVersion"])
        phases = []
        async for event in stream:
            phases.append((event.object.get("status") or {}).get("phase"))
            if phases[-1] == "Succeeded":
                break
        await stream.aclose()

        # bound, running, ended
        assert phases == ["Pending", "Running", "Succeeded"]


async def test_nothing_is_left_when_the_node_ends(world: World) -> None:
    async with world.node():
        made = await world.apply(shell(f"trap '' TERM; echo $$$$; {FOREVER}"))
        await world.until("p", is_running)
        pid = int((await written(world, made))[0])

    assert not is_alive(pid)


async def test_pods_of_a_node_that_was_started_again_have_failed(world: World) -> None:
    async with world.node():
        await world.apply(shell(FOREVER))
        await world.until("p", is_running)
    async with world.node():
        lost = await world.until("p", lambda found: found["status"]["phase"] == "Failed")

        assert lost["status"]["reason"] == "NodeRestarted"
        await world.api.delete(PODS, "default", "p")
        await world.until_gone("p")


async def test_the_folder_of_a_deleted_pod_is_removed(world: World) -> None:
    async with world.node():
        ended = await world.run("true")
        folder = world.folder / "state" / "pods" / ended["metadata"]["uid"]
        assert folder.exists()
        await world.api.delete(PODS, "default", "p")

        async def removed() -> bool:
            return not folder.exists()

        await eventually(removed)


async def test_of_the_nodes_own_environment_only_little_is_handed_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "17")
    async with world.node():
        ended = await world.run("env")

        variables = dict(line.split("=", 1) for line in world.logs(ended).splitlines())
        assert "WORLD_SIZE" not in variables
        assert variables["HOSTNAME"] == "p"
        assert variables["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)
