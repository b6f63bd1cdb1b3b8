"""Where the keys of random draws come from: the generators, and seeds.

A generator's state is a variable of two int64: a seed and the number of draws so far.  Together they are the key of the
next draw, so a traced function that draws reads and writes the state like any other variable, and gives the numbers
that it gives eagerly.
"""

from __future__ import annotations

import secrets
import threading
from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.base.settings import state
from dovetail.ops import arithmetic
from dovetail.ops.views import export
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import Tensor, TensorLike
from dovetail.tensor.variable import Variable, enter_scope

_DEFAULT_SEED = 0x5DEECE66D
_STEP = np.array([0, 1], np.int64)
_ONE_DRAW = Tensor(_STEP)  # which XLA may have moved to its device
_lock = threading.Lock()


def as_int64(number: int) -> int:
    """Wraps any Python int to 64 signed bits."""
    number &= (1 << 64) - 1
    return number - (1 << 64) if number >> 63 else number


def mixed(*numbers: int) -> int:
    """Returns 64 bits that depend on all the numbers (G. Steele, D. Lea, C. Flood, 2014, SplitMix64)."""
    result = 0
    for number in numbers:
        result = (result + (number & ((1 << 64) - 1)) + 0x9E3779B97F4A7C15) & ((1 << 64) - 1)
        result = ((result ^ (result >> 30)) * 0xBF58476D1CE4E5B9) & ((1 << 64) - 1)
        result = ((result ^ (result >> 27)) * 0x94D049BB133111EB) & ((1 << 64) - 1)
        result ^= result >> 31
    return as_int64(result)


def new_state(seed: int) -> Variable:
    """Returns the state of a generator that begins with `seed`; it belongs to no traced function."""
    with enter_scope(None):
        return Variable(np.array([as_int64(seed), 0], np.int64), trainable=False, name="rng_state")


def take_key(rng: Variable) -> Tensor:
    """Returns the key of a generator's next draw, and moves the generator on."""
    if state.scope is not None:
        return _take(rng)
    with _lock:
        key = rng._plain()
        if state.tapes or type(key._value) is not np.ndarray:
            return _take(rng)
        rng._store(Tensor(key._value + _STEP))
        return key


def _take(rng: Variable) -> Tensor:
    key = rng._plain()
    rng._store(arithmetic.add(key, _ONE_DRAW))
    return key


class _Global:
    """The global generator and those of the op seeds, which `set_seed` starts again."""

    def __init__(self) -> None:
        self.seed: int | None = None
        self.state: Variable | None = None
        self.by_seed: dict[int, Variable] = {}

    def key(self, seed: Any) -> Tensor:
        if seed is None:
            if self.state is None:
                self.state = new_state(secrets.randbits(63))
            return take_key(self.state)
        seed = int(seed)
        found = self.by_seed.get(seed)
        if found is None:
            found = self.by_seed[seed] = new_state(self._op_seed(seed))
        return take_key(found)

    def _op_seed(self, seed: int) -> int:
        return mixed(_DEFAULT_SEED if self.seed is None else self.seed, seed)

    def set_seed(self, seed: int) -> None:
        self.seed = seed
        if self.state is None:
            self.state = new_state(seed)
        self.state.assign(np.array([as_int64(seed), 0], np.int64))
        for op_seed, rng in self.by_seed.items():
            rng.assign(np.array([self._op_seed(op_seed), 0], np.int64))


_global = _Global()


def next_key(seed: Any = None) -> Tensor:
    """Returns the key of the next draw: of the global generator, or of the one that belongs to an op seed.

    Args:
        seed: None, an int, a generator state (a variable), or an object with `next_key()` or Keras' `next()`.
    """
    if isinstance(seed, Variable):
        return take_key(seed)
    if hasattr(seed, "next_key"):
        return seed.next_key()
    if hasattr(seed, "next"):
        return stateless_key(seed.next())
    return _global.key(seed)


def is_shared(variable: Variable) -> bool:
    """True for the state of a generator that any code may draw from: the global one, and those of op seeds."""
    return variable is _global.state or any(variable is rng for rng in _global.by_seed.values())


def is_unseeded(variable: Variable) -> bool:
    """True for the state of the global generator while no seed makes it draw the same numbers again."""
    return variable is _global.state and _global.seed is None


@export("random.set_seed")
def set_seed(seed: int) -> None:
    """Starts the global generator again: the same program then draws the same numbers, compiled or eager.

    Args:
        seed: any int.
    """
    _global.set_seed(int(seed))


def generators() -> dict[str, Any]:
    """Returns the state of the global generator and of the op seeds' as plain numbers; see `set_generators`."""
    by_seed = [(seed, np.asarray(rng._plain()._value).tolist()) for seed, rng in _global.by_seed.items()]
    state = None if _global.state is None else np.asarray(_global.state._plain()._value).tolist()
    return {"seed": _global.seed, "state": state, "by_seed": by_seed}


def set_generators(found: dict[str, Any]) -> None:
    """Gives the generators the state that `generators` has returned, here or in another process."""
    _global.seed = found["seed"]
    if found["state"] is not None:
        if _global.state is None:
            _global.state = new_state(0)
        _global.state.assign(np.array(found["state"], np.int64))
    for seed, value in found["by_seed"]:
        rng = _global.by_seed.setdefault(seed, new_state(0))
        rng.assign(np.array(value, np.int64))


def stateless_key(seed: Any) -> Any:
    """Returns the key that a pair of integers (list, array or tensor) stands for."""
    key = seed if isinstance(seed, TensorLike) else convert_to_tensor(np.asarray(seed, np.int64))
    if tuple(key.shape) != (2,):
        raise InvalidArgumentError(
            f"seed must hold two integers, received shape {tuple(key.shape)}{at_user_location()}"
        )
    return key._astype(np.dtype(np.int64))
