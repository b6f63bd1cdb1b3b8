"""Calls whose attributes are equal as keys, and differ: what one of them binds is not another's."""

import numpy as np
import pytest

import dovetail as tf

X = np.arange(6, dtype="float32").reshape(2, 3)


@pytest.mark.parametrize("compiled", [False, True])
def test_zeros_keep_their_signs(compiled):
    def padded(x, value):
        return tf.pad(x, ((1, 1), (0, 0)), constant_values=value)

    function = tf.function(padded) if compiled else padded
    for value in (-0.0, 0.0, -0.0):
        assert np.signbit(function(tf.constant(X), value).numpy()[0]).all() == np.signbit(value)


def test_numbers_in_tuples_are_told_apart():
    x = tf.constant(X)
    for _ in range(2):
        assert float(tf.reduce_sum(x, axis=(0, 1))) == 15
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"bad value \(0.0, 1.0\) for 'axis'"):
            tf.reduce_sum(x, axis=(0.0, 1.0))
        assert tf.transpose(x, (1, 0)).shape == (3, 2)
        with pytest.raises(tf.errors.InvalidArgumentError, match="perm"):
            tf.transpose(x, (1.0, 0.0))


@pytest.mark.parametrize("values", [(1, 1.0, True), (True, 1, 1.0), (1.0, True, 1)])
def test_fills_have_the_dtype_of_their_numbers(values):
    kinds = {int: "int32", float: "float32", bool: "bool"}
    for value in values * 2:
        assert tf.fill((2, 2), value).dtype == kinds[type(value)]
        assert tf.one_hot([0], 2, on_value=value, off_value=type(value)(0)).dtype == kinds[type(value)]


def test_lists_tuples_names_and_positions_bind_the_same():
    x = tf.constant(X)
    for _ in range(2):
        sums = [
            tf.reduce_sum(x, [0, 1]),
            tf.reduce_sum(x, (0, 1)),
            tf.reduce_sum(x, axis=[0, 1]),
            tf.reduce_sum(input_tensor=x, axis=(1, 0)),
            tf.reduce_sum(x, [0, 1], False, "name"),
            tf.reduce_sum(x, np.array([0, 1])),
        ]
        assert [float(one) for one in sums] == [15.0] * 6
    for arguments in ((x, 1, False, "name", 3), (x, 1, False, 3)):
        with pytest.raises(TypeError, match="takes 3 arguments"):
            tf.reduce_sum(*arguments)
