"""Where the batches of a run come from."""

from __future__ import annotations


class Source:
    """Data of a run: `ArrayData` lies in memory, `StreamData` comes in batches.

    Attributes:
        done: how many batches of the epoch that begins have been run, in the process before this one.
        logs: what they gave.
    """

    done = 0
    logs: dict = {}

    @property
    def num_batches(self) -> int | None:
        """Batches an epoch; None while that is not known."""
        raise NotImplementedError(type(self).__name__)

    def restart(self) -> None:
        """Begins a new pass over the data, whatever is left of this one."""

    def standing(self, done: int | None) -> dict:
        """Returns where the pass stands, as numbers, lists and dicts.

        Args:
            done: behind so many batches of the epoch that is running; None: at its end.
        """
        raise NotImplementedError(type(self).__name__)

    def resume(self, standing: dict, done: int) -> None:
        """Goes on where `standing` was taken, for the rest of an epoch of which `done` batches have been run."""
        raise NotImplementedError(type(self).__name__)

    def begin_epoch(self) -> None:
        """An epoch of training begins."""

    def end_epoch(self) -> None:
        """An epoch of training has ended."""
