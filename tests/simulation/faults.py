"""Which request goes wrong, and what the operator sees of it. Decides nothing about the operator or the world."""

from collections import Counter

import aiohttp

from simulation.schedule import RequestFault, Schedule
from trainingjob_operator.cluster.api import ApiError

REFUSALS = {
    "409": (409, "Conflict", "the object has been modified; please apply your changes to the latest version"),
    "404": (404, "NotFound", "the server could not find the requested resource"),
    "429": (429, "TooManyRequests", "the server has received too many requests"),
    "403 quota": (403, "Forbidden", "pods is forbidden: exceeded quota: team, requested: pods=1, limited: pods=0"),
    "403 terminating": (403, "Forbidden", "unable to create new content in namespace ml: it is being terminated"),
    "422": (422, "Invalid", 'admission webhook "policy.example.com" denied the request'),
    "500": (500, "InternalError", "etcdserver: leader changed"),
    "503": (503, "ServiceUnavailable", "the server is currently unable to handle the request"),
}


class RequestFaults:
    """Counts the requests and hands out their faults; each fault happens once, none after ``stop``."""

    def __init__(self, schedule: Schedule) -> None:
        self.counts: Counter[str] = Counter()
        self.injected: Counter[str] = Counter()
        self._due = {(fault.target, fault.nth): fault for fault in schedule.request_faults}

    def next(self, target: str) -> RequestFault | None:
        """The fault of the next request of a target: status, create, delete, job (a read of it), read (of the rest)."""
        self.counts[target] += 1
        if not self._due:
            return None
        fault = self._due.pop((target, self.counts[target]), None)
        if fault is not None:
            self.injected[fault.kind] += 1
        return fault

    def stop(self) -> None:
        self._due.clear()


def refusal(fault: RequestFault) -> ApiError | None:
    """The API server's answer, if the fault is that it refuses."""
    if fault.kind not in REFUSALS:
        return None
    status, reason, message = REFUSALS[fault.kind]
    return ApiError(status, reason, message, retry_after=fault.seconds if status == 429 else None)


def lost(fault: RequestFault) -> Exception:
    """What the client sees of a request whose answer never comes."""
    if fault.seconds < 1:
        return aiohttp.ServerDisconnectedError()
    return TimeoutError("no answer within 30 s")
