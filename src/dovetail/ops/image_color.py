"""`tf.image`: colors, brightness and contrast, and measures of images."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.engine import dtypes
from dovetail.ops.families import op
from dovetail.ops.image import converted
from dovetail.ops.image_resize import on_host
from dovetail.ops.precision import FLOAT32, floating
from dovetail.ops.prepared import floats
from dovetail.ops.rules import broadcast
from dovetail.ops.views import export

_GRAY = (0.2989, 0.5870, 0.1140)
_YUV = ((0.299, -0.14714119, 0.61497538), (0.587, -0.28886916, -0.51496512), (0.114, 0.43601035, -0.10001026))
_FROM_YUV = ((1.0, 1.0, 1.0), (0.0, -0.394642334, 2.03206185), (1.13988303, -0.58062185, 0.0))
_YIQ = ((0.299, 0.59590059, 0.2115), (0.587, -0.27455667, -0.52273617), (0.114, -0.32134392, 0.31119955))
_FROM_YIQ = ((1.0, 1.0, 1.0), (0.95598634, -0.27201283, -1.10674021), (0.6208248, -0.64720424, 1.70423049))


def _same(shape: tuple, *_: Any, **__: Any) -> tuple:
    return shape


def _three(x: Any) -> Any:
    if x.shape[-1] != 3:
        raise ValueError(f"expected an image of 3 channels (red, green, blue), received shape {x.shape}")
    return x


def _as_float(body: Any) -> Any:
    """Runs a body on floats in [0, 1], and gives its result the image's dtype back."""

    def inside(xp: Any, image: Any, *factors: Any) -> Any:
        wide = image.dtype if dtypes.is_floating(image.dtype) and image.dtype.itemsize >= 4 else FLOAT32
        out = body(xp, converted(xp, image, wide), *(f.astype(wide) for f in factors))
        return converted(xp, out, image.dtype, saturate=True)

    return inside


# ---- color spaces -------------------------------------------------------------------------------------------------


def _gray_shape(shape: tuple) -> tuple:
    return (*shape[:-1], 1)


@op("image.rgb_to_grayscale", shape=_gray_shape, size=on_host, pieces="rows")
def rgb_to_grayscale(xp: Any, images: Any) -> Any:
    """Returns the brightness of each pixel, with one channel: 0.2989 red + 0.587 green + 0.114 blue."""
    weights = np.array(_GRAY)
    if xp.name == "host" and images.dtype == FLOAT32:
        gray = np.dot(_three(images).reshape(-1, 3), weights.astype(FLOAT32))
        return gray.reshape(_gray_shape(images.shape))
    body = _as_float(lambda xp, x: xp.sum(_three(x) * weights.astype(x.dtype), axis=-1, keepdims=True))
    wide = images if dtypes.is_floating(images.dtype) else converted(xp, images, FLOAT32)
    out = body(xp, wide)
    return out if dtypes.is_floating(images.dtype) else converted(xp, out, images.dtype)


@op("image.grayscale_to_rgb", shape=lambda shape: (*shape[:-1], 3), size=on_host)
def grayscale_to_rgb(xp: Any, images: Any) -> Any:
    """Repeats the one channel of gray images three times."""
    if images.shape[-1] != 1:
        raise ValueError(f"expected an image of 1 channel, received shape {images.shape}")
    return xp.concatenate([images, images, images], axis=-1)


def _hsv(xp: Any, rgb: Any) -> Any:
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    value = xp.max(rgb, axis=-1)
    spread = value - xp.min(rgb, axis=-1)
    kind = rgb.dtype.type
    saturation = xp.where(value > 0, spread / xp.where(value > 0, value, kind(1)), kind(0))
    norm = kind(1 / 6) / xp.where(spread > 0, spread, kind(1))
    hue = xp.where(
        red == value,
        norm * (green - blue),
        xp.where(green == value, norm * (blue - red) + kind(2 / 6), norm * (red - green) + kind(4 / 6)),
    )
    hue = xp.where(spread > 0, hue, kind(0))
    return xp.stack([xp.where(hue < 0, hue + kind(1), hue), saturation, value], axis=-1)


def _rgb(xp: Any, hsv: Any) -> Any:
    hue, saturation, value = hsv[..., 0], hsv[..., 1], hsv[..., 2]
    kind = hsv.dtype.type
    six = hue * kind(6)
    red = xp.clip(xp.abs(six - kind(3)) - kind(1), kind(0), kind(1))
    green = xp.clip(kind(2) - xp.abs(six - kind(2)), kind(0), kind(1))
    blue = xp.clip(kind(2) - xp.abs(six - kind(4)), kind(0), kind(1))
    pure = xp.stack([red, green, blue], axis=-1)
    return ((kind(1) - saturation)[..., None] + saturation[..., None] * pure) * value[..., None]


@op("image.rgb_to_hsv", shape=_same, size=on_host)
@floating
def rgb_to_hsv(xp: Any, images: Any) -> Any:
    """Returns hue, saturation and value of float images in [0, 1]."""
    return _hsv(xp, _three(images))


@op("image.hsv_to_rgb", shape=_same, size=on_host)
@floating
def hsv_to_rgb(xp: Any, images: Any) -> Any:
    """Returns red, green and blue of float images in hue, saturation and value."""
    return _rgb(xp, _three(images))


def _linear(xp: Any, images: Any, matrix: tuple) -> Any:
    return xp.matmul(_three(images), np.array(matrix, images.dtype))


@op("image.rgb_to_yuv", shape=_same, size=on_host)
@floating
def rgb_to_yuv(xp: Any, images: Any) -> Any:
    """Returns luma and the two chroma channels of PAL television."""
    return _linear(xp, images, _YUV)


@op("image.yuv_to_rgb", shape=_same, size=on_host)
@floating
def yuv_to_rgb(xp: Any, images: Any) -> Any:
    """The inverse of `rgb_to_yuv`."""
    return _linear(xp, images, _FROM_YUV)


@op("image.rgb_to_yiq", shape=_same, size=on_host)
@floating
def rgb_to_yiq(xp: Any, images: Any) -> Any:
    """Returns luma and the two chroma channels of NTSC television."""
    return _linear(xp, images, _YIQ)


@op("image.yiq_to_rgb", shape=_same, size=on_host)
@floating
def yiq_to_rgb(xp: Any, images: Any) -> Any:
    """The inverse of `rgb_to_yiq`."""
    return _linear(xp, images, _FROM_YIQ)


# ---- adjustments --------------------------------------------------------------------------------------------------


@op("image.adjust_brightness", same_dtype=0, shape=_same, size=on_host)
def adjust_brightness(xp: Any, image: Any, delta: Any) -> Any:
    """Adds `delta` to every pixel, where white is 1; integer images are converted and back."""
    return _as_float(lambda xp, x, amount: x + amount)(xp, image, delta)


@op("image.adjust_contrast", same_dtype=0, shape=_same, size=on_host)
def adjust_contrast(xp: Any, images: Any, contrast_factor: Any) -> Any:
    """Moves every pixel away from its channel's mean: `(x - mean) * contrast_factor + mean`."""

    def body(xp: Any, x: Any, factor: Any) -> Any:
        mean = xp.mean(x, axis=(-3, -2), keepdims=True)
        return (x - mean) * factor + mean

    return _as_float(body)(xp, images, contrast_factor)


@op("image.adjust_gamma", same_dtype=0, shape=_same, size=on_host)
def adjust_gamma(xp: Any, image: Any, gamma: Any = None, gain: Any = None) -> Any:
    """Returns `gain * image ** gamma`, on values in [0, 1]."""
    one: Any = np.ones((), np.float32)
    gamma, gain = (one if factor is None else factor for factor in (gamma, gain))
    if isinstance(gamma, np.ndarray) and not (gamma >= 0).all():
        raise ValueError(f"gamma must not be negative, received {gamma.tolist()}")
    return _as_float(lambda xp, x, power, factor: factor * xp.power(x, power))(xp, image, gamma, gain)


@op("image.adjust_hue", same_dtype=0, shape=_same, size=on_host)
def adjust_hue(xp: Any, image: Any, delta: Any) -> Any:
    """Turns the hue by `delta`, where 1 is a whole turn."""

    def body(xp: Any, x: Any, turn: Any) -> Any:
        hsv = _hsv(xp, _three(x))
        hue = hsv[..., 0] + turn
        return _rgb(xp, xp.stack([hue - xp.floor(hue), hsv[..., 1], hsv[..., 2]], axis=-1))

    return _as_float(body)(xp, image, delta)


@op("image.adjust_saturation", same_dtype=0, shape=_same, size=on_host)
def adjust_saturation(xp: Any, image: Any, saturation_factor: Any) -> Any:
    """Multiplies the saturation by a factor; what exceeds 1 is clipped."""

    def body(xp: Any, x: Any, factor: Any) -> Any:
        hsv = _hsv(xp, _three(x))
        saturation = xp.clip(hsv[..., 1] * factor, x.dtype.type(0), x.dtype.type(1))
        return _rgb(xp, xp.stack([hsv[..., 0], saturation, hsv[..., 2]], axis=-1))

    return _as_float(body)(xp, image, saturation_factor)


@op(
    "image.per_image_standardization",
    shape=_same,
    dtype=lambda kind: kind if dtypes.is_floating(kind) else FLOAT32,
    size=on_host,
)
def per_image_standardization(xp: Any, image: Any) -> Any:
    """Scales each image to mean 0 and variance 1; the deviation counts as at least 1 / sqrt(number of values)."""
    dtype = image.dtype if dtypes.is_floating(image.dtype) else FLOAT32
    wide = FLOAT32 if dtypes.is_half(dtype) else dtype
    x = image.astype(wide)
    mean = xp.mean(x, axis=(-3, -2, -1), keepdims=True)
    deviation = xp.sqrt(xp.mean((x - mean) * (x - mean), axis=(-3, -2, -1), keepdims=True))
    floor = wide.type(1 / np.sqrt(np.prod(image.shape[-3:])))
    return ((x - mean) / xp.maximum(deviation, floor)).astype(dtype)


# ---- measures -----------------------------------------------------------------------------------------------------


@op("image.total_variation", shape=lambda shape: shape[:-3], size=on_host)
def total_variation(xp: Any, images: Any) -> Any:
    """Returns the sum of the absolute differences between neighbouring pixels, for each image."""
    down = xp.abs(images[..., 1:, :, :] - images[..., :-1, :, :])
    right = xp.abs(images[..., :, 1:, :] - images[..., :, :-1, :])
    return xp.sum(down, axis=(-3, -2, -1)) + xp.sum(right, axis=(-3, -2, -1))


def _per_image(a: tuple, b: tuple, **_: Any) -> tuple:
    return broadcast(a, b)[:-3]


def _float32_of(*_: Any, **__: Any) -> Any:
    return FLOAT32


def _unit(xp: Any, *images: Any) -> list:
    return [converted(xp, image, FLOAT32) for image in images]


def _range(a: Any, max_val: float) -> Any:
    """Returns the largest value after images of the dtype were converted to floats."""
    return np.float32(max_val if dtypes.is_floating(a.dtype) else max_val / np.iinfo(a.dtype).max)


@op("image.psnr", shape=_per_image, dtype=_float32_of, size=on_host)
def psnr(xp: Any, a: Any, b: Any, *, max_val: float) -> Any:
    """Returns the peak signal-to-noise ratio of pairs of images, in decibels.

    Args:
        a, b: images of the same shape and dtype.
        max_val: difference between the largest and the smallest possible value.
    """
    x, y = _unit(xp, a, b)
    error = xp.mean((x - y) * (x - y), axis=(-3, -2, -1))
    peak = _range(a, max_val)
    return np.float32(20 * np.log10(peak)) - np.float32(10 / np.log(10)) * xp.log(error)


@op("ops.nn.psnr(x1,x2)", keras=floats, shape=lambda *_, **__: ())
@floating
def psnr_of_all(xp: Any, x: Any, y: Any, *, max_val: float) -> Any:
    """Returns the peak signal-to-noise ratio over all elements together, in decibels."""
    error = xp.mean((x - y) * (x - y))
    return x.dtype.type(20 * np.log10(max_val)) - x.dtype.type(10 / np.log(10)) * xp.log(error)


def _ssim_parts(
    xp: Any, x: Any, y: Any, peak: Any, size: int, sigma: float, k1: float, k2: float
) -> tuple[Any, Any]:
    """Returns the maps of structural similarity, and of its contrast and structure part alone."""
    distance = np.arange(size) - (size - 1) / 2
    line = np.exp(-(distance**2) / (2 * sigma**2))
    weights = (line / line.sum()).astype(np.float32)
    c1, c2 = (np.float32(k1) * peak) ** 2, (np.float32(k2) * peak) ** 2
    mean_x, mean_y = _blurred(xp, x, weights), _blurred(xp, y, weights)
    product = mean_x * mean_y * 2
    squares = mean_x * mean_x + mean_y * mean_y
    luminance = (product + c1) / (squares + c1)
    cross = _blurred(xp, x * y, weights) * 2 - product
    energy = _blurred(xp, x * x + y * y, weights) - squares
    contrast = (cross + c2) / (energy + c2)
    return luminance * contrast, contrast


def _blurred(xp: Any, x: Any, weights: np.ndarray) -> Any:
    for axis in (-3, -2):
        count = x.shape[axis] - len(weights) + 1
        if count < 1:
            raise ValueError(f"images of shape {x.shape} are smaller than the filter of size {len(weights)}")
        total: Any = None
        for shift, weight in enumerate(weights):
            index = (Ellipsis, slice(shift, shift + count), *(slice(None),) * (-axis - 1))
            part = x[index] * weight
            total = part if total is None else total + part
        x = total
    return x


@op("image.ssim", shape=_per_image, dtype=_float32_of, size=on_host)
def ssim(
    xp: Any,
    img1: Any,
    img2: Any,
    *,
    max_val: float,
    filter_size: int = 11,
    filter_sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
) -> Any:
    """Returns the mean structural similarity of pairs of images.

    Args:
        img1, img2: images of the same shape and dtype.
        max_val: difference between the largest and the smallest possible value.
        filter_size, filter_sigma: of the Gaussian window.
        k1, k2: constants that keep the quotients stable.

    Source: Z. Wang, A. Bovik, H. Sheikh, E. Simoncelli, 2004, "Image quality assessment: from error visibility to
    structural similarity".
    """
    x, y = _unit(xp, img1, img2)
    whole, _ = _ssim_parts(xp, x, y, _range(img1, max_val), filter_size, filter_sigma, k1, k2)
    return xp.mean(xp.mean(whole, axis=(-3, -2)), axis=-1)


@op("image.sobel_edges", shape=lambda shape: (*shape, 2), size=on_host)
def sobel_edges(xp: Any, image: Any) -> Any:
    """Returns the Sobel gradients (dy, dx) of a batch of images, along a new last axis."""
    x = xp.pad(image, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    two = image.dtype.type(2)
    across = x[:, :, :-2] + two * x[:, :, 1:-1] + x[:, :, 2:]
    along = x[:, :-2] + two * x[:, 1:-1] + x[:, 2:]
    return xp.stack([across[:, 2:] - across[:, :-2], along[:, :, 2:] - along[:, :, :-2]], axis=-1)


@op("", shape=lambda shape: [shape, shape], several=True, size=on_host)
def image_gradients_(xp: Any, image: Any) -> Any:
    """Returns the differences to the pixel below and to the pixel at the right; 0 at the borders."""
    below = xp.pad(image[:, 1:] - image[:, :-1], ((0, 0), (0, 1), (0, 0), (0, 0)))
    right = xp.pad(image[:, :, 1:] - image[:, :, :-1], ((0, 0), (0, 0), (0, 1), (0, 0)))
    return below, right


@export("image.image_gradients")
def image_gradients(image: Any) -> tuple:
    """Returns (dy, dx) of a batch of images: the differences to the next row and to the next column."""
    return tuple(image_gradients_(image))
