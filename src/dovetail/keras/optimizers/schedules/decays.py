"""Schedules that decay: exponentially, in steps, along a polynomial, with the inverse of time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.keras.optimizers.schedules.schedule import Decay, number, periods, positive

__all__ = ["ExponentialDecay", "InverseTimeDecay", "PiecewiseConstantDecay", "PolynomialDecay"]


class ExponentialDecay(Decay):
    """`initial_learning_rate * decay_rate ** (step / decay_steps)`.

    Args:
        initial_learning_rate: at step 0.
        decay_steps: steps in which the rate falls by the factor `decay_rate`; > 0.
        decay_rate: the factor.
        staircase: round `step / decay_steps` down, so that the rate falls in steps.
        name: name of the schedule.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        name: str = "ExponentialDecay",
    ) -> None:
        self.initial_learning_rate = number(initial_learning_rate)
        self.decay_steps = positive("ExponentialDecay", "decay_steps", decay_steps)
        self.decay_rate = number(decay_rate)
        self.staircase, self.name = bool(staircase), name

    def rate(self, xp: Any, step: Any) -> Any:
        progress = periods(xp, step, self.decay_steps) if self.staircase else step / self.decay_steps
        return self.initial_learning_rate * xp.power(np.float32(self.decay_rate), progress)

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "decay_rate": self.decay_rate,
            "staircase": self.staircase,
            "name": self.name,
        }


class PiecewiseConstantDecay(Decay):
    """`values[0]` up to and including step `boundaries[0]`, then `values[1]` up to `boundaries[1]`, and so on.

    Args:
        boundaries: increasing steps.
        values: one more than `boundaries`.
        name: name of the schedule.

    Example:
        >>> schedule = PiecewiseConstantDecay([100, 200], [1.0, 0.5, 0.1])
        >>> float(schedule(100)), float(schedule(101))
        (1.0, 0.5)
    """

    def __init__(
        self, boundaries: Sequence[float], values: Sequence[float], name: str = "PiecewiseConstant"
    ) -> None:
        self.boundaries = [number(boundary) for boundary in boundaries]
        self.values = [number(value) for value in values]
        self.name = name
        if len(self.boundaries) != len(self.values) - 1:
            raise ValueError(
                "PiecewiseConstantDecay: there must be one value more than boundaries, received "
                f"{len(self.boundaries)} boundaries and {len(self.values)} values{at_user_location()}"
            )
        if any(later <= earlier for earlier, later in zip(self.boundaries, self.boundaries[1:])):
            raise ValueError(
                f"PiecewiseConstantDecay: boundaries must increase, received {self.boundaries}{at_user_location()}"
            )

    def value(self, xp: Any, step: Any) -> Any:
        # Compared in the step's own dtype: float32 would confuse neighbours beyond 2**24.
        if step.dtype.kind in "iu":
            bounds = np.floor(np.asarray(self.boundaries, np.float64)).astype(np.int64)
        else:
            bounds = np.asarray(self.boundaries, step.dtype)
        result = xp.zeros_like(step, dtype=np.float32) + np.float32(self.values[0])
        for bound, value in zip(bounds, self.values[1:]):
            result = xp.where(step > bound, np.float32(value), result)
        return result

    def get_config(self) -> dict[str, Any]:
        return {"boundaries": self.boundaries, "values": self.values, "name": self.name}


class PolynomialDecay(Decay):
    """`(initial - end) * (1 - min(step, decay_steps) / decay_steps) ** power + end`.

    Args:
        initial_learning_rate: at step 0.
        decay_steps: steps until the end is reached; > 0.
        end_learning_rate: the last rate.
        power: 1.0 falls linearly.
        cycle: start again after `decay_steps`: the decay is stretched to the next multiple of `decay_steps`.
        name: name of the schedule.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
    ) -> None:
        self.initial_learning_rate = number(initial_learning_rate)
        self.decay_steps = positive("PolynomialDecay", "decay_steps", decay_steps)
        self.end_learning_rate, self.power = number(end_learning_rate), number(power)
        self.cycle, self.name = bool(cycle), name

    def rate(self, xp: Any, step: Any) -> Any:
        if self.cycle:
            length = self.decay_steps * xp.maximum(-periods(xp, -step, self.decay_steps), np.float32(1))
        else:
            length = np.float32(self.decay_steps)
            step = xp.minimum(step, length)
        span = self.initial_learning_rate - self.end_learning_rate
        return span * xp.power((length - step) / length, np.float32(self.power)) + self.end_learning_rate

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "end_learning_rate": self.end_learning_rate,
            "power": self.power,
            "cycle": self.cycle,
            "name": self.name,
        }


class InverseTimeDecay(Decay):
    """`initial_learning_rate / (1 + decay_rate * step / decay_steps)`.

    Args:
        initial_learning_rate: at step 0.
        decay_steps: unit of time; > 0.
        decay_rate: how much the denominator grows in `decay_steps`.
        staircase: round `step / decay_steps` down.
        name: name of the schedule.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        name: str = "InverseTimeDecay",
    ) -> None:
        self.initial_learning_rate = number(initial_learning_rate)
        self.decay_steps = positive("InverseTimeDecay", "decay_steps", decay_steps)
        self.decay_rate = number(decay_rate)
        self.staircase, self.name = bool(staircase), name

    def rate(self, xp: Any, step: Any) -> Any:
        progress = periods(xp, step, self.decay_steps) if self.staircase else step / self.decay_steps
        return self.initial_learning_rate / (1 + self.decay_rate * progress)

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "decay_rate": self.decay_rate,
            "staircase": self.staircase,
            "name": self.name,
        }
