"""`keras.metrics.experimental`: metrics written in Python, outside of compiled code."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.base.own import declare
from dovetail.function import numpy_function
from dovetail.keras.metrics.metric import Metric
from dovetail.ops.create import zeros
from dovetail.tensor.convert import convert_to_tensor

__all__ = ["PyMetric"]


@declare
class PyMetric(Metric):
    """Base of metrics whose methods are Python on values: NumPy, scikit-learn, plain attributes as state.

    Subclasses define `update_state(y_true, y_pred, sample_weight=None)`, `reset_state()` and `result()`; in compiled
    steps, they are called with the values when the step runs.  `reset_state` is called at construction, too.

    Example:
        >>> class Largest(keras.metrics.experimental.PyMetric):
        ...     def reset_state(self):
        ...         self.largest = 0.0
        ...     def update_state(self, y_true, y_pred, sample_weight=None):
        ...         self.largest = max(self.largest, float(np.max(y_pred)))
        ...     def result(self):
        ...         return self.largest
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> PyMetric:
        self: Any = super().__new__(cls)
        for name, wrapped in (("update_state", _update), ("result", _result)):
            own = getattr(self, name)
            object.__setattr__(self, f"_{name}_in_python", own)
            object.__setattr__(self, name, wrapped(self, own))
        return self

    def __init__(self, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.reset_state()

    def merge_state(self, metrics: Any) -> None:
        raise NotImplementedError(f"{self.name}: define merge_state(self, metrics){at_user_location()}")

    def reset_state(self) -> None:
        raise NotImplementedError(f"{type(self).__name__} must define reset_state()")


def _update(metric: PyMetric, method: Any) -> Any:
    def update_state(y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        given = [
            convert_to_tensor(x)
            for x in (y_true, y_pred, *([] if sample_weight is None else [sample_weight]))
        ]

        def run(*arrays: Any) -> Any:
            method(*map(convert_to_tensor, arrays))
            return np.zeros((), np.float32)

        numpy_function(run, given, "float32")

    return update_state


def _result(metric: PyMetric, method: Any) -> Any:
    def result() -> Any:
        dtype = metric._dtype
        value = numpy_function(lambda: np.asarray(method(), dtype), [], dtype)
        return value if value.shape.rank is not None else value + zeros((), dtype)

    return result
