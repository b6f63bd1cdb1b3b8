"""Elements that come many at a time, as stacked columns: put into other groups, and taken apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np


class Regrouped(Iterator):
    """Groups of `size` rows out of groups of any sizes; the last may be smaller.

    It goes on behind an error of the groups; the rows that wait for a full group are dropped then.
    """

    def __init__(self, groups: Iterable[tuple], size: int) -> None:
        self._groups, self._size = iter(groups), size
        self._group: tuple = ()
        self._place = self._end = 0

    def __next__(self) -> tuple:
        parts: list[tuple] = []
        missing = self._size
        while missing:
            if self._place == self._end:
                group = next(self._groups, None)
                if group is None:
                    break
                self._group, self._place, self._end = group, 0, len(group[0])
                continue
            stop = min(self._place + missing, self._end)
            parts.append(tuple([column[self._place : stop] for column in self._group]))
            missing -= stop - self._place
            self._place = stop
        if not parts:
            raise StopIteration
        return joined(parts)


class Rows(Iterator):
    """The elements of groups, one by one; it goes on behind an error of the groups."""

    def __init__(self, groups: Iterable[tuple]) -> None:
        self._groups, self._rows = iter(groups), iter(())

    def __next__(self) -> tuple:
        while True:
            row = next(self._rows, None)
            if row is not None:
                return row
            self._rows = _rows(next(self._groups))


def _rows(group: tuple) -> Iterator:
    return (tuple([column[i, ...] for column in group]) for i in range(len(group[0])))


def joined(parts: list[tuple]) -> tuple:
    """Returns groups one behind the other, as one."""
    return parts[0] if len(parts) == 1 else tuple(np.concatenate(leaves) for leaves in zip(*parts))
