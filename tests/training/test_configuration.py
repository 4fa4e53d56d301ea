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


def image_classifier(argument: str) -> str:
    return f"model: {{class_path: ImageClassifier, init_args: {{{argument}}}}}\n{DATA}"


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
        (
            MODEL + DATA + "trainer: {precision: 7}\n",
            "trainer.precision is 7: it must be one of 64, 32, 16, transformer",
        ),
        (MODEL + DATA + "trainer: {max_steps: 0}\n", "trainer.max_steps is 0: the job would succeed without having"),
        (MODEL + DATA + "trainer: {max_epochs: 0}\n", "trainer.max_epochs is 0"),
        (MODEL + DATA + "trainer: {limit_train_batches: 0.0}\n", "trainer.limit_train_batches is 0"),
        (
            MODEL + DATA + "trainer: {accumulate_grad_batches: 0}\n",
            "trainer.accumulate_grad_batches is 0: it must be 1",
        ),
        (MODEL + DATA + "trainer: {strategy: best}\n", "invalid strategy name: `strategy='best'`"),
        (MODEL + DATA + "seed_everything: -1\n", "seed_everything is -1: it must be 0 to 4294967295"),
        (MODEL + DATA + "ckpt_path: /none/last.ckpt\n", "ckpt_path /none/last.ckpt does not exist"),
        (image_classifier("network: vgg"), "model.init_args.network is vgg: it must be one of small, resnet18."),
        (image_classifier("learning_rate: -1"), "model.learning_rate is -1.0: it must be more than 0"),
        (image_classifier("learning_rate: .nan"), "model.learning_rate is nan: it must be more than 0"),
        (image_classifier("width: 0"), "model.width is 0: it must be 1 or more"),
        (image_classifier("weight_decay: -0.1"), "model.weight_decay is -0.1: it must be 0 or more"),
        ("model: {class_path: GPT, init_args: {heads: 0}}\n" + DATA, "model.heads is 0: it must be 1 or more"),
        ("model: {class_path: GPT, init_args: {compile: gcc}}\n" + DATA, "model.compile is gcc: it must be one of"),
        ("model: {class_path: Regressor, init_args: {dropout: 1}}\n" + DATA, "model.dropout is 1.0: it must be less"),
        ("model: {class_path: torch.nn.Linear}\n" + DATA, "model names the class torch.nn.Linear, which is no Lightn"),
        (MODEL + "data: {class_path: PackedImages, init_args: {batch_size: -8}}\n", "data.batch_size is -8"),
        (MODEL + "data: {class_path: PackedImages, init_args: {seed: -1}}\n", "data.seed is -1: it must be 0 or more"),
        (MODEL + "data: {class_path: ImageFolder, init_args: {size: 0}}\n", "data.size is 0: it must be 1 or more"),
        (
            MODEL + "data: {class_path: ImageFolder, init_args: {held_out: 2}}\n",
            "data.held_out is 2.0: it must be less",
        ),
        (MODEL + "data: {class_path: ImageFolder, init_args: {folder: /none}}\n", "/none is not a folder"),
        (MODEL + "data: {class_path: Table, init_args: {window: 0}}\n", "data.window is 0: it must be 1 or more"),
        (MODEL + "data: {class_path: Tokens, init_args: {dtype: int8}}\n", "data.dtype is int8: it must be uint16 or"),
        (
            MODEL + DATA + "process_group: {backend: mpi}\n",
            "process_group.backend is mpi: it must be one of gloo, nccl",
        ),
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


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_class_of_the_users_own_is_named_with_what_it_does_not_accept(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_model.py").write_text(OWN_MODEL)
    config = tmp_path / "config.yaml"
    monkeypatch.setattr(sys, "argv", ["trainer", "fit", "--config", str(config)])
    monkeypatch.setenv("TRAININGJOB_DATA_DIR", str(digits))

    config.write_text("model: {class_path: own_model.Own, init_args: {depth: 3}}\n" + DATA)
    with pytest.raises(ConfigurationError, match=r"own_model.Own cannot be built from its init_args: depth is odd\."):
        TrainerCLI(read_environment({}), Preemption())

    # A file that is not there may be there the next time.
    config.write_text("model: {class_path: own_model.Own, init_args: {weights: /none}}\n" + DATA)
    with pytest.raises(FileNotFoundError):
        TrainerCLI(read_environment({}), Preemption())


OWN_MODEL = """
from trainingjob_trainer.models.image_classifier import ImageClassifier

class Own(ImageClassifier):
    def __init__(self, depth: int = 2, weights: str = ""):
        super().__init__()
        if depth % 2:
            raise ValueError("depth is odd")
        if weights:
            open(weights)
"""


def test_asking_for_help_warns_of_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["trainer", "fit", "--help"])
    with pytest.raises(SystemExit):
        TrainerCLI(read_environment({}), Preemption())
    assert capsys.readouterr().err == ""


def test_a_number_in_the_environment_must_be_one() -> None:
    with pytest.raises(ConfigurationError, match="TRAININGJOB_NUM_NODES is 'two': it must be a whole number"):
        read_environment({"TRAININGJOB_NUM_NODES": "two"})
    with pytest.raises(ConfigurationError, match="NODE_RANK is 2: it must be 0 to 1"):
        read_environment({"TRAININGJOB_NUM_NODES": "2", "NODE_RANK": "2"})
