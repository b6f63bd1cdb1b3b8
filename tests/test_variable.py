"""`tf.Variable` and conversion to tensors: values, dtypes, shapes and errors, side by side with TensorFlow."""

import copy
import pickle

import numpy as np
import pytest

import dovetail as tf
from tests.support import parity


def on_a_variable(expression):
    """Return a case: the expression on a new variable, and the variable after it."""

    def case(module):
        v = module.Variable([1.0, 2.0])
        result = expression(module, v)
        return [result if hasattr(result, "numpy") else repr(result), v]

    return case


def rows(tf, values, indices):
    return tf.IndexedSlices(tf.constant(values), tf.constant(indices))


# Expressions on tf.Variable([1.0, 2.0]).
EXPRESSIONS = {
    "assign a list": lambda tf, v: v.assign([3.0, 4.0]),
    "assign a tensor": lambda tf, v: v.assign(tf.constant([3.0, 4.0])),
    "assign float64": lambda tf, v: v.assign(np.array([3.0, 4.0])),
    "assign integers": lambda tf, v: v.assign([3, 4]),
    "assign an integer tensor": lambda tf, v: v.assign(tf.constant([3, 4])),
    "assign too many": lambda tf, v: v.assign([1.0, 2.0, 3.0]),
    "assign a scalar": lambda tf, v: v.assign(5.0),
    "assign a matrix": lambda tf, v: v.assign([[1.0, 2.0]]),
    "assign strings": lambda tf, v: v.assign(["a", "b"]),
    "assign None": lambda tf, v: v.assign(None),
    "assign itself changed": lambda tf, v: v.assign(v * 2 + 1),
    "assign_add": lambda tf, v: v.assign_add([1.0, 1.0]),
    "assign_sub": lambda tf, v: v.assign_sub(tf.constant([1.0, 1.0])),
    "assign_add an integer tensor": lambda tf, v: v.assign_add(tf.constant([1, 1])),
    "chain": lambda tf, v: v.assign([0.0, 0.0]).assign_add([2.0, 3.0]),
    "operators": lambda tf, v: (1 - v) * v / 2 + v**2 // 3 % 2,
    "matmul": lambda tf, v: v[None, :] @ v[:, None],
    "compare": lambda tf, v: (v > 1) | (v == [1.0, 3.0]),
    "index": lambda tf, v: v[0] + v[-1],
    "slice": lambda tf, v: v[1:],
    "assign an element": lambda tf, v: v[1].assign(9.0),
    "assign a slice": lambda tf, v: v[:1].assign([9.0]),
    "assign backwards": lambda tf, v: v[::-1].assign([5.0, 6.0]),
    "assign a scalar to all": lambda tf, v: v[...].assign(3.0),
    "assign a slice that does not fit": lambda tf, v: v[:1].assign([1.0, 2.0]),
    "assign an integer tensor to a slice": lambda tf, v: v[:1].assign(tf.constant([1])),
    "assign out of range": lambda tf, v: v[5].assign(1.0),
    "a slice is a tensor": lambda tf, v: tf.sqrt(v[1:]) + v[:1],
    "scatter_update": lambda tf, v: v.scatter_update(rows(tf, [7.0], [1])),
    "scatter_add": lambda tf, v: v.scatter_add(rows(tf, [7.0, 1.0], [1, 1])),
    "scatter_sub": lambda tf, v: v.scatter_sub(rows(tf, [7.0, 1.0], [1, 0])),
    "scatter_mul": lambda tf, v: v.scatter_mul(rows(tf, [7.0, 2.0], [1, 1])),
    "scatter_div": lambda tf, v: v.scatter_div(rows(tf, [4.0], [1])),
    "scatter_max": lambda tf, v: v.scatter_max(rows(tf, [0.0, 5.0], [0, 1])),
    "scatter_min": lambda tf, v: v.scatter_min(rows(tf, [0.0, 5.0], [0, 1])),
    "scatter out of range": lambda tf, v: v.scatter_update(rows(tf, [0.0], [2])),
    "scatter what is no IndexedSlices": lambda tf, v: v.scatter_update([0.0]),
    "scatter_nd_update": lambda tf, v: v.scatter_nd_update([[0]], [8.0]),
    "scatter_nd_add": lambda tf, v: v.scatter_nd_add([[0], [0]], [8.0, 1.0]),
    "scatter_nd_sub": lambda tf, v: v.scatter_nd_sub([[1]], [8.0]),
    "sparse_read": lambda tf, v: v.sparse_read([1, 1]),
    "gather_nd": lambda tf, v: v.gather_nd([[1]]),
    "abs": lambda tf, v: abs(-v),
    "bool": lambda tf, v: bool(v),
    "float": lambda tf, v: float(v[0]),
    "iterate": lambda tf, v: [float(x) for x in v],
    "hash": lambda tf, v: hash(v),
    "ref": lambda tf, v: (v.ref() == v.ref(), {v.ref(): 1}[v.ref()], v.ref().deref() is v),
    "shape": lambda tf, v: (tuple(v.shape), v.dtype.name, v.trainable, v.name),
    "value as a method": lambda tf, v: v.value() * 2,
    "read_value": lambda tf, v: v.read_value(),
    "old value stays": lambda tf, v: (v.read_value(), v.assign([7.0, 7.0]))[0],
    "old identity stays": lambda tf, v: (tf.identity(v), v.assign([7.0, 7.0]))[0],
    "numpy is a copy": lambda tf, v: v.numpy().__setitem__(0, 9.0),
    "np.add": lambda tf, v: tf.constant(np.add(v, 1)),
    "array + variable": lambda tf, v: np.ones(2, "float32") + v,
    "wrong dtype": lambda tf, v: tf.convert_to_tensor(v, tf.int32),
    "item assignment": lambda tf, v: v.__setitem__(0, 3.0),
    "+=": lambda tf, v: v.__iadd__(1.0),
    "repr": lambda tf, v: repr(v),
    "str": lambda tf, v: str(v),
    "sum": lambda tf, v: sum(v),
    "stack": lambda tf, v: tf.stack([v, v]),
    "nest": lambda tf, v: len(tf.nest.flatten({"a": v, "b": [v]})),
    "is_tensor": lambda tf, v: tf.is_tensor(v),
}

CONSTRUCTIONS = {
    "unknown size": lambda tf: (v := tf.Variable([1.0], shape=[None]), v.assign([1.0, 2.0]), str(v.shape)),
    "unknown rank": lambda tf: (v := tf.Variable([1.0], shape=tf.TensorShape(None)), v.assign([[1.0]])),
    "wrong shape": lambda tf: tf.Variable([1.0], shape=[3]),
    "dtype": lambda tf: tf.Variable(1.0, dtype=tf.float64),
    "integers to floats": lambda tf: tf.Variable([1, 2], dtype=tf.float32),
    "floats to integers": lambda tf: tf.Variable(1.5, dtype=tf.int32),
    "float tensor to integers": lambda tf: tf.Variable(tf.constant(1.5), dtype=tf.int32),
    "callable": lambda tf: tf.Variable(lambda: tf.ones(2)),
    "of a variable": lambda tf: ((a := tf.Variable(1.0)), tf.Variable(a).assign(5.0), a),
    "parts of a matrix": lambda tf: (
        (m := tf.Variable(tf.zeros([3, 4]))),
        m[1].assign([1.0, 2.0, 3.0, 4.0]),
        m[:, 0].assign(tf.ones(3)),
        m[1:, 2:].assign([[5.0, 6.0], [7.0, 8.0]]),
        m[..., -1].assign(9.0),
        m[tf.constant(0), tf.constant(1)].assign(4.0),
        m.scatter_update(tf.IndexedSlices(tf.ones([1, 4]), tf.constant([2]))),
        m.scatter_nd_update([[0, 3], [2, 1]], [10.0, 20.0]),
    ),
    "part of strings": lambda tf: (s := tf.Variable(["a", "b"]), s[0].assign("z")),
    "part of booleans": lambda tf: (s := tf.Variable([True, True]), s[1].assign(False)),
    "of float64": lambda tf: tf.Variable(np.ones(2)),
    "nothing": lambda tf: tf.Variable(None),
    "ragged": lambda tf: tf.Variable([[1], [2, 3]]),
    "bool": lambda tf: tf.Variable(True).assign(False),
    "string": lambda tf: tf.Variable("a").assign("b"),
    "empty": lambda tf: tf.Variable([]),
    "as a size": lambda tf: tf.ones([tf.Variable(3), 2]),
    "as a shape": lambda tf: tf.reshape(tf.range(6), tf.Variable([2, 3])),
    "integer + float": lambda tf: tf.Variable(1).assign_add(1.5),
}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_expressions_like_tensorflow(name):
    parity.check(on_a_variable(EXPRESSIONS[name]))


@pytest.mark.parametrize("name", CONSTRUCTIONS)
def test_constructions_like_tensorflow(name):
    parity.check(CONSTRUCTIONS[name])


def test_value_is_a_property_and_a_method():
    v = tf.Variable([1.0, 2.0])
    np.testing.assert_array_equal(v.value, [1.0, 2.0])
    np.testing.assert_array_equal(v.value(), [1.0, 2.0])


def test_the_caller_s_array_is_copied():
    array = np.ones(2, "float32")
    v = tf.Variable(array)
    array[0] = 5
    np.testing.assert_array_equal(v, [1.0, 1.0])


@pytest.mark.parametrize("way", ["deepcopy", "pickle"])
def test_copies_are_independent(way):
    v = tf.Variable([1.0], name="kernel", trainable=False)
    w = copy.deepcopy(v) if way == "deepcopy" else pickle.loads(pickle.dumps(v))
    w.assign([2.0])
    np.testing.assert_array_equal(v, [1.0])
    np.testing.assert_array_equal(w, [2.0])
    assert (w.name, w.trainable, w.dtype) == (v.name, v.trainable, v.dtype)


def test_errors_name_the_variable_and_what_was_given():
    v = tf.Variable([1.0, 2.0], name="kernel")
    with pytest.raises(ValueError, match=r"kernel.*shape \(2,\).*\(3,\).*test_variable.py:"):
        v.assign([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="kernel.*float32.*int32.*tf.cast"):
        v.assign(tf.constant([1, 2]))
    np.testing.assert_array_equal(v, [1.0, 2.0])


def test_a_name_scope_prefixes_the_name():
    with tf.name_scope("encoder"), tf.name_scope("block"):
        v = tf.Variable(1.0, name="kernel")
        unnamed = tf.Variable(1.0)
    assert v.name == "encoder/block/kernel:0"
    assert unnamed.name == "encoder/block/Variable:0"
    assert tf.Variable(1.0).name == "Variable:0"


def test_assignments_keep_the_declared_dtype():
    v = tf.Variable(1.0, dtype=tf.float16)
    v.assign(2)
    v.assign(np.float64(3))
    assert v.dtype == tf.float16
    assert float(v) == 3.0


@pytest.mark.parametrize("compiled", [False, True])
def test_parts_are_read_and_written_under_a_tape_and_in_compiled_code(compiled):
    def case(module):
        v = module.Variable([1.0, 2.0, 3.0])
        double = module.function(lambda x: x * 2)

        def step(x):
            with module.GradientTape() as tape:
                before = double(v[1:]) * v[0]
                v[0].assign(x)
                v.scatter_nd_add([[1]], [1.0])
                y = module.reduce_sum(before) + v[0] * v[1]
            return y, tape.gradient(y, [x, v])

        run = module.function(step) if compiled else step
        x = module.Variable(5.0)
        return run(x), v

    parity.check(case)


@pytest.mark.parametrize("compiled", [False, True])
def test_what_is_assigned_is_no_way_for_gradients(compiled):
    def case(module):
        x, y = module.Variable(3.0), module.Variable(0.0)

        def step():
            with module.GradientTape() as tape:
                y.assign_add(x)
                z = y**2
            return [str(g is None) if g is None else g for g in tape.gradient(z, [x, y])]

        return module.function(step)() if compiled else step()

    parity.check(case)


def test_indexed_slices_become_dense():
    def case(module):
        slices = module.IndexedSlices(
            module.constant([[1.0], [2.0]]), module.constant([2, 2]), module.constant([4, 1])
        )
        return [
            module.convert_to_tensor(slices),
            module.reduce_sum(slices),
            module.convert_to_tensor(-slices),
            str(slices),
            tuple(slices.shape),
            slices.dtype.name,
            isinstance(slices, module.IndexedSlices),
            isinstance(module.ones(2), module.IndexedSlices),
        ]

    parity.check(case)
    with pytest.raises(ValueError, match="dense_shape"):
        tf.convert_to_tensor(tf.IndexedSlices(tf.ones(1), tf.constant([0])))


def test_dtypes_of_weights_print_as_names():
    weight = tf.keras.layers.Dense(2).add_weight(shape=(2,), dtype="float32")
    assert str(weight.dtype) == f"{weight.dtype}" == "float32" and repr(weight.dtype) == "tf.float32"
    assert (
        weight.dtype == tf.float32 and hash(weight.dtype) == hash(tf.float32) and tf.float32 == weight.dtype
    )
    assert tf.as_dtype(weight.dtype) is tf.float32 and (weight + 1.0).dtype is tf.float32
    assert tf.zeros([2], weight.dtype).dtype is tf.TensorSpec([2], weight.dtype).dtype is tf.float32
    assert np.zeros(2, weight.dtype.as_numpy_dtype).dtype == weight.dtype
