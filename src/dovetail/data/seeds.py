"""Where random orders come from: the seed of an operation, the global seed, or neither.

With either seed a program repeats its orders: the first pass, the second pass and so on each have their own order, the
same in every run.  Without any seed every run differs.
"""

from __future__ import annotations

import itertools
import secrets
import threading
from typing import Any

import numpy as np

from dovetail.base.settings import settings

_lock = threading.Lock()
# The global seed that was seen last, and how many operations without a seed took it.
_unnamed: list[Any] = [None, 0]


def global_seed() -> Any:
    """Returns the seed of `tf.random.set_seed`, or None."""
    return getattr(settings, "global_seed", None)


def _next_unnamed() -> int:
    """Numbers the operations that have no seed of their own; counting starts again when the global seed is set."""
    mark = (global_seed(), getattr(settings, "global_seed_count", 0))
    with _lock:
        if _unnamed[0] != mark:
            _unnamed[:] = [mark, 0]
        _unnamed[1] += 1
        return _unnamed[1]


def resolve(seed: Any) -> tuple[int, ...]:
    """Returns the entropy of an operation with this seed (an int, a scalar tensor or None)."""
    common = global_seed()
    if seed is not None:
        return (0 if common is None else 1 + _unsigned(common), 1, _unsigned(seed))
    if common is not None:
        return (1 + _unsigned(common), 2, _next_unnamed())
    return (secrets.randbits(128),)


def _unsigned(seed: Any) -> int:
    return int(seed) % (1 << 64)


class Generators:
    """Gives a random generator for every pass over a dataset.

    Args:
        seed: the operation's seed, or None.
        renew: a different generator for each pass; False: every pass gets the same random numbers.
    """

    def __init__(self, seed: Any, renew: bool) -> None:
        self._entropy, self._renew = resolve(seed), renew
        self._passes = itertools.count()

    def __call__(self) -> np.random.Generator:
        number = next(self._passes) if self._renew else 0
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence((*self._entropy, number))))
