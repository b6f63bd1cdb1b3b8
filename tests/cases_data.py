"""The case table of dataset transforms: a row for each method of `tf.data.Dataset` that gives a dataset."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

X = np.arange(22, dtype="float32").reshape(11, 2) / 8
Y = np.arange(11, dtype="int64")


@dataclass(frozen=True)
class Case:
    """One dataset, built by any module with `tf.data`.

    Attributes:
        methods: the methods of Dataset that the row stands for.
        build: `build(tf)`, returns the dataset.
        is_random: its order, or its numbers, are random: TensorFlow's differ, sorted they do not.
        sorts: whether the sorted values can be compared.
    """

    methods: str
    build: Callable[[Any], Any]
    is_random: bool = False
    sorts: bool = True

    @property
    def name(self) -> str:
        return self.methods.replace(" ", "-")


def rows(tf):
    return tf.data.Dataset.from_tensor_slices((X, Y))


def numbers(tf, count=11):
    return tf.data.Dataset.range(count)


def counted(tf):
    def generator():
        yield from X

    return tf.data.Dataset.from_generator(generator, output_signature=tf.TensorSpec((2,), "float32"))


def bounded(tf):
    return tf.data.Dataset.from_tensor_slices([3, 1, 4, 1, 5]).map(lambda n: tf.range(n))


def at_random(tf, x, y):
    return x + tf.random.stateless_uniform([2], [3, 4]), y


def zipped(tf, *datasets):
    return tf.data.Dataset.zip(datasets)


CASES = [
    Case("from_tensor_slices batch", lambda tf: rows(tf).batch(4)),
    Case("from_tensors repeat", lambda tf: tf.data.Dataset.from_tensors((X, Y)).repeat(3)),
    Case("from_generator batch", lambda tf: counted(tf).batch(4)),
    Case("range batch", lambda tf: numbers(tf).batch(3, drop_remainder=True)),
    Case("counter take", lambda tf: tf.data.Dataset.counter(3, 2).take(5).batch(2)),
    Case(
        "random take",
        lambda tf: tf.data.Dataset.random(seed=4).take(6).map(lambda n: n % 7),
        True,
        sorts=False,
    ),
    Case("zip", lambda tf: zipped(tf, rows(tf).map(lambda x, y: x), numbers(tf)).batch(4)),
    Case(
        "sample_from_datasets",
        lambda tf: tf.data.Dataset.sample_from_datasets([numbers(tf), numbers(tf, 5)], [0.5, 0.5], seed=1),
        True,
    ),
    Case(
        "choose_from_datasets",
        lambda tf: tf.data.Dataset.choose_from_datasets(
            [numbers(tf), numbers(tf).map(lambda n: -n)], numbers(tf, 8).map(lambda n: n % 2)
        ),
    ),
    Case("map batch", lambda tf: rows(tf).map(lambda x, y: (x * 2 - 1, tf.one_hot(y, 11))).batch(4)),
    Case("batch map", lambda tf: rows(tf).batch(4).map(lambda x, y: (x - tf.reduce_mean(x), y))),
    Case(
        "map num_parallel_calls", lambda tf: rows(tf).map(lambda x, y: x + 1, num_parallel_calls=2).batch(4)
    ),
    Case(
        "map of fixed draws", lambda tf: rows(tf).map(lambda x, y: at_random(tf, x, y)).batch(4), True, False
    ),
    Case("filter", lambda tf: rows(tf).filter(lambda x, y: y % 3 > 0).batch(3)),
    Case("take_while", lambda tf: rows(tf).take_while(lambda x, y: y < 7).batch(3)),
    Case("scan", lambda tf: numbers(tf).scan(tf.constant(0, "int64"), lambda s, n: (s + n, s * n)).batch(4)),
    Case("take", lambda tf: rows(tf).take(7).batch(3)),
    Case("batch take", lambda tf: rows(tf).batch(3).take(2)),
    Case("skip", lambda tf: rows(tf).skip(5).batch(4)),
    Case("batch skip", lambda tf: rows(tf).batch(3).skip(1)),
    Case("repeat batch", lambda tf: rows(tf).repeat(2).batch(4)),
    Case("batch repeat", lambda tf: rows(tf).batch(4).repeat(2)),
    Case("shard", lambda tf: rows(tf).shard(3, 1).batch(2)),
    Case("batch shard", lambda tf: rows(tf).batch(2).shard(2, 1)),
    Case("enumerate", lambda tf: rows(tf).map(lambda x, y: x).batch(4).enumerate(start=5)),
    Case("concatenate", lambda tf: rows(tf).concatenate(rows(tf).take(3)).batch(4)),
    Case("unique", lambda tf: numbers(tf).map(lambda n: n % 4).unique().batch(3)),
    Case(
        "ignore_errors",
        lambda tf: numbers(tf).map(lambda n: tf.debugging.check_numerics(1 / (n - 3), "")).ignore_errors(),
    ),
    Case("shuffle", lambda tf: rows(tf).shuffle(11, seed=3).batch(4), True),
    Case(
        "shuffle the same", lambda tf: rows(tf).shuffle(20, 3, reshuffle_each_iteration=False).batch(4), True
    ),
    Case("shuffle little", lambda tf: rows(tf).shuffle(4, seed=3).batch(4), True),
    Case("shuffle without seed", lambda tf: rows(tf).shuffle(11).batch(4), True),
    Case("shuffle repeat", lambda tf: rows(tf).shuffle(11, seed=3).repeat(2).batch(4), True),
    Case("repeat shuffle", lambda tf: rows(tf).repeat(2).shuffle(22, seed=3).batch(4), True),
    Case("batch shuffle", lambda tf: rows(tf).batch(2).shuffle(3, seed=3), True),
    Case("prefetch", lambda tf: rows(tf).batch(4).prefetch(2)),
    Case("cache", lambda tf: rows(tf).cache().batch(4)),
    Case("shuffle cache", lambda tf: rows(tf).shuffle(11, seed=3).cache().batch(4), True),
    Case("batch cache shuffle", lambda tf: rows(tf).batch(3).cache().shuffle(4, seed=2).prefetch(1), True),
    Case("padded_batch", lambda tf: bounded(tf).padded_batch(2, padding_values=-1)),
    Case("ragged_batch", lambda tf: bounded(tf).ragged_batch(2).map(lambda r: r.to_tensor())),
    Case("unbatch", lambda tf: rows(tf).batch(4).unbatch().batch(3)),
    Case("rebatch", lambda tf: rows(tf).batch(4).rebatch([2, 3])),
    Case("window", lambda tf: numbers(tf).window(3, shift=2).flat_map(lambda w: w.batch(3))),
    Case(
        "group_by_window",
        lambda tf: numbers(tf).group_by_window(lambda n: n % 2, lambda k, w: w.batch(3), window_size=3),
    ),
    Case(
        "group_by_reducer",
        lambda tf: numbers(tf).apply(
            tf.data.experimental.group_by_reducer(
                lambda n: -(n % 3),
                tf.data.experimental.Reducer(
                    lambda key: (key, tf.constant(0, tf.int64)),
                    lambda state, n: (state[0], state[1] + n),
                    lambda key, total: tf.stack([key, total]),
                ),
            )
        ),
    ),
    Case(
        "bucket_by_sequence_length",
        lambda tf: bounded(tf).bucket_by_sequence_length(lambda r: tf.size(r), [3], [2, 2]),
    ),
    Case("flat_map", lambda tf: rows(tf).batch(4).flat_map(lambda x, y: tf.data.Dataset.from_tensors(y))),
    Case(
        "interleave",
        lambda tf: numbers(tf, 4).interleave(
            lambda n: tf.data.Dataset.from_tensors(n).repeat(3), cycle_length=2, block_length=2
        ),
    ),
    Case("apply", lambda tf: rows(tf).apply(lambda ds: ds.take(5)).batch(2)),
    Case("with_options", lambda tf: rows(tf).batch(4).with_options(tf.data.Options())),
    Case(
        "sparse_batch",
        lambda tf: bounded(tf).sparse_batch(2, [None]).map(tf.sparse.to_dense),
    ),
    Case(
        "pad_to_cardinality",
        lambda tf: (
            tf.data.Dataset.from_tensor_slices({"x": X, "y": Y})
            .apply(tf.data.experimental.pad_to_cardinality(13))
            .batch(4)
        ),
    ),
    Case(
        "rejection_resample",
        lambda tf: numbers(tf).rejection_resample(lambda n: n % 2, [0.5, 0.5], [0.5, 0.5]).batch(3),
    ),
    Case("snapshot", lambda tf: rows(tf).snapshot(tempfile.mkdtemp()).batch(4)),
    Case("cache in a file", lambda tf: rows(tf).cache(tempfile.mkdtemp() + "/c").batch(4)),
    Case(
        "map parallel interleave",
        lambda tf: numbers(tf, 4).interleave(
            lambda n: tf.data.Dataset.from_tensors(n).repeat(3),
            2,
            2,
            num_parallel_calls=2,
            deterministic=True,
        ),
    ),
    Case(
        "parallel_interleave",
        lambda tf: numbers(tf, 4).apply(
            tf.data.experimental.parallel_interleave(lambda n: tf.data.Dataset.range(n), 2)
        ),
    ),
    Case(
        "map in any order",
        lambda tf: numbers(tf).map(lambda n: n * n, num_parallel_calls=3, deterministic=False).batch(4),
        True,
    ),
    Case(
        "dense_to_sparse_batch",
        lambda tf: (
            bounded(tf).apply(tf.data.experimental.dense_to_sparse_batch(2, [5])).map(tf.sparse.to_dense)
        ),
    ),
    Case(
        "prefetch_to_device",
        lambda tf: rows(tf).batch(3).apply(tf.data.experimental.prefetch_to_device("/cpu:0")),
    ),
    Case("from_list", lambda tf: tf.data.experimental.from_list([(1, 2.5), (3, 4.5)]).batch(2)),
    Case(
        "unique of rows", lambda tf: numbers(tf, 8).map(lambda n: tf.stack([n % 3, n % 2])).unique().batch(2)
    ),
    Case(
        "batch of failing",
        lambda tf: (
            numbers(tf, 9)
            .map(lambda n: tf.debugging.check_numerics(1 / (n - 3), ""))
            .batch(2)
            .ignore_errors()
        ),
    ),
    Case(
        "filter of failing",
        lambda tf: (
            numbers(tf, 9)
            .map(lambda n: tf.debugging.check_numerics(1 / (n - 3), ""))
            .filter(lambda x: x > -9.0)
            .skip(1)
            .take(5)
            .ignore_errors()
        ),
    ),
]
