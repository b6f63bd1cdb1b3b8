"""`shuffle`: a uniformly random order, or the mixing of a bounded buffer."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError
from dovetail.data.groups import Regrouped, joined
from dovetail.data.node import UNKNOWN, Node
from dovetail.data.plan import CHUNK, ArrayPlan, reservoir
from dovetail.data.seeds import Generators


class Shuffle(Node):
    """Gives random elements of a buffer that is refilled from the source.

    With a buffer that holds the whole dataset every order is equally likely.  Datasets of array rows are shuffled as
    row numbers.
    """

    def __init__(self, source: Node, buffer_size: int, seed: Any, reshuffle: bool) -> None:
        super().__init__(source)
        if buffer_size == UNKNOWN:  # TensorFlow's way of saying "all of it"
            buffer_size = sys.maxsize
        if buffer_size < 1:
            raise InvalidArgumentError(
                f"Dataset.shuffle: buffer_size must be at least 1, received {buffer_size}"
            )
        self._buffer_size, self._renew = buffer_size, reshuffle
        self._generators = Generators(seed, reshuffle)

    def _make_plan(self) -> ArrayPlan | None:
        plan = self.source.plan
        return plan and plan.shuffle(self._buffer_size, self._generators, self._renew)

    def _generate(self) -> Iterator[tuple]:
        return reservoir(self.source.elements(), self._buffer_size, self._generators())

    def batches(self, size: int) -> Iterator[tuple] | None:
        groups = self.source.batches(CHUNK)
        if groups is None:
            return None
        return Regrouped(_mixed(groups, self._buffer_size, self._generators()), size)


def _mixed(groups: Iterator[tuple], buffer_size: int, rng: np.random.Generator) -> Iterator[tuple]:
    """Shuffles rows of columns: gives what `reservoir` gives of the rows one by one.

    A row that comes goes to a place of the buffer, and the row that was there comes out.  Of many rows at once that is
    a gathering, but for places that are drawn more than once: there a row comes out that came in with these.
    """
    held: list[tuple] = []
    num_held = 0
    for group in groups:
        held.append(group)
        num_held += len(group[0])
        if num_held >= buffer_size:
            break
    if not held:
        return
    columns = joined(held)
    buffer = [np.array(column[:buffer_size]) for column in columns]
    waiting = tuple(column[buffer_size:] for column in columns)
    for group in Regrouped(itertools.chain([waiting], groups), CHUNK):
        yield _replaced(buffer, group, rng.integers(0, buffer_size, CHUNK)[: len(group[0])])
    order = rng.permutation(len(buffer[0]))
    yield tuple([column[order] for column in buffer])


def _replaced(buffer: list, group: tuple, places: np.ndarray) -> tuple:
    """Puts rows into places of a buffer one after the other; returns what was there when each came."""
    order = np.argsort(places, kind="stable")
    again = places[order[1:]] == places[order[:-1]]  # the place was drawn before
    later, before = order[1:][again], order[:-1][again]
    last: Any = np.append(~again, True)
    out = []
    for column, new in zip(buffer, group, strict=True):
        given = column[places]
        given[later] = new[before]
        column[places[order][last]] = new[order][last]
        out.append(given)
    return tuple(out)
