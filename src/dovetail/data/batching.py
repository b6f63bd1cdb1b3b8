"""Steps that put elements together: batch, padded_batch, rebatch, window."""

from __future__ import annotations

import importlib
import itertools
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.data.node import UNKNOWN, Node, known
from dovetail.data.plan import ArrayPlan
from dovetail.data.sources import Listed
from dovetail.data.structure import (
    LEAF,
    DatasetSpec,
    as_leaf,
    is_composite_spec,
    stack,
    with_leading,
    without_leading,
)
from dovetail.engine import dtypes
from dovetail.ops import table
from dovetail.tensor import TensorShape, TensorSpec, convert_to_tensor


def _check_batch_size(method: str, size: int) -> None:
    if size < 1:
        raise InvalidArgumentError(f"Dataset.{method}: batch_size must be at least 1, received {size}")


_LARGE, _MOST_BYTES = 1 << 16, 1 << 28  # of an element, of a group


class RowsInPlace:
    """A group of large elements, each copied into the group's arrays when it comes.

    Then its own memory is free for the next one, and still in the processor's cache.

    Args:
        first: the first element.
        rest: the others.
        size: how many there are at most.
    """

    def __init__(self, first: tuple, rest: Iterator[tuple], size: int) -> None:
        self._arrays = tuple([np.empty((size, *leaf.shape), leaf.dtype) for leaf in first])
        self.elements: list[tuple] = []
        self._fits = True
        for leaves in itertools.chain((first,), rest):
            self._put(leaves)
            del leaves  # else it lives until the next one is made

    @staticmethod
    def are_for(leaves: tuple, size: int) -> bool:
        """Whether elements like this one, `size` of them at most, are worth it."""
        if not all(type(leaf) is np.ndarray and not leaf.dtype.hasobject for leaf in leaves):
            return False
        row = sum(leaf.nbytes for leaf in leaves)
        return row >= _LARGE and row * size <= _MOST_BYTES

    def _put(self, leaves: tuple) -> None:
        self._fits = (
            self._fits and len(leaves) == len(self._arrays) and all(map(_is_row, leaves, self._arrays))
        )
        if self._fits:
            rows = tuple([array[len(self.elements), ...] for array in self._arrays])
            for row, leaf in zip(rows, leaves):
                np.copyto(row, leaf)
            leaves = rows
        self.elements.append(leaves)

    def __len__(self) -> int:
        return len(self.elements)

    @property
    def columns(self) -> tuple | None:
        """The stacked components; None where the elements are not all like the first."""
        if not self._fits:
            return None
        count = len(self)
        return tuple([a if count == len(a) else a[:count].copy() for a in self._arrays])


def _is_row(leaf: Any, array: np.ndarray) -> bool:
    return type(leaf) is np.ndarray and leaf.shape == array.shape[1:] and leaf.dtype == array.dtype


class Batch(Node):
    """Groups of `size` elements, stacked leaf by leaf; the last may be smaller."""

    method = "batch"
    passes_errors_on = True

    def __init__(self, source: Node, size: int, drop_remainder: bool) -> None:
        super().__init__(source)
        _check_batch_size(self.method, size)
        self._size, self._drop = size, drop_remainder

    @property
    def specs(self) -> tuple:
        return tuple(with_leading(spec, self._size if self._drop else None) for spec in self.source.specs)

    def cardinality(self) -> int:
        count = self.source.cardinality()
        if not known(count):
            return count
        return count // self._size if self._drop else -(-count // self._size)

    def _make_plan(self) -> ArrayPlan | None:
        return self.source.plan and self.source.plan.batch(self._size, self._drop)

    def _generate(self) -> Iterator[tuple]:
        stacked = self.source.batches(self._size) if self.method == "batch" else None
        if stacked is None:
            return self._of_elements(self.source.elements())
        return filter(lambda leaves: self._is_wanted(leaves[0]), stacked)

    def _generate_after(self, count: int) -> Iterator[tuple]:
        return self._of_elements(self.source.elements_after(count * self._size))

    def _of_elements(self, elements: Iterator[tuple]) -> Iterator[tuple]:
        """Yields groups of elements; goes on behind an element that fails."""
        groups = iter(lambda: self._group(elements), [])
        return map(self._joined, filter(self._is_wanted, groups))

    def _group(self, elements: Iterator[tuple]) -> Any:
        """Takes the next elements: a list of them, or a `RowsInPlace`."""
        first = next(elements, None)
        if first is None:
            return []
        rest = itertools.islice(elements, self._size - 1)
        if self.method == "batch" and RowsInPlace.are_for(first, self._size):
            return RowsInPlace(first, rest, self._size)
        return [first, *rest]

    def _is_wanted(self, rows: Any) -> bool:
        return not self._drop or len(rows) == self._size

    def _joined(self, group: Any) -> tuple:
        if type(group) is RowsInPlace:
            if group.columns is not None:
                return group.columns
            group = group.elements
        return tuple([self._join(position, list(leaves)) for position, leaves in enumerate(zip(*group))])

    def _join(self, position: int, leaves: list) -> Any:
        spec = self.source.specs[position]
        if is_composite_spec(spec):
            return spec._stack(leaves)
        return stack(leaves, "Dataset.batch" + (f" (component {position})" if position else ""))


class RaggedBatch(Batch):
    """Groups of elements that may differ in size: components of unknown sizes become ragged tensors."""

    method = "ragged_batch"

    def __init__(self, source: Node, size: int, drop_remainder: bool, row_splits_dtype: Any) -> None:
        super().__init__(source, size, drop_remainder)
        self._own = tuple(_ragged_spec(spec, row_splits_dtype) for spec in source.specs)

    @property
    def specs(self) -> tuple:
        return tuple(with_leading(spec, self._size if self._drop else None) for spec in self._own)

    def _make_plan(self) -> None:
        return None

    def _join(self, position: int, leaves: list) -> Any:
        spec = self._own[position]
        if not isinstance(spec, table.find("tf", "RaggedTensorSpec")):
            return super()._join(position, leaves)
        to_ragged_rank = importlib.import_module("dovetail.ops.ragged.rows").to_ragged_rank
        return spec._stack([to_ragged_rank(leaf, spec.ragged_rank) for leaf in leaves])


def _ragged_spec(spec: Any, row_splits_dtype: Any) -> Any:
    """Returns the spec of an element whose sizes may differ: partitions up to the last axis of unknown size."""
    if not isinstance(spec, TensorSpec) or spec.shape.is_fully_defined():
        return spec
    if spec.shape.rank is None:
        raise ValueError(f"Dataset.ragged_batch: the rank of a component is unknown ({spec})")
    last = max(axis for axis, size in enumerate(spec.shape) if size is None)
    return table.find("tf", "RaggedTensorSpec")(spec.shape, spec.dtype, last, row_splits_dtype)


class PaddedBatch(Batch):
    """Groups of elements, padded at the end of each axis to one shape.

    Args:
        shapes: nested like the elements: the shape to pad to, None or -1 for "as long as the longest"; None: all so.
        values: nested like the elements, or one scalar: what to pad with; None: zeros and empty strings.
    """

    method = "padded_batch"

    def __init__(self, source: Node, size: int, shapes: Any, values: Any, drop_remainder: bool) -> None:
        super().__init__(source, size, drop_remainder)
        specs = source.specs
        for spec in specs:
            if not isinstance(spec, TensorSpec):
                raise TypeError(
                    f"Dataset.padded_batch: only tensors can be padded, a component is {spec}. Use batch, or "
                    f"ragged_batch{at_user_location()}"
                )
        self._shapes = [
            _padded_shape(s, spec) for s, spec in zip(_shapes_like(source, shapes), specs, strict=True)
        ]
        self._values = [
            _pad_value(v, spec) for v, spec in zip(_values_like(source, values), specs, strict=True)
        ]

    @property
    def specs(self) -> tuple:
        size = self._size if self._drop else None
        return tuple(
            with_leading(TensorSpec(shape, spec.dtype), size)
            for shape, spec in zip(self._shapes, self.source.specs, strict=True)
        )

    def _make_plan(self) -> None:
        return None

    def _join(self, position: int, leaves: list) -> np.ndarray:
        wanted = self._shapes[position]
        longest = [max(sizes) for sizes in zip(*(leaf.shape for leaf in leaves))]
        shape = [longest[axis] if size is None else size for axis, size in enumerate(wanted)]
        for leaf in leaves:
            if leaf.ndim != len(shape) or any(size > limit for size, limit in zip(leaf.shape, shape)):
                raise InvalidArgumentError(
                    f"Dataset.padded_batch: cannot pad an element of shape {leaf.shape} to {tuple(shape)}"
                )
        out = np.full((len(leaves), *shape), self._values[position], leaves[0].dtype)
        for index, leaf in enumerate(leaves):
            out[(index, *map(slice, leaf.shape), ...)] = leaf
        return out


def _shapes_like(source: Node, shapes: Any) -> list:
    if shapes is None:
        for spec in source.specs:
            if spec.shape.rank is None:
                raise ValueError(
                    f"Dataset.padded_batch: pass padded_shapes, the rank of a component is unknown ({spec})"
                )
        return [
            TensorShape([None] * spec.shape.rank) if None in tuple(spec.shape) else spec.shape
            for spec in source.specs
        ]
    try:
        return source.tree.flatten_up_to(shapes)
    except ValueError as error:
        raise ValueError(
            f"Dataset.padded_batch: padded_shapes {shapes} must be nested like the elements "
            f"{source.element_spec} ({error})"
        ) from None


def _padded_shape(shape: Any, spec: Any) -> TensorShape:
    sizes = (
        shape if isinstance(shape, TensorShape | list | tuple) else as_leaf(convert_to_tensor(shape)).tolist()
    )
    padded = TensorShape([None if size is None or size == -1 else int(size) for size in sizes])
    if spec.shape.rank is not None:
        fits = padded.rank == spec.shape.rank and all(
            size is None or have is None or have <= size for size, have in zip(padded, spec.shape)
        )
        if not fits:
            raise ValueError(
                f"Dataset.padded_batch: the padded shape {padded} does not hold components of shape {spec.shape}"
            )
    return padded


def _values_like(source: Node, values: Any) -> list:
    if values is None or (not isinstance(values, tuple | dict) and source.tree != LEAF):
        return [values] * source.tree.num_leaves
    return source.tree.flatten_up_to(values)


def _pad_value(value: Any, spec: Any) -> Any:
    dtype = spec.dtype.numpy_dtype
    if value is None:
        return b"" if dtypes.is_host_only(dtype) else np.zeros((), dtype)
    array = as_leaf(convert_to_tensor(value, dtype_hint=spec.dtype))
    if array.ndim or array.dtype != dtype:
        raise TypeError(
            f"Dataset.padded_batch: padding value {value!r} must be a scalar of the component's dtype {spec.dtype.name}"
        )
    return array[()]


class Rebatch(Node):
    """The rows of batches in new batches: of one size, or of the given sizes in turn."""

    def __init__(self, source: Node, sizes: tuple[int, ...], drop_remainder: bool) -> None:
        super().__init__(source)
        for size in sizes:
            _check_batch_size("rebatch", size)
        self._sizes, self._drop = sizes, drop_remainder

    @property
    def specs(self) -> tuple:
        rows = [without_leading(spec, "Dataset.rebatch") for spec in self.source.specs]
        size = self._sizes[0] if len(set(self._sizes)) == 1 else None
        if size is not None and not self._drop:  # whole batches are cut into equal pieces, or there is a rest
            given = [spec.shape[0] for spec in self.source.specs]
            size = size if all(have is not None and have % size == 0 for have in given) else None
        return tuple(with_leading(row, size) for row in rows)

    def cardinality(self) -> int:
        return UNKNOWN

    def _generate(self) -> Iterator[tuple]:
        sizes = itertools.cycle(self._sizes)
        wanted, held, num_held = next(sizes), [], 0
        for leaves in self.source.elements():
            position, rows = 0, len(leaves[0])
            while rows - position >= wanted - num_held:
                end = position + wanted - num_held
                held.append(tuple(leaf[position:end] for leaf in leaves))
                yield _concatenated(held)
                wanted, held, num_held, position = next(sizes), [], 0, end
            if position < rows:
                held.append(tuple(leaf[position:] for leaf in leaves))
                num_held += rows - position
        if held and not self._drop:
            yield _concatenated(held)


def _concatenated(parts: list[tuple]) -> tuple:
    return parts[0] if len(parts) == 1 else tuple(np.concatenate(leaves) for leaves in zip(*parts))


class Window(Node):
    """Datasets of neighbouring elements: window k has elements k*shift, k*shift + stride, ... (`size` of them)."""

    def __init__(
        self,
        source: Node,
        size: int,
        shift: int,
        stride: int,
        drop_remainder: bool,
        wrap: Callable[[Node], Any],
    ) -> None:
        super().__init__(source)
        for name, value in (("size", size), ("shift", shift), ("stride", stride)):
            if value < 1:
                raise InvalidArgumentError(f"Dataset.window: {name} must be at least 1, received {value}")
        self._size, self._shift, self._stride, self._drop = size, shift, stride, drop_remainder
        self._wrap = wrap

    @property
    def specs(self) -> tuple:
        return tuple(DatasetSpec(spec) for spec in self.source.specs)

    def cardinality(self) -> int:
        count = self.source.cardinality()
        if not known(count):
            return count
        if not self._drop:
            return -(-count // self._shift)
        rest = count - ((self._size - 1) * self._stride + 1)
        return 0 if rest < 0 else rest // self._shift + 1

    def _generate(self) -> Iterator[tuple]:
        reach = (self._size - 1) * self._stride + 1
        elements = self.source.elements()
        held: deque = deque()
        while True:
            held.extend(itertools.islice(elements, reach - len(held)))
            group = list(itertools.islice(held, 0, None, self._stride))
            if not held or (self._drop and len(group) < self._size):
                return
            yield self._datasets(group)
            for _ in range(min(self._shift, len(held))):
                held.popleft()
            if self._shift > reach:
                deque(itertools.islice(elements, self._shift - reach), maxlen=0)

    def _datasets(self, group: list[tuple]) -> tuple:
        specs = self.source.specs
        return tuple(
            self._wrap(Listed([(leaf,) for leaf in leaves], LEAF, (spec,)))
            for leaves, spec in zip(zip(*group), specs, strict=True)
        )
