"""Assertions about shapes, ranks and dtypes: known when the program is built, so they cost nothing when it runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.ops.attrs import static
from dovetail.ops.dispatch import dispatchable
from dovetail.runtime.checks import tensor_of, with_prefix
from dovetail.tensor import dtype as dt
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor, TensorLike
from dovetail.tensor.variable import Variable

_ANY_SIZE = (None, ".")
_ANY_DIMS = (Ellipsis, "*")


@dispatchable("tf.debugging.assert_rank")
def assert_rank(x: Any, rank: Any, message: Any = None, name: str | None = None) -> None:
    """Raises ValueError unless `x` has this rank.  A symbolic tensor of unknown rank passes."""
    x, rank = tensor_of(x), _integer_rank(rank)
    _require_rank(x, x.shape.rank in (None, rank), f"rank {rank}", message)


@dispatchable("tf.debugging.assert_rank_at_least")
def assert_rank_at_least(x: Any, rank: Any, message: Any = None, name: str | None = None) -> None:
    """Raises ValueError unless `x` has this rank or a higher one."""
    x, rank = tensor_of(x), _integer_rank(rank)
    _require_rank(x, x.shape.rank is None or x.shape.rank >= rank, f"rank at least {rank}", message)


@dispatchable("tf.debugging.assert_rank_in")
def assert_rank_in(x: Any, ranks: Iterable, message: Any = None, name: str | None = None) -> None:
    """Raises ValueError unless the rank of `x` is one of `ranks`."""
    x, allowed = tensor_of(x), tuple(_integer_rank(rank) for rank in ranks)
    _require_rank(x, x.shape.rank is None or x.shape.rank in allowed, f"rank in {allowed}", message)


def _integer_rank(rank: Any) -> int:
    value = np.asarray(static(rank))
    if value.ndim:
        raise ValueError(f"Rank must be a scalar, received {rank!r}{at_user_location()}")
    if value.dtype.kind not in "iu":
        raise TypeError(f"Rank must be an integer, received {rank!r}{at_user_location()}")
    return int(value)


def _require_rank(x: Any, holds: bool, expected: str, message: Any) -> None:
    if not holds:
        text = (
            f"Tensor must have {expected}. Received rank {x.shape.rank}, shape {x.shape}{at_user_location()}"
        )
        raise ValueError(with_prefix(message, text))


@dispatchable("tf.debugging.assert_scalar")
def assert_scalar(tensor: Any, message: Any = None, name: str | None = None) -> Any:
    """Returns the tensor; raises ValueError unless it is a scalar."""
    tensor = tensor_of(tensor)
    if tensor.shape.rank not in (None, 0):
        text = f"Expected scalar shape, saw shape: {tensor.shape}{at_user_location()}"
        raise ValueError(with_prefix(message, text))
    return tensor


@dispatchable("tf.debugging.assert_type")
def assert_type(tensor: Any, tf_type: Any, message: Any = None, name: str | None = None) -> None:
    """Raises TypeError unless the tensor has dtype `tf_type`."""
    tensor, wanted = tensor_of(tensor), dt.as_dtype(tf_type)
    if tensor.dtype != wanted:
        text = f"tensor must be of type {wanted!r}; got {tensor.dtype!r}{at_user_location()}"
        raise TypeError(with_prefix(message, text))


@dispatchable("tf.debugging.assert_integer")
def assert_integer(x: Any, message: Any = None, name: str | None = None) -> None:
    """Raises TypeError unless `x` has an integer dtype."""
    x = tensor_of(x)
    if not x.dtype.is_integer:
        text = f"Expected x to be of integer type. Found: tensor of dtype {x.dtype!r}{at_user_location()}"
        raise TypeError(with_prefix(message, text))


@dispatchable("tf.debugging.assert_proper_iterable")
def assert_proper_iterable(values: Any) -> None:
    """Raises TypeError unless `values` is an iterable of several things: no tensor, array or string."""
    if isinstance(values, TensorLike | np.ndarray | str | bytes):
        kind = type(values).__name__
        raise TypeError(f"Expected a proper iterable (list, tuple, ...), found {kind}{at_user_location()}")
    if not hasattr(values, "__iter__"):
        raise TypeError(f"Expected an iterable, found {type(values).__name__}{at_user_location()}")


@dispatchable("tf.debugging.assert_same_float_dtype")
def assert_same_float_dtype(tensors: Any = None, dtype: Any = None) -> dt.DType:
    """Returns the floating dtype that all tensors have (and `dtype` is, when given); float32 without any.

    Raises:
        ValueError: the dtypes differ, or are not floating.
    """
    expected = None if dtype is None else dt.as_dtype(dtype)
    for tensor in tensors or ():
        found = tensor_of(tensor).dtype
        if expected is not None and found != expected:
            raise ValueError(f"{tensor} has dtype {found!r}, expected {expected!r}{at_user_location()}")
        expected = found
    expected = expected or dt.float32
    if not expected.is_floating:
        raise ValueError(f"Expected floating point type, got {expected!r}{at_user_location()}")
    return expected


def is_numeric_tensor(tensor: Any) -> bool:
    """True for a tensor of numbers; False for strings, bools, variables and everything that is no tensor."""
    if not isinstance(tensor, Tensor | SymbolicTensor) or isinstance(tensor, Variable):
        return False
    kind = tensor.dtype
    return kind.is_floating or kind.is_integer or kind.is_complex


@dispatchable("tf.debugging.assert_shapes")
def assert_shapes(
    shapes: Any, data: Any = None, summarize: Any = None, message: Any = None, name: str | None = None
) -> None:
    """Raises ValueError unless the shapes of several tensors fit a description in which letters stand for sizes.

    Args:
        shapes: list of pairs (or dict) of a tensor and its shape: ints, symbols that must be the same size wherever
            they occur, None or "." for any size, and first `...` or "*" for any number of dimensions.
        data, summarize: accepted; the message tells the shapes.
        message: begins the error's message.

    Example:
        >>> x, y = tf.zeros((8, 3)), tf.zeros((8,))
        >>> tf.debugging.assert_shapes([(x, ("batch", "features")), (y, ("batch",))])
    """
    pairs = shapes.items() if isinstance(shapes, dict) else shapes
    sizes: dict[Any, tuple[int, str]] = {}
    for x, symbols in pairs:
        tensor = tensor_of(x)
        symbols = tuple(symbols) if isinstance(symbols, Iterable) else (symbols,)
        for axis, symbol, size in _matched(tensor, symbols, message):
            _check_size(sizes, tensor, axis, symbol, size, message)


def _matched(tensor: Any, symbols: tuple, message: Any) -> Iterable[tuple[int, Any, int]]:
    """Yields `(axis, symbol, size)` for every size that is known and named."""
    if any(symbol in _ANY_DIMS for symbol in symbols[1:]):
        text = f"`...` (or '*') is only allowed as the first entry, received {symbols}{at_user_location()}"
        raise ValueError(with_prefix(message, text))
    if tensor.shape.rank is None:
        return []
    open_ended = bool(symbols) and symbols[0] in _ANY_DIMS
    named = symbols[1:] if open_ended else symbols
    rank = tensor.shape.rank
    if open_ended:
        _require_rank(tensor, rank >= len(named), f"rank at least {len(named)}", message)
    elif len(named) == 1:
        _require_rank(tensor, rank in (0, 1), "rank in (0, 1)", message)  # a scalar counts as one element
    else:
        _require_rank(tensor, rank == len(named), f"rank {len(named)}", message)
    offset = rank - len(named)
    return [
        (offset + i, symbol, tensor.shape[offset + i])
        for i, symbol in enumerate(named)
        if symbol not in _ANY_SIZE and offset + i >= 0 and tensor.shape[offset + i] is not None
    ]


def _check_size(sizes: dict, tensor: Any, axis: int, symbol: Any, size: int, message: Any) -> None:
    text = str(symbol)
    if isinstance(symbol, int | np.integer) or text.isdigit():
        expected, source = int(text), "as stated"
    else:
        expected, source = sizes.setdefault(
            symbol, (size, f"as {symbol!r} is in a tensor of shape {tensor.shape}")
        )
    if size != expected:
        fault = (
            f"Axis {axis} of the tensor of shape {tensor.shape} must have size {expected}, {source}. "
            f"Received size {size}{at_user_location()}"
        )
        raise ValueError(with_prefix(message, fault))
