"""Replaying a graph on arrays some of whose sizes are names: what a program computes of sizes stays known as such.

`tf.reshape(x, [tf.shape(x)[0], -1])` takes a size out of a tensor and gives it as a size.  Between the two it is no
array but a list of numbers and names, on which the ops run as they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base import nest
from dovetail.engine import dtypes, host, xla
from dovetail.graph.node import FunctionCall, OpCall
from dovetail.graph.recording import trace
from dovetail.graph.replay import Steps
from dovetail.graph.walking import INLINED
from dovetail.ops.attrs import is_symbolic
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.spec import TensorSpec
from dovetail.tensor.tensor import Tensor, TensorLike

_MOST_ELEMENTS = 64
_OF_SHAPES = ("shape_vector", "element_count")


class _Sizes:
    """A tensor of sizes.

    Attributes:
        elements: an array of objects: numbers, and names.
        dtype: the NumPy dtype that the tensor has.
    """

    def __init__(self, elements: Any, dtype: Any) -> None:
        self.elements, self.dtype = np.asarray(elements, object), np.dtype(dtype)

    def tensor(self) -> Tensor:
        """Returns the tensor as one that is computed when the program runs."""
        flat = xla("sizes").sizes(tuple(self.elements.ravel().tolist()), self.dtype)
        return Tensor(flat.reshape(self.elements.shape))

    def given(self) -> Any:
        """Returns the elements as an attribute of an op."""
        return tuple(self.elements.tolist()) if self.elements.ndim else self.elements.item()


def call(operation: Any, args: Any, kwargs: dict) -> Any:
    """Runs a node of a graph; for `Steps.run`."""
    if type(operation) is OpCall:
        found = _of_shape(operation.op, args, kwargs) or _on_sizes(operation.op, args, kwargs)
        if found is not None:
            return found
    args = nest.mapped(_as_tensor, tuple(args))
    if type(operation) is FunctionCall and operation.name in INLINED:
        return _recorded(operation.function, args)
    if any(type(leaf) is _Sizes for leaf in nest.flat(kwargs)):
        if type(operation) is OpCall and not any(isinstance(leaf, TensorLike) for leaf in nest.flat(kwargs)):
            return _with_sizes(operation.op, args, kwargs)
        kwargs = nest.mapped(_as_tensor, kwargs)
    return operation(*args, **kwargs)


def _recorded(function: Any, args: tuple) -> list:
    """Records a Python function over tensors, with sizes that are not known for those with names, and runs that."""
    tensors = [leaf for leaf in nest.flat(args) if isinstance(leaf, TensorLike)]
    graph = trace(function, nest.mapped(_spec, args))
    steps = Steps([*graph.inputs, *graph.captured], graph.nodes, graph.outputs)
    return [_as_tensor(one) for one in steps.run([*tensors, *graph.captures], call)]


def _spec(leaf: Any) -> Any:
    if not isinstance(leaf, TensorLike):
        return leaf
    value = leaf._value  # type: ignore[attr-defined]
    return TensorSpec([size if isinstance(size, int) else None for size in value.shape], value.dtype)


def result(value: Any) -> Any:
    """Returns the tensor for what `call` has given."""
    return _as_tensor(value)


def _as_tensor(leaf: Any) -> Any:
    return leaf.tensor() if type(leaf) is _Sizes else leaf


def _of_shape(op: Any, args: Any, kwargs: dict) -> _Sizes | None:
    """Returns the shape of a tensor, where it has names."""
    if op.name not in _OF_SHAPES or not isinstance(args[0], TensorLike):
        return None
    shape = args[0]._value.shape  # type: ignore[attr-defined]
    if all(isinstance(size, int) for size in shape):
        return None
    dtype = op.bind(kwargs).attributes["out_type"]
    if op.name == "shape_vector":
        return _Sizes(shape, dtype)
    count: Any = 1
    for size in shape:
        count = count * size
    return _Sizes(count, dtype)


def _on_sizes(op: Any, args: Any, kwargs: dict) -> Any:
    """Runs an op on sizes and integers that are known; None where it cannot, or is given neither."""
    if not any(type(one) is _Sizes for one in args) or any(map(is_symbolic, kwargs.values())):
        return None
    dtype = next(one.dtype for one in args if type(one) is _Sizes)
    elements = [_elements(one) for one in args]
    if any(one is None for one in elements):
        return None
    attributes = op.bind(kwargs).attributes
    if op.name == "cast":
        wanted = attributes["dtype"]
        return _Sizes(elements[0], wanted) if dtypes.is_integer(wanted) else None
    try:
        found = op.body(host, *elements, **attributes)
    except Exception:  # noqa: BLE001 - bodies fail in many ways on names; then it is computed when the program runs
        return None
    if op.dtype is not None and not dtypes.is_integer(op.dtype(*[dtype for _ in args], **attributes)):
        return None
    return [_Sizes(one, dtype) for one in found] if isinstance(found, list | tuple) else _Sizes(found, dtype)


def _elements(one: Any) -> Any:
    if type(one) is _Sizes:
        return one.elements
    tensor = one if isinstance(one, Tensor) else convert_to_tensor(one)
    value = tensor._value
    is_known = type(value) is np.ndarray and value.dtype.kind == "i" and value.size <= _MOST_ELEMENTS
    return value.astype(object) if is_known else None


def _with_sizes(op: Any, args: tuple, kwargs: dict) -> Any:
    """Runs an op whose attributes hold sizes with names."""
    plain = {name: value for name, value in kwargs.items() if not _holds_sizes(value)}
    sized = {name: _given(value) for name, value in kwargs.items() if name not in plain}
    needed = [name for name, (default, _) in op.attributes.items() if name in sized]
    stand_ins = {name: 1 if _is_one(sized[name]) else (1,) * len(sized[name]) for name in needed}
    attributes = {**op.bind({**plain, **stand_ins}).attributes, **sized}
    arrays = [None if one is None else xla(op.name).asarray(convert_to_tensor(one)._value) for one in args]
    found = op.body(xla(op.name), *arrays, **attributes)
    return [Tensor(one) for one in found] if isinstance(found, list | tuple) else Tensor(found)


def _holds_sizes(value: Any) -> bool:
    return any(type(leaf) is _Sizes for leaf in nest.flat(value))


def _is_one(value: Any) -> bool:
    return not isinstance(value, tuple)


def _given(value: Any) -> Any:
    """Returns an attribute with its sizes as numbers and names."""
    if type(value) is _Sizes:
        return value.given()
    if isinstance(value, list | tuple):
        return tuple(_given(one) for one in value)
    return int(value) if isinstance(value, np.generic) else value
