"""JPEG by Pillow's libjpeg-turbo, with TensorFlow's options."""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.engine import dtypes
from dovetail.ops.attrs import DTypeLike, needed
from dovetail.ops.families import op
from dovetail.ops.files.content import as_string_scalar, scalar_bytes, to_string
from dovetail.ops.files.pixels import array_of, check_size, plugin, read_by_pillow, refused, stream
from dovetail.ops.shapes import as_tensor
from dovetail.ops.views import export

_END = b"\xff\xd9"
_RATIOS = (1, 2, 4, 8)
_TRANSFORMS = ("", "INTEGER_FAST", "INTEGER_ACCURATE")
_MODES = {1: "L", 3: "RGB"}
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_UNITS = {"in": 1, "cm": 2}
_INT32 = np.dtype(np.int32)
_UINT8 = np.dtype(np.uint8)


def opened(label: str, data: bytes) -> Any:
    """Returns Pillow's image, of which the header is read."""
    with read_by_pillow(label, "JPEG", data):
        return plugin("JpegImagePlugin", label).JpegImageFile(stream(data))


def decode(
    label: str,
    data: bytes,
    channels: int = 0,
    ratio: int = 1,
    fancy_upscaling: bool = True,
    try_recover_truncated: bool = False,
) -> np.ndarray:
    """Returns the pixels of a JPEG file, uint8 of shape (height, width, channels)."""
    if channels == 4:
        raise refused(label, "JPEG does not support 4 channels")
    image = opened(label, data + _END if try_recover_truncated else data)
    check_size(label, *(math.ceil(size / ratio) for size in image.size), channels or 3)
    with read_by_pillow(label, "JPEG", data):
        if not fancy_upscaling and ratio == 1 and image.mode == "RGB" and channels != 1 and image.width > 4:
            return _simply_upscaled(label, image)
        wanted = _MODES[channels] if channels else "L" if image.mode == "L" else "RGB"
        gray = "L" if wanted == "L" and image.mode == "RGB" else None
        if gray or ratio > 1:  # such divisions are exact
            image.draft(gray, (image.size[0] / ratio, image.size[1] / ratio))
        if image.mode == "CMYK":
            return _from_cmyk(label, array_of(image), channels)
        return array_of(image if image.mode == wanted else image.convert(wanted))


def _from_cmyk(label: str, inks: np.ndarray, channels: int) -> np.ndarray:
    if channels == 1:
        raise refused(label, "a CMYK image does not become gray: pass channels=3")
    colors, black = 255 - inks[..., :3].astype(np.uint16), 255 - inks[..., 3:].astype(np.uint16)
    return (colors * black // 255).astype(np.uint8)


def _simply_upscaled(label: str, image: Any) -> np.ndarray:
    """Returns an image whose colours are repeated, where they are stored at a lower resolution, instead of blended.

    libjpeg blends a colour with its neighbour, 3 to 1, which is undone here.
    """
    halved = plugin("JpegImagePlugin", label).get_sampling(image)
    image.draft("YCbCr", None)
    planes = np.asarray(image).astype(np.float32)  # (height, width, 3)
    for axis in {0: (), 1: (1,), 2: (0, 1)}.get(halved, ()):
        planes[..., 1:] = _unblended(planes[..., 1:], axis)
    luma, blue, red = planes[..., 0], planes[..., 1] - 128, planes[..., 2] - 128
    colors = [luma + 1.402 * red, luma - 0.344136 * blue - 0.714136 * red, luma + 1.772 * blue]
    return np.clip(np.rint(np.stack(colors, axis=-1)), 0, 255).astype(np.uint8)


def _unblended(planes: np.ndarray, axis: int) -> np.ndarray:
    """Returns for each pair of neighbours the value of which both were made."""
    size = planes.shape[axis]
    even = np.take(planes, np.arange(0, size, 2), axis)
    before = np.take(planes, np.maximum(np.arange(0, size, 2) - 1, 0), axis)
    values = np.clip((3 * even - before) / 2, 0, 255)
    first = [slice(None)] * planes.ndim
    first[axis] = slice(0, 1)
    values[tuple(first)] = even[tuple(first)]
    return np.take(np.repeat(values, 2, axis), np.arange(size), axis)


def check_options(label: str, channels: int, ratio: int, dct_method: str) -> None:
    """Raises InvalidArgumentError for options that JPEG does not have."""
    if channels not in (0, 1, 3, 4):
        raise refused(label, f"channels must be 0, 1, 3 or 4, received {channels}")
    if ratio not in _RATIOS:
        raise refused(label, f"ratio must be 1, 2, 4, or 8, got {ratio}")
    if dct_method not in _TRANSFORMS:
        raise refused(label, f"dct_method must be one of {', '.join(map(repr, _TRANSFORMS))}, got {dct_method!r}")


@op("", engine="host", differentiable=False, same_dtype=0, shape=lambda contents, window, **_: (None, None, None), dtype=lambda *_, **__: _UINT8)
def decode_and_crop_jpeg_(
    xp: Any,
    contents: Any,
    crop_window: Any,
    *,
    channels: int = 0,
    ratio: int = 1,
    fancy_upscaling: bool = True,
    try_recover_truncated: bool = False,
) -> Any:
    """Returns a part of the pixels of a JPEG file."""
    label = "tf.io.decode_and_crop_jpeg"
    if crop_window.shape != (4,):
        raise refused(label, f"crop_window must have four elements, received shape {crop_window.shape}")
    data = scalar_bytes(label, contents)
    image = decode(label, data, channels, ratio, fancy_upscaling, try_recover_truncated)
    top, left, height, width = crop_window.tolist()
    inside = top >= 0 and left >= 0 and top + height <= image.shape[0] and left + width <= image.shape[1]
    if not inside or height < 1 or width < 1:
        raise refused(label, f"crop_window {crop_window.tolist()} is not inside of the image {image.shape[:2]}")
    return np.ascontiguousarray(image[top : top + height, left : left + width])


@export("io.decode_and_crop_jpeg image.decode_and_crop_jpeg")
def decode_and_crop_jpeg(
    contents: Any,
    crop_window: Any,
    channels: int = 0,
    ratio: int = 1,
    fancy_upscaling: bool = True,
    try_recover_truncated: bool = False,
    acceptable_fraction: float = 1,
    dct_method: str = "",
    name: str | None = None,
) -> Any:
    """Returns the pixels of a part of a JPEG image.

    Args:
        crop_window: (top, left, height, width) in pixels of the image that `ratio` has made smaller.

    The others are as in `decode_jpeg`.
    """
    check_options("tf.io.decode_and_crop_jpeg", channels, ratio, dct_method)
    return decode_and_crop_jpeg_(
        contents,
        as_tensor(crop_window),
        channels=channels,
        ratio=ratio,
        fancy_upscaling=fancy_upscaling,
        try_recover_truncated=try_recover_truncated,
    )


@op(
    "io.extract_jpeg_shape image.extract_jpeg_shape",
    engine="host",
    differentiable=False,
    shape=lambda contents, **_: (3,),
    dtype=lambda _, output_type: output_type,
)
def extract_jpeg_shape(xp: Any, contents: Any, *, output_type: DTypeLike = _INT32) -> Any:
    """Returns (height, width, channels) of a JPEG image, without decoding it.

    Args:
        contents: scalar string.
        output_type: int32 or int64.
    """
    label = "tf.io.extract_jpeg_shape"
    image = opened(label, scalar_bytes(label, contents))
    return np.array([image.size[1], image.size[0], len(image.getbands())], output_type)


@op("io.is_jpeg image.is_jpeg", engine="host", differentiable=False, shape=lambda shape: shape, dtype=lambda _: np.dtype(bool))
def is_jpeg(xp: Any, contents: Any) -> Any:
    """Returns which strings begin as JPEG files do."""
    begins = [value[:3] == b"\xff\xd8\xff" for value in contents.reshape(-1).tolist()]
    return np.array(begins, bool).reshape(contents.shape)


def encode(
    label: str,
    image: np.ndarray,
    quality: int,
    progressive: bool = False,
    optimize_size: bool = False,
    chroma_downsampling: bool = True,
) -> bytes:
    """Returns the JPEG file of a uint8 image of shape (height, width, 1 or 3)."""
    if not 0 <= quality <= 100:
        raise refused(label, f"quality must be in [0,100], got {quality}")
    check_size(label, *image.shape)
    pixels = image[..., 0] if image.shape[2] == 1 else image
    file = stream(b"")
    plugin("Image", label).fromarray(pixels).save(
        file,
        "JPEG",
        quality=max(quality, 1),  # Pillow takes 0 for no answer; to libjpeg it is 1
        progressive=progressive,
        optimize=optimize_size,
        subsampling=2 if chroma_downsampling else 0,
    )
    return file.getvalue()


def _with_notes(file: bytes, unit: str, x_density: int, y_density: int, xmp_metadata: bytes) -> bytes:
    """Returns a JPEG file with its density and metadata; it begins with the 20 bytes of a JFIF header."""
    head = file[:13] + struct.pack(">BHH", _UNITS[unit], x_density, y_density) + file[18:20]
    if not xmp_metadata:
        return head + file[20:]
    note = _XMP + xmp_metadata
    return head + b"\xff\xe1" + struct.pack(">H", len(note) + 2) + note + file[20:]


@op("", engine="host", differentiable=False, shape=lambda image, **_: (), dtype=to_string)
def encode_jpeg_(
    xp: Any,
    image: Any,
    *,
    quality: int = 95,
    progressive: bool = False,
    optimize_size: bool = False,
    chroma_downsampling: bool = True,
    density: Any = ("in", 300, 300),
    xmp_metadata: Any = b"",
) -> Any:
    """Returns the JPEG file of an image."""
    label = "tf.io.encode_jpeg"
    check_image(label, image)
    file = encode(label, image, quality, progressive, optimize_size, chroma_downsampling)
    return as_string_scalar(_with_notes(file, *density, xmp_metadata))


def check_image(label: str, image: np.ndarray) -> None:
    """Raises for what is no image that a JPEG file can hold."""
    if image.dtype != _UINT8:
        raise TypeError(f"expected an image of uint8, received {image.dtype}")
    if image.ndim != 3 or image.shape[2] not in _MODES:
        raise refused(
            label, f"image must be of shape (height, width, channels) with 1 or 3 channels, got {image.shape}"
        )


_FORMATS = {"": None, "grayscale": 1, "rgb": 3}
_MOST_METADATA = 0xFFFF - 2 - len(_XMP)


@export("io.encode_jpeg image.encode_jpeg")
def encode_jpeg(
    image: Any,
    format: str = "",
    quality: int = 95,
    progressive: bool = False,
    optimize_size: bool = False,
    chroma_downsampling: bool = True,
    density_unit: str = "in",
    x_density: int = 300,
    y_density: int = 300,
    xmp_metadata: Any = "",
    name: str | None = None,
) -> Any:
    """Returns an image as a JPEG file, a scalar string.

    Args:
        image: uint8 of shape (height, width, channels) with 1 (gray) or 3 (RGB) channels.
        format: "grayscale" or "rgb", which the image then has to be; "": what it is.
        quality: 0 to 100.
        progressive: write one that is shown coarsely first.
        optimize_size: spend time on a smaller file.
        chroma_downsampling: store colours at half the resolution.
        density_unit: "in" or "cm".
        x_density, y_density: pixels per unit, which viewers may read.
        xmp_metadata: goes into the header.
    """
    label, tensor = "tf.io.encode_jpeg", as_tensor(image)
    note = xmp_metadata.encode() if isinstance(xmp_metadata, str) else bytes(xmp_metadata)
    densities = needed(x_density), needed(y_density)
    if format not in _FORMATS:
        raise refused(label, f"format must be '', 'grayscale' or 'rgb', received {format!r}")
    if tensor.shape.rank == 3 and _FORMATS[format] not in (None, tensor.shape[2]):
        raise refused(label, f"format {format} expects {_FORMATS[format]} channels, got {tensor.shape}")
    if density_unit not in _UNITS:
        raise refused(label, f"density_unit must be 'in' or 'cm', received {density_unit!r}")
    if not all(0 <= density <= 0xFFFF for density in densities) or len(note) > _MOST_METADATA:
        raise refused(label, f"densities go to 65535, xmp_metadata to {_MOST_METADATA} bytes")
    return encode_jpeg_(
        tensor,
        quality=quality,
        progressive=progressive,
        optimize_size=optimize_size,
        chroma_downsampling=chroma_downsampling,
        density=(density_unit, *densities),
        xmp_metadata=note,
    )
