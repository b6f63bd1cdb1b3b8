"""Ctrl-C at any moment of any kind of `fit` leaves weights, the optimizer's state and metrics of a finished step."""

import json
import subprocess
import sys

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from dovetail.base.settings import state
from tests.support import interrupting
from tests.support.interrupting import BATCH, EPOCHS, ROWS, X, Y, fits, model_of

BATCHES = ROWS // BATCH


@pytest.fixture(autouse=True)
def no_open_tapes():
    """Ctrl-C on the very line that closes a tape of one's own loop leaves the tape open: nothing else may see it."""
    yield
    state.tapes = ()


def generator():
    while True:
        for i in range(0, ROWS, BATCH):
            yield X[i : i + BATCH], Y[i : i + BATCH]


class Batches(keras.utils.Sequence):
    def __len__(self):
        return BATCHES

    def __getitem__(self, i):
        return X[BATCH * i : BATCH * (i + 1)], Y[BATCH * i : BATCH * (i + 1)]


class OwnStep(keras.Sequential):
    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(x, y, self(x, training=True))
        self.optimizer.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
        for metric in self.metrics:
            metric.update_state(*((loss,) if metric.name == "loss" else (y, self(x))))
        return {metric.name: metric.result() for metric in self.metrics}


def dataset():
    return tf.data.Dataset.from_tensor_slices((X, Y)).batch(BATCH)


def arrays():
    return X, Y, BATCH


def mapped():
    """A stream: what the function does is not known before it runs."""
    batches = Batches()
    items = [batches[i] for i in range(BATCHES)]
    return (tf.data.Dataset.from_generator(lambda: iter(items), output_types=("float32", "float32")),)


def in_batches(**callbacks):
    return [keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None, **callbacks)]


KINDS = {
    "arrays": lambda: fits(model_of(), arrays),
    "batches watched": lambda: fits(model_of(), arrays, in_batches()),
    "dataset": lambda: fits(model_of(), lambda: (dataset(),)),
    "stream": lambda: fits(model_of(), mapped),
    "generator": lambda: fits(model_of(), lambda: (generator(),), steps_per_epoch=BATCHES),
    "sequence": lambda: fits(model_of(), lambda: (Batches(),)),
    "executions": lambda: fits(model_of(steps_per_execution=4), arrays, in_batches()),
    "eager": lambda: fits(model_of(run_eagerly=True), arrays),
    "own step": lambda: fits(model_of(OwnStep), arrays),
    "own step, eager": lambda: fits(model_of(OwnStep, run_eagerly=True), lambda: (dataset(),)),
    "finite": lambda: fits(model_of(), arrays, [keras.callbacks.TerminateOnNaN()]),
    "constrained": lambda: fits(
        model_of(OwnStep, kernel_constraint=keras.constraints.UnitNorm(), run_eagerly=True), arrays
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_any_moment_of_fit(kind):
    ends = KINDS[kind]()
    assert len(set(ends)) > 1 or kind == "arrays", ends


def test_shapes_that_change():
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((None, 3)),
            keras.layers.Dense(4, activation="tanh"),
            keras.layers.GlobalAveragePooling1D(),
        ]
    )
    model.compile(keras.optimizers.Adam(0.05), "mse", metrics=["mae"])
    batches = [
        (np.full((2, 3 + n, 3), 0.1 * n, "float32"), np.ones((2, 4), "float32")) for n in range(BATCHES)
    ]
    fits(model, lambda: (iter(batches * EPOCHS),), steps_per_epoch=BATCHES)


@pytest.mark.parametrize("compiled", [True, False])
def test_loops_of_ones_own(compiled):
    model = model_of()
    model.optimizer.build(model.trainable_variables)
    snapshots = []

    def step(x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(x, training=True) - y))
        model.optimizer.apply_gradients(
            zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        )
        return loss

    step = tf.function(step) if compiled else step

    def state():
        return [*model.variables, *model.optimizer.variables]

    def run(note=lambda: None):
        for _ in range(2):
            for i in range(0, ROWS, BATCH):
                step(tf.constant(X[i : i + BATCH]), tf.constant(Y[i : i + BATCH]))
                note()

    before = interrupting.values(state())
    run()
    interrupting.set_all(state(), before)
    snapshots.append(before)
    run(lambda: snapshots.append(interrupting.values(state())))
    interrupting.try_moments(model, run, snapshots, state, moments=25, seed=3)


def test_several_devices():
    done = subprocess.run(
        [sys.executable, interrupting.__file__, "2", "5"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout.splitlines()[-1])


def test_ctrl_c_after_the_last_step_is_not_lost():
    model = model_of()

    def press(epoch, logs):
        if epoch == 1:
            interrupting.signal.raise_signal(interrupting.signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, epochs=2, verbose=0, callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=press)])
