"""Breadth-first over all that can happen: every state is visited once, every transition is judged, the first violation
comes with a shortest trace. Whether each state can still settle without a fault is asked at the end, backwards.
"""

from array import array
from collections.abc import Callable
from dataclasses import dataclass, field

from simulation.exhaustive.automaton import Automaton
from simulation.exhaustive.properties import broken_by, is_settled
from simulation.exhaustive.world import Rules, World, first

Progress = Callable[[int, int, int], None]


@dataclass(slots=True)
class Found:
    """What a search has found. ``trace`` is the story of the first violation, or empty."""

    states: int = 0
    transitions: int = 0
    depth: int = 0
    settled: int = 0
    complete: bool = True
    violations: list[str] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)
    operator_states: int = 0
    operator_runs: int = 0


class Search:
    """One search. States are known by their hash (64 bits): a collision would hide a state, and is as good as
    impossible among some millions.
    """

    def __init__(self, policy: str, faults: int, budget: int = 1, at_most: int | None = None) -> None:
        self._operator = Automaton(policy, budget)
        self._rules = Rules(self._operator)
        self._faults, self._at_most = faults, at_most
        self._places: dict[int, int] = {}
        self._parents = array("I")
        self._edges = (array("I"), array("I"))
        self._settled = array("I")

    def run(self, progress: Progress = lambda _states, _left, _depth: None) -> Found:
        """Look at everything, or at the first ``at_most`` states."""
        found = Found()
        try:
            self._explore(found, progress)
            if not found.violations and found.complete:
                self._check_liveness(found)
        finally:
            self._operator.close()
        found.states = len(self._places)
        found.settled = len(self._settled)
        found.operator_states, found.operator_runs = len(self._operator.states), self._operator.runs
        return found

    def _explore(self, found: Found, progress: Progress) -> None:
        begin = first(self._operator, self._faults)
        self._place(begin, 0)
        level = [begin]
        while level and not found.violations:
            progress(len(self._places), len(level), found.depth)
            following: list[World] = []
            for world in level:
                self._expand(world, following, found)
                if found.violations:
                    return
            if self._at_most is not None and len(self._places) >= self._at_most:
                found.complete = not following
                return
            found.depth += bool(following)
            level = following

    def _expand(self, world: World, following: list[World], found: Found) -> None:
        place = self._places[hash(world)]
        if is_settled(world, self._operator):
            self._settled.append(place)
        for move in self._rules.moves(world):
            move = self._rules.settled(move)
            found.transitions += 1
            violation = broken_by(world, move)
            if violation:
                found.violations.append(violation)
                found.trace = [*self._story(place), move.text, f"VIOLATION: {violation}"]
                return
            after, is_new = self._place(move.after, place)
            if is_new:
                following.append(move.after)
            if not move.is_fault and after != place:
                self._edges[0].append(place)
                self._edges[1].append(after)

    def _place(self, world: World, parent: int) -> tuple[int, bool]:
        key = hash(world)
        place = self._places.get(key)
        if place is not None:
            return place, False
        place = self._places[key] = len(self._parents)
        self._parents.append(parent)
        return place, True

    def _story(self, place: int) -> list[str]:
        """The moves that lead to a state, found again along its parents."""
        path = [place]
        while path[-1]:
            path.append(self._parents[path[-1]])
        world, story = first(self._operator, self._faults), []
        for wanted in reversed(path[:-1]):
            moves = map(self._rules.settled, self._rules.moves(world))
            move = next(move for move in moves if self._places.get(hash(move.after)) == wanted)
            story.append(move.text)
            world = move.after
        return story

    def _check_liveness(self, found: Found) -> None:
        """From every state there is a way to a settled one that needs no fault."""
        stuck = _cannot_reach(len(self._parents), self._edges, self._settled)
        if stuck is not None:
            found.violations.append("the job never settles")
            found.trace = [*self._story(stuck), "and from here, without another fault, the job never settles"]


def _cannot_reach(count: int, edges: tuple["array[int]", "array[int]"], goals: "array[int]") -> int | None:
    """The first state from which no goal can be reached, None if there is none."""
    sources, targets = edges
    starts = array("I", bytes(4 * (count + 1)))
    for target in targets:
        starts[target + 1] += 1
    for number in range(count):
        starts[number + 1] += starts[number]
    fill, before = array("I", starts), array("I", bytes(4 * len(sources)))
    for source, target in zip(sources, targets, strict=True):
        before[fill[target]] = source
        fill[target] += 1
    reached, todo = bytearray(count), list(goals)
    for goal in goals:
        reached[goal] = 1
    while todo:
        place = todo.pop()
        for source in before[starts[place] : starts[place + 1]]:
            if not reached[source]:
                reached[source] = 1
                todo.append(source)
    stuck = reached.find(0)
    return None if stuck < 0 else stuck
