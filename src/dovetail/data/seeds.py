"""Where random orders come from: the seed of an operation, the global seed, or neither.

With either seed a program repeats its orders: the first pass, the second pass and so on each have their own order, the
same in every run.  Without any seed every run differs.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from dovetail.ops import random_keys
from dovetail.tensor import enter_scope


def resolve(seed: Any) -> tuple[int, ...]:
    """Returns the entropy of an operation with this seed (an int or None).

    An operation with a seed depends on it and on the global seed only, so that the same line gives the same order
    again; one without takes a key from the global generator.
    """
    if seed is not None:
        common = random_keys._global.seed
        return (0 if common is None else 1 + _unsigned(common), 1, _unsigned(seed))
    with enter_scope(
        None
    ):  # a pipeline that is built inside a traced function is still built once, here and now
        key = np.asarray(random_keys.next_key())
    return (2, *map(_unsigned, key.tolist()))


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
        self._num_begun = 0

    def state(self) -> list:
        """Returns what decides the passes from here on: the entropy and the number of the next pass."""
        return [list(self._entropy), self._num_begun]

    def restore(self, state: list) -> None:
        """Goes on as where `state` was taken."""
        self._entropy, self._num_begun = tuple(state[0]), int(state[1])
        self._passes = itertools.count(self._num_begun)

    def __call__(self) -> np.random.Generator:
        number = next(self._passes) if self._renew else 0
        self._num_begun = number + 1
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence((*self._entropy, number))))
