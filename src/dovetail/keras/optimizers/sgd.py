"""Gradient descent, with momentum."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.keras.optimizers.optimizer import Optimizer

__all__ = ["SGD"]


class SGD(Optimizer):
    """Gradient descent, optionally with (Nesterov) momentum.

        no momentum:  w -= rate * g
        momentum:     v = momentum * v - rate * g;   w += v
        Nesterov:     v = momentum * v - rate * g;   w += momentum * v - rate * g

    Args:
        learning_rate: see `Optimizer`.
        momentum: in [0, 1]; 0: none.
        nesterov: look ahead.
        name, common: see `Optimizer`.

    Source: Sutskever et al., 2013, On the importance of initialization and momentum in deep learning.
    """

    hyperparameters = ("momentum", "nesterov")
    slot_attributes = {"momentum": "momentums"}

    def __init__(
        self,
        learning_rate: Any = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        *,
        name: str | None = None,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, name=name, **common)
        if not 0 <= momentum <= 1:
            raise ValueError(f"SGD: momentum must be in [0, 1], received {momentum!r}{at_user_location()}")
        self.momentum, self.nesterov = momentum, bool(nesterov)

    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        return (("momentum",),) if self.momentum else ()

    def rests(self) -> bool:
        return not self.momentum

    def update(self, xp: Any, gradient: Any, value: Any, slots: tuple, hyper: Any) -> tuple[Any, tuple]:
        change = gradient * hyper.rate
        if not slots:
            return value - change, ()
        velocity = slots[0] * self.momentum - change
        moved = velocity * self.momentum - change if self.nesterov else velocity
        return value + moved, (velocity,)
