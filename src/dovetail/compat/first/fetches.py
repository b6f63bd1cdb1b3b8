"""What may be fetched and fed, taken apart into tensors and operations and put together again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from dovetail.base.errors import at_user_location
from dovetail.ops.indexed_slices import IndexedSlices
from dovetail.ops.ragged.tensor import RaggedTensor
from dovetail.ops.sparse.tensor import SparseTensor, SparseTensorValue


class IndexedSlicesValue(NamedTuple):
    """The value of a `tf.IndexedSlices`."""

    values: Any
    indices: Any
    dense_shape: Any


class RaggedTensorValue(NamedTuple):
    """The value of a `tf.RaggedTensor` with one ragged dimension or more: `values` may be one of these."""

    values: Any
    row_splits: Any

    def to_list(self) -> list:
        """Returns nested lists."""
        rows = self.values.to_list() if isinstance(self.values, RaggedTensorValue) else self.values.tolist()
        return [rows[a:b] for a, b in zip(self.row_splits[:-1], self.row_splits[1:], strict=True)]


class Group(NamedTuple):
    """One fetch: the tensors or operations that it is made of, and the function of their values that it gives."""

    tensors: list
    rebuilt: Callable[[list], Any]
    is_simple: bool = False  # one tensor, whose value it gives

    def parts(self, value: Any) -> list:
        """Returns what its tensors get for a value: a tuple of values where they are several.

        Raises:
            ValueError: the value has more parts, or fewer.
        """
        values = [value] if len(self.tensors) == 1 else list(value)
        if len(values) != len(self.tensors):
            raise ValueError(
                f"Session.run: expected a value of {len(self.tensors)} parts for {self.tensors[0].name!r} and what it "
                f"belongs to, received {len(values)}{at_user_location()}"
            )
        return values


def expanded(leaf: Any) -> Group:
    """Returns what a fetch or the key of a feed is made of."""
    if isinstance(leaf, SparseTensor):
        return Group([leaf.indices, leaf.values, leaf.dense_shape], lambda found: SparseTensorValue(*found))
    if isinstance(leaf, IndexedSlices):
        return _slices(leaf)
    if isinstance(leaf, RaggedTensor):
        inner = expanded(leaf.values)
        parts = [*inner.tensors, leaf.row_splits]
        return Group(parts, lambda found: RaggedTensorValue(inner.rebuilt(found[:-1]), found[-1]))
    return Group([leaf], lambda found: found[0], True)


def _slices(leaf: IndexedSlices) -> Group:
    parts = [leaf.values, leaf.indices]
    if leaf.dense_shape is None:
        return Group(parts, lambda found: IndexedSlicesValue(found[0], found[1], None))
    return Group([*parts, leaf.dense_shape], lambda found: IndexedSlicesValue(found[0], found[1], found[2]))


def shown(leaf: Any) -> Any:
    """Returns the value of a tensor that has one, as an array."""
    return leaf.numpy()
