"""The example manifests as their readers use them: what the head of each says to do first, and fields to change.

Reads files, runs nothing.
"""

import re
from dataclasses import dataclass
from typing import Any

import yaml

from support.arena import EXAMPLES
from trainingjob_operator.api import names

_INDENTED = re.compile(r"^#   (.*)$", re.MULTILINE)
_RUN = re.compile(r"^trainingjob run (?P<file>\S+) --claim (?P<claim>\S+)=(?P<folder>\S+)$")


@dataclass(frozen=True, slots=True)
class Head:
    """What the comment above a manifest says to do on one machine.

    ``commands`` is a shell script that leaves the dataset in ``folder``, which then plays ``claim``.
    """

    commands: str
    claim: str
    folder: str


def head(example: str) -> Head:
    """The commands under "On one machine", up to the one that runs the manifest. AssertionError if there are none."""
    text = (EXAMPLES / f"{example}.yaml").read_text().split("apiVersion:")[0]
    # A command that does not fit a line goes on in the next.
    commands = "\n".join(_INDENTED.findall(text.partition("On one machine")[2])).replace("\\\n", "").splitlines()
    last = _RUN.match(commands[-1]) if commands else None
    assert last is not None, f"the head of {example}.yaml does not say how to run it on one machine"
    assert last["file"].endswith(f"/{example}.yaml")
    return Head("\n".join(commands[:-1]), last["claim"], last["folder"])


def changed(example: str, *, trainer: dict[str, Any] | None = None, **fields: Any) -> str:
    """The manifest with other fields in its job's spec, and in what its run.trainer.config says of `trainer`."""
    documents = list(yaml.safe_load_all((EXAMPLES / f"{example}.yaml").read_text()))
    for spec in (document["spec"] for document in documents if document["kind"] == names.KIND):
        spec.update(fields)
        if trainer is not None:
            spec["run"]["trainer"]["config"]["trainer"] |= trainer
    return yaml.safe_dump_all(documents)
