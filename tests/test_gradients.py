"""`tf.gradients`: derivatives of tensors that have no values yet, in functions, hand-written graphs and traces."""

import numpy as np
import pytest

import dovetail as tf
from dovetail.compat import v1
from tests.cases_gradients import CASES as PLAIN
from tests.cases_gradients_inside import CASES as INSIDE

CASES = PLAIN | {f"inside: {name}": function for name, function in INSIDE.items()}

X, W = np.array([1.0, 2.0], "float32"), np.float32(3.0)
SIGNATURES = {
    "exact": None,
    "unknown sizes": [tf.TensorSpec([None], tf.float32), tf.TensorSpec([], tf.float32)],
}


def _flat(result):
    return list(result) if isinstance(result, list) else [part for one in result for part in one]


def _run(framework, function, signature):
    traced = framework.function(lambda x, w: function(framework, x, w), input_signature=signature)
    return _flat(traced(framework.constant(X), framework.constant(W)))


@pytest.mark.parametrize("signature", SIGNATURES)
@pytest.mark.parametrize("name", CASES)
def test_as_tensorflow(name, signature):
    reference = pytest.importorskip("tensorflow")
    expected, found = (
        _run(reference, CASES[name], None),
        _run(tf, CASES[name], SIGNATURES[signature]),
    )
    assert [g is None for g in found] == [g is None for g in expected]
    for ours, theirs in zip(found, expected, strict=True):
        if theirs is not None:
            np.testing.assert_allclose(ours, theirs, rtol=1e-5)
            assert tuple(ours.shape) == tuple(theirs.shape)


def test_variables():
    v, unused = tf.Variable([2.0, 3.0]), tf.Variable(1.0)

    @tf.function
    def function(x):
        before = tf.gradients(tf.reduce_sum(x * v * v), [v, unused, x])
        v.assign(v * 2.0)
        return before, tf.gradients(tf.reduce_sum(x * v * v), v)

    for _ in range(2):
        v.assign([2.0, 3.0])
        (first, none, dx), (second,) = function(tf.constant(X))
        assert none is None
        np.testing.assert_allclose(first, [4.0, 12.0])
        np.testing.assert_allclose(dx, [4.0, 9.0])
        np.testing.assert_allclose(second, [8.0, 24.0])


def test_random_numbers_are_drawn_once():
    @tf.function
    def function(x):
        y = x * tf.random.uniform(tf.shape(x)) * tf.nn.dropout(tf.ones_like(x), 0.5)
        return y, tf.gradients(y, x)[0]

    for size in (2, 5):
        y, slope = function(tf.ones([size]))
        np.testing.assert_allclose(y, slope)


def test_a_tape_around_sees_the_derivative():
    v = tf.Variable(3.0)

    @tf.function
    def penalty(x):
        slope = tf.gradients(v * x**3, x)[0]
        return tf.reduce_sum(slope**2)

    x = tf.constant(2.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = penalty(x)
    dv, dx = tape.gradient(value, [v, x])
    assert float(value) == 36.0**2 and float(dv) == 864.0 and float(dx) == 2 * 36.0 * 36.0


def test_a_function_called_in_a_function_and_op_by_op():
    @tf.function
    def inner(x):
        return tf.gradients(tf.reduce_sum(x * x), x)[0]

    @tf.function
    def outer(x):
        return inner(x) + 1.0

    np.testing.assert_allclose(outer(tf.constant(X)), 2 * X + 1)
    np.testing.assert_allclose(inner(tf.constant(X)), 2 * X)
    with tf.GradientTape() as tape:
        x = tf.constant(X)
        tape.watch(x)
        y = outer(x)
    np.testing.assert_allclose(tape.gradient(y, x), [2.0, 2.0])

    @tf.function
    def by_values(x):
        return tf.gradients(tf.boolean_mask(x, x > 1.5) ** 2, x)[0]

    with pytest.warns(UserWarning, match="op by op"):
        np.testing.assert_allclose(by_values(tf.constant(X)), [0.0, 4.0])


def test_inside_of_loops():
    rows = [tf.TensorSpec([None], tf.float32)]

    @tf.function(input_signature=rows)
    def inside(x):
        return tf.map_fn(lambda one: tf.gradients(one**3 + x[0], one)[0], x)

    @tf.function(input_signature=rows)
    def captured(x):
        return tf.map_fn(lambda factor: tf.gradients(x * factor, x)[0], x)

    @tf.function(input_signature=rows)
    def computed_outside(x):
        y = x**3
        return tf.map_fn(lambda i: tf.gradients(y[i], x)[0], tf.range(2), fn_output_signature=tf.float32)

    np.testing.assert_allclose(inside(tf.constant(X)), 3 * X**2)
    np.testing.assert_allclose(captured(tf.constant(X)), np.repeat(X[:, None], 2, 1))
    np.testing.assert_allclose(computed_outside(tf.constant(X)), np.diag(3 * X**2))


def test_inside_of_loops_with_variables_random_numbers_and_python():
    v = tf.Variable([2.0, 3.0])

    def in_a_loop(step):
        return tf.while_loop(lambda i, a: i < 2, lambda i, a: (i + 1, step(a)), (0, tf.zeros([2])))[1]

    @tf.function
    def variables(x):
        y = v * v * x
        v.assign_add([1.0, 1.0])  # the derivative is where the variable was read
        return in_a_loop(lambda a: a + tf.gradients(y, v)[0])

    np.testing.assert_allclose(variables(tf.constant(X)), 2 * 2 * np.array([2.0, 3.0]) * X)

    @tf.function
    def drawn(x):
        y = tf.nn.dropout(x * x, 0.5) * x
        return y, in_a_loop(lambda a: tf.gradients(y, x)[0])

    y, slope = drawn(tf.constant(X))
    np.testing.assert_allclose(y * 3, slope * X)

    with v1.Graph().as_default():
        x = v1.placeholder(tf.float32, [2])
        y = tf.py_function(lambda a: a * a, [x], tf.float32)
        with pytest.raises(NotImplementedError, match="computed outside"):
            in_a_loop(lambda a: tf.gradients(y, x)[0])
    inputs = tf.keras.Input((3,))
    hidden = tf.keras.layers.Dense(2)(inputs)
    with pytest.raises(NotImplementedError, match="computed outside"):
        tf.map_fn(lambda row: tf.gradients(tf.reduce_sum(hidden) * row, inputs)[0], hidden)


def test_in_a_dataset():
    data = tf.data.Dataset.from_tensor_slices(X).map(lambda x: tf.gradients(x**3, x)[0])
    assert [float(x) for x in data] == [3.0, 12.0] and data.element_spec.shape == []


def test_in_a_hand_written_graph():
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None], name="x")
        y = tf.reduce_sum(x * x * x)
        (slope,) = tf.gradients(y, x)
        (second,) = tf.gradients(slope, x)
        middle = x * 2.0
        (through,) = tf.gradients(middle * middle, middle)
        assert tf.gradients(y, v1.placeholder(tf.float32, [])) == [None]
        assert session.run([slope, second], {x: X})[1].tolist() == [6.0, 12.0]
        assert session.run(slope, {x: X}).tolist() == [3.0, 12.0]
        assert session.run(through, {x: X}).tolist() == [4.0, 8.0]
        assert session.run(through, {middle: X}).tolist() == [2.0, 4.0]


def test_in_layers_that_models_run():
    class Slope(tf.keras.layers.Layer):
        def call(self, x):
            return tf.gradients(tf.reduce_sum(x**2), x)[0]

    dense = tf.keras.layers.Dense(2, kernel_initializer="ones")
    model = tf.keras.Sequential([tf.keras.Input((2,)), dense, Slope()])
    data = np.ones((3, 2), "float32")
    np.testing.assert_allclose(model.predict(data, verbose=0), np.full((3, 2), 4.0))
    model.compile("sgd", "mse")
    model.fit(data, np.zeros((3, 2)), verbose=0)
    assert not np.allclose(dense.kernel, 1.0)


def test_what_is_refused():
    for framework in (tf, pytest.importorskip("tensorflow")):
        with pytest.raises(RuntimeError, match="GradientTape"):
            framework.gradients(framework.constant(1.0), framework.constant(2.0))

        @framework.function
        def wrong_length(x, framework=framework):
            return framework.gradients([x, x], x, grad_ys=[None])

        with pytest.raises(ValueError, match=r"(?i)length mismatch"):
            wrong_length(framework.constant(X))
    with pytest.raises(TypeError, match="expected tensors in ys"):
        tf.gradients("loss", tf.constant(1.0))
