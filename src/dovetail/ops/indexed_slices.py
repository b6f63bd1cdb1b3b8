"""`tf.IndexedSlices`: rows of a larger tensor, and where they stand in it.

The gradients of `tf.gather` and its like along the first axis are of this kind: they name the rows that were read, and
cost what those cost, however large the table is.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.ops import dispatch, rules
from dovetail.ops.arithmetic import (
    add,
    cast,
    clip_by_value,
    divide,
    identity,
    multiply,
    scalar_mul,
    stop_gradient,
)
from dovetail.ops.array import concat
from dovetail.ops.core import Op
from dovetail.ops.gather import (
    gather_,
    gather_adjoint,
    gather_nd_,
    gather_nd_adjoint,
    scatter_nd,
    take_wrapped,
)
from dovetail.ops.shapes import as_tensor, expand_dims, reshape
from dovetail.ops.views import export
from dovetail.tensor.composite import CompositeTensor
from dovetail.tensor.convert import convert_to_tensor, register_conversion
from dovetail.tensor.dtype import as_dtype
from dovetail.tensor.shape import TensorShape
from dovetail.tensor.spec import OfOneTensor, TensorSpec, TypeSpec
from dovetail.tensor.tensor import Tensor, has_value


class Rows(NamedTuple):
    """The arrays of an `IndexedSlices`, as optimizers take them.

    Attributes:
        values: (n, ...)
        indices: (n,), integers.
    """

    values: Any
    indices: Any


@export("IndexedSlices")
class IndexedSlices(CompositeTensor):
    """The rows `values` of a tensor of shape `dense_shape`, at the places `indices` of its first axis.

    `Variable.scatter_update` and its like take it, and it converts to the dense tensor (rows at one place add up).

    Args:
        values: tensor of shape (n, ...).
        indices: n integers.
        dense_shape: shape of the whole tensor; needed to convert to it.

    Example:
        >>> rows = tf.IndexedSlices(tf.constant([5.0]), tf.constant([1]), dense_shape=tf.constant([3]))
        >>> tf.convert_to_tensor(rows).numpy().tolist()
        [0.0, 5.0, 0.0]
    """

    _is_tensor = True

    def __init__(self, values: Any, indices: Any, dense_shape: Any = None) -> None:
        self.values, self.indices = as_tensor(values), as_tensor(indices)
        self.dense_shape = None if dense_shape is None else as_tensor(dense_shape)

    @property
    def dtype(self) -> Any:
        return self.values.dtype

    @property
    def shape(self) -> TensorShape:
        """The whole tensor's shape, its first size unknown without `dense_shape`."""
        if self.dense_shape is not None and has_value(self.dense_shape):
            return TensorShape(np.asarray(self.dense_shape._value).tolist())
        return TensorShape([None, *self.values.shape[1:]])

    @property
    def _value(self) -> Rows:
        """The arrays, where a tensor has its array."""
        return Rows(self.values._value, self.indices._value)

    def _with_values(self, values: Any) -> IndexedSlices:
        """Returns other rows at the same places."""
        return IndexedSlices(values, self.indices, self.dense_shape)

    @property
    def device(self) -> str:
        return self.values.device

    @property
    def name(self) -> str:
        """The name of the values."""
        return self.values.name

    def get_shape(self) -> TensorShape:
        return self.shape

    @property
    def _type_spec(self) -> IndexedSlicesSpec:
        whole = None if self.dense_shape is None else self.dense_shape.dtype
        return IndexedSlicesSpec(self.shape, self.values.dtype, self.indices.dtype, whole, self.indices.shape)

    def __neg__(self) -> IndexedSlices:
        return self._with_values(-self.values)

    def __mul__(self, factor: Any) -> Any:
        """Scales the rows; a factor that is no scalar makes the tensor dense."""
        return _scaled(multiply, self, factor)

    __rmul__ = __mul__

    def __truediv__(self, divisor: Any) -> Any:
        return _scaled(divide, self, divisor)

    def __repr__(self) -> str:
        shape = "" if self.dense_shape is None else f", dense_shape={self.dense_shape!s}"
        return f"IndexedSlices(indices={self.indices!s}, values={self.values!s}{shape})"


@export("IndexedSlicesSpec")
class IndexedSlicesSpec(OfOneTensor, TypeSpec):
    """What an `IndexedSlices` is: the whole tensor's shape and dtype, and how its rows are named.

    Args:
        shape: the whole tensor's shape.
        dtype: of the values.
        indices_dtype: of the indices.
        dense_shape_dtype: of `dense_shape`; None: there is none.
        indices_shape: how many rows there are.
    """

    def __init__(
        self,
        shape: Any = None,
        dtype: Any = "float32",
        indices_dtype: Any = "int64",
        dense_shape_dtype: Any = None,
        indices_shape: Any = None,
    ) -> None:
        self._shape, self._dtype = TensorShape(shape), as_dtype(dtype)
        self._indices_dtype = as_dtype(indices_dtype)
        self._dense_shape_dtype = None if dense_shape_dtype is None else as_dtype(dense_shape_dtype)
        self._indices_shape = TensorShape(indices_shape).merge_with([None])

    @property
    def value_type(self) -> type:
        return IndexedSlices

    def _serialize(self) -> tuple:
        return (
            *(self._shape, self._dtype, self._indices_dtype, self._dense_shape_dtype),
            self._indices_shape,
        )

    @property
    def _component_specs(self) -> tuple:
        rest = [None] if self._shape.rank is None else [*self._shape[1:]]
        count = [None] if self._indices_shape.rank is None else [*self._indices_shape]
        values = TensorSpec(None if self._shape.rank is None else [*count, *rest], self._dtype)
        parts = (values, TensorSpec(count, self._indices_dtype))
        if self._dense_shape_dtype is None:
            return parts
        return (*parts, TensorSpec([self._shape.rank], self._dense_shape_dtype))

    def _to_components(self, value: Any) -> tuple:
        parts = (value.values, value.indices)
        return parts if value.dense_shape is None else (*parts, value.dense_shape)

    def _from_components(self, components: Any) -> IndexedSlices:
        return IndexedSlices(*components)


def _dense(slices: IndexedSlices, dtype: Any) -> Any:
    if slices.dense_shape is None:
        raise ValueError(
            "tf.IndexedSlices: without a dense_shape it does not say how large the whole tensor is; pass dense_shape "
            f"when you make it{at_user_location()}"
        )
    whole = scatter_nd(expand_dims(slices.indices, axis=-1), slices.values, slices.dense_shape)
    return convert_to_tensor(whole, dtype)


register_conversion(IndexedSlices, _dense)


# ---- what keeps slices slices: as in TensorFlow, these alone; all other ops take the dense tensor ---------------


def _scaled(op: Op, slices: IndexedSlices, factor: Any) -> Any:
    number = convert_to_tensor(factor, dtype_hint=slices.dtype)
    return slices._with_values(op(slices.values, number)) if not len(number.shape) else op(slices, number)


@dispatch.dispatches_first(cast, IndexedSlices)
def _cast(x: Any, dtype: Any) -> Any:
    return x._with_values(cast(x.values, dtype=dtype))


@dispatch.dispatches_first(clip_by_value, IndexedSlices)
def _clip_by_value(t: Any, clip_value_min: Any, clip_value_max: Any) -> Any:
    return t._with_values(clip_by_value(t.values, clip_value_min, clip_value_max))


@dispatch.dispatches_first(stop_gradient, IndexedSlices)
def _stop_gradient(input: Any) -> Any:
    return input._with_values(stop_gradient(input.values))


@dispatch.dispatches(scalar_mul, IndexedSlices)
def _scalar_mul(scalar: Any, x: Any, name: str | None = None) -> Any:
    return _scaled(multiply, x, scalar)


# ---- gradients that are rows -----------------------------------------------------------------------------------------


def rows_of(g: Any, indices: Any, shape: tuple) -> IndexedSlices:
    """Returns the gradient of a look-up: `g` of shape (*indices.shape, *shape[1:]) as rows of a tensor of `shape`."""
    kind, sizes = np.int32 if shape[0] < 2**31 else np.int64, tuple(indices.shape)
    return IndexedSlices(
        reshape(g, shape=(-1 if None in sizes else rules.product(sizes), *shape[1:])),
        reshape(indices, shape=(-1,)),
        Tensor(np.array(shape, kind)),
    )


def added(first: Any, second: Any) -> Any:
    """Returns the sum of two gradients: of rows, both lists of them in a row; else a dense tensor."""
    if type(first) is IndexedSlices and type(second) is IndexedSlices:
        kind = first.indices.dtype
        return IndexedSlices(
            concat([first.values, second.values], axis=0),
            concat([first.indices, cast(second.indices, dtype=kind)], axis=0),
            first.dense_shape,
        )
    return add(dense(first), dense(second))


def dense(gradient: Any) -> Any:
    """Returns a gradient as a tensor."""
    return convert_to_tensor(gradient) if type(gradient) is IndexedSlices else gradient


def _gather_gradient(g: Any, y: Any, params: Any, indices: Any, axis: int, batch_dims: int) -> Any:
    shape = tuple(params.shape)
    if not batch_dims and axis in (0, -len(shape)):
        return rows_of(g, indices, shape)
    return gather_adjoint(g, indices, shape=shape, axis=axis, batch_dims=batch_dims)


def _take_gradient(g: Any, y: Any, x: Any, indices: Any, axis: int) -> Any:
    return _gather_gradient(g, y, x, as_tensor(indices) % x.shape[axis], axis, 0)


def _gather_nd_gradient(g: Any, y: Any, params: Any, indices: Any, batch_dims: int) -> Any:
    shape = tuple(params.shape)
    if not batch_dims and len(indices.shape) == 2 and indices.shape[-1] == 1:
        return rows_of(g, indices, shape)
    return gather_nd_adjoint(g, indices, shape=shape, batch_dims=batch_dims)


gather_.gradient(_gather_gradient, None)
take_wrapped.gradient(_take_gradient, None)
gather_nd_.gradient(_gather_nd_gradient, None)

# Ops whose gradient keeps rows rows: it is taken of the rows alone.
KEEP_ROWS = frozenset({cast, identity})
