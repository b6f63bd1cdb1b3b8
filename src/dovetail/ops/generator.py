"""`tf.random.Generator`: a generator with a state of its own, and Keras' functions, which take generators as seeds."""

from __future__ import annotations

import secrets
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.ops import draws
from dovetail.ops.random import normal_numbers, uniform_numbers
from dovetail.ops.random_keys import as_int64, mixed, new_state, next_key, take_key
from dovetail.ops.random_stateless import check_algorithm
from dovetail.ops.views import export, publish
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import TensorLike
from dovetail.tensor.variable import Variable


@export("random.Generator random.experimental.Generator")
class Generator:
    """A generator of random numbers whose state is a variable.

    Args:
        copy_from: another generator, whose state is copied.
        state: two int64: the seed, and the number of draws so far.
        alg: "philox" or "auto_select".

    Example:
        >>> g = tf.random.Generator.from_seed(1)
        >>> g.normal([2, 3]).shape
        TensorShape([2, 3])
    """

    def __init__(self, copy_from: Generator | None = None, state: Any = None, alg: Any = None) -> None:
        if (copy_from is None) == (state is None):
            raise ValueError(f"tf.random.Generator: pass one of copy_from and state{at_user_location()}")
        check_algorithm("philox" if alg is None else alg)
        self._state = new_state(0)
        self._state.assign(_state_of(copy_from.state if copy_from is not None else state))

    def __saved_children__(self) -> list[tuple[str, Any]]:
        """Returns what a checkpoint holds: the state, which is no weight of what the generator is in."""
        return [("_state_var", self._state)]

    @classmethod
    def from_seed(cls, seed: Any, alg: Any = None) -> Generator:
        """Returns a generator that begins with `seed`, an int or several."""
        numbers = [int(n) for n in np.atleast_1d(np.asarray(seed))]
        return cls(state=[numbers[0] if len(numbers) == 1 else mixed(*numbers), 0], alg=alg)

    @classmethod
    def from_state(cls, state: Any, alg: Any = None) -> Generator:
        """Returns a generator with a given state."""
        return cls(state=state, alg=alg)

    @classmethod
    def from_non_deterministic_state(cls, alg: Any = None) -> Generator:
        """Returns a generator seeded by the operating system."""
        return cls(state=[secrets.randbits(63), 0], alg=alg)

    @classmethod
    def from_key_counter(cls, key: int, counter: Any, alg: Any = None) -> Generator:
        """Returns a generator with a seed and a number of draws."""
        return cls(state=[int(key), int(np.atleast_1d(np.asarray(counter))[0])], alg=alg)

    @property
    def state(self) -> Variable:
        return self._state

    @property
    def algorithm(self) -> int:
        """TensorFlow's number of the algorithm: 1, Philox."""
        return 1

    @property
    def key(self) -> Any:
        """The seed."""
        state: Any = self._state._tensor()
        return state[0]

    def reset(self, state: Any) -> None:
        """Replaces the state."""
        self._state.assign(_state_of(state))

    def reset_from_seed(self, seed: int) -> None:
        """Begins anew with `seed`."""
        self._state.assign(np.array([as_int64(int(seed)), 0], np.int64))

    def reset_from_key_counter(self, key: int, counter: Any) -> None:
        """Continues from a seed and a number of draws."""
        self.reset([int(key), int(np.atleast_1d(np.asarray(counter))[0])])

    def skip(self, delta: int) -> Any:
        """Leaves out `delta` draws; returns the state before."""
        before = self._state._tensor()
        self._state.assign_add(np.array([0, int(delta)], np.int64))
        return before

    def next_key(self) -> Any:
        """Returns the key of the next draw, for stateless functions."""
        return take_key(self._state)

    def uniform(
        self, shape: Any, minval: Any = 0, maxval: Any = None, dtype: Any = "float32", name: str | None = None
    ) -> Any:
        """Returns uniform numbers in [minval, maxval)."""
        return uniform_numbers(draws.uniform, (self.next_key(),), shape, minval, maxval, dtype)

    def uniform_full_int(self, shape: Any, dtype: Any = "uint64", name: str | None = None) -> Any:
        """Returns integers that take every value of the dtype with the same probability."""
        return draws.full_integers(self.next_key(), shape=shape, dtype=dtype)

    def normal(
        self, shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = "float32", name: str | None = None
    ) -> Any:
        """Returns normally distributed numbers."""
        return normal_numbers(draws.normal, (self.next_key(),), shape, mean, stddev, dtype)

    def truncated_normal(
        self, shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = "float32", name: str | None = None
    ) -> Any:
        """Returns normally distributed numbers at most two standard deviations from the mean."""
        return normal_numbers(draws.truncated_normal, (self.next_key(),), shape, mean, stddev, dtype)

    def make_seeds(self, count: int = 1) -> Any:
        """Returns seeds for stateless functions, int64 of shape (2, count)."""
        return draws.full_integers(self.next_key(), shape=(2, count), dtype="int64")

    def split(self, count: int = 1) -> list[Generator]:
        """Returns new generators whose draws do not overlap with this one's."""
        seeds = np.asarray(self.make_seeds(count))
        return [Generator.from_seed(int(seed)) for seed in seeds[0]]


def _state_of(state: Any) -> Any:
    value: Any = state._tensor() if isinstance(state, Variable) else convert_to_tensor(np.asarray(state))
    if tuple(value.shape) == (3,):
        value = value[::2]  # TensorFlow's Philox state: a counter of two words, then the key
    if tuple(value.shape) != (2,):
        raise ValueError(f"tf.random.Generator: a state holds two int64, received shape {tuple(value.shape)}")
    return value._astype(np.dtype(np.int64))


_global: list[Generator] = []


@export("random.get_global_generator random.experimental.get_global_generator")
def get_global_generator() -> Generator:
    """Returns the generator for code that has none of its own; made on first use."""
    if not _global:
        _global.append(Generator.from_non_deterministic_state())
    return _global[0]


@export("random.set_global_generator random.experimental.set_global_generator")
def set_global_generator(generator: Generator) -> None:
    """Replaces the generator that `get_global_generator` returns."""
    _global[:] = [generator]


@export("random.create_rng_state random.experimental.create_rng_state")
def create_rng_state(seed: int, alg: Any = "philox") -> Any:
    """Returns the state of a generator that begins with `seed`, for `Generator.from_state`."""
    check_algorithm(alg)
    return convert_to_tensor(np.array([as_int64(int(seed)), 0], np.int64))


class Algorithm:
    """Names of algorithms: all stand for Philox."""

    PHILOX = "philox"
    AUTO_SELECT = "auto_select"


publish("random.Algorithm", Algorithm)
publish("random.experimental.Algorithm", Algorithm)


# ---- one draw from whatever Keras calls a seed ---------------------------------------------------------------------


def key_of(seed: Any) -> Any:
    """Returns the key that a `keras.random` function draws with.

    Args:
        seed: None (the global generator), an int (the same numbers each time), two integers (a key), or a generator:
            an object with `next_key()` or Keras' `next()`.
    """
    if seed is None or hasattr(seed, "next_key") or hasattr(seed, "next"):
        return next_key(seed)
    if isinstance(seed, TensorLike | list | tuple | np.ndarray):
        return convert_to_tensor(seed)._astype(np.dtype(np.int64))
    if not isinstance(seed, int | np.integer):
        raise ValueError(
            f"seed must be None, an int or a keras.random.SeedGenerator, received {seed!r:.60}{at_user_location()}"
        )
    return convert_to_tensor(np.array([mixed(int(seed)), 0], np.int64))


def permuted(key: Any, x: Any, axis: int = 0) -> Any:
    """Permutes `x` along `axis`."""
    return draws.shuffle(key, x, axis=axis % max(len(x.shape), 1))
