"""Where the batches of a run come from."""

from __future__ import annotations


class Source:
    """Data of a run: `ArrayData` lies in memory, `StreamData` comes in batches."""

    @property
    def num_batches(self) -> int | None:
        """Batches an epoch; None while that is not known."""
        raise NotImplementedError(type(self).__name__)

    def restart(self) -> None:
        """Begins a new pass over the data, whatever is left of this one."""

    def begin_epoch(self) -> None:
        """An epoch of training begins."""

    def end_epoch(self) -> None:
        """An epoch of training has ended."""
