"""Optimizers of TensorFlow 1: `tf.compat.v1.train.AdamOptimizer(...).minimize(loss)` is an operation of the graph."""

from __future__ import annotations

import functools
from typing import Any

import dovetail as tf
from dovetail.base.errors import at_user_location
from dovetail.base.own import declare, is_own_method
from dovetail.compat.first.optimizers_base import Optimizer, filled, operations
from dovetail.compat.first.scopes import writes_graph
from dovetail.graph.by_hand import written_graph
from dovetail.keras.optimizers.adam import moved
from dovetail.ops.core import Op
from dovetail.tensor.variable import Variable

# The hooks for rows that a program may override: where it does, these get each row once.
_OF_ROWS = ("_apply_sparse", "_resource_apply_sparse", "_apply_sparse_shared")


class _Rule(Optimizer):
    """An optimizer of TensorFlow: the rule of a step stands in `_update(gradient, variable)`.

    That returns a list of what it assigned by `_assign`.

    Attributes:
        _SLOTS: the names of the slots; `_first_value(slot)` is what they hold at first.
        _NUMBERS: the hyperparameters; `_prepare` makes tensors of the attributes `_<name>`, as `_<name><_SUFFIX>`.
        _ROWS_ONLY: of a table of which rows were looked up, only these change.
    """

    _SLOTS: tuple[str, ...] = ()
    _NUMBERS: tuple[str, ...] = ("learning_rate",)
    _SUFFIX = "_tensor"
    _ROWS_ONLY = True
    _rows: Any = None  # true for these, while a variable is updated

    def _hold(self, **numbers: Any) -> None:
        """Keeps hyperparameters; they become tensors with the first step."""
        for name, value in numbers.items():
            setattr(self, f"_{name}", value)
        for name in self._NUMBERS:
            setattr(self, f"_{name}{self._SUFFIX}", None)

    def _create_slots(self, var_list: list[Variable]) -> None:
        for variable in var_list:
            for slot in self._SLOTS:
                first = functools.partial(filled, self._first_value(slot), variable)
                self._get_or_make_slot(variable, first, slot, self._name_of(slot))

    def _first_value(self, slot: str) -> float:
        return 0.0

    def _name_of(self, slot: str) -> str:
        """Returns what a slot's variables are named."""
        return self._name

    def _prepare(self) -> None:
        for name in self._NUMBERS:
            value = self._call_if_callable(getattr(self, f"_{name}"))
            setattr(self, f"_{name}{self._SUFFIX}", tf.convert_to_tensor(value, name=name))

    def _number(self, name: str, variable: Variable) -> Any:
        """Returns the tensor of a hyperparameter in a variable's dtype."""
        return tf.cast(getattr(self, f"_{name}{self._SUFFIX}"), variable.dtype)

    def _update(self, gradient: Any, variable: Variable) -> list:
        raise NotImplementedError

    def _assign(self, variable: Variable, value: Any) -> Any:
        """Gives a variable a new value: in those rows only that were looked up, where that matters."""
        return variable.assign(value if self._rows is None else tf.where(self._rows, value, variable))

    def _changed(self, gradient: Any, variable: Variable, indices: Any = None) -> Any:
        """Returns the operation that changes a variable by a gradient; by rows of it at `indices`."""
        whole = gradient if indices is None else _whole(gradient, indices, variable)
        self._rows = None if indices is None or not self._ROWS_ONLY else _rows_at(indices, variable)
        try:
            return tf.group(*self._update(tf.cast(whole, variable.dtype), variable))
        finally:
            self._rows = None

    # ---- the hooks, of which programs override one or call it by super()

    def _apply_dense(self, grad: Any, var: Any) -> Any:
        return self._changed(grad, var)

    def _resource_apply_dense(self, grad: Any, handle: Any) -> Any:
        return self._changed(grad, handle)

    def _apply_sparse(self, grad: Any, var: Any) -> Any:
        return self._changed(grad.values, var, grad.indices)

    def _resource_apply_sparse(self, grad: Any, handle: Any, indices: Any) -> Any:
        return self._changed(grad, handle, indices)

    def _apply_sparse_duplicate_indices(self, grad: Any, var: Any) -> Any:
        if self._adds_up():
            return self._apply_sparse(grad, var)
        return super()._apply_sparse_duplicate_indices(grad, var)

    def _resource_apply_sparse_duplicate_indices(self, grad: Any, handle: Any, indices: Any) -> Any:
        if self._adds_up():
            return self._resource_apply_sparse(grad, handle, indices)
        return super()._resource_apply_sparse_duplicate_indices(grad, handle, indices)

    def _adds_up(self) -> bool:
        """Whether rows may stand at one place: the sizes that `tf.unique` gives are known late, which costs much."""
        return all(is_own_method(self, name) for name in _OF_ROWS if hasattr(self, name))


def _whole(values: Any, indices: Any, variable: Variable) -> Any:
    """Returns the gradient of a table from rows of it."""
    return tf.convert_to_tensor(tf.IndexedSlices(values, indices, tf.shape(variable)))


def _rows_at(indices: Any, variable: Variable) -> Any:
    """Returns which rows of a variable have a gradient: booleans of shape (rows, 1, ...)."""
    places = tf.reshape(indices, [-1, 1])
    size = tf.shape(variable)[0] if variable.shape[0] is None else variable.shape[0]
    counts = tf.scatter_nd(tf.cast(places, "int32"), tf.ones_like(places[:, 0], dtype="int32"), [size])
    return tf.reshape(counts > 0, [-1] + [1] * (len(variable.shape) - 1))


class GradientDescentOptimizer(_Rule):
    """Goes down the gradient, times the learning rate."""

    _ROWS_ONLY = False

    def __init__(self, learning_rate: Any, use_locking: bool = False, name: str = "GradientDescent") -> None:
        super().__init__(use_locking, name)
        self._hold(learning_rate=learning_rate)

    def _update(self, gradient: Any, variable: Variable) -> list:
        return [self._assign(variable, variable - self._number("learning_rate", variable) * gradient)]

    def _adds_up(self) -> bool:
        return True  # as in TensorFlow, whatever a program overrides


class MomentumOptimizer(_Rule):
    """Keeps a part of the last step."""

    _SLOTS = ("momentum",)
    _NUMBERS = ("learning_rate", "momentum")

    def __init__(
        self,
        learning_rate: Any,
        momentum: Any,
        use_locking: bool = False,
        name: str = "Momentum",
        use_nesterov: bool = False,
    ) -> None:
        super().__init__(use_locking, name)
        self._hold(learning_rate=learning_rate, momentum=momentum)
        self._use_nesterov = use_nesterov

    def _update(self, gradient: Any, variable: Variable) -> list:
        rate, momentum = self._number("learning_rate", variable), self._number("momentum", variable)
        slot = self.get_slot(variable, "momentum")
        new = momentum * slot + gradient
        step = gradient + momentum * new if self._use_nesterov else new
        return [self._assign(slot, new), self._assign(variable, variable - rate * step)]


def _adam_step(
    xp: Any, gradient: Any, value: Any, m: Any, v: Any, slow: Any, slower: Any, rate: Any, epsilon: Any
) -> list:
    """Returns Adam's new value and means: `slow` and `slower` are 1 - beta."""
    arrays = (gradient, value, m, v, None, slow, slower, rate, epsilon)
    return list(xp.by_kernel("adam", functools.partial(moved, xp), arrays, {}))


def _shapes_of_adam(gradient: Any, value: Any, *others: Any) -> list:
    return [value, value, value]


_ADAM_STEP = Op("adam_step", _adam_step, differentiable=False, several=True, shape=_shapes_of_adam)
OWN_OPS: dict[str, Op] = {"adam_step": _ADAM_STEP}  # which are not in the table, by name


class AdamOptimizer(_Rule):
    """Adam: means of the gradients and their squares."""

    _ROWS_ONLY = False
    _SLOTS = ("m", "v")
    _NUMBERS = ("lr", "beta1", "beta2", "epsilon")
    _SUFFIX = "_t"

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta1: Any = 0.9,
        beta2: Any = 0.999,
        epsilon: Any = 1e-8,
        use_locking: bool = False,
        name: str = "Adam",
    ) -> None:
        super().__init__(use_locking, name)
        self._hold(lr=learning_rate, beta1=beta1, beta2=beta2, epsilon=epsilon)

    def _create_slots(self, var_list: list[Variable]) -> None:
        first = min(var_list, key=lambda variable: variable.name)
        for name in ("beta1", "beta2"):
            self._create_non_slot_variable(getattr(self, f"_{name}"), f"{name}_power", first)
        super()._create_slots(var_list)

    def _get_beta_accumulators(self) -> tuple:
        """Returns the powers of both betas, of the graph that is written here."""
        graph = written_graph()
        here = graph if writes_graph(graph) else None
        return tuple(self._get_non_slot_variable(f"beta{i}_power", here) for i in (1, 2))

    def _update(self, gradient: Any, variable: Variable) -> list:
        beta1, beta2 = self._number("beta1", variable), self._number("beta2", variable)
        power1, power2 = (tf.cast(power, variable.dtype) for power in self._get_beta_accumulators()[:2])
        m, v = self.get_slot(variable, "m"), self.get_slot(variable, "v")
        rate = self._number("lr", variable) * tf.sqrt(1 - power2) / (1 - power1)
        numbers = (1 - beta1, 1 - beta2, rate, self._number("epsilon", variable))
        values = [one.read_value() for one in (variable, m, v)]
        new, new_m, new_v = _ADAM_STEP(gradient, *values, *numbers)
        return [self._assign(m, new_m), self._assign(v, new_v), self._assign(variable, new)]

    def _apply_sparse(self, grad: Any, var: Any) -> Any:
        return self._apply_sparse_shared(grad.values, var, grad.indices, self._resource_scatter_add)

    def _resource_apply_sparse(self, grad: Any, handle: Any, indices: Any) -> Any:
        return self._apply_sparse_shared(grad, handle, indices, self._resource_scatter_add)

    def _apply_sparse_shared(self, grad: Any, var: Any, indices: Any, scatter_add: Any) -> Any:
        """Changes a table by rows of its gradient: all of it, as the means of all rows go on.

        Args:
            scatter_add: adds rows to a variable; this rule does without it, programs' own do not.
        """
        return self._changed(grad, var, indices)

    def _finish(self, update_ops: list, name_scope: str) -> Any:
        powers = self._get_beta_accumulators()[:2]
        with tf.control_dependencies(operations(update_ops)):
            last = [
                power.assign(power * self._number(f"beta{i}", power))
                for i, power in enumerate(powers, start=1)
            ]
        return tf.group(*operations(update_ops), *last, name=name_scope)


class AdagradOptimizer(_Rule):
    """Divides by the root of the sum of all squares."""

    _SLOTS = ("accumulator",)

    def __init__(
        self,
        learning_rate: Any,
        initial_accumulator_value: float = 0.1,
        use_locking: bool = False,
        name: str = "Adagrad",
    ) -> None:
        super().__init__(use_locking, name)
        _require(
            initial_accumulator_value > 0.0,
            "initial_accumulator_value",
            "positive",
            initial_accumulator_value,
        )
        self._hold(learning_rate=learning_rate)
        self._initial_accumulator_value = initial_accumulator_value

    def _first_value(self, slot: str) -> float:
        return self._initial_accumulator_value

    def _update(self, gradient: Any, variable: Variable) -> list:
        slot = self.get_slot(variable, "accumulator")
        new = slot + gradient * gradient
        step = self._number("learning_rate", variable) * gradient / tf.sqrt(new)
        return [self._assign(slot, new), self._assign(variable, variable - step)]


class ProximalGradientDescentOptimizer(_Rule):
    """Gradient descent that draws weights towards zero."""

    _NUMBERS = ("learning_rate", "l1_regularization_strength", "l2_regularization_strength")

    def __init__(
        self,
        learning_rate: Any,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        use_locking: bool = False,
        name: str = "ProximalGradientDescent",
    ) -> None:
        super().__init__(use_locking, name)
        self._hold(
            learning_rate=learning_rate,
            l1_regularization_strength=l1_regularization_strength,
            l2_regularization_strength=l2_regularization_strength,
        )

    def _update(self, gradient: Any, variable: Variable) -> list:
        rate, l1, l2 = (self._number(name, variable) for name in self._NUMBERS)
        return [self._assign(variable, _shrunk(variable - rate * gradient, rate, l1, l2))]


class ProximalAdagradOptimizer(AdagradOptimizer):
    """Adagrad that draws weights towards zero."""

    _NUMBERS = ("learning_rate", "l1_regularization_strength", "l2_regularization_strength")

    def __init__(
        self,
        learning_rate: Any,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        use_locking: bool = False,
        name: str = "ProximalAdagrad",
    ) -> None:
        super().__init__(learning_rate, initial_accumulator_value, use_locking, name)
        self._hold(
            l1_regularization_strength=l1_regularization_strength,
            l2_regularization_strength=l2_regularization_strength,
        )

    def _update(self, gradient: Any, variable: Variable) -> list:
        slot = self.get_slot(variable, "accumulator")
        new = slot + gradient * gradient
        rate, l1, l2 = (self._number(name, variable) for name in self._NUMBERS)
        rate = rate / tf.sqrt(new)
        return [
            self._assign(slot, new),
            self._assign(variable, _shrunk(variable - rate * gradient, rate, l1, l2)),
        ]


def _shrunk(value: Any, rate: Any, l1: Any, l2: Any) -> Any:
    return tf.sign(value) / (1.0 + l2 * rate) * tf.maximum(tf.abs(value) - rate * l1, 0.0)


def _require(fits: bool, name: str, expected: str, received: Any) -> None:
    if not fits:
        raise ValueError(f"{name} must be {expected}, received {received}{at_user_location()}")


class AdadeltaOptimizer(_Rule):
    """Adadelta: steps in the scale of the steps before."""

    _SLOTS = ("accum", "accum_update")
    _NUMBERS = ("lr", "rho", "epsilon")
    _SUFFIX = "_t"

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: Any = 0.95,
        epsilon: Any = 1e-8,
        use_locking: bool = False,
        name: str = "Adadelta",
    ) -> None:
        super().__init__(use_locking, name)
        self._hold(lr=learning_rate, rho=rho, epsilon=epsilon)

    def _update(self, gradient: Any, variable: Variable) -> list:
        rate, rho, epsilon = (self._number(name, variable) for name in self._NUMBERS)
        squares, steps = self.get_slot(variable, "accum"), self.get_slot(variable, "accum_update")
        new = rho * squares + (1 - rho) * gradient * gradient
        step = tf.sqrt(steps + epsilon) / tf.sqrt(new + epsilon) * gradient
        kept = self._assign(steps, rho * steps + (1 - rho) * step * step)
        return [self._assign(squares, new), kept, self._assign(variable, variable - rate * step)]


class RMSPropOptimizer(_Rule):
    """Divides by the root of the mean of the squares."""

    _NUMBERS = ("learning_rate", "decay", "momentum", "epsilon")

    def __init__(
        self,
        learning_rate: Any,
        decay: Any = 0.9,
        momentum: Any = 0.0,
        epsilon: Any = 1e-10,
        use_locking: bool = False,
        centered: bool = False,
        name: str = "RMSProp",
    ) -> None:
        super().__init__(use_locking, name)
        self._SLOTS = ("rms", *("mg",)[:centered], "momentum")
        self._hold(learning_rate=learning_rate, decay=decay, momentum=momentum, epsilon=epsilon)
        self._centered = centered

    def _first_value(self, slot: str) -> float:
        return 1.0 if slot == "rms" else 0.0

    def _update(self, gradient: Any, variable: Variable) -> list:
        rate, decay, kept, epsilon = (self._number(name, variable) for name in self._NUMBERS)
        rms, mean = self.get_slot(variable, "rms"), self.get_slot(variable, "mg")
        momentum = self.get_slot(variable, "momentum")
        new = decay * rms + (1 - decay) * gradient * gradient
        under, done = new + epsilon, [self._assign(rms, new)]
        if mean is not None:
            centre = decay * mean + (1 - decay) * gradient
            under = under - centre * centre
            done.append(self._assign(mean, centre))
        step = kept * momentum + rate * gradient / tf.sqrt(under)
        return [*done, self._assign(momentum, step), self._assign(variable, variable - step)]


class FtrlOptimizer(_Rule):
    """Follows the regularized leader."""

    _SLOTS = ("accum", "linear")
    _NUMBERS = (
        "learning_rate",
        "learning_rate_power",
        "l1_regularization_strength",
        "l2_regularization_strength",
        "l2_shrinkage_regularization_strength",
        "beta",
    )

    def __init__(
        self,
        learning_rate: Any,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        use_locking: bool = False,
        name: str = "Ftrl",
        accum_name: str | None = None,
        linear_name: str | None = None,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float = 0.0,
    ) -> None:
        super().__init__(use_locking, name)
        strengths = {
            "l1_regularization_strength": l1_regularization_strength,
            "l2_regularization_strength": l2_regularization_strength,
            "l2_shrinkage_regularization_strength": l2_shrinkage_regularization_strength,
        }
        for given, value in {"initial_accumulator_value": initial_accumulator_value, **strengths}.items():
            _require(value >= 0.0, given, "positive or zero", value)
        _require(learning_rate_power <= 0.0, "learning_rate_power", "negative or zero", learning_rate_power)
        self._hold(
            learning_rate=learning_rate, learning_rate_power=learning_rate_power, beta=beta, **strengths
        )
        self._initial_accumulator_value = initial_accumulator_value
        self._names = {"accum": accum_name or name, "linear": linear_name or name}

    def _first_value(self, slot: str) -> float:
        return self._initial_accumulator_value if slot == "accum" else 0.0

    def _name_of(self, slot: str) -> str:
        return self._names[slot]

    def _update(self, gradient: Any, variable: Variable) -> list:
        rate, exponent, l1, l2, shrinkage, beta = (self._number(name, variable) for name in self._NUMBERS)
        accum, linear = self.get_slot(variable, "accum"), self.get_slot(variable, "linear")
        value: Any = variable.read_value()
        held: Any = accum.read_value()
        new = held + gradient * gradient
        power, before = new**-exponent, held**-exponent
        line = linear + gradient + 2 * shrinkage * value - (power - before) / rate * value
        shrunk = tf.clip_by_value(line, -l1, l1) - line
        new_value = shrunk / (power / rate + 2 * l2 + beta / rate)
        return [self._assign(accum, new), self._assign(linear, line), self._assign(variable, new_value)]


declare(
    *(AdadeltaOptimizer, AdagradOptimizer, AdamOptimizer, FtrlOptimizer, GradientDescentOptimizer),
    *(MomentumOptimizer, ProximalAdagradOptimizer, ProximalGradientDescentOptimizer, RMSPropOptimizer),
)
