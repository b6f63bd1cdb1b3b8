"""Images between files, Pillow's images and arrays."""

from __future__ import annotations

import io
import os
import pathlib
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location, suggest
from dovetail.base.optional import optional
from dovetail.base.settings import settings
from dovetail.base.told import told_function

# The modes of Pillow by what users call them; the first of several is what other modes are turned into.
_MODES = {"grayscale": ("L", "I;16", "I"), "rgba": ("RGBA",), "rgb": ("RGB",)}
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")


def pillow(needed_by: str) -> Any:
    """Returns Pillow's `PIL.Image`."""
    return optional("PIL.Image", needed_by, "'dovetail[images]'")


def checked_format(data_format: str | None, label: str) -> str:
    """Returns "channels_first" or "channels_last", the global setting for None."""
    data_format = settings.image_data_format if data_format is None else data_format
    if data_format not in ("channels_first", "channels_last"):
        raise ValueError(
            f"{label}: data_format must be 'channels_first' or 'channels_last', received {data_format!r}"
            f"{at_user_location()}"
        )
    return data_format


@told_function("keras.utils.load_img")
def load_img(
    path: Any,
    color_mode: str = "rgb",
    target_size: tuple[int, int] | None = None,
    interpolation: str = "nearest",
    keep_aspect_ratio: bool = False,
    grayscale: bool = False,
) -> Any:
    """Returns the image in a file, as Pillow's.

    Args:
        path: of the file (str, bytes, path), or a file of bytes.
        color_mode: "rgb", "rgba" or "grayscale".
        target_size: (height, width) to resize to.
        interpolation: "nearest", "bilinear", "bicubic", "hamming", "box" or "lanczos".
        keep_aspect_ratio: cut the middle out in the new proportions first.
        grayscale: what Keras 2 said for `color_mode="grayscale"`.

    Raises:
        ImportError: Pillow is not installed.
        FileNotFoundError: there is no such file.
    """
    image = pillow("load_img").open(_as_file(path))
    image = _in_mode(image, "grayscale" if grayscale else color_mode)
    if target_size is None:
        return image
    return _resized(image, (int(target_size[1]), int(target_size[0])), interpolation, keep_aspect_ratio)


def _as_file(path: Any) -> Any:
    if isinstance(path, io.IOBase):
        return path
    if isinstance(path, str | bytes | os.PathLike):
        return io.BytesIO(pathlib.Path(os.fsdecode(path)).read_bytes())
    raise TypeError(f"load_img: path must name a file or be one, received {type(path).__name__}")


def _in_mode(image: Any, color_mode: str) -> Any:
    if color_mode not in _MODES:
        raise ValueError(
            f"color_mode must be one of {', '.join(_MODES)}, received {color_mode!r}."
            f"{suggest(str(color_mode), _MODES)}"
        )
    wanted = _MODES[color_mode]
    return image if image.mode in wanted else image.convert(wanted[0])


def _resized(image: Any, size: tuple[int, int], interpolation: str, keep_aspect_ratio: bool) -> Any:
    """Resizes to (width, height)."""
    if image.size == size:
        return image
    if interpolation not in INTERPOLATIONS:
        raise ValueError(
            f"interpolation must be one of {', '.join(INTERPOLATIONS)}, received {interpolation!r}."
            f"{suggest(str(interpolation), INTERPOLATIONS)}"
        )
    resample = getattr(pillow("load_img").Resampling, interpolation.upper())
    box = _middle(image.size, size) if keep_aspect_ratio else None
    return image.resize(size, resample, box=box)


def _middle(size: tuple[int, int], target: tuple[int, int]) -> tuple[int, int, int, int]:
    """Returns the largest box in the middle that has the proportions of `target`; sizes are (width, height)."""
    width, height = size
    inner_width = min(width, height * target[0] // target[1])
    inner_height = min(height, width * target[1] // target[0])
    left, top = (width - inner_width) // 2, (height - inner_height) // 2
    return left, top, left + inner_width, top + inner_height


@told_function("keras.utils.img_to_array")
def img_to_array(img: Any, data_format: str | None = None, dtype: Any = None) -> np.ndarray:
    """Returns a Pillow image as an array of shape (height, width, channels).

    Args:
        img: Pillow's image, or an array of rank 2 or 3.
        data_format: "channels_first": the array has shape (channels, height, width).
        dtype: `keras.backend.floatx()` by default.
    """
    first = checked_format(data_format, "img_to_array") == "channels_first"
    array = np.asarray(img, dtype=dtype or settings.floatx)
    if array.ndim == 3:
        return array.transpose(2, 0, 1) if first else array
    if array.ndim == 2:
        return array[None] if first else array[..., None]
    raise ValueError(f"expected an image of rank 2 or 3, received shape {array.shape}")


@told_function("keras.utils.array_to_img")
def array_to_img(x: Any, data_format: str | None = None, scale: bool = True, dtype: Any = None) -> Any:
    """Returns an array as an image of Pillow.

    Args:
        x: array or tensor of shape (height, width, channels) with 1, 3 or 4 channels.
        data_format: "channels_first": of shape (channels, height, width).
        scale: stretch the values to [0, 255].
        dtype: in which this is computed; `keras.backend.floatx()` by default.

    Raises:
        ImportError: Pillow is not installed.
        ValueError: another shape.
    """
    image = pillow("array_to_img")
    array = np.asarray(x, dtype=dtype or settings.floatx)
    if array.ndim != 3:
        raise ValueError(f"expected an image of rank 3, received shape {array.shape}")
    if checked_format(data_format, "array_to_img") == "channels_first":
        array = array.transpose(1, 2, 0)
    if scale:
        array = _stretched(array)
    if array.shape[2] in (3, 4):
        return image.fromarray(array.astype("uint8"))
    if array.shape[2] == 1:
        wide = array.max(initial=0) > 255  # too large for a byte: Pillow's mode of 32-bit integers
        return image.fromarray(array[..., 0].astype("int32" if wide else "uint8"))
    raise ValueError(f"expected 1, 3 or 4 channels, received {array.shape[2]} (shape {array.shape})")


def _stretched(array: np.ndarray) -> np.ndarray:
    array = array - array.min(initial=np.inf)
    largest = array.max(initial=0)
    return array / largest * 255 if largest else array


@told_function("keras.utils.save_img")
def save_img(
    path: Any,
    x: Any,
    data_format: str | None = None,
    file_format: str | None = None,
    scale: bool = True,
    **kwargs: Any,
) -> None:
    """Writes an array as an image file.

    Args:
        path: of the file, or a file of bytes.
        x: array of shape (height, width, channels).
        data_format, scale: see `array_to_img`.
        file_format: "png", "jpeg", ...; by default what the name of the file ends with.
        kwargs: further arguments of Pillow's `Image.save`.

    The fourth channel is left out of a JPEG, which has none.
    """
    image = array_to_img(x, data_format=data_format, scale=scale)
    ending = os.path.splitext(str(path))[1] if isinstance(path, str | os.PathLike) else ""
    is_jpeg = (file_format or ending).lower().lstrip(".") in ("jpg", "jpeg")
    if is_jpeg and image.mode == "RGBA":
        image = image.convert("RGB")
    image.save(path, format="jpeg" if file_format == "jpg" else file_format, **kwargs)
