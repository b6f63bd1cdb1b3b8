"""What bodies of ops share about precision: 16-bit floats are computed in float32, integers are refused."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.engine import dtypes
from dovetail.ops.core import Op

FLOAT32 = np.dtype(np.float32)
INT32 = np.dtype(np.int32)
INT64 = np.dtype(np.int64)


def in_float32(body: Callable) -> Callable:
    """Decorator: 16-bit inputs of the body are widened to float32, its results are cast back to the first's dtype."""

    @functools.wraps(body)
    def widened(xp: Any, first: Any, /, *tensors: Any, **attributes: Any) -> Any:
        dtype = first.dtype
        if not dtypes.is_half(dtype):
            return body(xp, first, *tensors, **attributes)
        wide = [
            t.astype(FLOAT32) if t is not None and dtypes.is_half(t.dtype) else t for t in (first, *tensors)
        ]
        out = body(xp, *wide, **attributes)
        return tuple(o.astype(dtype) for o in out) if isinstance(out, tuple) else out.astype(dtype)

    return widened


def floating(body: Callable) -> Callable:
    """Decorator: as `in_float32`, and integers are an error."""
    inside = in_float32(body)

    @functools.wraps(body)
    def checked(xp: Any, first: Any, /, *tensors: Any, **attributes: Any) -> Any:
        if first.dtype == FLOAT32:  # the usual call
            return body(xp, first, *tensors, **attributes)
        if first.dtype.kind in "iub":
            raise TypeError(
                f"expected a floating-point tensor, received {first.dtype}; use tf.cast(x, tf.float32)"
            )
        return inside(xp, first, *tensors, **attributes)

    return checked


def gradient_op(body: Callable) -> Op:
    """Decorator: an op that stands in gradient rules only: one dispatch, 16-bit floats in float32, like `g` in shape.

    Its own gradient is JAX's, unless `.gradient(...)` is given.
    """
    return Op(body.__name__, in_float32(body), same_dtype=0, shape=lambda g, *_, **__: g)
