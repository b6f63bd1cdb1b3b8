"""Writing recorded operations as nodes of TensorFlow's graphs: a row an operation, several nodes where it has none.

A writer is called with what writes the function, the arguments by their places, and the attributes by their names.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.tensor.dtype import as_dtype

# Our name -> TensorFlow's, and the name of its output: element by element.
_UNARY = {
    **{
        name: (kind, "y")
        for name, kind in {
            "abs": "Abs",
            "acos": "Acos",
            "asin": "Asin",
            "atan": "Atan",
            "ceil": "Ceil",
            "cos": "Cos",
            "cosh": "Cosh",
            "erf": "Erf",
            "exp": "Exp",
            "expm1": "Expm1",
            "floor": "Floor",
            "is_finite": "IsFinite",
            "is_inf": "IsInf",
            "is_nan": "IsNan",
            "log": "Log",
            "log1p": "Log1p",
            "logical_not": "LogicalNot",
            "negative": "Neg",
            "reciprocal": "Reciprocal",
            "round": "Round",
            "rsqrt": "Rsqrt",
            "sigmoid": "Sigmoid",
            "sign": "Sign",
            "sin": "Sin",
            "sinh": "Sinh",
            "sqrt": "Sqrt",
            "square": "Square",
            "tan": "Tan",
            "tanh": "Tanh",
            "zeros_like": "ZerosLike",
            "ones_like": "OnesLike",
        }.items()
    },
    "identity": ("Identity", "output"),
    "stop_gradient": ("StopGradient", "output"),
    "relu": ("Relu", "activations"),
    "relu6": ("Relu6", "activations"),
    "selu": ("Selu", "activations"),
    "softplus": ("Softplus", "activations"),
    "softsign": ("Softsign", "activations"),
}
_BINARY = {
    "add": "AddV2",
    "subtract": "Sub",
    "multiply": "Mul",
    "divide": "RealDiv",
    "floordiv": "FloorDiv",
    "floormod": "FloorMod",
    "maximum": "Maximum",
    "minimum": "Minimum",
    "pow": "Pow",
    "squared_difference": "SquaredDifference",
    "divide_no_nan": "DivNoNan",
    "less": "Less",
    "less_equal": "LessEqual",
    "greater": "Greater",
    "greater_equal": "GreaterEqual",
    "equal": "Equal",
    "not_equal": "NotEqual",
    "logical_and": "LogicalAnd",
    "logical_or": "LogicalOr",
}
_WITHOUT_DTYPE = {"LogicalNot", "LogicalAnd", "LogicalOr"}
_REDUCTIONS = {
    "reduce_sum": "Sum",
    "reduce_mean": "Mean",
    "reduce_prod": "Prod",
    "reduce_max": "Max",
    "reduce_min": "Min",
    "reduce_any": "Any",
    "reduce_all": "All",
}
WRITERS: dict[str, Callable] = {}


def _writes(*names: str) -> Callable[[Callable], Callable]:
    def decorate(function: Callable) -> Callable:
        WRITERS.update(dict.fromkeys(names, function))
        return function

    return decorate


def _unary(kind: str, output: str) -> Callable:
    def write(w: Any, x: Any) -> Any:
        return w.op(kind, output, [x], **({} if kind in _WITHOUT_DTYPE else {"T": w.dtype(x)}))

    return write


def _binary(kind: str) -> Callable:
    def write(w: Any, x: Any, y: Any) -> Any:
        dtype = w.common(x, y)
        return w.op(
            kind, "z", [w.ref(x, dtype), w.ref(y, dtype)], **({} if kind in _WITHOUT_DTYPE else {"T": dtype})
        )

    return write


def _reduction(kind: str) -> Callable:
    def write(w: Any, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        axes = range(x.shape.rank) if axis is None else [axis] if isinstance(axis, int) else axis
        given = {} if kind in ("Any", "All") else {"T": w.dtype(x)}
        return w.op(
            kind,
            "output",
            [x, w.whole(list(axes))],
            keep_dims=bool(keepdims),
            Tidx=as_dtype("int32"),
            **given,
        )

    return write


WRITERS.update({name: _unary(*row) for name, row in _UNARY.items()})
WRITERS.update({name: _binary(kind) for name, kind in _BINARY.items()})
WRITERS.update({name: _reduction(kind) for name, kind in _REDUCTIONS.items()})


@_writes("matmul")
def _matmul(w: Any, a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False) -> Any:
    if a.shape.rank == b.shape.rank == 2:
        flags = {"transpose_a": bool(transpose_a), "transpose_b": bool(transpose_b)}
        return w.op("MatMul", "product", [a, b], T=w.dtype(a), **flags)
    return w.op(
        "BatchMatMulV2", "output", [a, b], T=w.dtype(a), adj_x=bool(transpose_a), adj_y=bool(transpose_b)
    )


@_writes("contraction")
def _einsum(w: Any, *inputs: Any, equation: str) -> Any:
    return w.op("Einsum", "output", list(inputs), N=len(inputs), T=w.dtype(inputs[0]), equation=equation)


@_writes("bias_add")
def _bias_add(w: Any, value: Any, bias: Any, data_format: Any = None) -> Any:
    layout = "NCHW" if str(data_format).startswith("NC") else "NHWC"
    return w.op("BiasAdd", "output", [value, bias], T=w.dtype(value), data_format=layout)


def _last_axis(w: Any, x: Any, axis: int, name: str) -> None:
    if axis not in (-1, x.shape.rank - 1):
        raise w.not_written(f"{name} over the axis {axis}, which is not the last one")


@_writes("softmax")
def _softmax(w: Any, logits: Any, axis: int = -1) -> Any:
    _last_axis(w, logits, axis, "softmax")
    return w.op("Softmax", "softmax", [logits], T=w.dtype(logits))


@_writes("log_softmax")
def _log_softmax(w: Any, logits: Any, axis: int = -1) -> Any:
    _last_axis(w, logits, axis, "log_softmax")
    return w.op("LogSoftmax", "logsoftmax", [logits], T=w.dtype(logits))


@_writes("leaky_relu")
def _leaky_relu(w: Any, features: Any, alpha: float = 0.2) -> Any:
    return w.op("LeakyRelu", "activations", [features], T=w.dtype(features), alpha=float(alpha))


@_writes("elu")
def _elu(w: Any, features: Any, alpha: float = 1.0) -> Any:
    dtype = w.dtype(features)
    found = w.op("Elu", "activations", [features], T=dtype)
    if alpha == 1.0:
        return found
    is_above = w.op("Greater", "z", [features, w.ref(0.0, dtype)], T=dtype)
    return w.op("SelectV2", "output", [is_above, found, _z(w, "Mul", found, alpha, dtype)], T=dtype)


def _z(w: Any, kind: str, x: Any, y: Any, dtype: Any) -> Any:
    return w.op(kind, "z", [w.ref(x, dtype), w.ref(y, dtype)], T=dtype)


@_writes("silu")
def _silu(w: Any, features: Any, beta: float = 1.0) -> Any:
    dtype = w.dtype(features)
    scaled = features if beta == 1.0 else _z(w, "Mul", features, beta, dtype)
    return _z(w, "Mul", features, w.op("Sigmoid", "y", [scaled], T=dtype), dtype)


@_writes("gelu")
def _gelu(w: Any, features: Any, approximate: bool = False) -> Any:
    dtype = w.dtype(features)
    if approximate:
        cube = _z(w, "Mul", _z(w, "Mul", features, features, dtype), features, dtype)
        inner = _z(w, "AddV2", features, _z(w, "Mul", cube, 0.044715, dtype), dtype)
        gate = w.op("Tanh", "y", [_z(w, "Mul", inner, math.sqrt(2 / math.pi), dtype)], T=dtype)
    else:
        gate = w.op("Erf", "y", [_z(w, "Mul", features, math.sqrt(0.5), dtype)], T=dtype)
    half = _z(w, "Mul", features, 0.5, dtype)
    return _z(w, "Mul", half, _z(w, "AddV2", gate, 1.0, dtype), dtype)


@_writes("batch_normalization")
def _batch_normalization(
    w: Any,
    x: Any,
    mean: Any,
    variance: Any,
    offset: Any = None,
    scale: Any = None,
    variance_epsilon: float = 0.001,
) -> Any:
    dtype = w.dtype(x)
    factor = w.op("Rsqrt", "y", [_z(w, "AddV2", variance, variance_epsilon, dtype)], T=dtype)
    if scale is not None:
        factor = _z(w, "Mul", factor, scale, dtype)
    found = _z(w, "Mul", _z(w, "Sub", x, mean, dtype), factor, dtype)
    return found if offset is None else _z(w, "AddV2", found, offset, dtype)


def _spatial(sizes: Any) -> list[int]:
    """Returns sizes for the height and the width."""
    found = [sizes, sizes] if isinstance(sizes, int) else [int(size) for size in sizes]
    return found[1:3] if len(found) == 4 else found * 2 if len(found) == 1 else found


def _windows(w: Any, x: Any, data_format: Any, padding: Any) -> dict:
    if x.shape.rank != 4 or str(data_format).startswith(("NC", "channels_first")):
        raise w.not_written(f"windows over {x.shape} in the format {data_format}")
    if padding not in ("SAME", "VALID"):
        raise w.not_written(f"the padding {padding!r}")
    return {"T": w.dtype(x), "padding": padding, "data_format": "NHWC"}


def _as_images(w: Any, kind: str, inputs: list, padding: Any, data_format: Any, **sizes: Any) -> Any:
    """Writes what works on sequences: as images of height 1."""
    if padding not in ("SAME", "VALID") or str(data_format).startswith(("NC", "channels_first")):
        raise w.not_written(f"{kind} with the padding {padding!r} in the format {data_format}")
    dtype = w.dtype(inputs[0])
    high = [_expand_dims(w, one, place) for one, place in zip(inputs, (1, 0), strict=False)]
    given = {name: [1, 1, _spatial(size or 1)[-1], 1] for name, size in sizes.items()}
    found = w.op(kind, "output", high, T=dtype, padding=padding, data_format="NHWC", **given)
    return w.op("Squeeze", "output", [found], T=dtype, squeeze_dims=[1])


@_writes("conv_transpose")
def _conv_transpose(
    w: Any,
    input: Any,
    filters: Any,
    output_shape: Any = None,
    strides: Any = 1,
    padding: Any = "SAME",
    data_format: Any = None,
    dilations: Any = None,
    output_padding: Any = None,
) -> Any:
    further = _windows(w, input, data_format, padding)
    sizes = list(w.output_shape)[1:]
    if None in sizes:
        raise w.not_written("a transposed convolution of images of unknown sizes")
    rows = _getitem(w, _shape(w, input), spec=(("i", 0),))
    shape = w.op("Pack", "output", [rows, *map(w.whole, sizes)], N=4, T=as_dtype("int32"), axis=0)
    given = {"strides": [1, *_spatial(strides), 1], "dilations": [1, *_spatial(dilations or 1), 1]}
    return w.op("Conv2DBackpropInput", "output", [shape, filters, input], **further, **given)


@_writes("tile")
def _tile(w: Any, input: Any, multiples: Any) -> Any:
    given = {"T": w.dtype(input), "Tmultiples": as_dtype("int32")}
    return w.op("Tile", "output", [input, w.sizes(multiples)], **given)


@_writes("pad")
def _pad(w: Any, tensor: Any, paddings: Any, mode: str = "CONSTANT", constant_values: Any = 0) -> Any:
    dtype, sizes = w.dtype(tensor), w.whole([list(pair) for pair in paddings])
    given = {"T": dtype, "Tpaddings": as_dtype("int32")}
    if mode != "CONSTANT":
        return w.op("MirrorPad", "output", [tensor, sizes], mode=mode, **given)
    return w.op("PadV2", "output", [tensor, sizes, w.ref(constant_values, dtype)], **given)


@_writes("layer_norm")
def _layer_norm(
    w: Any,
    x: Any,
    *parameters: Any,
    axis: Any = -1,
    epsilon: float = 1e-3,
    scale: bool = False,
    center: bool = False,
    rms: bool = False,
) -> Any:
    rank, dtype = x.shape.rank, w.dtype(x)
    axes = sorted(one % rank for one in ([axis] if isinstance(axis, int) else axis))
    if axes != list(range(rank - len(axes), rank)):
        raise w.not_written(f"layer normalization over the axes {axes}, which are not the last ones")
    found = x if rms else _z(w, "Sub", x, _mean(w, x, axes, dtype), dtype)
    variance = _mean(w, w.op("Square", "y", [found], T=dtype), axes, dtype)
    factor = w.op("Rsqrt", "y", [_z(w, "AddV2", variance, epsilon, dtype)], T=dtype)
    found, rest = _z(w, "Mul", found, factor, dtype), list(parameters)
    if scale:
        found = _z(w, "Mul", found, rest.pop(0), dtype)
    return _z(w, "AddV2", found, rest.pop(0), dtype) if center else found


def _mean(w: Any, x: Any, axes: list, dtype: Any) -> Any:
    return w.op("Mean", "output", [x, w.whole(axes)], T=dtype, Tidx=as_dtype("int32"), keep_dims=True)


@_writes("attention")
def _attention(
    w: Any,
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    scale: float | None = None,
    is_causal: bool = False,
    soft_cap: float | None = None,
) -> Any:
    if is_causal or soft_cap is not None or query.shape[2] != key.shape[2]:
        raise w.not_written("attention that is causal, capped, or of groups of heads")
    dtype = w.dtype(query)
    factor = 1 / math.sqrt(query.shape[3]) if scale is None else scale
    heads = [_transpose(w, one, order) for one, order in ((query, (0, 2, 1, 3)), (key, (0, 2, 3, 1)))]
    scores = w.op("BatchMatMulV2", "output", [_z(w, "Mul", heads[0], factor, dtype), heads[1]], T=dtype)
    if bias is not None:
        scores = _z(w, "AddV2", scores, bias, dtype)
    if mask is not None:
        scores = w.op("SelectV2", "output", [mask, scores, w.ref(-1e30, dtype)], T=dtype)
    weights = w.op("Softmax", "softmax", [scores], T=dtype)
    rows = _transpose(w, value, (0, 2, 1, 3))
    return _transpose(w, w.op("BatchMatMulV2", "output", [weights, rows], T=dtype), (0, 2, 1, 3))


@_writes("general_relu")
def _general_relu(
    w: Any, x: Any, alpha: float = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> Any:
    dtype = w.dtype(x)
    above = x if max_value is None else _z(w, "Minimum", x, max_value, dtype)
    below = _z(w, "Mul", _z(w, "Sub", x, threshold, dtype), alpha, dtype)
    is_above = w.op("Greater", "z", [x, w.ref(threshold, dtype)], T=dtype)
    return w.op("SelectV2", "output", [is_above, above, below], T=dtype)


@_writes("reverse")
def _reverse(w: Any, tensor: Any, axis: Any) -> Any:
    axes = [axis] if isinstance(axis, int) else list(axis)
    return w.op("ReverseV2", "output", [tensor, w.whole(axes)], T=w.dtype(tensor), Tidx=as_dtype("int32"))


@_writes("cumsum")
def _cumsum(w: Any, x: Any, axis: int = 0, exclusive: bool = False, reverse: bool = False) -> Any:
    given = {"T": w.dtype(x), "Tidx": as_dtype("int32"), "exclusive": exclusive, "reverse": reverse}
    return w.op("Cumsum", "out", [x, w.whole(axis)], **given)


@_writes("argmax", "argmin")
def _argmax(w: Any, input: Any, axis: Any = 0, output_type: Any = "int64") -> Any:
    given = {"T": w.dtype(input), "Tidx": as_dtype("int32"), "output_type": as_dtype(output_type)}
    return w.op(w.kind, "output", [input, w.whole(axis or 0)], **given)


@_writes("one_hot")
def _one_hot(
    w: Any, indices: Any, depth: Any, on: Any = 1, off: Any = 0, axis: int = -1, dtype: Any = "float32"
) -> Any:
    kind = as_dtype(dtype)
    inputs = [indices, w.whole(depth), w.ref(on, kind), w.ref(off, kind)]
    return w.op("OneHot", "output", inputs, T=kind, TI=w.dtype(indices), axis=axis)


@_writes("convolution")
def _convolution(
    w: Any,
    input: Any,
    filters: Any,
    strides: Any = 1,
    padding: Any = "VALID",
    data_format: Any = None,
    dilations: Any = 1,
) -> Any:
    if input.shape.rank == 3:
        return _as_images(
            w, "Conv2D", [input, filters], padding, data_format, strides=strides, dilations=dilations
        )
    further = _windows(w, input, data_format, padding)
    sizes = {"strides": [1, *_spatial(strides), 1], "dilations": [1, *_spatial(dilations or 1), 1]}
    return w.op("Conv2D", "output", [input, filters], **further, **sizes)


@_writes("depthwise_conv")
def _depthwise(
    w: Any,
    input: Any,
    filter: Any,
    strides: Any = 1,
    padding: Any = "VALID",
    data_format: Any = None,
    dilations: Any = 1,
) -> Any:
    further = _windows(w, input, data_format, padding)
    sizes = {"strides": [1, *_spatial(strides), 1], "dilations": [1, *_spatial(dilations or 1), 1]}
    return w.op("DepthwiseConv2dNative", "output", [input, filter], **further, **sizes)


def _pool(kind: str) -> Callable:
    def write(
        w: Any,
        input: Any,
        ksize: Any = 2,
        strides: Any = 2,
        padding: Any = "VALID",
        data_format: Any = None,
        dilations: Any = None,
    ) -> Any:
        if set(np.ravel(1 if dilations is None else dilations).tolist()) != {1}:
            raise w.not_written(f"{kind} with the dilations {dilations!r}")
        if input.shape.rank == 3:
            return _as_images(w, kind, [input], padding, data_format, ksize=ksize, strides=strides)
        further = _windows(w, input, data_format, padding)
        sizes = {"ksize": [1, *_spatial(ksize), 1], "strides": [1, *_spatial(strides), 1]}
        return w.op(kind, "output", [input], **further, **sizes)

    return write


WRITERS["max_pool"] = _pool("MaxPool")
WRITERS["avg_pool"] = _pool("AvgPool")


@_writes("reshape")
def _reshape(w: Any, tensor: Any, shape: Any) -> Any:
    return w.op("Reshape", "output", [tensor, w.sizes(shape)], T=w.dtype(tensor), Tshape=as_dtype("int32"))


@_writes("transpose")
def _transpose(w: Any, a: Any, perm: Any = None, conjugate: bool = False) -> Any:
    order = list(reversed(range(a.shape.rank))) if perm is None else list(perm)
    kind = "ConjugateTranspose" if conjugate else "Transpose"
    return w.op(kind, "y", [a, w.whole(order)], T=w.dtype(a), Tperm=as_dtype("int32"))


@_writes("concat")
def _concat(w: Any, *values: Any, axis: int = 0) -> Any:
    given = {"N": len(values), "T": w.dtype(values[0]), "Tidx": as_dtype("int32")}
    return w.op("ConcatV2", "output", [*values, w.whole(axis)], **given)


@_writes("stack")
def _stack(w: Any, *values: Any, axis: int = 0) -> Any:
    dtype = w.common(*values)
    return w.op(
        "Pack", "output", [w.ref(one, dtype) for one in values], N=len(values), T=dtype, axis=int(axis)
    )


@_writes("expand_dims")
def _expand_dims(w: Any, input: Any, axis: Any) -> Any:
    return w.op("ExpandDims", "output", [input, w.whole(axis)], T=w.dtype(input), Tdim=as_dtype("int32"))


@_writes("squeeze")
def _squeeze(w: Any, input: Any, axis: Any = None) -> Any:
    axes = [] if axis is None else [axis] if isinstance(axis, int) else list(axis)
    return w.op("Squeeze", "output", [input], T=w.dtype(input), squeeze_dims=axes)


@_writes("cast")
def _cast(w: Any, x: Any, dtype: Any) -> Any:
    return w.op("Cast", "y", [x], SrcT=w.dtype(x), DstT=as_dtype(dtype))


@_writes("shape_vector")
def _shape(w: Any, input: Any, out_type: Any = "int32") -> Any:
    return w.op("Shape", "output", [input], T=w.dtype(input), out_type=as_dtype(out_type))


@_writes("gather")
def _gather(w: Any, params: Any, indices: Any, axis: int = 0, batch_dims: int = 0) -> Any:
    given = {"Tparams": w.dtype(params), "Tindices": w.dtype(indices), "Taxis": as_dtype("int32")}
    return w.op(
        "GatherV2", "output", [params, indices, w.whole(axis or 0)], batch_dims=int(batch_dims), **given
    )


@_writes("where")
def _where(w: Any, x: Any, y: Any, condition: Any) -> Any:
    dtype = w.common(x, y)
    return w.op("SelectV2", "output", [condition, w.ref(x, dtype), w.ref(y, dtype)], T=dtype)


@_writes("clip_by_value")
def _clip(w: Any, t: Any, low: Any, high: Any) -> Any:
    dtype = w.dtype(t)
    return _z(w, "Maximum", _z(w, "Minimum", t, high, dtype), low, dtype)


@_writes("getitem")
def _getitem(w: Any, x: Any, *indices: Any, spec: Any) -> Any:
    begin, end, step = [], [], []
    masks = dict.fromkeys(("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask"), 0)
    for place, entry in enumerate(spec):
        kind, bit = entry[0], 1 << place
        first, last, by = 0, 0, 1
        if kind == "i":
            first, last = entry[1], entry[1] + 1
            masks["shrink_axis_mask"] |= bit
        elif kind == "s" and all(one is None or isinstance(one, int) for one in entry[1:]):
            by = 1 if entry[3] is None else entry[3]
            first, last = entry[1] or 0, entry[2] or 0
            masks["begin_mask"] |= bit if entry[1] is None else 0
            masks["end_mask"] |= bit if entry[2] is None else 0
        elif kind in ("n", "e"):
            masks["new_axis_mask" if kind == "n" else "ellipsis_mask"] |= bit
        else:
            raise w.not_written(f"the index {entry!r}")
        begin.append(first)
        end.append(last)
        step.append(by)
    parts = [w.whole(begin), w.whole(end), w.whole(step)]
    return w.op("StridedSlice", "output", [x, *parts], T=w.dtype(x), Index=as_dtype("int32"), **masks)
