"""`keras.Operation`, `keras.Function`, and the scopes of Keras 3."""

import numpy as np
import pytest

import dovetail as tf

keras = tf.keras
ONES = np.ones((2, 3), "float32")


@keras.saving.register_keras_serializable("tests")
class Times(keras.Operation):
    def __init__(self, factor, name=None):
        super().__init__(name)
        self.factor = factor

    def call(self, x):
        return x * self.factor


class Halved(keras.Operation):
    def call(self, x):
        return x[:, ::2]

    def compute_output_spec(self, x):
        return keras.KerasTensor((x.shape[0], 2), x.dtype)


def test_an_operation_runs_on_values_and_on_symbolic_tensors():
    np.testing.assert_array_equal(Times(3.0)(ONES), 3 * ONES)
    inputs = keras.Input((3,))
    outputs = Halved()(Times(2.0)(inputs))
    assert outputs.shape == (None, 2)
    model = keras.Model(inputs, outputs)
    np.testing.assert_array_equal(model(ONES), np.full((2, 2), 2.0))
    np.testing.assert_array_equal(model.predict(ONES, verbose=0), np.full((2, 2), 2.0))


def test_a_model_with_an_operation_comes_back_from_its_config():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, Times(2.0, name="twice")(inputs))
    again = keras.Model.from_config(model.get_config())
    np.testing.assert_array_equal(again(ONES), 2 * ONES)
    assert Times.from_config(Times(4.0, name="four").get_config()).name == "four"


def test_names_inputs_and_outputs():
    operation = Times(2.0, name="twice")
    with pytest.raises(AttributeError, match="twice has not been called"):
        operation.output
    inputs = keras.Input((3,))
    outputs = operation(inputs)
    assert operation.input is inputs and operation.output is outputs
    with pytest.raises(ValueError, match="name must be a string"):
        Times(2.0, name=3)
    with pytest.raises(NotImplementedError, match="has no call"):
        keras.Operation()(ONES)


def test_layers_are_operations():
    assert isinstance(keras.layers.Dense(1), keras.Operation)
    assert isinstance(Times(1.0), keras.Operation) and not isinstance(keras.layers.Dense(1), Times)
    assert not isinstance(3, keras.Operation)


def test_a_function_computes_what_is_between_tensors():
    a, b = keras.KerasTensor((2, 3), "float32"), keras.KerasTensor((2, 3), "float32")
    function = keras.Function([a, b], {"sum": a + b, "relu": keras.ops.relu(a - b)}, name="both")
    found = function([ONES, 2 * ONES])
    np.testing.assert_array_equal(found["sum"], 3 * ONES)
    np.testing.assert_array_equal(found["relu"], 0 * ONES)
    assert function.name == "both" and len(function.inputs) == 2 and len(function.outputs) == 2


def test_a_stateless_scope_keeps_its_writes():
    variable, other = keras.Variable(np.zeros(2, "float32")), keras.Variable(1.0)
    with keras.StatelessScope([(variable, [1.0, 1.0])]) as scope:
        variable.assign_add([1.0, 2.0])
        np.testing.assert_array_equal(variable, [2.0, 3.0])
        scope.add_update((variable, [5.0, 5.0]))
    np.testing.assert_array_equal(scope.get_current_value(variable), [5.0, 5.0])
    assert scope.get_current_value(other) is None
    np.testing.assert_array_equal(variable, [0.0, 0.0])
    with pytest.raises(ValueError, match=r"has shape \(2,\), the value given for it \(3,\)"):
        keras.StatelessScope([(variable, np.ones(3))])
    with pytest.raises(ValueError, match="pairs"):
        keras.StatelessScope([(3, 1.0)])


def test_a_symbolic_scope_assigns_nothing():
    layer = keras.layers.BatchNormalization()
    layer.build((None, 3))
    with keras.SymbolicScope():
        assert layer(keras.KerasTensor((None, 3), "float32"), training=True).shape == (None, 3)
    np.testing.assert_array_equal(layer.moving_mean, np.zeros(3))


MODES = ["full", "activations", "larger_than", "list_of_layers"]


def _model(mode):
    keras.utils.set_random_seed(7)
    with keras.RematScope(mode, output_size_threshold=10, layer_names=["hidden"]):
        layers = [
            keras.layers.Dense(8, activation="relu", name="hidden"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(1),
        ]
        return keras.Sequential([keras.Input((3,)), *layers])


def _trained(mode):
    model = _model(mode)
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).random((16, 3), "float32")
    history = model.fit(x, x[:, :1], epochs=2, batch_size=8, shuffle=False, verbose=0).history["loss"]
    return history, model.get_weights()


@pytest.mark.parametrize("mode", MODES)
def test_recomputed_layers_train_alike(mode):
    expected, weights = _trained(None)
    found, others = _trained(mode)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    for one, other in zip(weights, others, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-6)


def test_the_scope_says_which_layers():
    runs = []

    class Noisy(keras.layers.Layer):
        def call(self, x):
            runs.append(self.name)
            return x * x

    with keras.RematScope("list_of_layers", layer_names=["again"]):
        again, once = Noisy(name="again"), Noisy(name="once")
    x = tf.constant(ONES)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = again(x) + once(x)
    tape.gradient(y, x)
    assert runs.count("again") == 2 and runs.count("once") == 1
    with pytest.raises(ValueError, match="mode must be one of"):
        keras.RematScope("most")


@pytest.mark.parametrize("compiled", [False, True])
def test_recomputing_repeats_draws_and_assigns_once(compiled):
    dropout, norm = keras.layers.Dropout(0.5, seed=3), keras.layers.BatchNormalization()
    x = tf.constant(np.random.default_rng(1).random((6, 3), "float32"))
    norm(x)

    def run(f):
        dropout.seed_generator.state.assign(tf.zeros_like(dropout.seed_generator.state))
        norm.moving_mean.assign(np.zeros(3))

        def step():
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = tf.reduce_sum(f(x) ** 2)
            return tape.gradient(y, [x, norm.gamma])

        found = (tf.function(step) if compiled else step)()
        return [*found, norm.moving_mean.numpy(), dropout.seed_generator.state.numpy()]

    def f(x):
        return dropout(norm(x * x, training=True), training=True)

    for expected, found in zip(run(f), run(keras.remat(f)), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6)
