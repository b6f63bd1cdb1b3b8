"""Writers of what works element by element, and of reductions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from dovetail.saved_model.writing.table import WRITERS, writes, z
from dovetail.tensor.dtype import as_dtype

# Our name -> TensorFlow's, and the name of its output: element by element.
_UNARY = {
    **{
        name: (kind, "y")
        for name, kind in {
            "acos": "Acos",
            "acosh": "Acosh",
            "asin": "Asin",
            "asinh": "Asinh",
            "atan": "Atan",
            "atanh": "Atanh",
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
# TensorFlow's dtypes of what it does not have for all; of others, modules are written.
_FLOATING = ("float16", "bfloat16", "float32", "float64")
_SIGNED = (*_FLOATING, "int8", "int16", "int32", "int64")
_REAL = (*_SIGNED, "uint8", "uint16", "uint32", "uint64")
_COMPLEX = ("complex64", "complex128")
_INEXACT = (*_FLOATING, *_COMPLEX)
_TAKEN: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("IsFinite", "IsInf", "IsNan", "Selu", "Softplus", "Softsign", "LeakyRelu"), _FLOATING),
    **dict.fromkeys(("Maximum", "Minimum", "Less", "LessEqual", "Greater", "GreaterEqual"), _REAL),
    **dict.fromkeys(("Relu", "Relu6", "FloorMod", "FloorDiv", "Max", "Min"), _REAL),
    **dict.fromkeys(("RealDiv", "Reciprocal", "DivNoNan"), _INEXACT),
    **dict.fromkeys(("Neg", "Pow", "Sign"), (*_SIGNED, *_COMPLEX)),
    "Abs": _SIGNED,
    "Round": (*_FLOATING, "int32", "int64"),
    **dict.fromkeys(("Square", "AddV2", "Sub", "Mul", "Sum", "Prod"), (*_REAL, *_COMPLEX)),
}
_REDUCTIONS = {
    "reduce_sum": "Sum",
    "reduce_mean": "Mean",
    "reduce_prod": "Prod",
    "reduce_max": "Max",
    "reduce_min": "Min",
    "reduce_any": "Any",
    "reduce_all": "All",
}


def _require(w: Any, kind: str, dtype: Any) -> None:
    """Raises NotImplementedError where TensorFlow does not have an operation for a dtype."""
    if dtype.name not in _TAKEN.get(kind, (dtype.name,)):
        raise w.not_written(f"{kind} of {dtype.name}")


def _unary(kind: str, output: str) -> Callable:
    def write(w: Any, x: Any) -> Any:
        _require(w, kind, w.dtype(x))
        return w.op(kind, output, [x], **({} if kind in _WITHOUT_DTYPE else {"T": w.dtype(x)}))

    return write


def _binary(kind: str) -> Callable:
    def write(w: Any, x: Any, y: Any) -> Any:
        dtype = w.common(x, y)
        _require(w, kind, dtype)
        return w.op(
            kind, "z", [w.ref(x, dtype), w.ref(y, dtype)], **({} if kind in _WITHOUT_DTYPE else {"T": dtype})
        )

    return write


def _reduction(kind: str) -> Callable:
    def write(w: Any, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        _require(w, kind, w.dtype(x))
        if axis is None and x.shape.rank is None:
            if keepdims:
                raise w.not_written(f"{kind} with keepdims of a tensor whose rank is not known")
            x, axis = w.op("Reshape", "output", [x, w.whole([-1])], T=w.dtype(x), Tshape=as_dtype("int32")), 0
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


@writes("abs")
def _abs(w: Any, x: Any) -> Any:
    dtype = w.dtype(x)
    if not dtype.is_complex:
        _require(w, "Abs", dtype)
        return w.op("Abs", "y", [x], T=dtype)
    return w.ops("ComplexAbs", {"y": dtype.real_dtype}, [x], T=dtype, Tout=dtype.real_dtype)[0]


WRITERS.update({name: _binary(kind) for name, kind in _BINARY.items()})
WRITERS.update({name: _reduction(kind) for name, kind in _REDUCTIONS.items()})


def _last_axis(w: Any, x: Any, axis: int, name: str) -> None:
    if axis not in (-1, x.shape.rank - 1):
        raise w.not_written(f"{name} over the axis {axis}, which is not the last one")


@writes("softmax")
def _softmax(w: Any, logits: Any, axis: int = -1) -> Any:
    _last_axis(w, logits, axis, "softmax")
    return w.op("Softmax", "softmax", [logits], T=w.dtype(logits))


@writes("log_softmax")
def _log_softmax(w: Any, logits: Any, axis: int = -1) -> Any:
    _last_axis(w, logits, axis, "log_softmax")
    return w.op("LogSoftmax", "logsoftmax", [logits], T=w.dtype(logits))


@writes("leaky_relu")
def _leaky_relu(w: Any, features: Any, alpha: float = 0.2) -> Any:
    _require(w, "LeakyRelu", w.dtype(features))
    return w.op("LeakyRelu", "activations", [features], T=w.dtype(features), alpha=float(alpha))


@writes("elu")
def _elu(w: Any, features: Any, alpha: float = 1.0) -> Any:
    dtype = w.dtype(features)
    found = w.op("Elu", "activations", [features], T=dtype)
    if alpha == 1.0:
        return found
    is_above = w.op("Greater", "z", [features, w.ref(0.0, dtype)], T=dtype)
    return w.op("SelectV2", "output", [is_above, found, z(w, "Mul", found, alpha, dtype)], T=dtype)


@writes("silu")
def _silu(w: Any, features: Any, beta: float = 1.0) -> Any:
    dtype = w.dtype(features)
    scaled = features if beta == 1.0 else z(w, "Mul", features, beta, dtype)
    return z(w, "Mul", features, w.op("Sigmoid", "y", [scaled], T=dtype), dtype)


@writes("gelu")
def _gelu(w: Any, features: Any, approximate: bool = False) -> Any:
    dtype = w.dtype(features)
    if approximate:
        cube = z(w, "Mul", z(w, "Mul", features, features, dtype), features, dtype)
        inner = z(w, "AddV2", features, z(w, "Mul", cube, 0.044715, dtype), dtype)
        gate = w.op("Tanh", "y", [z(w, "Mul", inner, math.sqrt(2 / math.pi), dtype)], T=dtype)
    else:
        gate = w.op("Erf", "y", [z(w, "Mul", features, math.sqrt(0.5), dtype)], T=dtype)
    half = z(w, "Mul", features, 0.5, dtype)
    return z(w, "Mul", half, z(w, "AddV2", gate, 1.0, dtype), dtype)


@writes("general_relu")
def _general_relu(
    w: Any, x: Any, alpha: float = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> Any:
    dtype = w.dtype(x)
    if not alpha and not threshold and max_value in (None, 6):
        return w.op("Relu" if max_value is None else "Relu6", "activations", [x], T=dtype)
    above = x if max_value is None else z(w, "Minimum", x, max_value, dtype)
    below = z(w, "Mul", z(w, "Sub", x, threshold, dtype), alpha, dtype)
    is_above = w.op("Greater", "z", [x, w.ref(threshold, dtype)], T=dtype)
    return w.op("SelectV2", "output", [is_above, above, below], T=dtype)


@writes("where")
def _where(w: Any, x: Any, y: Any, condition: Any) -> Any:
    dtype = w.common(x, y)
    return w.op("SelectV2", "output", [condition, w.ref(x, dtype), w.ref(y, dtype)], T=dtype)


@writes("clip_by_value")
def _clip(w: Any, t: Any, low: Any, high: Any) -> Any:
    dtype = w.dtype(t)
    return z(w, "Maximum", z(w, "Minimum", t, high, dtype), low, dtype)
