"""Broken TrainingJobs, as people write them: each is refused before anything starts, with the field's path.

The comment at a file's head is the API server's answer. What it leaves to the controller is said here in the same
words; where the schema answers, the words here are our own, but the field is the same.
"""

import re
from functools import cache
from pathlib import Path

import pytest

from trainingjob_cli.documents import DocumentError, load

BAD = sorted((Path(__file__).parent / "bad").glob("*.yaml"))

# The API server's words and ours.
WORDS = {
    "Required value": "is required",
    "Duplicate value": "is set twice",
    "Unsupported value": "input should be",
    "Invalid value: exactly one of": "exactly one of",
}
# Where we name a more precise field, or a list's whole instead of what is in it.
OTHER_FIELD = {"env-as-map": "spec.env: input should be a valid array"}


def head(file: Path) -> dict[str, str]:
    """The comments `# key: text` at a file's head."""
    lines = file.read_text().splitlines()
    return dict(re.fullmatch(r"# ([a-z-]+): (.*)", line).groups() for line in lines if line.startswith("# "))  # type: ignore[union-attr]


def field(expected: str) -> str:
    """The field that an answer of the API server is about."""
    found = re.search(r"(metadata|spec)[\w.\[\]]*", expected)
    assert found is not None, expected
    return found[0]


@cache
def message(file: Path) -> str:
    with pytest.raises(DocumentError) as caught:
        load(file)
    return str(caught.value)


def test_there_are_files() -> None:
    assert len(BAD) > 50


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.stem)
def test_each_is_refused_with_the_path_of_the_field(file: Path) -> None:
    said, told = head(file), message(file)

    if file.stem in OTHER_FIELD:
        assert OTHER_FIELD[file.stem] in told
    elif said["refused-by"] == "controller":
        assert said["expect"] in told
    else:
        assert field(said["expect"]) in told
        for theirs, ours in WORDS.items():
            assert theirs not in said["expect"] or ours in told


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.stem)
def test_no_refusal_shows_python(file: Path) -> None:
    told = message(file)

    assert not [word for word in ("TrainingJobSpec", "pydantic", "valid dict", "None", "Traceback") if word in told]
