"""Windows, matrices and products that `keras.ops` makes of vectors; einops' patterns."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.base.settings import settings
from dovetail.ops import diagonals, reduction, rules
from dovetail.ops.arithmetic import cast, conj, pow_
from dovetail.ops.attrs import integer, number, whole
from dovetail.ops.create import range_of
from dovetail.ops.families import op
from dovetail.ops.keras_math import _both_floating, _number, _tensor
from dovetail.ops.linalg import flattened
from dovetail.ops.math import sqrt
from dovetail.ops.prepared import floats
from dovetail.ops.shapes import expand_dims, reshape, shape, transpose
from dovetail.ops.views import export
from dovetail.tensor import dtype as dt
from dovetail.tensor.convert import convert_to_tensor

# ---- windows ---------------------------------------------------------------------------------------------------------

_WINDOWS = {
    "bartlett": "a triangle",
    "blackman": "the sum of three cosines",
    "hamming": "a raised cosine that does not quite end in 0",
    "hanning": "a raised cosine",
}


def _window(name: str, outline: str) -> Callable:
    def window(x: Any) -> Any:
        return convert_to_tensor(
            np.asarray(getattr(np, name)(whole(x)), dtype=dt.numpy_dtype(settings.floatx))
        )

    window.__name__ = name
    window.__doc__ = (
        f"Returns the {name.capitalize()} window of `x` points, {outline}, in the default float type."
    )
    return export(f"ops.numpy.{name}")(window)


for _name, _outline in _WINDOWS.items():
    _window(_name, _outline)


@export("ops.numpy.kaiser")
def kaiser(x: Any, beta: Any) -> Any:
    """Returns the Kaiser window of `x` points, in the default float type; the larger `beta`, the narrower it is."""
    return convert_to_tensor(np.kaiser(whole(x), number(beta)).astype(dt.numpy_dtype(settings.floatx)))


# ---- spaced numbers --------------------------------------------------------------------------------------------------


def _spaced(start: tuple, stop: tuple, num: int, endpoint: bool, axis: int) -> tuple:
    inner = rules.broadcast(start, stop)
    axis = rules.normalized_axis(axis, len(inner) + 1)
    return (*inner[:axis], num, *inner[axis:])


@op("", shape=_spaced)
def geometric_(xp: Any, start: Any, stop: Any, *, num: int, endpoint: bool = True, axis: int = 0) -> Any:
    """Returns `num` numbers at equal ratios from `start` to `stop`, along a new axis."""
    return xp.geomspace(start, stop, num, endpoint=endpoint, axis=axis).astype(start.dtype)


@export("ops.numpy.geomspace")
def geomspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Any:
    """Returns `num` numbers at equal ratios from `start` to `stop`.

    Args:
        start, stop: tensors that broadcast, neither of them 0.
        num: how many.
        endpoint: whether `stop` is the last of them.
        dtype: of the result.
        axis: where their axis goes.
    """
    out = geometric_(*_both_floating(_tensor(start), _tensor(stop)), num=num, endpoint=endpoint, axis=axis)
    return out if dtype is None else cast(out, dtype=dt.numpy_dtype(dtype))


@export("ops.numpy.vander")
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """Returns the powers of each element of a vector as a row: `N` of them, falling unless `increasing`."""
    x = _number(x)
    if len(x.shape) != 1:
        raise ValueError(f"keras.ops.vander: expected a vector, received shape {x.shape}{at_user_location()}")
    count = x.shape[0] if N is None else integer(N)
    if count is None:
        raise ValueError(f"keras.ops.vander: pass N, the vector's length is not known{at_user_location()}")
    powers = range_of(count) if increasing else range_of(count - 1, -1, -1)
    return pow_(expand_dims(x, axis=1), cast(powers, dtype=x.dtype))


@export("ops.numpy.diagflat")
def diagflat(x: Any, k: int = 0) -> Any:
    """Returns the matrix with all elements of `x` on diagonal `k`."""
    return diagonals.diag_matrix(flattened(x), k=k)


# ---- products --------------------------------------------------------------------------------------------------------


def _kron_shape(x: tuple, y: tuple) -> tuple:
    rank = max(len(x), len(y))
    pairs = zip((1,) * (rank - len(x)) + x, (1,) * (rank - len(y)) + y, strict=True)
    return tuple(None if None in pair else pair[0] * pair[1] for pair in pairs)


@op("ops.numpy.kron(x1,x2)", shape=_kron_shape)
def kron(xp: Any, x: Any, y: Any) -> Any:
    """Returns the Kronecker product: every element of `x` times all of `y`."""
    return xp.kron(x, y)


@export("ops.numpy.vdot")
def vdot(x1: Any, x2: Any) -> Any:
    """Returns the sum of the products of all elements, those of a complex `x1` conjugated."""
    return _inner.call((flattened(x1), flattened(x2)), {}, True)


@op("", shape=lambda x, y: ())
def _inner(xp: Any, x: Any, y: Any) -> Any:
    """Returns the sum of the products of two vectors, the first conjugated."""
    return xp.sum((xp.conj(x) if x.dtype.kind == "c" else x) * y)


_inner.gradient(lambda g, z, x, y: conj(g) * y, lambda g, z, x, y: g * x)


def _correlated(x: tuple, y: tuple, mode: str) -> tuple:
    if None in (x[0], y[0]):
        return (None,)
    longer, shorter = max(x[0], y[0]), min(x[0], y[0])
    return ({"valid": longer - shorter + 1, "same": longer, "full": longer + shorter - 1}[mode],)


@op("", shape=_correlated)
def correlate_(xp: Any, x: Any, y: Any, *, mode: str = "valid") -> Any:
    """Returns the cross-correlation of two vectors."""
    return xp.correlate(x, y, mode=mode).astype(x.dtype)


@export("ops.numpy.correlate")
def correlate(x1: Any, x2: Any, mode: str = "valid") -> Any:
    """Returns the cross-correlation of two vectors: the products' sums as `x2` is moved along `x1`.

    Args:
        x1, x2: vectors.
        mode: "valid" (where they overlap whole), "same" (as long as the longer one) or "full".
    """
    if mode not in ("valid", "same", "full"):
        raise ValueError(
            f"keras.ops.correlate: mode must be 'valid', 'same' or 'full', received {mode!r}{at_user_location()}"
        )
    return correlate_(*floats((x1, x2)), mode=mode)


@export("ops.cdist")
def cdist(x: Any, y: Any) -> Any:
    """Returns the Euclidean distances of the rows of `x` (..., n, size) to those of `y` (..., m, size): (..., n, m)."""
    x, y = _tensor(x), _tensor(y)
    if len(x.shape) < 2 or len(y.shape) < 2:
        raise ValueError(
            f"keras.ops.cdist: expected matrices, received shapes {x.shape} and {y.shape}{at_user_location()}"
        )
    x, y = _both_floating(x, y)
    difference = expand_dims(x, axis=-2) - expand_dims(y, axis=-3)
    return sqrt(reduction.reduce_sum(difference * difference, axis=-1))


# ---- einops ----------------------------------------------------------------------------------------------------------


def _groups(side: str) -> list[list[str]]:
    """Returns the axes of one side of a pattern: "b (h w)" -> [["b"], ["h", "w"]]."""
    return [item.strip("()").split() for item in re.findall(r"\w+|\([^)]*\)", side)]


@export("ops.rearrange")
def rearrange(tensor: Any, pattern: str, **axes_lengths: int) -> Any:
    """Splits, permutes and joins axes.

    Args:
        tensor: tensor.
        pattern: names of the axes before and after: "batch (h a) c -> batch a (h c)"; what stands in parentheses is
            one axis, the first name the slowest.
        axes_lengths: sizes of axes that a split needs, all but one of each.

    Example:
        >>> keras.ops.rearrange(keras.ops.ones((2, 3, 4)), "b h w -> h (b w)").shape
        TensorShape([3, 8])
    """
    tensor = _tensor(tensor)
    left, arrow, right = pattern.partition("->")
    before, after = _groups(left), _groups(right)
    names = [name for group in before for name in group]
    wanted = [name for group in after for name in group]
    if not arrow or sorted(names) != sorted(wanted) or len(set(names)) != len(names):
        raise ValueError(
            f"keras.ops.rearrange: both sides of {pattern!r} must name the same axes, each once{at_user_location()}"
        )
    if len(before) != len(tensor.shape):
        raise ValueError(
            f"keras.ops.rearrange: {pattern!r} has {len(before)} axes, the tensor has shape {tensor.shape}"
            f"{at_user_location()}"
        )
    sizes = _sizes(tensor, before, axes_lengths, pattern)
    if any(len(group) != 1 for group in before):
        tensor = reshape(tensor, shape=[sizes[name] for name in names])
    if names != wanted:
        tensor = transpose(tensor, perm=[names.index(name) for name in wanted])
    if all(len(group) == 1 for group in after):
        return tensor
    return reshape(tensor, shape=[_product(sizes[name] for name in group) for group in after])


def _sizes(tensor: Any, groups: list[list[str]], lengths: dict, pattern: str) -> dict[str, Any]:
    """Returns the size of each axis: an int, or a scalar tensor where it is not known."""
    dynamic = None
    sizes: dict[str, Any] = {}
    for position, (group, size) in enumerate(zip(groups, tensor.shape, strict=True)):
        if size is None:
            dynamic = shape(tensor) if dynamic is None else dynamic
            size = dynamic[position]
        open_names = [name for name in group if name not in lengths]
        if len(open_names) > 1:
            raise ValueError(
                f"keras.ops.rearrange: pass the sizes of all but one of {open_names} of {pattern!r}{at_user_location()}"
            )
        sizes |= {name: lengths[name] for name in group if name in lengths}
        known = _product(lengths[name] for name in group if name in lengths)
        if isinstance(size, int) and (size % known or (not open_names and size != known)):
            raise ValueError(
                f"keras.ops.rearrange: an axis of size {size} cannot be split as {group} with {lengths}"
                f"{at_user_location()}"
            )
        sizes |= dict.fromkeys(open_names, size // known)
    return sizes


def _product(sizes: Any) -> Any:
    result: Any = 1
    for size in sizes:
        result = result * size
    return result
