"""Element-wise ops of ragged tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.ops import arithmetic, logic, operators
from dovetail.ops import indexing as dense_indexing
from dovetail.ops import math as math_ops
from dovetail.ops.dispatch import dispatches, elementwise
from dovetail.ops.ragged.broadcast import aligned
from dovetail.ops.ragged.rows import is_ragged
from dovetail.ops.ragged.tensor import RaggedTensor

# ---- element by element -----------------------------------------------------------------------------------------


@elementwise(RaggedTensor)
def map_values(api: Callable, *args: Any) -> Any:
    """Applies an element-wise op to the flat values of operands broadcast to one row structure."""
    places = [i for i, arg in enumerate(args) if _is_operand(arg)]
    flat, rows = aligned([args[i] for i in places], api.__name__)
    values = list(args)
    for place, value in zip(places, flat, strict=True):
        values[place] = value if is_ragged(args[place]) or len(places) > 1 else args[place]
    return rows.with_flat_values(api(*values))


def _is_operand(arg: Any) -> bool:
    return arg is not None and not isinstance(arg, str | type)


@dispatches(arithmetic.add_n, RaggedTensor)
def _add_n(inputs: Any, name: Any = None) -> Any:
    flat, rows = aligned(list(inputs), "add_n")
    return rows.with_flat_values(arithmetic.add_n(*flat))


@dispatches(arithmetic.clip_by_value, RaggedTensor)
def _clip(t: Any, clip_value_min: Any, clip_value_max: Any, name: Any = None) -> Any:
    flat, rows = aligned([t, clip_value_min, clip_value_max], "clip_by_value")
    return rows.with_flat_values(arithmetic.clip_by_value(*flat))


def where(condition: Any, x: Any, y: Any) -> Any:
    """Chooses from `x` where the condition holds, from `y` elsewhere."""
    flat, rows = aligned([condition, x, y], "where")
    return rows.with_flat_values(dense_indexing.where(*flat))


def _operator(function: Callable) -> Callable:
    def method(self: Any, other: Any) -> Any:
        return function(self, other)

    return method


def _reflected(function: Callable) -> Callable:
    def method(self: Any, other: Any) -> Any:
        return function(other, self)

    return method


def _bits(pair: tuple) -> Callable:
    def function(x: Any, y: Any) -> Any:
        own = x if is_ragged(x) else y
        return pair[0 if own.dtype.is_bool else 1](x, y)

    return function


def _unary(function: Callable) -> Callable:
    def method(self: Any) -> Any:
        return function(self)

    return method


def _compared(function: Callable, otherwise: bool) -> Callable:
    def method(self: Any, other: Any) -> Any:
        return otherwise if other is None else function(self, other)

    return method


for _name, _op in operators._ARITHMETIC.items():
    setattr(RaggedTensor, f"__{_name}__", _operator(_op))
    setattr(RaggedTensor, f"__r{_name}__", _reflected(_op))
for _name, _op in operators._COMPARISONS.items():
    setattr(RaggedTensor, f"__{_name}__", _operator(_op))
for _name, _pair in operators._BITS.items():
    setattr(RaggedTensor, f"__{_name}__", _operator(_bits(_pair)))
    setattr(RaggedTensor, f"__r{_name}__", _reflected(_bits(_pair)))
for _name, _method in {
    "_astype": lambda self, dtype: arithmetic.cast(self, dtype=dtype),
    "__eq__": _compared(logic.equal, False),
    "__ne__": _compared(logic.not_equal, True),
    "__neg__": _unary(arithmetic.negative),
    "__pos__": lambda self: self,
    "__abs__": _unary(math_ops.abs_),
    "__invert__": lambda self: (logic.logical_not if self.dtype.is_bool else logic.invert)(self),
}.items():
    setattr(RaggedTensor, _name, _method)
