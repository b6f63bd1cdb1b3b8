"""`tf.IndexedSlices`: rows of a larger tensor, and where they stand in it."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.ops.gather import scatter_nd
from dovetail.ops.shapes import as_tensor, expand_dims
from dovetail.ops.views import export
from dovetail.tensor.convert import convert_to_tensor, register_conversion
from dovetail.tensor.shape import TensorShape


@export("IndexedSlices")
class IndexedSlices:
    """The rows `values` of a tensor of shape `dense_shape`, at the places `indices` of its first axis.

    `Variable.scatter_update` and its like take it, and it converts to the dense tensor (rows at one place add up).

    Args:
        values: tensor of shape (n, ...).
        indices: n integers.
        dense_shape: shape of the whole tensor; needed to convert to it.

    Differs from TensorFlow: gradients of `tf.gather` and of embeddings are dense tensors, never this.

    Example:
        >>> rows = tf.IndexedSlices(tf.constant([5.0]), tf.constant([1]), dense_shape=tf.constant([3]))
        >>> tf.convert_to_tensor(rows).numpy().tolist()
        [0.0, 5.0, 0.0]
    """

    def __init__(self, values: Any, indices: Any, dense_shape: Any = None) -> None:
        self.values, self.indices = as_tensor(values), as_tensor(indices)
        self.dense_shape = None if dense_shape is None else as_tensor(dense_shape)

    @property
    def dtype(self) -> Any:
        return self.values.dtype

    @property
    def shape(self) -> TensorShape:
        """The whole tensor's shape, its first size unknown without `dense_shape`."""
        if self.dense_shape is not None:
            return TensorShape(self.dense_shape.numpy().tolist())
        return TensorShape([None, *self.values.shape[1:]])

    @property
    def device(self) -> str:
        return self.values.device

    def __neg__(self) -> IndexedSlices:
        return IndexedSlices(-self.values, self.indices, self.dense_shape)

    def __repr__(self) -> str:
        shape = "" if self.dense_shape is None else f", dense_shape={self.dense_shape!s}"
        return f"IndexedSlices(indices={self.indices!s}, values={self.values!s}{shape})"


def _dense(slices: IndexedSlices, dtype: Any) -> Any:
    if slices.dense_shape is None:
        raise ValueError(
            "tf.IndexedSlices: without a dense_shape it does not say how large the whole tensor is; pass dense_shape "
            f"when you make it{at_user_location()}"
        )
    whole = scatter_nd(expand_dims(slices.indices, axis=-1), slices.values, slices.dense_shape)
    return convert_to_tensor(whole, dtype)


register_conversion(IndexedSlices, _dense)
