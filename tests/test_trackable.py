"""What objects hold: one question for modules, layers, models, optimizers, metrics, lists and dicts."""

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from dovetail.base.trackable import below, children, held, leaves


class Pair:
    """An object of a user's that takes part."""

    def __init__(self):
        self.left, self.right = tf.Variable(2.0, name="left"), tf.Variable(3.0, name="right")

    def __children__(self):
        return [("left", self.left), ("right", self.right)]


class Scale(tf.Module):
    def __init__(self, value=2.0):
        super().__init__()
        self.factor = tf.Variable(value, name="factor")


class Scaled(keras.layers.Layer):
    """A layer whose weights are in a module, in an object of the user's, and in containers."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.scale, self.pair = Scale(), Pair()
        self.parts = {"more": [Scale(1.0), (keras.layers.Dense(1, use_bias=False),)]}

    def call(self, inputs):
        more, (dense,) = self.parts["more"]
        return dense(inputs) * self.scale.factor * self.pair.left * more.factor + self.pair.right


def built(layer=None):
    layer = layer or Scaled()
    layer(tf.ones((2, 3)))
    return layer


def names(variables):
    return [variable.name.removesuffix(":0") for variable in variables]


def model_of(layer):
    inputs = keras.Input((3,))
    return keras.Model(inputs, layer(inputs))


V = tf.Variable(1.0)
KINDS = {  # what is asked -> the names of its children
    "list": (lambda: [V, 1], [0, 1]),
    "dict": (lambda: {"a": V, 2: None}, ["a", 2]),
    "variable": (lambda: V, []),
    "number": (lambda: 3, []),
    "module": (Scale, ["_name", "factor"]),
    "user's": (Pair, ["left", "right"]),
    "metric": (lambda: keras.metrics.Mean(name="m"), ["total", "count"]),
    "optimizer": (lambda: keras.optimizers.SGD(0.1), ["0", "1"]),
    "wrapper": (
        lambda: keras.mixed_precision.LossScaleOptimizer(keras.optimizers.SGD(0.1)),
        ["0", "1", "2", "3", "inner_optimizer"],
    ),
    "generator": (lambda: keras.random.SeedGenerator(1), ["state"]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_children(kind):
    make, expected = KINDS[kind]
    assert [name for name, _ in children(make())] == expected


def test_layers_of_a_model_come_first_and_once():
    layer = keras.layers.Dense(1)
    for model in (model_of(layer), keras.Sequential([layer])):
        name, listed = children(model)[0]
        assert name == "layers" and layer in listed
        assert (
            below(model, lambda item: [x for x in held(item) if isinstance(x, keras.Layer)]).count(layer) == 1
        )


def test_leaves_look_into_containers_only():
    pair = Pair()
    assert list(leaves({"a": [pair, (V, "text")], "b": 1})) == [pair, V]
    assert list(held([pair])) == [pair, pair.left, pair.right]


def test_objects_that_hold_each_other_are_asked_once():
    first, second = Scale(), Scale()
    first.other, second.other = second, first
    layer = keras.layers.Layer()
    layer.first = first
    assert layer.weights == [first.factor, second.factor]
    assert first.variables == (first.factor, second.factor)


def test_weights_of_modules_and_of_users_objects_are_those_of_the_layer():
    layer = built()
    assert names(layer.weights) == ["factor", "left", "right", "factor", "kernel"]
    assert layer.trainable_weights == layer.weights == layer.variables and layer.count_params() == 7
    layer.trainable = False
    assert layer.trainable_weights == [] and len(layer.weights) == 5


def test_as_many_weights_as_in_tf_keras():
    tensorflow, tf_keras = pytest.importorskip("tensorflow"), pytest.importorskip("tf_keras")

    class Theirs(tf_keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.scale = tensorflow.Module()
            self.scale.factor = tensorflow.Variable(2.0)

    layer = keras.layers.Layer()
    layer.scale = Scale()
    assert len(Theirs().trainable_weights) == len(layer.trainable_weights) == 1


def test_they_train_in_fit_and_are_frozen():
    model = model_of(Scaled())
    x, y = np.ones((8, 3), np.float32), np.zeros((8, 1), np.float32)
    model.compile(keras.optimizers.SGD(0.01), "mse")
    before = model.get_weights()
    model.fit(x, y, epochs=1, verbose=0)
    assert all((a != b).any() for a, b in zip(before, model.get_weights()))
    model.trainable = False
    assert model.trainable_weights == [] and len(model.weights) == 5


def test_they_are_saved_and_copied(tmp_path):
    model = model_of(Scaled())
    model.layers[1].pair.left.assign(7.0)
    for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert float(copied.layers[1].pair.left) == 7.0
        assert copied.layers[1].pair.left is not model.layers[1].pair.left
    path = tmp_path / "m.weights.h5"
    model.save_weights(path)
    other = model_of(Scaled())
    other.load_weights(path)
    np.testing.assert_equal(other.get_weights(), model.get_weights())


def test_what_a_module_gets_later_is_found():
    layer = keras.layers.Layer()
    layer.scale = Scale()
    assert len(layer.trainable_weights) == 1
    layer.scale.more = tf.Variable(1.0)
    assert len(layer.trainable_weights) == 2
    layer.scale.more = tf.Variable(2.0)
    assert layer.trainable_weights[1] is layer.scale.more


def test_lists_inside_of_lists_are_watched():
    layer = keras.layers.Layer()
    layer.parts = [[tf.Variable(1.0)]]
    assert len(layer.trainable_weights) == 1
    layer.parts[0].append(tf.Variable(2.0))
    assert len(layer.trainable_weights) == 2


def test_what_is_put_in_place_of_another_is_found():
    layer = keras.layers.Layer()
    layer.parts = [tf.Variable(1.0)]
    assert layer.weights == layer.trainable_weights == layer.parts
    layer.parts[0] = tf.Variable(2.0)
    assert layer.weights == layer.trainable_weights == layer.parts


def test_weights_are_in_the_order_of_files_when_a_variable_is_frozen():
    layer = keras.layers.Layer()
    layer.first, layer.second = tf.Variable(1.0), tf.Variable(2.0)
    assert layer.weights == [layer.first, layer.second]
    layer.first.trainable = False
    assert layer.weights == layer._stored_variables() == [layer.second, layer.first]


def test_a_penalty_on_a_shared_weight_counts_once():
    layer, inner = keras.layers.Layer(), keras.layers.Dense(1, kernel_regularizer="l2", use_bias=False)
    inner.build((None, 3))
    layer.inner, layer.kernel = inner, inner.kernel
    assert len(layer.losses) == 1


def test_the_state_of_metrics_generators_and_optimizers_is_no_weight():
    layer = keras.layers.Layer()
    layer.metric, layer.seeds = keras.metrics.Mean(), keras.random.SeedGenerator(1)
    layer.optimizer = keras.optimizers.SGD(0.1)
    assert layer.weights == [] and layer.variables == [layer.seeds.state]


def test_metrics_in_modules_are_found():
    class Counted(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.tools = tf.Module()
            self.tools.seen = keras.metrics.Mean(name="seen")

        def call(self, inputs):
            self.tools.seen.update_state(inputs)
            return inputs

    model = keras.Sequential([keras.Input((1,)), Counted()])
    model.compile("sgd", "mse")
    assert "seen" in model.evaluate(np.full((4, 1), 5.0), np.zeros((4, 1)), verbose=0, return_dict=True)


def test_walks_keep_nothing_alive():
    layer = built()
    layer.trainable_weights
    gone = weakref.ref(layer.pair)
    del layer
    gc.collect()
    assert gone() is None


def test_iterators_tell_what_they_go_through():
    dataset = tf.data.Dataset.zip((tf.data.Dataset.range(3), tf.data.Dataset.range(3).map(lambda n: n + 1)))
    iterator = iter(dataset.batch(2))
    kinds = [
        type(item).__name__ for item in below(iterator, lambda item: [child for _, child in children(item)])
    ]
    assert kinds == ["Iterator", "Batch", "Zip", "Rows", "Map", "Rows"]


def test_a_layer_with_an_iterator_has_no_weights_of_it():
    layer = built()
    before = names(layer.variables)
    layer.source = iter(tf.data.Dataset.range(3))
    assert names(layer.variables) == before
    assert layer.source in list(held(layer))
