"""Passes over what gives batches: they go on from epoch to epoch, and begin anew where a source ends."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

from dovetail.keras.training.shuffling import numpy_state, set_numpy_state


class Passes:
    """Takes the items of an epoch from passes over a source.

    Args:
        begin: returns a fresh iterator over the source.
        steps: items an epoch; None: until the source ends.
        generators: what a pass over a dataset takes random numbers from, see `data/seeds.py`.

    Attributes:
        num_items: items an epoch; None while that is not known.
    """

    def __init__(
        self, begin: Callable[[], Iterator], steps: int | None, num_items: int | None, generators: Any = ()
    ) -> None:
        self._begin, self._steps, self._generators = begin, steps, generators
        self._origin: dict | None = None
        self._first = self._taken = self._done = 0
        self.num_items = num_items if steps is None else steps
        self._iterator: Iterator | None = None

    def restart(self) -> None:
        """Begins a new pass; an iterator that is its own source goes on where it is."""
        self._iterator = None

    def epoch(self) -> Iterator[Any]:
        """Yields the items of one epoch, and takes no more of the source than these."""
        count, self._done = self._done, 0
        self._first = self._taken - count
        while self._steps is None or count < self._steps:
            fresh = self._iterator is None
            iterator = self._start() if self._iterator is None else self._iterator
            try:
                item = next(iterator)
            except StopIteration:
                self._iterator = None
                if count == 0 and not fresh:
                    continue
                self._ended(count)
                return
            count += 1
            self._taken += 1
            yield item

    def _start(self) -> Iterator:
        self._origin = {"numpy": numpy_state(), "orders": [one.state() for one in self._generators]}
        self._first = self._taken = 0
        self._iterator = self._begin()
        return self._iterator

    def standing(self, done: int | None) -> dict:
        """Returns where the pass stands; see `Source.standing`."""
        if self._iterator is None and done is None:
            return {"place": 0, "origin": None}
        return {"place": self._taken if done is None else self._first + done, "origin": self._origin}

    def resume(self, standing: dict, done: int) -> None:
        """Runs through what lies before the place; see `Source.resume`."""
        origin, self._iterator = standing["origin"], None
        if origin is None:
            return
        for one, order in zip(self._generators, origin["orders"], strict=True):
            one.restore(order)
        set_numpy_state(origin["numpy"])
        iterator = self._start()
        for _ in range(standing["place"]):
            next(iterator, None)
        self._taken, self._done = standing["place"], done

    def _ended(self, count: int) -> None:
        if self._steps is None:
            self.num_items = count or self.num_items
        elif count:
            warnings.warn(
                f"the data ran out after {count} of {self._steps} batches; repeat() it, or pass fewer steps",
                stacklevel=10,
            )
