"""Learning rates that change with the step, and the global step itself."""

from __future__ import annotations

import math
from typing import Any

import dovetail as tf
from dovetail.base.errors import at_user_location
from dovetail.compat.first.initializers import Zeros
from dovetail.compat.first.keys import GraphKeys
from dovetail.compat.first.scopes import get_variable
from dovetail.graph.by_hand import default_graph
from dovetail.graph.recording import recording
from dovetail.tensor.tensor import TensorLike
from dovetail.train import averages


def get_global_step(graph: Any = None) -> Any:
    """Returns the variable that counts the steps, None when there is none."""
    found = (graph or default_graph()).get_collection(GraphKeys.GLOBAL_STEP)
    if len(found) > 1:
        raise TypeError(f"the graph has several global steps: {found}{at_user_location()}")
    return found[0] if found else None


def create_global_step(graph: Any = None) -> Any:
    """Makes the variable that counts the steps; raises ValueError when there is one."""
    if get_global_step(graph) is not None:
        raise ValueError(f'"global_step" already exists: use get_or_create_global_step(){at_user_location()}')
    keys = [GraphKeys.GLOBAL_VARIABLES, GraphKeys.GLOBAL_STEP]
    facts = {"dtype": "int64", "initializer": Zeros(), "trainable": False, "collections": keys}
    if graph is None or recording() is graph:
        return get_variable(GraphKeys.GLOBAL_STEP, [], **facts)
    with graph.as_default():
        return get_variable(GraphKeys.GLOBAL_STEP, [], **facts)


def get_or_create_global_step(graph: Any = None) -> Any:
    """Returns the variable that counts the steps, a new one when there is none."""
    found = get_global_step(graph)
    return create_global_step(graph) if found is None else found


def global_step(sess: Any, global_step_tensor: Any) -> int:
    """Returns the number of steps, as an int."""
    return int(sess.run(global_step_tensor))


def assert_global_step(global_step_tensor: Any) -> None:
    """Raises TypeError unless it is a scalar of an integer dtype."""
    if not global_step_tensor.dtype.is_integer or global_step_tensor.shape.rank not in (0, None):
        raise TypeError(
            f"expected an integer scalar as the global step, received {global_step_tensor!r}{at_user_location()}"
        )


def _schedule(function: Any) -> Any:
    """Makes a rate of the graph of a function of the step; a function that computes it where there is no graph."""

    def rate(*args: Any, **kwargs: Any) -> Any:
        if recording() is None and not isinstance(args[1] if len(args) > 1 else None, int | float):
            return lambda: function(*args, **kwargs)
        return function(*args, **kwargs)

    rate.__name__, rate.__doc__ = function.__name__, function.__doc__
    return rate


def _parts(step: Any, decay_steps: Any, rate: Any) -> tuple[Any, Any, Any]:
    if step is None:
        raise ValueError(f"global_step is required for a rate that changes with it{at_user_location()}")
    rate = tf.convert_to_tensor(rate, dtype_hint="float32")
    return tf.cast(step, rate.dtype), tf.cast(decay_steps, rate.dtype), rate


@_schedule
def exponential_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    decay_rate: Any,
    staircase: bool = False,
    name: str | None = None,
) -> Any:
    """Returns `learning_rate * decay_rate ** (global_step / decay_steps)`; `staircase` cuts the power to whole ones."""
    step, steps, rate = _parts(global_step, decay_steps, learning_rate)
    power = tf.floor(step / steps) if staircase else step / steps
    return rate * tf.cast(decay_rate, rate.dtype) ** power


@_schedule
def natural_exp_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    decay_rate: Any,
    staircase: bool = False,
    name: str | None = None,
) -> Any:
    """Returns `learning_rate * exp(-decay_rate * global_step / decay_steps)`."""
    step, steps, rate = _parts(global_step, decay_steps, learning_rate)
    power = tf.floor(step / steps) if staircase else step / steps
    return rate * tf.exp(-tf.cast(decay_rate, rate.dtype) * power)


@_schedule
def inverse_time_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    decay_rate: Any,
    staircase: bool = False,
    name: str | None = None,
) -> Any:
    """Returns `learning_rate / (1 + decay_rate * global_step / decay_steps)`."""
    step, steps, rate = _parts(global_step, decay_steps, learning_rate)
    power = tf.floor(step / steps) if staircase else step / steps
    return rate / (1 + tf.cast(decay_rate, rate.dtype) * power)


@_schedule
def polynomial_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    end_learning_rate: float = 0.0001,
    power: float = 1.0,
    cycle: bool = False,
    name: str | None = None,
) -> Any:
    """Returns a rate that goes from `learning_rate` to `end_learning_rate` in `decay_steps`, by a power of the rest."""
    step, steps, rate = _parts(global_step, decay_steps, learning_rate)
    if cycle:
        steps = steps * tf.maximum(tf.math.ceil(step / steps), 1.0)
    else:
        step = tf.minimum(step, steps)
    return (rate - end_learning_rate) * (1 - step / steps) ** power + end_learning_rate


@_schedule
def cosine_decay(
    learning_rate: Any, global_step: Any, decay_steps: Any, alpha: float = 0.0, name: str | None = None
) -> Any:
    """Returns a rate that goes down by half a cosine in `decay_steps`, to `alpha` of it."""
    step, steps, rate = _parts(global_step, decay_steps, learning_rate)
    cosine = 0.5 * (1.0 + tf.cos(math.pi * tf.minimum(step, steps) / steps))
    return rate * ((1 - alpha) * cosine + alpha)


@_schedule
def cosine_decay_restarts(
    learning_rate: Any,
    global_step: Any,
    first_decay_steps: Any,
    t_mul: float = 2.0,
    m_mul: float = 1.0,
    alpha: float = 0.0,
    name: str | None = None,
) -> Any:
    """As `cosine_decay`, again and again: each period is `t_mul` times as long, and begins `m_mul` times as high."""
    step, steps, rate = _parts(global_step, first_decay_steps, learning_rate)
    done = step / steps
    if t_mul == 1.0:
        period = tf.floor(done)
        done = done - period
    else:
        period = tf.floor(tf.math.log(1.0 - done * (1.0 - t_mul)) / math.log(t_mul))
        before = (1.0 - t_mul**period) / (1.0 - t_mul)
        done = (done - before) / t_mul**period
    cosine = 0.5 * m_mul**period * (1.0 + tf.cos(math.pi * done))
    return rate * ((1 - alpha) * cosine + alpha)


def piecewise_constant(x: Any, boundaries: Any, values: Any, name: str | None = None) -> Any:
    """Returns `values[0]` up to and with `boundaries[0]`, then `values[1]`, and so on."""
    if len(boundaries) != len(values) - 1:
        raise ValueError(
            f"piecewise_constant: expected one more value than boundaries, received {len(values)} and "
            f"{len(boundaries)}{at_user_location()}"
        )

    def chosen() -> Any:
        step = tf.convert_to_tensor(x)
        bounds = [tf.cast(boundary, step.dtype) for boundary in boundaries]
        result = tf.convert_to_tensor(values[-1])
        for boundary, value in zip(reversed(bounds), reversed(values[:-1]), strict=True):
            result = tf.where(step <= boundary, tf.cast(value, result.dtype), result)
        return result

    return chosen() if recording() is not None or not isinstance(x, TensorLike) else chosen


class ExponentialMovingAverage(averages.ExponentialMovingAverage):
    """Keeps moving averages of variables, and of tensors; see `tf.train.ExponentialMovingAverage`."""

    def _chosen(self, var_list: Any) -> list[Any]:
        return list(tf.compat.v1.trainable_variables() if var_list is None else var_list)

    def _make(self, variable: Any) -> None:
        if id(variable) in self._averages:
            return
        is_variable = hasattr(variable, "assign")
        first = getattr(variable, "initial_value", variable) if is_variable else None
        facts = {"trainable": False, "collections": [GraphKeys.GLOBAL_VARIABLES]}
        keys = {**facts, "collections": [*facts["collections"], GraphKeys.MOVING_AVERAGE_VARIABLES]}  # type: ignore[misc]
        start = first if is_variable else (lambda: tf.zeros(variable.shape, variable.dtype))
        made = tf.compat.v1.Variable(
            start, name=f"{variable.op.name}/{self._name}", **(keys if is_variable else facts)
        )
        self._averages[id(variable)] = variable, made

    def _done(self, steps: list[Any]) -> Any:
        return tf.group(*steps)

    def _name_of(self, variable: Any) -> str:
        return variable.op.name

    def _trained(self) -> list[Any]:
        return tf.compat.v1.trainable_variables()

    def _all(self) -> list[Any]:
        return tf.compat.v1.global_variables()
