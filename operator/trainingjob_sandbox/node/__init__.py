"""The sandbox's node: pods as local process groups.

Imports nothing by itself: the launcher, which every container's start waits for, lives in this package too.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainingjob_sandbox.node.node import Node as Node

__all__ = ["Node"]


def __getattr__(name: str) -> Any:
    if name != "Node":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from trainingjob_sandbox.node import node

    return node.Node
