"""`keras.utils.experimental` of Keras 2."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.data import Dataset

__all__ = ["DatasetCreator"]


class DatasetCreator:
    """A function that makes the dataset that `fit` takes, called when training begins.

    Args:
        dataset_fn: takes an input context (None where there is one device), and returns a `tf.data.Dataset`.
        input_options: how batches come to several devices.
    """

    def __init__(self, dataset_fn: Callable[[Any], Any], input_options: Any = None) -> None:
        if not callable(dataset_fn):
            raise TypeError(
                f"DatasetCreator: dataset_fn must be a function, received {dataset_fn!r:.60}{at_user_location()}"
            )
        self.dataset_fn, self.input_options = dataset_fn, input_options

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Returns the dataset."""
        dataset = self.dataset_fn(*args, **kwargs)
        if not isinstance(dataset, Dataset):
            raise TypeError(
                f"DatasetCreator: dataset_fn must return a tf.data.Dataset, received {type(dataset).__name__}"
                f"{at_user_location()}"
            )
        return dataset

    def __iter__(self) -> Any:
        return iter(self(None))
