"""Math of `keras.ops` and `keras.backend` that differs from `tf.*`: integers become floats, small integers widen.

Sums of booleans and of 8- and 16-bit integers are int32 (uint32 for unsigned ones); means, variances, logarithms and
quotients of integers are floats of the default dtype (`keras.backend.floatx`).
"""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.base.settings import settings
from dovetail.ops import arithmetic, diagonals, linalg, logic, matrix, norms, padding, reduction, shapes
from dovetail.ops import math as math_ops
from dovetail.ops.arithmetic import as_floating, cast
from dovetail.ops.attrs import axis as static_axis
from dovetail.ops.families import op, reshape_to
from dovetail.ops.prepared import floats, numbers, promoted
from dovetail.ops.rules import normalized_axis, reshaped
from dovetail.ops.views import export
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import Tensor, TensorLike

_WIDER = {"bool": "int32", "int8": "int32", "int16": "int32", "uint8": "uint32", "uint16": "uint32"}


def _tensor(x: Any) -> Any:
    return x if isinstance(x, TensorLike) else convert_to_tensor(x)


def _float(x: Any) -> Any:
    """Returns `x` as floats of the default dtype, if it has none of its own."""
    if type(x) is Tensor and x._value.dtype.kind == "f":
        return x
    return as_floating(x, settings.floatx)


def _widened(x: Any) -> Any:
    x = _tensor(x)
    wider = _WIDER.get(x.dtype.name)
    return x if wider is None else cast(x, dtype=wider)


def _number(x: Any) -> Any:
    """Returns `x` with booleans as int32."""
    x = _tensor(x)
    return cast(x, dtype="int32") if x.dtype.is_bool else x


# ---- reductions --------------------------------------------------------------------------------------------------


@export("ops.numpy.sum")
def ops_sum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Sums over `axis`; booleans and small integers in 32 bits."""
    return reduction.reduce_sum(_widened(x), axis=axis, keepdims=keepdims)


@export("ops.numpy.prod")
def ops_prod(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Any:
    """Multiplies over `axis`; booleans and small integers in 32 bits, or in `dtype`."""
    x = _widened(x) if dtype is None else cast(x, dtype=dtype)
    return reduction.reduce_prod(x, axis=axis, keepdims=keepdims)


@export("ops.numpy.mean")
def ops_mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Averages over `axis`; integers and booleans give floats."""
    return reduction.reduce_mean(_float(x), axis=axis, keepdims=keepdims)


@export("ops.numpy.var")
def ops_var(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Returns the variance over `axis`; integers and booleans give floats."""
    return reduction.reduce_variance(_float(x), axis=axis, keepdims=keepdims)


@export("ops.numpy.std")
def ops_std(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Returns the standard deviation over `axis`; integers and booleans give floats."""
    return reduction.reduce_std(_float(x), axis=axis, keepdims=keepdims)


def _from_bool(x: Any) -> Any:
    x = _tensor(x)
    return cast(x, dtype=settings.floatx) if x.dtype.is_bool else x


@export("K.mean")
def k_mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Averages over `axis`; booleans give floats, integers integers."""
    return reduction.reduce_mean(_from_bool(x), axis=axis, keepdims=keepdims)


@export("K.var")
def k_var(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Returns the variance over `axis`; booleans give floats."""
    return reduction.reduce_variance(_from_bool(x), axis=axis, keepdims=keepdims)


@export("K.std")
def k_std(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Returns the standard deviation over `axis`; booleans give floats."""
    return reduction.reduce_std(_from_bool(x), axis=axis, keepdims=keepdims)


@export("ops.logsumexp K.logsumexp")
def ops_logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Returns `log(sum(exp(x)))` over `axis`; integers and booleans give floats."""
    return reduction.reduce_logsumexp(_float(x), axis=axis, keepdims=keepdims)


def _with_initial(x: Any, initial: Any, extreme: Any) -> Any:
    return x if initial is None else extreme(x, initial)


@export("ops.numpy.max ops.numpy.amax")
def ops_max(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Any:
    """Returns the largest element over `axis`, at least `initial`."""
    x = _tensor(x)
    if x.dtype.is_bool:
        return reduction.reduce_any(x, axis=axis, keepdims=keepdims)
    return _with_initial(reduction.reduce_max(x, axis=axis, keepdims=keepdims), initial, arithmetic.maximum)


@export("ops.numpy.min ops.numpy.amin")
def ops_min(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Any:
    """Returns the smallest element over `axis`, at most `initial`."""
    x = _tensor(x)
    if x.dtype.is_bool:
        return reduction.reduce_all(x, axis=axis, keepdims=keepdims)
    return _with_initial(reduction.reduce_min(x, axis=axis, keepdims=keepdims), initial, arithmetic.minimum)


@export("ops.numpy.all K.all")
def ops_all(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Returns whether all elements over `axis` hold; numbers count as `x != 0`."""
    return reduction.reduce_all(logic.as_bool(x), axis=axis, keepdims=keepdims)


@export("ops.numpy.any K.any")
def ops_any(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Returns whether any element over `axis` holds; numbers count as `x != 0`."""
    return reduction.reduce_any(logic.as_bool(x), axis=axis, keepdims=keepdims)


@export("ops.numpy.count_nonzero")
def ops_count_nonzero(x: Any, axis: Any = None) -> Any:
    """Counts the elements that are not 0 over `axis`, as int32."""
    return reduction.count_nonzero(x, axis=axis, dtype="int32")


def _position(function: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    x = _tensor(x)
    rank = len(x.shape)
    if axis is None:
        found = function(linalg.flattened(x), axis=0, output_type="int32")
        return reshape_to(found, shape=(1,) * rank) if keepdims else found
    found = function(x, axis=axis, output_type="int32")
    return linalg._with_axis(found, axis=normalized_axis(axis, rank)) if keepdims else found


@export("ops.numpy.argmax")
def ops_argmax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Returns the position of the largest element along `axis` (in the flattened tensor when None), as int32."""
    return _position(reduction.argmax, x, axis, keepdims)


@export("ops.numpy.argmin")
def ops_argmin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Returns the position of the smallest element along `axis` (in the flattened tensor when None), as int32."""
    return _position(reduction.argmin, x, axis, keepdims)


def _accumulated(function: Any, x: Any, axis: Any, dtype: Any) -> Any:
    x = _number(x) if dtype is None else cast(x, dtype=dtype)
    return function(linalg.flattened(x), axis=0) if axis is None else function(x, axis=axis)


@export("ops.numpy.cumsum")
def ops_cumsum(x: Any, axis: Any = None, dtype: Any = None) -> Any:
    """Returns the running sum along `axis`, over all elements when None."""
    return _accumulated(reduction.cumsum, x, axis, dtype)


@export("ops.numpy.cumprod")
def ops_cumprod(x: Any, axis: Any = None, dtype: Any = None) -> Any:
    """Returns the running product along `axis`, over all elements when None."""
    return _accumulated(reduction.cumprod, x, axis, dtype)


@export("ops.numpy.average")
def ops_average(x: Any, axis: Any = None, weights: Any = None) -> Any:
    """Returns the mean over `axis`, weighted by `weights` of the same shape or of the length of the axis."""
    if weights is None:
        return reduction.reduce_mean(_float(x), axis=axis)
    x, weights = _both_floating(x, weights)
    if len(weights.shape) != len(x.shape):
        sizes = [1] * len(x.shape)
        sizes[normalized_axis(static_axis(axis), len(sizes))] = -1
        weights = reshape_to(weights, shape=reshaped(tuple(weights.shape), tuple(sizes)))
    total = reduction.reduce_sum(weights * (x * 0 + 1), axis=axis)
    return reduction.reduce_sum(x * weights, axis=axis) / total


# ---- element by element ------------------------------------------------------------------------------------------


@export("ops.numpy.divide ops.numpy.true_divide")
def ops_divide(x1: Any, x2: Any) -> Any:
    """Returns the quotient; integers give floats of the default dtype."""
    return arithmetic.divide(*_both_floating(x1, x2))


@export("ops.numpy.divide_no_nan")
def ops_divide_no_nan(x1: Any, x2: Any) -> Any:
    """Returns the quotient, and 0 where `x2` is 0; integers give floats of the default dtype."""
    return arithmetic.divide_no_nan(*_both_floating(x1, x2))


def _both_floating(x1: Any, x2: Any) -> tuple:
    """Converts both to the floating dtype they promote to; plain numbers follow the tensor beside them."""
    return floats((x1, x2))


@export("ops.numpy.arctan2")
def ops_arctan2(x1: Any, x2: Any) -> Any:
    """Returns the angle of the points `(x2, x1)`."""
    return math_ops.atan2(*_both_floating(_tensor(x1), _tensor(x2)))


@export("ops.numpy.power")
def ops_power(x1: Any, x2: Any) -> Any:
    """Returns `x1 ** x2`; dtypes are promoted."""
    return arithmetic.pow_(*numbers((x1, x2)))


@export("K.pow")
def k_pow(x: Any, a: Any) -> Any:
    """Returns `x ** a`."""
    return arithmetic.pow_(x, a)


@export("ops.numpy.reciprocal")
def ops_reciprocal(x: Any) -> Any:
    """Returns `1 / x`; integers give floats."""
    return arithmetic.reciprocal(_float(x))


@export("ops.numpy.round")
def ops_round(x: Any, decimals: int = 0) -> Any:
    """Rounds to `decimals` digits after the point; of two equally near numbers, to the even one."""
    x = _tensor(x)
    if not decimals or not x.dtype.is_floating:
        if decimals < 0 and x.dtype.is_integer:
            return cast(ops_round(cast(x, dtype=settings.floatx), decimals), dtype=x.dtype)
        return math_ops.round_(x)
    factor = 10.0**decimals
    return math_ops.round_(x * factor) / factor


@export("K.sqrt")
def k_sqrt(x: Any) -> Any:
    """Returns the square root, of negative numbers 0."""
    x = _tensor(x)
    return math_ops.sqrt(arithmetic.maximum(x, 0.0))


@export("K.clip")
def k_clip(x: Any, min_value: Any, max_value: Any) -> Any:
    """Limits `x` to `[min_value, max_value]`; None: no limit on that side."""
    x = _tensor(x)
    if isinstance(min_value, int | float) and isinstance(max_value, int | float):
        max_value = max(min_value, max_value)
    if min_value is None and max_value is None:
        return x
    if min_value is None:
        return arithmetic.minimum(x, max_value)
    if max_value is None:
        return arithmetic.maximum(x, min_value)
    return arithmetic.clip_by_value(x, min_value, max_value)


@export("ops.numpy.trunc")
def ops_trunc(x: Any) -> Any:
    """Returns the whole number next to `x` towards 0."""
    x = _tensor(x)
    return x if x.dtype.is_bool else arithmetic.truncatediv(x, 1)


@export("ops.numpy.logaddexp")
def ops_logaddexp(x1: Any, x2: Any) -> Any:
    """Returns `log(exp(x1) + exp(x2))` without overflow."""
    x1, x2 = _both_floating(_tensor(x1), _tensor(x2))
    larger, smaller = arithmetic.maximum(x1, x2), arithmetic.minimum(x1, x2)
    return larger + math_ops.log1p(math_ops.exp(smaller - larger))


# ---- linear algebra ----------------------------------------------------------------------------------------------


@export("ops.nn.normalize")
def ops_normalize(x: Any, axis: Any = -1, order: Any = 2, epsilon: float | None = None) -> Any:
    """Returns `x` divided by its norm of the given order along `axis`, the norm at least `epsilon`."""
    x = _float(x)
    epsilon = settings.epsilon if epsilon is None else epsilon
    if order == 2:
        return norms.l2_normalize(x, axis=axis, epsilon=epsilon**2)
    return x / arithmetic.maximum(norms.norm(x, order, axis, keepdims=True), epsilon)


def _diagonal(x: Any, offset: int, axis1: int, axis2: int) -> Any:
    x = _tensor(x)
    rank = len(x.shape)
    first, second = normalized_axis(axis1, rank), normalized_axis(axis2, rank)
    if (first, second) != (rank - 2, rank - 1):
        letters = "abcdefghijklmnopqrstuvwxyz"[:rank]
        others = "".join(c for i, c in enumerate(letters) if i not in (first, second))
        x = linalg.contraction(x, equation=f"{letters}->{others}{letters[first]}{letters[second]}")
    return diagonals.diagonal_of(x, k=offset)


@export("ops.numpy.diagonal")
def ops_diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Returns the diagonal of the matrices that two axes make, as the last axis."""
    return _diagonal(x, offset, axis1, axis2)


@export("ops.numpy.trace")
def ops_trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Returns the sum of a diagonal of the matrices that two axes make."""
    return reduction.reduce_sum(_widened(_diagonal(x, offset, axis1, axis2)), axis=-1)


@export("ops.numpy.diag")
def ops_diag(x: Any, k: int = 0) -> Any:
    """Returns the matrix with a given diagonal, or the diagonal of a given matrix."""
    x = _tensor(x)
    return diagonals.diag_matrix(x, k=k) if len(x.shape) == 1 else diagonals.diagonal_of(x, k=k)


@op("ops.numpy.tril", shape=lambda x, k: x)
def tril(xp: Any, x: Any, *, k: int = 0) -> Any:
    """Returns the matrices with everything above the diagonal `k` set to 0."""
    return xp.tril(x, k)


@op("ops.numpy.triu", shape=lambda x, k: x)
def triu(xp: Any, x: Any, *, k: int = 0) -> Any:
    """Returns the matrices with everything below the diagonal `k` set to 0."""
    return xp.triu(x, k)


tril.gradient(lambda g, y, x, k: tril(g, k=k))
triu.gradient(lambda g, y, x, k: triu(g, k=k))


@export("ops.numpy.cross")
def ops_cross(x1: Any, x2: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None) -> Any:
    """Returns the cross products of vectors of 2 or 3 numbers; of two pairs, the third number alone.

    Args:
        x1, x2: tensors; their other axes broadcast.
        axisa, axisb, axisc: the vectors' axis in `x1`, in `x2` and in the result.
        axis: the vectors' axis in all three.
    """
    axisa, axisb, axisc = (axisa, axisb, axisc) if axis is None else (axis,) * 3
    x1, x2 = promoted((x1, x2))
    x1, x2 = shapes.moveaxis(x1, axisa, -1), shapes.moveaxis(x2, axisb, -1)
    sizes = (x1.shape[-1], x2.shape[-1])
    if not set(sizes) <= {2, 3}:
        raise ValueError(
            f"keras.ops.cross: expected vectors of 2 or 3 numbers, received shapes {x1.shape} and {x2.shape}"
            f"{at_user_location()}"
        )
    if sizes == (2, 2):
        return x1[..., 0] * x2[..., 1] - x1[..., 1] * x2[..., 0]
    found = matrix.cross(_in_space(x1), _in_space(x2))
    return found if axisc == -1 else shapes.moveaxis(found, -1, axisc)


def _in_space(x: Any) -> Any:
    """Returns vectors of three numbers, the third of pairs 0."""
    if x.shape[-1] == 3:
        return x
    return padding.pad(x, paddings=[(0, 0)] * (len(x.shape) - 1) + [(0, 1)])


@export("ops.numpy.slogdet")
def ops_slogdet(x: Any) -> tuple:
    """Returns the sign of the determinant and the logarithm of its absolute value."""
    return matrix.slogdet(_float(x))


@export("ops.logdet")
def ops_logdet(x: Any) -> Any:
    """Returns the logarithm of the determinant of Hermitian positive-definite matrices."""
    return matrix.logdet(_float(x))


@export("ops.linalg.eigh")
def ops_eigh(x: Any) -> tuple:
    """Returns eigenvalues in ascending order and eigenvectors (as columns) of Hermitian matrices."""
    return matrix.eigh(_float(x))


@export("ops.linalg.eig")
def ops_eig(x: Any) -> tuple:
    """Returns complex eigenvalues in no particular order, and eigenvectors (as columns)."""
    return matrix.eig(_float(x))
