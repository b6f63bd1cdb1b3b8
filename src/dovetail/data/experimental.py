"""`tf.data.experimental`: older names of what datasets do, as functions to `apply`."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from dovetail.base.errors import OutOfRangeError, UnimplementedError, at_user_location
from dovetail.data import vectorized
from dovetail.data.checked import AssertCardinality
from dovetail.data.combine import GroupByReducer
from dovetail.data.dataset import Dataset
from dovetail.data.examples import make_batched_features_dataset, parse_example_dataset
from dovetail.data.functions import UserFunction
from dovetail.data.node import AUTOTUNE, SHARD_HINT
from dovetail.data.node import INFINITE as INFINITE_CARDINALITY
from dovetail.data.node import UNKNOWN as UNKNOWN_CARDINALITY
from dovetail.data.options import (
    AutoShardPolicy,
    AutotuneAlgorithm,
    AutotuneOptions,
    DistributeOptions,
    ExternalStatePolicy,
    OptimizationOptions,
    ThreadingOptions,
)
from dovetail.data.padding_out import PaddedOut
from dovetail.data.records import TFRecordWriter
from dovetail.data.selecting import Skip
from dovetail.data.sources import surface
from dovetail.data.time_report import TimeReport, measured
from dovetail.function.optional import Optional
from dovetail.ops.attrs import static
from dovetail.scopes import device as device_scope

Transformation = Callable[[Dataset], Dataset]


def cardinality(dataset: Dataset) -> Any:
    """Returns `dataset.cardinality()`."""
    return dataset.cardinality()


def assert_cardinality(expected_cardinality: int) -> Transformation:
    """Says how many elements a dataset has, where it cannot be known; iterating checks it."""
    return lambda dataset: Dataset(AssertCardinality(dataset._node, int(expected_cardinality)))


def Counter(start: Any = 0, step: Any = 1, dtype: Any = "int64") -> Dataset:
    """Returns start, start + step, ... without an end."""
    return Dataset.counter(start, step, dtype)


def RandomDataset(
    seed: Any = None, rerandomize_each_iteration: bool | None = None, name: str | None = None
) -> Dataset:
    """Returns `Dataset.random(...)`."""
    return Dataset.random(seed, rerandomize_each_iteration, name)


def dense_to_ragged_batch(
    batch_size: Any, drop_remainder: bool = False, row_splits_dtype: Any = "int64"
) -> Transformation:
    """Returns `dataset.ragged_batch(...)` as a function to apply."""
    return lambda dataset: dataset.ragged_batch(batch_size, drop_remainder, row_splits_dtype)


def unbatch() -> Transformation:
    """Returns `dataset.unbatch()` as a function to apply."""
    return lambda dataset: dataset.unbatch()


def unique() -> Transformation:
    """Returns `dataset.unique()` as a function to apply."""
    return lambda dataset: dataset.unique()


def enumerate_dataset(start: int = 0) -> Transformation:
    """Returns `dataset.enumerate(start)` as a function to apply."""
    return lambda dataset: dataset.enumerate(start)


def ignore_errors(log_warning: bool = False) -> Transformation:
    """Returns `dataset.ignore_errors(log_warning)` as a function to apply."""
    return lambda dataset: dataset.ignore_errors(log_warning)


def take_while(predicate: Callable) -> Transformation:
    """Returns `dataset.take_while(predicate)` as a function to apply."""
    return lambda dataset: dataset.take_while(predicate)


def scan(initial_state: Any, scan_func: Callable) -> Transformation:
    """Returns `dataset.scan(initial_state, scan_func)` as a function to apply."""
    return lambda dataset: dataset.scan(initial_state, scan_func)


def shuffle_and_repeat(buffer_size: int, count: int | None = None, seed: Any = None) -> Transformation:
    """Returns `dataset.shuffle(buffer_size, seed).repeat(count)` as a function to apply."""
    return lambda dataset: dataset.shuffle(buffer_size, seed=seed).repeat(count)


def map_and_batch(
    map_func: Callable,
    batch_size: int,
    num_parallel_batches: int | None = None,
    drop_remainder: bool = False,
    num_parallel_calls: int | None = None,
) -> Transformation:
    """Returns `dataset.map(map_func).batch(batch_size)` as a function to apply."""
    if num_parallel_batches is not None and num_parallel_calls is not None:
        raise ValueError("map_and_batch: pass num_parallel_calls or num_parallel_batches, not both")
    calls = num_parallel_batches * batch_size if num_parallel_batches else num_parallel_calls
    return lambda dataset: dataset.map(map_func, calls).batch(batch_size, drop_remainder)


def group_by_window(
    key_func: Callable,
    reduce_func: Callable,
    window_size: int | None = None,
    window_size_func: Callable | None = None,
) -> Transformation:
    """Returns `dataset.group_by_window(...)` as a function to apply."""
    return lambda dataset: dataset.group_by_window(key_func, reduce_func, window_size, window_size_func)


class Reducer:
    """How the elements of a key become one, for `group_by_reducer`.

    Args:
        init_func: `init_func(key)` gives the first state.
        reduce_func: `reduce_func(state, element)` gives the next.
        finalize_func: `finalize_func(state)` gives the element that comes out.
    """

    def __init__(self, init_func: Callable, reduce_func: Callable, finalize_func: Callable) -> None:
        self.init_func, self.reduce_func, self.finalize_func = init_func, reduce_func, finalize_func


def group_by_reducer(key_func: Callable, reducer: Reducer) -> Transformation:
    """Reduces the elements of each key (a scalar int64) to one; they come in the order of the keys."""

    def transformed(dataset: Dataset) -> Dataset:
        key = UserFunction(key_func, "group_by_reducer", dataset._node, Dataset)
        return Dataset(GroupByReducer(dataset._node, key, reducer, Dataset))

    return transformed


def bucket_by_sequence_length(
    element_length_func: Callable,
    bucket_boundaries: Any,
    bucket_batch_sizes: Any,
    padded_shapes: Any = None,
    padding_values: Any = None,
    pad_to_bucket_boundary: bool = False,
    no_padding: bool = False,
    drop_remainder: bool = False,
) -> Transformation:
    """Returns `dataset.bucket_by_sequence_length(...)` as a function to apply."""
    return lambda dataset: dataset.bucket_by_sequence_length(
        element_length_func,
        bucket_boundaries,
        bucket_batch_sizes,
        padded_shapes,
        padding_values,
        pad_to_bucket_boundary,
        no_padding,
        drop_remainder,
    )


def get_single_element(dataset: Dataset) -> Any:
    """Returns `dataset.get_single_element()`."""
    return dataset.get_single_element()


def from_list(elements: list, name: str | None = None) -> Dataset:
    """Returns a dataset of the given elements, all of one structure, dtype and shape."""
    if not isinstance(elements, list) or not elements:
        raise ValueError(f"from_list: expected a list of at least one element, received {elements!r:.60}")
    parts = [Dataset.from_tensors(element) for element in elements]
    return parts[0] if len(parts) == 1 else Dataset.choose_from_datasets(parts, Dataset.range(len(parts)))


sample_from_datasets = Dataset.sample_from_datasets


def choose_from_datasets(
    datasets: Any, choice_dataset: Dataset, stop_on_empty_dataset: bool = False
) -> Dataset:
    """Returns `Dataset.choose_from_datasets(...)`, going on past the end of a dataset by default."""
    return Dataset.choose_from_datasets(datasets, choice_dataset, stop_on_empty_dataset)


def get_structure(dataset_or_iterator: Any) -> Any:
    """Returns the element_spec of a dataset or an iterator."""
    return dataset_or_iterator.element_spec


def at(dataset: Dataset, index: Any) -> Any:
    """Returns the element of a number, counted from 0.

    Rows of arrays are looked up; other datasets are run through up to there.

    Raises:
        OutOfRangeError: there is no such element.
    """
    number, node = int(static(index)), dataset._node
    found = next(Skip(node, number).elements(), None) if number >= 0 else None
    if found is None:
        count = node.cardinality()
        raise OutOfRangeError(f"Index out of range [0, {count if count >= 0 else '?'}):{number}")
    return surface(node.tree, found)


def get_next_as_optional(iterator: Any) -> Optional:
    """Returns `iterator.get_next_as_optional()`."""
    return iterator.get_next_as_optional()


def dense_to_sparse_batch(batch_size: Any, row_shape: Any) -> Transformation:
    """Returns `dataset.sparse_batch(batch_size, row_shape)` as a function to apply."""
    return lambda dataset: dataset.sparse_batch(batch_size, row_shape)


def rejection_resample(
    class_func: Callable, target_dist: Any, initial_dist: Any = None, seed: Any = None
) -> Transformation:
    """Returns `dataset.rejection_resample(...)` as a function to apply."""
    return lambda dataset: dataset.rejection_resample(class_func, target_dist, initial_dist, seed)


def pad_to_cardinality(cardinality: int, mask_key: str = "valid") -> Transformation:
    """Adds dicts of zeros until there are `cardinality` elements; `mask_key` says which are elements (True).

    Raises:
        ValueError: the elements are no dicts, or there are more of them, or an unknown number.
    """
    return lambda dataset: Dataset(PaddedOut(dataset._node, int(cardinality), mask_key))


def parallel_interleave(
    map_func: Callable,
    cycle_length: int,
    block_length: int = 1,
    sloppy: bool | None = False,
    buffer_output_elements: Any = None,
    prefetch_input_elements: Any = None,
) -> Transformation:
    """Returns `dataset.interleave(...)` as a function to apply, with a thread for each dataset that is open.

    Args:
        sloppy: take what is ready first, in place of the order.
        buffer_output_elements, prefetch_input_elements: accepted for compatibility; a few elements are made ahead.
    """
    return lambda dataset: dataset.interleave(
        map_func, cycle_length, block_length, num_parallel_calls=cycle_length, deterministic=not sloppy
    )


def copy_to_device(target_device: Any, source_device: Any = "/cpu:0") -> Transformation:
    """Returns a function to apply that leaves elements as they are: they go to a device with the op that takes them.

    Args:
        target_device, source_device: names of devices; a malformed one is refused.
    """
    _check_devices(target_device, source_device)
    return lambda dataset: dataset


def prefetch_to_device(device: Any, buffer_size: Any = None) -> Transformation:
    """Returns `dataset.prefetch(buffer_size)` as a function to apply; see `copy_to_device`."""
    _check_devices(device)
    return lambda dataset: dataset.prefetch(AUTOTUNE if buffer_size is None else buffer_size)


def _check_devices(*names: Any) -> None:
    for name in names:
        with device_scope(name):
            pass


def save(
    dataset: Dataset,
    path: Any,
    compression: Any = None,
    shard_func: Callable | None = None,
    checkpoint_args: Any = None,
) -> None:
    """Calls `dataset.save(...)`."""
    dataset.save(path, compression, shard_func, checkpoint_args)


def load(
    path: Any, element_spec: Any = None, compression: Any = None, reader_func: Callable | None = None
) -> Dataset:
    """Returns `Dataset.load(...)`."""
    return Dataset.load(path, element_spec, compression, reader_func)


def snapshot(
    path: Any,
    compression: Any = "AUTO",
    reader_func: Callable | None = None,
    shard_func: Callable | None = None,
) -> Transformation:
    """Returns `dataset.snapshot(...)` as a function to apply."""
    return lambda dataset: dataset.snapshot(path, compression, reader_func, shard_func)


def where_time_goes(dataset: Dataset, num_elements: int | None = None) -> TimeReport:
    """Goes once through a dataset, and returns how long each of its steps took: a list, and as text a table.

    Args:
        dataset: a pipeline.
        num_elements: stop after so many elements; None: at the end.

    Example:
        print(tf.data.experimental.where_time_goes(dataset, 100))
    """
    return measured(dataset._node, num_elements)


def enable_debug_mode() -> None:
    """Makes functions run for each element by itself, op by op, in pipelines that are made from now on."""
    vectorized.mode.compiles = False


def _refusing(name: str, why: str) -> Callable:
    def refused(*args: Any, **kwargs: Any) -> Any:
        raise UnimplementedError(f"tf.data.experimental.{name}: {why}{at_user_location()}")

    refused.__name__ = refused.__qualname__ = name
    refused.__doc__ = f"Refuses: {why}."
    return refused


to_variant = _refusing("to_variant", "there are no variant tensors here; pass the dataset itself")
from_variant = _refusing("from_variant", "there are no variant tensors here; pass the dataset itself")
get_model_proto = _refusing(
    "get_model_proto", "pipelines have no model of TensorFlow's autotuner; see where_time_goes"
)
make_saveable_from_iterator = _refusing(
    "make_saveable_from_iterator",
    "it belongs to tf.compat.v1.train.Saver; put the iterator into a tf.train.Checkpoint",
)


# Names whose modules few programs need: imported at their first use.
_LATE = {
    "CsvDataset": "csv_files",
    "DatasetInitializer": "tables",
    "SqlDataset": "sql",
    "index_table_from_dataset": "tables",
    "make_csv_dataset": "make_csv",
    "map_in_processes": "processes",
    "table_from_dataset": "tables",
}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module 'dovetail.data.experimental' has no attribute {name!r}")
    found = globals()[name] = getattr(importlib.import_module(f"dovetail.data.{_LATE[name]}"), name)
    return found


def __dir__() -> list[str]:
    return __all__


__all__ = [  # noqa: PLE0604 - strings
    "AUTOTUNE",
    "AutoShardPolicy",
    "AutotuneAlgorithm",
    "AutotuneOptions",
    "Counter",
    "DistributeOptions",
    "ExternalStatePolicy",
    "INFINITE_CARDINALITY",
    "OptimizationOptions",
    "Optional",
    "RandomDataset",
    "Reducer",
    "SHARD_HINT",
    "TFRecordWriter",
    "ThreadingOptions",
    "UNKNOWN_CARDINALITY",
    "assert_cardinality",
    "at",
    "bucket_by_sequence_length",
    "cardinality",
    "choose_from_datasets",
    "copy_to_device",
    "dense_to_ragged_batch",
    "dense_to_sparse_batch",
    "enable_debug_mode",
    "enumerate_dataset",
    "from_list",
    "from_variant",
    "get_model_proto",
    "get_next_as_optional",
    "get_single_element",
    "get_structure",
    "group_by_reducer",
    "group_by_window",
    "ignore_errors",
    "load",
    "make_batched_features_dataset",
    "make_saveable_from_iterator",
    "map_and_batch",
    "pad_to_cardinality",
    "parallel_interleave",
    "parse_example_dataset",
    "prefetch_to_device",
    "rejection_resample",
    "sample_from_datasets",
    "save",
    "scan",
    "shuffle_and_repeat",
    "snapshot",
    "take_while",
    "to_variant",
    "unbatch",
    "unique",
    "where_time_goes",
    *_LATE,
]
