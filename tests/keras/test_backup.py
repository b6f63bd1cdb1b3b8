"""`BackupAndRestore`: a run that broke off goes on as if it had not, bit for bit; wherever the process dies."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from dovetail.ops import random_keys

pytestmark = pytest.mark.code_of_users  # whole and broken runs, of several processes, give the same bits

EPOCHS = 4
RNG = np.random.default_rng(2)
X = RNG.normal(size=(30, 4)).astype("float32")
Y = X.sum(1, keepdims=True)


def model_of(seed=3, optimizer=None):
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(8, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.Dropout(0.2, seed=5),
            layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.Adam(0.05) if optimizer is None else optimizer(), "mse", metrics=["mae"])
    return model


class Break(keras.callbacks.Callback):
    """Raises when an epoch begins."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise RuntimeError("power cut")


def train(model, *callbacks, epochs=EPOCHS, **options):
    return model.fit(X, Y, batch_size=8, epochs=epochs, verbose=0, callbacks=list(callbacks), **options)


def state_of(model):
    return [np.array(v) for v in (*model.variables, *model.optimizer.variables)]


def same(first, second):
    assert len(first) == len(second)
    for a, b in zip(first, second):
        np.testing.assert_array_equal(a, b)


OPTIMIZERS = {
    "adam": lambda: keras.optimizers.Adam(0.05),
    "schedule": lambda: keras.optimizers.RMSprop(
        keras.optimizers.schedules.ExponentialDecay(0.05, 3, 0.9), momentum=0.9, use_ema=True
    ),
    "scaled": lambda: keras.optimizers.LossScaleOptimizer(
        keras.optimizers.Nadam(0.01, gradient_accumulation_steps=3)
    ),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_rest_of_a_broken_run_is_that_of_a_whole_one(name, tmp_path):
    whole = model_of(optimizer=OPTIMIZERS[name])
    expected = train(whole).history
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    with pytest.raises(RuntimeError, match="power cut"):
        train(model_of(optimizer=OPTIMIZERS[name]), backup, Break(2))
    assert os.listdir(tmp_path / "backup") == ["latest.weights.h5"]
    second = model_of(seed=99, optimizer=OPTIMIZERS[name])  # other weights, other numbers to come
    history = train(second, backup)
    assert history.epoch == [2, 3]
    assert {n: values[2:] for n, values in expected.items()} == history.history
    same(state_of(second), state_of(whole))
    assert not (tmp_path / "backup").exists()
    assert train(second, backup).epoch == list(range(EPOCHS))  # a run that has ended is not resumed


def test_a_learning_rate_that_was_changed_comes_back(tmp_path):
    def slower():
        return keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5)

    whole = model_of()
    expected = train(whole, slower()).history
    backup = keras.callbacks.BackupAndRestore(str(tmp_path))
    with pytest.raises(RuntimeError):
        train(model_of(), slower(), backup, Break(3))
    second = model_of()
    history = train(second, slower(), backup).history
    assert history["learning_rate"] == expected["learning_rate"][3:]
    same(state_of(second), state_of(whole))


def test_backups_between_batches(tmp_path):
    backup = keras.callbacks.BackupAndRestore(tmp_path / "b", save_freq=3, delete_checkpoint=False)
    first, kept = model_of(), []
    note = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: kept.append((batch, first.get_weights()))
    )
    train(first, note, backup, epochs=2)  # 4 batches an epoch: after batches 2, then 1 of the next epoch
    second = model_of(seed=4)
    seen = []
    begin = keras.callbacks.LambdaCallback(on_epoch_begin=lambda *_: seen.append(second.get_weights()))
    history = train(second, backup, begin, epochs=3)
    assert history.epoch == [1, 2]  # from the beginning of the epoch that was running
    assert kept[5][0] == 1
    same(seen[0], kept[5][1])


class Cut(keras.callbacks.Callback):
    """Raises when so many batches of all have been run."""

    def __init__(self, batches):
        super().__init__()
        self.left = batches

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if not self.left:
            raise RuntimeError("power cut")


def stream():
    for i in range(1000):
        yield X[i % 22 : i % 22 + 8], Y[i % 22 : i % 22 + 8]


def rows(buffer):
    return lambda: tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(buffer, seed=4).batch(8)


DATA = {
    "arrays": (lambda: (X, Y), {"batch_size": 8}),
    "arrays_in_parts": (lambda: (X, Y), {"batch_size": 5, "steps_per_epoch": 3}),
    "rows": (rows(30), {}),
    "dataset": (lambda: rows(7)().map(lambda x, y: (x * 2.0, y)), {}),
    "dataset_in_parts": (lambda: rows(7)().repeat(), {"steps_per_epoch": 3}),
    "generator": (stream, {"steps_per_epoch": 3}),
}


@pytest.mark.parametrize("data", DATA)
def test_a_run_goes_on_within_an_epoch(data, tmp_path):
    make, options = DATA[data]

    def run(model, *callbacks):
        given = make()
        x, y = given if isinstance(given, tuple) else (given, None)
        watch = keras.callbacks.ReduceLROnPlateau("loss", patience=1, factor=0.5, min_delta=9.0)
        halve = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9)
        callbacks = [watch, halve, *callbacks]
        return model.fit(x, y, epochs=3, verbose=0, callbacks=callbacks, **options).history

    whole = model_of()
    expected = run(whole)
    backup = keras.callbacks.BackupAndRestore(tmp_path / "b", save_freq=2)
    with pytest.raises(RuntimeError, match="power cut"):
        run(model_of(), backup, Cut(6))
    second = model_of(seed=99)
    np.random.seed(77)
    found = run(second, backup)
    assert {name: values[-len(found["loss"]) :] for name, values in expected.items()} == found
    same(state_of(second), state_of(whole))


def test_callbacks_that_stop_early_go_on_counting(tmp_path):
    def stop():
        return keras.callbacks.EarlyStopping("loss", patience=2, min_delta=1e9, restore_best_weights=True)

    whole = model_of()
    expected = train(whole, stop(), epochs=9).history["loss"]
    assert len(expected) == 3
    backup = keras.callbacks.BackupAndRestore(tmp_path / "b", delete_checkpoint=False)
    with pytest.raises(RuntimeError):
        train(model_of(), stop(), backup, Break(2), epochs=9)
    second = model_of(seed=4)
    assert train(second, stop(), backup, epochs=9).history["loss"] == expected[2:]
    same(state_of(second), state_of(whole))
    third = model_of(seed=5)
    assert train(third, stop(), backup, epochs=9).epoch == []  # it had stopped
    same(state_of(third), state_of(whole))


def test_runs_of_no_epochs_and_of_more(tmp_path):
    backup = keras.callbacks.BackupAndRestore(tmp_path / "b", delete_checkpoint=False)
    train(model_of(), backup, epochs=2)
    again = model_of()
    assert train(again, backup, epochs=2).epoch == []
    assert train(again, backup, epochs=3, initial_epoch=1).epoch == [2]


def test_the_backup_before_serves_when_the_last_cannot_be_read(tmp_path):
    backup = keras.callbacks.BackupAndRestore(tmp_path, double_checkpoint=True)
    with pytest.raises(RuntimeError):
        train(model_of(), backup, Break(3))
    assert sorted(os.listdir(tmp_path)) == ["latest.weights.h5", "previous.weights.h5"]
    whole = model_of()
    train(whole)
    latest = tmp_path / "latest.weights.h5"
    latest.write_bytes(latest.read_bytes()[:200])
    (tmp_path / "next.weights.h5.0a.part").write_text("of a process that died")
    (tmp_path / "notes.txt").write_text("mine")
    second = model_of(seed=8)
    with pytest.warns(UserWarning, match="from the one before"):
        assert train(second, backup).epoch == [2, 3]
    same(state_of(second), state_of(whole))
    assert os.listdir(tmp_path) == ["notes.txt"]


def test_what_is_refused(tmp_path):
    make = keras.callbacks.BackupAndRestore
    for options, error in (
        ({"backup_dir": ""}, "backup_dir"),
        ({"save_freq": 0}, "save_freq"),
        ({"save_freq": "batch"}, "save_freq"),
        ({"save_freq": False}, "save_freq"),
    ):
        with pytest.raises(ValueError, match=error):
            make(**{"backup_dir": tmp_path, **options})
    with pytest.raises(NotImplementedError, match="save_before_preemption"):
        make(tmp_path, save_before_preemption=True)
    model_of().save_weights(tmp_path / "latest.weights.h5")
    with pytest.raises(ValueError, match="no backup of a run"):
        train(model_of(), make(tmp_path))


PROGRAM = """
import os, signal, sys
import numpy as np
from tests.keras.test_backup import keras, model_of, state_of, train, EPOCHS

folder, die = sys.argv[1], int(sys.argv[2])

class Die(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.optimizer.iterations) == die:
            os.kill(os.getpid(), signal.SIGKILL)

model = model_of()
history = train(model, keras.callbacks.BackupAndRestore(folder + "/backup"), Die())
np.savez(folder + "/end.npz", *state_of(model))
"""


def test_a_process_that_is_killed(tmp_path):
    def started(die):
        return subprocess.run(
            [sys.executable, "-c", PROGRAM, str(tmp_path), str(die)],
            capture_output=True,
            text=True,
            timeout=120,
        )

    assert started(10).returncode == -signal.SIGKILL
    done = started(0)
    assert done.returncode == 0, done.stderr
    whole = model_of()
    train(whole)
    with np.load(tmp_path / "end.npz") as found:
        same([found[name] for name in found.files], state_of(whole))


def test_generators_come_back():
    tf.random.set_seed(7)
    tf.random.normal([3])
    tf.random.normal([3], seed=4)
    from_here = tf.random.normal([2]).numpy(), tf.random.normal([2], seed=4).numpy()
    tf.random.set_seed(7)
    tf.random.normal([3])
    tf.random.normal([3], seed=4)
    found = random_keys.generators()
    tf.random.set_seed(11)
    random_keys.set_generators(found)
    np.testing.assert_array_equal(tf.random.normal([2]), from_here[0])
    np.testing.assert_array_equal(tf.random.normal([2], seed=4), from_here[1])
