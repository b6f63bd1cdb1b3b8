"""Reading images at other places than their pixels: affine, perspective and elastic changes, `map_coordinates`."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location, suggest
from dovetail.base.settings import settings
from dovetail.engine import dtypes
from dovetail.ops import draws, image_filter, random, solve
from dovetail.ops.attrs import Number
from dovetail.ops.families import op
from dovetail.ops.generator import key_of
from dovetail.ops.image_resize import on_host
from dovetail.ops.precision import FLOAT32
from dovetail.ops.shapes import shape as shape_of
from dovetail.ops.views import export
from dovetail.ops.windows import is_channels_first
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import TensorLike

_ORDERS = {"nearest": 0, "bilinear": 1}
_FAR = float(1 << 22)  # positions beyond are not told apart: so far, float32 holds every whole number
_FEW_CHANNELS = 4


# ---- places outside of an image -----------------------------------------------------------------------------------


def _wrapped(xp: Any, index: Any, size: int) -> Any:
    """a b c d | a b c d | a b c d; floats, since dividing integers takes several times longer."""
    return index - xp.floor(index / size) * size


def _mirrored(xp: Any, index: Any, size: int) -> Any:
    """d c b | a b c d | c b a."""
    half = size - 1
    return xp.abs(_wrapped(xp, index + half, 2 * half) - half) if half else index * 0


def _reflected(xp: Any, index: Any, size: int) -> Any:
    """d c b a | a b c d | d c b a."""
    place = _wrapped(xp, index, 2 * size)
    return xp.minimum(place, 2 * size - 1 - place)


# What stands for an index outside of an axis; "constant" has no place in the image, but a border around it.
_FILL: dict[str, Callable] = {
    "constant": lambda xp, index, size: xp.clip(index, -1, size) + 1,
    "nearest": lambda xp, index, size: xp.clip(index, 0, size - 1),
    "wrap": _wrapped,
    "mirror": _mirrored,
    "reflect": _reflected,
}


def rounded(xp: Any, x: Any) -> Any:
    """Rounds halves away from zero."""
    whole = xp.trunc(x)
    return whole + xp.sign(x) * (xp.abs(x - whole) >= 0.5).astype(x.dtype)


def _taps(xp: Any, position: Any, size: int, order: int, mode: str) -> list[tuple]:
    """Returns the pixels that a position along an axis lies between, and the weight of each (None: one)."""
    lower = rounded(xp, position) if order == 0 else xp.floor(position)
    index = xp.clip(lower, -_FAR, _FAR)
    first = _FILL[mode](xp, index, size).astype(np.int32)
    if order == 0:
        return [(first, None)]
    upper = position - lower
    return [(first, 1 - upper), (_FILL[mode](xp, index + 1, size).astype(np.int32), upper)]


def sampled(
    xp: Any, values: Any, positions: list, first: Any, *, order: int, mode: str, fill: Any, channels: bool
) -> Any:
    """Reads arrays at positions between their elements.

    Args:
        xp: the engine.
        values: array of (batch, *sizes, channels), or without `channels`.
        positions: one array of positions for each of the sizes.
        first: number of the array in the batch, for each position; None: there is one array and no batch axis.
        order: 0 takes the nearest element, 1 interpolates.
        mode: what is outside: a key of `_FILL`.
        fill: the value outside, for "constant".
        channels: whether the last axis is read as a whole.
    """
    lead = 0 if first is None else 1
    places = slice(lead, lead + len(positions))
    taps = [_taps(xp, p, size, order, mode) for p, size in zip(positions, values.shape[places], strict=True)]
    if mode == "constant":
        pads = (*((0, 0),) * lead, *((1, 1),) * len(positions), *((0, 0),) * channels)
        values = xp.pad(values, pads, constant_values=values.dtype.type(fill))
    sizes, dtype = values.shape[places], values.dtype
    values = xp.computed_before(values)
    read, joined = _reader(xp, values, channels)
    wide = dtype if dtypes.is_floating(dtype) and dtype.itemsize >= 4 else FLOAT32
    total: Any = None
    for corner in itertools.product(*taps):
        part = read(_flat_index(corner, sizes, first))
        weight = _product([w for _, w in corner if w is not None])
        if weight is not None:
            part = _as(part, wide) * joined(_as(weight, wide))
        total = part if total is None else total + part
    if dtype.kind in "iu" and order:
        total = rounded(xp, total)
    return joined(_as(total, dtype), True)


def _as(x: Any, dtype: Any) -> Any:
    return x if x.dtype == dtype else x.astype(dtype)


def _reader(xp: Any, values: Any, channels: bool) -> tuple[Callable, Callable]:
    """Returns what reads elements by their number, and what brings weights, and at last the result, into line with it.

    NumPy is several times faster on whole planes than on the few channels of each pixel.
    """
    if not channels:
        flat = xp.reshape(values, (-1,))
        return (lambda index: xp.take(flat, index, axis=0)), (lambda x, last=False: x)
    pixels = xp.reshape(values, (-1, values.shape[-1]))
    if xp.name == "host" and pixels.shape[1] <= _FEW_CHANNELS:
        planes = np.ascontiguousarray(pixels.T)
        return (
            lambda index: xp.take(planes, index, axis=1),
            lambda x, last=False: np.ascontiguousarray(np.moveaxis(x, 0, -1)) if last else x,
        )
    return (
        lambda index: xp.take(pixels, index, axis=0),
        lambda x, last=False: x if last else x[..., None],
    )


def _flat_index(corner: tuple, sizes: tuple, first: Any) -> Any:
    index = first
    for (place, _), size in zip(corner, sizes, strict=True):
        index = place if index is None else index * size + place
    return index


def _product(weights: list) -> Any:
    total: Any = None
    for weight in weights:
        total = weight if total is None else total * weight
    return total


def _sampled_images(xp: Any, images: Any, ys: Any, xs: Any, order: int, mode: str, fill: Any) -> Any:
    """Reads images (batch, height, width, channels) at positions (batch or 1, rows, columns)."""
    number = np.arange(images.shape[0], dtype=np.int32).reshape(-1, 1, 1)
    return sampled(xp, images, [ys, xs], number, order=order, mode=mode, fill=fill, channels=True)


# ---- affine and perspective ---------------------------------------------------------------------------------------


def _same(shape: tuple, *_: Any, **__: Any) -> tuple:
    return shape


def _position_dtype(x: Any) -> Any:
    return x.dtype if x.dtype == np.float64 else FLOAT32


@op("", same_dtype=0, shape=_same, size=on_host)
def project_images(
    xp: Any,
    images: Any,
    transforms: Any,
    *,
    order: int,
    mode: str,
    fill: Number,
    flat: bool,
    channels_first: bool = False,
) -> Any:
    """Moves the pixels of images: the pixel at (x, y) is read at (a0 x + a1 y + a2, b0 x + b1 y + b2) / k,
    with k = c0 x + c1 y + 1.

    Args:
        images: tensor of shape (batch, height, width, channels).
        transforms: tensor of shape (batch or 1, 8): a0, a1, a2, b0, b1, b2, c0, c1.
        order: 0 takes the nearest pixel, 1 interpolates.
        mode: what is outside of an image: "constant", "nearest", "wrap", "mirror", "reflect".
        fill: the value outside, for "constant".
        flat: c0 and c1 are 0, so that k need not be computed.
        channels_first: the images' shape is (batch, channels, height, width).
    """
    x = xp.moveaxis(images, 1, -1) if channels_first else images
    wide = _position_dtype(transforms)
    ys, xs = _projected(xp, transforms.astype(wide), x.shape[1:3], flat)
    out = _sampled_images(xp, x, ys, xs, order, mode, fill)
    return xp.moveaxis(out, -1, 1) if channels_first else out


def _projected(xp: Any, transforms: Any, sizes: tuple, flat: bool) -> tuple:
    """Returns where the pixels of images are read: ys and xs of shape (batch, height, width)."""
    a0, a1, a2, b0, b1, b2, c0, c1 = (transforms[:, i, None, None] for i in range(8))
    y = np.arange(sizes[0], dtype=transforms.dtype)[:, None]
    x = np.arange(sizes[1], dtype=transforms.dtype)
    xs, ys = (a0 * x + a1 * y) + a2, (b0 * x + b1 * y) + b2
    if flat:
        return ys, xs
    k = (c0 * x + c1 * y) + 1
    return ys / k, xs / k


def _choice(function: str, name: str, value: Any, known: Any) -> Any:
    """Checks an argument that must be one of several words."""
    if value not in known:
        raise ValueError(
            f"keras.ops.image.{function}: {name} must be one of {', '.join(map(repr, known))}, received {value!r}."
            f"{suggest(str(value), [str(one) for one in known])}{at_user_location()}"
        )
    return value


def _layout(data_format: str | None) -> bool:
    return is_channels_first(settings.image_data_format if data_format is None else data_format)


def _images(function: str, images: Any) -> tuple[Any, bool]:
    """Returns a batch of images, and whether it was one."""
    images = images if isinstance(images, TensorLike) else convert_to_tensor(images)
    if len(images.shape) not in (3, 4):
        raise ValueError(
            f"keras.ops.image.{function}: images must have rank 3 or 4, received shape {images.shape}"
            f"{at_user_location()}"
        )
    batched = len(images.shape) == 4
    return (images if batched else images[None]), batched


@export("ops.image.affine_transform")
def affine_transform(
    images: Any,
    transform: Any,
    interpolation: str = "bilinear",
    fill_mode: str = "constant",
    fill_value: float = 0,
    data_format: str | None = None,
) -> Any:
    """Moves the pixels of images: the pixel at (x, y) is read at (a0 x + a1 y + a2, b0 x + b1 y + b2).

    Args:
        images: tensor of rank 3 or 4.
        transform: tensor of shape (8,) or (batch, 8): a0, a1, a2, b0, b1, b2, 0, 0.
        interpolation: "nearest" or "bilinear".
        fill_mode: what is outside: "constant", "nearest", "wrap", "mirror", "reflect".
        fill_value: the value outside, for "constant".
        data_format: "channels_last" or "channels_first"; Keras' setting when None.

    Differs from Keras: the last two numbers of a transform are those of a projection on every engine.
    """
    order = _ORDERS[_choice("affine_transform", "interpolation", interpolation, _ORDERS)]
    mode = _choice("affine_transform", "fill_mode", fill_mode, _FILL)
    batch, batched = _images("affine_transform", images)
    transform = transform if isinstance(transform, TensorLike) else convert_to_tensor(transform, "float32")
    if len(transform.shape) not in (1, 2) or transform.shape[-1] not in (8, None):
        raise ValueError(
            "keras.ops.image.affine_transform: transform must have the shape (8,) or (batch, 8), received "
            f"{transform.shape}{at_user_location()}"
        )
    rows = transform[None] if len(transform.shape) == 1 else transform
    out = project_images(
        batch,
        rows,
        order=order,
        mode=mode,
        fill=fill_value,
        flat=False,
        channels_first=_layout(data_format),
    )
    return out if batched else out[0]


def _corners(name: str, points: Any) -> Any:
    points = convert_to_tensor(points)._astype("float32")
    if len(points.shape) not in (2, 3) or tuple(points.shape)[-2:] != (4, 2):
        raise ValueError(
            f"keras.ops.image.perspective_transform: {name} must have the shape (4, 2) or (batch, 4, 2), received "
            f"{points.shape}{at_user_location()}"
        )
    return points if len(points.shape) == 3 else points[None]


@op("", shape=lambda start, end: (*start[:-2], 8, 9))
def homography_rows(xp: Any, start: Any, end: Any) -> Any:
    """Returns the equations, and their right sides, of the projection that moves `end` to `start`: (batch, 8, 9)."""
    (u, v), (x, y) = ((points[..., 0], points[..., 1]) for points in (start, end))  # (batch, 4)
    zero, one = xp.zeros_like(x), xp.ones_like(x)
    of_u = xp.stack([x, y, one, zero, zero, zero, -u * x, -u * y, u], axis=-1)
    of_v = xp.stack([zero, zero, zero, x, y, one, -v * x, -v * y, v], axis=-1)
    return xp.concatenate([of_u, of_v], axis=-2)


def homography(start: Any, end: Any) -> Any:
    """Returns the eight numbers of the projection that moves the points `end` to `start`: (batch, 8).

    Args:
        start, end: float tensors of shape (batch, 4, 2): x, y.
    """
    rows = homography_rows(start, end)
    return solve.solve(rows[..., :8], rows[..., 8:])[..., 0]


@export("ops.image.perspective_transform")
def perspective_transform(
    images: Any,
    start_points: Any,
    end_points: Any,
    interpolation: str = "bilinear",
    fill_value: float = 0,
    data_format: str | None = None,
) -> Any:
    """Moves the pixels of images so that four points come to lie at four others.

    Args:
        images: tensor of rank 3 or 4.
        start_points, end_points: tensors of shape (4, 2) or (batch, 4, 2): x, y of the corners before and after.
        interpolation: "nearest" or "bilinear".
        fill_value: the value outside of an image.
        data_format: "channels_last" or "channels_first"; Keras' setting when None.
    """
    order = _ORDERS[_choice("perspective_transform", "interpolation", interpolation, _ORDERS)]
    batch, batched = _images("perspective_transform", images)
    start, end = _corners("start_points", start_points), _corners("end_points", end_points)
    if tuple(start.shape) != tuple(end.shape):
        raise ValueError(
            "keras.ops.image.perspective_transform: start_points and end_points must have the same shape, received "
            f"{start.shape} and {end.shape}{at_user_location()}"
        )
    out = project_images(
        batch,
        homography(start, end),
        order=order,
        mode="constant",
        fill=fill_value,
        flat=False,
        channels_first=_layout(data_format),
    )
    return out if batched else out[0]


# ---- any coordinates ----------------------------------------------------------------------------------------------


def _read_shape(inputs: tuple, coordinates: tuple, **_: Any) -> tuple:
    if coordinates[0] not in (len(inputs), None):
        raise ValueError(
            f"coordinates must have one row for each axis of the inputs ({len(inputs)}), received the shape "
            f"{coordinates}"
        )
    return coordinates[1:]


@op("", same_dtype=0, shape=_read_shape, size=on_host)
def map_coordinates_(xp: Any, inputs: Any, coordinates: Any, *, order: int, mode: str, fill: Number) -> Any:
    """Reads an array at coordinates; see `map_coordinates`."""
    _read_shape(inputs.shape, coordinates.shape)
    places = coordinates.astype(_position_dtype(coordinates))
    positions = [places[axis] for axis in range(inputs.ndim)]
    return sampled(xp, inputs, positions, None, order=order, mode=mode, fill=fill, channels=False)


@export("ops.image.map_coordinates")
def map_coordinates(
    inputs: Any, coordinates: Any, order: int, fill_mode: str = "constant", fill_value: float = 0
) -> Any:
    """Returns the values of an array at coordinates between its elements.

    Args:
        inputs: tensor of any rank.
        coordinates: tensor of shape (rank of the inputs, ...): the position along each axis.
        order: 0 takes the nearest element, 1 interpolates.
        fill_mode: what is outside: "constant", "nearest", "wrap", "mirror", "reflect".
        fill_value: the value outside, for "constant".

    Returns:
        The inputs' dtype, of shape `coordinates.shape[1:]`.
    """
    order = _choice("map_coordinates", "order", order, (0, 1))
    mode = _choice("map_coordinates", "fill_mode", fill_mode, _FILL)
    inputs = convert_to_tensor(inputs)
    if isinstance(coordinates, list | tuple):
        coordinates = convert_to_tensor([np.asarray(one) for one in coordinates])
    coordinates = convert_to_tensor(coordinates)
    if len(coordinates.shape) < 2:
        raise ValueError(
            "keras.ops.image.map_coordinates: coordinates must have at least rank 2, received shape "
            f"{coordinates.shape}{at_user_location()}"
        )
    return map_coordinates_(inputs, coordinates, order=order, mode=mode, fill=fill_value)


# ---- elastic ------------------------------------------------------------------------------------------------------


@op("", same_dtype=0, shape=_same, size=on_host)
def displace_images(
    xp: Any,
    images: Any,
    shifts: Any,
    *,
    order: int,
    mode: str,
    fill: Number,
    channels_first: bool = False,
) -> Any:
    """Reads every pixel of images at a place of its own, `shifts` away.

    Args:
        images: tensor of shape (batch, height, width, channels).
        shifts: tensor of shape (batch, height, width, 2): how far down, and how far to the right.
        order, mode, fill, channels_first: as of `project_images`.
    """
    x = xp.moveaxis(images, 1, -1) if channels_first else images
    places = shifts.astype(_position_dtype(shifts))
    ys = places[..., 0] + np.arange(x.shape[1], dtype=places.dtype)[:, None]
    xs = places[..., 1] + np.arange(x.shape[2], dtype=places.dtype)
    out = _sampled_images(xp, x, ys, xs, order, mode, fill)
    return xp.moveaxis(out, -1, 1) if channels_first else out


def elastic_size(sigma: float) -> int:
    """Returns the size of the kernel that smooths an elastic change: six deviations, and odd."""
    return int(6 * sigma) | 1


@export("ops.image.elastic_transform")
def elastic_transform(
    images: Any,
    alpha: Any = 20.0,
    sigma: Any = 5.0,
    interpolation: str = "bilinear",
    fill_mode: str = "reflect",
    fill_value: float = 0.0,
    seed: Any = None,
    data_format: str | None = None,
) -> Any:
    """Shifts every pixel by random amounts that change smoothly over the image.

    Args:
        images: tensor of rank 3 or 4.
        alpha: how far.
        sigma: standard deviation, in pixels, of the Gaussian kernel that smooths the shifts.
        interpolation: "nearest" or "bilinear".
        fill_mode: what is outside: "constant", "nearest", "wrap", "mirror", "reflect".
        fill_value: the value outside, for "constant".
        seed: an int, a `SeedGenerator`, or None for the global generator.
        data_format: "channels_last" or "channels_first"; Keras' setting when None.

    Source: P. Simard, D. Steinkraus, J. Platt, 2003, "Best practices for convolutional neural networks applied to
    visual document analysis".
    """
    order = _ORDERS[_choice("elastic_transform", "interpolation", interpolation, _ORDERS)]
    mode = _choice("elastic_transform", "fill_mode", fill_mode, _FILL)
    batch, batched = _images("elastic_transform", images)
    first = _layout(data_format)
    sizes = shape_of(batch)
    rows, columns = (2, 3) if first else (1, 2)
    noise = _noise(seed, [sizes[0], sizes[rows], sizes[columns], 2])
    shifts = elastic_shifts(noise, alpha, sigma)
    out = displace_images(batch, shifts, order=order, mode=mode, fill=fill_value, channels_first=first)
    return out if batched else out[0]


def _noise(seed: Any, shape: list) -> Any:
    if seed is None or hasattr(seed, "next_key") or hasattr(seed, "next"):
        return random.draw_normal(shape=shape, seed=seed)
    return draws.normal(key_of(seed), shape=shape)


def elastic_shifts(noise: Any, alpha: Any, sigma: float) -> Any:
    """Returns smooth shifts, made of normal noise of shape (batch, height, width, 2)."""
    sigma = float(np.asarray(sigma))
    size = elastic_size(sigma)
    spread = convert_to_tensor(np.full(2, sigma, np.float32))
    smooth = image_filter.blur_images(noise * sigma, spread, size=(size, size))
    return smooth * convert_to_tensor(alpha)._astype("float32")
