"""Dense, convolutional and attention models in plain PyTorch."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from benchmarks import data, sizes

NUM_LAYERS = 4
NUM_HEADS = 4
INNER = 512


def mlp() -> nn.Module:
    """Build the 784-128-10 perceptron."""
    return nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, data.NUM_CLASSES))


def cnn() -> nn.Module:
    """Build the network of two convolutions on (1, 28, 28)."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(1600, data.NUM_CLASSES),
    )


class Block(nn.Module):
    """One pre-norm transformer layer: attention through PyTorch's own fused op, then two dense layers."""

    def __init__(self) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(data.WIDTH), nn.LayerNorm(data.WIDTH)
        self.query_key_value = nn.Linear(data.WIDTH, 3 * data.WIDTH)
        self.out = nn.Linear(data.WIDTH, data.WIDTH)
        self.inner, self.outer = nn.Linear(data.WIDTH, INNER), nn.Linear(INNER, data.WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, step, width) to the same shape."""
        batch, steps, width = x.shape
        heads = self.query_key_value(self.norm_1(x)).view(batch, steps, 3, NUM_HEADS, width // NUM_HEADS)
        query, key, value = heads.permute(2, 0, 3, 1, 4)  # each (batch, head, step, width of a head)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, steps, width))
        return x + self.outer(functional.relu(self.inner(self.norm_2(x))))


class Transformer(nn.Module):
    """Four layers between an embedding and logits per token; logits are (batch * step, vocabulary)."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(data.VOCABULARY, data.WIDTH)
        self.register_buffer("positions", torch.from_numpy(data.position_table()))
        self.blocks = nn.Sequential(*[Block() for _ in range(NUM_LAYERS)])
        self.norm = nn.LayerNorm(data.WIDTH)
        self.logits = nn.Linear(data.WIDTH, data.VOCABULARY)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Map token ids (batch, step) to logits (batch * step, vocabulary)."""
        x = self.blocks(self.embed(ids) + self.positions)
        return self.logits(self.norm(x)).flatten(0, 1)


class CausalBlock(nn.Module):
    """One pre-norm layer of the GPT-2-like model: causal attention by PyTorch's fused op, then two dense layers."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_key_value, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.inner, self.outer = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, step, width) to the same shape."""
        heads = self.query_key_value(self.norm_1(x)).unflatten(-1, (3, self.heads, -1))
        query, key, value = heads.permute(2, 0, 3, 1, 4)  # each (batch, head, step, width of a head)
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        return x + self.outer(functional.gelu(self.inner(self.norm_2(x))))


class GPT(nn.Module):
    """Causal layers between embeddings of tokens and positions, and logits per token."""

    def __init__(self, size: sizes.Gpt = sizes.GPT) -> None:
        super().__init__()
        self.tokens = nn.Embedding(size.vocabulary, size.width)
        self.positions = nn.Embedding(size.steps, size.width)
        self.blocks = nn.Sequential(*[CausalBlock(size.width, size.heads) for _ in range(size.layers)])
        self.norm = nn.LayerNorm(size.width)
        self.logits = nn.Linear(size.width, size.vocabulary)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Map token ids (batch, step) to logits (batch * step, vocabulary)."""
        x = self.tokens(ids) + self.positions(torch.arange(ids.shape[1], device=ids.device))
        return self.logits(self.norm(self.blocks(x))).flatten(0, 1)


def gpt2() -> nn.Module:
    """Build the smallest GPT-2, without the tie of its embedding and its logits."""
    return GPT(sizes.GPT2)
