"""An in-memory store with a Kubernetes API server's semantics. No I/O, no event loop, no clock of its own."""

from trainingjob_sandbox.store.deletion import DeleteOptions
from trainingjob_sandbox.store.options import WriteOptions
from trainingjob_sandbox.store.record import Record
from trainingjob_sandbox.store.store import Store
from trainingjob_sandbox.store.watching import Watch

__all__ = ["DeleteOptions", "Record", "Store", "Watch", "WriteOptions"]
