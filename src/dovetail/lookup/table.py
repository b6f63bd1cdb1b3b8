"""What all tables share: dtypes, the keys that `lookup` takes, and when a table is changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.errors import DataDependentShapeError, at_user_location
from dovetail.base.settings import state
from dovetail.engine import is_tracer
from dovetail.function.autograph.values import in_trace
from dovetail.graph.node import CONSTANT
from dovetail.graph.record import record_call
from dovetail.graph.recording import recording
from dovetail.ops.key_store import KeyStore
from dovetail.tensor import Tensor, as_dtype
from dovetail.tensor.composite import CompositeTensor
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.variable import StatelessScope


def known(tensor: Any, label: str) -> np.ndarray:
    """Returns the value of a tensor, also of a graph's constant; a function that has none yet must run op by op."""
    if isinstance(tensor, SymbolicTensor) and getattr(tensor.node, "operation", None) is CONSTANT:
        tensor = tensor.node.args[0]
    if isinstance(tensor, SymbolicTensor) or is_tracer(tensor._value):
        raise DataDependentShapeError(
            label, f"{label}: tables take the values of tensors, op by op{at_user_location()}"
        )
    return np.asarray(tensor._value)


def key_kind(label: str, dtype: Any) -> Any:
    """Returns a dtype of keys: strings or integers."""
    kind = as_dtype(dtype)
    if not kind.is_integer and kind != "string":
        raise TypeError(
            f"{label}: keys are strings or integers, received the dtype {kind.name}{at_user_location()}"
        )
    return kind


class Table:
    """A table from keys to values.

    Args:
        key_dtype, value_dtype: of keys and values.
        name: for messages.
    """

    _held_as = "apart"
    _store: KeyStore

    def __init__(self, key_dtype: Any, value_dtype: Any, name: str | None) -> None:
        self._label = f"tf.lookup.{type(self).__name__}" + (f" {name!r}" if name else "")
        self._key_dtype, self._value_dtype = key_kind(self._label, key_dtype), as_dtype(value_dtype)
        self._name = name

    def __children__(self) -> list[tuple[str, Any]]:
        """Returns nothing: a table holds no variables.  See `dovetail.base.trackable`."""
        return []

    def __repr__(self) -> str:
        return f"<{self._label}: {self._key_dtype.name} -> {self._value_dtype.name}>"

    @property
    def name(self) -> str | None:
        return self._name

    @property
    def key_dtype(self) -> Any:
        return self._key_dtype

    @property
    def value_dtype(self) -> Any:
        return self._value_dtype

    @property
    def resource_handle(self) -> Any:
        """What holds the keys and values."""
        return self._store

    def __getitem__(self, keys: Any) -> Any:
        """Returns `lookup(keys)`."""
        return self.lookup(keys)

    def lookup(self, keys: Any, name: str | None = None) -> Any:
        """Returns the value of each key: a tensor for a tensor, a ragged one for a ragged one, a sparse one likewise.

        Args:
            keys: tensor of the dtype `key_dtype`.

        Raises:
            TypeError: the keys have another dtype.
        """
        return self._on_values(keys, self._find)

    def _find(self, keys: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not define _find")

    def _on_values(self, keys: Any, find: Callable[[Any], Any]) -> Any:
        """Applies a function to keys, or to those that a ragged or sparse tensor holds."""
        composite: Any = keys if isinstance(keys, CompositeTensor) else None
        if composite is None:
            return find(self._keys(keys))
        if hasattr(composite, "with_flat_values"):
            return composite.with_flat_values(find(self._keys(composite.flat_values)))
        if hasattr(composite, "with_values"):
            return composite.with_values(find(self._keys(composite.values)))
        raise TypeError(f"{self._label}: cannot look up keys in {type(keys).__name__}{at_user_location()}")

    def _keys(self, keys: Any) -> Any:
        found = convert_to_tensor(keys, dtype_hint=self._key_dtype)
        if found.dtype != self._key_dtype:
            raise TypeError(
                f"{self._label}: keys must be {self._key_dtype.name}, received {found.dtype.name}{at_user_location()}"
            )
        return found

    # ---- changes, and what they make of the table

    def _now(self, what: str, function: Callable[..., None], *tensors: Any) -> None:
        """Calls a function that changes the table: now, or each time when what is being recorded runs."""
        if isinstance(state.scope, StatelessScope):
            return  # nothing is to change
        if recording() is not None:
            record_call(function, what, tensors, {})
            return
        self._require_values(what)
        if any(isinstance(tensor, SymbolicTensor) for tensor in tensors):
            raise TypeError(
                f"{self._label}.{what}: a symbolic tensor of a model has no value; change tables in call() of a layer"
                f"{at_user_location()}"
            )
        function(*tensors)

    def _asked(self, what: str, function: Callable[[], list], described: list) -> list:
        """Calls a function that tells what the table holds: now, or each time when what is being recorded runs.

        Args:
            what: names it.
            function: returns tensors.
            described: their specs.
        """
        graph = recording()
        if graph is not None:
            return graph.call(function, what, (), described)
        self._require_values(what)
        return function()

    def _require_values(self, what: str) -> None:
        """Has a function that is being compiled run op by op instead: the table's contents count at run time."""
        if in_trace():
            raise DataDependentShapeError(
                self._label,
                f"{self._label}.{what}: the contents of tables are known when the function runs{at_user_location()}",
            )

    def _size(self) -> Any:
        return Tensor(np.asarray(len(self._store), np.int64))

    def _export(self) -> tuple[Any, Any]:
        keys, values = self._store.contents()
        return Tensor(keys), Tensor(values)
