"""The lean loop takes the same steps as Lightning's: same weights, hooks in the same order, counters and metrics."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

import trainingjob_trainer.loop
from trainingjob_trainer import log, shortcuts, sleeper
from trainingjob_trainer.callbacks import EpochLine
from trainingjob_trainer.curves import LOSS, Curves
from trainingjob_trainer.imports import without_scipy_signal

with without_scipy_signal():
    import pytorch_lightning as pl

pytestmark = [pytest.mark.training, pytest.mark.filterwarnings("ignore")]

BATCHES: Any = [(torch.randn(4, 3), torch.randn(4, 1)) for _ in range(7)]
# One that listens to the backward pass gets Lightning's loop.
HOOKS = [
    name for name in dir(pl.Callback) if name.startswith("on_") and "checkpoint" not in name and "ward" not in name
]


class Plain(pl.LightningModule):
    """Two layers; every variant below changes one thing."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.net = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1))

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        return self.loss(batch)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("val_loss", self.loss(batch))

    def batches(self) -> Any:
        return DataLoader(BATCHES, None)

    def loss(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        return nn.functional.mse_loss(self.net(batch[0]), batch[1])

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)


class Logs(Plain):
    def training_step(self, batch: Any, batch_idx: int) -> Any:
        loss = self.loss(batch)
        self.log("loss", loss)
        self.log("both", loss * 2, on_step=True, on_epoch=True, prog_bar=True)
        self.log("size", 4.0, on_epoch=True, reduce_fx="max", batch_size=4)
        if batch_idx % 2:
            self.log("odd", loss)
        return {"loss": loss, "index": batch_idx}

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.log("later", outputs["loss"])


class Scheduled(Plain):
    def training_step(self, batch: Any) -> Any:  # type: ignore[override]  # Lightning allows it without an index
        return self.loss(batch)

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(self.parameters(), lr=0.1)
        step = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=30)
        epoch = torch.optim.lr_scheduler.StepLR(optimizer, 1)
        return [optimizer], [{"scheduler": step, "interval": "step"}, {"scheduler": epoch, "interval": "epoch"}]


class Plateau(Plain):
    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": plateau, "monitor": "val_loss"}}


class Searches(Plain):
    def configure_optimizers(self) -> Any:
        return torch.optim.LBFGS(self.parameters(), lr=0.1, max_iter=3)


class Skips(Plain):
    def on_train_batch_start(self, batch: Any, batch_idx: int) -> int | None:
        return -1 if batch_idx == 4 else None

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        self.log("gradient", self.net[0].weight.grad.norm())

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        return batch[0] * 2, batch[1]


class Stops(Plain):
    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.trainer.should_stop = batch_idx == 4


class Hooked(Plain):
    """A hook before the optimizer's step comes before the forward pass, too: Lightning steps with a closure."""

    def configure_optimizers(self) -> Any:
        optimizer = super().configure_optimizers()
        optimizer.register_step_pre_hook(lambda *_: self.move())
        return optimizer

    @torch.no_grad()
    def move(self) -> None:
        self.net[0].weight.add_(0.1)


class Stream(IterableDataset[Any]):
    """Nobody knows how long it is."""

    def __iter__(self) -> Any:
        return iter(BATCHES)


class Streams(Plain):
    def batches(self) -> Any:
        return DataLoader(Stream(), None)


class TwoLoaders(Plain):
    def batches(self) -> Any:
        return {"long": DataLoader(BATCHES, None), "short": DataLoader(BATCHES[:3], None)}

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        return self.loss(batch["long"]) + self.loss(batch["short"])


class StepsItself(Plain):
    def optimizer_step(self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None) -> None:
        optimizer.step(closure=optimizer_closure)


class Manual(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch: Any, batch_idx: int) -> None:
        optimizer = self.optimizers()
        optimizer.zero_grad()
        self.manual_backward(self.loss(batch))
        optimizer.step()


class Recorder(pl.Callback):
    """Every hook, in order, with what could be seen at that moment."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def note(self, name: str, trainer: pl.Trainer, *told: Any) -> None:
        loop = trainer.fit_loop.epoch_loop
        metrics = {key: float(value) for key, value in trainer.callback_metrics.items()} if "batch" in name else {}
        outputs = {key: float(value) for key, value in told[1].items()} if name == "on_train_batch_end" else {}
        self.seen.append((name, trainer.global_step, loop.batch_progress.state_dict(), metrics, outputs))


def _recording(name: str) -> Callable[..., None]:
    return lambda self, trainer, *told, **_: self.note(name, trainer, *told)


for _name in HOOKS:
    setattr(Recorder, _name, _recording(_name))


class Shown(pl.loggers.logger.DummyLogger):
    """What a logger is given."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        self.seen.append((metrics, step))


def trained(model: Plain, lean: bool, heard: bool, settings: dict[str, Any]) -> list[Any]:
    """Train for three epochs; everything that can be seen from outside."""
    log.quieten()
    recorder, logger = Recorder(), Shown()
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=1,
        logger=logger,
        callbacks=[recorder] if heard else [],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **({"max_epochs": 3, "log_every_n_steps": 2} | settings),
    )
    if lean:
        trainingjob_trainer.loop.make_lean(trainer)
    trainer.fit(model, model.batches(), DataLoader(BATCHES[:2], None))
    metrics = {key: float(value) for key, value in trainer.callback_metrics.items()}
    optimizer = trainer.optimizers[0].state_dict()["param_groups"]
    weights = [parameter.tolist() for parameter in model.parameters()]
    return [weights, recorder.seen, logger.seen, metrics, optimizer, trainer.fit_loop.state_dict()]


@pytest.mark.parametrize("heard", [True, False], ids=["heard", "unheard"])
@pytest.mark.parametrize(
    ("model", "settings"),
    [
        (Plain, {}),
        (Logs, {}),
        (Scheduled, {"gradient_clip_val": 0.5}),
        (Plateau, {"val_check_interval": 3}),
        (Searches, {"max_steps": 30, "max_epochs": -1}),
        (Skips, {}),
        (StepsItself, {}),
        (Manual, {}),
        (Stops, {}),
        (Hooked, {}),
        (Streams, {"limit_train_batches": 5}),
        (TwoLoaders, {}),
        (Plain, {"max_steps": 10}),
        (Plain, {"accumulate_grad_batches": 2}),
        (Plain, {"val_check_interval": 10, "check_val_every_n_epoch": None}),
        (Plain, {"limit_train_batches": 0.5, "precision": "bf16-mixed"}),
    ],
)
def test_the_lean_loop_does_what_lightnings_does(model: type[Plain], settings: dict[str, Any], heard: bool) -> None:
    assert trained(model(), True, heard, settings) == trained(model(), False, heard, settings)


@pytest.mark.parametrize(("model", "lean"), [(Plain, True), (Logs, True), (StepsItself, False), (Manual, False)])
def test_only_plain_steps_are_lean(model: type[Plain], lean: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    advance = trainingjob_trainer.loop.LeanStep.advance
    monkeypatch.setattr(trainingjob_trainer.loop.LeanStep, "advance", lambda self: (taken.append(1), advance(self))[1])
    trained(model(), True, False, {})
    assert len(taken) == (21 if lean else 0)


class Wrapper(nn.Module):
    """As DDP is one: it calls the forward of what it wraps."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.calls = 0

    def forward(self, *args: Any) -> Any:
        self.calls += 1
        return self.module(*args)


class CallsForward(Plain):
    def forward(self, inputs: Tensor) -> Any:
        return self.net(inputs)

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        return self(batch[0]), batch_idx


def test_the_training_step_runs_inside_ddps_forward_and_may_call_the_models_own() -> None:
    module = CallsForward()
    wrapper = Wrapper(module)
    step = shortcuts.through(wrapper, module)
    for index in (5, 6):
        outputs, told = step(BATCHES[0], index)
        assert torch.equal(outputs, module.net(BATCHES[0][0]))
        assert told == index
        assert torch.equal(module(BATCHES[0][0]), outputs)
    assert wrapper.calls == 2


def test_the_closure_is_called_before_the_step_for_torchs_optimizers_but_lbfgs_and_hooked_ones() -> None:
    parameters = [nn.Parameter(torch.zeros(1))]
    hooked = torch.optim.SGD(parameters, lr=0.1)
    hooked.register_step_pre_hook(lambda *_: None)
    other = type("Other", (torch.optim.SGD,), {"__module__": "somebody.else"})(parameters, lr=0.1)
    known = [torch.optim.SGD(parameters, lr=0.1), torch.optim.AdamW(parameters)]
    assert [shortcuts.steps_after_backward(optimizer) for optimizer in known] == [True, True]
    others = [torch.optim.LBFGS(parameters), hooked, other]
    assert [shortcuts.steps_after_backward(optimizer) for optimizer in others] == [False, False, False]


@pytest.mark.parametrize(("model", "short"), [(Plain, True), (Streams, False), (TwoLoaders, False)])
def test_only_one_loader_of_known_length_is_read_past_lightnings_layers(
    model: type[Plain], short: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[bool] = []
    look = shortcuts.only_cycle
    monkeypatch.setattr(shortcuts, "only_cycle", lambda fetcher: (found.append(bool(look(fetcher))), look(fetcher))[1])
    trained(model(), True, False, {})
    assert found == [short] * 3


@pytest.mark.parametrize(
    ("settings", "due"),
    [
        ({"log_every_n_steps": 5}, [5, 10, 15, 20]),
        ({"log_every_n_steps": 2, "accumulate_grad_batches": 2}, [2, 4, 6, 8, 10, 12]),
        ({"log_every_n_steps": 4, "val_check_interval": 3}, [4, 8, 12, 16, 20]),
        ({"log_every_n_steps": 3, "max_steps": 7}, [3, 6]),
    ],
)
@pytest.mark.parametrize("lean", [True, False])
def test_curves_are_written_once_for_each_step_that_is_due(
    settings: dict[str, Any], due: list[int], lean: bool
) -> None:
    log.quieten()
    logger = Shown()
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=1,
        logger=logger,
        callbacks=[Curves()],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **({"max_epochs": 3} | settings),
    )
    if lean:
        trainingjob_trainer.loop.make_lean(trainer)
    trainer.fit(Plain(), DataLoader(BATCHES, None), DataLoader(BATCHES[:2], None))
    assert [step + 1 for metrics, step in logger.seen if LOSS in metrics] == due


@pytest.mark.parametrize("lean", [True, False])
def test_every_batch_is_counted_though_every_tenth_is_looked_at(lean: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    log.quieten()
    line, curves, looked = EpochLine(), Curves(), list[int]()
    look = sleeper.samples_in
    monkeypatch.setattr(sleeper, "samples_in", lambda batch: looked.append(1) or look(batch))
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=1,
        logger=False,
        callbacks=[line, curves],
        enable_progress_bar=False,
        enable_model_summary=False,
        max_epochs=2,
        val_check_interval=13,
        log_every_n_steps=1000,
    )
    if lean:
        trainingjob_trainer.loop.make_lean(trainer)
    trainer.fit(Plain(), DataLoader(BATCHES * 4, None), DataLoader(BATCHES[:2], None))
    curves.settle()
    since_validation = 2
    assert (line.samples, curves.samples) == (4 * 28, 4 * since_validation)
    assert len(looked) < 28
