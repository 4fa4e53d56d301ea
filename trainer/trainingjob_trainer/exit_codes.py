"""Which exit code a failure has: the words in which the trainer tells the operator what to do next.

Pure: reads only the exception. 2 is never restarted, 75 never counts as a primary cause, 143 is what a process
ended by SIGTERM is expected to have.
"""

from trainingjob_trainer.errors import ConfigurationError, PreemptedError

DONE = 0
USER_ERROR = 1
CONFIGURATION = 2
LOST_PEER = 75  # EX_TEMPFAIL
PREEMPTED = 143  # 128 + SIGTERM

# Names, not classes: torch is not imported here. All three are RuntimeErrors of torch.distributed.
_NETWORK_ERRORS = frozenset({"DistBackendError", "DistNetworkError", "DistStoreError"})

_MISCONFIGURED = "MisconfigurationException"  # Lightning's, of which trying again makes nothing better

# What gloo and NCCL say when the other end is gone. Gloo raises plain RuntimeErrors that name its own source file.
_NETWORK_WORDS = (
    "gloo/transport",
    "connection closed by peer",
    "connection reset by peer",
    "connection refused",
    "broken pipe",
    "remote process exited",
    "socket timeout",
    "nccl error",
    "ncclremoteerror",
    "application timeout caused pair closure",
)


def exit_code(error: BaseException) -> int:
    """The exit code for an error that ended the run."""
    for cause in _chain(error):
        if isinstance(cause, ConfigurationError) or type(cause).__name__ == _MISCONFIGURED:
            return CONFIGURATION
        if isinstance(cause, PreemptedError):
            return PREEMPTED
        if is_lost_peer(cause):
            return LOST_PEER
    return USER_ERROR


def is_lost_peer(error: BaseException) -> bool:
    """Whether the error only says that another process of the gang is gone."""
    text = str(error).lower()
    if "address already in use" in text:
        return False
    if type(error).__name__ in _NETWORK_ERRORS:
        return True
    return isinstance(error, RuntimeError) and any(word in text for word in _NETWORK_WORDS)


def _chain(error: BaseException) -> list[BaseException]:
    """The error, then what it was raised from: Lightning wraps some errors in its own."""
    chain = [error]
    while (cause := chain[-1].__cause__) is not None and cause not in chain:
        chain.append(cause)
    return chain
