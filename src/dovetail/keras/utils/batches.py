"""`keras.utils.PyDataset`: batches that are made when they are asked for.  Keras 2 called it `Sequence`."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location


class PyDataset:
    """Base of data in numbered batches.  Subclasses define `__len__` and `__getitem__`.

    Args:
        workers: how many threads make batches ahead of their turn; 1: each is made when its turn comes.
        use_multiprocessing: workers are processes, spawned for each epoch with a copy of this object; the program must
            stand below `if __name__ == "__main__":` then.
        max_queue_size: how many batches may wait for their turn.

    `fit` takes the batches in a new order in each epoch, unless it is called with `shuffle=False`.

    Example:
        >>> class Squares(keras.utils.PyDataset):
        ...     def __len__(self):
        ...         return 10
        ...     def __getitem__(self, index):
        ...         x = np.arange(index * 32, index * 32 + 32, dtype="float32")[:, None]
        ...         return x, x**2
    """

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10) -> None:
        self.workers, self.use_multiprocessing = workers, use_multiprocessing
        self.max_queue_size = max_queue_size

    def __len__(self) -> int:
        raise NotImplementedError(
            f"{type(self).__name__} has no __len__() method. Define one that returns the number of batches"
            f"{at_user_location()}"
        )

    def __getitem__(self, index: int) -> Any:
        """Returns batch `index`: `x`, `(x, y)` or `(x, y, sample_weight)`."""
        raise NotImplementedError(
            f"{type(self).__name__} has no __getitem__() method. Define one that returns a batch"
            f"{at_user_location()}"
        )

    @property
    def num_batches(self) -> int:
        return len(self)

    def on_epoch_begin(self) -> None:
        """Called before each epoch of `fit`."""

    def on_epoch_end(self) -> None:
        """Called after each epoch of `fit`."""


Sequence = PyDataset
