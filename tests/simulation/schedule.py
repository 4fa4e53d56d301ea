"""What one simulated story is made of: the job, what the world does to it, what goes wrong on the way to the API.

A schedule is plain data, drawn from a seed. Everything that happens follows from it, so a seed is a replay. Each seed
enables its own few kinds of faults at its own rates (swarm testing): faults that hide each other when they all happen
get a story of their own.
"""

from dataclasses import dataclass
from random import Random
from typing import TypeVar

T = TypeVar("T")

# Faults of single requests, and the requests that they can hit.
REQUEST_FAULTS: dict[str, tuple[str, ...]] = {
    "crash before": ("status", "create", "delete"),
    "crash after": ("status", "create", "delete"),
    "lost": ("status", "create", "delete", "read"),
    "lost after": ("status", "create", "delete"),
    "late": ("status", "create", "delete"),
    "409": ("status", "create", "delete"),
    "404": ("status", "job"),
    "429": ("status", "create", "delete", "read"),
    "403 quota": ("create",),
    "403 terminating": ("create",),
    "422": ("status", "create"),
    "500": ("status", "create", "delete", "read"),
    "503": ("status", "create", "delete", "read"),
}
# Faults that begin at a moment.
TIMED_FAULTS = (
    "crash",
    "pause",
    "outage",
    "watch closed",
    "watch silent",
    "watch expired",
    "watch skipped",
    "lag of pods",
    "lag of jobs",
    "lag of nodes",
    "clock",
    "quota",
    "leader change",
)
LONGEST = 60.0
OUTAGE = 10.0
"""An outage lasts so many times its value: ten minutes at the longest."""
# What the world does: nodes, users, other controllers.
WORLD_EVENTS = (
    "fail",
    "oom",
    "evict",
    "drain",
    "delete",
    "force delete",
    "preempt",
    "stick",
    "exit 0",
    "relabel",
    "delete service",
    "delete config map",
    "suspend",
    "resume",
    "blink",
    "budget",
    "deadline",
    "no room",
    "squat",
    "delete job",
    "replace job",
    "silence node",
    "remove node",
)
OUTCOMES = ("fail", "fail", "oom", "evict", "drain", "delete", "preempt", "suspend", "remove node")
UNCOUNTED, FATAL = 3, 139
"""Exit codes for which a job with rules has one."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The job that is submitted. Times are in seconds, 0 for none; ``patience`` is nodeLostAfterSeconds."""

    nodes: int
    max_restarts: int
    policy: str
    files: bool
    rules: bool
    patience: int
    startup_timeout: int
    deadline: int
    time_to_live: int


@dataclass(frozen=True, slots=True)
class RequestFault:
    """The ``nth`` request (from 1) of a target goes wrong; ``seconds`` is how long, where that means something."""

    target: str
    nth: int
    kind: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Timed:
    """Something that happens at ``at`` virtual seconds; ``rank`` and ``value`` say to whom and how much."""

    at: float
    kind: str
    rank: int
    value: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt of a scripted job ends, so many seconds after its status says Running."""

    kind: str
    after: float
    rank: int
    code: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """One story. ``latency`` and the lags are in seconds; faults and events end at ``calm``.

    A scripted story has no events: its world goes by the job's own progress, so that its end is known beforehand.
    """

    seed: int
    shape: Shape
    operators: int
    latency: float
    lag_of_pods: float
    lag_of_jobs: float
    start_up: float
    request_faults: tuple[RequestFault, ...]
    faults: tuple[Timed, ...]
    events: tuple[Timed, ...]
    script: tuple[Outcome, ...] | None
    finishes: bool
    calm: float

    @property
    def has_nodes(self) -> bool:
        """Whether nodes matter: else there are none, and the operator is one that may not see them."""
        return any("node" in event.kind for event in (*self.events, *(self.script or ())))

    @property
    def fenced(self) -> bool:
        """Whether no write can arrive that its sender would not send any more."""
        return self.operators == 1 and not any(fault.kind == "late" for fault in self.request_faults)


def drawn(seed: int) -> Schedule:
    """The schedule of a seed."""
    random = Random(seed)
    span = random.choice((30.0, 120.0, 400.0))
    scripted = random.random() < 0.3
    shape = _shape(random, scripted=scripted)
    faults = _timed(random, TIMED_FAULTS, span, at_most=5)
    return Schedule(
        seed=seed,
        shape=shape,
        operators=2 if random.random() < 0.1 or any(fault.kind == "leader change" for fault in faults) else 1,
        latency=random.choice((0.0, 0.005, 0.1, 1.0)),
        lag_of_pods=random.choice((0.0, 0.0, 0.05, 2.0)),
        lag_of_jobs=random.choice((0.0, 0.0, 0.05, 2.0)),
        start_up=random.choice((0.1, 0.5, 4.0)),
        request_faults=_request_faults(random),
        faults=faults,
        events=() if scripted else _timed(random, WORLD_EVENTS, span, at_most=8),
        script=_script(random, shape) if scripted else None,
        finishes=random.random() < 0.5,
        calm=max([span, *(fault.at + fault.value * OUTAGE for fault in faults if fault.kind == "outage")]),
    )


def _shape(random: Random, *, scripted: bool) -> Shape:
    timed = not scripted and random.random() < 0.3
    return Shape(
        nodes=random.choice((1, 2, 2, 2, 3, 4)),
        max_restarts=random.choice((0, 1, 1, 2, 3)),
        policy=random.choice(("MainNodeFirst", "MainNodeFirst", "MainNodeReady", "Parallel")),
        files=random.random() < 0.3,
        rules=random.random() < 0.3,
        patience=random.choice((10, 60)),
        startup_timeout=random.choice((0, 30, 300)) if timed else 0,
        deadline=random.choice((0, 20, 300)) if timed else 0,
        time_to_live=random.choice((0, 0, 1, 100)) if timed else 0,
    )


def _some(random: Random, kinds: tuple[T, ...]) -> list[T]:
    """A swarm: each seed's own few kinds."""
    return random.sample(kinds, min(len(kinds), random.choice((0, 1, 1, 2, 3, 5))))


def _request_faults(random: Random) -> tuple[RequestFault, ...]:
    found = []
    for kind in _some(random, tuple(REQUEST_FAULTS)):
        for _ in range(random.choice((1, 1, 2, 4))):
            target = random.choice(REQUEST_FAULTS[kind])
            found.append(RequestFault(target, random.randint(1, 14), kind, random.choice((0.2, 3.0, 40.0))))
    return tuple(found)


def _timed(random: Random, kinds: tuple[str, ...], until: float, at_most: int) -> tuple[Timed, ...]:
    enabled = _some(random, kinds)
    count = random.randint(1, at_most) if enabled else 0
    # Half of the time everything happens within the first seconds, when the gang forms.
    span = until if random.random() < 0.5 else min(until, 12.0)
    found = [
        Timed(
            round(random.random() * span * 0.9, 3),
            random.choice(enabled),
            random.randrange(4),
            random.choice((0.3, 5.0, LONGEST)),
        )
        for _ in range(count)
    ]
    return tuple(sorted(found, key=lambda timed: timed.at))


def _script(random: Random, shape: Shape) -> tuple[Outcome, ...]:
    return tuple(
        Outcome(
            random.choice(OUTCOMES),
            random.choice((0.0, 0.3, 3.0, 20.0)),
            random.randrange(shape.nodes),
            random.choice((1, UNCOUNTED, 75, FATAL, 255)),
        )
        for _ in range(random.choice((0, 1, 2, 3, 4)))
    )
