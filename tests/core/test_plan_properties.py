"""What holds for every plan, whatever pods are seen: the rules of docs/protocol.md as properties."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from support.builders import World, after, created, deleted, pod
from trainingjob_operator.api.status import TrainingJobStatus
from trainingjob_operator.core.attempt import digest
from trainingjob_operator.core.observed import Blocked, Exit, Pod
from trainingjob_operator.core.plan import Plan
from trainingjob_operator.core.progress import is_finished, is_suspended

SPECS = st.fixed_dictionaries(
    {"numNodes": st.integers(1, 3)},
    optional={
        "startPolicy": st.sampled_from(["MainNodeFirst", "Parallel"]),
        "suspend": st.booleans(),
        "failurePolicy": st.fixed_dictionaries({"maxRestarts": st.integers(0, 3)}),
        "run": st.sampled_from([{"trainer": {"config": {"a": 1}}}, {"command": ["train"]}, {}]),
    },
)
EXITS = st.builds(
    Exit,
    code=st.sampled_from([0, 0, 1, 2, 75, 137, 143]),
    reason=st.sampled_from(["Completed", "Error", "OOMKilled"]),
    message=st.sampled_from(["", "boom", "connection reset by peer", "x" * 3000]),
    finished_at=st.one_of(st.none(), st.integers(-100, 4000).map(after)),
)
LOOKS = st.fixed_dictionaries(
    {
        "phase": st.sampled_from(["Pending", "Running", "Running", "Succeeded", "Failed", "Unknown"]),
        "ready": st.booleans(),
        "exit": st.one_of(st.none(), EXITS),
        "ip": st.sampled_from([None, "10.0.0.1"]),
        "created_at": st.one_of(st.none(), st.integers(-10, 4000).map(after)),
        "deleting_since": st.one_of(st.none(), st.none(), st.integers(0, 4000).map(after)),
        "disruption": st.sampled_from([None, None, "Evicted"]),
        "blocked": st.sampled_from([None, Blocked("Unschedulable", "no room")]),
        "job_uid": st.sampled_from([pod(0).job_uid] * 9 + ["another life"]),
        "has_running_sidecar": st.booleans(),
    }
)
HEALTHY = st.just({})


@st.composite
def sights(draw: st.DrawFn, world: World) -> tuple[Pod, ...]:
    """Pods around the current attempt, among them whole healthy gangs; names are unique, as in a namespace."""
    current, nodes = world.status.attempt, world.raw["spec"]["numNodes"]
    looks = draw(st.sampled_from([HEALTHY, LOOKS, st.one_of(HEALTHY, LOOKS)]))
    chosen = draw(
        st.one_of(
            st.just([(current, rank) for rank in range(nodes)]),
            st.lists(st.tuples(st.integers(max(current - 2, 1), current + 1), st.integers(0, nodes)), unique=True),
        )
    )
    return tuple(pod(rank, attempt, **draw(looks)) for attempt, rank in chosen if attempt > 0)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A new job, or one with a past that a controller can have written."""
    world = World(**draw(SPECS))
    for _ in range(draw(st.integers(0, 4))):
        progress(draw, world)
    return world


def progress(draw: st.DrawFn, world: World) -> Plan:
    """One pass over random pods, some time later, perhaps after the user has edited the job."""
    world.at((world.now - after(0)).total_seconds() + draw(st.sampled_from([0, 0.5, 1, 2, 6, 30, 700])))
    world.with_pods(*draw(sights(world)))
    if draw(st.integers(0, 9)) == 0:
        world.edit(suspend=draw(st.booleans()))
    return world.step()


def before(world: World) -> TrainingJobStatus:
    found: TrainingJobStatus = world.status
    return found


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_every_pass_obeys_the_protocol(data: st.DataObject) -> None:
    world = data.draw(worlds())
    old = before(world)

    decision = data.draw(st.composite(lambda draw: progress(draw, world))())

    new = world.status
    assert_creations_are_allowed(world, decision, new)
    assert_deletions_are_condemned(world, decision, new)
    assert_memory_only_grows(old, new)
    if is_finished(old):
        assert new.model_copy(update={"observed_generation": old.observed_generation}) == old
        assert (decision.pods, decision.children) == ((), ())


def assert_creations_are_allowed(world: World, decision: Plan, new: TrainingJobStatus) -> None:
    """No pod twice, none of another attempt, none beside a live older one, none on absence from a cache."""
    names = created(decision)
    assert not set(names) & {one.name for one in world.pods}
    assert len(names) == len(set(names))
    if names:
        assert not is_finished(new)
        assert not is_suspended(new)
        assert all(name.startswith(f"digits-{new.attempt}-") for name in names)
        assert all(one.stopped for one in world.pods if one.attempt < new.attempt)
        assert all(one.job_uid == world.observed().job.uid for one in world.pods)
    if decision.children:
        assert not any(one.attempt == new.attempt for one in world.observed().own)


def assert_deletions_are_condemned(world: World, decision: Plan, new: TrainingJobStatus) -> None:
    for deletion in decision.deletions:
        one = deletion.pod
        assert one.job_uid == world.observed().job.uid
        assert not one.deleting
        assert one.attempt < new.attempt or is_finished(new) or is_suspended(new)
    assert not set(deleted(decision)) & set(created(decision))


def assert_memory_only_grows(old: TrainingJobStatus, new: TrainingJobStatus) -> None:
    assert new.attempt >= old.attempt
    assert old.restarts <= new.restarts <= old.restarts + 1
    assert len(new.attempts) <= 10
    assert TrainingJobStatus.model_validate(new.wire()).wire() == new.wire()
    assert {condition.type for condition in old.conditions} <= {condition.type for condition in new.conditions}
    if new.state == "Running":
        assert new.gang


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_cache_alone_never_justifies_a_first_creation(data: st.DataObject) -> None:
    world = data.draw(worlds())
    world.with_pods(*data.draw(sights(world)))

    decision = world.look(quorum=False)

    if decision.pods:
        assert any(one.attempt == world.status.attempt for one in world.observed().own)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_same_sight_twice_changes_nothing_the_second_time(data: st.DataObject) -> None:
    world = data.draw(worlds())
    world.with_pods(*data.draw(sights(world)))
    for _ in range(3):  # a lost status, a forming and a running gang are committed one by one
        world.step()

    again = world.step()

    assert again.status is None
    assert again.events == ()


ARBITRARY = st.fixed_dictionaries(
    {},
    optional={
        "attempt": st.integers(0, 4),
        "restarts": st.integers(0, 5),
        "gang": st.sampled_from([digest({0: pod(0), 1: pod(1)}), "ffffffff"]),
        "state": st.sampled_from(["Pending", "Starting", "Running", "Restarting", "Suspended", "Succeeded", "Failed"]),
        "attempts": st.lists(
            st.fixed_dictionaries(
                {"attempt": st.integers(1, 4)},
                optional={
                    "startTime": st.just(after(0).isoformat()),
                    "endTime": st.just(after(9).isoformat()),
                    "counted": st.booleans(),
                    "reason": st.sampled_from(["Error", "Suspended"]),
                    "firstFailure": st.just({"rank": 0, "pod": "digits-1-0", "reason": "Error"}),
                },
            ),
            max_size=3,
        ),
        "conditions": st.lists(
            st.fixed_dictionaries(
                {
                    "type": st.sampled_from(["Suspended", "Restarting", "Complete", "Failed"]),
                    "status": st.sampled_from(["True", "False"]),
                    "reason": st.just("Why"),
                    "lastTransitionTime": st.just(after(0).isoformat()),
                }
            ),
            max_size=2,
        ),
    },
)


@settings(max_examples=120, deadline=None)
@given(st.data(), SPECS, ARBITRARY)
def test_even_a_status_that_somebody_has_edited_is_survived(
    data: st.DataObject, spec: dict[str, Any], status: dict[str, Any]
) -> None:
    world = World(**spec)
    world.raw["status"] = status
    world.with_pods(*data.draw(sights(world)))

    decision = world.step()

    assert not decision.needs_quorum
    assert_creations_are_allowed(world, decision, world.status)
    assert_deletions_are_condemned(world, decision, world.status)
