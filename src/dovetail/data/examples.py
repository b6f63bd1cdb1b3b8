"""Datasets of parsed `tf.train.Example`s: `tf.data.experimental.make_batched_features_dataset` and its kin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.base.errors import at_user_location, suggest
from dovetail.data.dataset import Dataset
from dovetail.data.node import AUTOTUNE
from dovetail.data.records import TFRecordDataset
from dovetail.data.sources import paths_matching
from dovetail.ops import table

__all__ = ["make_batched_features_dataset", "parse_example_dataset"]


def parse_example_dataset(
    features: Any, num_parallel_calls: int | None = 1, deterministic: bool | None = None
) -> Callable[[Dataset], Dataset]:
    """Returns what parses a dataset of vectors of serialized Examples, as a function to apply.

    Args:
        features: see `tf.io.parse_example`.
        num_parallel_calls, deterministic: see `Dataset.map`.
    """
    if features is None:
        raise ValueError(f"parse_example_dataset: features must not be None{at_user_location()}")
    parse = table.find("tf.io", "parse_example")
    return lambda dataset: dataset.map(
        lambda records: parse(records, features), num_parallel_calls, deterministic
    )


def make_batched_features_dataset(
    file_pattern: Any,
    batch_size: int,
    features: dict,
    reader: Any = None,
    label_key: str | None = None,
    reader_args: list | None = None,
    num_epochs: int | None = None,
    shuffle: bool = True,
    shuffle_buffer_size: int = 10000,
    shuffle_seed: int | None = None,
    prefetch_buffer_size: int | None = None,
    reader_num_threads: int | None = None,
    parser_num_threads: int | None = None,
    sloppy_ordering: bool = False,
    drop_final_batch: bool = False,
) -> Dataset:
    """Returns a dataset of batches of parsed Examples from files.

    Args:
        file_pattern: glob pattern, or a list of patterns.
        batch_size: number of records in a batch.
        features: see `tf.io.parse_example`.
        reader: makes a dataset of a file; None: `tf.data.TFRecordDataset`.
        label_key: the feature that is the label; elements are `(features, label)` then.
        reader_args: further arguments of `reader`.
        num_epochs: how often the files are gone through; None: without an end.
        shuffle, shuffle_buffer_size, shuffle_seed: of the files and of their records.
        prefetch_buffer_size: of `Dataset.prefetch` at the end; None: AUTOTUNE.
        reader_num_threads: how many files take turns; None: 1.
        parser_num_threads: of `Dataset.map`; None: AUTOTUNE.
        sloppy_ordering: the order need not be the same each time.
        drop_final_batch: leave out a last batch that is not full; it is never made where `num_epochs` is None.

    Raises:
        ValueError: `label_key` is none of the features.
        InvalidArgumentError: no file matches.
    """
    if label_key is not None and label_key not in features:
        raise ValueError(
            f"make_batched_features_dataset: label_key {label_key!r} is none of the features."
            f"{suggest(label_key, features)}{at_user_location()}"
        )
    make, rest = reader or TFRecordDataset, list(reader_args or [])
    paths = paths_matching(file_pattern, "make_batched_features_dataset")
    files = Dataset.from_tensor_slices(paths)
    if shuffle:
        files = files.shuffle(len(paths), shuffle_seed)
    records = files.interleave(
        lambda path: make(path, *rest),
        cycle_length=reader_num_threads or 1,
        deterministic=not sloppy_ordering,
    )
    if isinstance(records.element_spec, tuple):  # keys and records
        records = records.map(lambda _, record: record)
    if shuffle:
        records = records.shuffle(shuffle_buffer_size, shuffle_seed)
    if num_epochs != 1:
        records = records.repeat(num_epochs)
    batches = records.batch(batch_size, drop_remainder=drop_final_batch or num_epochs is None)
    parsed = batches.apply(parse_example_dataset(features, parser_num_threads or AUTOTUNE))
    if label_key is not None:
        parsed = parsed.map(lambda found: _divided(found, label_key))
    return parsed.prefetch(AUTOTUNE if prefetch_buffer_size is None else prefetch_buffer_size)


def _divided(found: dict, label_key: str) -> tuple[dict, Any]:
    return {key: value for key, value in found.items() if key != label_key}, found[label_key]
