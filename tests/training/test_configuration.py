"""What a wrong configuration is told, and that it ends the run for good."""

import sys
from pathlib import Path

import pytest

from support.training import Run
from trainingjob_trainer.cli import TrainerCLI
from trainingjob_trainer.environment import read_environment
from trainingjob_trainer.errors import ConfigurationError
from trainingjob_trainer.preemption import Preemption

pytestmark = pytest.mark.training

MODEL = "model: ImageClassifier\n"
DATA = "data: PackedImages\n"


def test_a_wrong_configuration_ends_with_2_and_a_reason_for_the_pods_status(misconfigured: Run) -> None:
    assert misconfigured.codes == [2]
    assert "there is no field trainer.max_epoch. Did you mean trainer.max_epochs?" in misconfigured.errors[0]
    assert misconfigured.errors[0].endswith(f"{misconfigured.reasons[0]}\n")
    assert misconfigured.lines == [[]]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Lightning calls jsonargparse by old names
@pytest.mark.parametrize(
    ("text", "told"),
    [
        (MODEL + "dta: PackedImages\n", "there is no field dta"),
        (MODEL + DATA + "trainer: {max_epochs: many}\n", "trainer.max_epochs is many: it must be of type int"),
        ("model: {class_path: ImageClassifier, init_args: {widht: 8}}\n" + DATA, "model.init_args.widht. Did you mean"),
        ("model: {class_path: ImageClassifier, init_args: {width: w}}\n" + DATA, "model.init_args.width is w: it must"),
        ("model: {class_path: Classifier}\n" + DATA, "model names the class Classifier, which is not known"),
        ("model: {class_path: my.Model}\n" + DATA, "model names the class my.Model, which cannot be used: No module"),
        (DATA, "model is missing"),
        (MODEL + "data: [\n", "line 3, column 1"),
        (MODEL + "data: {class_path: PackedImages, init_args: {folder: /none}}\n", "data.folder /none does not exist"),
        (MODEL + "data: {class_path: PackedImages, init_args: {batch_size: 9999}}\n", "only 1438 training images"),
        (MODEL + "data: {class_path: PackedImages, init_args: {prefetch: 0}}\n", "data.prefetch is 0: it must be 1"),
        (MODEL + DATA + "checkpoint: {keep: 0}\n", "checkpoint.keep is 0: it must be 1 or more"),
        (MODEL + DATA + "checkpoint: {every_steps: -2}\n", "checkpoint.every_steps is -2: it must be 0 or more"),
        (MODEL + DATA + "process_group: {timeout_seconds: 0}\n", "process_group.timeout_seconds is 0: it must be 1"),
    ],
)
def test_a_wrong_field_is_named_with_its_remedy(
    text: str, told: str, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    monkeypatch.setattr(sys, "argv", ["trainer", "fit", "--config", str(file)])
    monkeypatch.setenv("TRAININGJOB_DATA_DIR", str(digits))
    with pytest.raises(ConfigurationError) as raised:
        TrainerCLI(read_environment({}), Preemption())
    assert told in str(raised.value)


def test_a_number_in_the_environment_must_be_one() -> None:
    with pytest.raises(ConfigurationError, match="TRAININGJOB_NUM_NODES is 'two': it must be a whole number"):
        read_environment({"TRAININGJOB_NUM_NODES": "two"})
    with pytest.raises(ConfigurationError, match="NODE_RANK is 2: it must be 0 to 1"):
        read_environment({"TRAININGJOB_NUM_NODES": "2", "NODE_RANK": "2"})
