"""A GPT's network: a stack of decoder blocks.

As GPT-2 (A. Radford et al. 2019, "Language models are unsupervised multitask learners"): learned positions, layer
norm before each part, GELU, one matrix for reading tokens and for predicting them. 12 layers, 12 heads, width 768,
context 1,024 and 50,257 tokens make 124,439,808 parameters.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class Shape:
    """Of a decoder; ``heads`` divides ``width``."""

    vocabulary: int
    context: int
    layers: int
    heads: int
    width: int


class Decoder(nn.Module):
    """Token numbers int64 [B, T] to logits [B, T, vocabulary]; what stands at t depends on tokens 0 to t only."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.tokens = nn.Embedding(shape.vocabulary, shape.width)
        self.positions = nn.Embedding(shape.context, shape.width)
        self.blocks = nn.ModuleList(Block(shape.width, shape.heads) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(shape.width)
        self.apply(_initialise)
        for name, parameter in self.named_parameters():
            if name.endswith("out.weight"):  # both ends of a block, so that the sum of all keeps its size
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * shape.layers))

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of the next token at each place."""
        places = torch.arange(tokens.shape[1], device=tokens.device)
        features = self.tokens(tokens) + self.positions(places)
        for block in self.blocks:
            features = block(features)
        return functional.linear(self.norm(features), self.tokens.weight)


class Block(nn.Module):
    """Attention, then two linear layers, each added to its input: [B, T, width] to the same."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.first = nn.LayerNorm(width)
        self.attention = CausalAttention(width, heads)
        self.second = nn.LayerNorm(width)
        self.wide = nn.Linear(width, 4 * width)
        self.out = nn.Linear(4 * width, width)

    def forward(self, features: Tensor) -> Tensor:
        features = features + self.attention(self.first(features))
        wide = functional.gelu(self.wide(self.second(features)), approximate="tanh")
        result: Tensor = features + self.out(wide)
        return result


class CausalAttention(nn.Module):
    """Each place looks at itself and those before it (A. Vaswani et al. 2017, 1706.03762): [B, T, width] to the same.

    torch's fused kernels: nothing of size T x T is kept.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.into = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, features: Tensor) -> Tensor:
        batch, length, width = features.shape
        split = self.into(features).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        result: Tensor = self.out(seen.transpose(1, 2).reshape(batch, length, width))
        return result


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
