"""Quantization as functions: to 8-bit and 4-bit integers, to 8-bit floats, and back."""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np

from dovetail.autodiff.custom import custom_gradient
from dovetail.base.errors import at_user_location
from dovetail.ops import arithmetic, logic, reduction
from dovetail.ops import math as math_ops
from dovetail.ops.attrs import Number
from dovetail.ops.core import Op
from dovetail.ops.indexing import where
from dovetail.ops.shapes import reshape
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import Tensor

__all__ = [
    "abs_max_quantize",
    "abs_max_quantize_grouped_with_zero_point",
    "compute_float8_amax_history",
    "compute_float8_scale",
    "fake_quant_with_min_max_vars",
    "pack_int4",
    "quantize_and_dequantize",
    "unpack_int4",
]

EPSILON = 1e-7


def abs_max_quantize(
    inputs: Any,
    axis: Any,
    value_range: tuple = (-127, 127),
    dtype: Any = "int8",
    epsilon: float = EPSILON,
    to_numpy: bool = False,
) -> tuple:
    """Returns `round(inputs * scale)` as integers, and the scale, `value_range[1] / max(abs(inputs))`.

    Args:
        inputs: floating tensor.
        axis: the axis, or axes, that share a scale.
        value_range: smallest and largest integer.
        dtype: of the integers.
        epsilon: added to the maximum.
        to_numpy: accepted: where the work is done is decided by its size.

    Returns:
        (integers, scale): the scale has size 1 along `axis`.
    """
    inputs = convert_to_tensor(inputs)
    axis = tuple(axis) if isinstance(axis, list) else axis
    largest = reduction.reduce_max(math_ops.abs_(inputs), axis=axis, keepdims=True)
    scale = arithmetic.cast(value_range[1] / (largest + epsilon), dtype=inputs.dtype)
    rounded = math_ops.round_(inputs * scale)
    return arithmetic.cast(_clipped(rounded, *value_range), dtype=dtype), scale


def _clipped(x: Any, low: float, high: float) -> Any:
    return arithmetic.minimum(arithmetic.maximum(x, low), high)


def abs_max_quantize_grouped_with_zero_point(
    inputs: Any,
    block_size: int,
    value_range: tuple = (-8, 7),
    dtype: Any = "int8",
    epsilon: float = EPSILON,
    to_numpy: bool = False,
) -> tuple:
    """Quantizes blocks of rows of a matrix, each with a scale and a zero of its own for every column.

    Args:
        inputs: matrix (rows, columns).
        block_size: rows in a block.
        value_range: smallest and largest integer.
        dtype: of the integers.
        epsilon: added to the range of a block.
        to_numpy: accepted: it is always computed by NumPy.

    Returns:
        (integers (rows, columns), scale (blocks, columns), zero (blocks, columns)): a value is
        `(integer - zero) * scale`.
    """
    matrix = np.asarray(convert_to_tensor(inputs))
    rows, columns = matrix.shape
    num_blocks = math.ceil(rows / block_size)
    padded = np.zeros((num_blocks * block_size, columns), matrix.dtype)
    padded[:rows] = matrix
    blocks = padded.reshape(num_blocks, block_size, columns)
    low, high = value_range
    least, most = blocks.min(1, keepdims=True), blocks.max(1, keepdims=True)
    scale = (most - least + epsilon) / (high - low)
    zero = np.clip(np.round(-least / scale) + low, low, high)
    whole = np.clip(np.round(blocks / scale) + zero, low, high).reshape(padded.shape)[:rows]
    kind = convert_to_tensor(np.zeros(0), dtype).dtype.numpy_dtype
    return (
        Tensor(whole.astype(kind)),
        Tensor(scale[:, 0].astype(matrix.dtype)),
        Tensor(zero[:, 0].astype(np.int8)),
    )


def _byte(name: str, dtype: Any, *allowed: str) -> str:
    found = convert_to_tensor(np.zeros(0), dtype).dtype.name if not isinstance(dtype, str) else dtype
    if found not in allowed:
        raise ValueError(
            f"{name} must be one of {', '.join(allowed)}, received {found!r}{at_user_location()}"
        )
    return found


def pack_int4(arr: Any, axis: int = 0, dtype: Any = "int8") -> tuple:
    """Puts two 4-bit integers into each byte: of every two along `axis` the first has the low half.

    Args:
        arr: int8 (or uint8) tensor of numbers that fit into 4 bits.
        axis: the axis; one of odd length is filled up with a 0.
        dtype: "int8" or "uint8", of the tensor and of the bytes.

    Returns:
        (bytes, their shape, length of the axis before).
    """
    kind = np.dtype(_byte("pack_int4: dtype", dtype, "int8", "uint8"))
    array = np.asarray(convert_to_tensor(arr))
    if array.dtype != kind:
        raise TypeError(
            f"pack_int4: expected a tensor of dtype {kind}, received {array.dtype}{at_user_location()}"
        )
    lanes = np.moveaxis(array, axis, 0)
    length = lanes.shape[0]
    if length % 2:
        lanes = np.concatenate([lanes, np.zeros_like(lanes[:1])])
    low, high = (
        half.view(np.uint8) & np.uint8(15) for half in np.ascontiguousarray([lanes[::2], lanes[1::2]])
    )
    packed = np.ascontiguousarray(np.moveaxis((low | (high << np.uint8(4))).view(kind), 0, axis))
    return Tensor(packed), tuple(packed.shape), length


def _unpacked_shape(packed: tuple, length: int, axis: int, signed: bool) -> tuple:
    axis %= len(packed)
    return (*packed[:axis], length, *packed[axis + 1 :])


def _unpacked(xp: Any, packed: Any, *, length: Number, axis: Number, signed: bool) -> Any:
    lanes = xp.moveaxis(packed, axis, 0)
    kind = lanes.dtype.type
    halves = xp.stack([lanes & kind(15), (lanes >> kind(4)) & kind(15)], axis=1)
    flat = xp.reshape(halves, (-1, *lanes.shape[1:]))[:length]
    flat = (flat ^ kind(8)) - kind(8) if signed else flat
    return xp.moveaxis(flat, 0, axis)


_unpack = Op("unpack_int4", _unpacked, differentiable=False, shape=_unpacked_shape)


def unpack_int4(packed: Any, orig_len: int, axis: int = 0, dtype: Any = "int8") -> Any:
    """Returns the 4-bit integers that `pack_int4` put into bytes.

    Args:
        packed: int8 or uint8 tensor.
        orig_len: length of the axis before it was packed.
        axis: the axis.
        dtype: "int8": numbers from -8 to 7; "uint8": from 0 to 15.
    """
    kind = _byte("unpack_int4: dtype", dtype, "int8", "uint8")
    packed = convert_to_tensor(packed)
    if packed.dtype.name not in ("int8", "uint8"):
        raise TypeError(
            f"unpack_int4: expected a tensor of dtype int8 or uint8, received {packed.dtype.name}{at_user_location()}"
        )
    signed = kind == "int8"
    found = _unpack(
        arithmetic.cast(packed, dtype="int8") if signed else packed, length=orig_len, axis=axis, signed=signed
    )
    return arithmetic.cast(found, dtype=kind)


def quantize_and_dequantize(inputs: Any, scale: Any, quantized_dtype: Any, compute_dtype: Any) -> Any:
    """Rounds to what an 8-bit float dtype can say: `cast(clip(inputs / scale)) * scale`.

    Args:
        inputs: floating tensor.
        scale: scalar.
        quantized_dtype: "float8_e4m3fn" or "float8_e5m2".
        compute_dtype: dtype of the computation and of the result.
    """
    largest = float(ml_dtypes.finfo(quantized_dtype).max)
    scale = arithmetic.cast(scale, dtype=compute_dtype)
    x = _clipped(arithmetic.cast(inputs, dtype=compute_dtype) / scale, -largest, largest)
    return arithmetic.cast(arithmetic.cast(x, dtype=quantized_dtype), dtype=compute_dtype) * scale


def compute_float8_scale(amax: Any, scale: Any, dtype_max: Any, margin: int = 0) -> Any:
    """Returns the scale for values up to `amax`: `amax * 2**margin / dtype_max`; the old scale for 0, inf and nan."""
    amax, scale = convert_to_tensor(amax), convert_to_tensor(scale)
    wanted = amax / dtype_max * float(2**margin)
    usable = logic.logical_and(amax > 0.0, logic.is_finite(amax))
    return where(usable, wanted, scale)


def compute_float8_amax_history(x: Any, amax_history: Any) -> Any:
    """Returns the history of largest absolute values, moved on by one: the newest comes first."""
    history = convert_to_tensor(amax_history)
    newest = arithmetic.cast(reduction.reduce_max(math_ops.abs_(x)), dtype=history.dtype)
    return _moved_on(history, newest)


def _with_newest(xp: Any, history: Any, newest: Any) -> Any:
    # Keras moves all one place to the left, and writes the newest over what is then first.
    return xp.concatenate([xp.reshape(newest, (1,)), history[2:], history[:1]])


_moved_on = Op("amax_history", _with_newest, differentiable=False, shape=lambda history, newest: history)


def fake_quant_with_min_max_vars(
    inputs: Any,
    min_vals: Any,
    max_vals: Any,
    num_bits: int = 8,
    narrow_range: bool = False,
    axis: int | None = None,
) -> Any:
    """Rounds to the values that integers of some bits between a minimum and a maximum can say.

    Args:
        inputs: floating tensor.
        min_vals, max_vals: the range, a scalar, or one for each place along `axis`; they may be trained.
        num_bits: of the integers.
        narrow_range: do not use the lowest integer.
        axis: the axis with ranges of its own; None: one range.

    The range is moved a little so that 0 stays 0.
    """
    inputs, low, high = (convert_to_tensor(x) for x in (inputs, min_vals, max_vals))
    if axis is not None:
        sizes = [1] * len(inputs.shape)
        sizes[axis] = -1
        low, high = reshape(low, shape=sizes), reshape(high, shape=sizes)
    else:
        low, high = reshape(low, shape=()), reshape(high, shape=())
    levels = (1 if narrow_range else 0, (1 << num_bits) - 1)
    wide, low, high = (arithmetic.cast(x, dtype="float32") for x in (inputs, low, high))
    return arithmetic.cast(_fake_quantized(wide, low, high, levels), dtype=inputs.dtype)


def _fake_quantized(x: Any, low: Any, high: Any, levels: tuple) -> Any:
    least, most = levels
    scale = (high - low) / float(most - least)
    zero = math_ops.round_(_clipped(least - low / scale, least, most))
    bottom, top = (least - zero) * scale, (most - zero) * scale
    bottom, top, scale = (arithmetic.stop_gradient(value) for value in (bottom, top, scale))

    @custom_gradient
    def rounded(x: Any, low: Any, high: Any) -> tuple:
        inside = arithmetic.minimum(arithmetic.maximum(x, bottom), top) - bottom
        first = math_ops.floor(-bottom / scale + 0.5)
        result = (math_ops.floor(inside / scale - first + 0.5)) * scale

        def grad(g: Any) -> tuple:
            under, over = x < bottom, x > top
            kept = logic.logical_not(logic.logical_or(under, over))
            parts = (where(kept, g, 0.0), where(under, g, 0.0), where(over, g, 0.0))
            return parts[0], _summed_to(parts[1], low), _summed_to(parts[2], high)

        return result, grad

    return rounded(x, low, high)


def _summed_to(g: Any, like: Any) -> Any:
    if not like.shape.rank:
        return reduction.reduce_sum(g)
    axes = tuple(axis for axis, size in enumerate(like.shape) if size == 1)
    return reduction.reduce_sum(g, axis=axes, keepdims=True)
