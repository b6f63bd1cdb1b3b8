"""Writing to a part of a variable: `v[1:3].assign(x)`, and the `scatter_*` methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.base.settings import state
from dovetail.ops.attrs import Spec
from dovetail.ops.families import op
from dovetail.ops.gather import gather, gather_nd, scattered
from dovetail.ops.indexed_slices import IndexedSlices
from dovetail.ops.indexing import get_item, numpy_key, parsed_key
from dovetail.ops.shapes import as_tensor, expand_dims
from dovetail.tensor.tensor import Tensor
from dovetail.tensor.variable import Variable


@op("", same_dtype=2, differentiable=False, shape=lambda x, value, *indices, spec: x)
def setitem(xp: Any, x: Any, value: Any, *indices: Any, spec: Spec) -> Any:
    """Returns `x` with `value`, which broadcasts, in the part that a key names."""
    return xp.index_set(x, numpy_key(spec, indices, x.shape), value)


@op("", same_dtype=2, differentiable=False, shape=lambda x, value, indices, kind: x)
def scatter_into(xp: Any, x: Any, value: Any, indices: Any, *, kind: str) -> Any:
    """Returns `x` with `value` at coordinates, combined with what is there."""
    return scattered(x, value, indices, xp, getattr(xp, f"index_{kind}"))


class VariablePart(Tensor):
    """What `variable[key]` gives: the values there, and the way to replace them."""

    __slots__ = ("_key", "_variable")

    def __init__(self, value: Any, variable: Variable, key: Any) -> None:
        super().__init__(value)
        self._variable, self._key = variable, key

    def assign(
        self, value: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
    ) -> Variable:
        """Puts `value`, which broadcasts, into this part of the variable; returns the variable.

        Example:
            >>> v = tf.Variable([1.0, 2.0, 3.0])
            >>> v[1:].assign([7.0, 8.0]).numpy().tolist()
            [1.0, 7.0, 8.0]
        """
        variable = self._variable
        spec, indices = parsed_key(self._key)
        value = variable._converted(value)
        return variable.assign(setitem(variable._plain(), value, *indices, spec=spec))


def _part(self: Variable, key: Any) -> Any:
    """Returns `variable[key]`."""
    found = get_item(self._tensor(), key)
    if type(found) is not Tensor:
        return found  # symbolic
    part = VariablePart(found._value, self, key)
    for tape in state.tapes:
        tape.alias(found, part)
    return part


def _by_row(kind: str, doc: str) -> Callable:
    """Returns the method that changes the rows which a `tf.IndexedSlices` names."""

    def method(self: Variable, sparse_delta: Any, use_locking: bool = False, name: str | None = None) -> Any:
        if not isinstance(sparse_delta, IndexedSlices):
            raise TypeError(
                f"{self.name}.scatter_{kind}: expected tf.IndexedSlices(values, indices), received "
                f"{sparse_delta!r:.60}{at_user_location()}"
            )
        return _scattered(self, expand_dims(sparse_delta.indices, axis=-1), sparse_delta.values, kind)

    method.__doc__ = doc
    return method


def _by_coordinate(kind: str, doc: str) -> Callable:
    """Returns the method that changes slices at coordinates, an integer tensor of shape (..., d)."""

    def method(self: Variable, indices: Any, updates: Any, name: str | None = None) -> Any:
        return _scattered(self, as_tensor(indices), updates, kind)

    method.__doc__ = doc
    return method


def _scattered(variable: Variable, indices: Any, updates: Any, kind: str) -> Any:
    updates = variable._converted(updates)
    if kind == "sub":
        kind, updates = "add", -updates
    kind = "set" if kind == "update" else kind
    return variable.assign(scatter_into(variable._plain(), updates, indices, kind=kind))


_KINDS = {
    "update": "Puts {} in their places",
    "add": "Adds {} to what is in their places; those for the same place add up",
    "sub": "Subtracts {} from what is in their places",
    "mul": "Multiplies what is in their places by {}",
    "div": "Divides what is in their places by {}",
    "max": "Keeps the larger of {} and what is in their places",
    "min": "Keeps the smaller of {} and what is in their places",
}


def _sparse_read(self: Variable, indices: Any, name: str | None = None) -> Any:
    """Returns the rows that `indices` names."""
    return gather(self, indices)


def _gather_nd(self: Variable, indices: Any, name: str | None = None) -> Any:
    """Returns the slices at coordinates."""
    return gather_nd(self, indices)


def _install(name: str, method: Callable) -> None:
    method.__name__, method.__qualname__ = name, f"Variable.{name}"
    setattr(Variable, name, method)


for _kind, _what in _KINDS.items():
    _install(f"scatter_{_kind}", _by_row(_kind, _what.format("rows (a `tf.IndexedSlices`)") + "."))
    if _kind in ("update", "add", "sub", "max", "min"):
        _install(f"scatter_nd_{_kind}", _by_coordinate(_kind, _what.format("slices at coordinates") + "."))
_install("__getitem__", _part)
_install("sparse_read", _sparse_read)
_install("gather_nd", _gather_nd)
