"""Functions of `keras.ops` that give sparse tensors when they are asked to."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.base.settings import settings
from dovetail.ops import create, keras_array, segment
from dovetail.ops.arithmetic import cast
from dovetail.ops.ragged.dense import to_tensor as ragged_to_dense
from dovetail.ops.ragged.tensor import RaggedTensor
from dovetail.ops.shapes import as_tensor
from dovetail.ops.sparse.make import from_dense, to_dense
from dovetail.ops.sparse.tensor import SparseTensor
from dovetail.ops.views import export
from dovetail.tensor import dtype as dt


@export("ops.convert_to_tensor ops.numpy.array")
def convert_to_tensor(
    x: Any, dtype: Any = None, sparse: bool | None = None, ragged: bool | None = None
) -> Any:
    """Returns `x` as a tensor.

    Args:
        x: anything that converts to a tensor; NumPy, JAX and PyTorch arrays too.
        dtype: of the result, to which `x` is cast.
        sparse: None keeps sparse tensors sparse, False makes them dense, True makes dense ones sparse.
        ragged: None keeps ragged tensors ragged, False makes them dense; True is for ragged tensors only.
    """
    if isinstance(x, SparseTensor):
        if sparse is not False:
            return x if dtype is None else x.with_values(cast(x.values, dtype=dt.numpy_dtype(dtype)))
        x = to_dense(x)
    if isinstance(x, RaggedTensor):
        if ragged is not False:
            return (
                x if dtype is None else x.with_flat_values(cast(x.flat_values, dtype=dt.numpy_dtype(dtype)))
            )
        x = ragged_to_dense(x)
    if ragged:
        raise ValueError(
            f"keras.ops.convert_to_tensor: a dense tensor does not become ragged; use tf.RaggedTensor.from_tensor"
            f"{at_user_location()}"
        )
    dense = create.convert_and_cast(x, dtype)
    return from_dense(dense) if sparse else dense


@export("ops.nn.one_hot")
def one_hot(x: Any, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False) -> Any:
    """Returns vectors of length `num_classes` with 1 at the index; an index out of range gives zeros.

    Args:
        x: integers.
        num_classes: length of the vectors.
        axis: where their axis goes.
        dtype: Keras' default float type by default.
        sparse: return a sparse tensor.
    """
    x = as_tensor(x)
    x = x if x.dtype.is_integer else cast(x, dtype="int32")
    kind = dt.numpy_dtype(settings.floatx if dtype is None else dtype)
    dense = create.one_hot(x, num_classes, axis=axis, dtype=kind)
    return from_dense(dense) if sparse else dense


@export("ops.nn.multi_hot")
def multi_hot(
    inputs: Any,
    num_classes: int | None = None,
    axis: int = -1,
    dtype: Any = None,
    sparse: bool = False,
    num_tokens: int | None = None,
) -> Any:
    """Returns vectors with 1 at each index in a row of `inputs`.

    Args:
        inputs: integers of shape (..., n).
        num_classes: length of the vectors; `num_tokens` is its older name.
        axis: where their axis goes.
        dtype: Keras' default float type by default.
        sparse: return a sparse tensor.
    """
    num_classes = num_tokens if num_classes is None else num_classes
    if num_classes is None:
        raise ValueError(f"keras.ops.multi_hot: pass num_classes{at_user_location()}")
    dense = keras_array.multi_hot(inputs, num_classes, axis, dtype)
    return from_dense(dense) if sparse else dense


@export("ops.numpy.bincount")
def bincount(x: Any, weights: Any = None, minlength: int = 0, sparse: bool = False) -> Any:
    """Counts how often each number occurs, for each row of a rank-2 tensor.

    Args:
        x: integers that are not negative, of rank 1 or 2.
        weights: what each number counts; None: 1.
        minlength: least number of counts.
        sparse: return a sparse tensor.
    """
    x = as_tensor(x)
    if x.dtype.is_bool:
        x = cast(x, dtype="int32")
    dense = segment.bincount(x, weights, minlength=minlength, axis=-1)
    return from_dense(dense) if sparse else dense
