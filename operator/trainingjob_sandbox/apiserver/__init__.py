"""The sandbox's API server: HTTP on loopback over the store, good enough for kubectl."""

from trainingjob_sandbox.apiserver.server import Server, serve

__all__ = ["Server", "serve"]
