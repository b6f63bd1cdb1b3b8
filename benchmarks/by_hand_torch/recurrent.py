"""Recurrent models in plain PyTorch."""

from __future__ import annotations

import torch
from torch import nn

from benchmarks import data, sizes


class Recurrent(nn.Module):
    """One recurrent layer, and logits of its last output."""

    def __init__(self, kind: type[nn.LSTM] | type[nn.GRU], size: sizes.Recurrent = sizes.RECURRENT) -> None:
        super().__init__()
        self.layer = kind(size.features, size.units, batch_first=True)
        self.logits = nn.Linear(size.units, data.NUM_CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, step, feature) to logits."""
        outputs, _ = self.layer(x)
        return self.logits(outputs[:, -1])


def lstm() -> nn.Module:
    """Build the LSTM."""
    return Recurrent(nn.LSTM)


def lstm_gpu() -> nn.Module:
    """Build the LSTM that fills a GPU."""
    return Recurrent(nn.LSTM, sizes.RECURRENT_GPU)


def gru() -> nn.Module:
    """Build the GRU."""
    return Recurrent(nn.GRU)


class Bidirectional(nn.Module):
    """A GRU in both directions, and logits of both last outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.GRU(32, 128, batch_first=True, bidirectional=True)
        self.logits = nn.Linear(256, data.NUM_CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, step, 32) to logits."""
        _, last = self.layer(x)
        return self.logits(torch.cat([last[0], last[1]], -1))


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
