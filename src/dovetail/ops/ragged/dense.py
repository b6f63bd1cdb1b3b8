"""Between ragged and dense tensors: padding, and cutting padding off."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.ops import gather as dense_gather
from dovetail.ops.arithmetic import cast, maximum, minimum
from dovetail.ops.attrs import Shape, static
from dovetail.ops.create import range_of, zeros
from dovetail.ops.families import op
from dovetail.ops.indexing import boolean_mask, where_
from dovetail.ops.logic import not_equal
from dovetail.ops.ragged.partition import as_splits, longest, number
from dovetail.ops.ragged.rows import is_ragged, to_ragged_rank
from dovetail.ops.ragged.tensor import RaggedTensor
from dovetail.ops.reduction import reduce_all, reduce_max
from dovetail.ops.shapes import as_tensor
from dovetail.ops.shapes import shape as shape_of
from dovetail.ops.sorting import sequence_mask
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.shape import TensorShape


def _places_shape(*splits: tuple, sizes: tuple) -> tuple:
    rows = splits[0][0]
    first = sizes[0] if sizes[0] != -1 else (None if rows is None else rows - 1)
    return (first, *(None if size == -1 else size for size in sizes[1:]))


@op("", differentiable=False, same_dtype=0, shape=_places_shape)
def dense_places(xp: Any, *splits: Any, sizes: Shape) -> Any:
    """Returns for each place of a dense tensor of `sizes` the index of its flat value, -1 where there is none.

    `sizes[0]` may be -1: as many as there are rows.
    """
    rows = splits[0].shape[0] - 1
    total = rows if sizes[0] == -1 else sizes[0]
    nodes = xp.arange(total, dtype=np.int64)
    valid = nodes < rows
    for level, size in zip(splits, sizes[1:], strict=True):
        level = level.astype(np.int64)
        last = max(level.shape[0] - 2, 0)
        safe = xp.where(valid, xp.minimum(nodes, np.int64(last)), np.int64(0))
        if level.shape[0] < 2:
            starts = lengths = xp.zeros(safe.shape, np.int64)
        else:
            starts = xp.take(level, safe, 0)
            lengths = xp.take(level, safe + 1, 0) - starts
        steps = xp.arange(size, dtype=np.int64)
        valid = valid[..., None] & (steps < lengths[..., None])
        nodes = starts[..., None] + steps
    return xp.where(valid, nodes, np.int64(-1))


def to_tensor(self: Any, default_value: Any = None, name: str | None = None, shape: Any = None) -> Any:
    """Returns a dense tensor, rows filled up with `default_value` (0, False or "") and cut to `shape`.

    Args:
        default_value: scalar, or a tensor that broadcasts to the values.
        shape: sizes of the result, None for those of the longest rows.
    """
    flat, depth = self.flat_values, self.ragged_rank
    wanted = _wanted(shape, len(self.shape))
    sizes = [-1 if wanted[0] is None else wanted[0]]
    sizes += [_size(self, level, wanted[level]) for level in range(1, depth + 1)]
    default = _default(default_value, self.dtype)
    places = dense_places(*self.nested_row_splits, sizes=tuple(sizes))
    if flat.shape[0] == 0:
        flat = zeros((1, *flat.shape[1:]), self.dtype)
    rows = dense_gather.gather(flat, maximum(places, 0))
    found = reshape_for(places >= 0, len(rows.shape))
    dense = where_(rows, default, found)
    _check_inner(dense, wanted, depth)
    return dense


def reshape_for(mask: Any, rank: int) -> Any:
    """Returns a mask with axes of size 1 behind."""
    return mask[(..., *[None] * (rank - len(mask.shape)))]


def _wanted(shape: Any, rank: int) -> list:
    if shape is None:
        return [None] * rank
    sizes = TensorShape(static(shape) if not isinstance(shape, TensorShape) else shape)
    if sizes.rank is None:
        return [None] * rank
    if sizes.rank != rank:
        raise ValueError(
            f"to_tensor: the shape {sizes} has rank {sizes.rank}, the ragged tensor has rank {rank}{at_user_location()}"
        )
    return [None if size in (None, -1) else int(size) for size in sizes]


def _size(rt: Any, level: int, wanted: int | None) -> Any:
    """Returns the size of a ragged axis in the dense tensor."""
    if wanted is not None:
        return wanted
    for _ in range(level - 1):
        rt = rt.values
    return rt._uniform if rt._uniform is not None else number(longest(rt.row_splits))


def _default(value: Any, dtype: Any) -> Any:
    if value is None:
        return zeros((), dtype)
    return convert_to_tensor(value, dtype)


def _check_inner(dense: Any, wanted: list, depth: int) -> None:
    """Raises ValueError where the inner, uniform axes have other sizes than the wanted ones."""
    for axis in range(depth + 1, len(wanted)):
        size, have = wanted[axis], dense.shape[axis]
        if size is not None and have is not None and size != have:
            raise ValueError(
                f"to_tensor: axis {axis} is uniform, of size {have}, and cannot be {size}{at_user_location()}"
            )


def from_tensor(
    cls: Any,
    tensor: Any,
    lengths: Any = None,
    padding: Any = None,
    ragged_rank: int = 1,
    name: str | None = None,
    row_splits_dtype: Any = "int64",
) -> Any:
    """Makes a ragged tensor of a dense one.

    Args:
        tensor: of rank 2 at least.
        lengths: how many entries of each row to keep; or a tuple of such vectors, one a ragged axis.
        padding: the value to cut from the ends of rows.
        ragged_rank: number of ragged axes.
        row_splits_dtype: int32 or int64.
    """
    if lengths is not None and padding is not None:
        raise ValueError(f"from_tensor: pass lengths or padding, not both{at_user_location()}")
    x = as_tensor(tensor)
    if is_ragged(x) or x.shape.rank is None or x.shape.rank <= ragged_rank:
        raise ValueError(
            f"from_tensor: expected a dense tensor of a rank above ragged_rank={ragged_rank}, received {x.shape}"
            f"{at_user_location()}"
        )
    nested = isinstance(lengths, list | tuple) and len(lengths) > 0 and not isinstance(lengths[0], int)
    if nested:
        return _by_nested_lengths(x, list(lengths), row_splits_dtype)
    if ragged_rank > 1:
        outer = to_ragged_rank(x, ragged_rank - 1)
        return outer.with_flat_values(
            from_tensor(cls, outer.flat_values, lengths, padding, 1, None, row_splits_dtype)
        ).with_row_splits_dtype(row_splits_dtype)
    if padding is not None:
        lengths = _unpadded_lengths(x, padding)
    if lengths is None:
        return to_ragged_rank(x, 1).with_row_splits_dtype(row_splits_dtype)
    return _by_lengths(x, as_splits(lengths, row_splits_dtype))


def _by_lengths(x: Any, lengths: Any) -> Any:
    width = shape_of(x, lengths.dtype)[1] if x.shape[1] is None else x.shape[1]
    kept = maximum(minimum(lengths, width), 0)
    mask = sequence_mask(kept, width)
    return RaggedTensor.from_row_lengths(boolean_mask(x, mask), kept, validate=False)


def _by_nested_lengths(x: Any, lengths: list, dtype: Any) -> Any:
    first = _by_lengths(x, as_splits(lengths[0], dtype))
    if len(lengths) == 1:
        return first
    return first.with_values(_by_nested_lengths(first.values, lengths[1:], dtype))


def _unpadded_lengths(x: Any, padding: Any) -> Any:
    """Returns the number of entries of each row up to the last that is no padding."""
    differs = not_equal(x, convert_to_tensor(padding, x.dtype))
    inner = tuple(range(2, len(x.shape)))
    if inner:
        differs = cast(1 - cast(reduce_all(~differs, axis=inner), dtype="int32"), dtype="bool")
    places = range_of(1, x.shape[1] + 1, dtype="int64")
    return (
        reduce_max(where_(places, places * 0, differs), axis=1)
        if x.shape[1]
        else zeros((x.shape[0],), "int64")
    )


RaggedTensor.to_tensor = to_tensor  # type: ignore[attr-defined]
RaggedTensor.from_tensor = classmethod(from_tensor)  # type: ignore[attr-defined]
