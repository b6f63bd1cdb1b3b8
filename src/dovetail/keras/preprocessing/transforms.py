"""Rotated, shifted, sheared, zoomed, brightened and recoloured images, as NumPy arrays: what Keras 2 has for them."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import ndimage

from dovetail.base.errors import at_user_location
from dovetail.base.optional import optional
from dovetail.keras.utils.image_files import array_to_img, img_to_array

__all__ = [
    "apply_affine_transform",
    "apply_brightness_shift",
    "apply_channel_shift",
    "random_brightness",
    "random_channel_shift",
    "random_rotation",
    "random_shear",
    "random_shift",
    "random_zoom",
]


def apply_affine_transform(
    x: Any,
    theta: float = 0,
    tx: float = 0,
    ty: float = 0,
    shear: float = 0,
    zx: float = 1,
    zy: float = 1,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    order: int = 1,
) -> np.ndarray:
    """Rotates, shifts, shears and zooms an image about its middle, in this order.

    Args:
        x: array of rank 3.
        theta: angle in degrees.
        tx, ty: shifts in pixels; `tx` along `col_axis`, where that comes after `row_axis`.
        shear: angle in degrees.
        zx, zy: factors.
        row_axis, col_axis, channel_axis: 0, 1 and 2 in some order; channels are first or last.
        fill_mode: "nearest", "constant", "reflect" or "wrap", for what lies outside of the image.
        cval: value outside of it for "constant".
        order: of the spline: 0: nearest, 1: linear, ... 5.

    Returns:
        Array of the shape and dtype of `x`.
    """
    x = np.asarray(x)
    if x.ndim != 3 or sorted((row_axis, col_axis, channel_axis)) != [0, 1, 2] or channel_axis == 1:
        raise ValueError(
            f"apply_affine_transform: expected an image of rank 3 whose channels are first or last, received shape "
            f"{x.shape} with row_axis={row_axis}, col_axis={col_axis}, channel_axis={channel_axis}{at_user_location()}"
        )
    matrix = _matrix(np.deg2rad(theta), tx, ty, np.deg2rad(shear), zx, zy)
    if matrix is None:
        return x
    matrix = _about_the_middle(matrix, x.shape[row_axis], x.shape[col_axis])
    if col_axis > row_axis:
        matrix = matrix[[1, 0, 2]][:, [1, 0, 2]]
    planes = [
        ndimage.affine_transform(plane, matrix[:2, :2], matrix[:2, 2], order=order, mode=fill_mode, cval=cval)
        for plane in np.moveaxis(x, channel_axis, 0)
    ]
    return np.stack(planes, axis=channel_axis)


def _matrix(theta: float, tx: float, ty: float, shear: float, zx: float, zy: float) -> np.ndarray | None:
    """Returns the product of the changes that are asked for, in homogeneous coordinates; None for none."""
    steps = (
        (theta, [[np.cos(theta), -np.sin(theta), 0], [np.sin(theta), np.cos(theta), 0], [0, 0, 1]]),
        (tx or ty, [[1, 0, tx], [0, 1, ty], [0, 0, 1]]),
        (shear, [[1, -np.sin(shear), 0], [0, np.cos(shear), 0], [0, 0, 1]]),
        (zx != 1 or zy != 1, [[zx, 0, 0], [0, zy, 0], [0, 0, 1]]),
    )
    matrices = [np.array(matrix, dtype="float64") for is_asked, matrix in steps if is_asked]
    if not matrices:
        return None
    return matrices[0] if len(matrices) == 1 else np.linalg.multi_dot(matrices)


def _about_the_middle(matrix: np.ndarray, height: int, width: int) -> np.ndarray:
    middle = np.array([height / 2 - 0.5, width / 2 - 0.5])
    there, back = np.eye(3), np.eye(3)
    there[:2, 2], back[:2, 2] = middle, -middle
    return there @ matrix @ back


def apply_channel_shift(x: Any, intensity: float, channel_axis: int = 0) -> np.ndarray:
    """Returns an image with `intensity` added, kept between its smallest and its largest value.

    Args:
        x: array of rank 3.
        intensity: what is added.
        channel_axis: accepted: all channels are treated alike.
    """
    x = np.asarray(x)
    return np.clip(x + intensity, x.min(), x.max())


def apply_brightness_shift(x: Any, brightness: float, scale: bool = True) -> np.ndarray:
    """Returns an image with another brightness, by Pillow.

    Args:
        x: array of shape (height, width, channels).
        brightness: factor; 0 is black, 1 the image as it is.
        scale: stretch the values to [0, 255] first.
    """
    enhance = optional("PIL.ImageEnhance", "apply_brightness_shift", "'dovetail[images]'")
    x = np.asarray(x)
    low, high = x.min(), x.max()
    is_outside = bool(low < 0 or high > 255)
    image = enhance.Brightness(array_to_img(x, scale=scale or is_outside)).enhance(brightness)
    result = img_to_array(image)
    return result / 255 * (high - low) + low if is_outside and not scale else result


def random_rotation(
    x: Any,
    rg: float,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
) -> np.ndarray:
    """Rotates an image by up to `rg` degrees; see `apply_affine_transform`, also for the other functions."""
    theta = np.random.uniform(-rg, rg)
    axes = (row_axis, col_axis, channel_axis)
    return apply_affine_transform(x, theta, 0, 0, 0, 1, 1, *axes, fill_mode, cval, interpolation_order)


def random_shift(
    x: Any,
    wrg: float,
    hrg: float,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
) -> np.ndarray:
    """Shifts an image by up to these shares of its width and height."""
    tx = np.random.uniform(-hrg, hrg) * x.shape[row_axis]
    ty = np.random.uniform(-wrg, wrg) * x.shape[col_axis]
    axes = (row_axis, col_axis, channel_axis)
    return apply_affine_transform(x, 0, tx, ty, 0, 1, 1, *axes, fill_mode, cval, interpolation_order)


def random_shear(
    x: Any,
    intensity: float,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
) -> np.ndarray:
    """Shears an image by up to `intensity` degrees."""
    shear = np.random.uniform(-intensity, intensity)
    axes = (row_axis, col_axis, channel_axis)
    return apply_affine_transform(x, 0, 0, 0, shear, 1, 1, *axes, fill_mode, cval, interpolation_order)


def random_zoom(
    x: Any,
    zoom_range: tuple[float, float],
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
) -> np.ndarray:
    """Zooms an image by two factors from a range; those below 1 make it larger."""
    if not hasattr(zoom_range, "__len__") or len(zoom_range) != 2:
        raise ValueError(
            f"random_zoom: zoom_range must be two numbers, received {zoom_range!r}{at_user_location()}"
        )
    zx, zy = (1, 1) if tuple(zoom_range) == (1, 1) else np.random.uniform(*zoom_range, 2)
    axes = (row_axis, col_axis, channel_axis)
    return apply_affine_transform(x, 0, 0, 0, 0, zx, zy, *axes, fill_mode, cval, interpolation_order)


def random_channel_shift(x: Any, intensity_range: float, channel_axis: int = 0) -> np.ndarray:
    """Adds a number of up to `intensity_range`; see `apply_channel_shift`."""
    return apply_channel_shift(x, np.random.uniform(-intensity_range, intensity_range), channel_axis)


def random_brightness(x: Any, brightness_range: tuple[float, float], scale: bool = True) -> np.ndarray:
    """Changes the brightness by a factor from a range; see `apply_brightness_shift`."""
    if not hasattr(brightness_range, "__len__") or len(brightness_range) != 2:
        raise ValueError(
            f"random_brightness: brightness_range must be two numbers, received {brightness_range!r}"
            f"{at_user_location()}"
        )
    return apply_brightness_shift(x, np.random.uniform(*brightness_range), scale)
