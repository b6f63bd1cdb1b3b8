"""Lion."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.keras.optimizers.optimizer import Optimizer

__all__ = ["Lion"]


class Lion(Optimizer):
    """Steps by the sign of a mean of the gradient: `w -= rate * sign(beta_1 * m + (1 - beta_1) * g)`.

        m = beta_2 * m + (1 - beta_2) * g                    (after the step)

    It wants a smaller learning rate and more weight decay than Adam.

    Args:
        learning_rate: see `Optimizer`.
        beta_1: weight of the mean in the step, in (0, 1].
        beta_2: decay of the mean.
        name, common: see `Optimizer`.

    Source: Chen et al., 2023, Symbolic Discovery of Optimization Algorithms.
    """

    hyperparameters = ("beta_1", "beta_2")
    slot_attributes = {"momentum": "_momentums"}

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        *,
        name: str | None = None,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, name=name, **common)
        if not 0 < beta_1 <= 1:
            raise ValueError(f"Lion: beta_1 must be in (0, 1], received {beta_1!r}{at_user_location()}")
        self.beta_1, self.beta_2 = beta_1, beta_2

    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        return (("momentum",),)

    def update(self, xp: Any, gradient: Any, value: Any, slots: tuple, hyper: Any) -> tuple[Any, tuple]:
        direction = xp.sign(slots[0] * self.beta_1 + gradient * (1 - self.beta_1))
        momentum = slots[0] * self.beta_2 + gradient * (1 - self.beta_2)
        return value - hyper.rate * direction, (momentum,)
