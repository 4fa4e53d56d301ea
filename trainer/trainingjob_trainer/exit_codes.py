"""Which exit code a failure has: the words in which the trainer tells the operator what to do next.

Pure: reads only the exception. 2 is never restarted, 75 never counts as a primary cause, 143 is what a process
ended by SIGTERM is expected to have.
"""

from traceback import walk_tb

from trainingjob_trainer.errors import ConfigurationError, PreemptedError

DONE = 0
USER_ERROR = 1
CONFIGURATION = 2
LOST_PEER = 75  # EX_TEMPFAIL
PREEMPTED = 143  # 128 + SIGTERM

# Names, not classes: torch is not imported here. All three are RuntimeErrors of torch.distributed.
_NETWORK_ERRORS = frozenset({"DistBackendError", "DistNetworkError", "DistStoreError"})

_MISCONFIGURED = "MisconfigurationException"  # Lightning's, of which trying again makes nothing better

# A ValueError or TypeError that is raised in these is about the arguments they were given, not about what they do.
_STRICT = ("pytorch_lightning", "lightning_fabric", "torch.optim")

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
    return _own_code(deciding(error)) or USER_ERROR


def deciding(error: BaseException) -> BaseException:
    """The first of the error and its causes that has an exit code of its own, else the error itself."""
    return next((cause for cause in _chain(error) if _own_code(cause)), error)


def _own_code(error: BaseException) -> int | None:
    if isinstance(error, ConfigurationError) or type(error).__name__ == _MISCONFIGURED or _is_refusal(error):
        return CONFIGURATION
    if isinstance(error, PreemptedError):
        return PREEMPTED
    return LOST_PEER if is_lost_peer(error) else None


def _is_refusal(error: BaseException) -> bool:
    """Whether Lightning or an optimizer says that what the configuration gave it makes no sense."""
    if not isinstance(error, ValueError | TypeError):
        return False
    modules = [frame.f_globals.get("__name__", "") for frame, _ in walk_tb(error.__traceback__)]
    return any(f"{modules[-1]}.".startswith(f"{name}.") for name in _STRICT) if modules else False


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
