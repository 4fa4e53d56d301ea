"""What `trainingjob render` prints."""

import yaml
from click.testing import CliRunner

from support.arena import EXAMPLES
from trainingjob_cli.commands import main


def test_a_script_is_printed_as_it_is_written() -> None:
    example = EXAMPLES / "lightning-script.yaml"

    done = CliRunner().invoke(main, ["render", str(example)])

    assert done.exit_code == 0, done.output
    assert "\n    class Digits(LightningModule):\n        def __init__(self):\n" in done.output
    (files,) = (raw for raw in yaml.safe_load_all(done.output) if raw["kind"] == "ConfigMap")
    assert files["data"] == yaml.safe_load(example.read_text())["spec"]["files"]
