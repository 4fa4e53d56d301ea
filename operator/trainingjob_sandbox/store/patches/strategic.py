"""Strategic merge patch: a merge patch that knows by which key list items belong together.

Decides which item a patched item changes. Understands the directives ``$patch`` (replace, delete, merge),
``$deleteFromPrimitiveList/x``, ``$setElementOrder/x`` and ``$retainKeys``. Never changes the original.
"""

from typing import Any

from trainingjob_sandbox.store.patches.shape import Shape

DELETE_FROM = "$deleteFromPrimitiveList/"
ORDER = "$setElementOrder/"


def strategic_merge(target: Any, patch: Any, shape: Shape) -> Any:
    """``target`` with ``patch`` merged into it, keyed lists item by item."""
    if not isinstance(patch, dict):
        return patch
    directive = patch.get("$patch")
    if directive == "replace":
        return {name: value for name, value in patch.items() if name != "$patch"}
    if directive == "delete":
        return {}
    merged = _retained(dict(target) if isinstance(target, dict) else {}, patch.get("$retainKeys"))
    for name, value in patch.items():
        _merge_field(merged, name, value, patch, shape)
    return merged


def _retained(target: dict[str, Any], kept: list[str] | None) -> dict[str, Any]:
    return target if kept is None else {name: value for name, value in target.items() if name in kept}


def _merge_field(merged: dict[str, Any], name: str, value: Any, patch: dict[str, Any], shape: Shape) -> None:
    if name.startswith(DELETE_FROM):
        field = name.removeprefix(DELETE_FROM)
        merged[field] = [item for item in merged.get(field) or [] if item not in value]
    elif name.startswith("$"):
        return
    elif value is None:
        merged.pop(name, None)
    elif isinstance(value, list):
        order = patch.get(ORDER + name)
        merged[name] = _merge_list(merged.get(name) or [], value, shape.of(name), order)
    else:
        merged[name] = strategic_merge(merged.get(name), value, shape.of(name))


def _merge_list(target: list[Any], patch: list[Any], shape: Shape, order: list[Any] | None) -> list[Any]:
    if shape.list_type == "set":
        merged = target + [item for item in patch if item not in target]
        return _ordered(merged, order, "")
    if not shape.merge_key:
        return patch
    if any(isinstance(item, dict) and item.get("$patch") == "replace" for item in patch):
        return [item for item in patch if item.get("$patch") != "replace"]
    merged = list(target)
    for item in patch:
        _merge_item(merged, item, shape)
    if order:
        return _ordered(merged, order, shape.merge_key)
    return _patch_first(merged, target, patch, shape.merge_key)


def _patch_first(merged: list[Any], target: list[Any], patch: list[Any], key: str) -> list[Any]:
    """As an API server orders a list: the patch's items in their order, before any that they did not stand behind."""
    before = {item.get(key): at for at, item in enumerate(target)}
    stated = {item.get(key): at for at, item in enumerate(patch)}
    theirs = sorted((item for item in merged if item.get(key) in stated), key=lambda item: stated[item.get(key)])
    others = [item for item in merged if item.get(key) not in stated]
    found: list[Any] = []
    for item in theirs:
        place = before.get(item.get(key), -1)
        while others and before[others[0].get(key)] < place:
            found.append(others.pop(0))
        found.append(item)
    return found + others


def _merge_item(merged: list[Any], item: dict[str, Any], shape: Shape) -> None:
    key = shape.merge_key
    at = next((at for at, other in enumerate(merged) if other.get(key) == item.get(key)), None)
    if item.get("$patch") == "delete":
        if at is not None:
            del merged[at]
    elif at is None:
        merged.append(strategic_merge({}, item, shape.items()))
    else:
        merged[at] = strategic_merge(merged[at], item, shape.items())


def _ordered(merged: list[Any], order: list[Any] | None, key: str) -> list[Any]:
    """Items named in the order come in that order; the others stay behind them as they were."""
    if not order:
        return merged
    rank = {(wanted.get(key) if key else wanted): at for at, wanted in enumerate(order)}
    return sorted(merged, key=lambda item: rank.get(item.get(key) if key else item, len(rank)))
