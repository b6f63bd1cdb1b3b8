"""`tf.image.random_*`: the same changes with random amounts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.ops import draws, image_color, random, random_keys, random_stateless
from dovetail.ops.families import op
from dovetail.ops.image_resize import on_host
from dovetail.ops.slicing import slice_
from dovetail.ops.views import export
from dovetail.tensor.convert import convert_to_tensor


def _amount(low: float, high: float, seed: Any, stateless: bool) -> Any:
    """Draws the scalar that says how much."""
    if not low <= high:
        raise ValueError(f"the lower bound {low} exceeds the upper bound {high}{at_user_location()}")
    draw = random_stateless.stateless_uniform if stateless else random.uniform
    return draw([], minval=float(low), maxval=float(high), seed=seed)


def _positive(name: str, value: float) -> float:
    if value < 0:
        raise ValueError(f"{name} must not be negative, received {value}{at_user_location()}")
    return float(value)


def _key(seed: Any, stateless: bool) -> Any:
    return random_keys.stateless_key(seed) if stateless else random_keys.next_key(seed)


# ---- brightness and colors ----------------------------------------------------------------------------------------


def _brightness(image: Any, max_delta: float, seed: Any, stateless: bool) -> Any:
    limit = _positive("max_delta", max_delta)
    return image_color.adjust_brightness(image, _amount(-limit, limit, seed, stateless))


@export("image.random_brightness")
def random_brightness(image: Any, max_delta: float, seed: Any = None) -> Any:
    """Adds a number from [-max_delta, max_delta) to all pixels."""
    return _brightness(image, max_delta, seed, False)


@export("image.stateless_random_brightness")
def stateless_random_brightness(image: Any, max_delta: float, seed: Any) -> Any:
    """As `random_brightness`, determined by `seed` (two integers)."""
    return _brightness(image, max_delta, seed, True)


@export("image.random_contrast")
def random_contrast(image: Any, lower: float, upper: float, seed: Any = None) -> Any:
    """Adjusts the contrast by a factor from [lower, upper)."""
    return image_color.adjust_contrast(image, _amount(_positive("lower", lower), upper, seed, False))


@export("image.stateless_random_contrast")
def stateless_random_contrast(image: Any, lower: float, upper: float, seed: Any) -> Any:
    """As `random_contrast`, determined by `seed` (two integers)."""
    return image_color.adjust_contrast(image, _amount(_positive("lower", lower), upper, seed, True))


def _hue_limit(max_delta: float) -> float:
    if not 0 <= max_delta <= 0.5:
        raise ValueError(f"max_delta must lie in [0, 0.5], received {max_delta}{at_user_location()}")
    return float(max_delta)


@export("image.random_hue")
def random_hue(image: Any, max_delta: float, seed: Any = None) -> Any:
    """Turns the hue by a number from [-max_delta, max_delta)."""
    limit = _hue_limit(max_delta)
    return image_color.adjust_hue(image, _amount(-limit, limit, seed, False))


@export("image.stateless_random_hue")
def stateless_random_hue(image: Any, max_delta: float, seed: Any) -> Any:
    """As `random_hue`, determined by `seed` (two integers)."""
    limit = _hue_limit(max_delta)
    return image_color.adjust_hue(image, _amount(-limit, limit, seed, True))


@export("image.random_saturation")
def random_saturation(image: Any, lower: float, upper: float, seed: Any = None) -> Any:
    """Adjusts the saturation by a factor from [lower, upper)."""
    return image_color.adjust_saturation(image, _amount(_positive("lower", lower), upper, seed, False))


@export("image.stateless_random_saturation")
def stateless_random_saturation(image: Any, lower: float, upper: float, seed: Any = None) -> Any:
    """As `random_saturation`, determined by `seed` (two integers)."""
    return image_color.adjust_saturation(image, _amount(_positive("lower", lower), upper, seed, True))


# ---- flips --------------------------------------------------------------------------------------------------------


def _mirrored(x: np.ndarray, axis: int) -> np.ndarray:
    """Returns an image with an axis reversed; pixels are moved whole, since what runs backwards is slow to work on."""
    if axis % x.ndim != x.ndim - 2 or not x.flags.c_contiguous or not x.size:
        return np.flip(x, axis=axis)
    pixels = x.view(np.dtype((np.void, x.shape[-1] * x.itemsize)))[..., 0]
    return np.ascontiguousarray(pixels[..., ::-1])[..., None].view(x.dtype)


@op("", same_dtype=0, shape=lambda x, chance, axis: x, size=on_host)
def flip_some(xp: Any, x: Any, chance: Any, *, axis: int) -> Any:
    """Reverses an axis of each image whose number in `chance` is below 0.5."""
    if xp.name == "host" and not chance.ndim:
        return xp.by_kernel("mirror", _mirrored, (x,), {"axis": axis}) if chance < 0.5 else x
    return xp.where((chance < 0.5).reshape(*chance.shape, 1, 1, 1), xp.flip(x, axis=axis), x)


flip_some.gradient(lambda g, y, x, chance, axis: flip_some(g, chance, axis=axis), None)


def _random_flip(x: Any, axis: int, seed: Any, stateless: bool) -> Any:
    x = convert_to_tensor(x)
    rank = len(x.shape)
    if rank not in (3, 4):
        raise ValueError(f"expected an image of rank 3 or 4, received shape {x.shape}{at_user_location()}")
    chance = draws.uniform(_key(seed, stateless), shape=tuple(x.shape)[: rank - 3])
    return flip_some(x, chance, axis=axis)


@export("image.random_flip_left_right")
def random_flip_left_right(image: Any, seed: Any = None) -> Any:
    """Mirrors each image from left to right with probability 1/2."""
    return _random_flip(image, -2, seed, False)


@export("image.stateless_random_flip_left_right")
def stateless_random_flip_left_right(image: Any, seed: Any) -> Any:
    """As `random_flip_left_right`, determined by `seed` (two integers)."""
    return _random_flip(image, -2, seed, True)


@export("image.random_flip_up_down")
def random_flip_up_down(image: Any, seed: Any = None) -> Any:
    """Mirrors each image upside down with probability 1/2."""
    return _random_flip(image, -3, seed, False)


@export("image.stateless_random_flip_up_down")
def stateless_random_flip_up_down(image: Any, seed: Any) -> Any:
    """As `random_flip_up_down`, determined by `seed` (two integers)."""
    return _random_flip(image, -3, seed, True)


# ---- crops --------------------------------------------------------------------------------------------------------


def _crop(value: Any, size: Any, key: Callable[[], Any]) -> Any:
    value = convert_to_tensor(value)
    shape, size = tuple(value.shape), tuple(int(n) for n in np.asarray(size))
    size = tuple(own if wanted == -1 else wanted for own, wanted in zip(shape, size, strict=True))
    if any(wanted > own for own, wanted in zip(shape, size, strict=True)):
        raise ValueError(f"random_crop: the size {size} exceeds the shape {shape}{at_user_location()}")
    room = np.array(shape, np.int32) - np.array(size, np.int32) + 1
    zero = np.zeros_like(room)
    begin = draws.integers(
        key(), convert_to_tensor(zero), convert_to_tensor(room), shape=(len(shape),), dtype="int32"
    )
    return slice_(value, begin, size)


@export("image.random_crop")
def random_crop(value: Any, size: Any, seed: Any = None, name: str | None = None) -> Any:
    """Returns a part of `value` of the given size, from a random place."""
    return _crop(value, size, lambda: random_keys.next_key(seed))


@export("image.stateless_random_crop")
def stateless_random_crop(value: Any, size: Any, seed: Any, name: str | None = None) -> Any:
    """As `random_crop`, determined by `seed` (two integers)."""
    return _crop(value, size, lambda: random_keys.stateless_key(seed))
