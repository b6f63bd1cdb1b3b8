"""Writers of what makes, arranges and picks tensors, and of products."""

from __future__ import annotations

from typing import Any

from dovetail.saved_model.writing.table import writes
from dovetail.tensor.dtype import as_dtype


@writes("matmul")
def _matmul(w: Any, a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False) -> Any:
    dtype = w.dtype(a)
    if not (dtype.is_floating or dtype.is_complex or dtype.name in ("int32", "int64")):
        raise w.not_written(f"a product of matrices of {dtype.name}")  # TensorFlow has none; a module does it
    if a.shape.rank == b.shape.rank == 2:
        flags = {"transpose_a": bool(transpose_a), "transpose_b": bool(transpose_b)}
        return w.op("MatMul", "product", [a, b], T=w.dtype(a), **flags)
    return w.op(
        "BatchMatMulV2", "output", [a, b], T=w.dtype(a), adj_x=bool(transpose_a), adj_y=bool(transpose_b)
    )


@writes("contraction")
def _einsum(w: Any, *inputs: Any, equation: str) -> Any:
    return w.op("Einsum", "output", list(inputs), N=len(inputs), T=w.dtype(inputs[0]), equation=equation)


@writes("tile")
def _tile(w: Any, input: Any, multiples: Any) -> Any:
    given = {"T": w.dtype(input), "Tmultiples": as_dtype("int32")}
    return w.op("Tile", "output", [input, w.sizes(multiples)], **given)


@writes("pad")
def _pad(w: Any, tensor: Any, paddings: Any, mode: str = "CONSTANT", constant_values: Any = 0) -> Any:
    dtype, sizes = w.dtype(tensor), w.whole([list(pair) for pair in paddings])
    given = {"T": dtype, "Tpaddings": as_dtype("int32")}
    if mode.upper() != "CONSTANT":
        return w.op("MirrorPad", "output", [tensor, sizes], mode=mode.upper(), **given)
    return w.op("PadV2", "output", [tensor, sizes, w.ref(constant_values, dtype)], **given)


def mean(w: Any, x: Any, axes: list, dtype: Any) -> Any:
    return w.op("Mean", "output", [x, w.whole(axes)], T=dtype, Tidx=as_dtype("int32"), keep_dims=True)


@writes("reverse")
def _reverse(w: Any, tensor: Any, axis: Any) -> Any:
    axes = [axis] if isinstance(axis, int) else list(axis)
    return w.op("ReverseV2", "output", [tensor, w.whole(axes)], T=w.dtype(tensor), Tidx=as_dtype("int32"))


@writes("cumsum")
def _cumsum(w: Any, x: Any, axis: int = 0, exclusive: bool = False, reverse: bool = False) -> Any:
    given = {"T": w.dtype(x), "Tidx": as_dtype("int32"), "exclusive": exclusive, "reverse": reverse}
    return w.op("Cumsum", "out", [x, w.whole(axis)], **given)


@writes("argmax", "argmin")
def _argmax(w: Any, input: Any, axis: Any = 0, output_type: Any = "int64") -> Any:
    given = {"T": w.dtype(input), "Tidx": as_dtype("int32"), "output_type": as_dtype(output_type)}
    return w.op(w.kind, "output", [input, w.whole(axis or 0)], **given)


@writes("one_hot")
def _one_hot(
    w: Any, indices: Any, depth: Any, on: Any = 1, off: Any = 0, axis: int = -1, dtype: Any = "float32"
) -> Any:
    kind = as_dtype(dtype)
    places, dtype, wide = w.ref(indices), w.dtype(indices), as_dtype("int64")
    if dtype.name not in ("uint8", "int8", "int32", "int64"):  # TensorFlow's operation takes no others
        places, dtype = w.op("Cast", "y", [places], SrcT=dtype, DstT=wide), wide
    inputs = [places, w.whole(depth), w.ref(on, kind), w.ref(off, kind)]
    return w.op("OneHot", "output", inputs, T=kind, TI=dtype, axis=axis)


@writes("reshape")
def _reshape(w: Any, tensor: Any, shape: Any) -> Any:
    return w.op("Reshape", "output", [tensor, w.sizes(shape)], T=w.dtype(tensor), Tshape=as_dtype("int32"))


@writes("transpose")
def transpose(w: Any, a: Any, perm: Any = None, conjugate: bool = False) -> Any:
    order = list(reversed(range(a.shape.rank))) if perm is None else list(perm)
    kind = "ConjugateTranspose" if conjugate else "Transpose"
    return w.op(kind, "y", [a, w.whole(order)], T=w.dtype(a), Tperm=as_dtype("int32"))


@writes("concat")
def concat(w: Any, *values: Any, axis: int = 0) -> Any:
    given = {"N": len(values), "T": w.dtype(values[0]), "Tidx": as_dtype("int32")}
    return w.op("ConcatV2", "output", [*values, w.whole(axis)], **given)


@writes("stack")
def stack(w: Any, *values: Any, axis: int = 0) -> Any:
    dtype = w.common(*values)
    return w.op(
        "Pack", "output", [w.ref(one, dtype) for one in values], N=len(values), T=dtype, axis=int(axis)
    )


@writes("expand_dims")
def expand_dims(w: Any, input: Any, axis: Any) -> Any:
    axes = [axis] if isinstance(axis, int) else list(axis)
    if len(axes) > 1:  # of the result, and TensorFlow's operation adds one axis
        axes = sorted(one % (input.shape.rank + len(axes)) for one in axes)
    found = input
    for one in axes:
        given = {"T": w.dtype(input), "Tdim": as_dtype("int32")}
        found = w.op("ExpandDims", "output", [found, w.whole(one)], **given)
    return found


@writes("squeeze")
def _squeeze(w: Any, input: Any, axis: Any = None) -> Any:
    axes = [] if axis is None else [axis] if isinstance(axis, int) else list(axis)
    return w.op("Squeeze", "output", [input], T=w.dtype(input), squeeze_dims=axes)


@writes("cast")
def cast(w: Any, x: Any, dtype: Any) -> Any:
    return w.op("Cast", "y", [x], SrcT=w.dtype(x), DstT=as_dtype(dtype))


@writes("shape_vector")
def shape_of(w: Any, input: Any, out_type: Any = "int32") -> Any:
    return w.op("Shape", "output", [input], T=w.dtype(input), out_type=as_dtype(out_type))


@writes("gather")
def _gather(w: Any, params: Any, indices: Any, axis: int = 0, batch_dims: int = 0) -> Any:
    given = {"Tparams": w.dtype(params), "Tindices": w.dtype(indices), "Taxis": as_dtype("int32")}
    return w.op(
        "GatherV2", "output", [params, indices, w.whole(axis or 0)], batch_dims=int(batch_dims), **given
    )


class _Slices:
    """The attributes and inputs of a `StridedSlice`.

    Args:
        w: what writes the function.
    """

    def __init__(self, w: Any) -> None:
        self._w = w
        self._bounds: list[list] = [[], [], []]
        names = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")
        self.masks = dict.fromkeys(names, 0)

    def add(self, first: Any, last: Any, by: Any, *masks: str) -> None:
        """Adds an entry; a bound that is None is masked."""
        bit = 1 << len(self._bounds[0])
        for mask in (*masks, *(["begin_mask"] * (first is None)), *(["end_mask"] * (last is None))):
            self.masks[mask] |= bit
        for into, value in zip(self._bounds, (first or 0, last or 0, 1 if by is None else by), strict=True):
            into.append(value[1] if type(value) is tuple else value)

    def of(self, x: Any) -> Any:
        """Writes the slice of a tensor."""
        parts = [self._w.sizes(part) for part in self._bounds]
        return self._w.op(
            "StridedSlice", "output", [x, *parts], T=self._w.dtype(x), Index=as_dtype("int32"), **self.masks
        )


@writes("getitem")
def getitem(w: Any, x: Any, *indices: Any, spec: Any) -> Any:
    slices, axis, gathered = _Slices(w), 0, []
    for entry in spec:
        kind = entry[0]
        if kind == "i":
            slices.add(entry[1], entry[1] + 1, 1, "shrink_axis_mask")
            continue
        if kind == "s":
            slices.add(*entry[1:])
        elif kind == "t":
            slices.add(None, None, 1)
            gathered.append(axis)
        else:
            slices.add(0, 0, 1, "new_axis_mask" if kind == "n" else "ellipsis_mask")
            if kind == "e" and len(indices) > len(gathered):
                axis = axis + x.shape.rank - sum(one[0] in "ist" for one in spec) - 1
        axis += 1
    if len(gathered) > 1:
        raise w.not_written("an index with several tensors")
    found = slices.of(x)
    return _gathered(w, x, found, indices[0], spec, gathered[0]) if gathered else found


def _gathered(w: Any, x: Any, found: Any, index: Any, spec: Any, axis: int) -> Any:
    """Writes the choice of entries along an axis; negative places count from the end."""
    kind = w.dtype(index)
    before = [entry[0] for entry in spec[: [entry[0] for entry in spec].index("t")]]
    place = axis if "e" in before else sum(one in "ist" for one in before)
    own = place if "e" not in before else axis + before.count("i") - before.count("n")
    size = w.op("Shape", "output", [x], T=w.dtype(x), out_type=kind)
    end = _Slices(w)
    end.add(own, own + 1, 1, "shrink_axis_mask")
    moved = w.op("AddV2", "z", [index, end.of(size)], T=kind)
    is_negative = w.op("Less", "z", [index, w.ref(0, kind)], T=kind)
    index = w.op("SelectV2", "output", [is_negative, moved, index], T=kind)
    given = {"Tparams": w.dtype(x), "Tindices": kind, "Taxis": as_dtype("int32"), "batch_dims": 0}
    return w.op("GatherV2", "output", [found, index, w.whole(axis)], **given)
