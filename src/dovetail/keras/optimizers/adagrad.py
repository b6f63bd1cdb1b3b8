"""Optimizers whose steps shrink with the sum of past squared gradients: Adagrad, Adadelta, Ftrl."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.base.settings import settings
from dovetail.keras.optimizers.optimizer import Optimizer

__all__ = ["Adadelta", "Adagrad", "Ftrl"]


class Adagrad(Optimizer):
    """Divides by the root of the sum of squared gradients: `a += g**2; w -= rate * g / sqrt(a + epsilon)`.

    Args:
        learning_rate: see `Optimizer`.
        initial_accumulator_value: `a` at the beginning, >= 0.
        epsilon: keeps the denominator from 0; None: `keras.backend.epsilon()`.
        name, common: see `Optimizer`.

    Source: Duchi et al., 2011, Adaptive Subgradient Methods for Online Learning and Stochastic Optimization.
    """

    hyperparameters = ("initial_accumulator_value", "epsilon")
    slot_attributes = {"accumulator": "_accumulators"}

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float | None = 1e-7,
        *,
        name: str | None = None,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, name=name, **common)
        self.initial_accumulator_value = _not_negative(self, initial_accumulator_value)
        self.epsilon = settings.epsilon if epsilon is None else epsilon

    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        return (("accumulator",),)

    def new_slot(self, name: str, shape: tuple, dtype: np.dtype) -> np.ndarray:
        return np.full(shape, self.initial_accumulator_value, dtype)

    def rests(self) -> bool:
        return True

    def update(self, xp: Any, gradient: Any, value: Any, slots: tuple, hyper: Any) -> tuple[Any, tuple]:
        accumulator = slots[0] + xp.square(gradient)
        return value - hyper.rate * gradient / xp.sqrt(accumulator + self.epsilon), (accumulator,)


class Adadelta(Optimizer):
    """Adagrad with a window, and steps in the units of the weights.

        a = rho * a + (1 - rho) * g**2
        d = -sqrt(b + epsilon) / sqrt(a + epsilon) * g
        b = rho * b + (1 - rho) * d**2;   w += rate * d

    Args:
        learning_rate: see `Optimizer`; the paper has 1.0.
        rho: decay of the averages.
        epsilon: see the formula; None: `keras.backend.epsilon()`.
        name, common: see `Optimizer`.

    Source: Zeiler, 2012, ADADELTA: An Adaptive Learning Rate Method.
    """

    hyperparameters = ("rho", "epsilon")
    slot_attributes = {
        "accumulated_grad": "_accumulated_grads",
        "accumulated_delta_var": "_accumulated_delta_vars",
    }

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.95,
        epsilon: float | None = 1e-7,
        *,
        name: str | None = None,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, name=name, **common)
        self.rho = rho
        self.epsilon = settings.epsilon if epsilon is None else epsilon

    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        return (("accumulated_grad", "accumulated_delta_var"),)

    def update(self, xp: Any, gradient: Any, value: Any, slots: tuple, hyper: Any) -> tuple[Any, tuple]:
        squares = self.rho * slots[0] + (1 - self.rho) * xp.square(gradient)
        change = -(xp.sqrt(slots[1] + self.epsilon) * gradient / xp.sqrt(squares + self.epsilon))
        changes = self.rho * slots[1] + (1 - self.rho) * xp.square(change)
        return value + hyper.rate * change, (squares, changes)


class Ftrl(Optimizer):
    """Follow the regularized leader: sparse linear models through L1.

        a' = a + g**2;   p = -learning_rate_power
        z += g + 2 * l2_shrinkage * w - (a'**p - a**p) / rate * w
        w = (clip(z, -l1, l1) - z) / (a'**p / rate + 2 * (l2 + beta / (2 * rate)))

    Args:
        learning_rate: see `Optimizer`.
        learning_rate_power: <= 0; 0: a fixed rate.
        initial_accumulator_value: `a` at the beginning, >= 0.
        l1_regularization_strength, l2_regularization_strength: >= 0.
        l2_shrinkage_regularization_strength: >= 0; L2 that shrinks the gradient.
        beta: of the paper.
        name, common: see `Optimizer`.

    Source: McMahan et al., 2013, Ad Click Prediction: a View from the Trenches.
    """

    hyperparameters = (
        *("learning_rate_power", "initial_accumulator_value", "l1_regularization_strength"),
        *("l2_regularization_strength", "l2_shrinkage_regularization_strength", "beta"),
    )
    slot_attributes = {"accumulator": "_accumulators", "linear": "_linears"}

    def __init__(
        self,
        learning_rate: Any = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float = 0.0,
        *,
        name: str | None = None,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, name=name, **common)
        if learning_rate_power > 0:
            raise ValueError(
                f"Ftrl: learning_rate_power must be <= 0, received {learning_rate_power!r}{at_user_location()}"
            )
        self.learning_rate_power, self.beta = learning_rate_power, beta
        self.initial_accumulator_value = _not_negative(self, initial_accumulator_value)
        self.l1_regularization_strength = _not_negative(self, l1_regularization_strength)
        self.l2_regularization_strength = _not_negative(self, l2_regularization_strength)
        self.l2_shrinkage_regularization_strength = _not_negative(self, l2_shrinkage_regularization_strength)

    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        return (("accumulator", "linear"),)

    def new_slot(self, name: str, shape: tuple, dtype: np.dtype) -> np.ndarray:
        return np.full(shape, self.initial_accumulator_value if name == "accumulator" else 0, dtype)

    def update(self, xp: Any, gradient: Any, value: Any, slots: tuple, hyper: Any) -> tuple[Any, tuple]:
        power, l1 = -self.learning_rate_power, self.l1_regularization_strength
        accumulator = slots[0] + xp.square(gradient)
        scale = xp.power(accumulator, power)
        shrunk = gradient + 2 * self.l2_shrinkage_regularization_strength * value
        linear = slots[1] + (shrunk - (scale - xp.power(slots[0], power)) / hyper.rate * value)
        l2 = self.l2_regularization_strength + self.beta / (2.0 * hyper.rate)
        clipped = xp.minimum(xp.maximum(linear, -l1), l1)
        return (clipped - linear) / (scale / hyper.rate + 2 * l2), (accumulator, linear)


def _not_negative(optimizer: Optimizer, value: float) -> float:
    if value < 0:
        raise ValueError(
            f"{type(optimizer).__name__}: initial values and strengths must be >= 0, received {value!r}"
            f"{at_user_location()}"
        )
    return value
