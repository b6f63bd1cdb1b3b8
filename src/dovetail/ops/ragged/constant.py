"""`tf.ragged.constant`: nested lists as ragged tensors, and ragged tensors as nested lists."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.ops.create import constant as dense_constant
from dovetail.ops.ragged.partition import as_splits
from dovetail.ops.ragged.rows import is_ragged
from dovetail.ops.ragged.tensor import RaggedTensor
from dovetail.ops.strings import as_string
from dovetail.ops.views import export
from dovetail.tensor.tensor import Tensor, TensorLike


@export("ragged.constant")
def constant(
    pylist: Any,
    dtype: Any = None,
    ragged_rank: int | None = None,
    inner_shape: Any = None,
    name: str | None = None,
    row_splits_dtype: Any = "int64",
) -> Any:
    """Makes a ragged tensor of nested lists.

    Args:
        pylist: nested lists, tuples or arrays of numbers or strings.
        dtype: of the values.
        ragged_rank: number of ragged dimensions; by default all but the first one.
        inner_shape: shape of the values inside the ragged dimensions.
        row_splits_dtype: int32 or int64.

    Returns:
        A `tf.RaggedTensor`; a tensor when `pylist` is a number or `ragged_rank` is 0.

    Example:
        >>> tf.ragged.constant([[1, 2], [], [3]]).to_list()
        [[1, 2], [], [3]]
    """
    depth, deepest = _depths(pylist)
    if depth is not None and deepest != depth:
        raise ValueError(f"tf.ragged.constant: all scalars must be nested equally deep{at_user_location()}")
    rank = _ragged_rank(deepest, ragged_rank, inner_shape, depth is None)
    if rank <= 0:
        return dense_constant(pylist, dtype, None if inner_shape is None else tuple(inner_shape))
    values, splits = list(pylist), []
    for _ in range(rank):
        rows = [list(row) for row in values]
        splits.append(np.concatenate([[0], np.cumsum([len(row) for row in rows], dtype=np.int64)]))
        values = [item for row in rows for item in row]
    flat = _flat(values, dtype, deepest - rank if inner_shape is None else None, inner_shape)
    for each in reversed(splits):
        flat = RaggedTensor._of(flat, as_splits(each, row_splits_dtype))
    return flat


def _ragged_rank(depth: int, ragged_rank: Any, inner_shape: Any, is_empty: bool) -> int:
    if ragged_rank is None:
        return depth - 1 if inner_shape is None else max(depth - 1 - len(inner_shape), 0)
    if ragged_rank < 0 or (ragged_rank >= max(depth, 1) and not is_empty):
        raise ValueError(
            f"tf.ragged.constant: ragged_rank must be at least 0 and less than {depth}, the depth of the lists; "
            f"received {ragged_rank}{at_user_location()}"
        )
    return ragged_rank


def _flat(values: list, dtype: Any, depth: int | None, inner_shape: Any) -> Any:
    if inner_shape is not None:
        return dense_constant(np.asarray(values).tolist(), dtype, (len(values), *inner_shape))
    if not values:
        return dense_constant([], dtype or "float32", (0,) * max(depth or 1, 1))
    return dense_constant(values, dtype)


def _depths(value: Any) -> tuple[int | None, int]:
    """Returns the depth of the scalars (None without any), and the depth of the lists."""
    if isinstance(value, np.ndarray) and value.dtype != object:
        return (value.ndim if value.size else None), value.ndim
    if not isinstance(value, list | tuple | np.ndarray | range):
        if isinstance(value, TensorLike):
            return len(value.shape), len(value.shape)
        return 0, 0
    inner = [_depths(item) for item in value]
    scalars = {depth for depth, _ in inner if depth is not None}
    if len(scalars) > 1:
        raise ValueError(f"tf.ragged.constant: all scalars must be nested equally deep{at_user_location()}")
    deepest = max((d for _, d in inner), default=0)
    if scalars:
        found = scalars.pop()
        return found + 1, max(found, deepest) + 1
    return None, deepest + 1


def to_list(self: Any) -> list:
    """Returns nested lists of Python numbers or bytes."""
    values, splits = self.values, np.asarray(self.row_splits).tolist()
    items = values.to_list() if is_ragged(values) else values.numpy().tolist()
    return [items[start:limit] for start, limit in zip(splits, splits[1:], strict=False)]


def numpy(self: Any) -> Any:
    """Returns an array of the rows as arrays; a plain array where all rows have one length."""
    values, splits = self.values, np.asarray(self.row_splits)
    items = values.numpy()
    rows = [items[start:limit] for start, limit in zip(splits, splits[1:], strict=False)]
    lengths = {len(row) for row in rows}
    if len(lengths) <= 1 and not (
        items.dtype == object and items.size and isinstance(items.flat[0], np.ndarray)
    ):
        return items.reshape((len(rows), lengths.pop() if lengths else 0, *items.shape[1:]))
    out: Any = np.empty(len(rows), object)
    for i, row in enumerate(rows):
        out[i] = row
    return out


def _repr(self: Any) -> str:
    flat = self.flat_values
    if not isinstance(flat, Tensor) or not _has_value(self):
        return f"tf.RaggedTensor(values={self.values!r}, row_splits={self.row_splits!r})"
    return f"<tf.RaggedTensor {_shown(self)}>"


def _text(self: Any, summarize: int) -> str:
    """Returns nested lists as `tf.print` shows them: numbers with six digits after the point, strings in quotes."""
    return _summary(
        self.with_flat_values(as_string(self.flat_values)).to_list(), summarize, self.dtype.name == "string"
    )


def _summary(value: Any, edge: int, quoted: bool) -> str:
    if isinstance(value, bytes):
        text = value.decode("utf-8", "replace")
        return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'" if quoted else text
    cut = edge >= 0 and len(value) > 2 * edge
    texts = [
        _summary(item, edge, quoted) for item in (value[:edge] + value[len(value) - edge :] if cut else value)
    ]
    if cut:
        texts.insert(edge, "...")
    return "[" + ", ".join(texts) + "]"


def _has_value(rt: Any) -> bool:
    try:
        [np.asarray(part) for part in (rt.flat_values, *rt.nested_row_splits)]
    except TypeError:
        return False
    return True


def _shown(rt: Any) -> str:
    if rt.dtype.is_floating:
        return _joined(rt.with_flat_values(dense_constant(_float_texts(rt.flat_values), "string")).to_list())
    return repr(rt.to_list())


def _float_texts(flat: Any) -> Any:
    array = np.asarray(flat)
    return np.array([str(x).encode() for x in array.reshape(-1)], object).reshape(array.shape)


def _joined(rows: Any) -> str:
    return "[" + ", ".join(map(_joined, rows)) + "]" if isinstance(rows, list) else rows.decode()


RaggedTensor.to_list = to_list  # type: ignore[attr-defined]
RaggedTensor.numpy = numpy  # type: ignore[attr-defined]
RaggedTensor.__repr__ = _repr  # type: ignore[method-assign]
RaggedTensor._text = _text  # type: ignore[method-assign]
RaggedTensor.__str__ = _repr  # type: ignore[method-assign]
