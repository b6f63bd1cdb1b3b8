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
