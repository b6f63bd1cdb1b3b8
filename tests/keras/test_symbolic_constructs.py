"""Loops, branches, maps and other constructs on symbolic tensors: each case, each way to use the model."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras

DATA = np.array([[1.0, -2.0, 3.0], [4.0, 5.0, -6.0]], "float32")


@tf.custom_gradient
def _clipped(x):
    return x * x, lambda dy: dy * tf.clip_by_value(2 * x, -1.0, 1.0)


def _loop(x):
    return tf.while_loop(lambda k, a: k < 3, lambda k, a: (k + 1, a * 2.0 + x), (0, tf.zeros_like(x)))[1]


def _until(x):
    return tf.while_loop(lambda a: tf.reduce_sum(tf.abs(a)) < 100.0, lambda a: (a * 3.0,), (x,))[0]


def _nested(x):
    def inner(row):
        return tf.cond(tf.reduce_sum(row) > 2.5, lambda: row * row, lambda: -row * tf.reduce_sum(x))

    return tf.map_fn(inner, x)


def _array(x):
    """The columns in turn, the last first, in an array whose elements have no shape before the loop."""
    array = tf.TensorArray(tf.float32, size=tf.shape(x)[1])
    _, array = tf.while_loop(
        lambda k, _: k >= 0, lambda k, a: (k - 1, a.write(2 - k, x[:, k] * 2.0)), (2, array)
    )
    return tf.transpose(array.stack())


CASES = {  # function, expected values on DATA
    "while": (_loop, 7 * DATA),
    "while until": (_until, 9 * DATA),
    "cond": (lambda x: tf.cond(tf.reduce_sum(x) > 0.0, lambda: x * x, lambda: -x), DATA**2),
    "case": (lambda x: tf.case([(tf.reduce_max(x) > 9.0, lambda: -x)], default=lambda: x * x), DATA**2),
    "switch": (
        lambda x: tf.switch_case(tf.shape(x)[0] - 1, [lambda: x, lambda: x * x * x, lambda: -x]),
        DATA**3,
    ),
    "map": (lambda x: tf.map_fn(lambda row: row * tf.reduce_sum(row), x), DATA * DATA.sum(1, keepdims=True)),
    "vectorized map": (lambda x: tf.vectorized_map(lambda row: row * row, x), DATA**2),
    "scan": (lambda x: tf.scan(lambda a, row: a * row, x), np.cumprod(DATA, 0)),
    "foldl": (lambda x: x * tf.foldl(lambda a, row: a * 0.5 + row, x), DATA * (DATA[0] * 0.5 + DATA[1])),
    "foldr": (lambda x: x * tf.foldr(lambda a, row: a * 0.5 + row, x), DATA * (DATA[1] * 0.5 + DATA[0])),
    "nested": (_nested, np.stack([-DATA[0] * DATA.sum(), DATA[1] ** 2 * (3 > 2.5)])),
    "tensor array": (_array, 2 * DATA[:, ::-1]),
    "custom gradient": (_clipped, DATA**2),
}


def _model(function):
    inputs = keras.Input((3,))
    return keras.Model(inputs, function(inputs))


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients(name):
    function, _ = CASES[name]
    model = _model(function)
    x = tf.constant(DATA)
    expected = function(x)
    assert model.output.shape.is_compatible_with(expected.shape)
    np.testing.assert_allclose(model(x), expected, rtol=1e-6)
    np.testing.assert_allclose(model.predict(DATA, verbose=0), expected, rtol=1e-5)
    for wanted, found in zip(_derivatives(function, x), _derivatives(model, x), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5)


def _derivatives(function, x):
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(function(x))
        first = tape.gradient(total, x)
    return first, outer.gradient(first, x, unconnected_gradients="zero")


@pytest.mark.parametrize("name", CASES)
def test_expected_values(name):
    function, expected = CASES[name]
    if name == "nested":
        expected = function(tf.constant(DATA))
    np.testing.assert_allclose(_model(function)(DATA), expected, rtol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_training_reaches_what_comes_before(name):
    inputs = keras.Input((3,))
    dense = keras.layers.Dense(3, kernel_initializer="identity")
    model = keras.Model(inputs, CASES[name][0](dense(inputs)))
    model.compile("sgd", "mse")
    before = dense.kernel.numpy()
    model.fit(DATA, np.zeros_like(DATA), epochs=1, verbose=0)
    assert np.isfinite(dense.kernel.numpy()).all() and not np.allclose(dense.kernel.numpy(), before)


def test_a_loop_carries_unknown_sizes_and_keeps_known_ones():
    x = keras.Input((3,))
    same = tf.while_loop(lambda k, a: k < 2, lambda k, a: (k + 1, a + 1.0), (0, x))
    grown = tf.while_loop(
        lambda k, a: k < 2,
        lambda k, a: (k + 1, tf.concat([a, a[:, :1]], 1)),
        (0, tf.ones((2, 3)) * x[:1, :1]),
    )
    assert same[1].shape == [None, 3] and grown[1].shape == [2, None]
    assert keras.Model(x, grown[1])(DATA).shape == [2, 5]


def test_branches_must_agree():
    x = keras.Input((3,))
    with pytest.raises(TypeError, match="branches return different things"):
        tf.cond(tf.reduce_sum(x) > 0.0, lambda: x, lambda: (x, x))


def test_variables_inside_are_weights_of_the_model():
    v = tf.Variable(2.0)
    model = _model(lambda x: tf.map_fn(lambda row: row * v, x))
    assert [w.ref() for w in model.trainable_weights] == [v.ref()]
    model.compile("sgd", "mse")
    model.fit(DATA, np.zeros_like(DATA), epochs=1, verbose=0)
    assert v.numpy() != 2.0


def test_python_code():
    tripled = _model(lambda x: tf.py_function(lambda a: a.numpy() * 3.0, [x], tf.float32))
    np.testing.assert_allclose(tripled(DATA), 3 * DATA)
    with pytest.warns(UserWarning, match="run op by op"):
        np.testing.assert_allclose(tripled.predict(DATA, verbose=0), 3 * DATA)


# ---- configs, copies, pickles, pictures


def _with_layer(name):
    inputs = keras.Input((3,))
    scale = tf.Variable([2.0, 3.0, 4.0])
    dense = keras.layers.Dense(3, activation="tanh")
    h = dense(inputs) * scale
    return keras.Model(inputs, CASES[name][0](h) + tf.map_fn(lambda row: row * scale, h))


def _with_weights_of(twin, model):
    twin.set_weights(model.get_weights())
    return twin


WAYS = {
    "config": lambda model: _with_weights_of(keras.Model.from_config(model.get_config()), model),
    "json": lambda model: _with_weights_of(keras.models.model_from_json(model.to_json()), model),
    "clone": lambda model: _with_weights_of(keras.models.clone_model(model), model),
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", CASES)
def test_twins(name, way):
    model = _with_layer(name)
    before = np.asarray(model(DATA))
    assert len(model.weights) == 3
    twin = WAYS[way](model)
    assert not {w.ref() for w in twin.weights} & {w.ref() for w in model.weights}
    assert [layer.name for layer in twin.layers] == [layer.name for layer in model.layers]
    np.testing.assert_allclose(twin(DATA), before, rtol=1e-5)
    twin.set_weights([w * 0.5 for w in twin.get_weights()])
    assert not np.allclose(twin(DATA), before, rtol=1e-5)
    np.testing.assert_allclose(model(DATA), before, rtol=1e-6)


@pytest.mark.parametrize("way", WAYS)
def test_weights_of_layers_in_raw_ops_stay_tied(way):
    inputs = keras.Input((3,))
    dense = keras.layers.Dense(2, use_bias=False)
    model = keras.Model(inputs, tf.matmul(dense(inputs), dense.kernel, transpose_b=True))
    twin = WAYS[way](model)
    assert len(twin.weights) == 1
    np.testing.assert_allclose(twin(DATA), model(DATA), rtol=1e-5)


@pytest.mark.parametrize("way", ["pickle", "deepcopy"])
def test_trained_models_pickle(way):
    inner = _with_layer("while")
    model = keras.Model(inner.input, inner.output - 1.0)
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(DATA, DATA, epochs=1, verbose=0)
    twin = WAYS[way](model)
    np.testing.assert_allclose(twin.predict(DATA, verbose=0), model.predict(DATA, verbose=0), rtol=1e-5)
    twin.fit(DATA, DATA, epochs=1, verbose=0)
    model.fit(DATA, DATA, epochs=1, verbose=0)
    for ours, theirs in zip(twin.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_long_chains_pickle():
    tensor = inputs = keras.Input((2,))
    for _ in range(1500):
        tensor = tensor + 1.0
    model = keras.Model(inputs, tensor)
    np.testing.assert_allclose(pickle.loads(pickle.dumps(model))(np.zeros((1, 2), "float32")), [[1500.0] * 2])


def test_lambdas_in_configs_are_refused_when_they_are_read():
    model = _model(lambda x: tf.py_function(lambda a: a, [x], tf.float32))
    with pytest.warns(UserWarning, match="lambda"):
        config = model.get_config()
    with pytest.raises(ValueError, match="lambda as bytecode"):
        keras.Model.from_config(config)


def test_a_second_model_changes_nothing_of_the_first():
    inputs = keras.Input((3,))
    one = inputs + 1.0
    two = one + 2.0
    first = keras.Model(inputs, [one, two])
    names = [layer.name for layer in first.layers], list(first.output_names)
    second = keras.Model(one, two)
    third = keras.Model(inputs, [two * 1.0 + 3.0, one])
    assert ([layer.name for layer in first.layers], list(first.output_names)) == names
    assert second.layers[-1].name == "tf.add" and len({layer.name for layer in third.layers}) == 5


def test_a_model_that_begins_at_a_raw_op():
    inputs = keras.Input((3,))
    middle = keras.layers.Dense(3)(inputs) * 2.0
    model = keras.Model(middle, middle + 1.0)
    np.testing.assert_allclose(model(DATA), DATA + 1)
    for way in ("config", "json", "clone", "pickle", "deepcopy"):
        np.testing.assert_allclose(WAYS[way](model)(DATA), DATA + 1)


def test_a_raw_op_in_models_is_a_layer_of_its_own_name():
    inputs = keras.Input((3,))
    one = inputs + 1.0
    first, second = keras.Model(inputs, one * 2.0 + one), keras.Model(one, one + 1.0)
    shown = [layer for layer in first.layers if layer.is_op]
    assert [layer.name for layer in shown] == ["tf.add", "tf.multiply", "tf.add_1"]
    assert all(isinstance(layer, keras.layers.Layer) and layer.weights == [] for layer in shown)
    assert shown[0].output is one and shown[0].count_params() == 0 and second.layers[1].name == "tf.add"
    twin = keras.layers.deserialize(keras.layers.serialize(shown[1]))
    assert twin.name == "tf.multiply" and twin.get_config() == shown[1].get_config()
    np.testing.assert_allclose(twin(DATA, 3.0), 3.0 * DATA)
    np.testing.assert_allclose(shown[2](tf.constant(DATA), DATA), 2.0 * DATA)
    assert first.get_layer("tf.add").output is one


@pytest.mark.parametrize("name", CASES)
def test_pictures(name, tmp_path):
    pytest.importorskip("matplotlib")
    keras.utils.plot_model(_with_layer(name), tmp_path / "model.png", show_shapes=True, dpi=40)
    assert (tmp_path / "model.png").stat().st_size > 1000


class Times(keras.layers.Layer):
    def __init__(self, factor=2.0):
        super().__init__()
        self.factor = factor

    def call(self, x):
        return x * self.factor


def test_layers_without_keyword_arguments_clone():
    inputs = keras.Input((2,))
    layer = Times(3.0)
    layer.trainable = False
    twin = keras.models.clone_model(keras.Model(inputs, layer(inputs)))
    np.testing.assert_allclose(twin(np.ones((1, 2), "float32")), [[3.0, 3.0]])
    assert twin.layers[1].name == layer.name and not twin.layers[1].trainable


def test_two_threads():
    models = [_with_layer(name) for name in ("while", "map")]
    expected = [np.asarray(model(DATA)) for model in models]

    def work(i):
        for _ in range(5):
            np.testing.assert_allclose(models[i](DATA), expected[i], rtol=1e-5)
            np.testing.assert_allclose(_model(CASES["while"][0])(DATA), 7 * DATA, rtol=1e-5)
        return True

    with ThreadPoolExecutor(2) as pool:
        assert all(pool.map(work, [0, 1]))


# ---- calls of a tf.function


@pytest.mark.parametrize("way", [None, *WAYS])
def test_a_tf_function_is_one_node(way):
    scale = tf.Variable(3.0)

    @tf.function
    def scaled(x, k=2.0):
        return {"a": x * scale * k, "rows": tf.shape(x)[0]}

    inputs = keras.Input((3,))
    model = keras.Model(inputs, scaled(inputs)["a"])
    assert [layer.name for layer in model.layers][1:] == ["tf.function"]
    assert [w.ref() for w in model.weights] == [scale.ref()]
    twin = model if way is None else WAYS[way](model)
    np.testing.assert_allclose(twin(DATA), 6 * DATA)
    np.testing.assert_allclose(twin.predict(DATA, verbose=0), 6 * DATA)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(twin(DATA))
    np.testing.assert_allclose(tape.gradient(total, twin.weights[0]), 2 * DATA.sum(), rtol=1e-6)
