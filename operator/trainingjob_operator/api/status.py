"""What users read: the status of a TrainingJob. It is derived once per pass and written by the controller alone.

`state` is a word for people; programs use the conditions. `attempt` and `gang` are the controller's memory: they are
written before anything is done for them (docs/protocol.md, "Commit before effect").
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field, PlainSerializer, StringConstraints

from trainingjob_operator.api.model import Model, map_by

Sentence = Annotated[str, StringConstraints(max_length=1024)]
Word = Annotated[str, StringConstraints(max_length=253)]
MAX_ATTEMPTS = 10


def _whole_seconds(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


Time = Annotated[datetime, PlainSerializer(_whole_seconds, when_used="json")]
"""A point in time, written in UTC to the second, as Kubernetes' own times are."""


class State(StrEnum):
    """The job's state in one word."""

    PENDING = "Pending"
    STARTING = "Starting"
    RUNNING = "Running"
    RESTARTING = "Restarting"
    SUSPENDED = "Suspended"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


class ConditionType(StrEnum):
    """The conditions that every job has from the controller's first pass on."""

    SUSPENDED = "Suspended"
    PODS_READY = "PodsReady"
    RESTARTING = "Restarting"
    COMPLETE = "Complete"
    FAILED = "Failed"


class Condition(Model):
    """One condition, as in KEP-1623."""

    type: Word = Field(description="Suspended, PodsReady, Restarting, Complete or Failed.")
    status: Word = Field(description="True, False or Unknown.")
    reason: Word = Field(description="Why, in one CamelCase word.")
    message: Annotated[str, StringConstraints(max_length=4096)] = Field(default="", description="Why, as a sentence.")
    last_transition_time: Time = Field(description="When status changed last.")
    observed_generation: int = Field(default=0, description="The generation of the spec that this is about.")


class Failure(Model):
    """What went wrong first in an attempt."""

    rank: int = Field(description="Rank of the pod that failed first.")
    pod: Word = Field(description="Its name.")
    node: Word | None = Field(default=None, description="The node it ran on.")
    exit_code: int | None = Field(default=None, description="Exit code of the training container (128 + signal).")
    reason: Word = Field(description="Error, OOMKilled, Evicted, PodDeleted, ... in one word.")
    message: Sentence = Field(
        default="", description="A sentence, with the container's last log lines where there are any."
    )


class Attempt(Model):
    """One start of the whole gang."""

    attempt: int = Field(description="Number of the attempt, from 1.")
    start_time: Time | None = Field(
        default=None, description="From when its pods may be created: when it was decided, or after a back-off."
    )
    end_time: Time | None = Field(default=None, description="When it ended; absent while it runs.")
    reason: Word | None = Field(default=None, description="Why it ended.")
    counted: bool = Field(default=False, description="Whether its end counts towards failurePolicy.maxRestarts.")
    first_failure: Failure | None = Field(default=None, description="The pod that failed first, and how.")


class Progress(Model):
    """How far training is, as rank 0 told it last. Numbers that need not be whole are strings: they may be NaN."""

    attempt: int = Field(
        description="The attempt that this is about; after a restart, until the new gang trains, the one before."
    )
    step: int = Field(description="Optimizer steps done.")
    max_steps: int | None = Field(default=None, description="Optimizer steps of the whole run, if they are known.")
    epoch: int | None = Field(default=None, description="Epochs done.")
    batches: int = Field(
        default=0,
        description="Batches of training and validation done by rank 0 in this attempt; "
        "what the stall timeout looks at.",
    )
    samples_per_second: Word | None = Field(default=None, description="Training samples per second, of all processes.")
    loss: Word | None = Field(default=None, description="The training loss of one recent batch of rank 0.")
    last_checkpoint_step: int | None = Field(default=None, description="Step of the newest checkpoint.")
    last_checkpoint_time: Time | None = Field(default=None, description="When it was written.")
    time: Time = Field(description="When this was written here; nothing is written while nothing moves.")
    done: Word = Field(
        description="The share that is done (24%), or the step (1200/?) if the end is not known. "
        "100% when the job has succeeded; the other fields keep what was told last."
    )
    eta: Word | None = Field(default=None, description="Time that is left at the present speed, e.g. 2h5m.")


class TrainingJobStatus(Model):
    """How the job is going."""

    state: State | None = Field(default=None, description="The job's state in one word, for people.")
    reason: Word | None = Field(default=None, description="Why the job is in this state, in one CamelCase word.")
    nodes: Word | None = Field(default=None, description="Running nodes of all nodes, e.g. 2/2.")
    ready: int = Field(default=0, description="Number of running pods of the current attempt.")
    restarts: int = Field(default=0, description="Restarts that count towards failurePolicy.maxRestarts.")
    attempt: int = Field(default=0, description="Number of the current attempt, from 1; 0 before the first.")
    gang: Word | None = Field(
        default=None, description="Digest of the UIDs of the current attempt's pods, once all exist."
    )
    conditions: list[Condition] = Field(
        default=[],
        max_length=16,
        description="Suspended, PodsReady, Restarting, Complete and Failed.",
        json_schema_extra=map_by("type"),
    )
    attempts: list[Attempt] = Field(
        default=[], max_length=MAX_ATTEMPTS, description="The newest ten attempts, oldest first."
    )
    progress: Progress | None = Field(
        default=None, description="How far training is, at most every 30 seconds; absent while nobody has told."
    )
    start_time: Time | None = Field(default=None, description="When the job started (again, after a suspension).")
    completion_time: Time | None = Field(default=None, description="When it succeeded or failed.")
    observed_generation: int = Field(default=0, description="The generation of the spec that this status is about.")
