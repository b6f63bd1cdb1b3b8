"""Batches whose shapes change from step to step: they run on the host engine, and give what compiled steps give."""

import resource

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from dovetail.function.frequency import (
    CALLS_THAT_MAKE_A_SHAPE_FREQUENT,
    SHAPES_BEFORE_OP_BY_OP,
    Frequency,
)
from dovetail.keras.training import programs
from dovetail.ops import core

pytestmark = pytest.mark.code_of_users  # both engines' code is compared, step after step

CHANNELS, CLASSES, ROWS = 4, 3, 6


def batches(lengths, seed=0):
    rng = np.random.default_rng(seed)
    return [
        (
            rng.normal(size=(ROWS, length, CHANNELS)).astype("float32"),
            rng.integers(0, CLASSES, ROWS).astype("int32"),
        )
        for length in lengths
    ]


def convolutional():
    return [
        keras.layers.Conv1D(8, 3, padding="same", activation="relu"),
        keras.layers.BatchNormalization(),
        keras.layers.MaxPooling1D(2),
        keras.layers.SpatialDropout1D(0.2),
        keras.layers.Conv1D(8, 3, padding="causal", dilation_rate=2, activation="gelu"),
        keras.layers.AveragePooling1D(2, padding="same"),
        keras.layers.SeparableConv1D(8, 3, padding="same"),
        keras.layers.Conv1DTranspose(8, 3, strides=2),
        keras.layers.GlobalMaxPooling1D(),
    ]


def attentive():
    x = keras.Input((None, CHANNELS))
    y = keras.layers.Dense(8)(x)
    heads = keras.ops.reshape(y, (ROWS, -1, 2, 4))
    seen = keras.ops.reshape(keras.ops.dot_product_attention(heads, heads, heads), (ROWS, -1, 8))
    y = keras.layers.LayerNormalization()(y + seen)
    y = keras.layers.GlobalAveragePooling1D()(y)
    return keras.Model(x, keras.layers.Dense(CLASSES)(y))


def sequential():
    return keras.Sequential(
        [
            keras.Input((None, CHANNELS)),
            *convolutional(),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(CLASSES),
        ]
    )


MODELS = {"convolutional": sequential, "attentive": attentive}


def compiled(make):
    keras.utils.set_random_seed(7)
    model = make()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    return model


@pytest.fixture
def made(monkeypatch):
    """Counts the programs that are made."""
    count = []

    class Counted(programs.Program):
        def __init__(self, *args, **kwargs):
            count.append(1)
            super().__init__(*args, **kwargs)

    monkeypatch.setattr(programs, "Program", Counted)
    return count


class Heard(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.events = []

    def on_train_batch_begin(self, batch, logs=None):
        self.events.append(("begin", batch))

    def on_train_batch_end(self, batch, logs=None):
        self.events.append(("end", batch, sorted(logs)))


def trained(make, data):
    model, heard = compiled(make), Heard()
    history = model.fit(
        (b for b in data * 2), steps_per_epoch=len(data), epochs=2, verbose=0, callbacks=[heard]
    )
    optimizer = [np.asarray(v) for v in model.optimizer.variables]
    scores = model.evaluate(iter(data), verbose=0)
    outputs = model.predict(data[0][0], verbose=0)
    return [*model.get_weights(), *optimizer, *history.history.values(), scores, outputs], heard.events


@pytest.mark.parametrize("name", MODELS)
def test_both_ways_give_the_same(name, made, monkeypatch):
    data = batches((7, 12, 9))
    op_by_op, heard = trained(MODELS[name], data)
    assert not len(made) > 1  # the one of predict
    monkeypatch.setattr(Frequency, "compiles", lambda *args: True)
    whole, others = trained(MODELS[name], data)
    assert len(made) >= 6
    assert heard == others
    for one, other in zip(op_by_op, whole, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-5)


def test_lengths_that_all_differ_compile_nothing(made):
    model = compiled(sequential)
    data = batches(range(8, 28))
    model.fit(iter(data), verbose=0)
    model.fit(iter(data), verbose=0)
    model.evaluate(iter(data), verbose=0)
    assert not made


@pytest.mark.parametrize("name", MODELS)
def test_no_single_op_is_compiled_either(name, monkeypatch):
    def refuse(bound):
        raise AssertionError(f"{bound.op.name} was compiled")

    monkeypatch.setattr(core.Bound, "compiled", property(refuse))
    model = compiled(MODELS[name])
    model.fit(iter(batches((7, 12, 9))), verbose=0)


def test_single_batches_of_new_shapes_stop_compiling(made):
    model = compiled(attentive)
    for x, y in batches(range(4, 12)):
        model.train_on_batch(x, y)
        model.test_on_batch(x, y)
        model.predict_on_batch(x)  # by plans
    assert len(made) == 4  # two of each that are compiled


def test_equal_batches_are_compiled_at_once(made):
    model = compiled(attentive)
    model.fit(iter(batches((5, 5, 5))), verbose=0)
    assert len(made) == 1


def test_a_length_that_comes_often_is_compiled(made):
    model = compiled(attentive)
    lengths = [5, 6, *(n for i in range(CALLS_THAT_MAKE_A_SHAPE_FREQUENT) for n in (20, 21 + i))]
    model.fit(iter(batches(lengths)), verbose=0)
    assert len(made) == 1


def test_looking_ahead_takes_no_more_than_the_steps_asked_for():
    taken = []

    def source():
        for i, batch in enumerate(batches([5] * 6)):
            taken.append(i)
            yield batch

    given = source()
    model = compiled(attentive)
    model.fit(given, steps_per_epoch=1, verbose=0)
    assert taken == [0]
    model.fit(given, steps_per_epoch=2, verbose=0)
    assert taken == [0, 1, 2]


def test_what_frequency_decides():
    few = Frequency()
    for size in range(SHAPES_BEFORE_OP_BY_OP):
        assert few.compiles("f", size)
        few.compiled("f")
    answers = [few.compiles("f", "often") for _ in range(CALLS_THAT_MAKE_A_SHAPE_FREQUENT)]
    assert answers == [False] * (CALLS_THAT_MAKE_A_SHAPE_FREQUENT - 1) + [True]
    assert few.compiles("f", "announced", times=CALLS_THAT_MAKE_A_SHAPE_FREQUENT)
    changing = Frequency(at_once=0)
    assert [changing.compiles("f", size) for size in (1, 2, 1, 2)] == [False] * 4
    assert changing.compiles("f", 2)  # twice running


def step_of(signature):
    model = compiled(sequential)
    loss, optimizer = keras.losses.SparseCategoricalCrossentropy(from_logits=True), keras.optimizers.SGD(0.1)

    def step(x, y):
        with tf.GradientTape() as tape:
            value = loss(y, model(x, training=True))
        weights = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(value, weights), weights, strict=True))
        return value

    return tf.function(step, input_signature=signature)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["fit", "function"])
def test_memory_stays_flat_over_2000_shapes(way):
    def run(lengths):
        if way == "fit":
            model.fit((batch for n in lengths for batch in batches([n])), verbose=0)
        else:
            for n in lengths:
                step(*map(tf.constant, batches([n])[0]))

    model = compiled(sequential)
    step = step_of([tf.TensorSpec([None, None, CHANNELS], tf.float32), tf.TensorSpec([None], tf.int32)])
    run([3000, *range(10, 310)])  # the longest first
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run(range(310, 2010))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 16 << 10, f"the peak has grown by {grown >> 10} MiB"
