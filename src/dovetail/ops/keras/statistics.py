"""Statistics of `keras.ops`: quantiles, differences, histograms, correlation, distinct values."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.ops import rules
from dovetail.ops.arithmetic import subtract
from dovetail.ops.attrs import Axis, Number
from dovetail.ops.families import op
from dovetail.ops.keras_math import _both_floating, _float, _tensor, ops_max, ops_min
from dovetail.ops.linalg import flattened
from dovetail.ops.precision import in_float32
from dovetail.ops.views import export

_INT32 = np.dtype(np.int32)
_METHODS = ("linear", "lower", "higher", "midpoint", "nearest")


# ---- quantiles -------------------------------------------------------------------------------------------------------


def _quantile_shape(x: tuple, q: tuple, axis: Axis, keepdims: bool, method: str, skip_nan: bool) -> tuple:
    return (*q, *rules.reduced(x, axis, keepdims))


@op("", same_dtype=0, shape=_quantile_shape)
@in_float32
def quantile_(
    xp: Any,
    x: Any,
    q: Any,
    *,
    axis: Axis = None,
    keepdims: bool = False,
    method: str = "linear",
    skip_nan: bool = False,
) -> Any:
    """Returns the quantiles `q` over `axis`."""
    if method not in _METHODS:
        raise ValueError(f"method must be one of {_METHODS}, received {method!r}")
    q, options = q.astype(np.float64), {"axis": axis, "method": method, "keepdims": keepdims}
    if not skip_nan:
        return xp.quantile(x, q, **options).astype(x.dtype)
    missing = xp.isnan(x)
    none = xp.all(missing, axis=axis, keepdims=True)  # of which NumPy would warn
    found = xp.nanquantile(xp.where(none, x.dtype.type(0), x), q, **options).astype(x.dtype)
    return xp.where(xp.all(missing, axis=axis, keepdims=keepdims), x.dtype.type(np.nan), found)


def _quantile(
    x: Any, q: Any, axis: Any, method: str, keepdims: bool, skip_nan: bool = False, over: float = 1.0
) -> Any:
    q = _float(q)
    q = q / over if over != 1 else q
    return quantile_(_float(x), q, axis=axis, keepdims=keepdims, method=method, skip_nan=skip_nan)


@export("ops.numpy.quantile")
def quantile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Any:
    """Returns the numbers that a part `q` of the elements over `axis` does not exceed.

    Args:
        x: tensor.
        q: number, or vector of numbers, in [0, 1]; a vector makes a first axis.
        axis: an axis, a list of axes, or None for all.
        method: between two elements: "linear", "lower", "higher", "midpoint" or "nearest".
        keepdims: keep the reduced axes with size 1.
    """
    return _quantile(x, q, axis, method, keepdims)


@export("ops.numpy.percentile")
def percentile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Any:
    """Returns `quantile(x, q / 100)`."""
    return _quantile(x, q, axis, method, keepdims, over=100.0)


@export("ops.numpy.nanquantile")
def nanquantile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Any:
    """Returns the quantiles of what is not NaN."""
    return _quantile(x, q, axis, method, keepdims, skip_nan=True)


@export("ops.numpy.nanpercentile")
def nanpercentile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Any:
    """Returns `nanquantile(x, q / 100)`."""
    return _quantile(x, q, axis, method, keepdims, skip_nan=True, over=100.0)


@export("ops.numpy.median")
def median(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Returns the middle of the sorted elements over `axis`, the mean of the middle two of an even number."""
    return _quantile(x, 0.5, axis, "linear", keepdims)


@export("ops.numpy.nanmedian")
def nanmedian(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Returns the median of what is not NaN."""
    return _quantile(x, 0.5, axis, "linear", keepdims, skip_nan=True)


@export("ops.numpy.ptp")
def ptp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Returns the largest element over `axis` minus the smallest."""
    return subtract(ops_max(x, axis, keepdims), ops_min(x, axis, keepdims))


# ---- neighbours ------------------------------------------------------------------------------------------------------


def _diff_shape(x: tuple, n: int, axis: int) -> tuple:
    axis = rules.normalized_axis(axis, len(x))
    return tuple(max(size - n, 0) if i == axis and size is not None else size for i, size in enumerate(x))


@op("", shape=_diff_shape)
def differences(xp: Any, x: Any, *, n: int = 1, axis: int = -1) -> Any:
    """Returns each element minus the one before it along `axis`, `n` times over."""
    return xp.diff(x, n=n, axis=axis)


@export("ops.numpy.diff")
def diff(a: Any, n: int = 1, axis: int = -1) -> Any:
    """Returns each element minus the one before it along `axis`, `n` times over."""
    return differences(_tensor(a), n=n, axis=axis)


@op("", shape=lambda y, x=None, *, dx, axis: rules.reduced(y, axis))
@in_float32
def trapezoids(xp: Any, y: Any, x: Any = None, *, dx: float = 1.0, axis: int = -1) -> Any:
    """Returns the area under the line through points."""
    return xp.trapezoid(y, x, dx=dx, axis=axis).astype(y.dtype)


@export("ops.numpy.trapezoid")
def trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1) -> Any:
    """Returns the area under the line through the points `(x, y)` along `axis`.

    Args:
        y: heights.
        x: positions; None: `dx` apart.
        dx: distance of the positions.
        axis: the axis to integrate over.
    """
    y = _float(y)
    if x is None:
        return trapezoids(y, dx=dx, axis=axis)
    return trapezoids(*_both_floating(y, x), dx=dx, axis=axis)


@op("", shape=lambda x: (x[0], x[0]) if len(x) > 1 else ())
@in_float32
def correlations(xp: Any, x: Any) -> Any:
    """Returns the correlation coefficients of the rows."""
    return xp.corrcoef(x).astype(x.dtype)


@export("ops.numpy.corrcoef")
def corrcoef(x: Any) -> Any:
    """Returns the Pearson correlation coefficients of the rows of a matrix."""
    return correlations(_float(x))


# ---- counting --------------------------------------------------------------------------------------------------------


@op(
    "",
    differentiable=False,
    shape=lambda x, *, bins, low=None, high=None: [(bins,), (bins + 1,)],
    dtype=lambda x, **_: [x, x],
)
@in_float32
def histogram_(xp: Any, x: Any, *, bins: int, low: Number | None = None, high: Number | None = None) -> Any:
    """Returns how many elements fall into each of `bins` equal parts of a range, and the parts' edges."""
    limits = None if low is None else (low, high)
    counts, edges = xp.histogram(x, bins=bins, range=limits)
    return counts.astype(x.dtype), edges.astype(x.dtype)


@export("ops.numpy.histogram")
def histogram(x: Any, bins: int = 10, range: Any = None) -> tuple:
    """Returns how many elements of a vector fall into each of `bins` equal parts of a range, and the parts' edges.

    Args:
        x: vector.
        bins: number of parts.
        range: `(low, high)`; None: from the smallest element to the largest.
    """
    x = _float(x)
    if not isinstance(bins, int) or isinstance(bins, bool) or bins < 1:
        raise ValueError(
            f"keras.ops.histogram: bins must be an integer > 0, received {bins!r}{at_user_location()}"
        )
    if range is not None and (len(range) != 2 or range[1] < range[0]):
        raise ValueError(
            f"keras.ops.histogram: range must be (low, high) with low <= high, received {range!r}{at_user_location()}"
        )
    low, high = (None, None) if range is None else range
    return tuple(histogram_(flattened(x), bins=bins, low=low, high=high))


# ---- order and distinct values ---------------------------------------------------------------------------------------


@op("", differentiable=False, shape=lambda x, *, kth, axis: x, dtype=lambda *_, **__: _INT32)
def argpartition_(xp: Any, x: Any, *, kth: int, axis: int = -1) -> Any:
    """Returns indices that put the element of rank `kth` at its place, smaller ones before it, larger ones behind."""
    return xp.argpartition(x, kth, axis=axis).astype(_INT32)


@export("ops.numpy.argpartition")
def argpartition(x: Any, kth: int, axis: int | None = -1) -> Any:
    """Returns int32 indices that put the element of rank `kth` at its sorted place along `axis`.

    Smaller elements stand before it and larger ones behind it, in any order.
    """
    x = _tensor(x)
    return (
        argpartition_(flattened(x), kth=kth, axis=0) if axis is None else argpartition_(x, kth=kth, axis=axis)
    )


def _unique_shapes(x: tuple, axis: int | None, size: int | None = None, fill: Any = None) -> list:
    if axis is None:
        return [(size,), (size,), x, (size,)]
    axis = rules.normalized_axis(axis, len(x))
    return [(*x[:axis], size, *x[axis + 1 :]), (size,), (x[axis],), (size,)]


def _unique_dtypes(x: Any, **_: Any) -> list:
    return [x, _INT32, _INT32, _INT32]


_ALL: dict = {"return_index": True, "return_inverse": True, "return_counts": True, "equal_nan": False}


@op("", engine="host", differentiable=False, shape=_unique_shapes, dtype=_unique_dtypes)
def sorted_unique(xp: Any, x: Any, *, axis: int | None = None) -> Any:
    """Returns the sorted distinct values, where each is first, which of them each element is, and their counts."""
    values, index, inverse, counts = xp.unique(x, axis=axis, **_ALL)
    inverse = inverse.reshape(x.shape if axis is None else -1)
    return values, *(part.astype(_INT32) for part in (index, inverse, counts))


@op("", engine="xla", differentiable=False, shape=_unique_shapes, dtype=_unique_dtypes)
def unique_of_size(xp: Any, x: Any, *, axis: int | None = None, size: int, fill: Number | None = None) -> Any:
    """As `sorted_unique`, with a known number of values: surplus ones are left out, missing ones filled in."""
    values, *others = xp.unique(x, axis=axis, size=size, fill_value=fill, **_ALL)
    return values, *(part.astype(_INT32) for part in others)


@export("ops.numpy.unique")
def unique(
    x: Any,
    sorted: bool = True,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    size: int | None = None,
    fill_value: Any = None,
) -> Any:
    """Returns the distinct values of a tensor.

    Args:
        x: tensor.
        sorted: values come in ascending order, whether it asks for that or leaves the order free.
        return_index: also return where each value first appears.
        return_inverse: also return which of the values each element is.
        return_counts: also return how often each value appears.
        axis: distinct slices along an axis; None: distinct elements.
        size: number of values to return, which compiled code needs to know.
        fill_value: stands where there are fewer values than `size`; None: the smallest value.
    """
    x = _tensor(x)
    if size is None:
        found = sorted_unique(x, axis=axis)
    else:
        found = unique_of_size(x, axis=axis, size=size, fill=fill_value)
    wanted = (return_index, return_inverse, return_counts)
    more = [part for part, asked in zip(found[1:], wanted, strict=True) if asked]
    return (found[0], *more) if more else found[0]
