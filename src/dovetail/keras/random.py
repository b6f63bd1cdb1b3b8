"""`keras.random`: random numbers whose seed is None, an int, or a `SeedGenerator`.

None draws from the global generator (`keras.utils.set_random_seed`).  An int gives the same numbers at every call.  A
`SeedGenerator` gives new ones at every call, also in compiled code.
"""

from __future__ import annotations

import secrets
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.base.settings import settings
from dovetail.keras.registration import own
from dovetail.ops import draws, random, random_keys
from dovetail.ops.generator import key_of
from dovetail.ops.random import normal_numbers, uniform_numbers
from dovetail.ops.random_keys import take_key
from dovetail.tensor import dtype as dt
from dovetail.tensor.convert import convert_to_tensor

__all__ = [
    "SeedGenerator",
    "beta",
    "binomial",
    "categorical",
    "dropout",
    "gamma",
    "normal",
    "randint",
    "shuffle",
    "truncated_normal",
    "uniform",
]


class SeedGenerator:
    """A source of seeds for random functions and layers; its state is a variable.

    Args:
        seed: an int; None: one from the global generator.
        name: of the generator.

    Attributes:
        state: the variable: the seed, and the number of draws so far.

    Example:
        >>> seeds = keras.random.SeedGenerator(1)
        >>> keras.random.normal([2], seed=seeds).shape
        TensorShape([2])
    """

    _held_as = "state"  # not among the weights of a layer that draws from it

    def __init__(self, seed: int | None = None, name: str | None = None) -> None:
        if seed is not None and not isinstance(seed, int | np.integer):
            raise ValueError(f"SeedGenerator: seed must be an int, received {seed!r:.60}{at_user_location()}")
        self.name = name or "seed_generator"
        self._initial_seed = None if seed is None else int(seed)
        self.state = random_keys.new_state(random_seed() if seed is None else int(seed))

    @property
    def initial_seed(self) -> int | None:
        return self._initial_seed

    def next_key(self) -> Any:
        """Returns the key of the next draw."""
        return take_key(self.state)

    def next(self, ordered: bool = True) -> Any:
        """Returns a new seed, integers of shape (2,). `ordered` changes nothing: draws always keep their order."""
        return self.next_key()

    def __children__(self) -> list[tuple[str, Any]]:
        return [("state", self.state)]

    def get_config(self) -> dict:
        return {"seed": self._initial_seed}

    @classmethod
    def from_config(cls, config: dict) -> SeedGenerator:
        return cls(**config)


own("keras.random", [SeedGenerator])


def random_seed() -> int:
    """Returns a seed that follows from the global seed, if one is set."""
    if random_keys._global.seed is None:
        return secrets.randbits(31)
    return (
        int(np.asarray(draws.full_integers(random_keys.next_key(), shape=(), dtype="int64"))) >> 33
        & 0x7FFFFFFF
    )


def _floating(dtype: Any) -> Any:
    kind = dt.as_dtype(settings.floatx if dtype is None else dtype)
    if not kind.is_floating:
        raise ValueError(f"keras.random: expected a floating dtype, received {kind.name}{at_user_location()}")
    return kind


def _source(seed: Any, drawing: Any, pure: Any) -> tuple[Any, tuple, dict]:
    """Returns the op to draw with, its first arguments and its attributes."""
    if seed is None or hasattr(seed, "next_key") or hasattr(seed, "next"):
        return drawing, (), {"seed": seed}
    return pure, (key_of(seed),), {}


def normal(shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: Any = None) -> Any:
    """Returns normally distributed numbers."""
    op, key, more = _source(seed, random.draw_normal, draws.normal)
    return normal_numbers(op, key, shape, mean, stddev, _floating(dtype), **more)


def truncated_normal(
    shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: Any = None
) -> Any:
    """Returns normally distributed numbers at most two standard deviations from the mean."""
    op, key, more = _source(seed, random.draw_truncated_normal, draws.truncated_normal)
    return normal_numbers(op, key, shape, mean, stddev, _floating(dtype), **more)


def uniform(shape: Any, minval: Any = 0.0, maxval: Any = 1.0, dtype: Any = None, seed: Any = None) -> Any:
    """Returns uniform numbers in [minval, maxval)."""
    op, key, more = _source(seed, random.draw_uniform, draws.uniform)
    return uniform_numbers(op, key, shape, minval, maxval, _floating(dtype), **more)


def randint(shape: Any, minval: Any, maxval: Any, dtype: Any = "int32", seed: Any = None) -> Any:
    """Returns uniform integers in [minval, maxval)."""
    kind = dt.as_dtype(dtype)
    if not kind.is_integer:
        raise ValueError(
            f"keras.random.randint: expected an integer dtype, received {kind.name}{at_user_location()}"
        )
    op, key, more = _source(seed, random.draw_uniform, draws.uniform)
    return uniform_numbers(op, key, shape, minval, maxval, kind, **more)


def categorical(logits: Any, num_samples: int, dtype: Any = "int32", seed: Any = None) -> Any:
    """Draws `num_samples` classes for each row of `logits` (batch, classes), with probabilities softmax(logits)."""
    op, key, more = _source(seed, random.draw_categorical, draws.categorical)
    return op(*key, logits, num_samples=num_samples, dtype=dtype, **more)


def dropout(inputs: Any, rate: float, noise_shape: Any = None, seed: Any = None) -> Any:
    """Sets each element to 0 with probability `rate`, and divides the others by `1 - rate`."""
    op, key, more = _source(seed, random.draw_dropout, draws.dropout)
    return op(*key, inputs, rate=rate, noise_shape=noise_shape, **more)


def shuffle(x: Any, axis: int = 0, seed: Any = None) -> Any:
    """Permutes `x` along `axis`."""
    op, key, more = _source(seed, random.draw_shuffle, draws.shuffle)
    return op(*key, x, axis=axis % max(len(x.shape), 1), **more)


def gamma(shape: Any, alpha: Any, dtype: Any = None, seed: Any = None) -> Any:
    """Returns gamma variates of scale 1; `alpha` broadcasts to `shape`."""
    kind = _floating(dtype)
    op, key, more = _source(seed, random.draw_gamma, draws.gamma)
    return op(*key, convert_to_tensor(alpha, dtype_hint=kind), shape=shape, dtype=kind, **more)


def beta(shape: Any, alpha: Any, beta: Any, dtype: Any = None, seed: Any = None) -> Any:
    """Returns beta variates; `alpha` and `beta` broadcast to `shape`."""
    kind = _floating(dtype)
    op, key, more = _source(seed, random.draw_beta, draws.beta)
    both = (convert_to_tensor(p, dtype_hint=kind) for p in (alpha, beta))
    return op(*key, *both, shape=shape, dtype=kind, **more)


def binomial(shape: Any, counts: Any, probabilities: Any, dtype: Any = None, seed: Any = None) -> Any:
    """Returns how many of `counts` trials succeed, each with the given probability; both broadcast to `shape`."""
    kind = _floating(dtype)
    op, key, more = _source(seed, random.draw_binomial, draws.binomial)
    both = (convert_to_tensor(p, dtype_hint=kind) for p in (counts, probabilities))
    return op(*key, *both, shape=shape, dtype=kind, **more)
