"""What `trainingjob run` and `render` say of a file before they start anything."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from support.arena import EXAMPLES
from trainingjob_cli.commands import main
from trainingjob_cli.documents import DocumentError, load
from trainingjob_cli.expansion import ENDLESS, expanded_size


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "job.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_is_taken(path: Path) -> None:
    assert load(path).jobs


def test_a_document_whose_aliases_explode_is_refused(tmp_path: Path) -> None:
    laughs = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30))
    with pytest.raises(DocumentError, match="document 1 is larger than"):
        load(written(tmp_path, f"a0: &a0 [lol]\n{laughs}\n"))


def test_a_document_that_holds_itself_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="document 1 is larger than"):
        load(written(tmp_path, "a: &a [*a]\n"))


def test_an_aliased_part_counts_as_often_as_it_is_named() -> None:
    once = expanded_size(yaml.safe_load("a: [xxxxxxxxxx]"))
    twice = expanded_size(yaml.safe_load("a: &a [xxxxxxxxxx]\nb: *a"))
    assert once < twice < 2 * once < ENDLESS


def test_what_is_missing_is_named_for_each_document(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=r"document 1: kind is required\n.*document 2: metadata.name is required"):
        load(written(tmp_path, "apiVersion: v1\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Secret\n"))


def test_a_claim_that_nothing_in_the_file_names_is_refused_with_those_that_are(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["run", str(EXAMPLES / "gpt.yaml"), "--claim", f"txt={tmp_path}"])

    assert done.exit_code == 2
    assert "--claim: nothing in FILE names 'txt'; it names gpt-output, text" in done.output
