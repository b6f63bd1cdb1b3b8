"""Batches that workers make ahead: in order, at the same time, with their errors, in threads and in processes."""

import os
import threading

import numpy as np
import pytest

from dovetail import keras

X = np.arange(40, dtype="float32").reshape(20, 2) / 40
Y = X.sum(1, keepdims=True)


class Batches(keras.utils.PyDataset):
    def __init__(self, **options):
        super().__init__(**options)
        self.makers, self.epochs, self.broken = set(), [], False

    def __len__(self):
        return 5

    def __getitem__(self, index):
        self.makers.add(threading.current_thread().name)
        if self.broken and index == 3:
            raise KeyError("no such file")
        return X[4 * index : 4 * index + 4], Y[4 * index : 4 * index + 4]

    def on_epoch_end(self):
        self.epochs.append(1)


class Dying(Batches):
    def __getitem__(self, index):
        os._exit(3)


@pytest.fixture
def model():
    made = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="zeros")])
    made.compile(keras.optimizers.SGD(0.1), "mse")
    return made


@pytest.fixture
def expected(model):
    weights = model.get_weights()
    losses = model.fit(X, Y, batch_size=4, shuffle=False, epochs=2, verbose=0).history["loss"]
    model.set_weights(weights)
    return losses


@pytest.mark.parametrize("options", [{"workers": 3, "max_queue_size": 2}, {"workers": 2}])
def test_threads_make_batches_in_order(model, expected, options):
    data = Batches(**options)
    found = model.fit(data, shuffle=False, epochs=2, verbose=0).history["loss"]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert data.makers and all(name.startswith("batches") for name in data.makers) and len(data.epochs) == 2


def test_workers_given_to_fit_make_them_too(model, expected):
    data = Batches()
    found = model.fit(data, shuffle=False, epochs=2, verbose=0, workers=2).history["loss"]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert all(name.startswith("batches") for name in data.makers) and len(data.epochs) == 2
    assert model.predict(data, verbose=0, workers=2).shape == (20, 1)


def test_one_worker_makes_each_batch_in_its_turn(model):
    data = Batches()
    model.fit(data, verbose=0)
    assert not any(name.startswith("batches") for name in data.makers)


def test_processes_make_batches_in_order(model, expected):
    data = Batches(workers=1, use_multiprocessing=True)
    found = model.fit(data, shuffle=False, epochs=1, verbose=0).history["loss"]
    np.testing.assert_allclose(found, expected[:1], rtol=1e-6)
    assert data.makers == set()


def test_errors_of_workers_are_raised(model):
    data = Batches(workers=2)
    data.broken = True
    with pytest.raises(KeyError, match="no such file"):
        model.fit(data, verbose=0)
    with pytest.raises(RuntimeError, match="worker process of Dying has died"):
        model.fit(Dying(workers=1, use_multiprocessing=True), verbose=0)
