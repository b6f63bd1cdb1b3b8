"""How often Python code of a model is traced, and that models which are gone leave no memory behind."""

import os
import subprocess
import sys

import jax
import numpy as np
import pytest

import dovetail as tf
from dovetail import keras


class Counting(keras.layers.Layer):
    """Counts how often its call runs on traced values."""

    def __init__(self):
        super().__init__()
        self.traces = 0

    def call(self, inputs):
        if tf.inside_function():
            self.traces += 1
        return inputs * 2.0


def counting_model():
    layer = Counting()
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), layer, keras.layers.Dense(1)])
    model.compile("adam", "mse")
    layer.traces = 0  # building the model ran it on symbolic tensors
    return model, layer


def data(n):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 4)).astype("float32"), rng.normal(size=(n, 1)).astype("float32")


@pytest.mark.parametrize(("samples", "traces"), [(64, 1), (70, 2)])
def test_fit_traces_once_per_batch_size(samples, traces):
    model, layer = counting_model()
    model.fit(*data(samples), batch_size=16, epochs=3, verbose=0)
    model.fit(*data(samples), batch_size=16, epochs=2, verbose=0)
    assert layer.traces == traces


def test_fit_compiles_its_loop_once():
    model, _ = counting_model()
    compiled = []

    def count(event, *_, **__):
        if event == "/jax/core/compile/backend_compile_duration":
            compiled.append(event)

    model.fit(*data(8192), batch_size=1024, epochs=1, verbose=0)
    jax.monitoring.register_event_duration_secs_listener(count)
    try:
        model.fit(*data(8192), batch_size=1024, epochs=3, verbose=0)
    finally:
        jax.monitoring.unregister_event_duration_listener(count)
    assert not compiled, "the second fit of the same model on the same shapes compiled something"


def test_fit_on_a_dataset_traces_once_per_batch_size():
    model, layer = counting_model()
    model.fit(tf.data.Dataset.from_tensor_slices(data(70)).batch(16), epochs=3, verbose=0)
    assert layer.traces == 2


def test_a_function_called_with_one_signature_traces_once():
    traces = []

    @tf.function
    def double(x):
        traces.append(1)
        return x * 2

    for i in range(5):
        assert float(double(tf.constant(float(i)))) == 2.0 * i
    assert len(traces) == 1


def test_a_function_that_creates_optimizer_state_traces_twice():
    model, layer = counting_model()
    optimizer = keras.optimizers.Adam()

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(x) - y))
        optimizer.apply_gradients(
            zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        )
        return loss

    x, y = data(16)
    losses = [float(step(tf.constant(x), tf.constant(y))) for _ in range(5)]
    assert layer.traces == 2  # as in TensorFlow: the trace that creates variables is not the one that stays
    assert losses[-1] < losses[0]
    assert int(optimizer.iterations) == 5


MANY_MODELS = """
import gc, os
import numpy as np
import dovetail as tf
keras = tf.keras
x = np.random.default_rng(0).random((16, 4), "float32")
y = x[:, :1]

def resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def build_train_delete(times):
    for _ in range(times):
        layers = [keras.layers.Dense(8, activation="relu"), keras.layers.Dense(1)]
        model = keras.Sequential([keras.Input((4,)), *layers])
        model.compile("sgd", "mse")
        model.fit(x, y, epochs=1, verbose=0)
    del model
    gc.collect()
    return resident_bytes()

before = build_train_delete(200)
print(build_train_delete(800) - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="reads the resident size from /proc")
def test_a_thousand_models_leave_memory_flat():
    """In a process of its own: beside other tests, what they have left behind moves about in it."""
    run = subprocess.run([sys.executable, "-c", MANY_MODELS], capture_output=True, text=True, check=True)
    grown = int(run.stdout)
    assert grown < 40e6, f"800 models left {grown / 1e6:.0f} MB behind"
