"""What a gang checks before it trains: one software on all nodes, a network interface that is there, unlike nodes."""

from datetime import timedelta
from typing import Any

import pytest

from support.builders import job
from trainingjob_operator.core.rendezvous import environment
from trainingjob_trainer.cluster import UnevenDDPStrategy, strategy_for
from trainingjob_trainer.environment import Environment, read_environment
from trainingjob_trainer.errors import ConfigurationError, PortInUseError
from trainingjob_trainer.exit_codes import CONFIGURATION, exit_code
from trainingjob_trainer.interfaces import Network, check, look
from trainingjob_trainer.versions import compare, own, verdict

SAME = "python=3.12.1 torch=2.9.0 cuda=12.8"
NETWORK = Network({"lo": "127.0.0.1", "eth0": "10.0.0.5", "ib0": None, "ib1": "10.1.0.5"}, "10.0.0.5", "10.0.0.5")


class Values(dict[str, str]):
    """A store in which everything has been set already."""

    def set(self, key: str, value: str) -> None:
        self[key] = value

    def get(self, key: str) -> bytes:  # type: ignore[override]
        return self[key].encode()

    def wait(self, keys: list[str], timeout: timedelta) -> None:
        if not set(keys) <= set(self):
            raise TimeoutError


def place(rank: int, **fields: Any) -> Environment:
    """A process's place in a gang, from the operator's own environment for that node."""
    return read_environment(environment(job(**fields), 1, rank, "cluster.local"))


def test_ranks_with_the_same_software_go_on() -> None:
    assert verdict([SAME] * 8) == "same"
    compare(Values(), place(0, numNodes=1), own())


def test_a_rank_with_another_torch_is_shown_in_a_table_of_what_differs() -> None:
    other = SAME.replace("2.9.0", "2.8.1")

    told = verdict([SAME, SAME, other, SAME])

    assert told.splitlines()[1:] == ["rank  torch", "0     2.9.0", "2     2.8.1", "3     2.9.0"]
    assert "use one image for all nodes" in told


def test_a_version_that_only_some_ranks_have_differs() -> None:
    assert "3.12.1" not in verdict([SAME, SAME.replace("cuda=12.8", "cuda=-")])


def test_every_rank_fails_for_unlike_versions_and_is_not_restarted() -> None:
    store = Values({"trainingjob/versions/1": "torch=2.8.1"})
    errors = []
    for rank in (0, 1):
        with pytest.raises(ConfigurationError) as error:
            compare(store, place(rank), {"torch": "2.9.0"} if rank == 0 else {"torch": "2.8.1"})
        errors.append(error.value)
    assert str(errors[0]) == str(errors[1])
    assert exit_code(errors[0]) == CONFIGURATION


def test_the_interface_to_rank_0_is_said() -> None:
    assert check(NETWORK, "gloo", {}) == ("network: 10.0.0.5 on eth0", None)


def test_the_interface_that_was_asked_for_is_said() -> None:
    line, doubt = check(NETWORK, "gloo", {"GLOO_SOCKET_IFNAME": "eth0"})

    assert (line, doubt) == ("network: 10.0.0.5 on eth0, by GLOO_SOCKET_IFNAME=eth0", None)


def test_an_interface_that_is_not_there_is_an_error_that_lists_those_that_are() -> None:
    with pytest.raises(ConfigurationError, match=r"'eno1', but this node has 127.0.0.1 on lo, 10.0.0.5 on eth0"):
        check(NETWORK, "gloo", {"GLOO_SOCKET_IFNAME": "eno1"})


@pytest.mark.parametrize(
    ("asked", "used"), [("ib", "ib0, 10.1.0.5 on ib1"), ("=ib1", "10.1.0.5 on ib1"), ("^lo,ib", "10.0.0.5 on eth0")]
)
def test_nccl_has_its_own_way_to_name_interfaces(asked: str, used: str) -> None:
    assert used in check(NETWORK, "nccl", {"NCCL_SOCKET_IFNAME": asked})[0]


def test_an_interface_from_which_rank_0_is_not_reached_is_doubted() -> None:
    doubt = check(NETWORK, "gloo", {"GLOO_SOCKET_IFNAME": "ib1"})[1]

    assert doubt == "rank 0 is reached over 10.0.0.5 on eth0, which is none of ib1"


def test_a_host_name_that_means_the_loopback_is_doubted() -> None:
    network = Network(NETWORK.interfaces, "10.0.0.5", "127.0.1.1")

    line, doubt = check(network, "gloo", {})

    assert line == "network: 10.0.0.5 on eth0"
    assert doubt is not None
    assert "set GLOO_SOCKET_IFNAME=eth0 in spec.env" in doubt
    assert check(network, "nccl", {})[1] is None


def test_this_machine_has_a_loopback() -> None:
    network = look("127.0.0.1", 29500)

    assert "127.0.0.1" in network.interfaces.values()
    assert network.route == "127.0.0.1"
    assert look("no-such-name.invalid", 29500).route is None


def test_a_port_that_is_taken_names_the_field() -> None:
    assert "port 29500 (spec.masterPort) is already in use" in str(PortInUseError(29500))


def test_unlike_nodes_form_one_gang_without_gaps() -> None:
    fields = {"numNodes": 3, "processesPerNode": 1, "nodeOverrides": [{"ranks": "0", "processesPerNode": 2}]}

    ranks = []
    for node in range(3):
        place_of_node = place(node, **fields)
        assert place_of_node.world_size == 4
        ranks += [place_of_node.rank + local for local in range(place_of_node.devices)]

    assert ranks == [0, 1, 2, 3]
    assert isinstance(strategy_for(place(0, **fields), "ddp"), UnevenDDPStrategy)
    assert strategy_for(place(0), "ddp") == "ddp"
    assert strategy_for(place(0, **fields), "fsdp") == "fsdp"
