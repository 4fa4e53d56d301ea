"""Names and paths: hosts files, addresses, and their translation where there is no own view."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.node_world import pod
from trainingjob_sandbox.node.addresses import pod_address
from trainingjob_sandbox.node.hosts import hosts_file, neighbour
from trainingjob_sandbox.node.translation import Translation


def named(name: str, namespace: str = "n", **spec: object) -> dict:
    made = pod("true", name=name, hostname=name, subdomain="job", **spec)
    made["metadata"] |= {"namespace": namespace, "uid": f"{namespace}/{name}"}
    return made


def test_a_hosts_file_holds_the_pod_its_aliases_and_its_neighbours() -> None:
    me = named("a", hostAliases=[{"ip": "127.5.5.5", "hostnames": ["main", "main.job"]}])
    around = [neighbour(named("b"), "127.1.1.2", "cl"), neighbour(named("c", "other"), "127.1.1.3", "cl")]
    own = neighbour(me, "127.1.1.1", "cl")

    lines = hosts_file(me, own, [own, *around]).splitlines()[3:]

    assert lines == [
        "127.1.1.1\ta.job.n.svc.cl a.job.n.svc a.job a",
        "127.5.5.5\tmain main.job",
        "127.1.1.2\tb.job.n.svc.cl b.job.n.svc b.job",
    ]


def test_a_pod_without_a_subdomain_is_found_by_nobody() -> None:
    plain = pod("true", name="a")
    plain["metadata"] |= {"namespace": "n", "uid": "u"}

    assert neighbour(plain, "127.1.1.1", "cl").names == ()


@given(st.lists(st.text(min_size=1, max_size=5), unique=True, max_size=50))
def test_every_pod_has_a_loopback_address_of_its_own(names: list[str]) -> None:
    taken: set[str] = set()
    for name in names:
        taken.add(pod_address("n", name, taken, own=True))

    assert len(taken) == len(names)
    assert all(ipaddress.ip_address(address) in ipaddress.ip_network("127.64.0.0/10") for address in taken)


def test_the_next_address_is_taken_when_one_is_taken() -> None:
    first = pod_address("n", "a", (), own=True)

    assert pod_address("n", "a", {first}, own=True) != first


def test_where_there_is_one_address_all_share_it() -> None:
    assert pod_address("n", "a", {"127.0.0.1"}, own=False) == "127.0.0.1"


TRANSLATE = Translation(
    {"/data": "/home/me/data", "/data/raw": "/raw", "/output": "/home/me/out"},
    {"a.job.n.svc.cl": "127.1.1.1", "a.job": "127.1.1.1"},
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/data", "/home/me/data"),
        ("--data=/data/x", "--data=/home/me/data/x"),
        ("/data/raw/y", "/raw/y"),
        ("cat /data/x > /output/y", "cat /home/me/data/x > /home/me/out/y"),
        ("/dataset /my/data /data.old x/data", "/dataset /my/data /data.old x/data"),
        ("tcp://a.job.n.svc.cl:29500", "tcp://127.1.1.1:29500"),
        ("a.job b.job aa.job a.job.other a.jobs", "127.1.1.1 b.job aa.job a.job.other a.jobs"),
        ("MAIN=a.job.", "MAIN=127.1.1.1."),
    ],
)
def test_whole_paths_and_names_are_translated(text: str, expected: str) -> None:
    assert TRANSLATE(text) == expected


@given(st.text())
def test_with_nothing_to_translate_any_text_stays(text: str) -> None:
    assert Translation({}, {})(text) == text
