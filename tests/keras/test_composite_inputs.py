"""`keras.Input` for composite tensors: ragged, sparse and by a spec, in functional models."""

import copy
import pickle

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras


class Pair(tf.experimental.ExtensionType):
    a: tf.Tensor
    b: tf.Tensor


def test_a_ragged_input():
    inputs = keras.Input([None], ragged=True)
    assert isinstance(inputs, tf.RaggedTensor)
    assert inputs.shape.as_list() == [None, None]
    model = keras.Model(inputs, inputs * 2.0 + 1.0)
    assert model(tf.ragged.constant([[1.0, 2.0], [3.0]])).to_list() == [[3.0, 5.0], [7.0]]
    with pytest.raises(ValueError, match="expected a RaggedTensor"):
        model(tf.ones([2, 2]))


def test_a_sparse_input():
    inputs = keras.Input([3], sparse=True)
    assert isinstance(inputs, tf.SparseTensor)
    assert inputs.shape.as_list() == [None, 3]
    model = keras.Model(inputs, keras.layers.Lambda(lambda s: tf.sparse.to_dense(s) * 2.0)(inputs))
    np.testing.assert_array_equal(model(tf.sparse.from_dense([[0.0, 1.0, 0.0]])), [[0.0, 2.0, 0.0]])


def test_an_input_by_a_spec():
    spec = Pair.Spec(tf.TensorSpec([None, 2]), tf.TensorSpec([None, 2]))
    inputs = keras.Input(type_spec=spec)
    dense = keras.layers.Dense(2)
    model = keras.Model(inputs, Pair(inputs.a + inputs.b, dense(inputs.b)))
    out = model(Pair(tf.ones([3, 2]), tf.ones([3, 2])))
    assert isinstance(out, Pair)
    np.testing.assert_array_equal(out.a, np.full([3, 2], 2.0))
    np.testing.assert_allclose(out.b, dense(tf.ones([3, 2])))


def test_ragged_inputs_need_an_unknown_size():
    with pytest.raises(ValueError, match="unknown size"):
        keras.Input([3], ragged=True)
    with pytest.raises(ValueError, match="sparse or ragged"):
        keras.Input([None], ragged=True, sparse=True)


def _ragged(ragged_rank=1):
    return keras.Input((None,) * ragged_rank, ragged=True)


@keras.utils.register_keras_serializable("tests")
class Doubled(keras.layers.Layer):
    def call(self, x):
        return x * 2.0


def _nested(x):
    inner = keras.Model(x, tf.reduce_sum(x, 1))
    other = _ragged()
    return keras.Model(other, inner(other) * 2.0)


def _two():
    x, y = _ragged(), _ragged()
    return keras.Model([x, y], {"a": x + y, "b": [tf.reduce_sum(x, 1)]})


def _of(x, function):
    return keras.Model(x, function(x))


ROWS = tf.ragged.constant([[1.0, 2.0], [], [3.0]])
DEEP = tf.ragged.constant([[[1.0], [2.0, 3.0]], []])
MODELS = {  # model, what it is called on
    "dense": (lambda: _of(_ragged(), lambda x: x.to_tensor()), ROWS),
    "ragged": (lambda: _of(_ragged(), lambda x: tf.concat([x, x[:, :1]], 1)), ROWS),
    "layers": (lambda: _of(_ragged(), lambda x: Doubled()(Doubled()(x) + 1.0)), ROWS),
    "rows": (lambda: _of(_ragged(), lambda x: [x.row_lengths(), tf.where(x > 1.0, x, -x)]), ROWS),
    "deep": (lambda: _of(_ragged(2), lambda x: [tf.reduce_sum(x, 2), x]), DEEP),
    "two": (_two, [ROWS, ROWS]),
    "nested": (lambda: _nested(_ragged()), ROWS),
    "sparse": (
        lambda: _of(
            keras.Input((4,), sparse=True),
            lambda x: [tf.sparse.to_dense(x), keras.layers.Dense(2, kernel_initializer="ones")(x), x],
        ),
        tf.sparse.from_dense(np.eye(4, dtype="float32")),
    ),
}
TWINS = {
    "config": lambda model: keras.Model.from_config(model.get_config()),
    "json": lambda model: keras.models.model_from_json(model.to_json()),
    "clone": keras.models.clone_model,
    "copy": copy.deepcopy,
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
}


def shapes(structure):
    return [t.shape.as_list() for t in tf.nest.flatten(structure, expand_composites=True)]


@pytest.mark.parametrize("way", TWINS)
@pytest.mark.parametrize("name", MODELS)
def test_twins(name, way):
    make, x = MODELS[name]
    model = make()
    twin = TWINS[way](TWINS[way](model))
    assert shapes(twin.output) == shapes(model.output)
    found, wanted = twin(x), model(x)
    tf.nest.assert_same_structure(found, wanted, expand_composites=True)
    for one, other in zip(
        tf.nest.flatten(found, expand_composites=True),
        tf.nest.flatten(wanted, expand_composites=True),
        strict=True,
    ):
        np.testing.assert_allclose(one, other)
