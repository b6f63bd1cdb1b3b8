"""Writers of what works element by element, and of reductions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.export.onnx.graph import BOOL, INT32
from dovetail.export.onnx.table import WRITERS, writes
from dovetail.tensor.dtype import as_dtype

# Our name -> ONNX' operator with one operand.
_UNARY = {
    **{
        name: name.capitalize() for name in ("abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil")
    },
    **{
        name: name.capitalize()
        for name in ("cos", "cosh", "erf", "exp", "floor", "log", "reciprocal", "relu")
    },
    **{name: name.capitalize() for name in ("round", "selu", "sigmoid", "sign", "sin", "sinh", "softplus")},
    **{name: name.capitalize() for name in ("softsign", "sqrt", "tan", "tanh", "identity")},
    "hard_silu": "HardSwish",
    "logical_not": "Not",
    "negative": "Neg",
    "rint": "Round",
    "stop_gradient": "Identity",
}
_BINARY = {
    "add": "Add",
    "subtract": "Sub",
    "multiply": "Mul",
    "maximum": "Max",
    "minimum": "Min",
    "logical_and": "And",
    "logical_or": "Or",
    "logical_xor": "Xor",
}
_COMPARE = {
    "less": "Less",
    "less_equal": "LessOrEqual",
    "greater": "Greater",
    "greater_equal": "GreaterOrEqual",
    "equal": "Equal",
}
_REDUCTIONS = {
    "reduce_sum": "ReduceSum",
    "reduce_mean": "ReduceMean",
    "reduce_prod": "ReduceProd",
    "reduce_max": "ReduceMax",
    "reduce_min": "ReduceMin",
    "reduce_logsumexp": "ReduceLogSumExp",
    "reduce_euclidean_norm": "ReduceL2",
}
_AXES_ARE_INPUTS = 18  # of reductions, from this version on


def _unary(kind: str) -> Callable:
    return lambda w, x: w.op(kind, [x])


def _binary(kind: str) -> Callable:
    return lambda w, x, y: w.z(kind, x, y)


def _comparison(kind: str) -> Callable:
    def write(w: Any, x: Any, y: Any) -> Any:
        common = w.common(x, y)
        return w.op(kind, [w.ref(x, common), w.ref(y, common)], dtype=BOOL)

    return write


def reduced(w: Any, kind: str, x: Any, axis: Any = None, keepdims: bool = True) -> Any:
    """Writes a reduction over an axis, axes, or all."""
    axes = (
        None
        if axis is None
        else [int(axis)]
        if isinstance(axis, int | np.integer)
        else [int(a) for a in axis]
    )
    given = w.ref(x)
    if axes == []:
        return given
    as_input = w.opset >= _AXES_ARE_INPUTS or kind == "ReduceSum"
    if axes is None:
        return w.op(kind, [given], keepdims=int(keepdims))
    if as_input:
        return w.op(kind, [given, w.ints(axes)], keepdims=int(keepdims))
    return w.op(kind, [given], axes=axes, keepdims=int(keepdims))


def _reduction(kind: str) -> Callable:
    def write(w: Any, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        if kind == "ReduceMean" and not w.dtype(x).is_floating:
            raise w.not_written(f"is a mean of {w.dtype(x).name}")
        return reduced(w, kind, x, axis, keepdims)

    return write


def _of_booleans(kind: str) -> Callable:
    def write(w: Any, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return w.cast(reduced(w, kind, w.cast(x, INT32), axis, keepdims), BOOL)

    return write


WRITERS.update({name: _unary(kind) for name, kind in _UNARY.items()})
WRITERS.update({name: _binary(kind) for name, kind in _BINARY.items()})
WRITERS.update({name: _comparison(kind) for name, kind in _COMPARE.items()})
WRITERS.update({name: _reduction(kind) for name, kind in _REDUCTIONS.items()})
WRITERS["reduce_any"], WRITERS["reduce_all"] = _of_booleans("ReduceMax"), _of_booleans("ReduceMin")


@writes("not_equal")
def _not_equal(w: Any, x: Any, y: Any) -> Any:
    return w.op("Not", [WRITERS["equal"](w, x, y)])


@writes("divide")
def _divide(w: Any, x: Any, y: Any) -> Any:
    dtype = w.common(x, y)
    if dtype.is_integer:
        wide = as_dtype("float64")
        return w.z("Div", w.cast(w.ref(x, dtype), wide), w.cast(w.ref(y, dtype), wide))
    return w.z("Div", x, y)


@writes("divide_no_nan")
def _divide_no_nan(w: Any, x: Any, y: Any) -> Any:
    dtype = w.common(x, y)
    is_zero = w.op("Equal", [w.ref(y, dtype), w.ref(0.0, dtype)], dtype=BOOL)
    return w.op("Where", [is_zero, w.ref(0.0, dtype), w.z("Div", x, y)], dtype=dtype)


@writes("floormod")
def _floormod(w: Any, x: Any, y: Any) -> Any:
    dtype = w.common(x, y)
    if dtype.is_integer:
        return w.z("Mod", x, y)  # has the sign of the divisor
    whole = w.op("Floor", [w.z("Div", x, y)])
    return w.z("Sub", x, w.z("Mul", whole, y))


@writes("floordiv")
def _floordiv(w: Any, x: Any, y: Any) -> Any:
    dtype = w.common(x, y)
    if not dtype.is_integer:
        return w.op("Floor", [w.z("Div", x, y)])
    return w.z("Div", w.z("Sub", x, w.z("Mod", x, y)), y)


@writes("pow")
def _pow(w: Any, x: Any, y: Any) -> Any:
    return w.z("Pow", x, y)


@writes("squared_difference")
def _squared_difference(w: Any, x: Any, y: Any) -> Any:
    found = w.z("Sub", x, y)
    return w.z("Mul", found, found)


@writes("square")
def _square(w: Any, x: Any) -> Any:
    return w.z("Mul", x, x)


@writes("rsqrt")
def _rsqrt(w: Any, x: Any) -> Any:
    return w.op("Reciprocal", [w.op("Sqrt", [x])])


@writes("expm1")
def _expm1(w: Any, x: Any) -> Any:
    half = w.op(
        "Tanh", [w.z("Mul", x, 0.5)]
    )  # exp(x) - 1 = 2 t / (1 - t), which keeps the digits of small numbers
    small = w.z("Div", w.z("Add", half, half), w.z("Sub", 1.0, half))
    near = w.op("Less", [w.op("Abs", [x]), w.constant(0.5, w.dtype(x))], dtype=BOOL)
    return w.op("Where", [near, small, w.z("Sub", w.op("Exp", [x]), 1.0)], dtype=w.dtype(x))


@writes("log1p")
def _log1p(w: Any, x: Any) -> Any:
    more = w.z("Add", x, 1.0)  # what its rounding takes from x, the quotient gives back
    exact = w.z("Mul", w.op("Log", [more]), w.z("Div", x, w.z("Sub", more, 1.0)))
    same = w.op("Equal", [more, w.constant(1.0, w.dtype(x))], dtype=BOOL)
    return w.op("Where", [same, x, exact], dtype=w.dtype(x))


@writes("is_nan")
def _is_nan(w: Any, x: Any) -> Any:
    return w.op("IsNaN", [x], dtype=BOOL)


@writes("is_inf")
def _is_inf(w: Any, x: Any) -> Any:
    return w.op("IsInf", [x], dtype=BOOL)


@writes("is_finite")
def _is_finite(w: Any, x: Any) -> Any:
    return w.op("Not", [w.z("Or", _is_nan(w, x), _is_inf(w, x))])


def clipped(w: Any, x: Any, low: float, high: float) -> Any:
    dtype = w.dtype(x)
    return w.op("Clip", [x, w.ref(low, dtype), w.ref(high, dtype)])


@writes("relu6")
def _relu6(w: Any, x: Any) -> Any:
    return clipped(w, x, 0.0, 6.0)


@writes("hard_sigmoid")
def _hard_sigmoid(w: Any, x: Any) -> Any:
    return w.op("HardSigmoid", [x], alpha=1 / 6, beta=0.5)


@writes("hard_tanh")
def _hard_tanh(w: Any, x: Any) -> Any:
    return clipped(w, x, -1.0, 1.0)


@writes("_clipped")
def _sloped(w: Any, x: Any, low: float, high: float, slope: float, offset: float) -> Any:
    return clipped(w, w.z("Add", w.z("Mul", x, slope), offset), low, high)


@writes("log_sigmoid")
def _log_sigmoid(w: Any, x: Any) -> Any:
    return w.op("Neg", [w.op("Softplus", [w.op("Neg", [x])])])


@writes("mish")
def _mish(w: Any, x: Any) -> Any:
    return w.z("Mul", x, w.op("Tanh", [w.op("Softplus", [x])]))


@writes("tanh_shrink")
def _tanh_shrink(w: Any, x: Any) -> Any:
    return w.z("Sub", x, w.op("Tanh", [x]))


@writes("squareplus")
def _squareplus(w: Any, x: Any, b: float = 4.0) -> Any:
    root = w.op("Sqrt", [w.z("Add", w.z("Mul", x, x), b)])
    return w.z("Mul", w.z("Add", x, root), 0.5)


@writes("celu")
def _celu(w: Any, x: Any, alpha: float = 1.0) -> Any:
    return w.op("Celu", [x], alpha=float(alpha))


@writes("softmax", "log_softmax")
def _softmax(w: Any, logits: Any, axis: Any = -1) -> Any:
    kind = w.kind
    axes = [axis] if isinstance(axis, int) else list(axis)
    if len(axes) == 1:
        return w.op(kind, [logits], axis=axes[0])
    rest = w.z("Sub", logits, reduced(w, "ReduceMax", logits, axes))
    total = reduced(w, "ReduceSum", w.op("Exp", [rest]), axes)
    if kind == "LogSoftmax":
        return w.z("Sub", rest, w.op("Log", [total]))
    return w.z("Div", w.op("Exp", [rest]), total)


@writes("leaky_relu")
def _leaky_relu(w: Any, features: Any, alpha: float = 0.2) -> Any:
    return w.op("LeakyRelu", [features], alpha=float(alpha))


@writes("elu")
def _elu(w: Any, features: Any, alpha: float = 1.0) -> Any:
    return w.op("Elu", [features], alpha=float(alpha))


@writes("silu")
def _silu(w: Any, features: Any, beta: float = 1.0) -> Any:
    scaled = features if beta == 1.0 else w.z("Mul", features, beta)
    return w.z("Mul", features, w.op("Sigmoid", [scaled]))


@writes("gelu")
def _gelu(w: Any, features: Any, approximate: bool = False) -> Any:
    if approximate:
        cube = w.z("Mul", w.z("Mul", features, features), features)
        inner = w.z("Add", features, w.z("Mul", cube, 0.044715))
        gate = w.op("Tanh", [w.z("Mul", inner, math.sqrt(2 / math.pi))])
    else:
        gate = w.op("Erf", [w.z("Mul", features, math.sqrt(0.5))])
    return w.z("Mul", w.z("Mul", features, 0.5), w.z("Add", gate, 1.0))


@writes("general_relu")
def _general_relu(
    w: Any, x: Any, alpha: float = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> Any:
    dtype = w.dtype(x)
    above = x if max_value is None else w.z("Min", x, max_value)
    below = w.z("Mul", w.z("Sub", x, threshold), alpha)
    is_above = w.op("GreaterOrEqual", [x, w.ref(threshold, dtype)], dtype=BOOL)
    return w.op("Where", [is_above, above, below], dtype=dtype)


@writes("threshold")
def _threshold(w: Any, x: Any, threshold: float, default_value: float) -> Any:
    dtype = w.dtype(x)
    is_above = w.op("Greater", [x, w.ref(threshold, dtype)], dtype=BOOL)
    return w.op("Where", [is_above, x, w.ref(default_value, dtype)], dtype=dtype)


@writes("where")
def _where(w: Any, x: Any, y: Any, condition: Any) -> Any:
    dtype = w.common(x, y)
    return w.op("Where", [w.cast(condition, BOOL), w.ref(x, dtype), w.ref(y, dtype)], dtype=dtype)


@writes("clip_by_value")
def _clip(w: Any, t: Any, low: Any, high: Any) -> Any:
    return w.z("Max", w.z("Min", t, high), low)


@writes("cast")
def _cast(w: Any, x: Any, dtype: Any) -> Any:
    return w.cast(x, dtype)
