"""Element-wise math on ragged tensors: rows that agree, and broadcasting.

A dense tensor of size 1 in every axis that is ragged in the other broadcasts by a gather, which compiles; what else
broadcasts is planned row by row on the host engine.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.ops import gather as dense_gather
from dovetail.ops.families import op
from dovetail.ops.ragged.partition import known
from dovetail.ops.ragged.rows import is_ragged, to_ragged_rank
from dovetail.ops.ragged.tensor import RaggedTensor, num_rows
from dovetail.ops.shapes import as_tensor, expand_dims, reshape
from dovetail.tensor import dtype as dt
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import TensorLike


def aligned(args: list, what: str) -> tuple[list, Any]:
    """Returns the flat values of operands broadcast to one row structure, and the ragged tensor that has it."""
    args = _one_splits_dtype([_converted(a, args) for a in args])
    ragged = [a for a in args if is_ragged(a)]
    lead = max(ragged, key=lambda a: (a.ragged_rank, len(a.shape)))
    simple = [_against(a, lead) for a in args]
    if all(value is not None for value in simple):
        return simple, lead
    rank = max(len(a.shape) for a in args)
    depth = max(a.ragged_rank + rank - len(a.shape) for a in ragged)
    spread = [to_ragged_rank(_of_rank(a, rank), depth) if len(a.shape) else a for a in args]
    return _planned(spread, depth, what)


def _converted(arg: Any, args: list) -> Any:
    if is_ragged(arg) or isinstance(arg, TensorLike):
        return arg if is_ragged(arg) else as_tensor(arg)
    hint = next((a.dtype for a in args if is_ragged(a)), None)
    return convert_to_tensor(arg, dtype_hint=hint if not isinstance(arg, np.ndarray) else None)


def _one_splits_dtype(args: list) -> list:
    kinds = {a.row_splits.dtype for a in args if is_ragged(a)}
    return (
        args if len(kinds) < 2 else [a.with_row_splits_dtype(dt.int64) if is_ragged(a) else a for a in args]
    )


def _against(arg: Any, lead: Any) -> Any:
    """Returns the flat values of an operand whose rows are the leader's or whose sizes are 1 there, else None."""
    if is_ragged(arg):
        return arg.flat_values if arg is lead or same_rows(arg, lead) else None
    missing = len(lead.shape) - len(arg.shape)
    inner = len(lead.shape) - 1 - lead.ragged_rank
    if missing < 0:
        return None
    if len(arg.shape) <= inner:
        return arg
    sizes = [1] * missing + list(arg.shape)
    outer = sizes[: lead.ragged_rank + 1]
    if any(size != 1 for size in outer[1:]):
        return None
    rows = reshape(
        arg, shape=tuple(-1 if s is None else s for s in (outer[0], *sizes[lead.ragged_rank + 1 :]))
    )
    if outer[0] == 1:
        return rows
    if outer[0] is not None and lead.shape[0] is not None and outer[0] != lead.shape[0]:
        return None
    return dense_gather.gather(rows, outermost_rowids(lead))


def outermost_rowids(rt: Any) -> Any:
    """Returns for each flat value the row of the first axis that it stands in."""
    ids = rt.value_rowids()
    return dense_gather.gather(ids, outermost_rowids(rt.values)) if is_ragged(rt.values) else ids


def same_rows(a: Any, b: Any) -> bool:
    """True when two ragged tensors have the same row splits, as far as is known.

    Raises:
        InvalidArgumentError: inside a compiled function, their sizes differ.
    """
    if a.ragged_rank != b.ragged_rank or len(a.shape) != len(b.shape):
        return False
    return all(_same(x, y) for x, y in zip(a.nested_row_splits, b.nested_row_splits, strict=True))


def _same(x: Any, y: Any) -> bool:
    if x is y:
        return True
    a, b = known(x), known(y)
    if a is not None and b is not None:
        return np.array_equal(a, b)
    return x.shape.is_compatible_with(y.shape)  # as good as can be told before they have values


def _of_rank(arg: Any, rank: int) -> Any:
    """Returns an operand with axes of size 1 in front."""
    while 0 < len(arg.shape) < rank:
        if is_ragged(arg):
            count = num_rows(arg)
            splits = reshape(count, shape=(1,)) * np.array([0, 1], arg.row_splits.dtype.numpy_dtype)
            arg = RaggedTensor._of(arg, splits, arg.shape[0])
        else:
            arg = expand_dims(arg, axis=0)
    return arg


def _planned(args: list, depth: int, what: str) -> tuple[list, Any]:
    trees = [a for a in args if is_ragged(a)]
    given = [as_int64(s) for a in trees for s in a.nested_row_splits]
    counts = tuple(tuple(_uniform(a)) for a in trees)
    out = broadcast_plan(*given, uniform=_marked(counts), depth=depth, what=what)
    splits, index = out[:depth], iter(out[depth:])
    flat = [dense_gather.gather(a.flat_values, next(index)) if is_ragged(a) else a for a in args]
    shape: Any = flat[0] if is_ragged(args[0]) else trees[0].flat_values
    lengths = [_common([uniform[level] for uniform in counts]) for level in range(1, depth + 1)]
    kind = trees[0].row_splits.dtype
    for level, length in zip(reversed(splits), reversed(lengths), strict=True):
        shape = RaggedTensor._of(shape, level._astype(kind), length)
    return flat, shape


def _common(lengths: list) -> int | None:
    """Returns the length of all rows where operands of these uniform lengths meet, None where they are ragged."""
    known_ones = [length for length in lengths if length not in (None, 1)]
    if known_ones:
        return known_ones[0]
    return 1 if all(length == 1 for length in lengths) else None


def as_int64(tensor: Any) -> Any:
    return tensor._astype(dt.int64)


def _uniform(rt: Any) -> list:
    inner = _uniform(rt.values) if is_ragged(rt.values) else []
    first = rt.shape[0]
    return [first, rt._uniform, *inner[1:]] if inner else [first, rt._uniform]


def _marked(counts: tuple) -> tuple:
    """Returns 1 where a size is 1 for all rows, else 0, for each operand and axis."""
    return tuple(tuple(int(size == 1) for size in sizes) for sizes in counts)


def _plan_shapes(*splits: tuple, uniform: tuple, depth: int, what: str) -> list:
    return [(None,)] * (depth + len(uniform))


@op("", engine="host", differentiable=False, shape=_plan_shapes)
def broadcast_plan(xp: Any, *splits: Any, uniform: Any, depth: int, what: str) -> Any:
    """Returns the row splits of the broadcast result, and for each operand the index of each flat value."""
    trees = [splits[i * depth : (i + 1) * depth] for i in range(len(uniform))]
    sizes = [tree[0].size - 1 for tree in trees]
    total = max([n for n, one in zip(sizes, uniform, strict=True) if not one[0]], default=1)
    nodes: list = [
        np.zeros(total, np.int64) if one[0] else _all_of(n, total, what)
        for n, one in zip(sizes, uniform, strict=True)
    ]
    result = []
    for level in range(depth):
        nodes, level_splits = _next_level(
            [t[level] for t in trees], nodes, [u[level + 1] for u in uniform], what
        )
        result.append(level_splits)
    return [*result, *nodes]


def _all_of(size: int, total: int, what: str) -> np.ndarray:
    if size != total:
        raise InvalidArgumentError(_mismatch(what, f"{size} rows and {total} rows"))
    return np.arange(total)


def _next_level(splits: list, nodes: list, ones: list, what: str) -> tuple[list, np.ndarray]:
    lengths = [s[n + 1] - s[n] for s, n in zip(splits, nodes, strict=True)]
    leading = next((x for x, one in zip(lengths, ones, strict=True) if not one), lengths[0])
    for other, one in zip(lengths, ones, strict=True):
        if not one and not np.array_equal(other, leading):
            raise InvalidArgumentError(
                _mismatch(what, f"rows of {leading.tolist()!r:.40} and {other.tolist()!r:.40}")
            )
    out = np.concatenate([[0], np.cumsum(leading)])
    rows: Any = np.repeat(np.arange(leading.size), leading)
    steps = np.arange(out[-1]) - out[rows]
    found = [s[n][rows] + (0 if one else steps) for s, n, one in zip(splits, nodes, ones, strict=True)]
    return [f.astype(np.int64) for f in found], out.astype(np.int64)


def _mismatch(what: str, detail: str) -> str:
    return (
        f"tf.{what}: the ragged tensors' rows do not broadcast: {detail} (lengths must agree, or be 1 for all "
        f"rows of a uniform axis){at_user_location()}"
    )
