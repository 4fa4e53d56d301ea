"""A language model: predicts the next token of a text, and how it is trained."""

from typing import Any

import torch
from torch import Tensor
from torch._dynamo.exc import InvalidBackend
from torch.nn import functional

from trainingjob_trainer.errors import ConfigurationError
from trainingjob_trainer.limits import above_zero, at_least
from trainingjob_trainer.models.decoder import Decoder, Shape
from trainingjob_trainer.models.matching import require_kind, require_room
from trainingjob_trainer.models.means import EpochMeans, one_cycle


class GPT(EpochMeans):
    """Learns from token windows int64 [B, T + 1] (data class Tokens), T at most ``context``.

    By default a model of 0.8 million parameters for bytes. bfloat16: set `trainer.precision: bf16-mixed`.

    Args:
        vocabulary: number of different tokens; 257 for bytes and the end of a text
        context: the most tokens it looks back
        layers: number of blocks
        heads: of each block's attention; must divide width
        width: numbers per token
        learning_rate: the highest of its one cycle of warm-up and decay
        weight_decay: of AdamW, for matrices; vectors have none
        compile: a backend of torch.compile, such as `inductor`; by default the model runs as it is written
    """

    def __init__(
        self,
        vocabulary: int = 257,
        context: int = 256,
        layers: int = 4,
        heads: int = 4,
        width: int = 128,
        learning_rate: float = 0.001,
        weight_decay: float = 0.1,
        compile: str | None = None,  # noqa: A002 - torch's own word
    ) -> None:
        super().__init__()
        at_least(1, "model", vocabulary=vocabulary, context=context, layers=layers, heads=heads, width=width)
        above_zero("model", learning_rate=learning_rate)
        at_least(0, "model", weight_decay=weight_decay)
        if width % heads:
            raise ConfigurationError(f"model.width is {width}: model.heads = {heads} must divide it")
        self.save_hyperparameters()
        self.vocabulary = vocabulary
        self.context = context
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.net = Decoder(Shape(vocabulary, context, layers, heads, width))
        if compile is not None:
            _compile(self.net, compile)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits [B, T, vocabulary] of the token that follows each of int64 [B, T]."""
        logits: Tensor = self.net(tokens)
        return logits

    def setup(self, stage: str) -> None:
        """Raises ConfigurationError if the dataset has more tokens, or longer windows.

        Where nobody knows how many tokens a dataset has, one that this model does not know ends the run when it comes.
        """
        require_kind(self, "windows")
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        require_room("vocabulary", self.vocabulary, getattr(data, "vocabulary", None))
        require_room("context", self.context, getattr(data, "context", None))
        if getattr(data, "vocabulary", 0) is None:
            data.expect(self.vocabulary)

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        loss = self.loss(batch)
        self.add("train_loss", loss * len(batch), len(batch))
        return loss

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        self.add("val_loss", self.loss(batch) * len(batch), len(batch))

    def test_step(self, batch: Tensor, batch_idx: int) -> None:
        self.add("test_loss", self.loss(batch) * len(batch), len(batch))

    def loss(self, windows: Tensor) -> Tensor:
        """Mean cross entropy in nats per token of windows int64 [B, T + 1]."""
        logits = self(windows[:, :-1])
        return functional.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten())

    def configure_optimizers(self) -> Any:
        """AdamW with the betas of GPT-3 (T. Brown et al. 2020, 2005.14165, appendix B) under one cycle."""
        matrices = [p for p in self.parameters() if p.ndim >= 2]
        vectors = [p for p in self.parameters() if p.ndim < 2]
        groups = [{"params": matrices, "weight_decay": self.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=self.learning_rate, betas=(0.9, 0.95))
        return one_cycle(self, optimizer, self.learning_rate)

    @torch.no_grad()
    def generate(self, tokens: Tensor, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Tokens int64 [B, T] and ``count`` more, drawn one by one: int64 [B, T + count]."""
        for _ in range(count):
            logits = self(tokens[:, -self.context :])[:, -1]
            drawn = torch.multinomial(functional.softmax(logits.float(), dim=-1), 1, generator=generator)
            tokens = torch.cat([tokens, drawn], dim=1)
        return tokens


def _compile(net: Decoder, backend: str) -> None:
    """In place: names of parameters, and so checkpoints, stay the same. Raises ConfigurationError."""
    try:
        net.compile(backend=backend)
    except InvalidBackend as error:
        raise ConfigurationError(
            f"model.compile is {backend}: it must be one of {', '.join(torch._dynamo.list_backends())}"
        ) from error
