"""`tf.SparseTensor` and its spec: the entries of a tensor that is zero everywhere else."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.ops.shapes import as_tensor
from dovetail.ops.views import export
from dovetail.tensor import dtype as dt
from dovetail.tensor.composite import CompositeTensor
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.shape import TensorShape, shape_of_array
from dovetail.tensor.spec import BatchableTypeSpec, OfOneTensor, TensorSpec
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor, has_value

SparseTensorValue = namedtuple("SparseTensorValue", ["indices", "values", "dense_shape"])
export("compat.v1.SparseTensorValue")(SparseTensorValue)


@export("SparseTensorSpec")
class SparseTensorSpec(OfOneTensor, BatchableTypeSpec):
    """Describes a sparse tensor: `tf.SparseTensorSpec(shape=[None, 3], dtype=tf.float32)`."""

    __slots__ = ("_dtype", "_shape")

    def __init__(self, shape: Any = None, dtype: Any = dt.float32) -> None:
        self._shape, self._dtype = TensorShape(shape), dt.as_dtype(dtype)

    @property
    def value_type(self) -> type:
        return SparseTensor

    @classmethod
    def from_value(cls, value: Any) -> SparseTensorSpec:
        """Returns the spec of a sparse tensor."""
        return SparseTensor.from_value(value)._type_spec

    def _serialize(self) -> tuple:
        return (self._shape, self._dtype)

    @property
    def _component_specs(self) -> list:
        rank = self._shape.rank
        return [
            TensorSpec([None, rank], dt.int64),
            TensorSpec([None], self._dtype),
            TensorSpec([rank], dt.int64),
        ]

    def _to_components(self, value: Any) -> list:
        if isinstance(value, SparseTensorValue):
            value = SparseTensor.from_value(value)
        return [value.indices, value.values, value.dense_shape]

    def _from_components(self, components: Any) -> SparseTensor:
        indices, values, dense_shape = components
        return SparseTensor._made(indices, values, dense_shape, self._shape)

    def _batch(self, batch_size: int | None) -> SparseTensorSpec:
        return SparseTensorSpec(self._shape_of_batch(batch_size), self._dtype)

    def _unbatch(self) -> SparseTensorSpec:
        return SparseTensorSpec(self._shape_of_row(), self._dtype)

    def _stack(self, values: Sequence[Any]) -> SparseTensor:
        """Returns sparse tensors as one, with a new first axis; each size is the largest among them."""
        parts = [[np.asarray(part) for part in self._to_components(value)] for value in values]
        rows = [np.insert(part[0], 0, i, axis=1) for i, part in enumerate(parts)]
        sizes: Any = np.max([part[2] for part in parts], axis=0) if parts else np.zeros(0, np.int64)
        entries = np.concatenate([part[1] for part in parts])
        shape = np.array([len(parts), *sizes], np.int64)
        return SparseTensor._made(Tensor(np.concatenate(rows)), Tensor(entries), Tensor(shape))

    def _unstack(self, value: Any) -> list:
        indices, entries, shape = (np.asarray(part) for part in self._to_components(value))
        order = np.argsort(indices[:, 0], kind="stable")
        indices, entries = indices[order], entries[order]
        ends: Any = np.searchsorted(indices[:, 0], np.arange(shape[0] + 1))
        return [
            SparseTensor._made(Tensor(indices[a:b, 1:]), Tensor(entries[a:b]), Tensor(shape[1:]))
            for a, b in zip(ends[:-1], ends[1:], strict=True)
        ]

    def __repr__(self) -> str:
        return f"SparseTensorSpec({self._shape!r}, {self._dtype!r})"


@export("SparseTensor sparse.SparseTensor")
class SparseTensor(CompositeTensor):
    """A tensor given by its entries; everything else is zero (empty, for strings).

    Args:
        indices: int64 of shape (n, rank): where the entries stand.
        values: n values of any dtype.
        dense_shape: int64 of shape (rank,).

    The order of the indices and whether they are in range is not looked at here; most functions expect the order of
    rows (`tf.sparse.reorder` makes it) and no repeats.

    Raises:
        ValueError: the sizes of the three do not fit together.

    Example:
        >>> st = tf.SparseTensor([[0, 2], [1, 0]], [5, 7], [2, 3])
        >>> tf.sparse.to_dense(st).numpy().tolist()
        [[0, 0, 5], [7, 0, 0]]
    """

    __slots__ = ("__weakref__", "_shape", "dense_shape", "indices", "values")
    _is_tensor = True

    def __init__(self, indices: Any, values: Any, dense_shape: Any) -> None:
        self.indices = as_int64(indices)
        self.values = as_tensor(values)
        self.dense_shape = as_int64(dense_shape)
        self._shape: Any = None
        _check_sizes(self.indices, self.values, self.dense_shape)

    @classmethod
    def _made(cls, indices: Any, values: Any, dense_shape: Any, shape: Any = None) -> SparseTensor:
        """Returns the sparse tensor of parts that fit; `shape` is what is known of it besides `dense_shape`."""
        made = object.__new__(cls)
        if shape is not None and shape.is_fully_defined() and not has_value(dense_shape):
            dense_shape = _constant_shape(shape, dense_shape)
        made.indices, made.values, made.dense_shape, made._shape = indices, values, dense_shape, shape
        return made

    @classmethod
    def from_value(cls, sparse_tensor_value: Any) -> SparseTensor:
        """Returns a `tf.compat.v1.SparseTensorValue` as a sparse tensor; a sparse tensor as it is."""
        if isinstance(sparse_tensor_value, SparseTensor):
            return sparse_tensor_value
        if not isinstance(sparse_tensor_value, SparseTensorValue):
            raise TypeError(
                f"Neither a SparseTensor nor SparseTensorValue: {sparse_tensor_value!r:.60}{at_user_location()}"
            )
        return cls(*sparse_tensor_value)

    @property
    def dtype(self) -> dt.DType:
        return self.values.dtype

    @property
    def shape(self) -> TensorShape:
        """What is known of the shape before anything runs."""
        if has_value(self.dense_shape):
            if self._shape is None or not self._shape.is_fully_defined():
                self._shape = shape_of_array(tuple(np.asarray(self.dense_shape._value).tolist()))
            return self._shape
        return static_shape(self.dense_shape) if self._shape is None else self._shape

    def get_shape(self) -> TensorShape:
        return self.shape

    def set_shape(self, shape: Any) -> None:
        """Adds what is known of the shape; raises ValueError when it contradicts what was known."""
        self._shape = self.shape.merge_with(shape)

    @property
    def device(self) -> str:
        return self.values.device

    def with_values(self, new_values: Any) -> SparseTensor:
        """Returns other values at the same places."""
        values = as_tensor(new_values)
        have, old = values.shape, self.values.shape
        if have.rank is not None and (have.rank != 1 or not have.is_compatible_with(old)):
            raise ValueError(
                f"SparseTensor.with_values: expected values of shape {old}, received {have}{at_user_location()}"
            )
        return SparseTensor._made(self.indices, values, self.dense_shape, self._shape)

    @property
    def _type_spec(self) -> SparseTensorSpec:
        return SparseTensorSpec(self.shape, self.dtype)

    def _shape_invariant_to_type_spec(self, shape: Any) -> SparseTensorSpec:
        return SparseTensorSpec(TensorShape(shape), self.dtype)

    def __repr__(self) -> str:
        parts = f"indices={self.indices!s}, values={self.values!s}, dense_shape={self.dense_shape!s}"
        return f"SparseTensor({parts})"


def as_int64(value: Any) -> Any:
    """Returns positions or sizes as an int64 tensor; a tensor of another dtype is an error, as in TensorFlow."""
    if isinstance(value, TensorShape):
        value = value.as_list()
    return convert_to_tensor(value, dtype=dt.int64)


def static_shape(dense_shape: Any) -> TensorShape:
    """Returns what is known of a shape that is a traced or symbolic tensor: its rank."""
    sizes = getattr(dense_shape, "shape", None)
    return TensorShape(None if sizes is None or sizes[0] is None else [None] * sizes[0])


def _constant_shape(shape: TensorShape, dense_shape: Any) -> Any:
    """Returns a shape that the spec knows as a constant, so that it can size dense tensors in compiled code."""
    if not isinstance(dense_shape, Tensor | SymbolicTensor):
        return dense_shape
    return Tensor(np.array(shape.as_list(), np.int64))


def sparse_input(value: Any, label: str) -> SparseTensor:
    """Returns an argument that must be sparse.

    Raises:
        TypeError: it is not.
    """
    if isinstance(value, SparseTensor):
        return value
    if isinstance(value, SparseTensorValue):
        return SparseTensor.from_value(value)
    raise TypeError(
        f"{label}: Input must be a SparseTensor, received {type(value).__name__}. Use tf.sparse.from_dense"
        f"{at_user_location()}"
    )


def rank_of(st: SparseTensor) -> int:
    """Returns the number of axes, which must be known."""
    rank = st.shape.rank
    if rank is None:
        raise ValueError(
            f"the rank of this sparse tensor is not known; give its spec a shape{at_user_location()}"
        )
    return rank


def _check_sizes(indices: Any, values: Any, dense_shape: Any) -> None:
    """Raises ValueError for parts whose known sizes do not fit together."""
    shapes = indices.shape, values.shape, dense_shape.shape
    wanted = (2, "(n, rank)"), (1, "(n,)"), (1, "(rank,)")
    for name, shape, (rank, text) in zip(("indices", "values", "dense_shape"), shapes, wanted, strict=True):
        if shape.rank not in (None, rank):
            raise ValueError(
                f"tf.SparseTensor: {name} must have shape {text}, received {shape}{at_user_location()}"
            )
    if any(shape.rank is None for shape in shapes):
        return
    (count, rank), (num_values,), (num_sizes,) = shapes
    if None not in (count, num_values) and count != num_values:
        raise ValueError(
            f"tf.SparseTensor: {count} indices and {num_values} values; each index needs one value{at_user_location()}"
        )
    if None not in (rank, num_sizes) and rank != num_sizes:
        raise ValueError(
            f"tf.SparseTensor: each index has {rank} numbers, and dense_shape has {num_sizes}{at_user_location()}"
        )
