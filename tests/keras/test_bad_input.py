"""Bad input: the error says what was given, what was expected, where and how to go on, and nothing is lost."""

import contextlib
import os
import re
import signal
import threading
import time

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras

HERE = os.path.basename(__file__)
RNG = np.random.default_rng(5)
X = RNG.normal(size=(64, 8)).astype("float32")
LABELS = RNG.integers(0, 3, 64)
NUMBERS = RNG.normal(size=(64, 3)).astype("float32")


def classifier(loss="sparse_categorical_crossentropy", **options):
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(5, activation="relu", name="first"),
            keras.layers.Dense(3, activation="softmax", name="last"),
        ],
        name="net",
    )
    model.compile("adam", loss, **options)
    return model


@contextlib.contextmanager
def clear_error(kinds, *parts, place=True):
    """Expects an error of these classes whose message has all parts, in any order, and names this file."""
    with pytest.raises(kinds) as caught:
        yield
    message = str(caught.value)
    for part in [*parts, *([HERE] if place else [])]:
        assert part in message, f"{part!r} is missing in: {message}"


@contextlib.contextmanager
def nothing_lost(model):
    """Expects the weights and the optimizer's state to be the same afterwards, and training to go on."""
    before = [np.array(v) for v in [*model.weights, *model.optimizer.variables]]
    yield
    after = [np.array(v) for v in [*model.weights, *model.optimizer.variables]]
    for old, new in zip(before, after[: len(before)], strict=True):
        np.testing.assert_array_equal(new, old)


def goes_on(model, y=LABELS):
    """Trains on sound data; the loss must be a number."""
    assert np.isfinite(model.fit(X, y, verbose=0).history["loss"][-1])


# ---- shapes ---------------------------------------------------------------------------------------------------------

LAYERS = keras.layers
# What is built, and what the message says besides the place.
AT_BUILD = {
    "dense of a scalar": (
        lambda: LAYERS.Dense(4)(tf.constant(1.0)),
        ["dense", "rank of at least 2", "shape ()"],
    ),
    "conv of vectors": (lambda: LAYERS.Conv2D(4, 3)(keras.Input((8,))), ["conv2d", "rank", "4", "(None, 8)"]),
    "window too wide": (
        lambda: LAYERS.Conv2D(4, 3)(keras.Input((2, 2, 1))),
        ["window of 3", "size 2", "padding='SAME'"],
    ),
    "add": (lambda: LAYERS.Add()([keras.Input((3,)), keras.Input((4,))]), ["add", "(None, 3)", "(None, 4)"]),
    "concatenate": (
        lambda: LAYERS.Concatenate()([keras.Input((3, 2)), keras.Input((4, 2))]),
        ["concatenate", "axis 1 must agree", "(None, 3, 2)", "(None, 4, 2)"],
    ),
    "reshape": (lambda: LAYERS.Reshape((5,))(keras.Input((4,))), ["reshape", "(4,)", "(5,)"]),
    "matmul": (
        lambda: tf.matmul(keras.Input((3, 4)), keras.Input((5, 4))),
        ["matmul", "inner sizes differ: 4", "5", "(None, 3, 4)", "(None, 5, 4)"],
    ),
}


@pytest.mark.parametrize("name", AT_BUILD)
def test_wrong_shapes_fail_while_the_model_is_built(name):
    build, parts = AT_BUILD[name]
    keras.backend.clear_session()
    with clear_error(ValueError, *parts):
        build()


def test_a_layer_says_what_it_was_built_for():
    layer = LAYERS.Dense(4, name="dense_of_8")
    layer(X)
    before = layer.get_weights()
    with clear_error(ValueError, "dense_of_8", "the last axis to be 8", "(2, 7)"):
        layer(np.zeros((2, 7), "float32"))
    np.testing.assert_array_equal(layer.get_weights()[0], before[0])


CALLS = {
    "call": lambda model, x: model(x),
    "fit": lambda model, x: model.fit(x, LABELS, verbose=0),
    "evaluate": lambda model, x: model.evaluate(x, LABELS, verbose=0),
    "predict": lambda model, x: model.predict(x, verbose=0),
    "train_on_batch": lambda model, x: model.train_on_batch(x, LABELS),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("shape", [(64, 7), (64, 8, 2)])
def test_wrong_shapes_at_call(name, shape):
    model = classifier()
    with nothing_lost(model), clear_error(ValueError, "net", "(None, 8)", str(shape[-1])):
        CALLS[name](model, np.zeros(shape, "float32"))
    goes_on(model)


@pytest.mark.parametrize(
    ("loss", "y", "parts"),
    [
        ("mse", np.zeros((64, 2)), ["mean_squared_error", "(32, 2)", "(32, 3)"]),
        ("categorical_crossentropy", LABELS, ["(32,)", "(32, 3)", "sparse loss"]),
        ("binary_crossentropy", np.zeros((64, 2)), ["binary_crossentropy", "(32, 2)", "(32, 3)"]),
    ],
)
def test_targets_that_do_not_fit_the_outputs(loss, y, parts):
    model = classifier(loss)
    with nothing_lost(model), clear_error(ValueError, *parts):
        model.fit(X, y, verbose=0)
    goes_on(model, NUMBERS)


# ---- dtypes ---------------------------------------------------------------------------------------------------------


def test_dtypes_are_not_mixed_silently():
    with clear_error(TypeError, "int32, float32", "tf.cast(x, tf.float32)"):
        tf.constant(1) + tf.constant(1.0)
    with clear_error(TypeError, "float32, int32", "tf.cast"):
        keras.Input((3,)) + keras.Input((3,), dtype="int32")
    variable = tf.Variable(1, name="count")
    with clear_error((TypeError, ValueError), "count", "int32", "float32", "tf.cast"):
        variable.assign(tf.constant(2.5))
    assert int(variable) == 1


@pytest.mark.parametrize(
    ("x", "parts"),
    [
        (np.array([["a"] * 8] * 64), ["strings", "(32, 8)", "'a'", "numbers"]),
        (np.array([[None] * 8] * 64), ["Python objects", "NoneType", "arrays of numbers"]),
    ],
)
def test_data_that_is_no_numbers(x, parts):
    model = classifier()
    with nothing_lost(model), clear_error((TypeError, ValueError), *parts):
        model.fit(x, LABELS, verbose=0)
    goes_on(model)


# ---- NaN ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("eager", [False, True])
def test_terminate_on_nan_keeps_the_last_sound_weights(eager, capsys):
    targets = NUMBERS.copy()
    targets[40] = np.nan  # in the third batch of 16
    model = classifier("mse", run_eagerly=eager)
    stop = keras.callbacks.TerminateOnNaN()
    history = model.fit(
        X, targets, batch_size=16, epochs=3, shuffle=False, verbose=0, callbacks=[stop]
    ).history
    assert "Batch 2: Invalid loss, terminating training" in capsys.readouterr().out
    assert len(history["loss"]) == 1
    assert np.isnan(history["loss"][0])
    sound = classifier("mse", run_eagerly=eager)
    sound.fit(X[:32], targets[:32], batch_size=16, shuffle=False, verbose=0)
    for actual, expected in zip(model.get_weights(), sound.get_weights(), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-6)
    goes_on(model, NUMBERS)


@pytest.mark.parametrize("eager", [False, True])
def test_nan_in_the_first_batch_leaves_no_trace(eager):
    model = classifier("mse", run_eagerly=eager)
    before = model.get_weights()
    stop = keras.callbacks.TerminateOnNaN()
    model.fit(X, np.full_like(NUMBERS, np.nan), verbose=0, callbacks=[stop])
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old)
    goes_on(model, NUMBERS)


# ---- labels ---------------------------------------------------------------------------------------------------------

BAD_LABELS = {
    "too large": np.where(np.arange(64) == 50, 3, LABELS),
    "negative": np.where(np.arange(64) == 50, -1, LABELS),
}


@pytest.mark.parametrize("kind", BAD_LABELS)
@pytest.mark.parametrize("how", ["fit", "evaluate", "train_on_batch", "eager"])
def test_labels_out_of_range(kind, how):
    labels = BAD_LABELS[kind]
    model = classifier(run_eagerly=how == "eager")
    call = {
        "fit": lambda: model.fit(X, labels, verbose=0),
        "evaluate": lambda: model.evaluate(X, labels, verbose=0),
        "train_on_batch": lambda: model.train_on_batch(X, labels),
        "eager": lambda: model.fit(X, labels, verbose=0, batch_size=64, shuffle=False),
    }[how]
    with nothing_lost(model), clear_error(ValueError, "[0, 3)", str(labels[50]), "sample 50", "units"):
        call()
    goes_on(model)


def test_labels_out_of_range_in_a_dataset_over_arrays():
    model, rows = classifier(), tf.data.Dataset.from_tensor_slices((X, BAD_LABELS["too large"]))
    with nothing_lost(model), clear_error(ValueError, "[0, 3)", "sample 50", "No step ran"):
        model.fit(rows.batch(16), verbose=0)
    model.fit(rows.take(48).batch(16), verbose=0)  # without the wrong one


def test_labels_out_of_range_in_a_stream_stop_at_their_batch():
    labels = BAD_LABELS["too large"]
    model = classifier()
    batches = [(X[i : i + 16], labels[i : i + 16]) for i in range(0, 64, 16)]
    with clear_error(ValueError, "[0, 3)", "sample 2"):
        model.fit((batch for batch in batches), verbose=0)
    assert int(model.optimizer.iterations) == 3
    sound = classifier()
    sound.fit(X[:48], labels[:48], batch_size=16, shuffle=False, verbose=0)
    for actual, expected in zip(model.get_weights(), sound.get_weights(), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_an_ignored_label_is_no_error():
    loss = keras.losses.SparseCategoricalCrossentropy(ignore_class=-1)
    goes_on(classifier(loss), BAD_LABELS["negative"])


def test_labels_out_of_range_in_a_loss_of_ones_own():
    with clear_error(ValueError, "label value of 3", "[0, 3)"):
        keras.losses.SparseCategoricalCrossentropy()(BAD_LABELS["too large"], classifier()(X))


# ---- amounts of data ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ({"y": LABELS[:50]}, ["x: 64", "y: 50"]),
        ({"y": LABELS, "sample_weight": np.ones(10)}, ["x: 64", "y: 64", "sample_weight: 10"]),
        ({"y": LABELS, "validation_data": (X, LABELS[:5])}, ["x: 64", "y: 5"]),
    ],
)
def test_mismatched_lengths(arguments, parts):
    model = classifier()
    with nothing_lost(model), clear_error(ValueError, "different numbers of samples", *parts):
        model.fit(X, verbose=0, **arguments)
    goes_on(model)


@pytest.mark.parametrize("what", ["fit", "evaluate", "predict"])
@pytest.mark.parametrize("form", ["arrays", "dataset"])
def test_empty_data(what, form):
    model = classifier()
    empty = tf.data.Dataset.from_tensor_slices((X, LABELS)).batch(8).take(0)
    data = (empty,) if form == "dataset" else (X[:0],) if what == "predict" else (X[:0], LABELS[:0])
    with nothing_lost(model), clear_error(ValueError, "the data is empty"):
        getattr(model, what)(*data, verbose=0)
    goes_on(model)


# ---- names ----------------------------------------------------------------------------------------------------------

UNKNOWN = {
    "loss": (lambda: classifier("sparse_categorical_crosentropy"), "'sparse_categorical_crossentropy'"),
    "optimizer": (lambda: classifier().compile("adm", "mse"), "'Adam'"),
    "metric": (lambda: classifier(metrics=["acuracy"]), "'accuracy'"),
    "activation": (lambda: LAYERS.Dense(1, activation="rellu"), "'relu'"),
    "initializer": (lambda: LAYERS.Dense(1, kernel_initializer="glorot_unifrom"), "'glorot_uniform'"),
    "argument of a layer": (lambda: LAYERS.Dense(1, activaton="relu"), "'activation'"),
    "argument of compile": (lambda: classifier().compile("adam", "mse", metric=["mae"]), "'metrics'"),
    "layer of a model": (lambda: classifier().get_layer("frist"), "'first'"),
}


@pytest.mark.parametrize("kind", UNKNOWN)
def test_unknown_names_come_with_the_nearest(kind):
    make, nearest = UNKNOWN[kind]
    with clear_error((ValueError, TypeError), "Did you mean", nearest, place=kind != "layer of a model"):
        make()


# ---- gradients and weights ------------------------------------------------------------------------------------------


def test_no_gradient_at_all_is_an_error():
    variable = tf.Variable(1.0, name="scale")
    with clear_error(ValueError, "No gradients", "scale", "Likely causes", ".numpy()"):
        keras.optimizers.SGD().apply_gradients([(None, variable)])
    assert float(variable) == 1.0


def test_some_missing_gradients_are_named_in_a_warning():
    model = classifier()
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(model.layers[0](X))
    gradients = tape.gradient(loss, model.trainable_variables)
    last = model.layers[1].get_weights()[0]
    with pytest.warns(UserWarning, match=r"net/last/kernel, net/last/bias.*Likely causes"):
        model.optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
    np.testing.assert_array_equal(model.layers[1].get_weights()[0], last)


def test_weights_of_the_wrong_shape():
    model = classifier()
    arrays = [np.ones_like(w) for w in model.get_weights()]
    with nothing_lost(model), clear_error(ValueError, "net", "(3,)", "(4,)", "Nothing was assigned"):
        model.set_weights([*arrays[:3], np.ones(4)])
    with nothing_lost(model), clear_error(ValueError, "4 weights", "1 arrays"):
        model.set_weights(arrays[:1])
    variable = tf.Variable([1.0, 2.0], name="pair")
    with clear_error(ValueError, "pair", "(2,)", "(3,)"):
        variable.assign([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(variable, [1.0, 2.0])


def test_a_weights_file_of_another_model(tmp_path):
    path = str(tmp_path / "other.weights.h5")
    other = keras.Sequential([keras.Input((8,)), LAYERS.Dense(6), LAYERS.Dense(3)])
    other.save_weights(path)
    model = classifier()
    with nothing_lost(model), pytest.raises(ValueError, match=r"(?s)\(8, 5\).*\(8, 6\)|\(8, 6\).*\(8, 5\)"):
        model.load_weights(path)


def test_a_variable_created_on_a_later_trace():
    @tf.function
    def scaled(x):
        return x * tf.Variable(2.0, name="factor")

    with clear_error(ValueError, "factor", "later call", "if self.v is None"):
        scaled(tf.constant(1.0))
        scaled(tf.constant(1.0))


# ---- interruption ---------------------------------------------------------------------------------------------------


def regression(**options):
    keras.utils.set_random_seed(4)
    model = keras.Sequential([keras.Input((8,)), LAYERS.Dense(64, activation="tanh"), LAYERS.Dense(3)])
    model.compile(keras.optimizers.Adam(1e-3), "mse", **options)
    return model


def interrupt_after(seconds):
    """Sends this process Ctrl-C a while from now."""
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT))
    timer.daemon = True
    timer.start()


class InterruptAt(keras.callbacks.Callback):
    """Sends Ctrl-C while a batch is handled."""

    def __init__(self, batch):
        super().__init__()
        self.batch = batch

    def on_train_batch_begin(self, batch, logs=None):
        if batch == self.batch:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("eager", [False, True])
def test_an_interrupt_between_batches_keeps_the_last_finished_step(eager):
    model, handler = regression(run_eagerly=eager), signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, NUMBERS, batch_size=8, shuffle=False, verbose=0, callbacks=[InterruptAt(2)])
    assert signal.getsignal(signal.SIGINT) is handler
    assert int(model.optimizer.iterations) == 3
    _same_as_after(model, 3, eager)
    goes_on(model, NUMBERS)


def _same_as_after(model, steps, eager=False, batch_size=8):
    """Expects the weights to be those of a model trained for as many steps on the same batches."""
    twin = regression(run_eagerly=eager)
    num_batches = len(X) // batch_size
    epochs, rest = divmod(steps, num_batches)
    options = {"batch_size": batch_size, "shuffle": False, "verbose": 0}
    if epochs:
        twin.fit(X, NUMBERS, epochs=epochs, **options)
    if rest:
        twin.fit(X[: rest * batch_size], NUMBERS[: rest * batch_size], **options)
    assert int(twin.optimizer.iterations) == steps
    for actual, expected in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


def test_an_interrupt_inside_compiled_loops_keeps_the_last_finished_step():
    model = regression()
    model.fit(X, NUMBERS, batch_size=8, shuffle=False, verbose=0)  # compiles
    interrupt_after(0.5)
    began = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, NUMBERS, batch_size=8, epochs=1_000_000, shuffle=False, verbose=0)
    assert time.perf_counter() - began < 20
    steps = int(model.optimizer.iterations)
    assert steps > 8
    assert all(np.isfinite(w).all() for w in model.get_weights())
    _same_as_after(model, steps)
    goes_on(model, NUMBERS)


def test_messages_name_the_line_of_the_user():
    with pytest.raises(ValueError, match=re.escape(HERE) + r":\d+\)$"):
        classifier().fit(X, LABELS[:3], verbose=0)
