"""How values are divided into rows: row splits and the numbers that follow from them.

`row_splits` is a vector of `nrows + 1` integers; row i holds the values from `row_splits[i]` up to `row_splits[i + 1]`.
The ops here whose result's size is known from their inputs' sizes run compiled; the others (`ranges`) are data
dependent, so that compiled functions with them run op by op.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.ops.arithmetic import cast
from dovetail.ops.array import concat
from dovetail.ops.attrs import static
from dovetail.ops.create import zeros
from dovetail.ops.families import op
from dovetail.ops.reduction import cumsum
from dovetail.ops.shapes import as_tensor
from dovetail.tensor import dtype as dt
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import TensorLike, has_value

_INT64 = np.dtype(np.int64)


def known(tensor: Any) -> np.ndarray | None:
    """Returns the tensor's array where it has a value now, else None."""
    return np.asarray(tensor._value) if has_value(tensor) else None


def number(tensor: Any) -> Any:
    """Returns an integer that sizes a result, as a Python number; a symbolic tensor stays one."""
    return tensor if isinstance(tensor, SymbolicTensor) else int(static(tensor))


def as_splits(value: Any, dtype: Any = None) -> Any:
    """Returns row splits, lengths or ids as an integer tensor of `dtype` (int64 unless it is int32 already)."""
    tensor = (
        as_tensor(value) if isinstance(value, TensorLike) else convert_to_tensor(value, dtype_hint="int64")
    )
    wanted = dt.as_dtype(dtype) if dtype is not None else tensor.dtype
    if wanted not in (dt.int32, dt.int64):
        if dtype is not None or not (tensor.dtype.is_integer or tensor.shape.num_elements() == 0):
            raise ValueError(f"row splits must be int32 or int64, not {wanted.name}{at_user_location()}")
        wanted = dt.int64
    return tensor if tensor.dtype == wanted else cast(tensor, dtype=wanted)


@op("", differentiable=False, same_dtype=1, shape=lambda splits, values: (values[0],))
def value_rowids(xp: Any, splits: Any, values: Any) -> Any:
    """Returns for each of the values (one an entry of the first axis of `values`) the row it belongs to."""
    return xp.row_ids(splits, values.shape[0])


@op("", differentiable=False, same_dtype=1, shape=lambda splits, values: (values[0],))
def value_columns(xp: Any, splits: Any, values: Any) -> Any:
    """Returns for each of the values its place in the row it belongs to."""
    places = xp.arange(values.shape[0], dtype=splits.dtype)
    if splits.shape[0] < 2:
        return places
    rows = xp.minimum(xp.row_ids(splits, values.shape[0]), splits.shape[0] - 2)
    return places - xp.take(splits, rows, 0)


@op("", engine="host", differentiable=False, shape=lambda starts, limits, deltas: [(None,), (None,)])
def ranges(xp: Any, starts: Any, limits: Any, deltas: Any) -> Any:
    """Returns `(row splits, values)` of the rows `range(start, limit, delta)`."""
    starts, limits, deltas = np.broadcast_arrays(starts, limits, deltas)
    if (deltas == 0).any():
        raise ValueError("Requires delta != 0")
    with np.errstate(invalid="ignore"):
        counts = np.maximum(np.ceil((limits - starts) / deltas), 0).astype(np.int64)
    splits = np.concatenate([[0], np.cumsum(counts)])
    rows: Any = np.repeat(np.arange(counts.size), counts)
    steps = np.arange(splits[-1]) - splits[rows] if splits[-1] else np.zeros(0, np.int64)
    values = starts[rows] + steps.astype(starts.dtype) * deltas[rows]
    return [splits.astype(np.int64), values.astype(starts.dtype)]


ranges.dtype = lambda *kinds: kinds[0]


def from_lengths(lengths: Any) -> Any:
    """Returns the row splits of row lengths."""
    return concat([zeros([1], lengths.dtype), cumsum(lengths)], axis=0)


def lengths_of(splits: Any) -> Any:
    return splits[1:] - splits[:-1]


@op("", differentiable=False, shape=lambda splits: ())
def longest(xp: Any, splits: Any) -> Any:
    """Returns the largest row length, 0 without rows, as a scalar."""
    if splits.shape[0] < 2:
        return xp.zeros((), splits.dtype)
    return xp.maximum((splits[1:] - splits[:-1]).max(), splits.dtype.type(0))


def check(splits: Any, num_values: int | None, what: str) -> None:
    """Checks row splits whose values are known.

    Raises:
        InvalidArgumentError: they do not begin with 0, ascend, and end with the number of values.
    """
    array = known(splits)
    if array is None:
        return
    fault = _fault(array, num_values)
    if fault:
        raise InvalidArgumentError(
            f"tf.RaggedTensor: {what}: {fault}; the row splits are {array.tolist()!r:.80}{at_user_location()}"
        )


def _fault(array: np.ndarray, num_values: int | None) -> str | None:
    if array.ndim != 1 or not array.size:
        return f"expected a vector of at least one row split, received shape {array.shape}"
    if array[0] != 0:
        return "the first row split must be 0"
    if (np.diff(array) < 0).any():
        return "row splits must not descend"
    if num_values is not None and array[-1] != num_values:
        return f"the rows hold {array[-1]} values, and there are {num_values}"
    return None
