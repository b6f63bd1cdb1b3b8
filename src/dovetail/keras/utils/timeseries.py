"""`keras.utils.timeseries_dataset_from_array`: the windows of a series, as a dataset."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.base.told import told_function
from dovetail.data import AUTOTUNE, Dataset
from dovetail.data.plan import ArrayPlan
from dovetail.data.sources import Rows
from dovetail.data.structure import flatten, without_leading
from dovetail.tensor.spec import TensorSpec

_BUFFERED_BATCHES = 8  # a dataset without batches is shuffled in a buffer of 1024


@told_function("keras.utils.timeseries_dataset_from_array")
def timeseries_dataset_from_array(
    data: Any,
    targets: Any,
    sequence_length: int,
    sequence_stride: int = 1,
    sampling_rate: int = 1,
    batch_size: int | None = 128,
    shuffle: bool = False,
    seed: int | None = None,
    start_index: int | None = None,
    end_index: int | None = None,
    format: str = "tf",
) -> Dataset:
    """Returns the windows of a series, in batches.

    Args:
        data: array of shape (time, ...).
        targets: array of shape (time, ...); target i belongs to the window that starts at row i.  None: no targets.
        sequence_length: rows in a window.
        sequence_stride: rows from the start of a window to that of the next.
        sampling_rate: rows from one row of a window to the next.
        batch_size: windows in a batch; None: no batches.
        shuffle: take the windows in a new order.
        seed: of the shuffling.
        start_index, end_index: use the rows in [start_index, end_index).
        format: "tf".

    Returns:
        Dataset of windows of shape (batch, sequence_length, ...), or pairs of these and their targets.  The windows are
        views of one copy of `data`.

    Example:
        >>> series = np.arange(5)
        >>> for x, y in keras.utils.timeseries_dataset_from_array(series[:-2], series[2:], 2):
        ...     print(x.numpy().tolist(), y.numpy().tolist())
        [[0, 1], [1, 2]] [2, 3]
    """
    if format != "tf":
        raise ValueError(f"format must be 'tf', received {format!r}")
    counts = {
        "sequence_length": sequence_length,
        "sequence_stride": sequence_stride,
        "sampling_rate": sampling_rate,
    }
    for name, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 1:
            raise ValueError(f"{name} must be a positive integer, received {count!r}")
    rows = np.array(data)  # what the caller writes later does not reach the dataset
    start, stop = _bounds(len(rows), start_index, end_index)
    for name in ("sampling_rate", "sequence_stride"):
        if counts[name] >= len(rows):
            raise ValueError(f"{name} must be below the length of data, {len(rows)}, received {counts[name]}")
    rows = rows[start:stop]
    windows = _windows(rows, sequence_length, sampling_rate)
    if targets is None:
        dataset = _of_columns(windows[::sequence_stride])
    else:
        aims = np.array(targets)[start:stop]
        count = min(len(windows), len(aims))
        dataset = _of_columns((windows[:count:sequence_stride], aims[:count:sequence_stride]))
    if shuffle:
        buffer = 1024 if batch_size is None else batch_size * _BUFFERED_BATCHES
        dataset = dataset.shuffle(buffer, seed=seed)
    return (dataset if batch_size is None else dataset.batch(batch_size)).prefetch(AUTOTUNE)


def _bounds(size: int, start: int | None, stop: int | None) -> tuple[int, int]:
    for name, index in (("start_index", start), ("end_index", stop)):
        if index is not None and not 0 <= index <= size:
            raise ValueError(f"{name} must be in [0, {size}], received {index}{at_user_location()}")
    first, last = 0 if start is None else start, size if stop is None else stop
    if first >= last:
        raise ValueError(f"start_index must be below end_index, received {first} and {last}")
    return first, last


def _windows(rows: np.ndarray, length: int, rate: int) -> np.ndarray:
    """Returns all windows, of shape (windows, length, ...), as a view."""
    span = (length - 1) * rate + 1
    if span > len(rows):
        return np.empty((0, length, *rows.shape[1:]), rows.dtype)
    view = np.lib.stride_tricks.sliding_window_view(rows, span, axis=0)
    return np.moveaxis(view, -1, 1)[:, ::rate]


def _of_columns(columns: Any) -> Dataset:
    """Returns the rows of arrays that are nobody else's."""
    leaves, tree = flatten(columns)
    arrays = tuple(np.asarray(leaf) for leaf in leaves)
    specs = tuple(
        without_leading(TensorSpec(array.shape, array.dtype), "timeseries_dataset_from_array")
        for array in arrays
    )
    return Dataset(Rows(ArrayPlan.of_columns(arrays, tree, len(arrays[0])), specs))
