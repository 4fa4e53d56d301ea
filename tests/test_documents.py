"""What the documents name exists: files that they link to, tests that they cite, commands and targets."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "charts").glob("*/*.md")])
each = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


@each
def test_every_link_leads_to_a_file(document: Path) -> None:
    without_code = re.sub(r"`[^`]*`", "", document.read_text())
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", without_code)

    broken = [link for link in links if "://" not in link and not (document.parent / link).exists()]

    assert not broken


@each
def test_every_target_of_make_exists(document: Path) -> None:
    named = re.findall(r"`(?:CI=true )?make ([a-z]+)`|^\$ make ([a-z]+)$", document.read_text(), re.MULTILINE)
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert {one or other for one, other in named} <= targets


def test_every_test_that_the_protocol_cites_is_there() -> None:
    text = (ROOT / "docs" / "protocol.md").read_text()
    cited, file = [], ""
    for path, test in re.findall(r"`((?:core|control)/test_\w+\.py)?(?:::(test_\w+))?`", text):
        file = path or file
        cited += [(file, test)] if test else []

    missing = [(file, test) for file, test in cited if f"def {test}(" not in (ROOT / "tests" / file).read_text()]

    assert len(cited) > 20
    assert not missing
