"""Changing the values of pixels by curves: fewer levels, inverted highlights, equalized histograms."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.keras import random
from dovetail.keras.layers.machinery.arguments import count, sizes
from dovetail.keras.layers.machinery.declared import Argument
from dovetail.keras.layers.preprocessing.color import ColorLayer
from dovetail.keras.layers.preprocessing.image_layer import (
    IMAGES,
    SEED,
    VALUE_RANGE,
    factor,
    pair_of,
    per_image,
    uniform,
)
from dovetail.ops import arithmetic, indexing, reduction
from dovetail.ops import math as tf_math
from dovetail.ops.gather import gather_
from dovetail.ops.image_histogram import equalize, equalize_tiles
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import Tensor

__all__ = [
    "AutoContrast",
    "ContrastLimitedAdaptiveHistogramEqualization",
    "Equalization",
    "RandomPosterization",
    "Solarization",
]

_BYTES = (0, 255)


class RandomPosterization(ColorLayer):
    """Keeps the highest bits of each value only.

    Args:
        factor: how many bits, from 1 to 8, or two numbers: from [lower, upper).
        value_range: least and greatest value of a pixel.
        data_format: "channels_last" or "channels_first".
        seed: an int; None: one from the global generator.
    """

    _arguments = (Argument("factor", read=factor(1, 8)), VALUE_RANGE, IMAGES[0], SEED, IMAGES[1])

    def _drawn(self, images: Any, seed: Any) -> Any:
        number, _, _ = self._sizes(images)
        low, high = map(int, self.factor)
        high = max(high, low + 1)
        bits = random.randint((number,), low, high, dtype="int32", seed=seed)
        return {"shift_factor": 8 - bits}

    def _transform_images(self, images: Any, transformation: Any, interpolation: str) -> Any:
        level = self._levels(transformation)
        values = self._scaled(images, self.value_range, _BYTES)
        whole = values._astype("uint8")._astype(self.compute_dtype)
        kept = tf_math.floor(whole / level) * level  # as shifting the bits out and back
        return self._scaled(kept, _BYTES, self.value_range)

    def _levels(self, transformation: Any) -> Any:
        shift = convert_to_tensor(transformation["shift_factor"])._astype("int32")
        powers = gather_(Tensor(2.0 ** np.arange(9, dtype=np.float32)), shift)
        return per_image(powers._astype(self.compute_dtype))


def _addition(layer: Any, name: str, value: Any) -> tuple:
    if pair_of(value) and min(value) >= 0 and max(value) <= 1:
        return tuple(sorted(value))
    if isinstance(value, int | float) and 0 <= value <= 1:
        return (0, value)
    raise ValueError(
        f"{type(layer).__name__}: {name} must be a number in [0, 1], or a list of two, received {value!r:.60}"
        f"{at_user_location()}"
    )


class Solarization(ColorLayer):
    """Adds an amount to the values, then inverts those at or above a threshold.

    Args:
        addition_factor: what is added: from [0, f), or between two numbers, in parts of the range.
        threshold_factor: the threshold: the same.
        value_range: least and greatest value of a pixel.
        seed: an int; None: one from the global generator.
    """

    _arguments = (
        Argument("addition_factor", 0.0, read=_addition),
        Argument("threshold_factor", 0.0, read=_addition),
        VALUE_RANGE,
        SEED,
        *IMAGES,
    )
    addition_factor: tuple
    threshold_factor: tuple

    def _drawn(self, images: Any, seed: Any) -> Any:
        number, _, _ = self._sizes(images)
        shape = (number, 1, 1, 1) if len(images.shape) == 4 else (1, 1, 1)
        ranges = {"additions": self.addition_factor, "thresholds": self.threshold_factor}
        return {
            name: uniform(seed, shape, float(low), float(high) * 255.0)
            for name, (low, high) in ranges.items()
        }

    def _transform_images(self, images: Any, transformation: Any, interpolation: str) -> Any:
        added = self._scaled(images, self.value_range, _BYTES) + self._factors(transformation, "additions")
        added = arithmetic.clip_by_value(added, 0.0, 255.0)
        below = added < self._factors(transformation, "thresholds")
        return self._scaled(indexing.where(below, added, 255.0 - added), _BYTES, self.value_range)


class AutoContrast(ColorLayer):
    """Stretches the values of each channel of an image over the whole range, in training and otherwise.

    Args:
        value_range: least and greatest value of a pixel.
    """

    _arguments = (VALUE_RANGE, *IMAGES)

    def transform_images(self, images: Any, transformation: Any = None, training: Any = True) -> Any:
        images = self._cast(images)
        values = self._scaled(images, self.value_range, _BYTES)
        low, high = (
            reduce(values, axis=(1, 2), keepdims=True)
            for reduce in (reduction.reduce_min, reduction.reduce_max)
        )
        flat = high == low
        scale = 255.0 / indexing.where(flat, 1.0, high - low)
        stretched = arithmetic.clip_by_value(values * scale + (-low * scale), 0.0, 255.0)
        return indexing.where(flat, images, self._scaled(stretched, _BYTES, self.value_range))


class Equalization(ColorLayer):
    """Maps the values of each channel so that all are about as frequent, in training; over the whole batch.

    Args:
        value_range: least and greatest value of a pixel.
        bins: of the histogram.
        data_format: "channels_last" or "channels_first".
    """

    _arguments = (VALUE_RANGE, Argument("bins", 256, read=count, hint="int"), *IMAGES)
    bins: int

    def get_random_transformation(self, data: Any, training: Any = True, seed: Any = None) -> Any:
        return None

    def transform_images(self, images: Any, transformation: Any = None, training: Any = True) -> Any:
        images = self._cast(images)
        if not training:
            return images
        values = self._scaled(self._last(images), self.value_range, _BYTES)
        equal = equalize(values, bins=self.bins)
        return self._back(self._scaled(equal, _BYTES, self.value_range))


class ContrastLimitedAdaptiveHistogramEqualization(ColorLayer):
    """Maps the values of each channel so that all are about as frequent in each part of an image.

    Args:
        value_range: least and greatest value of a pixel.
        clip_limit: how many times more often than the mean a value may count, so that noise is not raised; 0: no limit.
        tile_grid_size: into how many rows and columns of parts an image is divided.
        data_format: "channels_last" or "channels_first".

    Source: K. Zuiderveld, 1994, "Contrast limited adaptive histogram equalization".
    """

    _arguments = (
        VALUE_RANGE,
        Argument("clip_limit", 4.0, hint="float"),
        Argument(
            "tile_grid_size",
            (8, 8),
            read=lambda layer, name, value: sizes(value, 2, f"{type(layer).__name__}: {name}"),
        ),
        *IMAGES,
    )
    clip_limit: float
    tile_grid_size: tuple

    def transform_images(self, images: Any, transformation: Any = None, training: Any = True) -> Any:
        images = self._cast(images)
        values = self._scaled(self._last(images), self.value_range, _BYTES)
        equal = equalize_tiles(values, limit=float(self.clip_limit), grid=self.tile_grid_size)
        return self._back(self._scaled(equal, _BYTES, self.value_range))
