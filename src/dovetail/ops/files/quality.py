"""`tf.image.*_jpeg_quality`: what is lost when an image is stored as JPEG."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.engine import host
from dovetail.ops import random, random_stateless
from dovetail.ops.attrs import needed
from dovetail.ops.families import op
from dovetail.ops.files import jpeg
from dovetail.ops.image import converted
from dovetail.ops.shapes import as_tensor
from dovetail.ops.views import export
from dovetail.tensor import dtype as dt


@op("", engine="host", differentiable=False, same_dtype=0, shape=lambda image, quality, dct_method: image)
def adjust_jpeg_quality_(xp: Any, image: Any, jpeg_quality: Any, *, dct_method: str) -> Any:
    """Writes an image as JPEG, and reads it."""
    label = "tf.image.adjust_jpeg_quality"
    pixels = converted(host, image, np.dtype(np.uint8), saturate=True)
    jpeg.check_image(label, pixels)
    file = jpeg.encode(label, pixels, int(jpeg_quality))
    read = jpeg.decode(label, file, pixels.shape[2], dct_method=dct_method)
    return converted(host, read, image.dtype, saturate=True)


@export("image.adjust_jpeg_quality")
def adjust_jpeg_quality(image: Any, jpeg_quality: Any, dct_method: str = "", name: str | None = None) -> Any:
    """Returns an image as it is after it has been stored as JPEG.

    Args:
        image: of shape (height, width, 1 or 3); floats lie in [0, 1].
        jpeg_quality: scalar int32 from 0 to 100.
        dct_method: see `tf.io.decode_jpeg`.
    """
    jpeg.check_options("tf.image.adjust_jpeg_quality", 0, 1, dct_method)
    return adjust_jpeg_quality_(as_tensor(image), as_tensor(jpeg_quality), dct_method=dct_method)


def _checked_range(low: Any, high: Any) -> tuple[int, int]:
    low, high = needed(low), needed(high)
    if low < 0 or high < 0 or low > 100 or high > 100:
        raise ValueError(
            f"jpeg encoding range must be between 0 and 100, received {low} to {high}{at_user_location()}"
        )
    if low >= high:
        raise ValueError(
            f"min_jpeg_quality must be less than max_jpeg_quality, received {low} and {high}{at_user_location()}"
        )
    return low, high


@export("image.random_jpeg_quality")
def random_jpeg_quality(image: Any, min_jpeg_quality: int, max_jpeg_quality: int, seed: Any = None) -> Any:
    """Returns an image as `adjust_jpeg_quality` does, with a random quality.

    Args:
        min_jpeg_quality: the lowest.
        max_jpeg_quality: one more than the highest.
    """
    low, high = _checked_range(min_jpeg_quality, max_jpeg_quality)
    return adjust_jpeg_quality(image, random.uniform([], low, high, dt.int32, seed))


@export("image.stateless_random_jpeg_quality")
def stateless_random_jpeg_quality(image: Any, min_jpeg_quality: int, max_jpeg_quality: int, seed: Any) -> Any:
    """As `random_jpeg_quality`, determined by `seed` (two integers)."""
    low, high = _checked_range(min_jpeg_quality, max_jpeg_quality)
    return adjust_jpeg_quality(image, random_stateless.stateless_uniform([], seed, low, high, dt.int32))
