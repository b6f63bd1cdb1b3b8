"""`keras.Variable` is `tf.Variable`, made with Keras 3's arguments."""

import numpy as np
import pytest

import dovetail as tf

keras = tf.keras


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        ({"initializer": "ones", "shape": (2,)}, [1.0, 1.0]),
        ({"initializer": lambda shape, dtype: np.full(shape, 3, dtype), "shape": (2,)}, [3.0, 3.0]),
        ({"initializer": [1.0, 2.0], "layout": None, "autocast": False}, [1.0, 2.0]),
        ({"initial_value": [1.0, 2.0], "aggregation": "mean"}, [1.0, 2.0]),
    ],
)
def test_first_values(arguments, value):
    variable = keras.Variable(**arguments)
    assert type(variable) is tf.Variable and variable.dtype == "float32"
    assert variable.aggregation.name.lower() == arguments.get("aggregation", "none")
    np.testing.assert_array_equal(variable, value)


def test_names_and_paths():
    with keras.name_scope("outer"), keras.name_scope("inner"):
        variable = keras.Variable(1.0, name="state", trainable=False)
    assert (variable.name, variable.path, variable.trainable) == ("state", "outer/inner/state", False)


def test_weights_of_layers_are_variables():
    layer = keras.layers.Dense(1)
    layer.build((None, 2))
    assert all(isinstance(weight, keras.Variable) for weight in layer.weights)
    assert issubclass(tf.Variable, keras.Variable) and not isinstance(layer, keras.Variable)


def test_a_layer_tracks_one():
    class Counter(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.count = keras.Variable("zeros", shape=(), trainable=False)

        def call(self, x):
            self.count.assign_add(1.0)
            return x

    counter = Counter()
    counter(np.ones((1, 1), "float32"))
    assert float(counter.count) == 1.0 and len(counter.weights) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"initializer": "ones"}, "needs the shape"),
        ({"initializer": 1.0, "name": "a/b"}, "without '/'"),
        ({"initializer": 1.0, "aggregation": "most"}, "expected one of"),
    ],
)
def test_bad_arguments(arguments, words):
    with pytest.raises(ValueError, match=words):
        keras.Variable(**arguments)
