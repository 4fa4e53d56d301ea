"""Reads a file of YAML documents and says what is wrong with it before anything is started."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from trainingjob_cli.expansion import expanded_size
from trainingjob_operator.api import names
from trainingjob_operator.api.schema import crd
from trainingjob_operator.api.types import TrainingJobSpec
from trainingjob_operator.api.validate import parse_spec, unknown_fields

Object = dict[str, Any]
LARGEST = 3 * 1024 * 1024
"""Characters of one document; the API server takes no larger request."""


class DocumentError(Exception):
    """The file cannot be used; the message has a line for each thing that is wrong, with the field's path."""


@dataclass(frozen=True, slots=True)
class Documents:
    """The objects of a file in their order; ``jobs`` are the TrainingJobs among them."""

    objects: tuple[Object, ...]

    @property
    def jobs(self) -> tuple[Object, ...]:
        return tuple(raw for raw in self.objects if raw["kind"] == names.KIND)

    @property
    def claims(self) -> frozenset[str]:
        """Names of the PersistentVolumeClaims that are in the file or mounted by something in it."""
        own = {raw["metadata"]["name"] for raw in self.objects if raw["kind"] == "PersistentVolumeClaim"}
        return frozenset(own.union(_claim_names(self.objects)))


def load(path: Path, namespace: str = "default") -> Documents:
    """The objects of a file, with a namespace each. Raises DocumentError."""
    try:
        found = [document for document in yaml.safe_load_all(path.read_text()) if document is not None]
    except (OSError, UnicodeDecodeError) as error:
        raise DocumentError(f"{path}: {error}") from error
    except yaml.YAMLError as error:
        raise DocumentError(f"{path}: not valid YAML: {error}") from error
    wrong = [line for number, raw in enumerate(found, 1) for line in _shape(raw, number)]
    if not wrong:
        objects = tuple(_with_namespace(raw, namespace) for raw in found)
        wrong = [line for raw in objects for line in _job_problems(raw)]
        if not any(raw["kind"] == names.KIND for raw in objects):
            wrong = [f"holds no {names.KIND} (apiVersion: {names.API_VERSION})"]
    if wrong:
        raise DocumentError("\n".join(f"{path}: {line}" for line in wrong))
    return Documents(objects)


def _claim_names(part: object) -> Iterator[str]:
    """What stands under claimName, wherever that is: spec.data, spec.output, the volumes of any pod."""
    if isinstance(part, dict):
        if isinstance(part.get("claimName"), str):
            yield part["claimName"]
        part = part.values()
    if isinstance(part, Iterable) and not isinstance(part, str):
        for inner in part:
            yield from _claim_names(inner)


def _shape(raw: object, number: int) -> list[str]:
    if expanded_size(raw) > LARGEST:
        return [
            f"document {number} is larger than {LARGEST} characters, its aliases written out: no cluster takes that"
        ]
    if not isinstance(raw, dict):
        return [f"document {number} is not an object: it must have apiVersion, kind and metadata"]
    meta = raw.get("metadata")
    missing = [key for key in ("apiVersion", "kind") if not isinstance(raw.get(key), str)]
    if not isinstance(meta, dict) or not isinstance(meta.get("name"), str):
        missing.append("metadata.name")
    return [f"document {number}: {key} is required" for key in missing]


def _with_namespace(raw: Object, namespace: str) -> Object:
    meta = raw["metadata"]
    return raw | {"metadata": {"namespace": namespace} | meta}


def _job_problems(raw: Object) -> list[str]:
    if raw["kind"] != names.KIND:
        return []
    name = raw["metadata"]["name"]
    if raw["apiVersion"] != names.API_VERSION:
        return [f"{name}: apiVersion: must be {names.API_VERSION}, not {raw['apiVersion']}"]
    schema = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    unknown = unknown_fields(schema, raw.get("spec"), "spec")
    parsed = parse_spec(name, raw.get("spec"))
    problems = [] if isinstance(parsed, TrainingJobSpec) else [f"{name}: {problem}" for problem in parsed]
    return [f"{name}: {path}: unknown field" for path in unknown] + problems
