"""Writers of what makes, arranges and picks tensors, and of products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.export.onnx.graph import BOOL, INT64, LAST
from dovetail.export.onnx.table import writes
from dovetail.graph.walking import Written
from dovetail.tensor.dtype import as_dtype


@writes("matmul")
def _matmul(w: Any, a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False) -> Any:
    parts = [_turned(w, one) if flag else one for one, flag in ((a, transpose_a), (b, transpose_b))]
    return w.op("MatMul", parts)


def _turned(w: Any, x: Any) -> Any:
    rank = x.shape.rank
    return w.transposed(x, [*range(rank - 2), rank - 1, rank - 2])


@writes("contraction")
def _einsum(w: Any, *inputs: Any, equation: str) -> Any:
    return w.op("Einsum", list(inputs), equation=equation)


@writes("tile")
def _tile(w: Any, input: Any, multiples: Any) -> Any:
    return w.op("Tile", [input, w.sizes(multiples)])


@writes("repeat")
def _repeat(w: Any, input: Any, repeats: Any, axis: int) -> Any:
    size = input.shape[axis]
    if size is None:
        raise w.not_written("repeats along an axis of an unknown size")
    counts = np.broadcast_to(np.asarray(repeats, np.int64).ravel(), (size,))
    return w.op("Gather", [input, w.ints(np.repeat(np.arange(size), counts))], axis=axis)


@writes("pad")
def _pad(w: Any, tensor: Any, paddings: Any, mode: str = "CONSTANT", constant_values: Any = 0) -> Any:
    modes = {"CONSTANT": "constant", "REFLECT": "reflect"}
    if mode.upper() not in modes:
        raise w.not_written(f"has the mode {mode!r}")
    before, after = zip(*paddings, strict=True)
    sizes = w.ints([*before, *after])
    if mode.upper() == "CONSTANT":
        return w.op("Pad", [tensor, sizes, w.ref(constant_values, w.dtype(tensor))], mode="constant")
    return w.op("Pad", [tensor, sizes], mode=modes[mode.upper()])


@writes("reverse")
def _reverse(w: Any, tensor: Any, axis: Any) -> Any:
    axes = [axis] if isinstance(axis, int) else list(axis)
    ones = [-1] * len(axes)
    return w.op("Slice", [tensor, w.ints(ones), w.ints([-LAST] * len(axes)), w.ints(axes), w.ints(ones)])


@writes("cumsum")
def _cumsum(w: Any, x: Any, axis: int = 0, exclusive: bool = False, reverse: bool = False) -> Any:
    return w.op("CumSum", [x, w.ints(axis)], exclusive=int(exclusive), reverse=int(reverse))


@writes("argmax", "argmin")
def _argmax(w: Any, input: Any, axis: Any = 0, output_type: Any = "int64") -> Any:
    found = w.op(w.kind, [input], dtype=INT64, axis=int(axis or 0), keepdims=0)
    return w.cast(found, output_type)


@writes("one_hot")
def _one_hot(
    w: Any, indices: Any, depth: Any, on: Any = 1, off: Any = 0, axis: int = -1, dtype: Any = "float32"
) -> Any:
    """Writes it as comparisons: ONNX' own counts negative places from the end."""
    kind, given = as_dtype(dtype), w.cast(indices, INT64)
    rank = indices.shape.rank + 1
    at = axis % rank
    places = w.constant(np.arange(int(depth)).reshape([-1 if i == at else 1 for i in range(rank)]), INT64)
    is_on = w.op("Equal", [w.op("Unsqueeze", [given, w.ints([at])]), places], dtype=BOOL)
    return w.op("Where", [is_on, w.ref(on, kind), w.ref(off, kind)], dtype=kind)


@writes("reshape")
def _reshape(w: Any, tensor: Any, shape: Any) -> Any:
    return w.reshaped(tensor, shape)


@writes("flattened")
def _flattened(w: Any, x: Any) -> Any:
    return w.reshaped(x, [-1])


@writes("ensure_shape")
def _ensure_shape(w: Any, x: Any, shape: Any = None) -> Any:
    return w.op("Identity", [x])


@writes("transpose")
def _transpose(w: Any, a: Any, perm: Any = None, conjugate: bool = False) -> Any:
    return w.transposed(a, reversed(range(a.shape.rank)) if perm is None else perm)


@writes("moveaxis")
def _moveaxis(w: Any, x: Any, source: Any, destination: Any) -> Any:
    sources, targets = ([one] if isinstance(one, int) else list(one) for one in (source, destination))
    rank = x.shape.rank
    places = [one % rank for one in sources]
    rest = [axis for axis in range(rank) if axis not in places]
    for target, place in sorted((one % rank, place) for one, place in zip(targets, places, strict=True)):
        rest.insert(target, place)
    return w.transposed(x, rest)


@writes("concat")
def _concat(w: Any, *values: Any, axis: int = 0) -> Any:
    return w.op("Concat", list(values), axis=int(axis))


@writes("stack")
def _stack(w: Any, *values: Any, axis: int = 0) -> Any:
    dtype = w.common(*values)
    rank = (
        max(getattr(one, "shape", np.shape(one)).rank if hasattr(one, "shape") else 0 for one in values) + 1
    )
    at = w.ints([int(axis) % rank])
    return w.op(
        "Concat", [w.op("Unsqueeze", [w.ref(one, dtype), at]) for one in values], axis=int(axis) % rank
    )


@writes("expand_dims", "_with_axis")
def _expand_dims(w: Any, input: Any, axis: Any) -> Any:
    return w.op("Unsqueeze", [input, w.ints([axis] if isinstance(axis, int) else list(axis))])


@writes("squeeze", "_without_axis")
def _squeeze(w: Any, input: Any, axis: Any = None) -> Any:
    axes = [] if axis is None else [axis] if isinstance(axis, int) else list(axis)
    return w.op("Squeeze", [input, w.ints(axes)] if axes else [input])


@writes("unstack")
def _unstack(w: Any, value: Any, num: Any = None, axis: int = 0) -> list:
    return [w.op("Gather", [value, w.ints(place)], axis=int(axis)) for place in range(len(w.outputs))]


@writes("split")
def _split(w: Any, value: Any, sizes: Any, axis: int = 0) -> list:
    count, size = len(w.outputs), value.shape[axis]
    if isinstance(sizes, int):
        if size is None:
            raise w.not_written("splits an axis of an unknown size")
        parts = [size // count] * count
    else:
        known = sum(one for one in sizes if one not in (None, -1))
        parts = [size - known if one in (None, -1) else one for one in sizes]
    return w.ops("Split", [value, w.ints(parts)], [w.dtype(value)] * count, axis=int(axis))


@writes("largest_entries")
def _top_k(w: Any, x: Any, k: Any = 1, index_type: Any = "int32") -> list:
    count = w.reshaped(w.cast(k, INT64), [1]) if hasattr(k, "dtype") else w.ints([int(k)])
    values, places = w.ops("TopK", [x, count], [w.dtype(x), INT64])
    return [values, w.cast(places, index_type)]


@writes("shape_vector")
def shape_of(w: Any, input: Any, out_type: Any = "int32") -> Any:
    return w.cast(w.op("Shape", [input], dtype=INT64), out_type)


@writes("element_count")
def _size(w: Any, input: Any, out_type: Any = "int32") -> Any:
    return w.cast(w.op("Size", [input], dtype=INT64), out_type)


@writes("gather")
def _gather(w: Any, params: Any, indices: Any, axis: int = 0, batch_dims: int = 0) -> Any:
    if batch_dims:
        raise w.not_written("has batch_dims")
    return w.op("Gather", [params, indices], axis=int(axis or 0))


@writes("take_along_axis")
def _take_along_axis(w: Any, x: Any, indices: Any, axis: int = -1) -> Any:
    return w.op("GatherElements", [x, indices], axis=int(axis))


@writes("gather_nd")
def _gather_nd(w: Any, params: Any, indices: Any, batch_dims: int = 0) -> Any:
    return w.op("GatherND", [params, w.cast(indices, INT64)], batch_dims=int(batch_dims))


@writes("scatter_nd")
def _scatter_nd(w: Any, updates: Any, indices: Any, shape: Any) -> Any:
    start = _filled(w, shape, w.ref(0, w.dtype(updates)))
    return w.op("ScatterND", [start, w.cast(indices, INT64), updates], reduction="add")


_SCATTERS = {"update": "none", "add": "add", "max": "max", "min": "min"}
_EXTREMES = 18  # from this version on, there are scatters of these


@writes("tensor_scatter")
def _tensor_scatter(w: Any, tensor: Any, updates: Any, indices: Any, kind: str) -> Any:
    if kind not in _SCATTERS or (kind in ("max", "min") and w.opset < _EXTREMES):
        raise w.not_written(f"is a scatter {kind!r}")
    return w.op("ScatterND", [tensor, w.cast(indices, INT64), updates], reduction=_SCATTERS[kind])


def _filled(w: Any, sizes: Any, value: Any) -> Any:
    return w.op("Expand", [value, w.sizes(sizes)])


def _constant(number: int) -> Callable:
    def write(w: Any, shape: Any, dtype: Any) -> Any:
        kind = as_dtype(dtype)
        return _filled(w, shape, w.constant(np.asarray(number), kind))

    return write


writes("zeros")(_constant(0))
writes("ones")(_constant(1))


@writes("fill")
def _fill(w: Any, value: Any, dims: Any) -> Any:
    return _filled(w, dims, w.ref(value))


def _like(number: int) -> Callable:
    def write(w: Any, input: Any, dtype: Any = None) -> Any:
        kind = w.dtype(input) if dtype is None else dtype
        return w.op("Expand", [w.constant(np.asarray(number), kind), shape_of(w, input, INT64)])

    return write


writes("zeros_like")(_like(0))
writes("ones_like")(_like(1))


@writes("full_like")
def _full_like(w: Any, x: Any, value: Any, dtype: Any) -> Any:
    return w.op("Expand", [w.cast(value, dtype), shape_of(w, x, INT64)])


@writes("broadcast_to")
def _broadcast_to(w: Any, input: Any, shape: Any) -> Any:
    return _filled(w, shape, input)


@writes("range")
def _range(w: Any, start: Any, limit: Any, delta: Any, dtype: Any) -> Any:
    kind = as_dtype(dtype)
    return w.op("Range", [_of_kind(w, one, kind) for one in (start, limit, delta)], dtype=kind)


def _of_kind(w: Any, value: Any, kind: Any) -> Written:
    if isinstance(value, int | float | np.generic):
        return w.constant(np.asarray(value), kind)
    return w.cast(value, kind)


@writes("tril", "triu")
def _triangle(w: Any, x: Any, k: int = 0) -> Any:
    return w.op("Trilu", [x, w.ints(k)], upper=int(w.kind == "Triu"))


@writes("getitem")
def _getitem(w: Any, x: Any, *indices: Any, spec: Any) -> Any:
    """Writes slices first, then picks single places from the last axis to the first, then adds axes."""
    rank, places = x.shape.rank, iter(indices)
    used = sum(entry[0] in "ist" for entry in spec)
    axis, at = 0, 0
    sliced: list[tuple] = []
    picked: list[tuple] = []
    added: list[int] = []
    for entry in spec:
        kind = entry[0]
        if kind == "n":
            added.append(at)
            at += 1
        elif kind == "e":
            axis, at = axis + rank - used, at + rank - used
        elif kind == "s":
            if entry[1:] not in ((None, None, None), (0, None, None), (None, None, 1), (0, None, 1)):
                sliced.append((axis, *entry[1:]))
            axis, at = axis + 1, at + 1
        else:
            index = next(places) if kind == "t" else entry[1]
            picked.append((axis, index))
            at += index.shape.rank if kind == "t" else 0
            axis += 1
    if sum(hasattr(index, "shape") and index.shape.rank != 0 for _, index in picked) > 1:
        raise w.not_written("has several tensors as indices")
    found = w.ref(x)
    if sliced:
        axes, firsts, lasts, steps = zip(*[_bounds(w, *one) for one in sliced], strict=True)
        parts = [w.sizes(list(one)) for one in (firsts, lasts)]
        found = w.op("Slice", [found, *parts, w.ints(axes), w.sizes(list(steps))])
    for place, index in reversed(picked):
        number = w.cast(_given(index), INT64) if not isinstance(index, int) else w.ints(index)
        found = w.op("Gather", [found, number], axis=place)
    return w.op("Unsqueeze", [found, w.ints(added)]) if added else found


def _given(bound: Any) -> Any:
    return bound[1] if type(bound) is tuple else bound


def _bounds(w: Any, axis: int, first: Any, last: Any, by: Any) -> tuple:
    first, last, by = map(_given, (first, last, by))
    step = 1 if by is None else by
    if hasattr(step, "dtype") and (first is None or last is None):
        raise w.not_written("has a step that is a tensor")
    forward = hasattr(step, "dtype") or step > 0
    first = (0 if forward else LAST) if first is None else first
    last = (LAST if forward else -LAST) if last is None else last
    return axis, first, last, step


@writes("sort", "argsort")
def _sort(w: Any, values: Any, axis: int = -1, descending: bool = False) -> Any:
    """Writes it as the largest, or smallest, of all entries."""
    size = values.shape[axis]
    if size is None:
        raise w.not_written("is along an axis of an unknown size")
    kinds = [w.dtype(values), INT64]
    found = w.ops("TopK", [values, w.ints([size])], kinds, axis=int(axis), largest=int(descending))
    return found[0] if w.kind == "Sort" else w.cast(found[1], "int32")
