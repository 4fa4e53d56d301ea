"""What is wrong with a TrainingJob: a list of problems, each with the field's path and the remedy.

The CRD refuses most of this at `kubectl apply`; here stands all of it once more in Python, because CEL cannot look into
the pod template or add up sizes, and because `trainingjob render` works without a cluster.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import ValidationError

from trainingjob_operator.api import names, overlay_rules
from trainingjob_operator.api.container import EnvVar, Resources
from trainingjob_operator.api.defaults import is_even, quantity
from trainingjob_operator.api.run import EXACTLY_ONE
from trainingjob_operator.api.types import STALL_NEEDS_PROGRESS, TrainingJobSpec

FIRST_FREE_PORT = 1024


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: the path of the field and a sentence with the remedy."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


def parse_spec(name: str, spec: object) -> TrainingJobSpec | tuple[Problem, ...]:
    """The spec of the job called ``name`` as a value, or everything that is wrong with it."""
    found = list(_name(name))
    try:
        # As strict as the API server: "2" is no integer, "yes" no boolean.
        parsed = TrainingJobSpec.model_validate_json(orjson.dumps(spec), strict=True)
    except TypeError as error:
        return (*found, Problem("spec", f"holds something that JSON cannot say: {error}"))
    except ValidationError as error:
        return tuple(found + [_problem(detail) for detail in error.errors(include_url=False)])
    found += problems(parsed)
    return tuple(found) or parsed


def problems(spec: TrainingJobSpec) -> list[Problem]:
    """Everything that is wrong with a spec whose types are right."""
    checks = (_run, _env, _files, _mounts, _resources, _failure_rules, _overrides, _launcher, _ports, _pod_template)
    return [problem for check in checks for problem in check(spec)]


def unknown_fields(schema: Mapping[str, Any], value: object, path: str = "") -> list[str]:
    """Paths in ``value`` that a structural schema does not know: what the API server would refuse or prune."""
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return []
    if isinstance(value, list):
        pairs = [(schema.get("items", {}), item, f"{path}[{i}]") for i, item in enumerate(value)]
    elif isinstance(value, dict) and "additionalProperties" in schema:
        pairs = [(schema["additionalProperties"], item, f"{path}.{key}") for key, item in value.items()]
    elif isinstance(value, dict) and "properties" in schema:
        known = schema["properties"]
        unknown = [f"{path}.{key}" for key in value if key not in known]
        pairs = [(known[key], item, f"{path}.{key}") for key, item in value.items() if key in known]
        return unknown + [found for pair in pairs for found in unknown_fields(*pair)]
    else:
        return []
    return [found for pair in pairs for found in unknown_fields(*pair)]


# Where pydantic would speak of Python's types.
_OBJECT_EXPECTED = dict.fromkeys(("model_type", "dict_type"), "must be an object with fields")


def _problem(detail: Mapping[str, Any]) -> Problem:
    path = "spec"
    for part in detail["loc"]:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    if detail["type"] == "missing" or detail["input"] is None:
        return Problem(path, "is required")
    given = f", but it is {detail['input']!r:.80}" if not isinstance(detail["input"], dict | list) else ""
    sentence = _OBJECT_EXPECTED.get(detail["type"], detail["msg"][0].lower() + detail["msg"][1:])
    return Problem(path, sentence + given)


def _name(name: str) -> Iterator[Problem]:
    if not names.is_job_name(name):
        yield Problem(
            "metadata.name",
            f"{name!r} cannot name a job: at most {names.MAX_JOB_NAME} lower-case letters, digits and '-', beginning "
            "with a letter and ending with a letter or digit",
        )


def _run(spec: TrainingJobSpec) -> Iterator[Problem]:
    if len(spec.run.chosen) != 1:
        yield Problem("spec.run", EXACTLY_ONE + (f", not {' and '.join(spec.run.chosen)}" if spec.run.chosen else ""))


def _env(spec: TrainingJobSpec) -> Iterator[Problem]:
    yield from _variables("spec.env", spec.env)


def _variables(path: str, variables: Sequence[EnvVar]) -> Iterator[Problem]:
    seen = set()
    for index, variable in enumerate(variables):
        if names.is_reserved_env(variable.name):
            yield Problem(f"{path}[{index}].name", f"{variable.name} is set by the operator: remove it")
        if variable.name in seen:
            yield Problem(f"{path}[{index}].name", f"{variable.name} is set twice: remove one")
        seen.add(variable.name)


def _files(spec: TrainingJobSpec) -> Iterator[Problem]:
    for path in spec.files:
        if not names.is_file_name(path):
            yield Problem(f"spec.files[{path}]", "must be a relative path of letters, digits, '.', '_' and '-'")
    keys = [names.file_key(path) for path in spec.files]
    if len(set(keys)) < len(keys) or names.CONFIG_KEY in keys:
        yield Problem("spec.files", "two names differ only in '/' and '__', or one is reserved: rename a file")
    size = sum(len(text.encode()) for text in spec.files.values())
    size += len(orjson.dumps(spec.run.trainer.config)) if spec.run.trainer else 0
    if size > names.MAX_FILES_BYTES:
        yield Problem(
            "spec.files", f"{size} bytes in all are more than {names.MAX_FILES_BYTES}: put the code into the image"
        )


def _mounts(spec: TrainingJobSpec) -> Iterator[Problem]:
    taken = {names.SHM_DIR: "shared memory", names.CONFIG_DIR: "the trainer's configuration"}
    if spec.files:
        taken[names.WORKSPACE_DIR] = "spec.files"
    for field, volume in (("data", spec.data), ("output", spec.output)):
        if volume is None:
            continue
        path = volume.mount_path.rstrip("/") or "/"
        where = f"spec.{field}.mountPath"
        if path == "/" or ".." in path.split("/") or ":" in path:
            yield Problem(where, f"{volume.mount_path!r} must be a folder below '/', without '..' and ':'")
        elif path in taken:
            yield Problem(where, f"{path} is where {taken[path]} is mounted: choose another path")
        if volume.sub_path and ".." in volume.sub_path.split("/"):
            yield Problem(f"spec.{field}.subPath", "must not contain '..'")
        taken[path] = f"spec.{field}"


def _resources(spec: TrainingJobSpec) -> Iterator[Problem]:
    yield from _amounts("spec.resources", spec.resources, spec.gpu_resource)


def _amounts(path: str, resources: Resources, gpu_resource: str) -> Iterator[Problem]:
    for kind, amounts in (("limits", resources.limits), ("requests", resources.requests)):
        if gpu_resource in amounts:
            yield Problem(f"{path}.{kind}[{gpu_resource}]", "GPUs are set by spec.gpusPerNode: remove it here")
        for name, amount in amounts.items():
            try:
                negative = quantity(amount) < 0
            except ValueError as error:
                yield Problem(f"{path}.{kind}[{name}]", str(error))
            else:
                if negative:
                    yield Problem(f"{path}.{kind}[{name}]", f"{amount} is negative")


def _failure_rules(spec: TrainingJobSpec) -> Iterator[Problem]:
    for index, entry in enumerate(spec.failure_policy.rules):
        if (entry.on_exit_codes is None) == (entry.on_reasons is None):
            path = f"spec.failurePolicy.rules[{index}]"
            yield Problem(path, "exactly one of onExitCodes, onReasons must be set")


def _overrides(spec: TrainingJobSpec) -> Iterator[Problem]:
    for index, override in enumerate(spec.node_overrides):
        path = f"spec.nodeOverrides[{index}]"
        beyond = [max(first, spec.num_nodes) for first, last in override.spans if last >= spec.num_nodes]
        if beyond:
            yield Problem(f"{path}.ranks", f"there is no rank {min(beyond)}: ranks are 0 to {spec.num_nodes - 1}")
        for first, last in override.spans:
            if first > last:
                yield Problem(f"{path}.ranks", f"'{first}-{last}' names no rank: write the smaller number first")
        yield from _variables(f"{path}.env", override.env)
        if override.resources is not None:
            yield from _amounts(f"{path}.resources", override.resources, spec.gpu_resource)


def _launcher(spec: TrainingJobSpec) -> Iterator[Problem]:
    """Lightning's own launcher reckons rank = node x devices: on unlike nodes it would wait for ranks nobody starts."""
    lightnings = [name for name in ("python", "fabric") if name in spec.run.chosen]
    within = all(last < spec.num_nodes for override in spec.node_overrides for _, last in override.spans)
    if lightnings and within and not is_even(spec):
        yield Problem(
            "spec.nodeOverrides",
            f"run.{lightnings[0]} needs the same number of processes on every node: set processesPerNode, or use "
            "run.trainer or run.torchrun",
        )


def _ports(spec: TrainingJobSpec) -> Iterator[Problem]:
    if spec.progress_port == spec.master_port or 0 < spec.progress_port < FIRST_FREE_PORT:
        yield Problem("spec.progressPort", "must be 0 or 1024 to 65535, and not the masterPort")
    if spec.failure_policy.stall_timeout_seconds is not None and not spec.progress_port:
        yield Problem("spec.failurePolicy.stallTimeoutSeconds", STALL_NEEDS_PROGRESS)


def _pod_template(spec: TrainingJobSpec) -> Iterator[Problem]:
    return (Problem(field, message) for field, message in overlay_rules.refused(spec.pod_template))
