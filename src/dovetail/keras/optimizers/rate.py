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
    """Mixin of Optimizer: `learning_rate`, `lr`, and what a step takes of them."""

    _learning_rate: Any = None
    _iterations: Variable
    _initial_decay: float
    _own_variables: list[Variable]

    @property
    def learning_rate(self) -> Any:
        """The learning rate: a Variable to assign to, or what the schedule gives at this step."""
        rate = self._learning_rate
        if isinstance(rate, Variable):
            return rate
        value = convert_to_tensor(_called(rate, self._iterations), dtype_hint=settings.floatx)
        if type(value) is SymbolicTensor:  # a function is being recorded
            return value
        return ScheduledRate(value._value, rate) if isinstance(rate, LearningRateSchedule) else value

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        if isinstance(self._learning_rate, LearningRateSchedule) and not callable(value):
            raise TypeError(
                f"{type(self).__name__}: the learning rate is the schedule {type(self._learning_rate).__name__}, so a "
                "number cannot be assigned. Create the optimizer with a number, or assign another schedule"
                f"{at_user_location()}"
            )
        self._use_learning_rate(value)

    @property
    def lr(self) -> Any:
        """Keras 2's name of `learning_rate`."""
        return self.learning_rate

    @lr.setter
    def lr(self, value: Any) -> None:
        self.learning_rate = value

    @property
    def decay(self) -> Any:
        """Keras 2's time decay: the rate is divided by `1 + decay * iterations`.  0 when it was not given."""
        return Tensor(np.asarray(self._initial_decay, np.float32))

    def _use_learning_rate(self, value: Any) -> None:
        """Takes a number, tensor, schedule or function for the learning rate."""
        before = self._learning_rate
        if isinstance(value, type):
            raise TypeError(f"learning_rate is the class {value.__name__}; pass an instance of it")
        if isinstance(value, Variable) and not isinstance(before, Variable):
            value = np.asarray(value._plain()._value)
        if isinstance(value, dict):
            value = serialization.deserialize_keras_object(value)
        if isinstance(value, LearningRateSchedule) or (callable(value) and not isinstance(value, TensorLike)):
            self._learning_rate = value
            self._own_variables = [v for v in self._own_variables if v is not before]
        elif isinstance(before, Variable):
            before.assign(_checked(self, value))
        else:
            self._learning_rate = self._new_variable(  # type: ignore[attr-defined]
                np.asarray(_checked(self, value), dt.numpy_dtype(settings.floatx)),
                "learning_rate",
                position=1,
            )
        self._forget_plans()  # type: ignore[attr-defined]

    def _build_learning_rate(self, value: Any) -> Any:
        """tf.keras: `self._learning_rate = self._build_learning_rate(learning_rate)` in a subclass' `__init__`."""
        self._use_learning_rate(value)
        return self._learning_rate

    def _rate_array(self) -> Any:
        """Returns the rate as the array that a step takes; None when the step computes it (built-in schedules)."""
        rate = self._learning_rate
        if isinstance(rate, Variable):
            return rate._plain()._value
        if isinstance(rate, Decay):
            return None
        value = _called(rate, self._iterations)
        value = value if isinstance(value, TensorLike) else np.asarray(value, dt.numpy_dtype(settings.floatx))
        return convert_to_tensor(value)._value

    def _rate_facts(self) -> Any:
        """Returns what a compiled step takes for constant about the rate."""
        return dict(vars(self._learning_rate)) if isinstance(self._learning_rate, Decay) else None

    def _rate_at(self, xp: Any, rate: Any, iterations: Any) -> Any:
        """Returns the rate in force, inside a step."""
        if rate is None:
            rate = self._learning_rate.value(xp, iterations)
        if self._initial_decay:
            rate = rate / (1 + np.float32(self._initial_decay) * iterations.astype(np.float32))
        return rate

    def _current_rate(self) -> Any:
        """Returns the rate in force as a tensor, `decay` included."""
        rate = convert_to_tensor(self.learning_rate)
        if not self._initial_decay:
            return rate
        iterations = arithmetic.cast(self._iterations, dtype=rate.dtype)
        return rate * (1.0 / (iterations * self._initial_decay + 1.0))

    def _learning_rate_config(self) -> Any:
        rate = self._learning_rate
        if isinstance(rate, Variable):
            return float(np.asarray(rate._plain()._value))
        return serialization.serialize_keras_object(rate)


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


def _checked(optimizer: Any, value: Any) -> Any:
    """Returns the rate as something that a variable can be assigned."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.generic | np.ndarray | TensorLike):
        raise ValueError(
            f"{type(optimizer).__name__}: learning_rate must be a number, a LearningRateSchedule or a function, "
            f"received {value!r:.80}{at_user_location()}"
        )
    if isinstance(value, TensorLike):
        return arithmetic.cast(value, dtype=dt.numpy_dtype(settings.floatx))
    return float(value)
