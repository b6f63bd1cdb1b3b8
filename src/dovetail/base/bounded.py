"""Dictionaries that forget: caches that hold a bounded number of entries."""

from __future__ import annotations

from typing import Any


class Bounded(dict):
    """A dict for a cache: what is put in beyond `limit` entries pushes out the oldest ones.

    Looking up costs what it costs in a dict.  An entry that is worth keeping is put in once more when it is used
    (`renew`); one that is not comes back at the price of making it again.

    Args:
        limit: the largest number of entries.
    """

    __slots__ = ("limit",)

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    def put(self, key: Any, value: Any) -> Any:
        """Adds an entry, forgets the oldest one if that is one too many, and returns the value."""
        self[key] = value
        if len(self) > self.limit:
            self._forget()
        return value

    def _forget(self) -> None:
        while len(self) > self.limit:
            try:
                self.pop(next(iter(self)), None)
            except (RuntimeError, StopIteration):  # another thread was here
                break

    def renew(self, key: Any) -> Any:
        """Returns the value of a key, now the youngest; None when it is not there."""
        value = self.pop(key, None)
        if value is not None:
            self[key] = value
        return value
