"""BMP as TensorFlow reads it: rows of 1, 3 or 4 bytes a pixel, not compressed; palettes are not looked at."""

from __future__ import annotations

import struct

import numpy as np

from dovetail.ops.files.pixels import check_size, refused, with_channels

_HEADER = struct.Struct("<10xI4xiihH")  # start of the pixels, width, height, planes, bits of a pixel
_CHANNELS = {8: 1, 24: 3, 32: 4}


def decode(label: str, data: bytes, channels: int) -> np.ndarray:
    """Returns the pixels of a BMP file, uint8 of shape (height, width, channels)."""
    if channels == 1:
        raise refused(label, "channels must be 0, 3 or 4 for BMP, but got 1")
    if len(data) < _HEADER.size:
        raise refused(
            label, f"Incomplete bmp content, requires at least {_HEADER.size} bytes, got {len(data)}"
        )
    start, width, height, _, bits = _HEADER.unpack_from(data)
    if bits not in _CHANNELS:
        raise refused(label, f"a BMP must have 8, 24 or 32 bits a pixel, this has {bits}")
    has, rows = _CHANNELS[bits], abs(height)
    check_size(label, rows, width, max(has, channels))
    row_bytes = (has * width + 3) // 4 * 4
    if start + row_bytes * rows > len(data):
        needed = start + row_bytes * rows
        raise refused(label, f"Incomplete bmp content, requires at least {needed} bytes, got {len(data)}")
    lines = np.frombuffer(data, np.uint8, row_bytes * rows, start).reshape(rows, row_bytes)
    pixels = lines[:, : has * width].reshape(rows, width, has)
    upright = pixels if height < 0 else pixels[::-1]
    if has > 1:  # blue, green, red
        upright = upright[..., [2, 1, 0, 3][:has]]
    return np.ascontiguousarray(with_channels(upright, channels))
