"""The JSONPath of printer columns: fields, indexes, ``[*]`` and filters such as ``[?(@.type=="Complete")]``.

Decides which values a path finds. Never fails on an object: a path that leads nowhere finds nothing.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, TypeAlias

import orjson

Step: TypeAlias = Callable[[Any], Iterable[Any]]

_STEP = re.compile(
    r"""
    (?:\[\*\]|\.\*)(?P<all>)
    | \.(?P<field>(?:\\.|[^.\[\]\\])+)
    | \[\?\(\s*@(?P<path>[^=!<>]*?)\s*(?P<operator>==|!=|<=|>=|<|>)\s*(?P<value>'[^']*'|"[^"]*"|[^)]*?)\s*\)\]
    | \[(?:'(?P<single>[^']*)'|"(?P<double>[^"]*)")\]
    | \[(?P<index>-?\d+)\]
    | \[(?P<slice>-?\d*:-?\d*)\]
    """,
    re.VERBOSE,
)


@lru_cache(maxsize=256)
def compiled(path: str) -> Callable[[Any], list[Any]]:
    """A function that finds the values at a path. Raises ValueError for a path that this reader does not know."""
    steps = list(_steps(path.strip().removeprefix("{").removesuffix("}").removeprefix("$")))

    def find(root: Any) -> list[Any]:
        found = [root]
        for step in steps:
            found = [inner for value in found for inner in step(value)]
        return found

    return find


def first(path: str, root: Any) -> Any:
    """The first value at a path, None if there is none."""
    found = compiled(path)(root)
    return found[0] if found else None


def _steps(path: str) -> Iterator[Step]:
    at = 0
    while at < len(path):
        found = _STEP.match(path, at)
        if found is None:
            raise ValueError(f"JSONPath {path!r} is not understood from {path[at:]!r} on")
        at = found.end()
        yield _step(found)


def _step(found: re.Match[str]) -> Step:
    groups = found.groupdict()
    if groups["operator"]:
        return _filter(groups["path"], groups["operator"], groups["value"])
    if groups["index"] is not None:
        return _item(int(groups["index"]))
    if groups["slice"] is not None:
        start, _, end = groups["slice"].partition(":")
        return lambda value: value[int(start or 0) : int(end) if end else None] if isinstance(value, list) else ()
    if groups["all"] is not None:
        return _everything
    name = next(text for text in (groups["single"], groups["double"], groups["field"]) if text is not None)
    return _field(re.sub(r"\\(.)", r"\1", name))


def _field(name: str) -> Step:
    return lambda value: (value[name],) if isinstance(value, dict) and name in value else ()


def _item(index: int) -> Step:
    return lambda value: (value[index],) if isinstance(value, list) and -len(value) <= index < len(value) else ()


def _everything(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _filter(path: str, operator: str, literal: str) -> Step:
    inner = compiled(path)
    wanted = literal[1:-1] if literal[:1] in ("'", '"') else orjson.loads(literal)

    def holds(item: Any) -> bool:
        return any(_compares(value, operator, wanted) for value in inner(item))

    return lambda value: (item for item in value if holds(item)) if isinstance(value, list) else ()


def _compares(value: Any, operator: str, wanted: Any) -> bool:
    if operator in ("==", "!="):
        return bool(value == wanted) is (operator == "==")
    if type(value) is not type(wanted):
        return False
    return bool({"<": value < wanted, ">": value > wanted, "<=": value <= wanted, ">=": value >= wanted}[operator])
