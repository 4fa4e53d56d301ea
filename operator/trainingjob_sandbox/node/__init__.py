"""The sandbox's node: pods as local process groups.

Imports nothing, so that the launcher, which starts each container and must be quick, can live in this package too.
The way in is :class:`trainingjob_sandbox.node.node.Node`.
"""
