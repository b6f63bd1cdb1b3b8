"""`keras.optimizers.legacy`: the optimizers from before tf.keras 2.11; but for two, they are the present ones."""

from __future__ import annotations

from typing import Any

from dovetail.keras import checks
from dovetail.keras.optimizers import adam, rmsprop
from dovetail.keras.optimizers.adagrad import Adadelta, Adagrad, Ftrl
from dovetail.keras.optimizers.adam import Adam, Adamax
from dovetail.keras.optimizers.optimizer import Optimizer
from dovetail.keras.optimizers.sgd import SGD
from dovetail.keras.registration import own

__all__ = ["SGD", "Adadelta", "Adagrad", "Adam", "Adamax", "Ftrl", "Nadam", "Optimizer", "RMSprop"]


class RMSprop(rmsprop.RMSprop):
    """`RMSprop` that, without momentum, adds epsilon to the root and not below it."""

    def _size(self, xp: Any, squares: Any) -> Any:
        return super()._size(xp, squares) if self.momentum else xp.sqrt(squares) + self.epsilon


class Nadam(adam.Nadam):
    """`Nadam` whose momentum grows more slowly: `u_t = beta_1 * (1 - 0.96**(t * schedule_decay) / 2)`.

    Args:
        learning_rate, beta_1, beta_2, epsilon, name, common: see `keras.optimizers.Nadam`.
        schedule_decay: how fast it grows.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = 1e-7,
        *,
        schedule_decay: float = 0.004,
        name: str | None = None,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, name=name, **common)
        self.schedule_decay = checks.number(schedule_decay, "schedule_decay")

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"schedule_decay": self.schedule_decay}


own("keras.optimizers.legacy", {"RMSprop": RMSprop, "Nadam": Nadam})
