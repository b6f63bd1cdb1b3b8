"""What a learning rate schedule is, and what the built-in ones share."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.base.told import Told
from dovetail.engine import host, is_tracer, xla
from dovetail.graph.recording import recording
from dovetail.keras import checks
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.spec import TensorSpec
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor, TensorLike

__all__ = ["LearningRateSchedule"]


class LearningRateSchedule(Told):
    """A function from the step to the learning rate; an optimizer takes one for its `learning_rate`.

    Subclasses define `__call__(step)`, in tensor operations or plain Python, and `get_config()` to be serializable.
    In a compiled step `step` is a traced tensor; in an eager one it has a value.

    Example:
        >>> class Halving(LearningRateSchedule):
        ...     def __call__(self, step):
        ...         return 0.1 * 0.5 ** tf.cast(step // 100, tf.float32)
    """

    _told_methods = ("__init__", "__call__")

    def __call__(self, step: Any) -> Any:
        raise NotImplementedError(
            f"{type(self).__name__} must define __call__(self, step){at_user_location()}"
        )

    def get_config(self) -> dict[str, Any]:
        raise NotImplementedError(
            f"{type(self).__name__} must define get_config() to be serialized: return the arguments of its __init__ "
            f"as a dict{at_user_location()}"
        )

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LearningRateSchedule:
        return cls(**config)


class Decay(LearningRateSchedule):
    """A built-in schedule: a pure function of arrays, `value`, which compiled steps take in.

    The arithmetic is in float32, as in Keras.
    """

    name: str

    def __setattr__(self, attribute: str, value: Any) -> None:
        object.__setattr__(self, attribute, checks.text(value, "name") if attribute == "name" else value)

    def value(self, xp: Any, step: Any) -> Any:
        """Returns the learning rate (float32 scalar) at `step` (integer scalar array)."""
        return self.rate(xp, step.astype(np.float32))

    def rate(self, xp: Any, step: Any) -> Any:
        """The formula, on a float32 step."""
        raise NotImplementedError(f"{type(self).__name__} must define rate(xp, step)")

    def __call__(self, step: Any) -> Tensor:
        """Returns the learning rate at `step`, a number, tensor or variable of any shape."""
        tensor = step if isinstance(step, Tensor) else convert_to_tensor(step)
        if type(tensor) is SymbolicTensor:
            return self._recorded(tensor)
        array = tensor._value
        if is_tracer(array):
            return Tensor(self.value(xla(), array))
        return Tensor(np.asarray(self.value(host, np.asarray(array)), np.float32))

    def _recorded(self, step: SymbolicTensor) -> Any:
        """Adds the call to the graph of the function that is being recorded."""
        graph = recording()
        if graph is None:
            return step._no_value(type(self).__name__)
        spec = TensorSpec(step.shape, np.float32)
        return graph.call(lambda at: [self(at)], type(self).__name__, (step,), [spec])[0]


def periods(xp: Any, step: Any, length: float) -> Any:
    """Returns how many whole periods have passed.

    Not `floor(step / length)`: XLA multiplies by the reciprocal, and 49 * (1 / 49) is less than 1 in float32.
    """
    return xp.floor_divide(step, np.float32(length))


def number(value: Any) -> Any:
    """Returns a hyperparameter as a Python number (it may be given as a scalar tensor or array)."""
    if isinstance(value, TensorLike | np.ndarray | np.generic):
        return np.asarray(value).item()
    return checks.number(value, "a hyperparameter of a schedule")


def number_or_none(value: Any) -> Any:
    """Returns a hyperparameter as `number` does; None stays."""
    return None if value is None else number(value)


def positive(kind: str, name: str, value: Any) -> Any:
    """Returns `value` as a number, or raises ValueError unless it is > 0."""
    value = number(value)
    if not value > 0:
        raise ValueError(f"{kind}: {name} must be > 0, received {value!r}{at_user_location()}")
    return value
