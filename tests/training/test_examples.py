"""Every example's script, started by its launcher as the operator starts it, trains as one gang."""

from collections.abc import Callable

import pytest

from support.pods import Volumes, example, running
from support.training import finish

pytestmark = pytest.mark.training


@pytest.mark.parametrize(
    ("name", "processes"), [("lightning-script.yaml", 2), ("fabric-script.yaml", 2), ("torchrun-script.yaml", 4)]
)
def test_the_script_trains_in_one_gang(name: str, processes: int, volumes: Callable[[], Volumes]) -> None:
    mounts = volumes()
    with running(example(name), mounts) as pods:
        run = finish(pods, mounts)
    assert run.codes == [0, 0], run.errors
    said = "\n".join(line for pod in run.lines for line in pod)
    assert all(f"rank {rank} of {processes}" in said for rank in range(processes)), said
    assert said.count("val_acc=") == 1
    assert run.val_acc > 0.9
