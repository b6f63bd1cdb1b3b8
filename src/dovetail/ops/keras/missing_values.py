"""Statistics of `keras.ops` that leave NaN out."""

from __future__ import annotations

import math
from typing import Any

from dovetail.ops import keras_math, logic, reduction
from dovetail.ops import math as math_ops
from dovetail.ops.arithmetic import cast
from dovetail.ops.indexing import where_
from dovetail.ops.keras_math import _float, _tensor
from dovetail.ops.views import export


def _missing(x: Any) -> Any:
    """Returns where `x` is NaN, None for what never is."""
    return logic.is_nan(x) if x.dtype.is_floating else None


def _filled(x: Any, value: float) -> Any:
    """Returns `x` with `value` for NaN."""
    x = _tensor(x)
    missing = _missing(x)
    return x if missing is None else where_(cast(value, dtype=x.dtype), x, missing)


def _count(missing: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    """Returns how many numbers there are over `axis`."""
    return reduction.reduce_sum(1 - cast(missing, dtype=x.dtype), axis=axis, keepdims=keepdims)


@export("ops.numpy.nansum")
def nansum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Sums over `axis`, NaN as 0; booleans and small integers in 32 bits."""
    return keras_math.ops_sum(_filled(x, 0), axis, keepdims)


@export("ops.numpy.nanprod")
def nanprod(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Multiplies over `axis`, NaN as 1; booleans and small integers in 32 bits."""
    return keras_math.ops_prod(_filled(x, 1), axis, keepdims)


@export("ops.numpy.nanmean")
def nanmean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Averages over `axis` what is not NaN; NaN where all is."""
    x = _float(x)
    total = reduction.reduce_sum(_filled(x, 0), axis=axis, keepdims=keepdims)
    return total / _count(_missing(x), x, axis, keepdims)


@export("ops.numpy.nanvar")
def nanvar(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Returns the variance over `axis` of what is not NaN; NaN where all is."""
    x = _float(x)
    difference = _filled(x - nanmean(x, axis, keepdims=True), 0)
    total = reduction.reduce_sum(difference * difference, axis=axis, keepdims=keepdims)
    return total / _count(_missing(x), x, axis, keepdims)


@export("ops.numpy.nanstd")
def nanstd(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Returns the standard deviation over `axis` of what is not NaN; NaN where all is."""
    return math_ops.sqrt(nanvar(x, axis, keepdims))


def _extreme(x: Any, axis: Any, keepdims: bool, worst: float, function: Any) -> Any:
    x = _tensor(x)
    missing = _missing(x)
    if missing is None:
        return function(x, axis, keepdims)
    found = function(_filled(x, worst), axis, keepdims)
    none = reduction.reduce_all(missing, axis=axis, keepdims=keepdims)
    return where_(cast(math.nan, dtype=x.dtype), found, none)


@export("ops.numpy.nanmax")
def nanmax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Returns the largest number over `axis`; NaN where all is."""
    return _extreme(x, axis, keepdims, -math.inf, keras_math.ops_max)


@export("ops.numpy.nanmin")
def nanmin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Returns the smallest number over `axis`; NaN where all is."""
    return _extreme(x, axis, keepdims, math.inf, keras_math.ops_min)


def _position(x: Any, axis: Any, keepdims: bool, worst: float, function: Any) -> Any:
    x = _tensor(x)
    missing = _missing(x)
    if missing is None:
        return function(x, axis, keepdims)
    found = function(_filled(x, worst), axis, keepdims)
    return where_(-1, found, reduction.reduce_all(missing, axis=axis, keepdims=keepdims))


@export("ops.numpy.nanargmax")
def nanargmax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Returns the position of the largest number along `axis`, as int32; -1 where all is NaN."""
    return _position(x, axis, keepdims, -math.inf, keras_math.ops_argmax)


@export("ops.numpy.nanargmin")
def nanargmin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Returns the position of the smallest number along `axis`, as int32; -1 where all is NaN."""
    return _position(x, axis, keepdims, math.inf, keras_math.ops_argmin)


@export("ops.numpy.nancumsum")
def nancumsum(x: Any, axis: Any = None, dtype: Any = None) -> Any:
    """Returns the running sum along `axis`, NaN as 0."""
    return keras_math.ops_cumsum(_filled(x, 0), axis, dtype)


@export("ops.numpy.nancumprod")
def nancumprod(x: Any, axis: Any = None, dtype: Any = None) -> Any:
    """Returns the running product along `axis`, NaN as 1."""
    return keras_math.ops_cumprod(_filled(x, 1), axis, dtype)
