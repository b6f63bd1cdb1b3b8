"""Decoding images: the public functions, each of which recognizes what it is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.errors import UnimplementedError, at_user_location
from dovetail.engine import dtypes, host
from dovetail.ops.attrs import DTypeLike
from dovetail.ops.families import op
from dovetail.ops.files import bmp, gif, jpeg, png, webp
from dovetail.ops.files.content import scalar_bytes
from dovetail.ops.files.pixels import format_of, refused, with_channels
from dovetail.ops.image import converted
from dovetail.ops.views import export
from dovetail.tensor import dtype as dt

_UINT8, _UINT16, _FLOAT32 = (np.dtype(name) for name in ("uint8", "uint16", "float32"))
_HOST: dict[str, Any] = {"engine": "host", "differentiable": False}


def _uint8(*_: Any, **__: Any) -> np.dtype:
    return _UINT8


def _asked(*_: Any, dtype: np.dtype, **__: Any) -> np.dtype:
    return dtype


def _one_image(contents: tuple, *, channels: int = 0, **_: Any) -> tuple:
    return (None, None, channels or None)


def _decoded(label: str, data: bytes, channels: int, dtype: np.dtype, most: int | None) -> np.ndarray:
    """Returns the pixels of an image of any format: rank 4 for GIF and WebP.

    Args:
        label: the function's name.
        data: the file.
        channels: 0: what it has.
        dtype: uint8, uint16 or float32.
        most: how many images of an animation to read; None: all.
    """
    kind = format_of(data, label)
    if kind == "PNG":
        return converted(host, png.decode(label, data, channels, _png_dtype(data, dtype)), dtype)
    return converted(host, _DECODERS[kind](label, data, channels, most), dtype)


def _png_dtype(data: bytes, dtype: np.dtype) -> np.dtype:
    """Returns in how many bits a PNG file is read for a dtype; floats take what the file has."""
    if dtype == _FLOAT32:
        return _UINT16 if data[24:25] == b"\x10" else _UINT8
    return dtype


def _jpeg(label: str, data: bytes, channels: int, most: int | None) -> np.ndarray:
    return jpeg.decode(label, data, channels)


def _gif(label: str, data: bytes, channels: int, most: int | None) -> np.ndarray:
    if channels not in (0, 3):
        raise refused(label, f"channels must be 0 or 3 for GIF, got {channels}")
    return gif.decode(label, data, most)


def _bmp(label: str, data: bytes, channels: int, most: int | None) -> np.ndarray:
    return bmp.decode(label, data, channels)


def _jxl(label: str, data: bytes, channels: int, most: int | None) -> np.ndarray:
    raise UnimplementedError(
        f"{label}: JPEG XL is not read here; convert the image to PNG or JPEG first{at_user_location()}"
    )


_DECODERS: dict[str, Callable[[str, bytes, int, int | None], np.ndarray]] = {
    "JPEG": _jpeg,
    "GIF": _gif,
    "BMP": _bmp,
    "WebP": webp.decode,
    "JPEG XL": _jxl,
}
_STILL = frozenset({"JPEG", "PNG", "GIF", "WebP", "JPEG XL"})
# What each function reads; where a format is missing, the error says which function has it.
_READ_BY = {
    "decode_jpeg": _STILL,
    "decode_png": _STILL,
    "decode_webp": _STILL - {"GIF"},
    "decode_jxl": _STILL - {"GIF"},
    "decode_gif": _STILL,
    "decode_bmp": frozenset({"BMP"}),
}


def _by(function: str, contents: np.ndarray, channels: int, dtype: np.dtype = _UINT8) -> np.ndarray:
    """Returns what one of the functions for a single format gives for a file that may have another."""
    label = f"tf.io.{function}"
    data = scalar_bytes(label, contents)
    if channels not in (0, 1, 3, 4):
        raise refused(label, f"channels must be 0, 1, 3 or 4, received {channels}")
    kind = format_of(data, label)
    if kind not in _READ_BY[function]:
        other = f"tf.io.decode_{kind.lower()}"
        raise refused(label, f"this is a {kind} image: use {other} or tf.io.decode_image")
    image = _decoded(label, data, channels, dtype, None)
    if kind == "GIF" and function != "decode_gif":
        if len(image) > 1:
            raise refused(
                label, f"Got {len(image)} frames, but animated gifs can only be decoded by tf.io.decode_gif or "
                "tf.io.decode_image",
            )  # fmt: skip
        return image[0]
    return image


@op("", **_HOST, shape=_one_image, dtype=_uint8)
def decode_jpeg_(
    xp: Any,
    contents: Any,
    *,
    channels: int = 0,
    ratio: int = 1,
    fancy_upscaling: bool = True,
    try_recover_truncated: bool = False,
    dct_method: str = "",
) -> Any:
    """Returns the pixels of a JPEG file."""
    label = "tf.io.decode_jpeg"
    data = scalar_bytes(label, contents)
    if format_of(data, label) != "JPEG":
        return _by("decode_jpeg", contents, channels)
    return jpeg.decode(label, data, channels, ratio, fancy_upscaling, try_recover_truncated, dct_method)


@export("io.decode_jpeg image.decode_jpeg")
def decode_jpeg(
    contents: Any,
    channels: int = 0,
    ratio: int = 1,
    fancy_upscaling: bool = True,
    try_recover_truncated: bool = False,
    acceptable_fraction: float = 1,
    dct_method: str = "",
    name: str | None = None,
) -> Any:
    """Returns the pixels of a JPEG image, uint8 of shape (height, width, channels).

    Args:
        contents: scalar string; also a PNG, GIF or WebP file.
        channels: 1: gray; 3: RGB; 0: what the file has.
        ratio: 1, 2, 4 or 8: make the image so many times smaller, which is faster.
        fancy_upscaling: blend colours that are stored at a lower resolution.
        try_recover_truncated: give a file that ends too early its end: what is missing is gray.
        acceptable_fraction: of the lines that a file which ends too early must have; libjpeg gives all of them.
        dct_method: "INTEGER_FAST", which "" stands for, or "INTEGER_ACCURATE".

    With the package simplejpeg the values are TensorFlow's.  Without it Pillow reads the file: those of the accurate
    method are TensorFlow's, others within 6 of 255 and 1.5 on average.

    Raises:
        InvalidArgumentError: it is no such file, or it is damaged.
    """
    jpeg.check_options("tf.io.decode_jpeg", channels, ratio, dct_method)
    return decode_jpeg_(
        contents,
        channels=channels,
        ratio=ratio,
        fancy_upscaling=fancy_upscaling,
        try_recover_truncated=try_recover_truncated,
        dct_method=dct_method,
    )


@op("io.decode_png image.decode_png", **_HOST, shape=_one_image, dtype=_asked)
def decode_png(xp: Any, contents: Any, *, channels: int = 0, dtype: DTypeLike = _UINT8) -> Any:
    """Returns the pixels of a PNG image, of shape (height, width, channels).

    Args:
        contents: scalar string; also a JPEG, GIF or WebP file.
        channels: 1: gray; 3: RGB; 4: RGBA; 0: what the file has.
        dtype: uint8 or uint16.
    """
    if dtype not in (_UINT8, _UINT16):
        raise refused("tf.io.decode_png", f"dtype must be uint8 or uint16, received {dtype.name}")
    return _by("decode_png", contents, channels, dtype)


@op("io.decode_bmp image.decode_bmp", **_HOST, shape=_one_image, dtype=_uint8)
def decode_bmp(xp: Any, contents: Any, *, channels: int = 0) -> Any:
    """Returns the pixels of a BMP image, uint8 of shape (height, width, channels).

    Args:
        contents: scalar string.
        channels: 3 or 4; 0: what the file has, 1 for 8 bits a pixel, whose palette is not looked at.
    """
    return _by("decode_bmp", contents, channels)


@op("io.decode_gif image.decode_gif", **_HOST, shape=lambda contents: (None, None, None, 3), dtype=_uint8)
def decode_gif(xp: Any, contents: Any) -> Any:
    """Returns the images of a GIF file, uint8 of shape (images, height, width, 3).

    Args:
        contents: scalar string; also a JPEG, PNG or WebP file: one image.
    """
    image = _by("decode_gif", contents, 3)
    return image if image.ndim == 4 else image[None]


@op(
    "io.decode_webp image.decode_webp",
    **_HOST,
    shape=lambda contents, channels=0, **_: (None, None, None, channels or None),
    dtype=_asked,
)
def decode_webp(xp: Any, contents: Any, *, channels: int = 0, dtype: DTypeLike = _UINT8) -> Any:
    """Returns the images of a WebP file, uint8 of shape (images, height, width, channels).

    Args:
        contents: scalar string; also a JPEG or PNG file.
        channels: 3 or 4, as the file has; 0: what it has.
        dtype: uint8.
    """
    if dtype != _UINT8:
        raise refused("tf.io.decode_webp", f"dtype must be uint8, received {dtype.name}")
    return _by("decode_webp", contents, channels)


@op("io.decode_jxl image.decode_jxl", **_HOST, shape=_one_image, dtype=_asked)
def decode_jxl(xp: Any, contents: Any, *, channels: int = 0, dtype: DTypeLike = _UINT8) -> Any:
    """Refuses JPEG XL, which is not read here; other images are read as by `decode_png`.

    Raises:
        UnimplementedError: the file is JPEG XL.
    """
    return _by("decode_jxl", contents, channels, dtype)


@op(
    "",
    **_HOST,
    shape=lambda contents, *, channels, dtype, animated: None if animated else (None, None, channels or None),
    dtype=_asked,
)
def decode_image_(xp: Any, contents: Any, *, channels: int, dtype: DTypeLike, animated: bool) -> Any:
    """Returns the pixels of an image."""
    label = "tf.io.decode_image"
    if channels not in (0, 1, 3, 4):
        raise refused(label, f"channels must be 0, 1, 3 or 4, received {channels}")
    read_as = dtype if dtype in (_UINT8, _UINT16, _FLOAT32) else _UINT16
    image = _decoded(label, scalar_bytes(label, contents), channels, read_as, None if animated else 1)
    image = converted(host, image, dtype)
    return image[0] if image.ndim == 4 and not animated else image


def first_image(label: str, data: bytes, channels: int) -> np.ndarray:
    """Returns the first image of a file of any format as uint8, with 1, 3 or 4 channels whatever the file has."""
    kind = format_of(data, label)
    asked = channels if kind == "PNG" or (kind == "JPEG" and channels < 4) else 0
    image = _decoded(label, data, asked, _UINT8, 1)
    return with_channels(image if image.ndim == 3 else image[0], channels)


@export("io.decode_image image.decode_image")
def decode_image(
    contents: Any,
    channels: int | None = None,
    dtype: Any = _UINT8,
    name: str | None = None,
    expand_animations: bool = True,
) -> Any:
    """Returns the pixels of a JPEG, PNG, BMP, GIF or WebP image, of shape (height, width, channels).

    Args:
        contents: scalar string.
        channels: 1: gray; 3: RGB; 4: RGBA; 0 or None: what the file has.
        dtype: integers are scaled to its largest number, floats to [0, 1].
        expand_animations: GIF and WebP give (images, height, width, channels).  False: the first image, and the rank
            is known when a graph is built.

    Raises:
        InvalidArgumentError: it is no such file, or it is damaged.
    """
    kind = dt.numpy_dtype(dtype)
    if dtypes.is_host_only(kind) or dtypes.is_complex(kind) or kind.kind == "b":
        raise refused(
            "tf.io.decode_image", f"dtype must be a real number's, received {dt.as_dtype(dtype).name}"
        )
    return decode_image_(contents, channels=channels or 0, dtype=kind, animated=bool(expand_animations))
