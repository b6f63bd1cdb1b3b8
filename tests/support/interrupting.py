"""Ctrl-C at any line of a run: which line is counted, so that a failure can be repeated.

    python tests/support/interrupting.py DEVICES SEED

tries a run under a strategy of several devices, in a process of its own.
"""

import json
import os
import random
import signal
import sys

import numpy as np

import dovetail as tf
from dovetail import keras

_OURS = os.path.dirname(tf.__file__)


class Lines:
    """Counts the lines of Dovetail that a run executes; sends Ctrl-C when one has been reached."""

    def __init__(self, at=None):
        self.count, self.at = 0, at

    def _call(self, frame, event, argument):
        return self._line if frame.f_code.co_filename.startswith(_OURS) else None

    def _line(self, frame, event, argument):
        if event == "line":
            self.count += 1
            if self.count == self.at:
                signal.raise_signal(signal.SIGINT)
        return self._line

    def __enter__(self):
        self._before = sys.gettrace()
        sys.settrace(self._call)
        return self

    def __exit__(self, *exc):
        sys.settrace(self._before)


def metrics_of(model):
    return [variable for metric in model.metrics for variable in metric.variables]


def values(variables):
    return [np.array(variable.value) for variable in variables]


class Snapshots(keras.callbacks.Callback):
    """Keeps the state after each step: `after[k]` is that of k steps."""

    def __init__(self, state):
        super().__init__()
        self.state, self.after = state, [values(state())]

    def on_train_batch_end(self, batch, logs=None):
        self.after.append(values(self.state()))


def everything(model):
    """Returns all variables that a step changes: weights, the optimizer's, those of metrics."""
    return [*model.variables, *model.optimizer.variables, *metrics_of(model)]


def set_all(variables, before):
    for variable, value in zip(variables, before, strict=True):
        variable.assign(value)


def try_moments(model, run, snapshots, state, moments, seed):
    """Runs `run()` with Ctrl-C at several lines; raises AssertionError where the state is not that of a finished step.

    Args:
        model: compiled; it has run before, so that nothing is compiled now.
        run: begins where the snapshots begin.
        snapshots: the state after 0, 1, 2, ... steps.
        state: returns the variables.
        moments: how many lines are tried.
        seed: chooses them.

    Returns:
        the steps after which runs ended.
    """
    handler, before = signal.getsignal(signal.SIGINT), int(model.optimizer.iterations) - len(snapshots) + 1
    set_all(state(), snapshots[0])
    with Lines() as lines:
        run()
    _expect(state(), snapshots, len(snapshots) - 1, "the whole run")
    drawn, ends = random.Random(seed), []
    for at in sorted(drawn.sample(range(1, lines.count), moments)):
        set_all(state(), snapshots[0])
        came = False
        try:
            with Lines(at) as again:
                run()
        except KeyboardInterrupt:
            came = True
        assert came or again.count < at, f"Ctrl-C at line {at} of {lines.count} was lost"
        assert signal.getsignal(signal.SIGINT) is handler
        steps = int(model.optimizer.iterations) - before
        _expect(state(), snapshots, steps, f"Ctrl-C at line {at} of {lines.count}")
        ends.append(steps)
    set_all(state(), snapshots[0])
    run()
    _expect(state(), snapshots, len(snapshots) - 1, "a run after those that broke off")
    return ends


def _expect(state, snapshots, steps, what):
    for variable, expected in zip(state, snapshots[steps], strict=True):
        np.testing.assert_allclose(
            np.array(variable.value),
            expected,
            rtol=1e-4,
            atol=1e-5,
            err_msg=f"{what}: {variable.name}, {steps} steps",
        )


ROWS, BATCH, EPOCHS = 24, 4, 2
_rng = np.random.default_rng(0)
X = _rng.normal(size=(ROWS, 4)).astype("float32")
Y = X.sum(1, keepdims=True)


def model_of(kind=keras.Sequential, optimizer=None, kernel_constraint=None, **options):
    keras.utils.set_random_seed(1)
    hidden = keras.layers.Dense(8, activation="tanh", kernel_constraint=kernel_constraint)
    model = kind([keras.Input((4,)), hidden, keras.layers.Dense(1)])
    model.compile(optimizer or keras.optimizers.Adam(0.05), "mse", metrics=["mae"], **options)
    return model


def fits(model, data, callbacks=(), moments=6, seed=0, **options):
    """Tries `fit(*data())`; returns the steps after which runs ended."""

    def run(*more):
        model.fit(*data(), epochs=EPOCHS, verbose=0, shuffle=False, callbacks=[*callbacks, *more], **options)

    run()  # compiles
    before = [np.zeros(v.shape, v.dtype.as_numpy_dtype) for v in metrics_of(model)]
    set_all(metrics_of(model), before)
    snapshots = Snapshots(lambda: everything(model))
    size, model.steps_per_execution = model.steps_per_execution, 1
    run(snapshots)
    model.steps_per_execution = size
    return try_moments(model, run, snapshots.after, lambda: everything(model), moments, seed)


def main(devices, seed):
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * devices)
    with tf.distribute.MirroredStrategy([f"cpu:{i}" for i in range(devices)]).scope():
        model = model_of()
    print(json.dumps(fits(model, lambda: (X, Y, BATCH), moments=6, seed=seed)))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
