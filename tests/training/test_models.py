"""The models: their sizes are those of their sources, they learn real data, and they train as one in any gang."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from trainingjob_trainer.data.claim_data import ClaimData
from trainingjob_trainer.data.image_folder import ImageFolder
from trainingjob_trainer.data.packed import PackedImages
from trainingjob_trainer.data.sampler import START, Share, TrainSampler
from trainingjob_trainer.data.table import Table
from trainingjob_trainer.data.tokens import Tokens
from trainingjob_trainer.errors import ConfigurationError
from trainingjob_trainer.imports import without_scipy_signal
from trainingjob_trainer.models.decoder import Decoder, Shape
from trainingjob_trainer.models.gpt import GPT
from trainingjob_trainer.models.image_classifier import ImageClassifier
from trainingjob_trainer.models.means import EpochMeans
from trainingjob_trainer.models.regressor import Regressor
from trainingjob_trainer.models.residual import resnet18, small
from trainingjob_trainer.prepare import prepare

with without_scipy_signal():
    import pytorch_lightning as pl

pytestmark = [pytest.mark.training, pytest.mark.filterwarnings("ignore")]

Case = tuple[EpochMeans, ClaimData]
DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads of models this small mostly wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This project's own documents, as bytes."""
    folder = tmp_path_factory.mktemp("text")
    prepare(["tokens", str(DOCS), str(folder)])
    return folder


@pytest.fixture(scope="module")
def patients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("patients")
    prepare(["diabetes", str(folder / "csv")])
    prepare(["table", str(folder / "csv"), str(folder / "table"), "--target", "progression"])
    return folder / "table"


@pytest.fixture
def case(
    request: pytest.FixtureRequest, digits: Path, digit_files: Path, text: Path, patients: Path
) -> Callable[[], Case]:
    """A small model and its data; the model has the same weights every time."""

    def make() -> Case:
        torch.manual_seed(0)
        if request.param == "gpt":
            return GPT(layers=2, heads=2, width=32, context=32), Tokens(str(text), context=32, batch_size=16)
        if request.param == "regressor":
            return Regressor(width=32, blocks=1), Table(str(patients), batch_size=16)
        if request.param == "resnet18":
            data = ImageFolder(str(digit_files), size=32, channels=1, batch_size=16, num_workers=0, augment=False)
            return ImageClassifier("resnet18", width=16, learning_rate=0.002), data
        return ImageClassifier(width=8), PackedImages(str(digits), batch_size=16)

    return make


each = pytest.mark.parametrize("case", ["small", "resnet18", "gpt", "regressor"], indirect=True)


def parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_models_are_as_large_as_their_sources_say() -> None:
    with torch.device("meta"):
        assert parameters(resnet18(3, 1000, 64)) == 11_689_512
        assert parameters(Decoder(Shape(50_257, 1024, 12, 12, 768))) == 124_439_808
        assert parameters(small(1, 10, 24)) == 43_786
        assert parameters(Regressor()) == 51_020
        assert 0.7e6 < parameters(GPT()) < 0.9e6


def test_what_a_gpt_says_at_a_place_depends_on_nothing_behind_it() -> None:
    torch.manual_seed(1)
    model = GPT(layers=2, heads=2, width=32, context=24).eval()
    tokens = torch.randint(0, 257, (2, 24))
    before = model(tokens)
    for place in (0, 7, 23):
        changed = tokens.clone()
        changed[:, place:] = (changed[:, place:] + 1) % 257
        after = model(changed)
        torch.testing.assert_close(after[:, :place], before[:, :place])
        assert not torch.allclose(after[:, place:], before[:, place:])


def test_a_gpt_is_given_the_successors_to_predict() -> None:
    model = GPT(vocabulary=11, layers=1, heads=1, width=8, context=4)
    windows = torch.tensor([[1, 2, 3, 4, 5]])
    logits = model(windows[:, :-1])
    expected = -torch.log_softmax(logits, -1)[0, range(4), [2, 3, 4, 5]].mean()
    torch.testing.assert_close(model.loss(windows), expected)


def test_a_gpt_goes_on_with_a_text_longer_than_its_context() -> None:
    model = GPT(layers=1, heads=1, width=8, context=4)
    start = torch.tensor([[7, 8, 9, 10, 11, 12]])
    text = model.generate(start, 5, torch.Generator().manual_seed(0))
    assert text.shape == (1, 11)
    assert text[:, :6].equal(start)


def test_a_compiled_gpt_computes_the_same_and_its_checkpoints_fit() -> None:
    torch.manual_seed(2)
    plain = GPT(layers=1, heads=2, width=16, context=8)
    compiled = GPT(layers=1, heads=2, width=16, context=8, compile="eager")
    compiled.load_state_dict(plain.state_dict())
    tokens = torch.randint(0, 257, (2, 8))
    torch.testing.assert_close(compiled(tokens), plain(tokens))


@each
def test_the_loss_falls_on_real_data(case: Callable[[], Case]) -> None:
    model, data = case()
    before = evaluate(model, data, limit_val_batches=8)["val_loss"]
    after = fit(model, data, max_steps=60, limit_val_batches=8)["val_loss"]
    assert after < 0.85 * before


@each
def test_the_gradients_of_a_gang_are_those_of_one_process(case: Callable[[], Case]) -> None:
    """Gradients averaged over 2 and 4 ranks, as DDP does it, over three steps; float32, so six digits."""
    model, data = case()
    alone = gradients(model, data, 1)
    for world_size in (2, 4):
        for mine, expected in zip(gradients(model, data, world_size), alone, strict=True):
            torch.testing.assert_close(mine, expected, rtol=2e-4, atol=2e-6)


def gradients(model: EpochMeans, data: ClaimData, world_size: int) -> list[Tensor]:
    """Of every parameter after each of three global batches."""
    split = data.split("train")
    local = data.batch_size // world_size
    shares = [
        list(TrainSampler(len(split), Share(r, world_size, local), 0, START))[: 3 * local] for r in range(world_size)
    ]
    collected = []
    for step in range(3):
        model.zero_grad()
        for draws in shares:
            batch = data.on_after_batch_transfer(split.__getitems__(draws[step * local : (step + 1) * local]), 0)
            (model.training_step(batch, step) / world_size).backward()
        collected += [p.grad.clone() for p in model.parameters() if p.grad is not None]
    return collected


@each
def test_a_dataset_that_does_not_fit_the_model_is_told_with_the_value_to_set(case: Callable[[], Case]) -> None:
    model, data = case()
    wrong: dict[type, tuple[EpochMeans, str]] = {
        ImageClassifier: (ImageClassifier(classes=3), "set model.init_args.classes to 10"),
        GPT: (GPT(vocabulary=100), "set model.init_args.vocabulary to 257"),
        Regressor: (Regressor(inputs=4), "set model.init_args.inputs to 10"),
    }
    misfit, told = wrong[type(model)]
    with pytest.raises(ConfigurationError, match=told):
        fit(misfit, data, max_steps=1)


def test_a_model_is_not_trained_on_samples_of_another_kind(digits: Path, text: Path) -> None:
    with pytest.raises(ConfigurationError, match="GPT learns from windows, but data PackedImages gives images"):
        fit(GPT(), PackedImages(str(digits)), max_steps=1)
    with pytest.raises(ConfigurationError, match="ImageClassifier learns from images, but data Tokens gives windows"):
        fit(ImageClassifier(), Tokens(str(text)), max_steps=1)


def test_images_of_other_channels_are_told_with_the_value_to_set(digits: Path, digit_files: Path) -> None:
    for data in (PackedImages(str(digits)), ImageFolder(str(digit_files), size=8, channels=1, num_workers=0)):
        with pytest.raises(ConfigurationError, match=r"set model.init_args.channels to 1"):
            fit(ImageClassifier(channels=3), data, max_steps=1)


@pytest.mark.parametrize("vocabulary", [None, 257])
def test_a_token_beyond_the_vocabulary_is_told_with_the_field_to_set(tmp_path: Path, vocabulary: int | None) -> None:
    for split in ("train", "val"):
        np.full(1000, 900, np.uint16).tofile(tmp_path / f"{split}.bin")
    data = Tokens(str(tmp_path), context=32, batch_size=4, dtype="uint16", vocabulary=vocabulary)
    data.check(1)
    with pytest.raises(
        ConfigurationError, match=r"train.bin holds the token 900, beyond a vocabulary of 257: set model"
    ):
        fit(GPT(layers=1, heads=2, width=16, context=32), data, max_steps=1)


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ConfigurationError, match=r"model.width is 10: model.heads = 4 must divide it"):
        GPT(width=10, heads=4)


def test_means_weigh_samples_not_batches(patients: Path) -> None:
    torch.manual_seed(0)
    model, data = Regressor(width=8, blocks=1), Table(str(patients), batch_size=16)
    metrics = evaluate(model, data)
    split = data.split("val")
    features, targets = data.on_after_batch_transfer(split.__getitems__(range(len(split))), 0)
    with torch.no_grad():
        wrong = (model(features) - targets).square()
    assert metrics["val_loss"] == pytest.approx(float(wrong.mean()), rel=1e-5)
    r2 = 1 - float(wrong.sum() / (targets - targets.mean()).square().sum())
    assert metrics["val_r2"] == pytest.approx(r2, rel=1e-4)


def trainer(**options: Any) -> pl.Trainer:
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    return pl.Trainer(accelerator="cpu", **quiet, **options)


def fit(model: EpochMeans, data: ClaimData, **options: Any) -> dict[str, float]:
    used = trainer(num_sanity_val_steps=0, **options)
    used.fit(model, datamodule=data)
    return dict(used.validate(model, datamodule=data, verbose=False)[0])


def evaluate(model: EpochMeans, data: ClaimData, **options: Any) -> dict[str, float]:
    return dict(trainer(**options).validate(model, datamodule=data, verbose=False)[0])
