"""Who may start, and what those that may not are told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.node_world import World, is_running, pod, shell
from trainingjob_operator.api.resources import PODS
from trainingjob_sandbox.node.gpus import offered
from trainingjob_sandbox.node.placement import Bind, Offer, Refuse, Tenant, amounts, place, visible_devices

OFFER = Offer({"zone": "here"}, "nvidia.com/gpu", ("0", "1", "2", "3"))


def asking(
    name: str, gpus: int = 0, *, port: int | None = None, age: str = "2026-01-01T00:00:00Z", **spec: object
) -> dict:
    container: dict = {"resources": {"limits": {"nvidia.com/gpu": str(gpus), "cpu": "900"}}}
    if port:
        container["ports"] = [{"containerPort": port}]
    made = pod("true", name=name, container=container, **spec)
    made["metadata"] |= {"namespace": "n", "uid": name, "creationTimestamp": age}
    return made


def refusal(*waiting: dict, tenants: tuple[Tenant, ...] = ()) -> str:
    decision = place(waiting, tenants, OFFER)[-1]
    assert isinstance(decision, Refuse)
    return decision.message


def test_gpus_are_granted_one_by_one() -> None:
    decisions = place([asking("a", 3), asking("b", 1)], [], OFFER)

    assert [d.gpus for d in decisions if isinstance(d, Bind)] == [("0", "1", "2"), ("3",)]


def test_a_pod_that_waits_for_gpus_is_told_who_has_them() -> None:
    message = refusal(asking("b", 2), tenants=(Tenant(asking("a", 3), ("0", "1", "2")),))

    assert "needs 2 nvidia.com/gpu, 1 of 4 are free" in message
    assert "(a)" in message


def test_a_younger_pod_does_not_overtake_one_that_waits_for_gpus() -> None:
    tenants = (Tenant(asking("a", 3), ("0", "1", "2")),)
    decisions = place([asking("young", 1, age="2026-01-01T00:00:02Z"), asking("old", 2)], tenants, OFFER)

    assert [type(d) for d in decisions] == [Refuse, Refuse]
    assert "pod old waits for them already" in decisions[1].message  # type: ignore[union-attr]


def test_a_pod_that_can_never_fit_holds_up_nobody() -> None:
    impossible, possible = place([asking("big", 5), asking("small", 4)], [], OFFER)

    assert isinstance(impossible, Refuse)
    assert "needs 5 nvidia.com/gpu, this node has 4; ask for at most 4" in impossible.message
    assert isinstance(possible, Bind)


def test_a_taken_port_is_named_with_its_holder() -> None:
    message = refusal(asking("b", port=29500), tenants=(Tenant(asking("a", port=29500)),))

    assert "port 29500 is taken by pod n/a" in message
    assert "masterPort" in message


def test_a_node_selector_must_match() -> None:
    assert isinstance(place([asking("a", nodeSelector={"zone": "here"})], [], OFFER)[0], Bind)
    assert "zone=there does not match" in refusal(asking("a", nodeSelector={"zone": "there"}))


def test_an_unreadable_amount_is_told_and_holds_up_nobody() -> None:
    strange = asking("a")
    strange["spec"]["containers"][0]["resources"] = {"limits": {"nvidia.com/gpu": "many"}}
    refused, bound = place([strange, asking("b")], [], OFFER)

    assert isinstance(refused, Refuse)
    assert "'many' is not a quantity" in refused.message
    assert isinstance(bound, Bind)


def test_init_containers_count_only_where_they_need_more() -> None:
    made = asking("a", 2)
    made["spec"]["initContainers"] = [{"name": "i", "resources": {"requests": {"nvidia.com/gpu": 3}}}]

    assert amounts(made) == {"nvidia.com/gpu": 3}


def test_a_container_sees_its_own_gpus_and_one_without_sees_none() -> None:
    made = asking("a", 2)
    made["spec"]["containers"].append({"name": "side"})

    found = visible_devices(made, ("2", "3"), OFFER)

    assert found == {"main": {"CUDA_VISIBLE_DEVICES": "2,3"}, "side": {"CUDA_VISIBLE_DEVICES": ""}}


def test_on_a_node_without_gpus_the_variable_is_left_alone() -> None:
    assert visible_devices(asking("a"), (), Offer({}, "nvidia.com/gpu", ())) == {}


@given(st.lists(st.integers(0, 5), max_size=12))
def test_no_gpu_is_granted_twice(wanted: list[int]) -> None:
    decisions = place([asking(f"p{n}", gpus) for n, gpus in enumerate(wanted)], [], OFFER)

    granted = [gpu for decision in decisions if isinstance(decision, Bind) for gpu in decision.gpus]
    assert len(granted) == len(set(granted))
    assert len(decisions) == len(wanted)


@pytest.mark.parametrize(
    ("count", "environ", "expected"),
    [
        (None, {}, ("0", "1", "10")),
        (2, {}, ("0", "1")),
        (5, {}, ("0", "1", "10", "3", "4")),
        (None, {"CUDA_VISIBLE_DEVICES": "1, 3"}, ("1", "3")),
        (None, {"CUDA_VISIBLE_DEVICES": ""}, ()),
        (0, {}, ()),
    ],
)
def test_what_the_node_offers(count: int | None, environ: dict[str, str], expected: tuple[str, ...]) -> None:
    assert offered(count, environ, ["nvidia1", "nvidia0", "nvidiactl", "nvidia10"]) == expected


async def test_a_pod_starts_when_the_gpus_it_waits_for_are_freed(world: World) -> None:
    two = {"resources": {"limits": {"nvidia.com/gpu": "2"}}}
    async with world.node(gpus=2):
        await world.apply(shell("sleep 60", name="first", container=two))
        await world.until("first", is_running)
        await world.apply(shell("echo $CUDA_VISIBLE_DEVICES", name="second", container=two))
        waiting = await world.until("second", lambda found: found["status"].get("conditions"))
        assert waiting["status"]["conditions"][0]["reason"] == "Unschedulable"
        await world.api.delete(PODS, "default", "first", grace_seconds=0)
        ended = await world.until("second", lambda found: found["status"]["phase"] == "Succeeded")

        assert world.logs(ended) == "0,1\n"
