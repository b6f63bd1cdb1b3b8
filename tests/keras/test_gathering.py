"""Batches of streams that run together: as if each had run by itself, in few dispatches."""

import threading

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from tests.test_data_cases import Trace, counting, traced

X = np.arange(520, dtype="float32").reshape(130, 4) / 100
BATCHES = [X[i : i + 2] for i in range(0, 130, 2)]


def stream(batches=BATCHES, fails_at=None, taken=None):
    for index, batch in enumerate(batches):
        if index == fails_at:
            raise RuntimeError("no such batch")
        if taken is not None:
            taken.append(index)
        yield batch


class Sequence(keras.utils.PyDataset):
    def __len__(self):
        return len(BATCHES)

    def __getitem__(self, index):
        return BATCHES[index]


SOURCES = {
    "generator": stream,
    "sequence": Sequence,
    "dataset": lambda: tf.data.Dataset.from_generator(stream, output_signature=tf.TensorSpec((None, 4))),
    "one_array": lambda: reusing(BATCHES),
}


def reusing(batches):
    """Gives the same array again and again, with other values."""
    room = np.empty_like(batches[0])
    for batch in batches:
        room[...] = batch
        yield room


@pytest.mark.parametrize("name", SOURCES)
def test_streams_run_in_few_dispatches(name):
    model, calls, threads = Trace(), [], threading.active_count()
    counting(model._executors["train"], calls)
    model.fit(SOURCES[name](), shuffle=False, verbose=0)
    np.testing.assert_allclose(model.trace.numpy(), traced([[batch] for batch in BATCHES]), rtol=1e-6)
    assert len(calls) <= 12
    assert threading.active_count() == threads
    model.evaluate(SOURCES[name](), verbose=0)
    expected = traced([[batch] for batch in BATCHES * 2])
    np.testing.assert_allclose(model.trace.numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("sizes", [[2, 2, 3, 3, 3, 2], [2, 3, 2, 3, 2, 3, 1], [3, 1], [1]])
def test_batches_of_several_sizes(sizes):
    ends = np.cumsum(sizes)
    batches = [X[end - size : end] for size, end in zip(sizes, ends, strict=True)]
    model = Trace()
    for _ in range(2):
        model.fit(stream(batches), verbose=0)
    np.testing.assert_allclose(model.trace.numpy(), traced([[batch] for batch in batches * 2]), rtol=1e-6)


def test_no_more_is_taken_than_is_trained_on():
    taken = []
    source = stream(taken=taken)
    model = Trace()
    model.fit(source, steps_per_epoch=7, epochs=3, verbose=0)
    assert taken == list(range(21))
    model.fit(source, steps_per_epoch=1, verbose=0)
    assert taken == list(range(22))
    np.testing.assert_allclose(model.trace.numpy(), traced([[batch] for batch in BATCHES[:22]]), rtol=1e-6)


@pytest.mark.parametrize("at", [0, 1, 2, 9, 40])
def test_what_a_source_raises_comes_after_the_batches_before(at):
    model, threads = Trace(), threading.active_count()
    with pytest.raises(RuntimeError, match="no such batch"):
        model.fit(stream(fails_at=at), verbose=0)
    np.testing.assert_allclose(model.trace.numpy(), traced([[batch] for batch in BATCHES[:at]]), rtol=1e-6)
    assert threading.active_count() == threads


class Drawing(Trace):
    def train_step(self, data):
        return self.seen(data + tf.random.uniform([4]))


def test_draws_come_in_the_order_of_batches():
    """Steps and the pipeline draw from one generator: in turn, however many dispatches there are."""
    traces = []
    for callbacks in ([], [keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)]):
        tf.random.set_seed(3)
        dataset = tf.data.Dataset.range(40).map(lambda n: tf.random.uniform([2, 4]))
        model = Drawing()
        model.fit(dataset, verbose=0, callbacks=callbacks)
        traces.append(model.trace.numpy())
    assert traces[0] == traces[1]


class EveryNth(keras.callbacks.Callback):
    """Hears of every Nth batch."""

    def __init__(self, n):
        super().__init__()
        self.n, self.heard, self.steps = n, [], []

    def batches_to(self, kind):
        return self.n - (self.heard[-1] + 1 if self.heard else 0) % self.n if kind == "train" else None

    def on_train_batch_end(self, batch, logs=None):
        self.heard.append(batch)
        self.steps.append(float(self.model.trace))


@pytest.mark.parametrize(
    "source", [stream, lambda: tf.data.Dataset.from_tensor_slices(X).batch(2)], ids=["stream", "rows"]
)
def test_who_wants_every_nth_batch_leaves_the_others_to_loops(source):
    model, calls, callback = Trace(), [], EveryNth(16)
    counting(model._executors["train"], calls)
    model.fit(source(), verbose=0, callbacks=[callback])
    assert {15, 31, 47, 63} <= set(callback.heard)
    assert len(calls) <= 16
    batches = [[batch] for batch in BATCHES]
    expected = [traced(batches[: index + 1]) for index in callback.heard]
    np.testing.assert_allclose(callback.steps, expected, rtol=1e-6)


def test_checkpoints_every_few_batches_do_not_force_single_steps(tmp_path):
    model, calls = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)]), []
    model.compile("sgd", "mse")
    counting(model._executors["train"], calls)
    path = str(tmp_path / "{batch}.weights.h5")
    checkpoint = keras.callbacks.ModelCheckpoint(path, save_weights_only=True, save_freq=30)
    model.fit(
        tf.data.Dataset.from_tensor_slices((X, X[:, :1])).batch(2),
        epochs=2,
        verbose=0,
        callbacks=[checkpoint],
    )
    assert sorted(file.name for file in tmp_path.iterdir()) == [f"{n}.weights.h5" for n in (25, 30, 55, 60)]
    assert len(calls) <= 20


class Hooks(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.calls = []

    def on_train_batch_begin(self, batch, logs=None):
        self.calls.append(batch)

    def on_train_batch_end(self, batch, logs=None):
        self.calls.append(-batch)

    def on_predict_batch_end(self, batch, logs=None):
        self.calls.append((batch, len(logs["outputs"])))


@pytest.mark.parametrize("run_eagerly", [False, True], ids=["compiled", "eager"])
@pytest.mark.parametrize("source", [lambda: stream(BATCHES[:5]), lambda: X[:10]], ids=["stream", "arrays"])
def test_callbacks_hear_once_an_execution(source, run_eagerly):
    """As Keras 3 calls them, which numbers the last by the batches it would have had."""
    hooks, model = Hooks(), Trace(steps_per_execution=3, run_eagerly=run_eagerly)
    size = {"batch_size": 2} if isinstance(source(), np.ndarray) else {}
    model.fit(source(), shuffle=False, verbose=0, callbacks=[hooks], **size)
    assert hooks.calls == [0, -2, 3, -5]
    hooks.calls.clear()
    model.predict(source(), verbose=0, callbacks=[hooks], **size)
    assert hooks.calls == [(2, 6), (5, 4)]


@pytest.mark.parametrize("at", [0, 1, 5, 40])
def test_labels_that_do_not_fit_are_found_in_their_batch(at):
    """Labels of batches that wait are looked at together; the batches before have run, and the message is the same."""

    def labelled():
        for index, batch in enumerate(BATCHES):
            yield batch, np.array([0, 9 if index == at else 1])

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    match = r"\[0, 2\).*1 of 2 do not fit .*the first in sample 1"
    with pytest.raises(tf.errors.InvalidArgumentError, match=match):
        model.fit(labelled(), verbose=0)
    assert int(model.optimizer.iterations) == at
    assert np.isfinite(model.get_weights()[0]).all()


class Apart(Trace):
    """A model whose steps draw from the generator that pipelines share: they run one by one."""

    def train_step(self, data):
        return self.seen(data + 0 * tf.random.uniform([4]))


def test_a_source_may_write_the_next_batch_into_the_arrays_of_the_last():
    """What XLA reads where it lies must not change: nobody waits for a step before the next batch is taken."""
    x = np.random.default_rng(0).normal(size=(12, 64, 256)).astype("float32")
    model = keras.Sequential([keras.Input((256,)), *[keras.layers.Dense(256, "tanh") for _ in range(12)]])
    room = np.empty(x[0].nbytes + 64, np.uint8)
    start = -room.ctypes.data % 64
    aligned = room[start : start + x[0].nbytes].view("float32").reshape(x[0].shape)

    def reused():
        for batch in x:
            aligned[...] = batch
            yield aligned

    expected = np.concatenate([model.predict_on_batch(batch) for batch in x])
    dataset = tf.data.Dataset.from_generator(reused, output_signature=tf.TensorSpec(aligned.shape))
    for source in (reused(), dataset, tf.data.Dataset.from_tensor_slices(x)):
        np.testing.assert_allclose(model.predict(source, verbose=0), expected, rtol=1e-4, atol=1e-5)
    found = model.predict(x.reshape(-1, 256), batch_size=64, verbose=0)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    trained = Apart()
    trained.fit(reusing(BATCHES), verbose=0)
    np.testing.assert_allclose(trained.trace.numpy(), traced([[batch] for batch in BATCHES]), rtol=1e-6)
