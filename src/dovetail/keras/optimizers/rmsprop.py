"""RMSprop."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.base.settings import settings
from dovetail.keras.optimizers.optimizer import Optimizer

__all__ = ["RMSprop"]


class RMSprop(Optimizer):
    """Divides the gradient by a running root mean square of itself.

        v = rho * v + (1 - rho) * g**2
        a = rho * a + (1 - rho) * g                          (centered; otherwise a = 0)
        m = momentum * m + rate * g / sqrt(v - a**2 + epsilon)
        w -= m

    Args:
        learning_rate: see `Optimizer`.
        rho: decay of the averages, in [0, 1].
        momentum: in [0, 1].
        epsilon: keeps the denominator from 0; None: `keras.backend.epsilon()`.
        centered: divide by the variance instead of the second moment.
        name, common: see `Optimizer`.

    Source: Tieleman and Hinton, 2012, Lecture 6.5 of Neural Networks for Machine Learning.
    """

    hyperparameters = ("rho", "momentum", "epsilon", "centered")
    slot_attributes = {
        "velocity": "_velocities",
        "momentum": "_momentums",
        "average_gradient": "_average_gradients",
    }

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float | None = 1e-7,
        centered: bool = False,
        *,
        name: str | None = None,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, name=name, **common)
        if not 0 <= momentum <= 1:
            raise ValueError(
                f"RMSprop: momentum must be in [0, 1], received {momentum!r}{at_user_location()}"
            )
        self.rho, self.momentum, self.centered = rho, momentum, bool(centered)
        self.epsilon = settings.epsilon if epsilon is None else epsilon

    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        momentum = (("momentum",),) if self.momentum else ()
        return (("velocity",), *momentum, *((("average_gradient",),) if self.centered else ()))

    def _size(self, xp: Any, squares: Any) -> Any:
        """Returns the root of a mean of squares, kept from 0."""
        return xp.sqrt(squares + self.epsilon)

    def update(self, xp: Any, gradient: Any, value: Any, slots: tuple, hyper: Any) -> tuple[Any, tuple]:
        velocity = self.rho * slots[0] + (1 - self.rho) * xp.square(gradient)
        kept = [velocity]
        spread = velocity
        if self.centered:
            average = self.rho * slots[-1] + (1 - self.rho) * gradient
            spread = velocity - xp.square(average)
        change = hyper.rate * gradient / self._size(xp, spread)
        if self.momentum:
            change = self.momentum * slots[1] + change
            kept.append(change)
        if self.centered:
            kept.append(average)
        return value - change, tuple(kept)
