"""Pure random ops: a key in, numbers out, the same on both engines.

A key is an int64 tensor of shape (2,).  `ops/random_keys.py` keeps the generators that keys come from.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dovetail.engine import dtypes
from dovetail.engine import random as bits
from dovetail.engine.placement import accelerated
from dovetail.ops.attrs import DTypeLike, Shape
from dovetail.ops.core import Op
from dovetail.ops.precision import FLOAT32, INT64

_FLOAT32 = FLOAT32
_UNIFORM_ROUNDS = 8  # proposals of a rejection sampler; the chance that all fail is below 1e-10


def _elements(shape: tuple, **_: Any) -> int:
    return 0 if -1 in shape else math.prod(shape)


_AS_ONE = 1 << 8


def _few_elements(shape: tuple, **more: Any) -> int:
    """Counts many numbers as one where there is no accelerator: XLA takes three times as long for each as NumPy."""
    count = _elements(shape, **more)
    return count if count < _AS_ONE or accelerated() else count // _AS_ONE


_SIZES = {"uniform": _few_elements, "normal": _few_elements}


def _drawn(*_: Any, shape: tuple, **__: Any) -> tuple:
    return tuple(None if size == -1 else size for size in shape)


def _dtype_of(*_: Any, dtype: Any, **__: Any) -> Any:
    return dtype


def _draw(body: Any) -> Op:
    """Makes an op of a body `f(xp, key, ..., *, shape, dtype)`."""
    return Op(
        body.__name__,
        body,
        same_dtype=0,
        differentiable=False,
        shape=_drawn,
        dtype=_dtype_of,
        size=_SIZES.get(body.__name__, _elements),
    )


def _floating(dtype: Any) -> Any:
    if not dtypes.is_floating(dtype):
        raise TypeError(f"expected a floating dtype, received {dtype}")
    return dtype if dtype.itemsize >= 4 else _FLOAT32


@_draw
def uniform(
    xp: Any, key: Any, *, shape: Shape, low: float = 0.0, high: float = 1.0, dtype: DTypeLike = _FLOAT32
) -> Any:
    """Returns uniform numbers in [low, high)."""
    _floating(dtype)
    numbers = bits.floats(xp, key, shape, dtype)
    if low == 0 and high == 1:
        return numbers
    wide = numbers.astype(_floating(dtype))
    return (wide * wide.dtype.type(high - low) + wide.dtype.type(low)).astype(dtype)


@_draw
def integers(xp: Any, key: Any, low: Any, high: Any, *, shape: Shape, dtype: DTypeLike) -> Any:
    """Returns uniform integers in [low, high); both broadcast to `shape`."""
    return bits.integers(xp, key, shape, low, high, dtype)


@_draw
def full_integers(xp: Any, key: Any, *, shape: Shape, dtype: DTypeLike) -> Any:
    """Returns integers that take every value of the dtype with the same probability."""
    count = math.prod(shape)
    drawn = bits.bits64(xp, key, count) if dtype.itemsize == 8 else bits.bits32(xp, key, count)
    return xp.reshape(drawn.astype(dtype), shape)


@_draw
def normal(
    xp: Any, key: Any, *, shape: Shape, mean: float = 0.0, stddev: float = 1.0, dtype: DTypeLike = _FLOAT32
) -> Any:
    """Returns normally distributed numbers."""
    numbers = bits.normals(xp, key, shape, _floating(dtype))
    return _scaled(numbers, mean, stddev).astype(dtype)


def _scaled(numbers: Any, mean: float, stddev: float) -> Any:
    kind = numbers.dtype.type
    scaled = numbers if stddev == 1 else numbers * kind(stddev)
    return scaled if mean == 0 else scaled + kind(mean)


@_draw
def truncated_normal(
    xp: Any, key: Any, *, shape: Shape, mean: float = 0.0, stddev: float = 1.0, dtype: DTypeLike = _FLOAT32
) -> Any:
    """Returns normally distributed numbers at most two standard deviations from the mean, by the inverse CDF."""
    wide = _floating(dtype)
    kind = wide.type
    centered = (bits.floats(xp, key, shape, wide) - kind(0.5)) * kind(2 * math.erf(math.sqrt(2)))
    # The uniform numbers begin at the lower end exactly; rounding must not carry the result past it.
    numbers = xp.clip(xp.erfinv(centered) * kind(math.sqrt(2)), kind(-2), kind(2))
    return _scaled(numbers, mean, stddev).astype(dtype)


@_draw
def bernoulli(xp: Any, key: Any, probability: Any, *, shape: Shape, dtype: DTypeLike = _FLOAT32) -> Any:
    """Returns 1 with the given probability (which broadcasts to `shape`), else 0."""
    return (bits.floats(xp, key, shape, _FLOAT32) < probability.astype(_FLOAT32)).astype(dtype)


def _standard_gamma(xp: Any, key: Any, alpha: Any, shape: tuple) -> Any:
    """Returns gamma variates of scale 1 by rejection (G. Marsaglia, W. Tsang, 2000, "A simple method...")."""
    wide = alpha.dtype
    kind = wide.type
    boosted = xp.where(alpha < 1, alpha + kind(1), alpha)
    d = boosted - kind(1 / 3)
    c = kind(1 / 3) / xp.sqrt(d)
    every = (_UNIFORM_ROUNDS, *shape)
    z = bits.normals(xp, _next(xp, key, 1), every, wide)
    u = bits.floats(xp, _next(xp, key, 2), every, wide) + kind(2.0**-25)
    root = kind(1) + c * z
    v = root * root * root
    safe = xp.where(v > 0, v, kind(1))
    accepted = (v > 0) & (xp.log(u) < kind(0.5) * z * z + d * (kind(1) - safe + xp.log(safe)))
    number = d * _first(xp, accepted, v, kind(1))
    power = bits.floats(xp, _next(xp, key, 3), shape, wide) + kind(2.0**-25)
    return xp.where(alpha < 1, number * xp.power(power, kind(1) / alpha), number)


def _next(xp: Any, key: Any, offset: int) -> Any:
    """Returns another key, for a draw that needs several streams: the first word changes in its high bits."""
    return key.astype(bits.U64) ^ np.array([offset << 60, 0], bits.U64)


def _first(xp: Any, accepted: Any, values: Any, otherwise: Any) -> Any:
    """Returns along axis 0 the first value that was accepted."""
    chosen = xp.broadcast_to(otherwise, values.shape[1:])
    for number in range(values.shape[0] - 1, -1, -1):
        chosen = xp.where(accepted[number], values[number], chosen)
    return chosen


@_draw
def gamma(xp: Any, key: Any, alpha: Any, *, shape: Shape, dtype: DTypeLike = _FLOAT32) -> Any:
    """Returns gamma variates of shape parameter `alpha` (which broadcasts to `shape`) and scale 1."""
    wide = _floating(dtype)
    return _standard_gamma(xp, key, xp.broadcast_to(alpha.astype(wide), shape), shape).astype(dtype)


@_draw
def beta(xp: Any, key: Any, alpha: Any, beta: Any, *, shape: Shape, dtype: DTypeLike = _FLOAT32) -> Any:
    """Returns beta variates, x / (x + y) of two gamma variates."""
    wide = _floating(dtype)
    x = _standard_gamma(xp, _next(xp, key, 4), xp.broadcast_to(alpha.astype(wide), shape), shape)
    y = _standard_gamma(xp, _next(xp, key, 8), xp.broadcast_to(beta.astype(wide), shape), shape)
    return (x / (x + y)).astype(dtype)


_SMALL_RATE = 10.0
_MOST_ARRIVALS = 48  # a Poisson variate of rate 10 exceeds this with probability 1e-17
_POISSON_ROUNDS = 16


@_draw
def poisson(xp: Any, key: Any, rate: Any, *, shape: Shape, dtype: DTypeLike = _FLOAT32) -> Any:
    """Returns Poisson variates: arrivals counted for rates below 10, else transformed rejection.

    Source: W. Hörmann, 1993, "The transformed rejection method for generating Poisson random variables" (PTRS).
    """
    wide = np.dtype(np.float64)
    lam = xp.broadcast_to(rate.astype(wide), shape)
    small = _arrivals(xp, _next(xp, key, 1), xp.minimum(lam, _SMALL_RATE), shape, wide)
    large = _rejected_poisson(xp, key, xp.maximum(lam, _SMALL_RATE), shape, wide)
    return xp.where(lam < _SMALL_RATE, small, large).astype(dtype)


def _arrivals(xp: Any, key: Any, lam: Any, shape: tuple, wide: Any) -> Any:
    gaps = -xp.log(1 - bits.floats(xp, key, (_MOST_ARRIVALS, *shape), wide))
    times = xp.cumsum(gaps, axis=0)
    return xp.sum((times <= lam).astype(wide), axis=0)


def _rejected_poisson(xp: Any, key: Any, lam: Any, shape: tuple, wide: Any) -> Any:
    every = (_POISSON_ROUNDS, *shape)
    u = bits.floats(xp, _next(xp, key, 2), every, wide) - 0.5
    v = 1 - bits.floats(xp, _next(xp, key, 3), every, wide)
    b = 0.931 + 2.53 * xp.sqrt(lam)
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    us = xp.maximum(0.5 - xp.abs(u), 1e-12)
    k = xp.floor((2 * a / us + b) * u + lam + 0.43)
    quick = (us >= 0.07) & (v <= 0.9277 - 3.6224 / (b - 2))
    possible = (k >= 0) & ~((us < 0.013) & (v > us))
    safe = xp.maximum(k, 0.0)
    slow = xp.log(v) + xp.log(inverse_alpha) - xp.log(a / (us * us) + b) <= safe * xp.log(
        lam
    ) - lam - xp.lgamma(safe + 1)
    return _first(xp, possible & (quick | slow), k, xp.floor(lam[None])[0])


_MOST_SUCCESSES = 48  # a binomial variate of mean 10 exceeds this with a probability below 1e-17


@_draw
def binomial(
    xp: Any, key: Any, counts: Any, probabilities: Any, *, shape: Shape, dtype: DTypeLike = _FLOAT32
) -> Any:
    """Returns binomial variates: gaps between successes for means below 10, else transformed rejection.

    Source: W. Hörmann, 1993, "The generation of binomial random variates" (BTRS).
    """
    wide = np.dtype(np.float64)
    n, p = (xp.broadcast_to(one.astype(wide), shape) for one in (counts, probabilities))
    rare = xp.minimum(p, 1 - p)
    few = n * rare < _SMALL_RATE
    small = _successes(xp, _next(xp, key, 1), n, rare, shape, wide)
    large = _rejected_binomial(
        xp, key, xp.where(few, 4 * _SMALL_RATE, n), xp.where(few, 0.5, rare), shape, wide
    )
    found = xp.where(few, small, large)
    valid = (n >= 0) & (p >= 0) & (p <= 1)
    return xp.where(valid, xp.where(p > rare, n - found, found), np.nan).astype(dtype)


def _successes(xp: Any, key: Any, n: Any, p: Any, shape: tuple, wide: Any) -> Any:
    """Counts the successes among `n` trials by the numbers of trials between them."""
    u = 1 - bits.floats(xp, key, (_MOST_SUCCESSES, *shape), wide)
    never = p <= 0
    gaps = xp.floor(xp.log(u) / xp.log1p(-xp.where(never, 0.5, xp.minimum(p, 0.5)))) + 1
    reached = xp.cumsum(gaps, axis=0) <= n
    return xp.where(never, 0.0, xp.sum(reached.astype(wide), axis=0))


def _rejected_binomial(xp: Any, key: Any, n: Any, p: Any, shape: tuple, wide: Any) -> Any:
    every = (_POISSON_ROUNDS, *shape)
    u = bits.floats(xp, _next(xp, key, 2), every, wide) - 0.5
    v = 1 - bits.floats(xp, _next(xp, key, 3), every, wide)
    spread = xp.sqrt(n * p * (1 - p))
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * p
    us = xp.maximum(0.5 - xp.abs(u), 1e-12)
    k = xp.floor((2 * a / us + b) * u + n * p + 0.5)
    possible = (k >= 0) & (k <= n)
    quick = (us >= 0.07) & (v <= 0.92 - 4.2 / b)
    mode, safe = xp.floor((n + 1) * p), xp.clip(k, 0.0, n)
    height = xp.log(v * (2.83 + 5.1 / b) * spread / (a / (us * us) + b))
    slow = height <= _log_choices(xp, n, safe) - _log_choices(xp, n, mode) + (safe - mode) * xp.log(
        p / (1 - p)
    )
    return _first(xp, possible & (quick | slow), k, mode)


def _log_choices(xp: Any, n: Any, k: Any) -> Any:
    """Returns the logarithm of the number of ways to choose `k` of `n`, but for what depends on `n` alone."""
    return -xp.lgamma(k + 1) - xp.lgamma(n - k + 1)


def _categories(key: tuple, logits: tuple, num_samples: int, dtype: Any) -> tuple:
    if len(logits) != 2:
        raise ValueError(f"expected logits of shape (batch, classes), received {logits}")
    return logits[0], num_samples


def _categorical(xp: Any, key: Any, logits: Any, *, num_samples: int, dtype: DTypeLike = INT64) -> Any:
    """Draws classes with probabilities softmax(logits): the largest of logits + Gumbel noise.

    Args:
        logits: floating tensor of shape (batch, classes).
        num_samples: draws a row.
    """
    _categories((2,), logits.shape, num_samples, dtype)
    if not dtypes.is_floating(logits.dtype):
        raise TypeError(f"expected floating-point logits, received {logits.dtype}")
    x = logits.astype(_floating(logits.dtype))
    uniform_numbers = bits.floats(xp, key, (x.shape[0], num_samples, x.shape[1]), np.dtype(np.float64))
    noise = -xp.log(-xp.log(uniform_numbers + 2.0**-54))
    return xp.argmax(x[:, None, :] + noise, axis=-1).astype(dtype)


def _shuffled_shape(key: tuple, value: tuple, axis: int) -> tuple:
    return value


def _shuffle(xp: Any, key: Any, value: Any, *, axis: int = 0) -> Any:
    """Permutes `value` along an axis."""
    if not value.ndim:
        return value
    order = xp.argsort(bits.bits64(xp, key, value.shape[axis]), stable=True)
    return xp.take(value, order, axis=axis)


def _same(key: tuple, x: tuple, **_: Any) -> tuple:
    return x


def _second(key: Any, x: Any, **_: Any) -> Any:
    return x


def _dropout(xp: Any, key: Any, x: Any, *, rate: float, noise_shape: Shape = None) -> Any:
    """Sets a random part of the elements to 0 and divides the others by `1 - rate`.

    Args:
        x: floating tensor.
        rate: probability of 0, in [0, 1]; applied in steps of 2**-16.
        noise_shape: shape of the mask, which broadcasts with `x`; -1 stands for the size in `x`.
    """
    if not dtypes.is_floating(x.dtype):
        raise TypeError(f"expected a floating-point tensor, received {x.dtype}; use tf.cast(x, tf.float32)")
    shape = x.shape
    if noise_shape is not None:
        if len(noise_shape) != x.ndim:
            raise ValueError(f"noise_shape {noise_shape} must have one entry for each axis of {x.shape}")
        shape = tuple(own if size == -1 else size for own, size in zip(x.shape, noise_shape, strict=True))
    threshold = min(round(rate * 65536), 65536)
    drawn = bits.bits16(xp, key, math.prod(shape)).reshape(shape)
    scale = x.dtype.type(1 / (1 - rate)) if rate < 1 else x.dtype.type(0)
    kept = drawn >= np.uint16(min(threshold, 65535)) if threshold < 65536 else xp.zeros(shape, bool)
    return xp.where(kept, x * scale, x.dtype.type(0))


def _key(xp: Any, key: Any) -> Any:
    """Returns the key itself."""
    return key


key = Op("stateless_key", _key, differentiable=False, shape=lambda key: key, dtype=lambda key: key)
categorical = Op(
    "stateless_categorical",
    _categorical,
    same_dtype=0,
    differentiable=False,
    shape=_categories,
    dtype=_dtype_of,
)
shuffle = Op("stateless_shuffle", _shuffle, same_dtype=0, shape=_shuffled_shape, dtype=_second)
dropout = Op("stateless_dropout", _dropout, same_dtype=0, shape=_same, dtype=_second)
dropout.gradient(None, lambda g, y, key, x, **attributes: dropout(key, g, **attributes))
