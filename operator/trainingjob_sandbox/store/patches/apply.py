"""Server-side apply: each manager states the fields it wants; what it no longer states goes.

Decides conflicts between managers and who owns what afterwards. Only managers that apply are tracked: a plain update
owns nothing here, so it never conflicts. Never changes the original.
"""

from typing import Any

from trainingjob_operator.cluster.api import ApiError, Object
from trainingjob_sandbox.store.patches.fields import (
    ITSELF,
    Fields,
    Path,
    fields_of,
    is_leaf,
    item_at,
    item_step,
    path_text,
    shape_at,
    shared_leaves,
    value_at,
    without,
)
from trainingjob_sandbox.store.patches.shape import Shape
from trainingjob_sandbox.store.record import metadata_of

IDENTITY = frozenset(
    {"name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "generateName"}
)


def applied_fields(applied: Object, shape: Shape) -> Fields:
    """The fields that an apply request owns: all but the object's identity."""
    stated = {name: value for name, value in applied.items() if name not in ("apiVersion", "kind", "metadata")}
    meta = {name: value for name, value in metadata_of(applied).items() if name not in IDENTITY}
    return fields_of(stated | ({"metadata": meta} if meta else {}), shape)


def apply_patch(
    live: Object, applied: Object, shape: Shape, *, manager: str, subresource: str, force: bool, now: str
) -> Object:
    """``live`` as the manager wants it, with ``managedFields`` brought up to date.

    Raises Conflict if another manager has applied another value to one of the fields and ``force`` is not set.
    """
    entries: list[Object] = list(metadata_of(live).get("managedFields") or ())
    mine = next((entry for entry in entries if _is_entry_of(entry, manager, subresource)), None)
    others = [entry for entry in entries if entry is not mine]
    wanted = applied_fields(applied, shape)
    taken = _conflicts(live, applied, wanted, others, shape)
    if taken and not force:
        raise _conflict(taken)
    others = [_without_paths(entry, [path for owner, path in taken if owner is entry]) for entry in others]
    merged: Object = _merge(live, _stated(applied), shape)
    before: Fields = mine["fieldsV1"] if mine else {}
    _drop(merged, before, wanted, [entry["fieldsV1"] for entry in others], shape)
    entry = _entry(mine, wanted, applied, manager, subresource, now)
    managed = [*(other for other in others if other["fieldsV1"]), entry]
    if [*managed] != entries:
        order = {other["manager"]: at for at, other in enumerate(entries)}
        managed.sort(key=lambda item: order.get(item["manager"], len(order)))
    return merged | {"metadata": merged.get("metadata", {}) | {"managedFields": managed}}


def _is_entry_of(entry: Object, manager: str, subresource: str) -> bool:
    identity = (entry.get("manager"), entry.get("operation"), entry.get("subresource", ""))
    return identity == (manager, "Apply", subresource)


def _entry(mine: Object | None, wanted: Fields, applied: Object, manager: str, subresource: str, now: str) -> Object:
    """The manager's entry; the one it had, time and all, if nothing changed."""
    if mine is not None and mine["fieldsV1"] == wanted:
        return mine
    entry: Object = {
        "manager": manager,
        "operation": "Apply",
        "apiVersion": applied.get("apiVersion", ""),
        "time": now,
        "fieldsType": "FieldsV1",
        "fieldsV1": wanted,
    }
    return entry | ({"subresource": subresource} if subresource else {})


def _stated(applied: Object) -> Object:
    meta = {name: value for name, value in metadata_of(applied).items() if name not in IDENTITY}
    return {**applied, "metadata": meta}


def _conflicts(
    live: Object, applied: Object, wanted: Fields, others: list[Object], shape: Shape
) -> list[tuple[Object, Path]]:
    """The fields that others own and that this request would change."""
    return [
        (entry, path)
        for entry in others
        for path in shared_leaves(wanted, entry["fieldsV1"])
        if _differ(value_at(live, path, shape), value_at(applied, path, shape))
    ]


def _differ(live: Any, wanted: Any) -> bool:
    """Whether applying would change what is there; an empty map asks only that there is one."""
    return bool(live != wanted) and not (wanted == {} and isinstance(live, dict))


def _conflict(taken: list[tuple[Object, Path]]) -> ApiError:
    fields = [(entry["manager"], path_text(path)) for entry, path in taken]
    if len(fields) == 1:
        owner, field = fields[0]
        message = f'Apply failed with 1 conflict: conflict with "{owner}": {field}'
    else:
        owners = dict.fromkeys(owner for owner, _ in fields)
        blocks = [f'conflicts with "{one}":' + "".join(f"\n- {f}" for o, f in fields if o == one) for one in owners]
        message = f"Apply failed with {len(fields)} conflicts: " + "\n".join(blocks)
    causes = [
        {"reason": "FieldManagerConflict", "message": f'conflict with "{owner}"', "field": field}
        for owner, field in fields
    ]
    return ApiError(409, "Conflict", message, details={"causes": causes})


def _without_paths(entry: Object, paths: list[Path]) -> Object:
    if not paths:
        return entry
    fields = entry["fieldsV1"]
    for path in paths:
        fields = without(fields, path)
    return entry | {"fieldsV1": fields}


def _merge(live: Any, applied: Any, shape: Shape) -> Any:
    if isinstance(applied, dict) and not shape.atomic:
        merged = dict(live) if isinstance(live, dict) else {}
        for name, value in applied.items():
            if value is None:
                merged.pop(name, None)
            else:
                merged[name] = _merge(merged.get(name), value, shape.of(name))
        return merged
    if isinstance(applied, list) and isinstance(live, list) and shape.list_type != "atomic":
        return _merge_items(live, applied, shape)
    if isinstance(applied, list) and shape.list_type == "map":
        return [_merge({}, item, shape.items()) for item in applied]
    return applied


def _merge_items(live: list[Any], applied: list[Any], shape: Shape) -> list[Any]:
    merged = list(live)
    for item in applied:
        if shape.list_type == "set":
            merged += [] if item in merged else [item]
            continue
        at = item_at(merged, item_step(item, shape), shape)
        if at is None:
            merged.append(_merge({}, item, shape.items()))
        else:
            merged[at] = _merge(merged[at], item, shape.items())
    return merged


def _drop(value: Any, before: Fields, after: Fields, others: list[Fields], shape: Shape) -> None:
    """Remove from a merged value, in place, what the manager had applied and nobody applies now."""
    for step, part in before.items():
        if step == ITSELF:
            continue
        shared = [other[step] for other in others if step in other]
        abandoned = step not in after and not shared
        if abandoned and (is_leaf(part) or step[:2] != "f:"):
            _remove(value, step, shape)
        elif not is_leaf(part):
            _drop_inside(value, step, part, after.get(step, {}), shared, shape)


def _drop_inside(value: Any, step: str, part: Fields, after: Fields, others: list[Fields], shape: Shape) -> None:
    where: Any = step[2:] if step.startswith("f:") else item_at(value, step, shape)
    child = value.get(where) if isinstance(value, dict) else None if where is None else value[where]
    if not isinstance(child, dict | list):
        return
    copied = dict(child) if isinstance(child, dict) else list(child)
    _drop(copied, part, after, others, shape_at(shape, step))
    value[where] = copied
    if not copied and child and not after and not others:
        _remove(value, step, shape)


def _remove(value: Any, step: str, shape: Shape) -> None:
    if isinstance(value, dict):
        value.pop(step[2:], None)
    elif (at := item_at(value, step, shape)) is not None:
        del value[at]
