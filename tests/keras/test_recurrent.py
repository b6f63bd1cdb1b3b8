"""Recurrent layers beyond the rows: states, cells, loops, masks, ragged inputs, and Keras 2 where it differs."""

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from dovetail.base.settings import settings
from dovetail.keras import layers

X = np.random.default_rng(0).normal(size=(3, 5, 2)).astype("float32")
MASK = np.array([[1, 1, 0, 1, 0], [0, 0, 1, 1, 1], [0, 0, 0, 0, 0]], bool)
KINDS = ("SimpleRNN", "LSTM", "GRU")


@pytest.fixture(scope="module")
def peer():
    return pytest.importorskip("keras")


@pytest.fixture(scope="module")
def keras_2():
    return pytest.importorskip("tf_keras")


def like(ours, theirs, *shape):
    """Returns the peer's layer, with our weights."""
    if not theirs.built:
        theirs.build(shape)
    theirs.set_weights(ours.get_weights())
    return theirs


def near(actual, expected, tolerance=1e-5):
    actual, expected = tf.nest.flatten(actual), tf.nest.flatten(expected)
    assert len(actual) == len(expected)
    for a, b in zip(actual, expected, strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=tolerance, atol=tolerance)


def grown(cell):
    return [[4], [4, 4], [4]][("SimpleRNNCell", "LSTMCell", "GRUCell").index(cell)]


# ---- cells


@pytest.mark.parametrize("kind", ("SimpleRNNCell", "LSTMCell", "GRUCell"))
def test_one_step_of_a_cell(kind, peer):
    states = [np.full((3, n), 0.5, "float32") for n in grown(kind)]
    ours = getattr(layers, kind)(4, bias_initializer="random_normal")
    found = ours(X[:, 0], [tf.constant(s) for s in states])
    theirs = like(ours, getattr(peer.layers, kind)(4), 3, 2)
    near(found, theirs(X[:, 0], [peer.ops.convert_to_tensor(s) for s in states]))
    assert [w.name for w in ours.weights] == [w.name for w in theirs.weights]
    assert ours.state_size == theirs.state_size and ours.output_size == 4
    near(ours.get_initial_state(3), theirs.get_initial_state(3))
    assert type(ours).from_config(ours.get_config()).get_config() == ours.get_config()


@pytest.mark.parametrize("kind", KINDS)
def test_a_cell_keeps_its_masks_of_dropout_until_they_are_reset(kind):
    cell = getattr(layers, f"{kind}Cell")(4, dropout=0.5, recurrent_dropout=0.5, seed=1)
    states, x = cell.get_initial_state(3), tf.ones((3, 20))
    first, second = (cell(x, states, training=True)[0].numpy() for _ in range(2))
    assert np.array_equal(first, second)
    cell.reset_dropout_mask()
    cell.reset_recurrent_dropout_mask()
    assert not np.array_equal(cell(x, states, training=True)[0], first)


class Nested(keras.layers.Layer):
    """A cell of two inputs, with states in a structure and constants."""

    state_size = (3, tf.TensorShape([2, 2]))
    output_size = 3

    def call(self, inputs, states, constants=None):
        vector, matrix = states
        new = vector * 0.5 + inputs["a"] + tf.reduce_sum(matrix, axis=(1, 2))[:, None]
        return new * (1.0 if constants is None else constants[0]), (new, matrix + inputs["b"][:, None])


def test_nested_inputs_states_and_constants():
    rng = np.random.default_rng(1)
    a, b = (rng.normal(size=(2, 12, n)).astype("float32") for n in (3, 2))
    layer = layers.RNN(Nested(), return_sequences=True, return_state=True)
    inputs = {"a": tf.constant(a), "b": tf.constant(b)}
    outputs, vector, matrix = layer(inputs, constants=[tf.constant(2.0)])
    v, m, expected = np.zeros((2, 3)), np.zeros((2, 2, 2)), []
    for t in range(12):
        v = v * 0.5 + a[:, t] + m.sum((1, 2))[:, None]
        m = m + b[:, t][:, None]
        expected.append(2 * v)
    near((outputs, vector, matrix), (np.stack(expected, 1), v, m), 1e-4)
    compiled = tf.function(lambda x: layer(x, constants=[tf.constant(2.0)]))
    near(compiled(inputs), (outputs, vector, matrix))


@pytest.mark.parametrize("steps", (5, 20))
def test_stacked_cells_equal_layers_one_above_the_other(steps, peer):
    x = np.random.default_rng(2).normal(size=(3, steps, 2)).astype("float32")
    mask = np.random.default_rng(3).random((3, steps)) > 0.3
    cells = [layers.LSTMCell(4), layers.GRUCell(3, activation="elu")]  # the second runs step by step
    ours = layers.RNN(cells, return_sequences=True, return_state=True)
    found = ours(tf.constant(x), mask=tf.constant(mask))
    theirs = peer.layers.RNN(
        [peer.layers.LSTMCell(4), peer.layers.GRUCell(3, activation="elu")],
        return_sequences=True,
        return_state=True,
    )
    like(ours, theirs, 3, steps, 2)
    near(found, theirs(x, mask=mask), 1e-4)
    near(tf.function(ours)(tf.constant(x), mask=tf.constant(mask)), found)


# ---- loops


class Counting(keras.layers.Layer):
    """A cell that counts how often its step is traced."""

    state_size = 2
    traces = 0

    def call(self, inputs, states):
        type(self).traces += 1
        return tf.tanh(inputs + states[0]), [tf.tanh(inputs + states[0])]


def test_a_custom_cell_is_one_loop_in_compiled_code():
    layer = layers.RNN(Counting())
    x = np.random.default_rng(4).normal(size=(2, 300, 2)).astype("float32")
    expected = layer(tf.constant(x))
    Counting.traces = 0
    near(tf.function(layer)(tf.constant(x)), expected)
    assert Counting.traces < 12
    inputs = keras.Input((None, 2))
    model = keras.Model(inputs, layer(inputs))
    near(model.predict(x, verbose=0), expected)


@pytest.mark.parametrize("unroll", (False, True))
def test_gradients_of_a_custom_cell_in_compiled_code(unroll):
    layer = layers.RNN(layers.LSTMCell(3, activation="softsign"), unroll=unroll)
    x = tf.constant(np.random.default_rng(5).normal(size=(2, 11, 2)).astype("float32"))
    layer(x)

    def gradients(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x) ** 2)
        return tape.gradient(loss, [x, *layer.trainable_weights])

    near(tf.function(gradients)(x), gradients(x), 1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_second_derivatives(kind):
    layer = getattr(layers, kind)(3)
    x = tf.constant(X)
    layer(x)

    def twice():
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                loss = tf.reduce_sum(layer(x) ** 3)
            first = inner.gradient(loss, x)
            total = tf.reduce_sum(first * first)
        return first, outer.gradient(total, x)

    first, second = twice()
    step = 1e-2
    moved = []
    for sign in (1, -1):
        y = tf.constant(X + sign * step * second.numpy() / np.linalg.norm(second))
        with tf.GradientTape() as tape:
            tape.watch(y)
            loss = tf.reduce_sum(layer(y) ** 3)
        moved.append(float(tf.reduce_sum(tape.gradient(loss, y) ** 2)))
    np.testing.assert_allclose((moved[0] - moved[1]) / (2 * step), np.linalg.norm(second), rtol=2e-2)


@pytest.mark.parametrize("kind", KINDS)
def test_no_steps_at_all(kind):
    layer = getattr(layers, kind)(3, return_sequences=True, return_state=True)
    outputs, *states = layer(tf.zeros((2, 0, 4)))
    assert outputs.shape == (2, 0, 3) and all(not s.numpy().any() for s in states)
    custom = layers.RNN(Counting(), return_sequences=True)
    assert custom(tf.zeros((2, 0, 2))).shape == (2, 0, 2)


# ---- masks and states


@pytest.mark.parametrize("backwards", (False, True))
@pytest.mark.parametrize("kind", KINDS)
def test_masks_with_initial_states(kind, backwards, peer):
    options = {"return_sequences": True, "return_state": True, "go_backwards": backwards}
    ours = getattr(layers, kind)(4, **options)
    states = [np.full((3, 4), 0.3, "float32")] * (2 if kind == "LSTM" else 1)
    found = ours(tf.constant(X), mask=tf.constant(MASK), initial_state=[tf.constant(s) for s in states])
    theirs = like(ours, getattr(peer.layers, kind)(4, **options), 3, 5, 2)
    near(found, theirs(X, mask=MASK, initial_state=[peer.ops.convert_to_tensor(s) for s in states]))
    last = getattr(layers, kind)(4, go_backwards=backwards)
    last.build((3, 5, 2))
    last.set_weights(ours.get_weights())
    near(last(tf.constant(X), mask=tf.constant(MASK), initial_state=states), found[0][:, -1])


def test_outputs_mask():
    x = layers.Masking()(tf.constant(X * MASK[..., None]))
    y = layers.LSTM(4, return_sequences=True, return_state=True)(x)
    np.testing.assert_array_equal(y[0]._keras_mask, MASK)
    assert not hasattr(y[1], "_keras_mask") and not hasattr(layers.GRU(4)(x), "_keras_mask")


@pytest.mark.parametrize("kind", KINDS)
def test_stateful_layers_go_on(kind, peer):
    ours = getattr(layers, kind)(4, stateful=True)
    first = [ours(X), ours(X)]
    theirs = getattr(peer.layers, kind)(4, stateful=True)
    like(ours, theirs, 3, 5, 2)
    near(first, [theirs(X), theirs(X)])
    near(ours.states, [np.asarray(s) for s in theirs.states])
    assert len(ours.weights) == len(theirs.weights) and len(ours.variables) == len(theirs.variables)
    ours.reset_state()
    near(ours(X), first[0])
    ours.reset_states([np.ones((3, 4))] * len(ours.states))
    near(ours.states[0], np.ones((3, 4)))
    model = keras.Sequential([keras.Input(batch_shape=(3, 5, 2)), ours])
    ours.reset_state()
    near(model.predict(X, batch_size=3, verbose=0), first[0])
    near(model.predict(X, batch_size=3, verbose=0), first[1])
    with pytest.raises(ValueError, match=r"batches of 3, received one of 2"):
        ours(X[:2])
    with pytest.raises(ValueError, match="known batch size"):
        keras.Sequential([keras.Input((5, 2)), getattr(layers, kind)(4, stateful=True)])


def test_dropout_serves_all_steps_and_repeats_with_the_seed():
    def run(**more):
        keras.utils.set_random_seed(1)
        layer = layers.LSTM(4, dropout=0.4, recurrent_dropout=0.3, return_sequences=True, **more)
        return layer(tf.ones((2, 6, 8)), training=True).numpy()

    assert np.array_equal(run(), run()) and np.array_equal(run(seed=3), run(seed=3))
    assert not np.array_equal(run(seed=3), run(seed=4))
    assert run(activation="softsign").shape == (2, 6, 4)  # step by step
    layer = layers.RNN(
        [layers.LSTMCell(4, dropout=0.5), layers.GRUCell(3, recurrent_dropout=0.5, activation="elu")]
    )
    compiled = tf.function(lambda x: layer(x, training=True))
    x = tf.ones((2, 20, 8))
    assert not np.array_equal(compiled(x), compiled(x))


# ---- the wrapper of both directions


@pytest.mark.parametrize("mode", ("concat", "sum", "mul", "ave", None))
def test_bidirectional_with_states(mode, peer):
    ours = layers.Bidirectional(layers.LSTM(3, return_sequences=True, return_state=True), merge_mode=mode)
    states = [np.full((3, 3), 0.1 * i, "float32") for i in range(4)]
    found = ours(X, initial_state=[tf.constant(s) for s in states], mask=tf.constant(MASK))
    theirs = peer.layers.Bidirectional(
        peer.layers.LSTM(3, return_sequences=True, return_state=True), merge_mode=mode
    )
    like(ours, theirs, 3, 5, 2)
    near(found, theirs(X, initial_state=[peer.ops.convert_to_tensor(s) for s in states], mask=MASK))
    shapes = tf.nest.flatten([tuple(s) for s in ours.compute_output_shape((3, 5, 2))])
    assert shapes == tf.nest.flatten([tuple(s) for s in theirs.compute_output_shape((3, 5, 2))])
    symbolic = ours(keras.Input((None, 2)))
    assert len(tf.nest.flatten(symbolic)) == len(tf.nest.flatten(found))


def test_bidirectional_refuses_halves_that_do_not_fit():
    with pytest.raises(ValueError, match="go_backwards"):
        layers.Bidirectional(layers.LSTM(3), backward_layer=layers.LSTM(3))
    with pytest.raises(ValueError, match="return_sequences is False forwards and True backwards"):
        layers.Bidirectional(
            layers.LSTM(3), backward_layer=layers.LSTM(3, go_backwards=True, return_sequences=True)
        )
    with pytest.raises(ValueError, match="merge_mode"):
        layers.Bidirectional(layers.LSTM(3), merge_mode="max")


# ---- convolutional ones


@pytest.mark.parametrize("data_format", ("channels_last", "channels_first"))
def test_conv_lstm_with_states_and_dropout(data_format):
    options = {"data_format": data_format, "padding": "same", "return_state": True, "return_sequences": True}
    layer = layers.ConvLSTM2D(3, 2, **options)
    shape = (2, 4, 5, 6, 2) if data_format == "channels_last" else (2, 4, 2, 5, 6)
    x = tf.constant(np.random.default_rng(6).normal(size=shape).astype("float32"))
    outputs, h, c = layer(x)
    assert [tuple(s) for s in layer.compute_output_shape(shape)] == [outputs.shape, h.shape, c.shape]
    near(outputs[:, -1], h)
    half, h_half, c_half = layer(x[:, :2])
    near(
        (half, *layer(x[:, 2:], initial_state=[h_half, c_half])), (outputs[:, :2], outputs[:, 2:], h, c), 1e-4
    )
    cell = layer.cell
    y, states = cell(x[:, 0], cell.get_initial_state(2))
    near((y, states[0]), (outputs[:, 0], outputs[:, 0]), 1e-4)
    wet = layers.ConvLSTM2D(3, 2, dropout=0.5, recurrent_dropout=0.5, **options)
    assert not np.array_equal(wet(x, training=True)[0], wet(x, training=True)[0])
    stateful = layers.ConvLSTM2D(3, 2, stateful=True, **options)
    stateful.build(shape)
    stateful.set_weights(layer.get_weights())
    near((stateful(x[:, :2])[0], stateful(x[:, 2:])[0]), (outputs[:, :2], outputs[:, 2:]), 1e-4)


# ---- Keras 2


@pytest.fixture
def for_keras_2(monkeypatch):
    monkeypatch.setattr(settings, "keras", 2)


@pytest.mark.parametrize("kind", KINDS)
def test_time_major_and_states_behind_the_inputs(kind, keras_2, for_keras_2):
    ours = getattr(layers, kind)(4, return_sequences=True, return_state=True, **time_major(kind))
    states = [np.full((5 if time_major(kind) else 3, 4), 0.2, "float32")] * (2 if kind == "LSTM" else 1)
    found = ours([tf.constant(X), *[tf.constant(s) for s in states]])
    theirs = getattr(keras_2.layers, kind)(4, return_sequences=True, return_state=True, **time_major(kind))
    like(ours, theirs, 3, 5, 2)
    near(found, theirs([keras_2.backend.constant(a) for a in (X, *states)]))


def time_major(kind):
    return {} if kind == "SimpleRNN" else {"time_major": True}


def test_ragged_sequences(keras_2, for_keras_2):
    rows = tf.RaggedTensor.from_row_lengths(tf.constant(X.reshape(-1, 2)), [4, 1, 5, 5])
    tensorflow = pytest.importorskip("tensorflow")
    theirs_rows = tensorflow.RaggedTensor.from_row_lengths(X.reshape(-1, 2), [4, 1, 5, 5])
    for options in ({}, {"go_backwards": True}):
        ours = layers.LSTM(3, return_sequences=True, **options)
        found = ours(rows)
        theirs = like(ours, keras_2.layers.LSTM(3, return_sequences=True, **options), None, None, 2)
        expected = theirs(theirs_rows)
        near(found.flat_values, expected.flat_values)
        assert found.row_lengths().numpy().tolist() == [4, 1, 5, 5]
    both = layers.Bidirectional(layers.GRU(3, return_sequences=True))
    found = both(rows)
    theirs = like(
        both, keras_2.layers.Bidirectional(keras_2.layers.GRU(3, return_sequences=True)), None, None, 2
    )
    near(found.flat_values, theirs(theirs_rows).flat_values)


def test_what_keras_2_has_otherwise(keras_2, for_keras_2):
    assert layers.ConvLSTM1D(2, 2).recurrent_activation is keras.activations.hard_sigmoid
    x = np.linspace(-4, 4, 9).astype("float32")
    near(
        keras.activations.hard_sigmoid(tf.constant(x)),
        keras_2.activations.hard_sigmoid(keras_2.backend.constant(x)),
    )
    for kind in KINDS:
        ours, theirs = (getattr(k.layers, kind)(4).get_config() for k in (keras, keras_2))
        assert set(theirs) - set(ours) <= {"activity_regularizer"}, kind
    both = layers.Bidirectional(
        layers.LSTM(2), backward_layer=layers.LSTM(2, go_backwards=True, name="other")
    )
    assert both.backward_layer.name == "backward_other"


class Minimal(keras.layers.AbstractRNNCell):
    """A cell as Keras 2 wants them."""

    @property
    def state_size(self):
        return 2

    @property
    def output_size(self):
        return 2

    def call(self, inputs, states):
        return inputs + states[0], [inputs + states[0]]


def test_abstract_cells():
    near(layers.RNN(Minimal())(X), X.sum(1))
    near(Minimal().get_initial_state(batch_size=3, dtype="float32"), np.zeros((3, 2)))
    near(Minimal().get_initial_state(inputs=tf.constant(X[:, 0])), np.zeros((3, 2)))


# ---- errors


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.LSTM(0), "units"),
        (lambda: layers.LSTM(2, dropout=1.5), "dropout must be a number from 0 to 1, received 1.5"),
        (lambda: layers.GRU(2, use_cudnn="yes"), "use_cudnn"),
        (lambda: layers.GRU(2, implementation=3), "implementation must be 0, 1 or 2"),
        (lambda: layers.RNN(object()), "a cell needs a method `call`"),
        (lambda: layers.RNN(layers.Dense(2)), "state_size"),
        (lambda: layers.StackedRNNCells([]), "list of cells"),
        (lambda: layers.LSTM(2)(X, initial_state=[tf.zeros((3, 2))]), "2 initial states"),
        (lambda: layers.LSTM(2)(X, initial_state=[tf.zeros((3, 4))] * 2), "received .*3, 4"),
        (lambda: layers.LSTM(2, unroll=True)(keras.Input((None, 2))), "known number of steps"),
        (lambda: layers.ConvLSTM2D(2, 2, strides=2, dilation_rate=2), "cannot both exceed 1"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message) as error:
        make()
    assert "test_recurrent.py" in str(error.value) or "units" in message


# ---- layers for every step

FRAMES = np.random.default_rng(7).normal(size=(2, 3, 4, 5)).astype("float32")


def test_every_step_gets_its_mask(peer):
    mask = np.random.default_rng(8).random((2, 3, 4)) > 0.4
    ours = layers.TimeDistributed(layers.LSTM(3))
    found = ours(tf.constant(FRAMES), mask=tf.constant(mask))
    theirs = like(ours, peer.layers.TimeDistributed(peer.layers.LSTM(3)), *FRAMES.shape)
    near(found, theirs(FRAMES, mask=mask))
    for wrong in (mask[:, :2], mask[0, 0]):
        with pytest.raises(ValueError, match="expected a mask that begins with the axes"):
            ours(tf.constant(FRAMES), mask=tf.constant(wrong))


def test_models_of_several_inputs_and_outputs_for_every_step():
    inputs = {"a": keras.Input((4, 5)), "b": keras.Input((4, 5))}
    total = layers.Add()(list(inputs.values()))
    model = keras.Model(inputs, {"sum": total, "flat": layers.Flatten()(total)})
    every = layers.TimeDistributed(model)
    given = {"a": tf.constant(FRAMES), "b": tf.constant(FRAMES)}
    found = every(given)
    near((found["sum"], found["flat"]), (2 * FRAMES, 2 * FRAMES.reshape(2, 3, 20)))
    shapes = every.compute_output_shape({"a": (2, None, 4, 5), "b": (2, None, 4, 5)})
    assert shapes == {"sum": (2, None, 4, 5), "flat": (2, None, 20)}
    outer = {name: keras.Input((None, 4, 5)) for name in inputs}
    near(keras.Model(outer, every(outer)["flat"])(given), found["flat"])
