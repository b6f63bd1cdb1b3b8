"""tf.data: the same elements, specs and sizes as TensorFlow's; orders, threads and errors of our own."""

import gc
import threading
import time
import traceback
from collections import namedtuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dovetail
from dovetail.base import nest

reference = pytest.importorskip("tensorflow")

Dataset = dovetail.data.Dataset
Pair = namedtuple("Pair", "left right")

X = np.arange(20, dtype=np.float32).reshape(10, 2)
Y = np.arange(10, dtype=np.int64)


def slices(tf, *arrays):
    return tf.data.Dataset.from_tensor_slices(arrays if len(arrays) != 1 else arrays[0])


def numbers(tf, *args):
    return tf.data.Dataset.range(*args)


def ragged_rows(tf, count=5):
    """Rows 1..count long: the elements that need padding."""

    def rows():
        for length in range(1, count + 1):
            yield np.full(length, length, np.int32)

    return tf.data.Dataset.from_generator(rows, output_signature=tf.TensorSpec([None], tf.int32))


def pairs(tf):
    def values():
        for i in range(4):
            yield i, [float(i)] * 2

    signature = (tf.TensorSpec([], tf.int32), tf.TensorSpec([2], tf.float32))
    return tf.data.Dataset.from_generator(values, output_signature=signature)


def with_arguments(tf):
    def values(stop, text):
        for i in range(stop):
            yield text * i

    return tf.data.Dataset.from_generator(values, args=(3, "ab"), output_types=tf.string, output_shapes=[])


# Each row makes a dataset from a namespace: TensorFlow's, or ours.
CASES = {
    # sources
    "slices": lambda tf: slices(tf, X),
    "slices_tuple": lambda tf: slices(tf, X, Y),
    "slices_dict": lambda tf: slices(tf, {"b": X, "a": Y}),
    "slices_nested": lambda tf: slices(tf, {"x": (X, Y)}, Y),
    "slices_named_tuple": lambda tf: tf.data.Dataset.from_tensor_slices(Pair(X, Y)),
    "slices_list": lambda tf: slices(tf, [1, 2, 3]),
    "slices_floats": lambda tf: slices(tf, [1.0, 2.5]),
    "slices_rows": lambda tf: slices(tf, [(1, 2), (3, 4), (5, 6)]),
    "slices_strings": lambda tf: slices(tf, ["a", "bcd", "\u00e9"], np.arange(3)),
    "slices_tensor": lambda tf: slices(tf, tf.constant([[1.0], [2.0]])),
    "slices_empty": lambda tf: slices(tf, np.zeros((0, 3), np.float32)),
    "tensors": lambda tf: tf.data.Dataset.from_tensors((X, [1, 2], "text")),
    "range": lambda tf: numbers(tf, 5),
    "range_step": lambda tf: numbers(tf, 10, 0, -3),
    "range_type": lambda tf: tf.data.Dataset.range(2, 5, output_type=tf.float32),
    "range_empty": lambda tf: numbers(tf, 5, 5),
    "counter": lambda tf: tf.data.Dataset.counter(3, 2).take(3),
    "generator": ragged_rows,
    "generator_pairs": pairs,
    "generator_arguments": with_arguments,
    "generator_types": lambda tf: tf.data.Dataset.from_generator(lambda: iter([1, 2]), tf.int64),
    "generator_types_nested": lambda tf: tf.data.Dataset.from_generator(
        lambda: iter([(1, 2.0)]), (tf.int64, tf.float32), (tf.TensorShape([]), tf.TensorShape([]))
    ),
    # batches
    "batch": lambda tf: slices(tf, X, Y).batch(4),
    "batch_drop": lambda tf: slices(tf, X, Y).batch(4, drop_remainder=True),
    "batch_exact": lambda tf: slices(tf, X).batch(5),
    "batch_large": lambda tf: slices(tf, X).batch(50),
    "batch_twice": lambda tf: numbers(tf, 9).batch(3).batch(2, drop_remainder=True),
    "batch_dict": lambda tf: slices(tf, {"b": X, "a": Y}).batch(3),
    "batch_strings": lambda tf: slices(tf, ["a", "b", "c"]).batch(2),
    "batch_after_map": lambda tf: numbers(tf, 7).map(lambda x: (x, x * 2)).batch(3),
    "batch_empty": lambda tf: numbers(tf, 0).batch(3),
    "unbatch": lambda tf: slices(tf, X, Y).batch(4).unbatch(),
    "unbatch_drop": lambda tf: slices(tf, X, Y).batch(4, drop_remainder=True).unbatch(),
    "rebatch": lambda tf: slices(tf, X, Y).batch(4).rebatch(3),
    "rebatch_drop": lambda tf: numbers(tf, 10).batch(4).rebatch(3, drop_remainder=True),
    "rebatch_sizes": lambda tf: numbers(tf, 10).batch(4).rebatch([2, 1]),
    "padded": lambda tf: ragged_rows(tf).padded_batch(2),
    "padded_shape": lambda tf: ragged_rows(tf).padded_batch(2, padded_shapes=[7]),
    "padded_value": lambda tf: ragged_rows(tf).padded_batch(
        3, padded_shapes=[None], padding_values=-1, drop_remainder=True
    ),
    "padded_pairs": lambda tf: tf.data.Dataset.zip((ragged_rows(tf), numbers(tf, 5))).padded_batch(
        2, padded_shapes=([-1], []), padding_values=(9, None)
    ),
    "padded_known": lambda tf: slices(tf, X).padded_batch(3),
    "buckets": lambda tf: ragged_rows(tf, 9).bucket_by_sequence_length(
        lambda row: tf.shape(row)[0], [3, 6], [2, 2, 2]
    ),
    "buckets_boundary": lambda tf: ragged_rows(tf, 5).bucket_by_sequence_length(
        lambda row: tf.shape(row)[0], [3, 6], [2, 2, 2], pad_to_bucket_boundary=True, drop_remainder=True
    ),
    "group_by_window": lambda tf: numbers(tf, 10).group_by_window(
        lambda x: x % 2, lambda key, group: group.batch(3), window_size=3
    ),
    # windows
    "window": lambda tf: numbers(tf, 7).window(3).flat_map(lambda w: w.batch(3)),
    "window_shift": lambda tf: numbers(tf, 7).window(3, shift=1, drop_remainder=True).flat_map(lambda w: w.batch(3)),
    "window_stride": lambda tf: numbers(tf, 9).window(3, shift=2, stride=2).flat_map(lambda w: w.batch(3)),
    "window_gap": lambda tf: numbers(tf, 10).window(2, shift=4).flat_map(lambda w: w.batch(3)),
    "window_pairs": lambda tf: slices(tf, X, Y).window(4).flat_map(
        lambda x, y: tf.data.Dataset.zip((x.batch(4), y.batch(4)))
    ),
    # one element at a time
    "map": lambda tf: slices(tf, X).map(lambda x: x + 1),
    "map_pair": lambda tf: slices(tf, X, Y).map(lambda x, y: (y, {"x": x * 2})),
    "map_dict": lambda tf: slices(tf, {"a": X, "b": Y}).map(lambda row: row["a"] + 1),
    "map_named_tuple": lambda tf: tf.data.Dataset.from_tensor_slices(Pair(X, Y)).map(lambda pair: pair.left),
    "map_list": lambda tf: numbers(tf, 3).map(lambda x: [x, x + 1]),
    "map_constant": lambda tf: numbers(tf, 3).map(lambda x: (x, 1.5, "text")),
    "map_parallel": lambda tf: numbers(tf, 20).map(lambda x: x * x, num_parallel_calls=4),
    "map_autotune": lambda tf: numbers(tf, 5).map(lambda x: x * x, num_parallel_calls=tf.data.AUTOTUNE),
    "map_ops": lambda tf: slices(tf, X, Y).batch(4).map(
        lambda x, y: (tf.reduce_sum(x, axis=1), tf.one_hot(y, 10))
    ),
    "map_cast": lambda tf: slices(tf, Y).map(lambda y: tf.cast(y, tf.float32) / 10.0),
    "map_batch_dims": lambda tf: slices(tf, X).batch(4).map(lambda x: tf.expand_dims(x, -1)),
    "map_none": lambda tf: slices(tf, X, Y).map(lambda x, y: (x[0], x[1:], y)),
    "filter": lambda tf: numbers(tf, 10).filter(lambda x: x % 3 == 0),
    "filter_pair": lambda tf: slices(tf, X, Y).filter(lambda x, y: y > 6),
    "take_while": lambda tf: numbers(tf, 10).take_while(lambda x: x < 4),
    "take": lambda tf: slices(tf, X, Y).take(3),
    "take_all": lambda tf: numbers(tf, 4).take(-1),
    "take_more": lambda tf: numbers(tf, 4).take(9),
    "take_batches": lambda tf: numbers(tf, 10).batch(3).take(2),
    "skip": lambda tf: slices(tf, X, Y).skip(8),
    "skip_all": lambda tf: numbers(tf, 4).skip(-1),
    "skip_more": lambda tf: numbers(tf, 4).skip(9),
    "skip_batch": lambda tf: numbers(tf, 10).skip(4).batch(4).skip(1),
    "repeat": lambda tf: numbers(tf, 3).repeat(2).batch(4),
    "repeat_none": lambda tf: numbers(tf, 3).repeat(0),
    "repeat_forever": lambda tf: numbers(tf, 3).repeat().take(8),
    "repeat_empty": lambda tf: numbers(tf, 0).repeat(),
    "repeat_batches": lambda tf: numbers(tf, 5).batch(2).repeat(2),
    "shard": lambda tf: slices(tf, Y).shard(3, 1),
    "shard_batch": lambda tf: numbers(tf, 11).repeat(2).shard(4, 2).batch(2),
    "shard_batches": lambda tf: numbers(tf, 11).batch(2).shard(2, 1),
    "enumerate": lambda tf: slices(tf, X, Y).enumerate(start=5),
    "zip": lambda tf: tf.data.Dataset.zip((slices(tf, X), numbers(tf, 3))),
    "zip_arguments": lambda tf: tf.data.Dataset.zip(numbers(tf, 3), numbers(tf, 3, 9)),
    "zip_dict": lambda tf: tf.data.Dataset.zip({"a": slices(tf, X, Y), "b": numbers(tf, 30)}).batch(4),
    "zip_batches": lambda tf: tf.data.Dataset.zip((numbers(tf, 5).batch(2), numbers(tf, 5))),
    "zip_infinite": lambda tf: tf.data.Dataset.zip((numbers(tf, 2).repeat(), numbers(tf, 3))),
    "zip_one": lambda tf: tf.data.Dataset.zip(numbers(tf, 2)),
    "concatenate": lambda tf: numbers(tf, 2).concatenate(numbers(tf, 5, 7)),
    "concatenate_shapes": lambda tf: slices(tf, X).concatenate(slices(tf, np.ones((2, 3), np.float32))),
    "unique": lambda tf: slices(tf, [1, 2, 1, 3, 2]).unique(),
    "unique_strings": lambda tf: slices(tf, ["b", "a", "b"]).unique(),
    "scan": lambda tf: numbers(tf, 5).scan(tf.constant(0, tf.int64), lambda s, x: (s + x, s * 10)),
    "prefetch": lambda tf: slices(tf, X, Y).map(lambda x, y: x).prefetch(2),
    "prefetch_auto": lambda tf: slices(tf, X).batch(3).prefetch(tf.data.AUTOTUNE),
    "cache": lambda tf: slices(tf, X, Y).map(lambda x, y: y).cache().repeat(2),
    "apply": lambda tf: numbers(tf, 5).apply(lambda ds: ds.skip(2)),
    "assert_cardinality": lambda tf: numbers(tf, 5).filter(lambda x: x > 1).apply(
        tf.data.experimental.assert_cardinality(3)
    ),
    "options": lambda tf: numbers(tf, 5).with_options(tf.data.Options()),
    # datasets of datasets
    "flat_map": lambda tf: numbers(tf, 4).flat_map(lambda n: tf.data.Dataset.range(n)),
    "flat_map_rows": lambda tf: slices(tf, X).flat_map(tf.data.Dataset.from_tensor_slices),
    "interleave": lambda tf: numbers(tf, 1, 5).interleave(
        lambda n: tf.data.Dataset.from_tensors(n).repeat(n), cycle_length=2, block_length=2
    ),
    "interleave_long": lambda tf: numbers(tf, 6).interleave(
        lambda n: tf.data.Dataset.range(n * 10, n * 10 + n), cycle_length=3
    ),
    "interleave_parallel": lambda tf: numbers(tf, 4).interleave(
        lambda n: tf.data.Dataset.range(n, n + 3), cycle_length=2, num_parallel_calls=2, deterministic=True
    ),
    "choose": lambda tf: tf.data.Dataset.choose_from_datasets(
        [numbers(tf, 3), numbers(tf, 10, 13)], slices(tf, np.array([0, 1, 1, 0, 1, 1, 0]))
    ),
    "choose_on": lambda tf: tf.data.Dataset.choose_from_datasets(
        [numbers(tf, 1), numbers(tf, 10, 13)], slices(tf, np.array([0, 0, 1, 0, 1])), stop_on_empty_dataset=False
    ),
    "sample_one": lambda tf: tf.data.Dataset.sample_from_datasets([numbers(tf, 4), numbers(tf, 9)], [1.0, 0.0]),
    # several steps
    "chain": lambda tf: slices(tf, X, Y)
    .skip(1)
    .map(lambda x, y: (x, y * 2))
    .filter(lambda x, y: y % 4 == 0)
    .batch(2)
    .repeat(2)
    .enumerate()
    .prefetch(1),
}


def described(spec):
    """A spec as text that both systems share."""

    def text(leaf):
        if hasattr(leaf, "element_spec"):
            return f"Dataset {described(leaf.element_spec)}"
        return f"{leaf.dtype.name} {None if leaf.shape.rank is None else leaf.shape.as_list()}"

    return nest.map_structure(text, spec)


def plain(dataset):
    return list(dataset.as_numpy_iterator())


def assert_same(ours, theirs):
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        nest.assert_same_structure(mine, other)
        for a, b in zip(nest.flatten(mine), nest.flatten(other), strict=True):
            assert np.shape(a) == np.shape(b)
            assert type(a) is type(b)
            if isinstance(a, np.ndarray):
                assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", CASES)
def test_elements_are_tensorflows(name):
    assert_same(plain(CASES[name](dovetail)), plain(CASES[name](reference)))


@pytest.mark.parametrize("name", CASES)
def test_specs_and_sizes_are_tensorflows(name):
    ours, theirs = CASES[name](dovetail), CASES[name](reference)
    assert described(ours.element_spec) == described(theirs.element_spec)
    assert int(ours.cardinality()) == int(theirs.cardinality())


@pytest.mark.parametrize("name", CASES)
def test_the_elements_fit_the_spec(name):
    dataset = CASES[name](dovetail)
    elements = list(dataset)
    spec = dataset.element_spec
    for element in elements:
        for leaf, leaf_spec in zip(nest.flatten(element), nest.flatten(spec), strict=True):
            assert leaf_spec.is_compatible_with(leaf)


SIZES = {
    "repeat": lambda tf: numbers(tf, 3).repeat(),
    "repeat_unknown": lambda tf: ragged_rows(tf).repeat(),
    "infinite_take": lambda tf: numbers(tf, 3).repeat().take(5),
    "infinite_skip": lambda tf: numbers(tf, 3).repeat().skip(5),
    "unknown_take": lambda tf: ragged_rows(tf).take(5),
    "infinite_batch": lambda tf: numbers(tf, 3).repeat().batch(2),
    "infinite_filter": lambda tf: numbers(tf, 3).repeat().filter(lambda x: x > 0),
    "infinite_concatenate": lambda tf: numbers(tf, 3).concatenate(numbers(tf, 3).repeat()),
    "unknown_concatenate": lambda tf: ragged_rows(tf).concatenate(ragged_rows(tf)),
    "unknown_zip": lambda tf: tf.data.Dataset.zip((ragged_rows(tf), numbers(tf, 3).repeat())),
    "infinite_zip": lambda tf: tf.data.Dataset.zip((numbers(tf, 3).repeat(), numbers(tf, 3).repeat())),
    "window": lambda tf: numbers(tf, 11).window(3, shift=2, stride=2),
    "window_drop": lambda tf: numbers(tf, 11).window(3, shift=2, stride=2, drop_remainder=True),
    "window_none": lambda tf: numbers(tf, 3).window(5, drop_remainder=True),
    "window_infinite": lambda tf: numbers(tf, 3).repeat().window(5),
    "random": lambda tf: tf.data.Dataset.random(seed=4),
    "counter": lambda tf: tf.data.Dataset.counter(),
    "shuffle": lambda tf: numbers(tf, 30).shuffle(5),
    "shard": lambda tf: numbers(tf, 10).shard(4, 3),
    "flat_map_infinite": lambda tf: numbers(tf, 3).repeat().flat_map(lambda n: tf.data.Dataset.range(n)),
    "sample": lambda tf: tf.data.Dataset.sample_from_datasets([numbers(tf, 3), numbers(tf, 4)], seed=1),
    "sample_stop": lambda tf: tf.data.Dataset.sample_from_datasets(
        [numbers(tf, 3), numbers(tf, 4)], seed=1, stop_on_empty_dataset=True
    ),
    "sample_infinite": lambda tf: tf.data.Dataset.sample_from_datasets([numbers(tf, 3).repeat(), numbers(tf, 4)]),
    "choose": lambda tf: tf.data.Dataset.choose_from_datasets([numbers(tf, 3)], numbers(tf, 1)),
    "unbatch_unknown": lambda tf: numbers(tf, 4).batch(2).unbatch(),
    "rebatch_infinite": lambda tf: numbers(tf, 4).repeat().batch(2).rebatch(3),
}


@pytest.mark.parametrize("name", SIZES)
def test_sizes_are_tensorflows(name):
    ours, theirs = SIZES[name](dovetail), SIZES[name](reference)
    assert int(ours.cardinality()) == int(theirs.cardinality())
    assert described(ours.element_spec) == described(theirs.element_spec)
