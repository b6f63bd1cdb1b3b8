"""`tf.experimental.Optional` and `tf.TensorArraySpec`, as TensorFlow 2.21 has them."""

import numpy as np
import pytest

import dovetail as tf

FULL = tf.experimental.Optional.from_value(tf.constant([1.0, 2.0]))
EMPTY = tf.experimental.Optional.empty(tf.TensorSpec([2]))


def test_values_and_specs():
    assert bool(FULL.has_value()) and not bool(EMPTY.has_value())
    assert FULL.get_value().numpy().tolist() == [1.0, 2.0]
    with pytest.raises(tf.errors.InvalidArgumentError, match="does not have a value"):
        EMPTY.get_value()
    assert (
        tf.type_spec_from_value(FULL)
        == tf.OptionalSpec(tf.TensorSpec([2]))
        == tf.OptionalSpec.from_value(EMPTY)
    )
    assert repr(tf.type_spec_from_value(EMPTY)).startswith(
        "OptionalSpec(TensorSpec(shape=(2,), dtype=tf.float32"
    )
    assert tf.OptionalSpec(tf.TensorSpec([None])).is_compatible_with(FULL)
    assert not tf.OptionalSpec(tf.TensorSpec([3])).is_compatible_with(FULL)
    assert isinstance(FULL, tf.experimental.Optional) and tf.nest.flatten(FULL)[0] is FULL
    nested = tf.experimental.Optional.from_value({"a": tf.constant(1), "b": (tf.constant("x"),)})
    assert nested.get_value()["b"][0].numpy() == b"x"
    assert nested.element_spec["a"] == tf.TensorSpec([], tf.int32)


def test_in_functions_branches_and_loops():
    @tf.function
    def first_or_nine(optional):
        if optional.has_value():
            return optional.get_value()
        return tf.constant([9.0, 9.0])

    assert first_or_nine(FULL).numpy().tolist() == [1.0, 2.0]
    assert first_or_nine(EMPTY).numpy().tolist() == [9.0, 9.0]
    assert first_or_nine.experimental_get_tracing_count() == 1
    made = tf.function(tf.experimental.Optional.from_value)(tf.constant(3.0))
    assert isinstance(made, tf.experimental.Optional) and float(made.get_value()) == 3.0

    @tf.function
    def last(n):
        found = tf.experimental.Optional.empty(tf.TensorSpec([]))
        for i in tf.range(n):
            found = tf.experimental.Optional.from_value(tf.cast(i, tf.float32))
        return found.get_value()

    assert float(last(tf.constant(3))) == 2.0
    with pytest.raises(tf.errors.InvalidArgumentError):
        last(tf.constant(0))
    signed = tf.function(
        lambda o: tf.reduce_sum(o.get_value()), input_signature=[tf.OptionalSpec(tf.TensorSpec([None]))]
    )
    assert float(signed(FULL)) == 3.0


def test_iterators_give_optionals():
    iterator = iter(tf.data.Dataset.range(2))
    found = [iterator.get_next_as_optional() for _ in range(3)]
    assert [bool(optional.has_value()) for optional in found] == [True, True, False]
    assert found[2].element_spec == tf.TensorSpec([], tf.int64)


def test_specs_of_tensor_arrays():
    arr = tf.TensorArray(tf.float32, 3).unstack([1.0, 2.0, 3.0])
    spec = tf.TensorArraySpec([], tf.float32)
    assert (
        repr(tf.TensorArraySpec([2], tf.int32)) == "TensorArraySpec(TensorShape([2]), tf.int32, False, True)"
    )
    assert spec.is_compatible_with(arr) and not tf.TensorArraySpec([], tf.int32).is_compatible_with(arr)
    assert tf.type_spec_from_value(arr) == spec and spec.value_type is tf.TensorArray
    doubled = tf.function(lambda a: a.stack() * 2.0, input_signature=[spec])
    np.testing.assert_allclose(doubled(arr), [2.0, 4.0, 6.0])
    with pytest.raises(TypeError, match="TensorArraySpec"):
        doubled(tf.TensorArray(tf.int32, 1).unstack([1]))
