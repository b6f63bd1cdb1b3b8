"""Functions of `keras.ops` that give sparse tensors when they are asked to."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.base.settings import settings
from dovetail.ops import create, keras_array, segment, table
from dovetail.ops.arithmetic import cast
from dovetail.ops.shapes import as_tensor
from dovetail.ops.views import export
from dovetail.tensor import dtype as dt
from dovetail.tensor.composite import CompositeTensor


def _sparse(name: str) -> Any:
    """Returns a function of `tf.sparse`, whose family waits for its first use."""
    return table.whole("tf.sparse")[name]


def _from_dense(dense: Any) -> Any:
    return _sparse("from_dense")(dense)


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
    if isinstance(x, CompositeTensor):
        kept = _kept(x, dtype, sparse, ragged)
        if kept is not None:
            return kept
        x = _dense(x)
    if ragged:
        raise ValueError(
            f"keras.ops.convert_to_tensor: a dense tensor does not become ragged; use tf.RaggedTensor.from_tensor"
            f"{at_user_location()}"
        )
    dense = create.convert_and_cast(x, dtype)
    return _from_dense(dense) if sparse else dense


def _kept(x: Any, dtype: Any, sparse: bool | None, ragged: bool | None) -> Any:
    """Returns a sparse or ragged tensor as what it is, cast; None where it is to be dense."""
    kind = None if dtype is None else dt.numpy_dtype(dtype)
    if isinstance(x, table.find("tf", "SparseTensor")) and sparse is not False:
        return x if kind is None else x.with_values(cast(x.values, dtype=kind))
    if isinstance(x, table.find("tf", "RaggedTensor")) and ragged is not False:
        return x if kind is None else x.with_flat_values(cast(x.flat_values, dtype=kind))
    return None


def _dense(x: Any) -> Any:
    return x.to_tensor() if hasattr(x, "to_tensor") else _sparse("to_dense")(x)


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
    return _from_dense(dense) if sparse else dense


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
    return _from_dense(dense) if sparse else dense


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
    return _from_dense(dense) if sparse else dense
