"""Changing images by what is around each pixel, and blotting parts of them out."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.keras import random
from dovetail.keras.layers.machinery.declared import Argument
from dovetail.keras.layers.preprocessing.color import ColorLayer
from dovetail.keras.layers.preprocessing.image_layer import (
    IMAGES,
    SEED,
    VALUE_RANGE,
    between,
    chance,
    factor,
    per_image,
    uniform,
)
from dovetail.ops import create, indexing, shapes
from dovetail.ops import math as tf_math
from dovetail.ops.image_filter import blur_images, smooth_images
from dovetail.ops.shapes import shape_tuple
from dovetail.tensor.convert import convert_to_tensor

__all__ = ["RandomErasing", "RandomGaussianBlur", "RandomSharpness"]


class RandomSharpness(ColorLayer):
    """Moves images towards their smoothed form, or away from it.

    Args:
        factor: from [-factor, factor), or between two numbers, cut to [0, 1]: 0 smooths, 0.5 changes nothing,
            1 sharpens.
        value_range: least and greatest value of a pixel; what exceeds them is clipped.
        data_format: "channels_last" or "channels_first".
        seed: an int; None: one from the global generator.
    """

    _arguments = (Argument("factor", read=factor(0, 1)), VALUE_RANGE, IMAGES[0], SEED, IMAGES[1])

    def _drawn(self, images: Any, seed: Any) -> Any:
        return self._drawn_factor(images, seed)

    def _transform_images(self, images: Any, transformation: Any, interpolation: str) -> Any:
        away = 1.0 - self._factors(transformation) * 2.0
        smooth = smooth_images(images, channels_first=self._channels_first)
        return self._clipped(images + away * (smooth - images))


def _kernel(layer: Any, name: str, value: Any) -> tuple:
    numbers = tuple(value) if isinstance(value, list | tuple) else (value, value)
    if len(numbers) != 2 or not all(isinstance(n, int) and n > 0 and n % 2 for n in numbers):
        raise ValueError(
            f"{type(layer).__name__}: {name} must be an odd number, or two of them, received {value!r:.60}"
            f"{at_user_location()}"
        )
    return numbers


class RandomGaussianBlur(ColorLayer):
    """Blurs images with a Gaussian kernel, with some probability.

    Args:
        factor: the probability, or two numbers between which it is drawn.
        kernel_size: width and height of the kernel, odd.
        sigma: its standard deviation: from [0, sigma), or between two numbers; one for a batch.
        value_range: least and greatest value of a pixel; what exceeds them is clipped.
        data_format: "channels_last" or "channels_first".
        seed: an int; None: one from the global generator.
    """

    _arguments = (
        Argument("factor", 1.0, read=factor(0, 1)),
        Argument("kernel_size", 3, read=_kernel),
        Argument("sigma", 1.0, read=factor(0, 1)),
        VALUE_RANGE,
        IMAGES[0],
        SEED,
        IMAGES[1],
    )
    kernel_size: tuple
    sigma: tuple

    def _drawn(self, images: Any, seed: Any) -> Any:
        apply = chance(seed, self._sizes(images)[0], self.factor)
        return {
            "should_apply_blur": apply,
            "blur_factor": uniform(seed, (2,), *map(float, self.sigma)) + 1e-6,
        }

    def _transform_images(self, images: Any, transformation: Any, interpolation: str) -> Any:
        sigma = convert_to_tensor(transformation["blur_factor"])
        blurred = blur_images(images, sigma, size=self.kernel_size, channels_first=self._channels_first)
        chosen = indexing.where(per_image(transformation["should_apply_blur"]), blurred, images)
        return self._clipped(chosen)


def drawn_spans(seed: Any, ratio: Any, size: Any) -> tuple:
    """Draws where a part of an axis begins and ends.

    Args:
        seed: an int or a generator.
        ratio: the part, of shape (batch,).
        size: of the axis.
    """
    size = float(size) if isinstance(size, int) else size._astype("float32")
    length = ratio * size
    start = uniform(seed, (shape_tuple(ratio)[0],)) * (size - length)
    return start, start + length


def inside_boxes(images: Any, spans: tuple, channels_first: bool) -> Any:
    """Returns which pixels of images lie in a box an image: booleans that broadcast with the images.

    Args:
        images: tensor of rank 3 or 4.
        spans: left, right, top, bottom, each of shape (batch,).
    """
    sizes = shape_tuple(images)
    height, width = sizes[-2:] if channels_first else sizes[-3:-1]
    rows, columns = ((1, 1, -1, 1), (1, 1, 1, -1)) if channels_first else ((1, -1, 1, 1), (1, 1, -1, 1))
    y, x = (
        shapes.reshape(create.range_of(size)._astype("float32"), shape=shape)
        for size, shape in ((height, rows), (width, columns))
    )
    left, right, top, bottom = map(per_image, spans)
    return (x >= left) & (x < right) & (y >= top) & (y < bottom)


class RandomErasing(ColorLayer):
    """Fills a box of an image with noise or with a value, with some probability.

    Args:
        factor: the probability, or two numbers between which it is drawn.
        scale: the part of the image's area that a box takes: from [0, scale), or between two numbers.
        fill_value: a number, or one a channel; None: noise.
        value_range: least and greatest value of a pixel.
        seed: an int; None: one from the global generator.
        data_format: "channels_last" or "channels_first".

    Source: Z. Zhong et al., 2017, "Random erasing data augmentation".
    """

    _arguments = (
        Argument("factor", 1.0, read=factor(0, 1)),
        Argument("scale", (0.02, 0.33), read=factor(0, 1)),
        Argument("fill_value", None),
        VALUE_RANGE,
        SEED,
        *IMAGES,
    )
    scale: tuple
    fill_value: Any

    def _begin(self) -> None:
        super()._begin()
        value = self.fill_value
        if value is not None and not (
            isinstance(value, int | float) or (isinstance(value, list | tuple) and len(value) == 3)
        ):
            raise ValueError(
                f"RandomErasing: fill_value must be a number, or a list of three, received {value!r:.60}"
                f"{at_user_location()}"
            )

    def _drawn(self, images: Any, seed: Any) -> Any:
        number, height, width = self._sizes(images)
        ratio = tf_math.sqrt(between(seed, number, self.scale, self.scale))
        spans = (*drawn_spans(seed, ratio[:, 0], width), *drawn_spans(seed, ratio[:, 1], height))
        return {
            "apply_erasing": chance(seed, number, self.factor),
            "batch_masks": inside_boxes(images, spans, self._channels_first),
            "fill_value": self._fill(images, seed),
        }

    def _fill(self, images: Any, seed: Any) -> Any:
        if self.fill_value is None:
            noise = random.normal(shape_tuple(images), dtype="float32", seed=seed)
            return self._clipped(noise * float(self.value_range[1]))
        value = convert_to_tensor(self.fill_value, dtype="float32")
        if len(value.shape) and self._channels_first:
            value = value[:, None, None]
        return self._clipped(value)

    def _transform_images(self, images: Any, transformation: Any, interpolation: str) -> Any:
        apply = per_image(transformation["apply_erasing"]) & convert_to_tensor(transformation["batch_masks"])
        fill = convert_to_tensor(transformation["fill_value"])._astype(self.compute_dtype)
        return indexing.where(apply, fill, images)
