"""What `iter(dataset)` returns."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Self

import numpy as np

from dovetail.base.errors import DataDependentShapeError, OutOfRangeError, at_user_location
from dovetail.base.settings import state
from dovetail.base.wording import BAD_CALL, locate
from dovetail.data.node import Node
from dovetail.data.ordering import as_asked_for
from dovetail.data.structure import as_plain, as_surface, rebuilder
from dovetail.function.autograph.values import in_trace
from dovetail.function.optional import Optional
from dovetail.tensor import TypeSpec
from dovetail.tensor.spec import register_type_spec

_END = object()
_STATE_VERSION = 1


class OnePass:
    """What goes once through elements: a Python iterator with TensorFlow's `get_next()`.

    Subclasses define `element_spec` and `_pull`, which returns the next element or raises StopIteration.
    """

    element_spec: Any
    _held_as = "apart"

    def __children__(self) -> list[tuple[str, Any]]:
        """Returns what it goes through, which a checkpoint of it walks: see `dovetail.base.trackable`."""
        return []

    def _pull(self) -> Any:
        raise NotImplementedError(f"{type(self).__name__}: define _pull()")

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        if state.scope is not None and in_trace():
            raise DataDependentShapeError(
                "dataset", f"a loop over a dataset takes its elements one by one{at_user_location()}"
            )
        return self._pull()

    def get_next(self) -> Any:
        """Returns the next element; raises `tf.errors.OutOfRangeError` after the last."""
        try:
            return next(self)
        except StopIteration:
            raise OutOfRangeError("End of sequence: the iterator has no more elements") from None

    def get_next_as_optional(self) -> Optional:
        """Returns the next element in a `tf.experimental.Optional`, an empty one after the last."""
        element = next(self, _END)
        return Optional.empty(self.element_spec) if element is _END else Optional.from_value(element)


class Iterator(OnePass):
    """Goes once through a dataset: a Python iterator with TensorFlow's `get_next()` and `element_spec`.

    Where it stands can be kept: `state()` gives it, and `restore(state)`, of any iterator over a dataset made the same
    way, goes on from there.
    """

    _convert: Callable[[Any], Any] = staticmethod(as_surface)

    def __init__(self, node: Node) -> None:
        self._node = node
        self._orders = [generators.state() for generators in node.all_generators()]
        self._num_taken = 0
        self._elements = as_asked_for(node.options, node.elements)
        self._rebuild: Any = None

    def state(self) -> dict[str, Any]:
        """Returns where it stands, as numbers, lists and dicts, which JSON can keep.

        It holds how many elements it has given and the random orders that it follows, no elements: see `restore`.
        """
        return {"version": _STATE_VERSION, "num_taken": self._num_taken, "orders": self._orders}

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on behind the element where `state` was taken, in this program or another one.

        Steps that make one element of one (map, batch, enumerate, prefetch) do not compute again what lies before it;
        filters and shuffle buffers are run through.  Datasets that functions make are made anew: give their shuffles
        seeds.  A memory cache is filled anew, with the order that a shuffle before it gives then.

        Raises:
            ValueError: it is the state of another dataset's iterator.
        """
        generators = self._node.all_generators()
        if state.get("version") != _STATE_VERSION or len(state["orders"]) != len(generators):
            raise ValueError(
                f"Iterator.restore: the state has {len(state.get('orders', ()))} random orders (version "
                f"{state.get('version')}), the dataset has {len(generators)} (version {_STATE_VERSION}): it is the "
                f"state of an iterator over another dataset{at_user_location()}"
            )
        for one, order in zip(generators, state["orders"], strict=True):
            one.restore(order)
        self._orders, self._num_taken = state["orders"], int(state["num_taken"])
        count = self._num_taken
        self._elements = as_asked_for(self._node.options, lambda: self._node.elements_after(count))

    def __children__(self) -> list[tuple[str, Any]]:
        return [("dataset", self._node)]

    def __saved_children__(self) -> list[tuple[str, Any]]:
        """Returns what a checkpoint holds of it beside its own values: nothing."""
        return []

    def __saved_values__(self) -> dict[str, np.ndarray]:
        """Returns where it stands, for a checkpoint."""
        value: Any = np.empty((), object)
        value[()] = json.dumps(self.state()).encode()
        return {"ITERATOR": value}

    def __load_values__(self, values: dict[str, np.ndarray]) -> None:
        self.restore(json.loads(values["ITERATOR"].item()))

    def _pull(self) -> Any:
        try:
            leaves = next(self._elements)
        except BAD_CALL as error:
            locate("Dataset", error)
        self._num_taken += 1
        if self._rebuild is None:
            self._rebuild = rebuilder(self._node.tree)
        return self._rebuild(tuple(map(self._convert, leaves)))

    @property
    def element_spec(self) -> Any:  # type: ignore[override]
        return self._node.element_spec


class IteratorSpec(TypeSpec):
    """Describes an iterator over a dataset: `tf.data.IteratorSpec(element_spec)`."""

    __slots__ = ("_element_spec",)
    _has_components = False

    def __init__(self, element_spec: Any) -> None:
        self._element_spec = element_spec

    @property
    def value_type(self) -> type:
        return Iterator

    def _serialize(self) -> tuple:
        return (self._element_spec,)

    def is_compatible_with(self, other: Any) -> bool:
        spec = other if isinstance(other, IteratorSpec) else getattr(other, "element_spec", None)
        return spec == (self if isinstance(spec, IteratorSpec) else self._element_spec)


register_type_spec(Iterator, lambda iterator: IteratorSpec(iterator.element_spec))


class NumpyIterator(Iterator):
    """Gives elements as NumPy arrays and scalars that belong to the caller."""

    _convert = staticmethod(as_plain)

    def next(self) -> Any:
        """Returns the next element; raises StopIteration after the last."""
        return next(self)


class PlainIterator(Iterator):
    """Gives elements as the arrays of the pipeline, without a copy; they must not be written to."""

    def __next__(self) -> Any:
        leaves = next(self._elements)
        if self._rebuild is None:
            self._rebuild = rebuilder(self._node.tree)
        return self._rebuild(leaves)
