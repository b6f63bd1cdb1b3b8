"""What programs for Keras 1 and 2 ask of a model, beside tf_keras."""

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from dovetail.base.settings import settings

RNG = np.random.default_rng(4)
X = RNG.random((10, 3)).astype("float32")
Y = X.sum(1, keepdims=True)


@pytest.fixture
def peer(monkeypatch):
    monkeypatch.setattr(settings, "keras", 2)
    return pytest.importorskip("tf_keras")


def twice(k):
    """A model with one layer that gives two outputs, and its training with batches of 4, 4 and 2 samples."""
    x = k.Input((3,))
    layer = k.layers.Dense(1, name="d", kernel_initializer="ones")
    model = k.Model(x, [layer(x), layer(x * 2.0)])
    model.compile(k.optimizers.SGD(0.1), "mse", metrics=["mae"], run_eagerly=k is not keras)
    names = [model.metrics_names]
    history = model.fit(X, [Y, Y], batch_size=4, shuffle=False, verbose=0).history
    return model, [*names, model.metrics_names], history


def test_two_outputs_of_one_layer_have_two_names_and_losses_by_samples(peer):
    ours, own_names, own = twice(keras)
    theirs, their_names, their = twice(peer)
    assert ours.output_names == theirs.output_names == ["d", "d_1"]
    assert own_names == their_names and own_names[0] == []
    assert list(own) == list(their)
    for name, values in their.items():
        np.testing.assert_allclose(own[name], values, rtol=1e-5, err_msg=name)
    np.testing.assert_allclose(
        ours.evaluate(X, [Y, Y], 4, verbose=0), theirs.evaluate(X, [Y, Y], 4, verbose=0), 1e-5
    )


def test_two_outputs_of_one_layer_keep_both_losses_in_keras_3_too():
    model, names, history = twice(keras)
    assert model.output_names == ["d", "d"] and {"d_loss", "d_1_loss"} <= set(history) & set(names[1])


def batches():
    while True:
        yield X, Y


@pytest.fixture
def model():
    made = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, name="only")], name="net")
    made.compile(keras.optimizers.Adam(0.1), keras.losses.Huber(0.5), metrics=["mae"], loss_weights=[0.5])
    return made


def test_generators_have_methods_of_their_own(model):
    with pytest.warns(DeprecationWarning, match="use fit"):
        assert (
            len(model.fit_generator(batches(), steps_per_epoch=2, epochs=3, verbose=0).history["loss"]) == 3
        )
    with pytest.warns(DeprecationWarning, match="use evaluate"):
        found = model.evaluate_generator(batches(), steps=2)
    np.testing.assert_allclose(found, model.evaluate(X, Y, verbose=0), rtol=1e-5)
    with pytest.warns(DeprecationWarning, match="use predict"):
        assert model.predict_generator(batches(), steps=2).shape == (20, 1)


def test_steps_are_functions_of_an_iterator(model):
    run, test, predict = (
        model.make_train_function(),
        model.make_test_function(),
        model.make_predict_function(),
    )
    first = float(test(iter([(X, Y)]))["loss"])
    for _ in range(5):
        model.reset_metrics()
        run(iter([(X, Y)]))
    model.reset_metrics()
    assert float(test(iter([(X, Y)]))["loss"]) < first and predict(iter([(X,)])).shape == (10, 1)
    assert int(model.optimizer.iterations) == 5


def test_compile_comes_back_from_its_config(model):
    config = model.get_compile_config()
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    assert other.get_compile_config() == {}
    other.compile_from_config(config)
    assert isinstance(other.loss, keras.losses.Huber) and other.optimizer.built
    other.set_weights(model.get_weights())
    np.testing.assert_allclose(other.evaluate(X, Y, verbose=0), model.evaluate(X, Y, verbose=0))


def test_what_is_always_so(model):
    assert model.updates == model.state_updates == [] and not model.dynamic and not model.stateful
    assert list(model.get_weight_paths()) == ["only.kernel", "only.bias"]
    assert model.get_weight_paths()["only.kernel"] is model.weights[0]
    with pytest.raises(RuntimeError, match="to_json"):
        model.to_yaml()


def test_metrics_and_losses_of_a_step_by_hand():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(1)

        def call(self, x):
            return self.dense(x)

        def train_step(self, data):
            x, y = data
            with tf.GradientTape() as tape:
                y_pred = self(x, training=True)
                loss = self.compiled_loss(y, y_pred, regularization_losses=self.losses)
            self.optimizer.minimize(loss, self.trainable_variables, tape=tape)
            self.compiled_metrics.update_state(y, y_pred)
            return {metric.name: metric.result() for metric in self.metrics}

    own = Own()
    own.compile("sgd", "mse", metrics=["mae"])
    assert "loss" in own.fit(X, Y, epochs=1, verbose=0).history
    own.reset_states()


@pytest.mark.parametrize("splits", [None, 2])
def test_sharpness_aware_minimization(peer, splits):
    found = []
    for k in (keras, peer):
        inner = k.Sequential(
            [
                k.layers.Dense(
                    4, activation="tanh", kernel_initializer=k.initializers.Constant(0.3), input_shape=(3,)
                ),
                k.layers.Dense(1, kernel_initializer="ones"),
            ]
        )
        model = k.models.experimental.SharpnessAwareMinimization(inner, rho=0.1, num_batch_splits=splits)
        model.compile(k.optimizers.SGD(0.1), "mse", metrics=["mae"], run_eagerly=k is not keras)
        history = model.fit(X[:8], Y[:8], batch_size=4, epochs=2, shuffle=False, verbose=0).history
        found.append([*history["loss"], *history["mae"], *(w.sum() for w in inner.get_weights())])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-4)
    kind = keras.models.experimental.SharpnessAwareMinimization
    config = kind(keras.Sequential([keras.layers.Dense(1)]), 0.2).get_config()
    assert kind.from_config(config).rho == 0.2
