"""Variables and values: making, reading and changing them."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.base.settings import settings, state
from dovetail.function import print_
from dovetail.graph.node import FunctionCall, Node
from dovetail.graph.record import symbolic_outputs
from dovetail.keras.layers.machinery import in_graphs
from dovetail.ops import random_backend
from dovetail.ops.arithmetic import identity
from dovetail.tensor import dtype as dt
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor, TensorLike
from dovetail.tensor.variable import Variable


def variable(value: Any, dtype: Any = None, name: str | None = None, constraint: Any = None) -> Variable:
    """Returns a variable of dtype `floatx` unless `dtype` says otherwise.

    Example:
        >>> K.eval(K.variable([[1, 2], [3, 4]]))
        array([[1., 2.],
               [3., 4.]], dtype=float32)
    """
    wanted = dtype or settings.floatx
    if (
        isinstance(value, TensorLike)
        and not isinstance(value, Variable)
        and value.dtype != dt.as_dtype(wanted)
    ):
        value = value._astype(dt.as_dtype(wanted))
    graph = in_graphs.around()
    if graph is not None:
        label = name or "Variable"
        return in_graphs.variable(graph, lambda: value, label, dtype=wanted, constraint=constraint)
    return Variable(value, dtype=wanted, name=name, constraint=constraint)


def random_uniform_variable(
    shape: Any, low: float, high: float, dtype: Any = None, name: str | None = None, seed: int | None = None
) -> Variable:
    """Returns a variable of uniform numbers in [low, high)."""
    return variable(random_backend.random_uniform(shape, low, high, dtype, seed), dtype, name)


def random_normal_variable(
    shape: Any, mean: float, scale: float, dtype: Any = None, name: str | None = None, seed: int | None = None
) -> Variable:
    """Returns a variable of normally distributed numbers; `scale` is their standard deviation."""
    return variable(random_backend.random_normal(shape, mean, scale, dtype, seed), dtype, name)


# ---- values ---------------------------------------------------------------------------------------------------------


def get_value(x: Any) -> Any:
    """Returns a tensor's or variable's value as NumPy; what is no tensor as it is.

    Raises:
        ValueError: `x` is symbolic.
    """
    if in_graphs.around() is not None and isinstance(x, TensorLike):
        return in_graphs.value_of(x)
    if isinstance(x, SymbolicTensor):
        raise ValueError(
            f"K.get_value: a symbolic tensor has no value, received {x!r}. Compute it with "
            f"K.function(inputs, [x])(data), or with keras.Model(inputs, x).predict(data){at_user_location()}"
        )
    return x.numpy() if isinstance(x, Tensor | Variable) else x


def eval(x: Any) -> Any:
    """Returns the value of a tensor or variable as NumPy."""
    return get_value(x if isinstance(x, TensorLike) else convert_to_tensor(x))


def batch_get_value(tensors: Iterable) -> list:
    """Returns the values of several tensors or variables as NumPy."""
    return [get_value(tensor) for tensor in tensors]


@in_graphs.in_session
def set_value(x: Any, value: Any) -> None:
    """Assigns a value to a variable; it is cast to the variable's dtype.

    Raises:
        ValueError: the shape is another one.
    """
    _check_variable("K.set_value", x)
    x.assign(np.asarray(get_value(value)).astype(x.dtype.numpy_dtype))


def batch_set_value(tuples: Iterable) -> None:
    """Assigns values to variables, given as pairs (variable, value)."""
    for target, value in tuples:
        set_value(target, value)


def _check_variable(function: str, x: Any) -> None:
    if not hasattr(x, "assign"):
        raise TypeError(f"{function}: expected a variable, received {x!r:.80}{at_user_location()}")


def count_params(x: Any) -> int:
    """Returns the number of elements."""
    return int(np.prod(x.shape))


# ---- updates --------------------------------------------------------------------------------------------------------


def update(x: Variable, new_x: Any) -> Any:
    """Assigns `new_x` to the variable `x`, and returns it.

    On a symbolic `new_x` the assignment becomes part of the graph: pass what it returns in `updates` of `K.function`.
    """
    return _updated("K.update", x, new_x, "assign")


def update_add(x: Variable, increment: Any) -> Any:
    """Adds `increment` to the variable `x`, and returns it."""
    return _updated("K.update_add", x, increment, "assign_add")


def update_sub(x: Variable, decrement: Any) -> Any:
    """Subtracts `decrement` from the variable `x`, and returns it."""
    return _updated("K.update_sub", x, decrement, "assign_sub")


def _updated(function: str, x: Any, value: Any, method: str) -> Any:
    _check_variable(function, x)
    assign = getattr(x, method)
    if not isinstance(value, SymbolicTensor) or state.scope is not None:
        return assign(value)

    def run(value: Any) -> Any:
        return identity(assign(value))

    return symbolic_outputs(Node(FunctionCall(run, function), (value,), {}), [x])


def moving_average_update(x: Variable, value: Any, momentum: Any) -> Any:
    """Makes the variable `x` follow `value`: `x = momentum * x + (1 - momentum) * value`."""
    _check_variable("K.moving_average_update", x)
    value = convert_to_tensor(value, dtype_hint=x.dtype)
    if value.dtype != x.dtype:
        value = value._astype(x.dtype)
    return x.assign_sub((x - value) * (1.0 - momentum))


# ---- printing, sparse tensors ---------------------------------------------------------------------------------------


def print_tensor(x: Any, message: str = "", summarize: int = 3) -> Any:
    """Prints `message` and the value of `x` to stdout whenever the result is computed; returns `x`.

    Args:
        summarize: how many elements to show at both ends of each axis; -1 shows all.
    """

    def printed(value: Any) -> Any:
        print_(message, value, output_stream=sys.stdout, summarize=summarize)
        return value

    if isinstance(x, SymbolicTensor):
        return symbolic_outputs(Node(FunctionCall(printed, "K.print_tensor"), (x,), {}), [x])
    return printed(x)


def is_sparse(tensor: Any) -> bool:
    """Returns whether `tensor` is a sparse tensor."""
    return hasattr(tensor, "indices") and hasattr(tensor, "dense_shape")


def to_dense(tensor: Any) -> Any:
    """Returns a dense tensor as it is.

    Raises:
        TypeError: `tensor` is sparse; convert it with its own method first.
    """
    if is_sparse(tensor):
        raise TypeError(
            f"K.to_dense: sparse tensors are not supported, received {type(tensor).__name__}{at_user_location()}"
        )
    return tensor
