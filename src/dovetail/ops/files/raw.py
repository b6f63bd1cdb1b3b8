"""Numbers out of bytes."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.engine import dtypes
from dovetail.ops.attrs import DTypeLike, integer
from dovetail.ops.families import op
from dovetail.ops.views import export
from dovetail.tensor import dtype as dt

_PADDED = frozenset(
    ["bfloat16", "float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16"]
)
_RAW = _PADDED | {"bool", "complex64", "complex128"}


@op(
    "",
    engine="host",
    differentiable=False,
    shape=lambda shape, size, out_type, **_: (*shape, size // out_type.itemsize if size else None),
    dtype=lambda _, out_type, **__: out_type,
)
def decode_raw_(
    xp: Any, input_bytes: Any, *, out_type: DTypeLike, little_endian: bool = True, size: int | None = None
) -> Any:
    """Returns bytes as numbers."""
    strings = input_bytes.reshape(-1).tolist()
    size = _common_size(strings, out_type) if size is None else size
    rows = b"".join([string[:size].ljust(size, b"\0") for string in strings])
    array = np.frombuffer(rows, np.uint8).copy()
    if out_type.kind == "b":
        array = array != 0
    swaps = out_type.itemsize > 1 and little_endian != (sys.byteorder == "little")
    found = _swapped(array, out_type) if swaps else array.view(out_type)
    return found.reshape(*input_bytes.shape, size // out_type.itemsize)


def _swapped(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Returns bytes as numbers, each half of a complex number by itself."""
    width = dtype.itemsize // 2 if dtype.kind == "c" else dtype.itemsize
    return array.view(f"u{width}").byteswap().view(dtype)


def _common_size(strings: list[bytes], dtype: np.dtype) -> int:
    sizes = {len(string) for string in strings}
    if len(sizes) > 1:
        first = len(strings[0])
        place = next(i for i, string in enumerate(strings) if len(string) != first)
        raise InvalidArgumentError(
            f"DecodeRaw requires input strings to all be the same size, but element {place} has size "
            f"{len(strings[place])} != {first}; fixed_length= pads and cuts them{at_user_location()}"
        )
    size = sizes.pop() if sizes else 0
    if size % dtype.itemsize:
        raise InvalidArgumentError(
            f"Input to DecodeRaw has length {size} that is not a multiple of {dtype.itemsize}, the size of "
            f"{dtype.name}{at_user_location()}"
        )
    return size


@export("io.decode_raw")
def decode_raw(
    input_bytes: Any,
    out_type: Any,
    little_endian: bool = True,
    fixed_length: Any = None,
    name: str | None = None,
) -> Any:
    """Returns the bytes of strings as numbers.

    Args:
        input_bytes: string tensor; without `fixed_length` all strings have one length.
        out_type: dtype of the numbers.
        little_endian: the first byte of a number is the smallest.
        fixed_length: number of bytes that are taken of each string; shorter ones are filled up with zeros.

    Returns:
        Tensor of shape (*input_bytes.shape, bytes / size of a number).

    Raises:
        InvalidArgumentError: lengths differ or are no multiple of a number's size.
    """
    dtype, size = dt.numpy_dtype(out_type), integer(fixed_length)
    known = _RAW if size is None else _PADDED
    if dtypes.is_host_only(dtype) or dtype.name not in known:
        raise InvalidArgumentError(
            f"tf.io.decode_raw: out_type must be one of {', '.join(sorted(known))}, received "
            f"{dt.as_dtype(out_type).name}{at_user_location()}"
        )
    if size is not None and (size <= 0 or size % dtype.itemsize):
        raise InvalidArgumentError(
            f"tf.io.decode_raw: fixed_length ({size}) must be greater than zero and a multiple of the size of "
            f"out_type ({dtype.itemsize}){at_user_location()}"
        )
    return decode_raw_(input_bytes, out_type=dtype, little_endian=little_endian, size=size)
