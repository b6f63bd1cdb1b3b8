"""PNG: exactly the pixels that TensorFlow reads, of 8 and of 16 bits."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.engine import dtypes
from dovetail.ops.attrs import needed
from dovetail.ops.families import op
from dovetail.ops.files.content import to_string
from dovetail.ops.files.pixels import (
    array_of,
    check_size,
    damage_told,
    plugin,
    refused,
    stream,
    with_channels,
)
from dovetail.ops.shapes import as_tensor
from dovetail.ops.views import export

_KINDS = (np.dtype(np.uint8), np.dtype(np.uint16))
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# How many channels the colour types of PNG have, and which type so many channels are.
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_COLOR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
# Pillow keeps 8 bits of a colour. These modes take the bytes of 16-bit colours for more pixels or other ones: the
# high bytes first and then the low ones, or all four as one pixel.
_HIGH_AND_LOW = {3: ("RGB", "RGB;16B", "RGB;16L"), 4: ("RGBA", "RGBA;16B", "RGBA;16L")}


def decode(label: str, data: bytes, channels: int, dtype: np.dtype) -> np.ndarray:
    """Returns the pixels of a PNG file, of shape (height, width, channels)."""
    if len(data) < 33 or data[12:16] != b"IHDR":
        raise refused(label, f"Invalid PNG data, size {len(data)}: it has no header")
    width, height, bits, color_type = struct.unpack(">IIBB", data[16:26])
    if color_type not in _CHANNELS:
        raise refused(label, f"Invalid PNG data, size {len(data)}: unknown colour type {color_type}")
    check_size(label, width, height, max(channels or _CHANNELS[color_type], 1) * dtype.itemsize)
    with damage_told(label, "PNG", data):
        array = _wide(label, data, color_type) if bits == 16 else _narrow(label, data, color_type)
        if channels == 4 and array.shape[2] in (1, 3):
            array = _with_key(array, _opened(label, data).info.get("transparency"))
    array = with_channels(array, channels)
    if array.dtype == dtype:
        return np.ascontiguousarray(array)
    return (array >> 8).astype(dtype) if array.itemsize == 2 else array.astype(dtype) * dtype.type(257)


def _opened(label: str, data: bytes) -> Any:
    return plugin("PngImagePlugin", label).PngImageFile(stream(data))


def _narrow(label: str, data: bytes, color_type: int) -> np.ndarray:
    """Returns pixels of up to 8 bits."""
    image = _opened(label, data)
    if color_type == 3:
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    elif image.mode == "1":
        image = image.convert("L")
    return array_of(image)


def _with_key(array: np.ndarray, key: Any) -> np.ndarray:
    """Returns gray or colours with their alpha: 0 where they are the key, if there is one."""
    if key is None:
        return array
    alpha = np.where((array == np.asarray(key)).all(axis=2, keepdims=True), 0, np.iinfo(array.dtype).max)
    return np.concatenate([array, alpha.astype(array.dtype)], axis=2)


def _wide(label: str, data: bytes, color_type: int) -> np.ndarray:
    """Returns pixels of 16 bits."""
    channels = _CHANNELS[color_type]
    if channels == 1:
        return array_of(_opened(label, data)).astype(np.uint16)
    if channels == 2:  # gray and alpha, four bytes
        pixels = _in_mode(label, data, "RGBA", "RGBA")
        return np.ascontiguousarray(pixels).view(">u2").astype(np.uint16)
    mode, high, low = _HIGH_AND_LOW[channels]
    upper: Any = _in_mode(label, data, mode, high).astype(np.uint16)
    return (upper << 8) | _in_mode(label, data, mode, low)


def _in_mode(label: str, data: bytes, mode: str, raw_mode: str) -> np.ndarray:
    image = _opened(label, data)
    image._mode = mode
    image.tile = [(tile[0], tile[1], tile[2], raw_mode) for tile in image.tile]
    return np.array(image)


def encode(image: np.ndarray, level: int) -> bytes:
    """Returns the PNG file of an image of shape (height, width, channels), uint8 or uint16.

    Rows are not filtered; Pillow writes no colours of 16 bits.
    """
    height, width, channels = image.shape
    header = struct.pack(">IIBBBBB", width, height, 8 * image.itemsize, _COLOR_TYPES[channels], 0, 0, 0)
    rows = image.astype(image.dtype.newbyteorder(">"), copy=False).reshape(height, -1)
    lines = np.concatenate(
        [np.zeros((height, 1), np.uint8), np.ascontiguousarray(rows).view(np.uint8)], axis=1
    )
    packed = zlib.compress(lines.tobytes(), level)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


@op("", engine="host", differentiable=False, shape=lambda image, **_: image[:-3], dtype=to_string)
def encode_png_(xp: Any, image: Any, *, compression: int = -1) -> Any:
    """Returns PNG files of images."""
    if image.dtype not in _KINDS:
        raise TypeError(f"expected an image of uint8 or uint16, received {image.dtype}")
    if image.ndim < 3:
        raise InvalidArgumentError(
            f"tf.io.encode_png: images must be at least rank 3 (height, width, channels), received shape "
            f"{image.shape}{at_user_location()}"
        )
    if image.shape[-1] not in _COLOR_TYPES:
        raise refused("tf.io.encode_png", f"image must have 1, 2, 3, or 4 channels, got {image.shape[-1]}")
    files = np.empty(image.shape[:-3], dtypes.STRING)
    flat = files.reshape(-1)
    for number, one in enumerate(image.reshape(-1, *image.shape[-3:]) if files.size else ()):
        check_size("tf.io.encode_png", *one.shape)
        flat[number] = encode(one, compression)
    return files


@export("io.encode_png image.encode_png")
def encode_png(image: Any, compression: int = -1, name: str | None = None) -> Any:
    """Returns images as PNG files, strings of shape (...).

    Args:
        image: uint8 or uint16 of shape (..., height, width, channels) with 1 (gray), 2 (with alpha), 3 (RGB) or
            4 (RGBA) channels.
        compression: 0 (none) to 9 (slow and small); -1: zlib chooses.
    """
    level = needed(compression)
    if not -1 <= level <= 9:
        raise refused("tf.io.encode_png", f"compression should be in [-1,9], got {level}")
    return encode_png_(as_tensor(image), compression=level)
