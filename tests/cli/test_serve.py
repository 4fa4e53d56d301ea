"""`trainingjob sandbox`: what it says when it cannot begin."""

import socket
from pathlib import Path

from click.testing import CliRunner

from trainingjob_cli.commands import main


def test_a_port_that_is_taken_is_told_with_the_remedy(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = CliRunner().invoke(main, ["sandbox", "--home", str(tmp_path), "--port", str(port)])

    assert done.exit_code == 1
    assert done.output == f"Error: port {port}: address already in use; give another --port, or none for a free one\n"
