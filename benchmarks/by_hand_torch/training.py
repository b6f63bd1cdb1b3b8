"""The loops one writes by hand in PyTorch: one step, and epochs of them over shuffled data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks import data, sizes


def cross_entropy(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the mean cross-entropy of rows of logits, or of maps of them, (batch, class, height, width)."""
    return functional.cross_entropy(logits, y if logits.ndim > 2 else y.flatten())


def mean_squared(outputs: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the mean squared error of one output a row."""
    return functional.mse_loss(outputs.flatten(), y)


def binary(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the mean cross-entropy of one logit a row."""
    return functional.binary_cross_entropy_with_logits(logits.flatten(), y)


def evidence(outputs: tuple[torch.Tensor, torch.Tensor], y: torch.Tensor) -> torch.Tensor:
    """Return the loss of a variational autoencoder: of its logits, and its divergence, both a pixel."""
    logits, divergence = outputs
    return functional.binary_cross_entropy_with_logits(logits, y) + divergence


LOSSES: dict[str, Callable[[Any, torch.Tensor], torch.Tensor]] = {
    "cross_entropy": cross_entropy,
    "mean_squared": mean_squared,
    "binary": binary,
    "evidence": evidence,
}


def optimizer_called(name: str, model: nn.Module, fused: bool) -> torch.optim.Optimizer:
    """Return Adam or Adagrad with Keras' arguments over the parameters of a model."""
    if name == "adam":
        return torch.optim.Adam(model.parameters(), lr=1e-3, fused=fused)
    return torch.optim.Adagrad(
        model.parameters(), lr=sizes.ADAGRAD_RATE, initial_accumulator_value=0.1, eps=1e-7
    )


def stepper(
    model: nn.Module,
    fused: bool,
    loss: str = "cross_entropy",
    optimizer: str = "adam",
    mixed: bool = False,
) -> Callable[..., torch.Tensor]:
    """Return a function that takes one step on a batch, inputs and then labels, and returns its loss.

    Args:
        model: what is trained.
        fused: whether Adam runs as one fused op.
        loss: a key of LOSSES.
        optimizer: "adam" or "adagrad".
        mixed: whether the forward pass runs under autocast to bfloat16.
    """
    rule, loss_fn = optimizer_called(optimizer, model, fused), LOSSES[loss]

    def step(*batch: torch.Tensor) -> torch.Tensor:
        rule.zero_grad()
        with torch.autocast(batch[0].device.type, torch.bfloat16) if mixed else nullcontext():
            value = loss_fn(model(*batch[:-1]), batch[-1])
        value.backward()
        rule.step()
        return value.detach()

    return step


def epochs_of(
    step: Callable[..., torch.Tensor], tensors: Sequence[torch.Tensor], batch_size: int
) -> Callable[[int], float]:
    """Return a function that trains for some epochs, shuffled, and returns the last epoch's mean loss."""

    def fit(epochs: int) -> float:
        mean = 0.0
        for _ in range(epochs):
            order = torch.randperm(len(tensors[0]), device=tensors[0].device).split(batch_size)
            losses = [step(*(tensor[rows] for tensor in tensors)) for rows in order]
            mean = float(torch.stack(losses).mean())
        return mean

    return fit


def fitter(
    model: nn.Module, x: Any, y: np.ndarray, batch_size: int, device: str = "cpu", **options: Any
) -> Callable[[int], float]:
    """Return a function that trains a model on an array, or a tuple of them; see `stepper` for the options.

    Data that are trained on elsewhere than on the CPU lie there.
    """
    inputs = [torch.from_numpy(part) for part in (x if isinstance(x, tuple) else (x,))]
    labels = torch.from_numpy(y)
    labels = labels if labels.is_floating_point() else labels.long()
    tensors = [_on(device, tensor) for tensor in (*inputs, labels)]
    if device != "cpu" and inputs[0].ndim == 4:
        model = model.to(memory_format=torch.channels_last)
    return epochs_of(stepper(model.to(device), fused=True, **options), tensors, batch_size)


def _on(device: str, tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor on a device: images there with their channels last, which its convolutions want."""
    if device == "cpu":
        return tensor
    return tensor.to(device, memory_format=torch.channels_last if tensor.ndim == 4 else torch.preserve_format)


def composite(name: str) -> Callable[[Any], Any]:
    """Return the eager function for `layer_norm`, `softmax` or `gelu`."""
    if name == "layer_norm":
        return nn.LayerNorm(data.WIDTH, eps=1e-5)
    return {"softmax": lambda x: functional.softmax(x, -1), "gelu": functional.gelu}[name]
