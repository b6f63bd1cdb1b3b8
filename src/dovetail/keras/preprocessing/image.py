"""`keras.preprocessing.image`: images of files, and Keras 2's random changes of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.told import told_function
from dovetail.keras.preprocessing.file_iterators import DataFrameIterator, DirectoryIterator
from dovetail.keras.preprocessing.generator import ImageDataGenerator
from dovetail.keras.preprocessing.iterators import Iterator, NumpyArrayIterator
from dovetail.keras.preprocessing.transforms import (
    apply_affine_transform,
    apply_brightness_shift,
    apply_channel_shift,
    random_brightness,
    random_channel_shift,
    random_rotation,
    random_shear,
    random_shift,
    random_zoom,
)
from dovetail.keras.utils.directory_datasets import cut_out
from dovetail.keras.utils.image_files import array_to_img, checked_format, img_to_array, load_img, save_img
from dovetail.ops import image_resize, shapes
from dovetail.tensor.convert import convert_to_tensor

__all__ = [
    "DataFrameIterator",
    "DirectoryIterator",
    "ImageDataGenerator",
    "Iterator",
    "NumpyArrayIterator",
    "apply_affine_transform",
    "apply_brightness_shift",
    "apply_channel_shift",
    "array_to_img",
    "img_to_array",
    "load_img",
    "random_brightness",
    "random_channel_shift",
    "random_rotation",
    "random_shear",
    "random_shift",
    "random_zoom",
    "save_img",
    "smart_resize",
]


@told_function("keras.preprocessing.image.smart_resize")
def smart_resize(
    x: Any,
    size: tuple[int, int],
    interpolation: str = "bilinear",
    data_format: str = "channels_last",
    backend_module: Any = None,
) -> Any:
    """Resizes images without changing their proportions: what does not fit is cut off at both sides.

    Args:
        x: images of shape (height, width, channels) or (batch, height, width, channels).
        size: new height and width.
        interpolation: see `tf.image.resize`.
        data_format: "channels_first": the images have shape (..., channels, height, width).
        backend_module: accepted: there is one backend.

    Returns:
        float32 array where `x` is an array, tensor where it is a tensor.
    """
    if not isinstance(size, tuple | list) or len(size) != 2:
        raise ValueError(f"size must be (height, width), received {size!r}")
    images = convert_to_tensor(x)
    if images.ndim not in (3, 4):
        raise ValueError(f"expected images of rank 3 or 4, received shape {tuple(images.shape)}")
    first = checked_format(data_format, "smart_resize") == "channels_first"
    images = shapes.moveaxis(images, -3, -1) if first else images
    images = image_resize.resize(cut_out(images, (size[0], size[1])), size, method=interpolation)
    images = shapes.moveaxis(images, -1, -3) if first else images
    return images.numpy() if isinstance(x, np.ndarray) else images
