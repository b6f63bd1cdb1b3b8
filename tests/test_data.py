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
    "window_shift": lambda tf: (
        numbers(tf, 7).window(3, shift=1, drop_remainder=True).flat_map(lambda w: w.batch(3))
    ),
    "window_stride": lambda tf: numbers(tf, 9).window(3, shift=2, stride=2).flat_map(lambda w: w.batch(3)),
    "window_gap": lambda tf: numbers(tf, 10).window(2, shift=4).flat_map(lambda w: w.batch(3)),
    "window_pairs": lambda tf: (
        slices(tf, X, Y).window(4).flat_map(lambda x, y: tf.data.Dataset.zip((x.batch(4), y.batch(4))))
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
    "map_ops": lambda tf: (
        slices(tf, X, Y).batch(4).map(lambda x, y: (tf.reduce_sum(x, axis=1), tf.one_hot(y, 10)))
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
    "assert_cardinality": lambda tf: (
        numbers(tf, 5).filter(lambda x: x > 1).apply(tf.data.experimental.assert_cardinality(3))
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
        [numbers(tf, 1), numbers(tf, 10, 13)],
        slices(tf, np.array([0, 0, 1, 0, 1])),
        stop_on_empty_dataset=False,
    ),
    "sample_one": lambda tf: tf.data.Dataset.sample_from_datasets(
        [numbers(tf, 4), numbers(tf, 9)], [1.0, 0.0]
    ),
    # several steps
    "chain": lambda tf: (
        slices(tf, X, Y)
        .skip(1)
        .map(lambda x, y: (x, y * 2))
        .filter(lambda x, y: y % 4 == 0)
        .batch(2)
        .repeat(2)
        .enumerate()
        .prefetch(1)
    ),
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
    "sample_infinite": lambda tf: tf.data.Dataset.sample_from_datasets(
        [numbers(tf, 3).repeat(), numbers(tf, 4)]
    ),
    "choose": lambda tf: tf.data.Dataset.choose_from_datasets([numbers(tf, 3)], numbers(tf, 1)),
    "unbatch_unknown": lambda tf: numbers(tf, 4).batch(2).unbatch(),
    "rebatch_infinite": lambda tf: numbers(tf, 4).repeat().batch(2).rebatch(3),
}


@pytest.mark.parametrize("name", SIZES)
def test_sizes_are_tensorflows(name):
    ours, theirs = SIZES[name](dovetail), SIZES[name](reference)
    assert int(ours.cardinality()) == int(theirs.cardinality())
    assert described(ours.element_spec) == described(theirs.element_spec)


# ---- orders ----------------------------------------------------------------------------------------------------


def order(dataset):
    """The numbers in a dataset of integers, batched or not."""
    return [int(number) for element in plain(dataset) for number in np.ravel(element)]


@given(n=st.integers(0, 60), buffer=st.integers(1, 70), seed=st.integers(0, 5), by_rows=st.booleans())
def test_shuffle_gives_every_element_once_and_mixes_within_the_buffer(n, buffer, seed, by_rows):
    source = Dataset.range(n) if by_rows else Dataset.range(n).map(lambda x: x)
    shuffled = order(source.shuffle(buffer, seed=seed))
    assert sorted(shuffled) == list(range(n))
    assert all(value <= place + buffer - 1 for place, value in enumerate(shuffled))


@given(
    n=st.integers(0, 40),
    size=st.integers(1, 12),
    drop=st.booleans(),
    repeat=st.integers(0, 3),
    skip=st.integers(0, 5),
    take=st.integers(-1, 60),
    shards=st.integers(1, 3),
)
def test_rows_by_number_and_one_by_one_are_the_same(n, size, drop, repeat, skip, take, shards):
    def steps(dataset):
        return (
            dataset.skip(skip).repeat(repeat).take(take).shard(shards, shards - 1).batch(size, drop).skip(1)
        )

    rows = Dataset.from_tensor_slices((np.arange(n), np.arange(2 * n).reshape(n, 2)))
    fast, slow = steps(rows), steps(rows.map(lambda *row: row))
    assert fast._arrays() is not None
    assert slow._arrays() is None
    assert_same(plain(fast), plain(slow))
    assert len(fast) == len(plain(fast))


@given(
    n=st.integers(0, 30),
    size=st.integers(1, 6),
    shift=st.integers(1, 8),
    stride=st.integers(1, 4),
    drop=st.booleans(),
)
def test_windows_are_slices(n, size, shift, stride, drop):
    windows = Dataset.range(n).window(size, shift, stride, drop)
    expected = [list(range(k, n, stride))[:size] for k in range(0, n, shift)]
    if drop:
        expected = [window for window in expected if len(window) == size]
    assert [order(window) for window in windows] == expected
    assert len(windows) == len(expected)


@given(n=st.integers(1, 50), size=st.integers(1, 9), new_size=st.integers(1, 9))
def test_batches_come_apart_again(n, size, new_size):
    batched = Dataset.range(n).batch(size)
    assert order(batched) == list(range(n))
    assert order(batched.rebatch(new_size)) == list(range(n))
    assert [len(batch) for batch in batched.rebatch(new_size)] == [
        len(b) for b in Dataset.range(n).batch(new_size)
    ]


@pytest.mark.parametrize("by_rows", [True, False])
@pytest.mark.parametrize("buffer", [10, 100])
def test_a_seed_repeats_the_orders_of_all_passes(by_rows, buffer):
    def passes(seed, again=True):
        source = Dataset.range(50) if by_rows else Dataset.range(50).map(lambda x: x)
        dataset = source.shuffle(buffer, seed=seed, reshuffle_each_iteration=again)
        return [order(dataset), order(dataset)]

    first, second = passes(7)
    assert first != second
    assert passes(7) == [first, second]
    assert passes(8)[0] != first
    same, again = passes(7, again=False)
    assert same == again
    assert passes(None)[0] != passes(None)[0]


def test_repeat_behind_shuffle_reshuffles():
    twice = order(Dataset.range(30).shuffle(30, seed=1).repeat(2))
    assert sorted(twice[:30]) == sorted(twice[30:]) == list(range(30))
    assert twice[:30] != twice[30:]
    fixed = order(Dataset.range(30).shuffle(30, seed=1, reshuffle_each_iteration=False).repeat(2))
    assert fixed[:30] == fixed[30:]


def test_the_global_seed_repeats_a_program():
    def program():
        dovetail.random.set_seed(3)
        first, second = Dataset.range(40).shuffle(40), Dataset.range(40).shuffle(40)
        return [order(first), order(second), order(first)]

    orders = program()
    assert program() == orders
    assert orders[0] != orders[1] != orders[2]


def test_every_order_is_equally_likely():
    counts: dict[tuple, int] = {}
    dataset = Dataset.range(3).shuffle(3, seed=5)
    for _ in range(600):
        key = tuple(order(dataset))
        counts[key] = counts.get(key, 0) + 1
    assert len(counts) == 6
    assert min(counts.values()) > 60


def test_batches_are_shuffled_as_wholes():
    batches = [batch.tolist() for batch in Dataset.range(20).batch(4).shuffle(3, seed=2).as_numpy_iterator()]
    assert sorted(batches) == [list(range(k, k + 4)) for k in range(0, 20, 4)]


def test_shuffling_the_whole_by_its_unknown_size():
    assert sorted(order(Dataset.range(20).shuffle(dovetail.data.UNKNOWN_CARDINALITY))) == list(range(20))


def test_random_numbers_and_samples_repeat():
    numbers_ = Dataset.random(seed=4).take(5)
    assert order(numbers_) == order(numbers_) == order(Dataset.random(seed=4).take(5))
    renewed = Dataset.random(seed=4, rerandomize_each_iteration=True).take(5)
    assert order(renewed) != order(renewed)
    parts = [Dataset.range(1000), Dataset.range(1000, 2000)]
    sample = Dataset.sample_from_datasets(parts, [0.2, 0.8], seed=1, stop_on_empty_dataset=True)
    drawn = order(sample)
    assert drawn == order(sample)
    assert 0.15 < np.mean(np.array(drawn) < 1000) < 0.25
    weights = Dataset.from_tensors([0.0, 1.0]).repeat()
    assert order(Dataset.sample_from_datasets(parts, weights, seed=1).take(3)) == [1000, 1001, 1002]


# ---- arrays behind a dataset -----------------------------------------------------------------------------------


def test_the_training_loop_sees_arrays_and_row_numbers():
    dataset = Dataset.from_tensor_slices((X, {"y": Y})).shuffle(100, seed=0).repeat(2).batch(8).prefetch(2)
    plan = dataset._arrays()
    x, y = plan.arrays[0], plan.arrays[1]["y"]
    assert (plan.size, plan.batch_size, plan.drop_remainder, plan.repeatable) == (10, 8, False, False)
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(y, Y)
    rows = list(plan.index_batches())
    assert [len(batch) for batch in rows] == [8, 8, 4]
    assert sorted(np.concatenate(rows)) == sorted([*range(10), *range(10)])


def test_plain_batches_are_arrays_without_a_copy():
    dataset = Dataset.from_tensor_slices((X, Y)).batch(4)
    x, y = next(iter(dataset._numpy_batches()))
    assert type(x) is np.ndarray
    assert np.shares_memory(x, dataset._arrays().arrays[0])
    np.testing.assert_array_equal(y, Y[:4])


def test_zipped_slices_are_still_rows_of_arrays():
    dataset = Dataset.zip((Dataset.from_tensor_slices(X), Dataset.from_tensor_slices(Y[:7])))
    assert dataset.shuffle(10, seed=0).batch(3)._arrays().size == 7
    assert Dataset.zip((dataset.shuffle(3), dataset))._arrays() is None


def test_a_long_range_takes_no_memory():
    dataset = Dataset.range(10**15)
    assert dataset._arrays() is None
    assert order(dataset.skip(10**14).take(2)) == [10**14, 10**14 + 1]


def test_later_writes_to_the_callers_array_do_not_reach_the_dataset():
    array = np.zeros(3)
    dataset = Dataset.from_tensor_slices(array)
    array[:] = 1
    assert order(dataset) == [0, 0, 0]
    given_ = next(iter(dataset.batch(3).as_numpy_iterator()))
    given_[:] = 1
    assert order(dataset) == [0, 0, 0]


# ---- threads ---------------------------------------------------------------------------------------------------


def our_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("dovetail-")]


def wait_for_no_threads():
    deadline = time.monotonic() + 10
    while our_threads() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not our_threads()


def from_python(values):
    return Dataset.from_generator(values, output_signature=dovetail.TensorSpec([], dovetail.int32))


def test_prefetch_works_ahead_by_its_buffer_and_no_further():
    made = []

    def values():
        for i in range(100):
            made.append(i)
            yield i

    iterator = iter(from_python(values).prefetch(3))
    assert made == []
    assert int(next(iterator)) == 0
    deadline = time.monotonic() + 10
    while len(made) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert len(made) == 5  # one taken, three in the buffer, one in the thread's hand
    del iterator
    gc.collect()
    wait_for_no_threads()


def test_an_error_in_the_thread_is_raised_where_elements_are_taken():
    def values():
        yield 1
        raise KeyError("the user's own error")

    iterator = iter(from_python(values).prefetch(2).prefetch(2))
    assert int(next(iterator)) == 1
    with pytest.raises(KeyError, match="own error") as caught:
        next(iterator)
    assert "values" in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    with pytest.raises(StopIteration):
        next(iterator)
    wait_for_no_threads()


@pytest.mark.parametrize("more", [lambda d: d, lambda d: d.prefetch(2), lambda d: d.filter(lambda x: x > 0)])
@pytest.mark.parametrize("workers", [None, 2])
def test_an_iterator_goes_on_behind_an_element_that_fails(workers, more):
    def inverse(x):
        return dovetail.debugging.check_numerics(1.0 / x, "one over zero")

    rows = Dataset.from_tensor_slices([1.0, 0.0, 4.0]).map(inverse, num_parallel_calls=workers)
    iterator = iter(more(rows))
    assert float(next(iterator)) == 1.0
    with pytest.raises(dovetail.errors.InvalidArgumentError, match="one over zero"):
        next(iterator)
    assert float(next(iterator)) == 0.25
    with pytest.raises(StopIteration):
        next(iterator)
    wait_for_no_threads()


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda rows: rows.map(lambda x: undefined_name), NameError),  # noqa: F821
        (lambda rows: rows.map(lambda x, y: x), TypeError),
        (lambda rows: rows.map(lambda x: dovetail.matmul(x, x)), ValueError),
        (lambda rows: rows.filter(lambda x: x), ValueError),
        (lambda rows: rows.take_while(lambda x: x[None] > 0), ValueError),
    ],
)
def test_wrong_functions_are_told_when_the_pipeline_is_made(make, kind):
    with pytest.raises(kind):
        make(Dataset.from_tensor_slices([1.0, 2.0]))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ValueError, dovetail.errors.InvalidArgumentError),
        (ZeroDivisionError, dovetail.errors.UnknownError),
        (KeyError, dovetail.errors.UnknownError),
        (MemoryError, dovetail.errors.ResourceExhaustedError),
        (dovetail.errors.NotFoundError, dovetail.errors.NotFoundError),
    ],
)
def test_errors_of_python_functions_are_of_tf_errors_and_of_their_own_class(error, kind):
    def fails(*_):
        raise error("in Python")

    def elements():
        yield 1
        fails()

    for run in (
        lambda: dovetail.py_function(fails, [1], dovetail.int32),
        lambda: dovetail.numpy_function(fails, [1], dovetail.int32),
        lambda: list(from_python(elements)),
    ):
        with pytest.raises(kind, match="in Python") as caught:
            run()
        assert isinstance(caught.value, error)
        assert "fails" in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]


def test_threads_end_with_a_dropped_iterator_and_with_the_last_element():
    closed = []

    def values():
        try:
            yield from range(1000)
        finally:
            closed.append(True)

    dataset = from_python(values).map(lambda x: x + 1, num_parallel_calls=2).prefetch(2).prefetch(1)
    for element in dataset:
        if int(element) == 5:
            break
    del element
    gc.collect()
    wait_for_no_threads()
    assert closed
    assert sum(1 for _ in dataset) == 1000
    wait_for_no_threads()


def test_parallel_maps_run_side_by_side_and_keep_the_order():
    barrier = threading.Barrier(3, timeout=10)

    def together(x):
        barrier.wait()
        return x * 2

    assert order(Dataset.range(6).map(together, num_parallel_calls=3)) == [0, 2, 4, 6, 8, 10]
    wait_for_no_threads()


# ---- functions -------------------------------------------------------------------------------------------------


def test_functions_see_values_and_python_control_flow_works():
    dataset = Dataset.range(4).map(lambda x: x * 10 if x > 1 else x)
    assert order(dataset) == [0, 1, 20, 30]
    assert described(dataset.element_spec) == "int64 []"


def test_a_spec_that_needs_values_comes_from_the_first_element():
    dataset = Dataset.from_tensor_slices(X).batch(4).map(lambda x: dovetail.constant(x.numpy()[:, :1]))
    assert described(dataset.element_spec) == "float32 [None, 1]"


def test_tapes_do_not_see_the_pipeline():
    variable = dovetail.Variable(2.0)
    dataset = Dataset.from_tensor_slices(X).map(lambda x: x * variable)
    with dovetail.GradientTape() as tape:
        loss = dovetail.reduce_sum(next(iter(dataset)))
    assert tape.gradient(loss, variable) is None


def test_errors_of_functions_show_the_users_line():
    def broken(x):
        return x + undefined_name  # noqa: F821

    with pytest.raises(NameError) as caught:
        list(Dataset.range(3).map(broken))
    assert traceback.extract_tb(caught.value.__traceback__)[-1].name == "broken"
    (note,) = caught.value.__notes__
    assert "test_data.py" in note
    assert "Dataset.map" in note
    assert "int64" in note


def test_reduce():
    assert int(Dataset.range(5).reduce(np.int64(0), lambda total, x: total + x)) == 10
    count, total = Dataset.from_tensor_slices((X, Y)).reduce(
        (0, np.float32(0)), lambda state, row: (state[0] + 1, state[1] + row[0][0])
    )
    assert (int(count), float(total)) == (10, float(X[:, 0].sum()))


def test_ignore_errors_leaves_elements_out():
    def fails_on_two(x):
        if int(x) == 2:
            raise ValueError("no twos")
        return x

    assert order(Dataset.range(4).map(fails_on_two).ignore_errors()) == [0, 1, 3]


# ---- iterators and facts ---------------------------------------------------------------------------------------


def test_iterators():
    dataset = Dataset.from_tensor_slices((X, Y))
    iterator = iter(dataset)
    assert isinstance(iterator, dovetail.data.Iterator)
    assert iter(iterator) is iterator
    x, y = iterator.get_next()
    assert isinstance(x, dovetail.Tensor)
    assert (x.shape, int(y)) == ((2,), 0)
    assert iterator.element_spec == dataset.element_spec
    for _ in range(9):
        next(iterator)
    with pytest.raises(dovetail.errors.OutOfRangeError):
        iterator.get_next()
    assert len(dataset.batch(4)) == 3
    assert int(dovetail.data.experimental.cardinality(dataset)) == 10
    assert dataset
    assert "TensorSpec" in repr(dataset)
    with pytest.raises(TypeError, match="infinite"):
        len(dataset.repeat())
    with pytest.raises(TypeError, match="unknown"):
        len(dataset.filter(lambda x, y: y > 1))


def test_get_single_element():
    assert int(Dataset.range(1).get_single_element()) == 0
    for size in (0, 2):
        with pytest.raises(dovetail.errors.InvalidArgumentError, match="get_single_element"):
            Dataset.range(size).get_single_element()


def test_options_are_kept_merged_and_checked():
    options = dovetail.data.Options()
    options.experimental_distribute.auto_shard_policy = dovetail.data.experimental.AutoShardPolicy.DATA
    options.threading.private_threadpool_size = 4
    other = dovetail.data.Options()
    other.experimental_deterministic = False
    dataset = Dataset.range(3).with_options(options).batch(2).with_options(other)
    merged = dataset.options()
    assert merged.experimental_distribute.auto_shard_policy == dovetail.data.experimental.AutoShardPolicy.DATA
    assert merged.threading.private_threadpool_size == 4
    assert merged.deterministic is False
    with pytest.raises(AttributeError, match="deterministic"):
        options.determinstic = True
    with pytest.raises(TypeError, match="Options"):
        dataset.with_options({"deterministic": True})


def test_list_files(tmp_path):
    for name in ("a.txt", "b.txt", "c.csv"):
        (tmp_path / name).write_text(name)
    expected = [str(tmp_path / name).encode() for name in ("a.txt", "b.txt")]
    assert plain(Dataset.list_files(str(tmp_path / "*.txt"), shuffle=False)) == expected
    assert sorted(plain(Dataset.list_files([str(tmp_path / "a*"), str(tmp_path / "b*")], seed=1))) == expected
    with pytest.raises(dovetail.errors.InvalidArgumentError, match="no files"):
        Dataset.list_files(str(tmp_path / "*.png"))


def test_older_names():
    experimental = dovetail.data.experimental
    assert experimental.AUTOTUNE == dovetail.data.AUTOTUNE == -1
    assert order(experimental.Counter(2).take(2)) == [2, 3]
    batched = Dataset.range(5).apply(experimental.map_and_batch(lambda x: x + 1, 2))
    assert order(batched.apply(experimental.unbatch())) == [1, 2, 3, 4, 5]
    assert sorted(order(Dataset.range(4).apply(experimental.shuffle_and_repeat(4, 2, seed=1)))) == [
        0,
        0,
        1,
        1,
        2,
        2,
        3,
        3,
    ]
    assert [int(x) for x in experimental.from_list([4, 5])] == [4, 5]
    with pytest.raises(dovetail.errors.FailedPreconditionError, match="3 elements, it has 2"):
        list(Dataset.range(2).apply(experimental.assert_cardinality(3)))
    with pytest.raises(dovetail.errors.FailedPreconditionError, match="1 elements"):
        list(Dataset.range(2).apply(experimental.assert_cardinality(1)))


# ---- caches ----------------------------------------------------------------------------------------------------


def counted(calls):
    def function(x):
        calls.append(int(x))
        return x, dovetail.cast(x, dovetail.bfloat16)

    return function


def test_cache_in_memory_serves_later_passes():
    calls = []
    dataset = Dataset.range(3).map(counted(calls)).cache()
    next(iter(dataset))  # a pass that is left early keeps nothing
    assert_same(plain(dataset), plain(dataset))
    assert calls == [0, 0, 1, 2]
    shuffled = Dataset.range(20).shuffle(20).cache()
    assert order(shuffled) == order(shuffled)


def test_cache_in_files(tmp_path):
    calls = []
    name = str(tmp_path / "folder" / "cache")

    def make():
        numbers_ = Dataset.range(3).map(counted(calls))
        return Dataset.zip(
            (numbers_, Dataset.from_tensor_slices([["a", ""], ["\u00e9", "x\0"], ["d", "e"]]))
        ).cache(name)

    first = plain(make())
    assert calls == [0, 1, 2]
    assert_same(plain(make()), first)
    assert len(calls[3:]) <= 1  # the structure may need one call more, with an element or with a stand-in
    iterator = iter(Dataset.range(3).cache(str(tmp_path / "other")))
    next(iterator)
    with pytest.raises(dovetail.errors.AlreadyExistsError, match="part"):
        next(iter(Dataset.range(3).cache(str(tmp_path / "other"))))
    del iterator
    assert plain(Dataset.range(3).cache(str(tmp_path / "other"))) == [0, 1, 2]


# ---- errors ----------------------------------------------------------------------------------------------------

RAGGED, ROWS = ragged_rows(dovetail), Dataset.from_tensor_slices((X, Y))
BAD = {
    "lengths": (ValueError, "same first dimension", lambda: Dataset.from_tensor_slices((X, Y[:3]))),
    "scalar": (ValueError, "first axis", lambda: Dataset.from_tensor_slices(3)),
    "no_arrays": (ValueError, "no arrays", lambda: Dataset.from_tensor_slices(())),
    "uneven": (ValueError, "non-rectangular", lambda: Dataset.from_tensor_slices([[1], [2, 3]])),
    "batch_zero": (ValueError, "at least 1, received 0", lambda: Dataset.range(3).batch(0)),
    "batch_negative": (ValueError, "at least 1, received -2", lambda: Dataset.range(3).padded_batch(-2)),
    "batch_float": (TypeError, "must be an integer", lambda: Dataset.range(3).batch(2.5)),
    "shuffle_zero": (ValueError, "buffer_size", lambda: Dataset.range(3).shuffle(0)),
    "unknown_keyword": (TypeError, "prefetched", lambda: Dataset.range(3).map(lambda x: x, prefetched=True)),
    "not_callable": (TypeError, "expected a function", lambda: Dataset.range(3).map(3)),
    "batch_shapes": (ValueError, "different shapes", lambda: list(RAGGED.batch(2))),
    "pad_small": (ValueError, "cannot pad", lambda: list(RAGGED.padded_batch(2, padded_shapes=[1]))),
    "pad_known": (ValueError, "does not hold", lambda: Dataset.from_tensor_slices(X).padded_batch(2, [1])),
    "pad_value": (TypeError, "scalar of the component", lambda: RAGGED.padded_batch(2, padding_values=1.5)),
    "predicate": (ValueError, "scalar bool", lambda: list(Dataset.range(3).filter(lambda x: x))),
    "flat_map": (TypeError, "must return a tf.data.Dataset", lambda: list(Dataset.range(3).flat_map(lambda x: x))),
    "zip": (TypeError, "expected a tf.data.Dataset", lambda: Dataset.zip(3)),
    "zip_nothing": (TypeError, "pass datasets", lambda: Dataset.zip()),
    "concatenate": (TypeError, "different structures", lambda: Dataset.range(3).concatenate(ROWS)),
    "other_types": (TypeError, "different types", lambda: Dataset.range(3).concatenate(Dataset.from_tensor_slices(X))),
    "shard": (ValueError, "0 <= index", lambda: Dataset.range(3).shard(2, 2)),
    "step_zero": (ValueError, "step", lambda: Dataset.range(0, 3, 0)),
    "structure_changes": (
        TypeError,
        "same structure",
        lambda: list(Dataset.range(3).map(lambda x: x if x > 0 else (x, x))),
    ),
    "window_size": (ValueError, "size must be", lambda: Dataset.range(3).window(0)),
    "unbatch": (ValueError, "same first dimension", lambda: list(Dataset.from_tensors((X, Y[:3])).unbatch())),
    "weights": (ValueError, "expected 1 weights", lambda: Dataset.sample_from_datasets([ROWS], [1.0, 2.0])),
    "choice": (ValueError, "no dataset 3", lambda: list(Dataset.choose_from_datasets([ROWS], Dataset.range(3, 4)))),
    "apply": (TypeError, "must return a Dataset", lambda: Dataset.range(3).apply(len)),
    "made_of_nothing": (TypeError, "from_tensor_slices", lambda: Dataset(X)),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_explained(name):
    kind, words, call = BAD[name]
    with pytest.raises(kind, match=words):
        call()


def generated(value, *signature):
    return lambda: list(
        Dataset.from_generator(lambda: iter([*signature[1:], value]), output_signature=signature[0])
    )


SCALAR = dovetail.TensorSpec([], dovetail.int32)
CONTRADICTIONS = {
    "dtype": (generated("text", SCALAR, 1, 2), r"element 2 .*Expected int32 of shape \(\), got 'text'"),
    "loss": (generated(1.5, SCALAR), "element 0 .*would change"),
    "shape": (generated([1], SCALAR, 1), r"element 1 .*Expected \(\), got \(1,\)"),
    "component": (generated((1, [1, 2]), (SCALAR, SCALAR)), r"element 0 \(component 1\)"),
    "structure": (
        generated((1, 2, 3), (SCALAR, SCALAR)),
        r"element 0 .*Expected \(\*, \*\), got \(1, 2, 3\)",
    ),
    "keys": (generated({"a": 1}, {"b": SCALAR}), "does not have the structure"),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_generators_are_held_to_their_signature(name):
    call, words = CONTRADICTIONS[name]
    with pytest.raises(dovetail.errors.InvalidArgumentError, match=words):
        call()


def test_generators_are_called_with_care():
    with pytest.raises(TypeError, match="must be callable"):
        Dataset.from_generator(iter([1]), output_signature=SCALAR)
    with pytest.raises(TypeError, match="output_signature"):
        Dataset.from_generator(lambda: iter([1]))
    with pytest.raises(TypeError, match="must return an iterable"):
        list(Dataset.from_generator(lambda: 3, output_signature=SCALAR))


def test_an_empty_dataset_is_fine():
    dataset = (
        Dataset.from_tensor_slices((X[:0], Y[:0])).shuffle(5).map(lambda x, y: (x, y)).batch(3).prefetch(2)
    )
    assert list(dataset) == []
    assert len(dataset) == 0
