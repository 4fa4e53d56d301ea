from pathlib import Path

import pytest

from support.node_world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A store on which nodes can be run."""
    return World(tmp_path)
