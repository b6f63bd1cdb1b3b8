"""Every transform of datasets: its elements are TensorFlow's, and `fit` sees the same, whichever way it takes them."""

import inspect

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from dovetail.keras.training.rows import RowData
from dovetail.keras.training.sources import evaluation_data
from tests.cases_data import CASES
from tests.support import parity

# What takes or gives other things than numbers, and is tested elsewhere.
ELSEWHERE = {"list_files", "get_single_element", "reduce", "as_numpy_iterator", "options", "cardinality"}
ELSEWHERE |= {"save", "load", "fingerprint"}
ELSEWHERE |= {"make_initializable_iterator", "make_one_shot_iterator"}  # tests/test_version1.py
BY_NAME = {case.name: case for case in CASES}


def elements(module, case):
    return [[np.asarray(leaf) for leaf in module.nest.flatten(element)] for element in case.build(module)]


def in_order(batches):
    """Returns the rows of batches, sorted, a component each."""
    columns = zip(*batches, strict=True)
    return [np.sort(np.concatenate([np.ravel(leaf) for leaf in column])) for column in columns]


@pytest.mark.parametrize("name", BY_NAME)
def test_elements_are_those_of_tensorflow(name):
    case = BY_NAME[name]
    theirs, ours = elements(parity.reference(), case), elements(tf, case)
    assert [[leaf.dtype for leaf in row] for row in ours] == [[leaf.dtype for leaf in row] for row in theirs]
    if not case.is_random:
        assert [[leaf.shape for leaf in row] for row in ours] == [
            [leaf.shape for leaf in row] for row in theirs
        ]
        parity.assert_same(ours, theirs)
    elif case.sorts:
        parity.assert_same(in_order(ours), in_order(theirs))


class Trace(keras.Model):
    """Keeps a number that depends on all that it has seen, and on the order: t = 0.9 t + the sum of a batch."""

    def __init__(self, **kwargs):
        super().__init__()
        self.trace = self.add_weight(shape=(), initializer="zeros", dtype="float64")
        self.compile("sgd", "mse", **kwargs)

    def call(self, inputs):
        return inputs

    def seen(self, data):
        total = sum(tf.reduce_sum(tf.cast(leaf, "float64")) for leaf in tf.nest.flatten(data))
        self.trace.assign(0.9 * self.trace + total)
        return {"loss": self.trace.value()}

    train_step = test_step = seen


def traced(batches, before=0.0):
    for batch in batches:
        before = 0.9 * before + sum(np.asarray(leaf, "float64").sum() for leaf in batch)
    return before


@pytest.mark.parametrize("run_eagerly", [False, True], ids=["compiled", "eager"])
@pytest.mark.parametrize(
    "name", [name for name in BY_NAME if "any order" not in name.replace("-", " ")]
)  # the trace has an order
def test_fit_sees_the_elements(name, run_eagerly):
    """Two epochs, an evaluation, and a second fit that goes on, against iterating over the same dataset."""
    case = BY_NAME[name]
    if case.is_random:
        tf.random.set_seed(6)
        passes = case.build(tf)
        passes = [[tf.nest.flatten(element) for element in passes] for _ in range(4)]
    else:
        passes = [elements(parity.reference(), case)] * 4
    tf.random.set_seed(6)
    dataset, model = case.build(tf), Trace(run_eagerly=run_eagerly)
    model.fit(dataset, epochs=2, verbose=0)
    expected = traced([*passes[0], *passes[1]])
    np.testing.assert_allclose(model.trace.numpy(), expected, rtol=1e-5)
    model.evaluate(dataset, verbose=0)
    expected = traced(passes[2], expected)
    np.testing.assert_allclose(model.trace.numpy(), expected, rtol=1e-5)
    model.fit(dataset, verbose=0)
    np.testing.assert_allclose(model.trace.numpy(), traced(passes[3], expected), rtol=1e-5)


def test_every_method_has_a_row():
    covered = {word for case in CASES for word in case.methods.split()}
    methods = {
        name
        for name, member in inspect.getmembers(tf.data.Dataset, callable)
        if not name.startswith("_") and name != "element_spec"
    }
    assert methods - ELSEWHERE <= covered


# ---- rows of arrays


def counting(executor, calls):
    """Notes every dispatch of an executor: "loop" or "once"."""

    def noted(what, run):
        return lambda *args: calls.append(what) or run(*args)

    loop, once = executor._programs.loop, executor._run_once
    executor._programs.loop = lambda *args: noted("loop", loop(*args))
    executor._run_once = noted("once", once)


def test_a_dataset_over_arrays_runs_in_as_few_dispatches_as_arrays():
    """Two epochs of 128 batches; an epoch with steps goes on where the one before has ended."""
    x, y = np.ones((2048, 2), "float32"), np.ones((2048, 1), "float32")
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(2048).batch(16)
    counts = []
    for data in (
        {"x": x, "y": y, "batch_size": 16},
        {"x": dataset},
        {"x": dataset.repeat(), "steps_per_epoch": 128},
    ):
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        calls = []
        epoch = model._executors["train"]
        counting(epoch, calls)
        model.fit(**data, epochs=2, verbose=0)
        assert "once" not in calls
        assert int(model.optimizer.iterations) == 256
        counts.append(len(calls))
    assert max(counts) <= 12, counts


def test_the_order_of_an_epoch_is_not_drawn_ahead():
    """A dataset that was left in the middle of its steps gives the next pass what it would have given."""
    dataset = tf.data.Dataset.from_tensor_slices(np.arange(64.0)).shuffle(64, seed=5).batch(4)
    expected = [[np.asarray(batch).tolist() for batch in dataset] for _ in range(3)]
    dataset = tf.data.Dataset.from_tensor_slices(np.arange(64.0)).shuffle(64, seed=5).batch(4)
    Trace().fit(dataset.repeat(), steps_per_epoch=5, epochs=2, verbose=0)
    assert [np.asarray(batch).tolist() for batch in dataset] == expected[1]


def test_labels_of_rows_that_do_not_come_are_not_looked_at():
    x, y = np.ones((8, 2), "float32"), np.array([0, 1, 2, 0, 9, 9, 9, 9])
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    dataset = tf.data.Dataset.from_tensor_slices((x, y))
    model.fit(dataset.take(4).batch(2), verbose=0)
    with pytest.raises(ValueError, match="9"):
        model.fit(dataset.batch(2), verbose=0)


@pytest.mark.parametrize(
    "name",
    [
        "from_tensor_slices-batch",
        "range-batch",
        "take",
        "batch-take",
        "skip",
        "batch-skip",
        "repeat-batch",
        "batch-repeat",
        "shard",
        "batch-shard",
        "shuffle",
        "shuffle-the-same",
        "shuffle-little",
        "shuffle-repeat",
        "repeat-shuffle",
        "batch-shuffle",
        "prefetch",
        "cache",
        "shuffle-cache",
        "batch-cache-shuffle",
        "apply",
        "with_options",
    ],
)
def test_datasets_over_arrays_reach_the_executor_as_rows(name):
    assert isinstance(evaluation_data(BY_NAME[name].build(tf), None, None, None, None), RowData)
