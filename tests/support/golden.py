"""Comparing a value with the one kept beside the test, as YAML that people can read.

With WRITE_GOLDEN=1 in the environment the kept value is written anew; the difference is then to be read in `git diff`.
"""

import os
from pathlib import Path
from typing import Any

import yaml


def matches(path: Path, value: Any) -> bool:
    """Whether ``value`` is the kept one."""
    if os.environ.get("WRITE_GOLDEN") == "1":
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(value, sort_keys=False, width=120))
    kept = yaml.safe_load(path.read_text())
    assert value == kept, f"differs from {path.name}; if the change is meant, run again with WRITE_GOLDEN=1"
    return True
