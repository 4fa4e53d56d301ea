"""Breadth-first over all that can happen: every state is visited once, every transition is judged, the first violation
comes with a shortest trace. Whether each state can still settle without a fault is asked at the end, backwards.
"""

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from simulation.exhaustive.automaton import Automaton
from simulation.exhaustive.properties import BUDGET, broken_by, is_settled
from simulation.exhaustive.values import with_ranks_exchanged
from simulation.exhaustive.world import Move, Rules, Shape, World, first

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


@dataclass(slots=True)
class Names:
    """Of two mirror images one is searched; a story calls each rank by one name throughout."""

    are_exchanged: bool = False

    def in_words(self, text: str) -> str:
        return with_ranks_exchanged(text) if self.are_exchanged else text


class Search:
    """One search. States are known by their hash (64 bits): a collision would hide a state, and is as good as
    impossible among some millions.
    """

    def __init__(self, shape: Shape, at_most: int | None = None) -> None:
        self._operator = Automaton(shape.policy, BUDGET)
        self._rules = Rules(self._operator, shape)
        self._shape, self._at_most = shape, at_most
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
        found.complete = found.complete and not found.violations
        found.states = len(self._places)
        found.settled = len(self._settled)
        found.operator_states, found.operator_runs = len(self._operator.states), self._operator.runs
        return found

    def _explore(self, found: Found, progress: Progress) -> None:
        begin = first(self._operator, self._shape)
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
            found.transitions += 1
            if violation := broken_by(world, move):
                found.violations.append(violation)
                found.trace = list(self._story(place))
                return
            settled = self._rules.settled(move).after
            after, is_new = self._place(settled, place)
            if is_new:
                following.append(settled)
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

    def _story(self, place: int) -> Iterator[str]:
        """The moves that lead to a state, found again along its parents."""
        path = [place]
        while path[-1]:
            path.append(self._parents[path[-1]])
        names = Names()
        world = first(self._operator, self._shape)
        for wanted in reversed(path[:-1]):
            move = next(move for move in self._rules.moves(world) if self._leads_to(move, wanted))
            yield names.in_words(move.text)
            after = self._rules.settled(move).after
            names.are_exchanged ^= after != self._rules.settled(move, mirrors=False).after
            world = after
        yield from self._last(world, names)

    def _last(self, world: World, names: "Names") -> Iterator[str]:
        """The move that breaks a rule, if there is one here."""
        for move in self._rules.moves(world):
            if broken := broken_by(world, move):
                yield names.in_words(move.text)
                yield names.in_words(f"VIOLATION: {broken}")
                return

    def _leads_to(self, move: Move, wanted: int) -> bool:
        return self._places.get(hash(self._rules.settled(move).after)) == wanted

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
