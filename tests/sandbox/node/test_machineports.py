"""Ports of the machine: promised once, among all sandboxes and all other programs."""

import socket
from pathlib import Path

from support.ports import free_port
from trainingjob_sandbox.node.machineports import MachinePorts


def test_two_sandboxes_take_turns(tmp_path: Path) -> None:
    one, other, port = MachinePorts(tmp_path), MachinePorts(tmp_path), free_port()
    assert one.take("a", [("TCP", port)]) is None

    assert other.take("b", [("TCP", port)]) == port
    one.give_back("a")

    assert other.take("b", [("TCP", port)]) is None


def test_a_port_on_which_another_program_listens_is_not_promised(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        assert MachinePorts(tmp_path).take("a", [("TCP", port)]) == port


def test_a_pod_gets_all_its_ports_or_none(tmp_path: Path) -> None:
    ports, first, second = MachinePorts(tmp_path), free_port(), free_port()
    holder = MachinePorts(tmp_path)
    assert holder.take("holder", [("TCP", max(first, second))]) is None

    assert ports.take("a", [("TCP", first), ("TCP", second)]) == max(first, second)
    assert MachinePorts(tmp_path).take("b", [("TCP", min(first, second))]) is None


def test_a_pod_that_is_placed_again_keeps_its_promise(tmp_path: Path) -> None:
    ports, port = MachinePorts(tmp_path), free_port()

    assert [ports.take("a", [("TCP", port)]) for _ in range(2)] == [None, None]
