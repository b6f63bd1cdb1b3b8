"""The models of the benchmarks in plain PyTorch, with the loops one writes by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks import data

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


def stepper(model: nn.Module, fused: bool) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Return a function that takes one Adam step on a batch and returns its loss."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=fused)

    def step(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def fitter(model: nn.Module, x: np.ndarray, y: np.ndarray, batch_size: int) -> Callable[[int], float]:
    """Return a function that trains for some epochs, shuffled, and returns the last epoch's mean loss."""
    inputs, labels = torch.from_numpy(x), torch.from_numpy(y).long()
    step = stepper(model, fused=True)

    def fit(epochs: int) -> float:
        mean = 0.0
        for _ in range(epochs):
            order = torch.randperm(len(inputs)).split(batch_size)
            losses = [step(inputs[rows], labels[rows].flatten()) for rows in order]
            mean = float(torch.stack(losses).mean())
        return mean

    return fit


def composite(name: str) -> Callable[[Any], Any]:
    """Return the eager function for `layer_norm`, `softmax` or `gelu`."""
    if name == "layer_norm":
        return nn.LayerNorm(data.WIDTH, eps=1e-5)
    return {"softmax": lambda x: functional.softmax(x, -1), "gelu": functional.gelu}[name]
