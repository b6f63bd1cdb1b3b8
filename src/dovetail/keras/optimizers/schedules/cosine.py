"""Schedules that follow a cosine.

Source: Loshchilov and Hutter, 2016, SGDR: Stochastic Gradient Descent with Warm Restarts.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.keras.optimizers.schedules.schedule import Decay, number, number_or_none, periods, positive

__all__ = ["CosineDecay", "CosineDecayRestarts"]


def _falling(xp: Any, progress: Any) -> Any:
    """Returns half a cosine: 1 at progress 0, 0 at 1."""
    return 0.5 * (1 + xp.cos(math.pi * progress))


class CosineDecay(Decay):
    """Falls along half a cosine to `alpha` times the highest rate, after an optional linear warmup.

        warmup:  initial + (warmup_target - initial) * step / warmup_steps
        decay:   top * ((1 - alpha) * (1 + cos(pi * t)) / 2 + alpha),  t = (step - warmup_steps) / decay_steps <= 1

    Args:
        initial_learning_rate: at step 0.
        decay_steps: length of the decay, the warmup not counted; > 0.
        alpha: the last rate, as a fraction of the highest.
        name: name of the schedule.
        warmup_target: rate at the end of the warmup, from where it decays; None: no warmup.
        warmup_steps: length of the warmup.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ) -> None:
        self.initial_learning_rate = number(initial_learning_rate)
        self.decay_steps = positive("CosineDecay", "decay_steps", decay_steps)
        self.alpha, self.name = number(alpha), name
        self.warmup_target, self.warmup_steps = number_or_none(warmup_target), number(warmup_steps)
        if self.warmup_steps < 0:
            raise ValueError(
                f"CosineDecay: warmup_steps must be >= 0, received {warmup_steps!r}{at_user_location()}"
            )

    def rate(self, xp: Any, step: Any) -> Any:
        if self.warmup_target is None:
            return self._decayed(xp, step, self.initial_learning_rate)
        decayed = self._decayed(xp, xp.maximum(step - self.warmup_steps, np.float32(0)), self.warmup_target)
        if not self.warmup_steps:
            return decayed
        growth = (self.warmup_target - self.initial_learning_rate) * (step / self.warmup_steps)
        return xp.where(step < self.warmup_steps, self.initial_learning_rate + growth, decayed)

    def _decayed(self, xp: Any, step: Any, top: float) -> Any:
        progress = xp.minimum(step / self.decay_steps, np.float32(1))
        return top * ((1 - self.alpha) * _falling(xp, progress) + self.alpha)

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "alpha": self.alpha,
            "name": self.name,
            "warmup_target": self.warmup_target,
            "warmup_steps": self.warmup_steps,
        }


class CosineDecayRestarts(Decay):
    """Falls along half a cosine, starts again, and so on; each period can be longer and lower than the one before.

    Args:
        initial_learning_rate: at step 0.
        first_decay_steps: length of the first period; > 0.
        t_mul: each period is so many times as long as the one before.
        m_mul: each period starts at so many times the rate of the one before.
        alpha: the lowest rate, as a fraction of `initial_learning_rate`.
        name: name of the schedule.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: int,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str = "SGDRDecay",
    ) -> None:
        self.initial_learning_rate = number(initial_learning_rate)
        self.first_decay_steps = positive("CosineDecayRestarts", "first_decay_steps", first_decay_steps)
        self._t_mul, self._m_mul = number(t_mul), number(m_mul)
        self.alpha, self.name = number(alpha), name

    def rate(self, xp: Any, step: Any) -> Any:
        progress = step / self.first_decay_steps
        if self._t_mul == 1:
            period = periods(xp, step, self.first_decay_steps)
            progress = progress - period
        else:
            # Periods have lengths 1, t, t**2, ...: period i begins at (1 - t**i) / (1 - t).
            growth = np.float32(self._t_mul)
            period = xp.floor(xp.log(1 - progress * (1 - growth)) / np.log(growth))
            length = xp.power(growth, period)
            progress = (progress - (1 - length) / (1 - growth)) / length
        height = xp.power(np.float32(self._m_mul), period)
        decayed = (1 - self.alpha) * height * _falling(xp, progress) + self.alpha
        return self.initial_learning_rate * decayed

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "first_decay_steps": self.first_decay_steps,
            "t_mul": self._t_mul,
            "m_mul": self._m_mul,
            "alpha": self.alpha,
            "name": self.name,
        }
