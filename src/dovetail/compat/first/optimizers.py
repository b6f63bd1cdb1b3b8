"""Optimizers of TensorFlow 1: `tf.compat.v1.train.AdamOptimizer(...).minimize(loss)` is an operation of the graph."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import dovetail as tf
from dovetail.base.errors import ArgumentTypeError, at_user_location
from dovetail.compat.first.keys import GraphKeys, trainable_variables
from dovetail.compat.first.scopes import make_variable
from dovetail.graph.recording import recording
from dovetail.keras.optimizers.adam import moved
from dovetail.ops.core import Op
from dovetail.ops.indexed_slices import dense
from dovetail.tensor.tensor import TensorLike
from dovetail.tensor.variable import Variable


class Optimizer:
    """Base of the optimizers: gradients of a loss, and what they change.

    Subclasses define `_apply_dense(gradient, variable)`, or `_resource_apply_dense`, which returns an operation, with
    slots that `_create_slots(variables)` makes by `_zeros_slot` and its like.  Those of this file define
    `_update(gradient, variable)`, which returns a list of what it assigned by `_assign`, and the slots in `_SLOTS`:
    pairs of a slot's name and the name of its variable, with `_first_value(slot, variable)`.

    Args:
        use_locking: accepted for TensorFlow's sake.
        name: of the operations.
    """

    GATE_NONE, GATE_OP, GATE_GRAPH = 0, 1, 2
    _SLOTS: tuple[tuple[str, str], ...] = ()
    _ROWS_ONLY = True  # of a table of which rows were looked up, only these change
    _rows: Any = None  # true for these, while a variable is updated

    def __init__(self, use_locking: bool = False, name: str = "Optimizer") -> None:
        if not name:
            raise ValueError(f"{type(self).__name__}: pass a name{at_user_location()}")
        self._name, self._use_locking = name, use_locking
        self._slots: dict[str, dict[int, Variable]] = {}
        self._others: dict[str, Variable] = {}

    def get_name(self) -> str:
        return self._name

    # ---- gradients

    def minimize(
        self,
        loss: Any,
        global_step: Any = None,
        var_list: Any = None,
        gate_gradients: int = GATE_OP,
        aggregation_method: Any = None,
        colocate_gradients_with_ops: bool = False,
        name: str | None = None,
        grad_loss: Any = None,
    ) -> Any:
        """Returns an operation that changes the variables against the gradient of the loss.

        Args:
            loss: tensor of the graph; a function that returns it where there is no graph.
            global_step: variable that counts the steps.
            var_list: the variables, the trainable ones when None.
            name: of the operation.
            grad_loss: the gradient of what is minimized in the loss.
            gate_gradients, aggregation_method, colocate_gradients_with_ops: accepted for TensorFlow's sake.

        Raises:
            ValueError: the loss depends on none of the variables.
        """
        pairs = self.compute_gradients(loss, var_list=var_list, grad_loss=grad_loss)
        if all(gradient is None for gradient, _ in pairs):
            names = [variable.name for _, variable in pairs]
            raise ValueError(
                f"{type(self).__name__}.minimize: no gradients provided for any variable, the loss depends on none of "
                f"{names}{at_user_location()}"
            )
        return self.apply_gradients(pairs, global_step, name)

    def compute_gradients(
        self,
        loss: Any,
        var_list: Any = None,
        gate_gradients: int = GATE_OP,
        aggregation_method: Any = None,
        colocate_gradients_with_ops: bool = False,
        grad_loss: Any = None,
    ) -> list[tuple[Any, Variable]]:
        """Returns pairs of a gradient (None: there is none) and its variable: see `minimize`."""
        if recording() is None:
            return self._taped(loss, var_list, grad_loss)
        value = loss() if callable(loss) and not isinstance(loss, TensorLike) else loss
        variables = list(trainable_variables() if var_list is None else tf.nest.flatten(var_list))
        for variable in variables:
            if not isinstance(variable, Variable):
                raise ArgumentTypeError(
                    f"{type(self).__name__}: expected variables in var_list, received {variable!r:.60}"
                    f"{at_user_location()}"
                )
        if not variables:
            raise ValueError(f"{type(self).__name__}: no variables to optimize{at_user_location()}")
        return list(zip(tf.gradients(value, variables, grad_loss), variables, strict=True))

    def _taped(self, loss: Any, var_list: Any, grad_loss: Any) -> list:
        if not callable(loss):
            raise RuntimeError(
                f"{type(self).__name__}: outside of graphs, loss must be a function of no arguments{at_user_location()}"
            )
        with tf.GradientTape() as tape:
            value = loss()
        variables = tape.watched_variables() if var_list is None else tf.nest.flatten(var_list)
        return list(zip(tape.gradient(value, variables, grad_loss), variables, strict=True))

    # ---- changes

    def apply_gradients(self, grads_and_vars: Any, global_step: Any = None, name: str | None = None) -> Any:
        """Returns an operation that changes the variables by gradients.

        Args:
            grads_and_vars: pairs of a gradient and a variable; those whose gradient is None are left as they are.
            global_step: variable that counts the steps.
            name: of the operation.

        Raises:
            ValueError: there is no gradient at all.
        """
        pairs = [(gradient, variable) for gradient, variable in grads_and_vars if gradient is not None]
        if not pairs:
            raise ValueError(
                f"{type(self).__name__}.apply_gradients: no gradients provided for any variable{at_user_location()}"
            )
        self._begin([variable for _, variable in pairs])
        for _, variable in pairs:
            for slot, label in self._SLOTS:
                self._make_slot(variable, slot, label)
        self._create_slots([variable for _, variable in pairs])
        self._prepare()
        with tf.name_scope(name or self._name):
            done = [self._applied(gradient, variable) for gradient, variable in pairs]
            with tf.control_dependencies(tf.nest.flatten(done)):
                done += self._finish()
            last = tf.group(*tf.nest.flatten(done))
            if global_step is not None:
                with tf.control_dependencies([last]):
                    last = getattr(global_step.assign_add(1), "op", None)
        if recording() is not None:
            tf.compat.v1.add_to_collection(GraphKeys.TRAIN_OP, last)
        return last

    def _applied(self, gradient: Any, variable: Variable) -> list:
        is_rows = isinstance(gradient, tf.IndexedSlices)
        self._rows = _rows_in(gradient, variable) if is_rows and self._ROWS_ONLY else None
        done = self._update(tf.cast(dense(gradient), variable.dtype), variable)
        self._rows = None
        if variable.constraint is None:
            return done
        with tf.control_dependencies(done):
            return [variable.assign(variable.constraint(variable.read_value()))]

    def _begin(self, variables: list[Variable]) -> None:
        """Makes what a step needs besides slots."""

    def _finish(self) -> list:
        """Returns what is assigned once all variables are changed."""
        return []

    def _update(self, gradient: Any, variable: Variable) -> list:
        for name in ("_apply_dense", "_resource_apply_dense"):
            if hasattr(self, name):
                return [getattr(self, name)(gradient, variable)]
        raise NotImplementedError(f"{type(self).__name__}: define _apply_dense(gradient, variable)")

    def _assign(self, variable: Variable, value: Any) -> Any:
        """Gives a variable a new value: in those rows only that were looked up, where that matters."""
        return variable.assign(value if self._rows is None else tf.where(self._rows, value, variable))

    # ---- for subclasses written for TensorFlow 1

    def _create_slots(self, var_list: list[Variable]) -> None:
        """Makes the slots."""

    def _prepare(self) -> None:
        """Makes tensors of the hyperparameters."""

    def _get_or_make_slot(self, var: Variable, val: Any, slot_name: str, op_name: str) -> Variable:
        """Returns a slot of a variable; a new one has the value `val`."""
        return self._kept_slot(var, slot_name, op_name, val)

    def _zeros_slot(self, var: Variable, slot_name: str, op_name: str) -> Variable:
        """Returns a slot of a variable; a new one is zero."""
        return self._kept_slot(var, slot_name, op_name, lambda: tf.zeros(var.shape, var.dtype))

    def _call_if_callable(self, param: Any) -> Any:
        return param() if callable(param) else param

    # ---- state

    def _make_slot(self, variable: Variable, slot: str, label: str) -> Variable:
        return self._kept_slot(variable, slot, label, self._first_value(slot, variable))

    def _kept_slot(self, variable: Variable, slot: str, label: str, first: Any) -> Variable:
        of_slot = self._slots.setdefault(slot, {})
        if id(variable) not in of_slot:
            name = f"{variable.name.partition(':')[0]}/{label}"
            of_slot[id(variable)] = make_variable(first, name, trainable=False)
        return of_slot[id(variable)]

    def _first_value(self, slot: str, variable: Variable) -> Callable:
        return lambda: tf.zeros(variable.shape, variable.dtype)

    def _other(self, name: str, value: Any) -> Variable:
        """Returns a variable that belongs to no other one."""
        if name not in self._others:
            self._others[name] = make_variable(value, name, trainable=False)
        return self._others[name]

    def get_slot(self, var: Variable, name: str) -> Any:
        """Returns the variable that a slot keeps for another one, None when there is none."""
        return self._slots.get(name, {}).get(id(var))

    def get_slot_names(self) -> list[str]:
        return sorted(self._slots)

    def variables(self) -> list[Variable]:
        """Returns what it keeps from step to step."""
        return [*self._others.values(), *[v for slot in self._slots.values() for v in slot.values()]]

    def _number(self, value: Any, variable: Variable) -> Any:
        """Returns a hyperparameter, which may be a number, a tensor or a function, in a variable's dtype."""
        value = value() if callable(value) and not isinstance(value, TensorLike) else value
        return tf.cast(value, variable.dtype)


def _rows_in(gradient: Any, variable: Variable) -> Any:
    """Returns which rows of a variable have a gradient: booleans of shape (rows, 1, ...)."""
    places = tf.reshape(gradient.indices, [-1, 1])
    size = tf.shape(variable)[0] if variable.shape[0] is None else variable.shape[0]
    counts = tf.scatter_nd(tf.cast(places, "int32"), tf.ones_like(places[:, 0], dtype="int32"), [size])
    return tf.reshape(counts > 0, [-1] + [1] * (len(variable.shape) - 1))


class GradientDescentOptimizer(Optimizer):
    """Goes down the gradient, times the learning rate."""

    _ROWS_ONLY = False

    def __init__(self, learning_rate: Any, use_locking: bool = False, name: str = "GradientDescent") -> None:
        super().__init__(use_locking, name)
        self._rate = learning_rate

    def _update(self, gradient: Any, variable: Variable) -> list:
        return [self._assign(variable, variable - self._number(self._rate, variable) * gradient)]


class MomentumOptimizer(Optimizer):
    """Keeps a part of the last step."""

    _SLOTS = (("momentum", "Momentum"),)

    def __init__(
        self,
        learning_rate: Any,
        momentum: Any,
        use_locking: bool = False,
        name: str = "Momentum",
        use_nesterov: bool = False,
    ) -> None:
        super().__init__(use_locking, name)
        self._rate, self._momentum, self._nesterov = learning_rate, momentum, use_nesterov

    def _update(self, gradient: Any, variable: Variable) -> list:
        rate, momentum = self._number(self._rate, variable), self._number(self._momentum, variable)
        slot = self.get_slot(variable, "momentum")
        new = momentum * slot + gradient
        step = gradient + momentum * new if self._nesterov else new
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


class AdamOptimizer(Optimizer):
    """Adam: means of the gradients and their squares."""

    _ROWS_ONLY = False
    _SLOTS = (("m", "Adam"), ("v", "Adam"))

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
        self._SLOTS = (("m", name), ("v", name))
        self._rate, self._beta1, self._beta2, self._epsilon = learning_rate, beta1, beta2, epsilon

    def _begin(self, variables: list[Variable]) -> None:
        self._other("beta1_power", lambda: tf.cast(self._beta1, "float32"))
        self._other("beta2_power", lambda: tf.cast(self._beta2, "float32"))

    def _update(self, gradient: Any, variable: Variable) -> list:
        beta1, beta2 = self._number(self._beta1, variable), self._number(self._beta2, variable)
        power1, power2 = (self._number(self._others[f"beta{i}_power"], variable) for i in (1, 2))
        m, v = self.get_slot(variable, "m"), self.get_slot(variable, "v")
        rate = self._number(self._rate, variable) * tf.sqrt(1 - power2) / (1 - power1)
        numbers = (1 - beta1, 1 - beta2, rate, self._number(self._epsilon, variable))
        values = [one.read_value() for one in (variable, m, v)]
        new, new_m, new_v = _ADAM_STEP(gradient, *values, *numbers)
        return [self._assign(m, new_m), self._assign(v, new_v), self._assign(variable, new)]

    def _finish(self) -> list:
        one, two = self._others["beta1_power"], self._others["beta2_power"]
        return [
            one.assign(one * self._number(self._beta1, one)),
            two.assign(two * self._number(self._beta2, two)),
        ]


class AdagradOptimizer(Optimizer):
    """Divides by the root of the sum of all squares."""

    _SLOTS = (("accumulator", "Adagrad"),)

    def __init__(
        self,
        learning_rate: Any,
        initial_accumulator_value: float = 0.1,
        use_locking: bool = False,
        name: str = "Adagrad",
    ) -> None:
        super().__init__(use_locking, name)
        if initial_accumulator_value <= 0.0:
            raise ValueError(
                f"initial_accumulator_value must be positive, received {initial_accumulator_value}{at_user_location()}"
            )
        self._rate, self._initial = learning_rate, initial_accumulator_value

    def _first_value(self, slot: str, variable: Variable) -> Callable:
        return lambda: tf.cast(tf.fill(variable.shape, self._initial), variable.dtype)

    def _update(self, gradient: Any, variable: Variable) -> list:
        slot = self.get_slot(variable, "accumulator")
        new = slot + gradient * gradient
        step = self._number(self._rate, variable) * gradient / tf.sqrt(new)
        return [self._assign(slot, new), self._assign(variable, variable - step)]


class ProximalGradientDescentOptimizer(Optimizer):
    """Gradient descent that draws weights towards zero."""

    def __init__(
        self,
        learning_rate: Any,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        use_locking: bool = False,
        name: str = "ProximalGradientDescent",
    ) -> None:
        super().__init__(use_locking, name)
        self._rate, self._l1, self._l2 = learning_rate, l1_regularization_strength, l2_regularization_strength

    def _update(self, gradient: Any, variable: Variable) -> list:
        rate = self._number(self._rate, variable)
        return [self._assign(variable, _shrunk(variable - rate * gradient, rate, self._l1, self._l2))]


class ProximalAdagradOptimizer(AdagradOptimizer):
    """Adagrad that draws weights towards zero."""

    _SLOTS = (("accumulator", "ProximalAdagrad"),)

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
        self._l1, self._l2 = l1_regularization_strength, l2_regularization_strength

    def _update(self, gradient: Any, variable: Variable) -> list:
        slot = self.get_slot(variable, "accumulator")
        new = slot + gradient * gradient
        rate = self._number(self._rate, variable) / tf.sqrt(new)
        return [
            self._assign(slot, new),
            self._assign(variable, _shrunk(variable - rate * gradient, rate, self._l1, self._l2)),
        ]


def _shrunk(value: Any, rate: Any, l1: float, l2: float) -> Any:
    return tf.sign(value) / (1.0 + l2 * rate) * tf.maximum(tf.abs(value) - rate * l1, 0.0)


class AdadeltaOptimizer(Optimizer):
    """Adadelta: steps in the scale of the steps before."""

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: Any = 0.95,
        epsilon: Any = 1e-8,
        use_locking: bool = False,
        name: str = "Adadelta",
    ) -> None:
        super().__init__(use_locking, name)
        self._SLOTS = (("accum", name), ("accum_update", name))
        self._rate, self._rho, self._epsilon = learning_rate, rho, epsilon

    def _update(self, gradient: Any, variable: Variable) -> list:
        rho, epsilon = self._number(self._rho, variable), self._number(self._epsilon, variable)
        squares, steps = self.get_slot(variable, "accum"), self.get_slot(variable, "accum_update")
        new = rho * squares + (1 - rho) * gradient * gradient
        step = tf.sqrt(steps + epsilon) / tf.sqrt(new + epsilon) * gradient
        kept = self._assign(steps, rho * steps + (1 - rho) * step * step)
        return [
            self._assign(squares, new),
            kept,
            self._assign(variable, variable - self._number(self._rate, variable) * step),
        ]


class RMSPropOptimizer(Optimizer):
    """Divides by the root of the mean of the squares."""

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
        self._SLOTS = (("rms", name), *[("mg", name)][:centered], ("momentum", name))
        self._rate, self._decay, self._momentum, self._epsilon = learning_rate, decay, momentum, epsilon

    def _first_value(self, slot: str, variable: Variable) -> Callable:
        make = tf.ones if slot == "rms" else tf.zeros
        return lambda: make(variable.shape, variable.dtype)

    def _update(self, gradient: Any, variable: Variable) -> list:
        decay, rate = self._number(self._decay, variable), self._number(self._rate, variable)
        rms, mean = self.get_slot(variable, "rms"), self.get_slot(variable, "mg")
        momentum = self.get_slot(variable, "momentum")
        new = decay * rms + (1 - decay) * gradient * gradient
        under, done = new + self._number(self._epsilon, variable), [self._assign(rms, new)]
        if mean is not None:
            centre = decay * mean + (1 - decay) * gradient
            under = under - centre * centre
            done.append(self._assign(mean, centre))
        step = self._number(self._momentum, variable) * momentum + rate * gradient / tf.sqrt(under)
        return [*done, self._assign(momentum, step), self._assign(variable, variable - step)]


class FtrlOptimizer(Optimizer):
    """Follows the regularized leader."""

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
        self._SLOTS = (("accum", accum_name or name), ("linear", linear_name or name))
        self._rate, self._power, self._initial = learning_rate, learning_rate_power, initial_accumulator_value
        self._l1, self._l2 = l1_regularization_strength, l2_regularization_strength
        self._shrinkage, self._beta = l2_shrinkage_regularization_strength, beta

    def _first_value(self, slot: str, variable: Variable) -> Callable:
        value = self._initial if slot == "accum" else 0.0
        return lambda: tf.cast(tf.fill(variable.shape, value), variable.dtype)

    def _update(self, gradient: Any, variable: Variable) -> list:
        rate = self._number(self._rate, variable)
        accum, linear = self.get_slot(variable, "accum"), self.get_slot(variable, "linear")
        value: Any = variable.read_value()
        with_shrinkage = gradient + 2 * self._shrinkage * value
        held: Any = accum.read_value()
        new = held + gradient * gradient
        power, before = new ** (-self._power), held ** (-self._power)
        line = linear + with_shrinkage - (power - before) / rate * value
        l2 = self._l2 + self._beta / (2 * rate)
        shrunk = tf.clip_by_value(line, -self._l1, self._l1) - line
        new_value = shrunk / (power / rate + 2 * l2)
        return [self._assign(accum, new), self._assign(linear, line), self._assign(variable, new_value)]
