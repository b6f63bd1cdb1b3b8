"""The learning rate of an optimizer: a variable, a schedule, or a function."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.base.settings import settings
from dovetail.keras import serialization
from dovetail.keras.optimizers.schedules.schedule import Decay, LearningRateSchedule
from dovetail.keras.optimizers.state import State
from dovetail.ops import arithmetic
from dovetail.tensor import dtype as dt
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor, TensorLike
from dovetail.tensor.variable import Variable


class ScheduledRate(Tensor):
    """The learning rate that a schedule gives now.  Callable like the schedule, which is what Keras 2 put here."""

    __slots__ = ("_schedule",)

    def __init__(self, value: Any, schedule: Callable) -> None:
        super().__init__(value)
        self._schedule = schedule

    def __call__(self, step: Any) -> Any:
        return self._schedule(step)


class Rate:
    """What an optimizer holds for its learning rate: `given`, and what a step takes of it.

    Args:
        state: where a number becomes a variable, and whose `iterations` a schedule sees.
        label: the optimizer's class, for errors.

    Attributes:
        given: a Variable, a schedule, or a function.
        time_decay: Keras 2's `decay`: the rate is divided by `1 + time_decay * iterations`.
    """

    def __init__(self, state: State, label: str, time_decay: float) -> None:
        self._state, self._label, self.time_decay = state, label, time_decay
        self.given: Any = None

    def read(self) -> Any:
        """Returns the rate: a Variable to assign to, or what the schedule gives at this step."""
        rate = self.given
        if isinstance(rate, Variable):
            return rate
        value = convert_to_tensor(_called(rate, self._state.iterations), dtype_hint=settings.floatx)
        if type(value) is SymbolicTensor:  # a function is being recorded
            return value
        return ScheduledRate(value._value, rate) if isinstance(rate, LearningRateSchedule) else value

    def replace(self, value: Any) -> None:
        """Takes what a user assigns; a number where there is a schedule is a mistake."""
        if isinstance(self.given, LearningRateSchedule) and not callable(value):
            raise TypeError(
                f"{self._label}: the learning rate is the schedule {type(self.given).__name__}, so a number cannot be "
                f"assigned. Create the optimizer with a number, or assign another schedule{at_user_location()}"
            )
        self.use(value)

    def use(self, value: Any) -> None:
        """Takes a number, tensor, schedule or function for the rate."""
        before = self.given
        if isinstance(value, type):
            raise TypeError(f"learning_rate is the class {value.__name__}; pass an instance of it")
        if isinstance(value, Variable) and not isinstance(before, Variable):
            value = np.asarray(value._plain()._value)
        if isinstance(value, dict):
            value = serialization.deserialize_keras_object(value)
        if isinstance(value, LearningRateSchedule) or (callable(value) and not isinstance(value, TensorLike)):
            self.given = value
            self._state.variables = [v for v in self._state.variables if v is not before]
        elif isinstance(before, Variable):
            before.assign(self._checked(value))
        else:
            number = np.asarray(self._checked(value), dt.numpy_dtype(settings.floatx))
            self.given = self._state.new(number, "learning_rate", position=1)

    def array(self) -> Any:
        """Returns the rate as the array that a step takes; None when the step computes it (built-in schedules)."""
        rate = self.given
        if isinstance(rate, Variable):
            return rate._plain()._value
        if isinstance(rate, Decay):
            return None
        value = _called(rate, self._state.iterations)
        value = value if isinstance(value, TensorLike) else np.asarray(value, dt.numpy_dtype(settings.floatx))
        return convert_to_tensor(value)._value

    def facts(self) -> Any:
        """Returns what a compiled step takes for constant about the rate."""
        return dict(vars(self.given)) if isinstance(self.given, Decay) else None

    def at(self, xp: Any, rate: Any, iterations: Any) -> Any:
        """Returns the rate in force, inside a step."""
        if rate is None:
            rate = self.given.value(xp, iterations)
        if self.time_decay:
            rate = rate / (1 + np.float32(self.time_decay) * iterations.astype(np.float32))
        return rate

    def in_force(self, rate: Any) -> Any:
        """Returns the optimizer's `learning_rate` as a tensor, with the time decay."""
        rate = convert_to_tensor(rate)
        if not self.time_decay:
            return rate
        iterations = arithmetic.cast(self._state.iterations, dtype=rate.dtype)
        return rate * (1.0 / (iterations * self.time_decay + 1.0))

    def config(self) -> Any:
        if isinstance(self.given, Variable):
            return float(np.asarray(self.given._plain()._value))
        return serialization.serialize_keras_object(self.given)

    def _checked(self, value: Any) -> Any:
        """Returns a rate as something that a variable can be assigned."""
        if isinstance(value, bool) or not isinstance(
            value, int | float | np.generic | np.ndarray | TensorLike
        ):
            raise ValueError(
                f"{self._label}: learning_rate must be a number, a LearningRateSchedule or a function, received "
                f"{value!r:.80}{at_user_location()}"
            )
        if isinstance(value, TensorLike):
            return arithmetic.cast(value, dtype=dt.numpy_dtype(settings.floatx))
        return float(value)


def _called(rate: Callable, iterations: Variable) -> Any:
    """Calls a schedule or function: with the step if it takes an argument."""
    if isinstance(rate, LearningRateSchedule):
        return rate(iterations)
    try:
        parameters = inspect.signature(rate).parameters.values()
    except (TypeError, ValueError):  # a built-in without a signature
        return rate()
    needed = [p for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    return rate(iterations) if needed else rate()
