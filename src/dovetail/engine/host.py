"""The host engine: NumPy, with what NumPy does differently put right.

Every name that is not defined here is NumPy's.  What differs from NumPy: sums, products and means keep the dtype of
their input (NumPy widens int32 to int64); 16-bit floats are accumulated in float32; `argmax` returns int64; index
updates return new arrays.  `engine/xla.py` has the same names with the same behaviour.
"""

from __future__ import annotations

import builtins
import importlib
import math
import warnings
from typing import Any

import numpy as np

from dovetail.engine import dtypes, host_native
from dovetail.engine.host_array import (  # noqa: F401 - names of this engine
    add_rows,
    add_up,
    argsort,
    as_shift,
    bitcast,
    broadcast_to,
    checked_indices,
    checked_places,
    dynamic_slice,
    dynamic_update,
    eye,
    full,
    index_div,
    index_max,
    index_min,
    index_mul,
    linspace,
    look_up,
    meshgrid,
    ones,
    pad,
    repeat_each,
    reshape,
    rows_at,
    search_rows,
    set_rows,
    stack,
    summed_rows,
    take,
    transpose,
    unslice,
    where,
)
from dovetail.engine.host_einsum import einsum  # noqa: F401 - a name of this engine
from dovetail.engine.host_native import by_kernel  # noqa: F401 - a name of this engine
from dovetail.engine.host_nn import (  # noqa: F401 - names of this engine
    conv,
    conv_input_gradient,
    conv_kernel_gradient,
    depthwise_by_groups,
    keep_where,
    pick_labels,
    scan,
    spread,
    window_reduce,
)
from dovetail.engine.host_segments import (  # noqa: F401 - names of this engine
    reduce_columns,
    reduce_rows,
    row_ids,
    segment_reduce,
    segment_start,
)
from dovetail.engine.host_special import scipy_special, special  # noqa: F401 - names of this engine

name = "host"
newaxis = np.newaxis

# XLA gives inf and nan silently; so does this engine.  The filter touches what NumPy says of Dovetail's lines only.
warnings.filterwarnings(
    "ignore",
    message="(divide by zero|invalid value|overflow|underflow) encountered",
    category=RuntimeWarning,
    module=r"dovetail\.(ops|engine)\.",
)


def __getattr__(attribute: str) -> Any:
    value = getattr(np, attribute)
    globals()[attribute] = value
    return value


def _widened(function: Any, how: str | None = None) -> Any:
    """Wraps a reduction so that it keeps its input's dtype, accumulating 16-bit floats in float32."""

    def reduce(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        dtype = x.dtype
        if dtypes.is_half(dtype):
            return function(x.astype(np.float32), axis=axis, keepdims=keepdims).astype(dtype)
        if how is not None:
            found = host_native.reduced(how, x, axis, keepdims)
            if found is not None:
                return found
        return function(x, axis=axis, keepdims=keepdims, dtype=dtype)

    return reduce


sum = _widened(add_up, "sum")
prod = _widened(np.multiply.reduce, "prod")


def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Mean in the input's dtype; integers divide towards zero, as in TensorFlow."""
    found = host_native.reduced("mean", x, axis, keepdims)
    if found is not None:
        return found
    if x.dtype.kind in "iub":
        total = np.sum(x, axis=axis, keepdims=keepdims, dtype=np.int64)
        count = x.size // builtins.max(total.size, 1)
        return np.trunc(total / count).astype(x.dtype) if count else total.astype(x.dtype)
    if dtypes.is_half(x.dtype):
        return mean(x.astype(np.float32), axis, keepdims).astype(x.dtype)
    total = add_up(x, axis=axis, keepdims=keepdims)
    return np.true_divide(total, x.dtype.type(_reduced_count(x, axis)))


def _reduced_count(x: Any, axis: Any) -> int:
    """Returns how many elements one result of a reduction is made of."""
    if axis is None:
        return x.size
    if isinstance(axis, int):
        return x.shape[axis]
    return math.prod(x.shape[one] for one in axis)


def _extreme(ufunc: Any, empty_float: float, pick: str) -> Any:
    how = "max" if empty_float < 0 else "min"

    def reduce(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        if x.size:
            found = host_native.reduced(how, x, axis, keepdims)
            if found is not None:
                return found
            return ufunc.reduce(x, axis=axis, keepdims=keepdims)
        if x.dtype.kind == "b":
            initial: Any = empty_float > 0
        else:
            initial = getattr(np.iinfo(x.dtype), pick) if x.dtype.kind in "iu" else empty_float
        return ufunc.reduce(x, axis=axis, keepdims=keepdims, initial=initial)

    return reduce


max = _extreme(np.maximum, -np.inf, "min")
min = _extreme(np.minimum, np.inf, "max")


def all(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return np.logical_and.reduce(x, axis=axis, keepdims=keepdims)


def any(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return np.logical_or.reduce(x, axis=axis, keepdims=keepdims)


def cumsum(x: Any, axis: int) -> Any:
    found = host_native.running(x, axis)
    return x.cumsum(axis=axis, dtype=x.dtype) if found is None else found


def cumprod(x: Any, axis: int) -> Any:
    return np.cumprod(x, axis=axis, dtype=x.dtype)


sizes = np.array  # sizes(shape, dtype): they are numbers


def cast(x: Any, dtype: np.dtype) -> Any:
    """Converts like XLA: float to integer saturates nowhere but truncates, complex drops the imaginary part."""
    if x.dtype.kind == "c" and dtype.kind != "c":
        x = x.real
    return x.astype(dtype)


def matmul(a: Any, b: Any) -> Any:
    if dtypes.is_half(a.dtype):
        return np.matmul(a.astype(np.float32), b.astype(np.float32)).astype(a.dtype)
    return np.matmul(a, b)


def product_over_rows(a: Any, b: Any) -> Any:
    """Returns `a.T @ b`, of the rows of two matrices: (rows, m), (rows, n) -> (m, n)."""
    return matmul(a.T, b)


def batched_product(a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False) -> Any:
    """Returns `a @ b` over the last two axes, each transposed before where that is said."""
    a = np.swapaxes(a, -1, -2) if transpose_a else a
    return matmul(a, np.swapaxes(b, -1, -2) if transpose_b else b)


def product_with_rows(a: Any, b: Any) -> Any:
    """Returns `a @ b.T`: (..., k), (n, k) -> (..., n)."""
    return matmul(a, b.T)


def divide(a: Any, b: Any) -> Any:
    """True division that keeps the dtype of floats; integers give float64, as `tf.truediv` does."""
    return np.true_divide(a, b)


def erf(x: Any) -> Any:
    found = host_native.each("erf", x)
    if found is not None:
        return found
    return scipy_special().erf(x.astype(np.float32) if dtypes.is_half(x.dtype) else x).astype(x.dtype)


def erfc(x: Any) -> Any:
    return scipy_special().erfc(x.astype(np.float32) if dtypes.is_half(x.dtype) else x).astype(x.dtype)


def erfinv(x: Any) -> Any:
    return scipy_special().erfinv(x.astype(np.float32) if dtypes.is_half(x.dtype) else x).astype(x.dtype)


def lgamma(x: Any) -> Any:
    return scipy_special().gammaln(x).astype(x.dtype)


def digamma(x: Any) -> Any:
    return scipy_special().digamma(x).astype(x.dtype)


def rsqrt(x: Any) -> Any:
    return np.reciprocal(np.sqrt(x))


def logistic(x: Any) -> Any:
    """1 / (1 + exp(-x)), exact at both ends: exp never overflows, because it sees -|x| only."""
    found = host_native.each("sigmoid", x)
    if found is not None:
        return found
    z = np.exp(-np.abs(x))
    return (np.where(x >= 0, x.dtype.type(1), z) / (1 + z)).astype(x.dtype)


def softplus(x: Any) -> Any:
    return np.logaddexp(x, x.dtype.type(0)).astype(x.dtype)


def index_set(x: Any, index: Any, values: Any) -> Any:
    """Returns a copy of `x` with `x[index] = values`."""
    result = x.copy()
    result[index] = values if values.ndim else values[()]  # a string goes in without the array around it
    return result


def index_add(x: Any, index: Any, values: Any) -> Any:
    """Returns a copy of `x` with `values` added at `index`; repeated indices add up."""
    result = x.copy()
    if _are_different_rows(x, index):
        result[index] += values
    else:
        np.add.at(result, index, values)
    return result


def _are_different_rows(x: Any, index: Any) -> bool:
    """True for the numbers of rows of which each is there once: they need not be added one by one."""
    if type(index) is not tuple or len(index) != 1 or not isinstance(index[0], np.ndarray):
        return False
    if index[0].dtype.kind not in "iu" or index[0].ndim != 1 or x.dtype.hasobject:
        return False
    seen: Any = np.zeros(len(x), bool)
    seen[index[0]] = True
    return np.count_nonzero(seen) == len(index[0])


def stop_gradient(x: Any) -> Any:
    return x


def computed_before(x: Any) -> Any:
    """Returns `x`, which is computed already; on XLA this is to be said."""
    return x


# ---- integer and floating division, as Python and as C understand it ---------------------------------------------


def _refuse_zero(y: Any) -> None:
    if not np.all(y):
        raise ValueError("Integer division by zero")


def floordiv(x: Any, y: Any) -> Any:
    """Quotient rounded down; an integer divided by zero is an error."""
    if x.dtype.kind in "iu":
        _refuse_zero(y)
        return np.floor_divide(x, y)
    return np.floor(np.true_divide(x, y))


def floormod(x: Any, y: Any) -> Any:
    """Remainder with the sign of `y`; an integer divided by zero is an error."""
    if x.dtype.kind in "iu":
        _refuse_zero(y)
    return np.remainder(x, y)


def truncatediv(x: Any, y: Any) -> Any:
    """Quotient rounded towards zero; an integer divided by zero is an error."""
    if x.dtype.kind not in "iu":
        return np.trunc(np.true_divide(x, y))
    _refuse_zero(y)
    rounded_down = np.floor_divide(x, y)
    return rounded_down + ((rounded_down < 0) & (rounded_down * y != x)).astype(x.dtype)


def cumlogsumexp(x: Any, axis: int) -> Any:
    """Running log-sum-exp along an axis."""
    return np.logaddexp.accumulate(x, axis=axis).astype(x.dtype)


# ---- the largest entries, and matrices -------------------------------------------------------------------------------


def top_k(x: Any, k: int) -> Any:
    """The `k` largest entries of each row and their positions; of equal entries the first comes first."""
    found = host_native.few_largest(x, k)
    if found is not None:
        return found
    last = x.shape[-1] - 1
    order = last - np.argsort(x[..., ::-1], axis=-1, kind="stable")[..., ::-1]
    indices = np.ascontiguousarray(order[..., :k])
    return np.take_along_axis(x, indices, axis=-1), indices


def triangular_solve(matrix: Any, rhs: Any, lower: bool) -> Any:
    """Solves triangular systems; the other triangle is not read."""
    return np.linalg.solve(np.tril(matrix) if lower else np.triu(matrix), rhs)


def expm(x: Any) -> Any:
    return importlib.import_module("scipy.linalg").expm(x).astype(x.dtype)


def lu_factor(x: Any) -> tuple:
    """The triangular factors of matrices in one, and the row that each row was exchanged with."""
    (factor,) = importlib.import_module("scipy.linalg").get_lapack_funcs(("getrf",), (x,))
    rows, columns = x.shape[-2:]
    found = [factor(one) for one in x.reshape(-1, rows, columns)]
    factors = np.array([one[0] for one in found], x.dtype).reshape(x.shape)
    exchanges = np.array([one[1] for one in found], np.int32)
    return factors, exchanges.reshape(*x.shape[:-2], builtins.min(rows, columns))
