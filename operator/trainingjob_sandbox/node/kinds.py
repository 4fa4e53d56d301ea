"""The kinds of objects that only the node talks about. Decides nothing."""

from dataclasses import dataclass

from trainingjob_operator.api.resources import PODS, Resource

SECRETS = Resource("", "v1", "secrets", "Secret")


@dataclass(frozen=True, slots=True)
class PodBinding(Resource):
    """The binding of one pod: a collection of its own below the pod, into which one Binding is posted."""

    pod: str = ""

    def path(self, namespace: str | None = None, name: str = "", subresource: str = "") -> str:
        """The URL path of the pod's binding; it has no objects and no subresources."""
        return PODS.path(namespace, self.pod, "binding")


def binding_of(pod: str) -> PodBinding:
    """Where the Binding of a pod is posted."""
    return PodBinding("", "v1", "bindings", "Binding", pod=pod)
