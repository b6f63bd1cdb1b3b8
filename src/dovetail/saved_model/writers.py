"""Writing recorded operations as nodes of TensorFlow's graphs: a row an operation, several nodes where it has none.

A writer is called with what writes the function, the arguments by their places, and the attributes by their names.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

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
    "elu": ("Elu", "activations"),
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
    return w.op("Transpose", "y", [a, w.whole(order)], T=w.dtype(a), Tperm=as_dtype("int32"))


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
