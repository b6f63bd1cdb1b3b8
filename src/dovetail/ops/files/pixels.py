"""What the image formats share: telling them apart, Pillow's plugins, limits, numbers of channels."""

from __future__ import annotations

import contextlib
import io
import struct
import sys
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError, OpError, at_user_location
from dovetail.base.optional import optional

MOST_BYTES = 1 << 29  # of a decoded image, as in TensorFlow: a small file can claim to be a large image
# How files of a format begin.
_BEGINNINGS = (
    ("JPEG", b"\xff\xd8\xff"),
    ("PNG", b"\x89PNG\r\n\x1a\n"),
    ("GIF", b"GIF8"),
    ("BMP", b"BM"),
    ("JPEG XL", b"\xff\x0a"),
    ("JPEG XL", b"\x00\x00\x00\x0cJXL \r\n\x87\n"),
)
# libpng's weights of red, green and blue, in 1/32768.
_RED, _GREEN = 9797, 19234
_BLUE = 32768 - _RED - _GREEN


def format_of(data: bytes, label: str) -> str:
    """Returns "JPEG", "PNG", "GIF", "BMP", "WebP" or "JPEG XL".

    Raises:
        InvalidArgumentError: it is none of them.
    """
    for name, beginning in _BEGINNINGS:
        if data.startswith(beginning):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    what = "Input is empty." if not data else f"Unknown image file format: it begins with {data[:8]!r}."
    raise refused(label, f"{what} One of JPEG, PNG, GIF, BMP, WebP required")


def refused(label: str, why: str) -> InvalidArgumentError:
    """Returns the error of an image that cannot be read or written."""
    return InvalidArgumentError(f"{label}: {why}{at_user_location()}")


def check_size(label: str, *sizes: int) -> None:
    """Raises InvalidArgumentError for an image of no size, and for one that would fill the memory."""
    total = 1
    for size in sizes:
        total *= size
    if min(sizes) < 1 or total >= MOST_BYTES:
        raise refused(label, f"an image of {' x '.join(map(str, sizes))} has no size or too large a one")


def plugin(name: str, label: str) -> Any:
    """Returns a module of Pillow, such as "PngImagePlugin"."""
    return optional(f"PIL.{name}", label, "'dovetail[images]'")


@contextlib.contextmanager
def damage_told(label: str, kind: str, data: bytes) -> Iterator[None]:
    """Turns what Pillow raises for damaged files into InvalidArgumentError; it raises much.

    Decoders of whole files are asked directly: `Image.open` tries all formats, and warns of large images.
    """
    try:
        yield
    except (OpError, ImportError):
        raise
    except _of_damage() as error:
        raise refused(
            label, f"Invalid {kind} data, size {len(data)}: {type(error).__name__}: {error}"
        ) from error


_OF_PYTHON: tuple[type[Exception], ...] = (
    *(
        ArithmeticError,
        AttributeError,
        EOFError,
        LookupError,
        MemoryError,
        OSError,
        RuntimeError,
        SyntaxError,
    ),
    *(TypeError, ValueError, struct.error, zlib.error),
)


def _of_damage() -> tuple[type[Exception], ...]:
    """Returns what Pillow raises for damaged files, and for large images, which it takes for attacks."""
    module = sys.modules.get("PIL.Image")
    return _OF_PYTHON if module is None else (*_OF_PYTHON, module.DecompressionBombError)


def stream(data: bytes) -> io.BytesIO:
    return io.BytesIO(data)


def array_of(image: Any) -> np.ndarray:
    """Returns Pillow's image as an array of shape (height, width, channels)."""
    array = np.asarray(image)
    return array[..., None] if array.ndim == 2 else array


def with_channels(array: np.ndarray, channels: int) -> np.ndarray:
    """Returns an image of 1 to 4 channels (two: gray and alpha) with another number of channels, as libpng does.

    Args:
        array: uint8 or uint16 of shape (height, width, channels).
        channels: 1, 3 or 4; 0 keeps what there is.
    """
    has = array.shape[2]
    if channels in (0, has):
        return array
    colors, alpha = (array[..., :-1], array[..., -1:]) if has in (2, 4) else (array, None)
    if channels == 1:
        return colors if colors.shape[2] == 1 else _gray(colors)
    if colors.shape[2] == 1:
        colors = np.repeat(colors, 3, axis=2)
    if channels == 3:
        return np.ascontiguousarray(colors)
    if alpha is None:
        alpha = np.full((*array.shape[:2], 1), np.iinfo(array.dtype).max, array.dtype)
    return np.concatenate([colors, alpha], axis=2)


def _gray(colors: np.ndarray) -> np.ndarray:
    red, green, blue = np.moveaxis(colors.astype(np.uint32), 2, 0)
    half = 16384 if colors.itemsize == 2 else 0  # 16 bits are rounded, 8 bits are cut
    gray = (
        red * np.uint32(_RED) + green * np.uint32(_GREEN) + blue * np.uint32(_BLUE) + np.uint32(half)
    ) >> 15
    return gray.astype(colors.dtype)[..., None]
