"""When callbacks hear of batches: of single ones, of every Nth, or of as many as `steps_per_execution` says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Executions:
    """Tells callbacks of the batches of an epoch, in groups that are called executions.

    As in Keras 3 an execution that the end of the data cuts short bears the number of the batch it would have ended
    with.

    Args:
        size: batches an execution (`steps_per_execution`).
        room: returns how many batches may run before a callback must hear of one, None for any number.
        begin: called with the first batch of an execution.
        end: called with the last batch of an execution and the result.
        always: returns True when `end` is called after every dispatch, wherever it ends (for a progress bar).
    """

    def __init__(
        self,
        size: int,
        room: Callable[[], int | None],
        begin: Callable[[int], None],
        end: Callable[[int, Any], None],
        always: Callable[[], bool] = lambda: False,
    ) -> None:
        self._size, self._room, self._begin, self._end, self._always = size, room, begin, end, always
        self._waiting: tuple | None = None

    def room(self, index: int) -> int | None:
        """Returns how many batches may run from `index` on before the next execution ends that somebody wants."""
        room = self._room()
        return None if room is None else room + -(index + room) % self._size

    def before(self, index: int) -> None:
        """Batch `index` is about to run."""
        if index % self._size == 0:
            self._begin(index)

    def after(self, index: int, result: Any) -> None:
        """The batches up to `index` have run."""
        if self._room() is None:
            if self._always():
                self._end(index, result)
        elif (index + 1) % self._size:
            self._waiting = (index, result)
        else:
            self._waiting = None
            self._end(index, result)

    def finish(self) -> None:
        """The epoch is over: tells of an execution that was cut short."""
        if self._waiting is not None:
            index, result = self._waiting
            self._waiting = None
            self._end(index + -(index + 1) % self._size, result)
