"""Adafactor."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.keras.optimizers.optimizer import Optimizer

__all__ = ["Adafactor"]


class Adafactor(Optimizer):
    """Adaptive steps from the row and column means of the squared gradient.

        s = g**2 + epsilon_1;   b = 1 - t**beta_2_decay
        r = b * r + (1 - b) * mean(s, -1);   c = b * c + (1 - b) * mean(s, -2);   v = r / mean(r, -1) * c
        u = g / sqrt(v);   w -= max(epsilon_2, rms(w)) * rate * u / max(1, rms(u) / clip_threshold)

    Variables of rank 0 and 1 have a full `v`.

    Args:
        learning_rate: see `Optimizer`.
        beta_2_decay: exponent of the decay, < 0.
        epsilon_1: added to the squared gradient.
        epsilon_2: least scale of the weights.
        clip_threshold: largest root mean square of `u`.
        relative_step: kept for configs; the rate is limited to `1 / sqrt(t)` either way, as in Keras.
        name, common: see `Optimizer`.

    Source: Shazeer and Stern, 2018, Adafactor: Adaptive Learning Rates with Sublinear Memory Cost.
    """

    hyperparameters = ("beta_2_decay", "epsilon_1", "epsilon_2", "clip_threshold", "relative_step")
    slot_attributes = {"r": "_r", "c": "_c", "velocity": "_v"}

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_2_decay: float = -0.8,
        epsilon_1: float = 1e-30,
        epsilon_2: float = 1e-3,
        clip_threshold: float = 1.0,
        relative_step: bool = True,
        *,
        name: str | None = None,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, name=name, **common)
        self.beta_2_decay, self.clip_threshold = beta_2_decay, clip_threshold
        self.epsilon_1, self.epsilon_2, self.relative_step = epsilon_1, epsilon_2, bool(relative_step)

    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        return (("r", "c", "velocity"),)

    def new_slot(self, name: str, shape: tuple, dtype: np.dtype) -> np.ndarray:
        if name == "velocity":
            return np.zeros(shape, dtype)
        if len(shape) < 2:
            return np.zeros((), dtype)
        return np.zeros(shape[:-1] if name == "r" else (*shape[:-2], shape[-1]), dtype)

    def update(self, xp: Any, gradient: Any, value: Any, slots: tuple, hyper: Any) -> tuple[Any, tuple]:
        rows, columns, velocity = slots
        largest = 1 / xp.sqrt(hyper.step)
        rate = xp.minimum(hyper.rate, largest)
        scale = xp.maximum(_rms(xp, value), np.asarray(self.epsilon_2, value.dtype)) * rate
        kept = 1 - xp.power(hyper.step, self.beta_2_decay)
        squares = xp.square(gradient) + self.epsilon_1
        if value.ndim >= 2:
            rows = kept * rows + (1 - kept) * xp.mean(squares, axis=-1)
            columns = kept * columns + (1 - kept) * xp.mean(squares, axis=-2)
            relative = rows / xp.mean(rows, axis=-1, keepdims=True)
            velocity = xp.expand_dims(relative, -1) * xp.expand_dims(columns, -2)
        else:
            velocity = kept * velocity + (1 - kept) * squares
        change = gradient / xp.sqrt(velocity)
        change = change / xp.maximum(_rms(xp, change) / self.clip_threshold, np.asarray(1, value.dtype))
        return value - scale * change, (rows, columns, velocity)


def _rms(xp: Any, x: Any) -> Any:
    return xp.sqrt(xp.mean(xp.square(x)))
