"""`keras.Input` for composite tensors: ragged, sparse and by a spec, in functional models."""

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
