from collections.abc import AsyncGenerator

import pytest

from support.api_objects import Clock, new_store
from support.sandbox_server import Served, served


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def sandbox(clock: Clock) -> AsyncGenerator[Served]:
    """A served store that knows widgets; its clock stands still."""
    async with served(new_store(clock=clock)) as running:
        yield running
