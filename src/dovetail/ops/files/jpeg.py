"""JPEG by libjpeg-turbo, with TensorFlow's options: through simplejpeg, or else through Pillow."""

from __future__ import annotations

import functools
import math
import struct
from typing import Any

import numpy as np

from dovetail.base.optional import optional
from dovetail.ops.attrs import DTypeLike, needed
from dovetail.ops.families import op
from dovetail.ops.files.content import as_string_scalar, scalar_bytes, to_string
from dovetail.ops.files.pixels import array_of, check_size, damage_told, plugin, refused, stream
from dovetail.ops.infer import partial_of
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


# What libjpeg says of damage that it, and TensorFlow, decode around.
_BEARABLE = ("Corrupt JPEG data", "Inconsistent progression", "Warning")


class _Pillow:
    """JPEG by Pillow, which always takes the accurate cosine transform and blends colours."""

    def __init__(self, label: str) -> None:
        self._plugin = plugin("JpegImagePlugin", label)

    def shape(self, data: bytes) -> tuple[int, int, int]:
        """Returns (height, width, channels), from the header."""
        image = self._plugin.JpegImageFile(stream(data))
        return image.size[1], image.size[0], len(image.getbands())

    def pixels(
        self, data: bytes, mode: str, ratio: int, fancy: bool, fast: bool, recover: bool
    ) -> np.ndarray:
        """Returns an image as "L", "RGB" or "CMYK", made smaller; it is never `fast`."""
        if not fancy:
            raise ImportError("fancy_upscaling=False needs the package simplejpeg: pip install simplejpeg")
        image = self._plugin.JpegImageFile(stream(data + _END if recover else data))
        gray = "L" if mode == "L" and image.mode == "RGB" else None
        if gray or ratio > 1:  # such divisions are exact
            image.draft(gray, (image.size[0] / ratio, image.size[1] / ratio))
        array = array_of(image if image.mode == mode else image.convert(mode))
        return 255 - array if mode == "CMYK" and image.info.get("adobe") is not None else array


class _Turbo:
    """JPEG by simplejpeg: libjpeg-turbo with all that TensorFlow asks of it, and the same values."""

    def __init__(self, module: Any) -> None:
        self._module = module

    def shape(self, data: bytes) -> tuple[int, int, int]:
        height, width, kind, _ = self._module.decode_jpeg_header(data)
        return height, width, _NUM_CHANNELS.get(kind, 3)

    def pixels(
        self, data: bytes, mode: str, ratio: int, fancy: bool, fast: bool, recover: bool
    ) -> np.ndarray:
        height, width, _ = self.shape(data)
        options = {
            "colorspace": _TURBO_NAMES.get(mode, mode),
            "fastdct": fast,
            "fastupsample": not fancy,
            "min_height": math.ceil(height / ratio),
            "min_width": math.ceil(width / ratio),
            "min_factor": ratio,
        }
        try:
            return self._module.decode_jpeg(data, strict=not recover, **options)
        except ValueError as error:
            if not str(error).startswith(_BEARABLE) or _END not in data:
                raise
            return self._module.decode_jpeg(data, strict=False, **options)


_NUM_CHANNELS = {"Gray": 1, "CMYK": 4, "YCCK": 4}
_TURBO_NAMES = {"L": "GRAY"}


@functools.cache
def _decoder(label: str) -> Any:
    try:
        return _Turbo(optional("simplejpeg", label, "'dovetail[images]'"))
    except ImportError:
        return _Pillow(label)


def shape_of(label: str, data: bytes) -> tuple[int, int, int]:
    """Returns (height, width, channels) of a JPEG file, from its header."""
    return _opened(label, data)[1]


def _opened(label: str, data: bytes) -> tuple[Any, tuple[int, int, int]]:
    """Returns the decoder for a JPEG file, and its (height, width, channels)."""
    with damage_told(label, "JPEG", data):
        decoder = _decoder(label)
        try:
            return decoder, decoder.shape(data)
        except ValueError:  # simplejpeg knows the usual resolutions of colours only
            decoder = _Pillow(label)
            return decoder, decoder.shape(data)


def decode(
    label: str,
    data: bytes,
    channels: int = 0,
    ratio: int = 1,
    fancy_upscaling: bool = True,
    try_recover_truncated: bool = False,
    dct_method: str = "",
) -> np.ndarray:
    """Returns the pixels of a JPEG file, uint8 of shape (height, width, channels)."""
    if channels == 4:
        raise refused(label, "JPEG does not support 4 channels")
    decoder, (height, width, has) = _opened(label, data)
    check_size(label, math.ceil(height / ratio), math.ceil(width / ratio), max(channels, has))
    if has == 4 and channels == 1:
        raise refused(label, "a CMYK image does not become gray: pass channels=3")
    mode = "CMYK" if has == 4 else _MODES[channels or has]
    fast = dct_method != "INTEGER_ACCURATE"
    with damage_told(label, "JPEG", data):
        image = decoder.pixels(data, mode, ratio, fancy_upscaling, fast, try_recover_truncated)
    return image if has < 4 else _from_cmyk(data, image)


def _from_cmyk(data: bytes, inks: np.ndarray) -> np.ndarray:
    """Returns the colours of inks, which files of Adobe's hold the other way round."""
    light: Any = inks.astype(np.uint16) if b"Adobe" in data[:4096] else 255 - inks.astype(np.uint16)
    return (light[..., :3] * light[..., 3:] // 255).astype(np.uint8)


def check_options(label: str, channels: int, ratio: int, dct_method: str) -> None:
    """Raises InvalidArgumentError for options that JPEG does not have."""
    if channels not in (0, 1, 3, 4):
        raise refused(label, f"channels must be 0, 1, 3 or 4, received {channels}")
    if ratio not in _RATIOS:
        raise refused(label, f"ratio must be 1, 2, 4, or 8, got {ratio}")
    if dct_method not in _TRANSFORMS:
        raise refused(
            label, f"dct_method must be one of {', '.join(map(repr, _TRANSFORMS))}, got {dct_method!r}"
        )


@op(
    "",
    engine="host",
    differentiable=False,
    same_dtype=0,
    shape=lambda contents, window, *, size, channels=0, **_: (*size, channels or None),
    dtype=lambda *_, **__: _UINT8,
)
def decode_and_crop_jpeg_(
    xp: Any,
    contents: Any,
    crop_window: Any,
    *,
    size: Any,
    channels: int = 0,
    ratio: int = 1,
    fancy_upscaling: bool = True,
    try_recover_truncated: bool = False,
    dct_method: str = "",
) -> Any:
    """Returns a part of the pixels of a JPEG file."""
    label = "tf.io.decode_and_crop_jpeg"
    if crop_window.shape != (4,):
        raise refused(label, f"crop_window must have four elements, received shape {crop_window.shape}")
    data = scalar_bytes(label, contents)
    image = decode(label, data, channels, ratio, fancy_upscaling, try_recover_truncated, dct_method)
    top, left, height, width = crop_window.tolist()
    inside = top >= 0 and left >= 0 and top + height <= image.shape[0] and left + width <= image.shape[1]
    if not inside or height < 1 or width < 1:
        raise refused(
            label, f"crop_window {crop_window.tolist()} is not inside of the image {image.shape[:2]}"
        )
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
    window = as_tensor(crop_window)
    known = partial_of(window) if window.shape == (4,) else None
    return decode_and_crop_jpeg_(
        contents,
        window,
        size=(None, None)
        if known is None
        else tuple(n if isinstance(n, int) else None for n in known[2:].tolist()),
        channels=channels,
        ratio=ratio,
        fancy_upscaling=fancy_upscaling,
        try_recover_truncated=try_recover_truncated,
        dct_method=dct_method,
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
    return np.array(shape_of(label, scalar_bytes(label, contents)), output_type)


@op(
    "io.is_jpeg image.is_jpeg",
    engine="host",
    differentiable=False,
    shape=lambda shape: shape,
    dtype=lambda _: np.dtype(bool),
)
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


def _with_notes(file: bytes, density: tuple[str, int, int], xmp_metadata: bytes) -> bytes:
    """Returns a JPEG file with its density and metadata; it begins with the 20 bytes of a JFIF header."""
    unit, across, down = density
    head = file[:13] + struct.pack(">BHH", _UNITS[unit], across, down) + file[18:20]
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
    return as_string_scalar(_with_notes(file, density, xmp_metadata))


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
