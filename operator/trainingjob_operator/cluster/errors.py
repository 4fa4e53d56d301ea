"""What a refusal of the API server means to the operator: gone, taken, refused for good reason, or just try again."""

from trainingjob_operator.cluster.api import ApiError
from trainingjob_operator.core.observed import Blocked

# Answers that a retry alone does not change: something in the cluster or in the job has to.
_REFUSALS = frozenset({400, 403, 404, 405, 413, 422})


def is_gone(error: ApiError) -> bool:
    """The object does not exist (any more).

    An API server that has just started does not serve custom kinds yet: that 404 names no object, and tells of none.
    """
    return error.status == 404 and "name" in error.details


def already_exists(error: ApiError) -> bool:
    """A create met an object of that name."""
    return error.status == 409 and error.reason == "AlreadyExists"


def is_conflict(error: ApiError) -> bool:
    """Somebody else was faster: an old resourceVersion, or a UID precondition that no longer holds."""
    return error.status == 409 and error.reason != "AlreadyExists"


def is_expired(error: ApiError) -> bool:
    """The watch's resourceVersion or the list's continue token is too old."""
    return error.status == 410 or error.reason in ("Expired", "Gone")


def is_overload(error: ApiError) -> bool:
    """The API server has too much to do: priority and fairness (429), or it or its etcd is late."""
    return error.status in (429, 503, 504)


def refusal(error: ApiError, what: str) -> Blocked | None:
    """Why an object cannot be created, for the job's status; None if the error is worth a plain retry."""
    if error.status not in _REFUSALS:
        return None
    if "exceeded quota" in error.message:
        reason = "QuotaExceeded"
    elif "is being terminated" in error.message:
        reason = "NamespaceTerminating"
    else:
        reason = {403: "Forbidden", 404: "NotFound", 422: "Invalid"}.get(error.status, "Refused")
    return Blocked(reason, f"{what}: {error.message}")
