"""The base class of metrics."""

from __future__ import annotations

import functools
import weakref
from typing import Any

import numpy as np

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.base.settings import among_replicas, num_replicas, settings, state
from dovetail.base.told import Told
from dovetail.base.trackable import leaves, unique
from dovetail.function.autograph.gate import user_code
from dovetail.graph.by_hand import apart
from dovetail.keras import checks, initializers
from dovetail.keras.naming import to_snake_case, unique_name
from dovetail.tensor import dtype as dt
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.shape import TensorShape
from dovetail.tensor.tensor import Tensor, TensorLike
from dovetail.tensor.variable import StatelessScope, Variable, enter_scope

__all__ = ["Metric"]

# What the last call of each metric returned.
_ANSWERS: weakref.WeakKeyDictionary[Metric, weakref.ref] = weakref.WeakKeyDictionary()


class Metric(Told):
    """A number that is gathered over many batches.

    Subclasses create their state in `__init__` with `add_weight`, add to it in `update_state` and compute from it in
    `result`.  Variables and metrics that are assigned to attributes are found by themselves.

    Args:
        name: shown in logs; default: the class's name in snake case.
        dtype: of the state and the result; default: `keras.config.floatx()`.

    Example:
        >>> class Positives(keras.metrics.Metric):
        ...     def __init__(self, name="positives", **kwargs):
        ...         super().__init__(name=name, **kwargs)
        ...         self.total = self.add_weight(name="total", initializer="zeros")
        ...     def update_state(self, y_true, y_pred, sample_weight=None):
        ...         self.total.assign_add(tf.reduce_sum(tf.cast(y_pred > 0.5, tf.float32)))
        ...     def result(self):
        ...         return self.total
    """

    _told_methods = ("__init__", "update_state")
    _held_as = "apart"
    _own_variables: list[Variable]
    _own_metrics: list[Metric]

    def __new__(cls, *args: Any, **kwargs: Any) -> Metric:
        self = super().__new__(cls)
        object.__setattr__(self, "_own_variables", [])
        object.__setattr__(self, "_own_metrics", [])
        if num_replicas() > 1:
            object.__setattr__(self, "result", functools.partial(_result_of_all, self))
        return self

    def __init__(self, name: str | None = None, dtype: Any = None) -> None:
        if _is_dtype(name) and not _is_dtype(dtype):
            name, dtype = dtype, name  # Keras 3's order of arguments: Metric(dtype, name)
        self.name = checks.text(name, "name") or unique_name(to_snake_case(type(self).__name__))
        self._dtype = checks.dtype_name(dtype, settings.floatx)

    @property
    def dtype(self) -> str:
        return self._dtype

    # ---- state

    def add_variable(
        self,
        shape: Any = (),
        initializer: Any = None,
        dtype: Any = None,
        aggregation: Any = None,
        name: str | None = None,
    ) -> Variable:
        """Creates a variable of the metric's state.

        Args:
            shape: of the variable.
            initializer: name or initializer of the first value; default: zeros.
            dtype: default: the metric's.
            aggregation: how the copies that replicas of a `tf.distribute` strategy have become one; "sum" when None.
            name: of the variable.
        """
        if "name" not in self.__dict__:
            raise RuntimeError(
                f"{type(self).__name__}: call super().__init__(name=...) before creating the state{at_user_location()}"
            )
        make = initializers.get("zeros" if initializer is None else initializer)
        kind = dt.as_dtype(self._dtype if dtype is None else dtype)
        shape = tuple(shape) if isinstance(shape, list | tuple | TensorShape) else shape
        name = name or f"variable_{len(self._own_variables)}"
        with apart():
            variable: Any = Variable(
                lambda: make(shape, dtype=kind),
                trainable=False,
                name=name,
                dtype=kind,
                synchronization="on_read",
                aggregation="sum" if aggregation is None else aggregation,
            )
        variable.path = f"{self.name}/{name}"
        self._track(variable)
        return variable

    def add_weight(
        self,
        shape: Any = (),
        initializer: Any = None,
        dtype: Any = None,
        name: str | None = None,
        aggregation: Any = None,
        synchronization: Any = None,
        trainable: bool = False,
        **more: Any,
    ) -> Variable:
        """Creates a variable of the metric's state (see `add_variable`).

        Keras 2's order `add_weight(name, shape, ...)` works too.  `synchronization` is "on_read", whatever is given.
        """
        if isinstance(shape, str):
            first, shape = shape, name if isinstance(name, list | tuple | TensorShape) else ()
            if isinstance(initializer, list | tuple | TensorShape):  # add_weight("total", (3,))
                shape, initializer = initializer, None
            name = first
        if more or trainable:
            unknown = ", ".join([*more, *(["trainable"] if trainable else [])])
            raise TypeError(f"{self.name}.add_weight: a metric's state has no {unknown}{at_user_location()}")
        return self.add_variable(shape, initializer, dtype, aggregation, name)

    def __setattr__(self, attribute: str, value: Any) -> None:
        for item in leaves([value]):
            if isinstance(item, Variable | Metric):
                self._track(item)
        object.__setattr__(self, attribute, value)

    def _track(self, item: Variable | Metric) -> None:
        known: list = self._own_variables if isinstance(item, Variable) else self._own_metrics
        if item is not self and not any(other is item for other in known):
            known.append(item)

    def __children__(self) -> list[tuple[str, Any]]:
        return [(item.name, item) for own in (self._own_variables, self._own_metrics) for item in own]

    @property
    def variables(self) -> list[Variable]:
        """The state, that of metrics inside this one included."""
        inside = (variable for metric in self._own_metrics for variable in metric.variables)
        return unique([*self._own_variables, *inside])

    @property
    def weights(self) -> list[Variable]:
        return self.variables

    @property
    def non_trainable_variables(self) -> list[Variable]:
        return self.variables

    @property
    def trainable_variables(self) -> list[Variable]:
        return []

    # ---- use

    def update_state(self, *args: Any, **kwargs: Any) -> Any:
        """Adds a batch: `(y_true, y_pred, sample_weight=None)`, or `(values, sample_weight=None)`."""
        raise NotImplementedError(f"{type(self).__name__} must define update_state()")

    def result(self) -> Any:
        """Returns the value so far: a scalar tensor, or a dict of them."""
        raise NotImplementedError(f"{type(self).__name__} must define result()")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Adds a batch, and returns the value so far."""
        self.update_state(*args, **kwargs)
        result = self.result()
        if isinstance(result, TensorLike):
            _ANSWERS[self] = weakref.ref(result)
        return result

    def gave(self, value: Any) -> bool:
        """Returns whether a tensor is what the last call of the metric returned."""
        answer = _ANSWERS.get(self)
        return answer is not None and answer() is value

    def reset_state(self) -> None:
        """Forgets everything: all state becomes zero."""
        if type(self).reset_states is not Metric.reset_states:  # a class in Keras 2's manner
            self.reset_states()
        else:
            self._zero()

    def reset_states(self) -> None:
        """Keras 2's name of `reset_state`."""
        if type(self).reset_state is not Metric.reset_state:
            self.reset_state()
        else:
            self._zero()

    def merge_state(self, metrics: Any) -> None:
        """Adds the state of other metrics of this kind to this one's.

        Raises:
            ValueError: a metric has another number of variables.
        """
        own = self.variables
        for metric in metrics:
            others = metric.variables
            if len(others) != len(own):
                raise ValueError(
                    f"{self.name}.merge_state: expected metrics with {len(own)} variables, {metric!r} has {len(others)}"
                    f"{at_user_location()}"
                )
            for variable, other in zip(own, others, strict=True):
                variable.assign_add(other.read_value())

    def _zero(self) -> None:
        for variable in self.variables:
            variable.assign(Tensor(np.zeros(tuple(variable.shape), variable.dtype.numpy_dtype)))

    # ---- without side effects

    def stateless_update_state(self, metric_variables: Any, *args: Any, **kwargs: Any) -> list[Tensor]:
        """Returns the state after a batch, given the state before it; the metric's own does not change."""
        scope = self._holding(metric_variables)
        with enter_scope(scope):
            self.update_state(*args, **kwargs)
        return [scope.tensor(variable) for variable in self.variables]

    def stateless_result(self, metric_variables: Any) -> Any:
        """Returns the value for a state."""
        with enter_scope(self._holding(metric_variables)):
            result = self.result()
            return result._tensor() if isinstance(result, Variable) else result

    def stateless_reset_state(self) -> list[Tensor]:
        """Returns the state to begin with."""
        scope = StatelessScope(state.scope)
        with enter_scope(scope):
            self.reset_state()
        return [scope.tensor(variable) for variable in self.variables]

    def _holding(self, values: Any) -> StatelessScope:
        variables = self.variables
        if len(values) != len(variables):
            raise ValueError(
                f"{self.name}: metric_variables must hold one value for each of the {len(variables)} variables, "
                f"{len(values)} were given{at_user_location()}"
            )
        return StatelessScope(state.scope, zip(variables, map(convert_to_tensor, values), strict=True))

    # ---- configs

    def get_config(self) -> dict:
        return {"name": self.name, "dtype": self._dtype}

    @classmethod
    def from_config(cls, config: dict) -> Metric:
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


def _result_of_all(metric: Metric) -> Any:
    """Returns the result for what all replicas have counted, in each of them too."""
    result = user_code(type(metric).result)
    if not among_replicas():
        return result(metric)
    return state.replica.once(
        f"{metric.name}.result()", None, lambda _: nest.map_structure(_read, result(metric))
    )


def _read(value: Any) -> Any:
    """Returns the value of a variable as it is between replicas: inside of one it would be the replica's own."""
    return value.read_value() if isinstance(value, Variable) else value


def _is_dtype(value: Any) -> bool:
    if isinstance(value, dt.DType | np.dtype):
        return True
    return isinstance(value, str) and any(value == known.name for known in dt.ALL)
