"""Passes over what gives batches: they go on from epoch to epoch, and begin anew where a source ends."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any


class Passes:
    """Takes the items of an epoch from passes over a source.

    Args:
        begin: returns a fresh iterator over the source.
        steps: items an epoch; None: until the source ends.

    Attributes:
        num_items: items an epoch; None while that is not known.
    """

    def __init__(self, begin: Callable[[], Iterator], steps: int | None, num_items: int | None) -> None:
        self._begin, self._steps = begin, steps
        self.num_items = num_items if steps is None else steps
        self._iterator: Iterator | None = None

    def restart(self) -> None:
        """Begins a new pass; an iterator that is its own source goes on where it is."""
        self._iterator = None

    def epoch(self) -> Iterator[Any]:
        """Yields the items of one epoch, and takes no more of the source than these."""
        count = 0
        while self._steps is None or count < self._steps:
            fresh = self._iterator is None
            iterator = self._iterator = self._begin() if self._iterator is None else self._iterator
            try:
                item = next(iterator)
            except StopIteration:
                self._iterator = None
                if count == 0 and not fresh:
                    continue
                self._ended(count)
                return
            count += 1
            yield item

    def _ended(self, count: int) -> None:
        if self._steps is None:
            self.num_items = count or self.num_items
        elif count:
            warnings.warn(
                f"the data ran out after {count} of {self._steps} batches; repeat() it, or pass fewer steps",
                stacklevel=10,
            )
