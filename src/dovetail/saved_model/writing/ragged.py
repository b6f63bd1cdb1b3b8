"""Writers of what is done to the rows of ragged tensors."""

from __future__ import annotations

from typing import Any

from dovetail.graph.walking import Written
from dovetail.saved_model.writing.nodes import INT32
from dovetail.saved_model.writing.table import writes, z

_SEGMENTS = {
    "sum": "UnsortedSegmentSum",
    "mean": "UnsortedSegmentSum",
    "prod": "UnsortedSegmentProd",
    "max": "UnsortedSegmentMax",
    "min": "UnsortedSegmentMin",
}


def _bound(w: Any, x: Any, begin: int, end: int | None) -> Written:
    parts = [w.whole([begin]), w.whole([end or 0]), w.whole([1])]
    masks = {"end_mask": 1} if end is None else {}
    return w.op("StridedSlice", "output", [x, *parts], T=w.dtype(x), Index=INT32, **masks)


def _count(w: Any, x: Any, kind: Any) -> Written:
    """Writes the size of the first axis."""
    shape = w.op("Shape", "output", [x], T=w.dtype(x), out_type=kind)
    parts = [w.whole([0]), w.whole([1]), w.whole([1])]
    return w.op("StridedSlice", "output", [shape, *parts], T=kind, Index=INT32, shrink_axis_mask=1)


@writes("value_rowids")
def row_ids(w: Any, splits: Any, values: Any) -> Written:
    """Writes the row of each value: how many rows begin before it or with it, less one."""
    kind = w.dtype(splits)
    ends = [w.ref(0, kind), _count(w, values, kind), w.ref(1, kind)]
    places = w.ops("Range", {"output": kind}, ends, Tidx=kind)[0]
    rows = [
        w.op("ExpandDims", "output", [one, w.whole(0)], T=kind, Tdim=INT32)
        for one in (_bound(w, splits, 0, -1), places)
    ]
    found = w.ops("UpperBound", {"output": kind}, rows, T=kind, out_type=kind)[0]
    flat = w.op("Reshape", "output", [found, w.whole([-1])], T=kind, Tshape=INT32)
    return z(w, "Sub", flat, 1, kind)


@writes("reduce_rows")
def _reduce_rows(w: Any, values: Any, splits: Any, *, how: str) -> Written:
    if how not in _SEGMENTS or (how == "mean" and values.shape.rank != 1):
        raise w.not_written(f"the reduction {how!r} of ragged rows")
    kind, dtype = w.dtype(splits), w.dtype(values)
    num = z(w, "Sub", _count(w, splits, kind), 1, kind)
    given = {"T": dtype, "Tindices": kind, "Tnumsegments": kind}
    found = w.op(_SEGMENTS[how], "output", [values, row_ids(w, splits, values), num], **given)
    if how != "mean":
        return found
    lengths = z(w, "Sub", _bound(w, splits, 1, None), _bound(w, splits, 0, -1), kind)
    return z(w, "RealDiv", found, w.op("Cast", "y", [lengths], SrcT=kind, DstT=dtype), dtype)
