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


class Recurrent(nn.Module):
    """One recurrent layer of 128 units, and logits of its last output."""

    def __init__(self, kind: type[nn.LSTM] | type[nn.GRU]) -> None:
        super().__init__()
        self.layer, self.logits = kind(32, 128, batch_first=True), nn.Linear(128, data.NUM_CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, step, 32) to logits."""
        outputs, _ = self.layer(x)
        return self.logits(outputs[:, -1])


def lstm() -> nn.Module:
    """Build the LSTM."""
    return Recurrent(nn.LSTM)


def gru() -> nn.Module:
    """Build the GRU."""
    return Recurrent(nn.GRU)


class MaskedBidirectional(nn.Module):
    """An LSTM in both directions over sequences of different lengths, packed as PyTorch wants them."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.LSTM(32, 128, batch_first=True, bidirectional=True)
        self.logits = nn.Linear(256, data.NUM_CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, step, 32), zeros at the end, to logits."""
        lengths = (x != 0).any(-1).sum(-1)
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        _, (last, _) = self.layer(packed)
        return self.logits(torch.cat([last[0], last[1]], -1))


class ConvLSTM(nn.Module):
    """A convolutional LSTM layer, written as a loop."""

    def __init__(self, channels: int, filters: int) -> None:
        super().__init__()
        self.inputs = nn.Conv2d(channels, 4 * filters, 3, padding=1)
        self.states = nn.Conv2d(filters, 4 * filters, 3, padding=1, bias=False)
        self.filters = filters

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, step, channels, height, width) to the states of all steps."""
        batch, steps, _, height, width = x.shape
        z = self.inputs(x.flatten(0, 1)).unflatten(0, (batch, steps))
        h = c = x.new_zeros(batch, self.filters, height, width)
        outputs = []
        for step in range(steps):
            i, f, g, o = (z[:, step] + self.states(h)).chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            outputs.append(h)
        return torch.stack(outputs, 1)


class ConvLSTMs(nn.Module):
    """Two convolutional LSTM layers, and logits of the last state."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(ConvLSTM(4, 8), ConvLSTM(8, 8))
        self.logits = nn.Linear(16 * 16 * 8, data.NUM_CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map films (batch, step, height, width, channel) to logits."""
        return self.logits(self.layers(x.movedim(-1, 2))[:, -1].flatten(1))


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
