"""Threads that predict, evaluate and train at the same time see the state of finished steps only."""

import sys
import threading
import time

import numpy as np
import pytest

from dovetail import keras
from dovetail.tensor.transaction import Transaction
from tests.test_threads import at_once

pytestmark = pytest.mark.code_of_users  # equal halves of a model stay equal to the bit

X = np.linspace(-1, 1, 48, dtype="float32").reshape(16, 3)
Y = X.sum(1, keepdims=True)
BOTH = np.concatenate([Y, Y], axis=1)


def twins(units=1, **options):
    """A model of two equal halves, trained on equal targets: at the end of every step they give the same outputs."""
    layers = keras.layers
    inputs = keras.Input((3,))
    halves = []
    for _ in range(2):
        hidden = layers.Dense(
            8, activation="tanh", kernel_initializer=keras.initializers.RandomNormal(seed=1)
        )
        last = layers.Dense(units, kernel_initializer=keras.initializers.RandomNormal(seed=2))
        halves.append(last(hidden(inputs)))
    model = keras.Model(inputs, layers.Concatenate()(halves))
    model.compile(keras.optimizers.Adam(0.02), "mse", **options)
    return model


def generator():
    while True:
        for i in range(0, 16, 4):
            yield X[i : i + 4], BOTH[i : i + 4]


@pytest.fixture(autouse=True)
def many_switches():
    """Lets threads take turns every few bytecodes, so that what is not done as one is seen."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


TRAINING = {
    "arrays": (lambda: (X, BOTH, 4), {}, {}),
    "batches watched": (
        lambda: (X, BOTH, 4),
        {"callbacks": [keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)]},
        {},
    ),
    "stream": (lambda: (generator(),), {"steps_per_epoch": 4}, {}),
    "eager": (lambda: (X, BOTH, 4), {}, {"run_eagerly": True}),
}


@pytest.mark.parametrize("kind", TRAINING)
def test_predicting_while_another_thread_trains(kind):
    data, options, compiled = TRAINING[kind]
    model, other = twins(**compiled), twins()
    model.fit(*data(), epochs=1, verbose=0, **options)
    other.set_weights(model.get_weights())
    model.predict(X, verbose=0)
    over, failed, seen = threading.Event(), [], set()

    def look():
        while not over.is_set():
            # An op-by-op model reads its weights as it goes; a compiled one takes them all at one moment.
            found = model.predict(X, verbose=0) if kind != "eager" else model_outputs(model)
            seen.add(float(found[0, 0]))
            if not np.allclose(found[:, 0], found[:, 1], rtol=1e-5, atol=1e-6):
                failed.append(found)
                return

    def model_outputs(model):
        other.set_weights(model_weights(model))
        return other.predict(X, verbose=0)

    thread = threading.Thread(target=look)
    thread.start()
    end = time.monotonic() + 3
    while time.monotonic() < end and not failed:
        model.fit(*data(), epochs=2, verbose=0, **options)
    over.set()
    thread.join(timeout=60)
    assert not failed, failed[0]
    assert not thread.is_alive() and len(seen) > 2
    assert np.isfinite(model.predict(X, verbose=0)).all()


def model_weights(model):
    """Returns the weights as a compiled program reads them: all at one moment."""
    variables = model.weights
    return [np.asarray(w) for w in Transaction(variables, [False] * len(variables), []).run(lambda *w: w)]


def test_evaluating_while_another_thread_trains():
    model, watcher = twins(), twins()
    model.fit(X, BOTH, batch_size=4, epochs=1, verbose=0)
    watcher.set_weights(model.get_weights())
    expected = watcher.evaluate(X, BOTH, verbose=0)

    def work(number):
        if number == 0:
            for _ in range(20):
                model.fit(X, BOTH, batch_size=4, epochs=2, verbose=0)
        else:
            for _ in range(20):
                assert watcher.evaluate(X, BOTH, verbose=0) == expected

    at_once(work, threads=2)


@pytest.mark.parametrize("kind", TRAINING)
def test_two_models_train_as_each_does_alone(kind):
    data, options, compiled = TRAINING[kind]

    def trained():
        model = twins(**compiled)
        history = model.fit(*data(), epochs=6, verbose=0, shuffle=False, **options)
        return history.history["loss"], model.get_weights()

    alone = trained()
    results = {}
    at_once(lambda number: results.__setitem__(number, trained()), threads=3)
    for losses, weights in results.values():
        np.testing.assert_allclose(losses, alone[0], rtol=1e-5)
        for found, expected in zip(weights, alone[1]):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_two_threads_train_one_model():
    """Each step is done once and whole, by whichever thread."""
    model = twins()
    model.fit(X, BOTH, batch_size=4, epochs=1, verbose=0)
    begun = int(model.optimizer.iterations)
    at_once(lambda number: model.fit(X, BOTH, batch_size=4, epochs=5, verbose=0), threads=2)
    assert int(model.optimizer.iterations) == begun + 2 * 5 * 4
    found = model.predict(X, verbose=0)
    np.testing.assert_allclose(found[:, 0], found[:, 1], rtol=1e-5, atol=1e-6)
