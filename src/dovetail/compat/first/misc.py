"""Placeholders with defaults and of sparse tensors, name scopes, Python functions in graphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dovetail as tf
from dovetail.graph.by_hand import placeholder, placeholder_with_default


def sparse_placeholder(dtype: Any, shape: Any = None, name: str | None = None) -> Any:
    """Returns a sparse tensor that a session is fed: `SparseTensorValue`s, or tuples of the three parts."""
    rank = None if shape is None else len(tf.TensorShape(shape))
    label = name or "SparsePlaceholder"
    sizes = None if shape is None else tf.TensorShape(shape)
    values = placeholder(dtype, [None], f"{label}/values")
    indices = placeholder("int64", [None, rank], f"{label}/indices")
    known = sizes is not None and sizes.is_fully_defined()
    dense_shape = (
        sizes.as_list() if known and sizes is not None else placeholder("int64", [rank], f"{label}/shape")
    )
    return tf.SparseTensor(indices, values, dense_shape)


class name_scope(tf.name_scope):
    """`tf.name_scope`, with a name that stands in for None; None without one goes to the top.

    Args:
        name: of the scope.
        default_name: used when `name` is None.
        values: accepted for TensorFlow's sake.
    """

    def __init__(self, name: str | None, default_name: str | None = None, values: Any = None) -> None:
        super().__init__(name if name is not None else default_name or "")


def op_scope(values: Any, name: str | None, default_name: str | None = None) -> name_scope:
    """The old order of the arguments of `name_scope`."""
    return name_scope(name, default_name, values)


def py_func(func: Callable, inp: Any, Tout: Any, stateful: bool = True, name: str | None = None) -> Any:
    """Returns what a Python function gives for arrays, each time the graph runs."""
    return tf.numpy_function(func, inp, Tout, stateful=stateful, name=name)


def while_loop(
    cond: Callable,
    body: Callable,
    loop_vars: Any,
    shape_invariants: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    name: str | None = None,
    maximum_iterations: Any = None,
    return_same_structure: bool = False,
) -> Any:
    """`tf.while_loop`, which returns the variable itself where there is but one, unless `return_same_structure`."""
    limits = {"maximum_iterations": maximum_iterations, "shape_invariants": shape_invariants}
    ways = {"parallel_iterations": parallel_iterations, "back_prop": back_prop, "swap_memory": swap_memory}
    found = tf.while_loop(cond, body, loop_vars, name=name, **limits, **ways)
    single = isinstance(found, list | tuple) and len(found) == 1 and not return_same_structure
    return found[0] if single else found


def container(container_name: str) -> Any:
    """Accepted for TensorFlow's sake: opens a scope that changes nothing."""
    return tf.device(None)


NAMES: dict[str, Any] = {
    f.__name__: f
    for f in (
        container,
        name_scope,
        op_scope,
        placeholder_with_default,
        py_func,
        sparse_placeholder,
        while_loop,
    )
}
