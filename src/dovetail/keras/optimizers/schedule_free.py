"""AdamW without a schedule."""

from __future__ import annotations

from typing import Any

from dovetail.keras import checks
from dovetail.keras.optimizers.optimizer import Optimizer

__all__ = ["ScheduleFreeAdamW"]


class ScheduleFreeAdamW(Optimizer):
    """AdamW whose steps are averaged, in place of a learning rate that falls.

        v += (g**2 - v) * (1 - beta_2)
        z -= rate * g / (sqrt(v / (1 - beta_2**t)) + epsilon)
        x += (z - x) / t;   w = beta_1 * x + (1 - beta_1) * z

    `z` ("momentum") takes the steps, `x` is their mean, and the variable `w` stands between the two.

    Args:
        learning_rate: see `Optimizer`.
        beta_1: how near the variable is to the mean.
        beta_2: decay of the mean of squares.
        epsilon: keeps the denominator from 0.
        warmup_steps: steps in which the learning rate grows to its value.
        name, common: see `Optimizer`.

    Source: A. Defazio et al., 2024, "The road less scheduled".
    """

    hyperparameters = ("beta_1", "beta_2", "epsilon", "warmup_steps")
    slot_attributes = {"momentum": "_momentums", "velocity": "_velocities"}
    copies = frozenset({"momentum"})

    def __init__(
        self,
        learning_rate: Any = 0.0025,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        warmup_steps: int = 0,
        *,
        name: str | None = None,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, name=name, **common)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self.warmup_steps = checks.count(warmup_steps, "warmup_steps")

    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        return (("momentum", "velocity"),)

    def update(self, xp: Any, gradient: Any, value: Any, slots: tuple, hyper: Any) -> tuple[Any, tuple]:
        rate = hyper.rate
        if self.warmup_steps:
            rate = rate * xp.minimum(hyper.step / self.warmup_steps, 1.0)
        velocity = slots[1] + (xp.square(gradient) - slots[1]) * (1 - self.beta_2)
        size = xp.sqrt(velocity / (1 - xp.power(self.beta_2, hyper.step))) + self.epsilon
        moved = slots[0] - rate * gradient / size
        mean = (value - (1 - self.beta_1) * slots[0]) / self.beta_1
        mean = (1 - 1 / hyper.step) * mean + moved / hyper.step
        return (1 - self.beta_1) * moved + self.beta_1 * mean, (moved, velocity)
