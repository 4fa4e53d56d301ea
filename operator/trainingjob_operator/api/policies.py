"""What the operator does when something happens to a gang: start, failure and deadlines.

Only fields and their meaning; the decisions are in core/start.py, core/failure.py and core/deadlines.py.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from trainingjob_operator.api.model import Model, rule, rules

CamelCase = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9]*$", max_length=64)]
ExitCode = Annotated[int, Field(ge=1, le=255)]


class StartPolicy(StrEnum):
    """In which order the pods of an attempt are created."""

    MAIN_NODE_FIRST = "MainNodeFirst"
    MAIN_NODE_READY = "MainNodeReady"
    PARALLEL = "Parallel"


class Action(StrEnum):
    """What follows from a failure that a rule matches."""

    FAIL = "Fail"
    RESTART = "Restart"
    RESTART_UNCOUNTED = "RestartUncounted"


class FailureRule(Model):
    """One rule: which failures it is about, and what follows from them."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule("has(self.onExitCodes) != has(self.onReasons)", "exactly one of onExitCodes, onReasons must be set")
        )
    )

    on_exit_codes: list[ExitCode] | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        description="Exit codes of the training container that failed first, 1 to 255 (128 + signal).",
    )
    on_reasons: list[CamelCase] | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        description="Reasons of the first failure, as in status.attempts[].firstFailure.reason: Error, OOMKilled, "
        "Evicted, PodDeleted, NodeLost, LostPeer, Stalled, ...",
    )
    action: Action = Field(
        description="Fail ends the job at once, Restart restarts the gang and counts, RestartUncounted restarts it "
        "without counting."
    )


class FailurePolicy(Model):
    """What happens when a pod of the gang fails."""

    max_restarts: int = Field(
        default=3,
        ge=0,
        le=10000,
        description="How often the whole gang is restarted after failures of its own. Evicted and deleted pods restart "
        "the gang too, but do not count. May be changed while the job runs.",
    )
    rules: list[FailureRule] = Field(
        default=[],
        max_length=32,
        description="Exceptions by exit code or reason; the first rule that matches the first failure wins.",
    )
    node_lost_after_seconds: int = Field(
        default=60,
        ge=5,
        le=86400,
        description="How long a pod's node may be NotReady or gone before its pods are force-deleted and the gang is "
        "restarted elsewhere. Such restarts do not count.",
    )
    stall_timeout_seconds: int | None = Field(
        default=None,
        ge=10,
        le=604800,
        description="Restart the gang when its training has stood still for so long: no batch of training or "
        "validation was done. Counts as a failure, reason Stalled. Only for a gang that has told its progress at "
        "least once. Default: never.",
    )
