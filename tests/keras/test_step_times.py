"""`tf.profiler.StepTimes`: each kind gets the time that it takes, and all add up."""

import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from dovetail.base import step_times
from dovetail.base.step_times import DATA, STEPS, Stopwatch, waiting_for

BATCHES, PAUSE = 12, 0.01
ALL = BATCHES * PAUSE
PAUSED = ("waiting for data", "callbacks")  # the kinds that are made to last here


def made():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model.compile("sgd", "mse")
    x, y = np.ones((8 * BATCHES, 4), "float32"), np.ones((8 * BATCHES, 3), "float32")
    model.fit(x, y, batch_size=8, verbose=0)
    return model, x, y


class Pausing(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        time.sleep(PAUSE)


def slowly(x, y):
    for i in range(BATCHES):
        time.sleep(PAUSE)
        yield x[8 * i : 8 * i + 8], y[8 * i : 8 * i + 8]


def dataset(x, y):
    specs = tf.TensorSpec((8, 4)), tf.TensorSpec((8, 3))
    return tf.data.Dataset.from_generator(lambda: slowly(x, y), output_signature=specs)


# what runs, the kind that it spends its time on, and how long at least
RUNS = {
    "arrays": (lambda model, x, y: model.fit(x, y, batch_size=8, verbose=0), "steps", 0),
    "generator": (lambda model, x, y: model.fit(slowly(x, y), verbose=0), "waiting for data", ALL),
    "dataset": (lambda model, x, y: model.fit(dataset(x, y), verbose=0), "waiting for data", ALL),
    "callbacks": (
        lambda model, x, y: model.fit(x, y, batch_size=8, verbose=0, callbacks=[Pausing()]),
        "callbacks",
        ALL,
    ),
    "evaluate": (lambda model, x, y: model.evaluate(slowly(x, y), verbose=0), "waiting for data", ALL),
    "predict": (lambda model, x, y: model.predict(slowly(x, y), verbose=0), "waiting for data", ALL),
    "elsewhere": (lambda model, x, y: time.sleep(ALL), "other", ALL),
}


def check(times, began):
    assert set(times.seconds) == set(step_times.KINDS)
    assert all(seconds >= 0 for seconds in times.seconds.values())
    assert times.total == pytest.approx(sum(times.seconds.values()))
    assert times.total <= time.perf_counter() - began


@pytest.mark.parametrize("name", RUNS)
def test_each_kind_gets_its_time(name):
    model, x, y = made()
    run, kind, at_least = RUNS[name]
    began = time.perf_counter()
    with tf.profiler.StepTimes() as times:
        run(model, x, y)
    check(times, began)
    # A pause during which steps still run counts as theirs: the first steps of a stream do.
    assert times.seconds[kind] > at_least * (0.7 if kind == "waiting for data" else 0.99)
    assert at_least == 0 or all(times.seconds[other] < at_least / 2 for other in {*PAUSED} - {kind})
    assert f"{kind} {times.seconds[kind] / times.total:.0%}" in str(times)


def test_compiling_is_told_apart_from_steps():
    layers = [keras.Input((5,)), keras.layers.Dense(7, activation="tanh"), keras.layers.Dense(3)]
    model = keras.Sequential(layers)
    model.compile("adam", "mse")
    began = time.perf_counter()
    with tf.profiler.StepTimes() as times:
        model.fit(np.ones((40, 5)), np.ones((40, 3)), batch_size=8, verbose=0)
    check(times, began)
    assert times.seconds["compiling"] > times.seconds["dispatch"] > 0


def test_advice_is_for_what_stands_out():
    times = tf.profiler.StepTimes()
    assert str(times) == "nothing has been counted" and times.advice == []
    times.seconds |= {"waiting for data": 1.9, "steps": 8.1}
    assert times.advice == []
    times.seconds |= {"waiting for data": 2.0, "steps": 8.0}
    (advice,) = times.advice
    assert "waited for data" in advice and "prefetch" in advice
    times.seconds |= {"waiting for data": 0.0, "compiling": 2.0}
    (advice,) = times.advice
    assert "compiled" in advice
    assert str(times) == (
        "10.00 s: compiling 20%, waiting for data 0%, dispatch 0%, steps 80%, callbacks 0%, other 0%"
    )


def test_results_are_those_of_unwatched_runs():
    losses = []
    for watched in (False, True):
        keras.utils.set_random_seed(3)
        model, x, y = made()
        if watched:
            with tf.profiler.StepTimes():
                history = model.fit(x, y, batch_size=8, epochs=3, verbose=0)
        else:
            history = model.fit(x, y, batch_size=8, epochs=3, verbose=0)
        losses.append(history.history["loss"])
    assert losses[0] == losses[1]


def test_a_block_inside_another_counts_for_both():
    with tf.profiler.StepTimes() as outer:
        with tf.profiler.StepTimes() as inner, step_times.spending(DATA):
            time.sleep(PAUSE)
        time.sleep(PAUSE)
    assert outer.seconds[DATA] == inner.seconds[DATA] >= PAUSE
    assert outer.seconds["other"] >= inner.seconds["other"] + PAUSE


def test_an_error_ends_the_counting():
    times = tf.profiler.StepTimes()
    with pytest.raises(ZeroDivisionError), times:
        1 / 0
    assert not step_times.is_watched() and times.total > 0
    first = dict(times.seconds)
    with times:  # anew
        pass
    assert times.seconds != first


def test_other_threads_are_not_counted():
    model, x, y = made()
    with tf.profiler.StepTimes() as times:
        thread = threading.Thread(target=lambda: model.fit(slowly(x, y), verbose=0))
        thread.start()
        thread.join()
    assert times.seconds[DATA] == 0 and times.seconds["other"] >= ALL


def test_waiting_while_steps_run_is_not_for_data():
    step_times.here.watch = watch = Stopwatch()
    try:
        running = iter([True, False, False, True])

        def items():
            for number in range(3):
                time.sleep(PAUSE)
                yield number

        assert list(waiting_for(items(), lambda: next(running))) == [0, 1, 2]
    finally:
        step_times.here.watch = None
    assert watch.seconds[STEPS] >= PAUSE and watch.seconds[DATA] >= 2 * PAUSE


def test_run_says_it_at_the_end(tmp_path):
    script = tmp_path / "train.py"
    script.write_text("import time; time.sleep(0.01); print('done')")
    command = [sys.executable, "-m", "dovetail", "run", "--profile", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "done\n"
    assert done.stderr.startswith("dovetail run: 0.") and "other" in done.stderr
