"""`tf.TensorArray`s that grow in loops: in eager code, functions and gradients, as in TensorFlow."""

import warnings

import numpy as np
import pytest

import dovetail

X = np.array([1.0, 2.0, 3.0], "float32")


def _grows(tf, **options):
    return tf.TensorArray(tf.float32, size=0, dynamic_size=True, **options)


def _numbers(tf, x):
    rows = _grows(tf)
    for i in tf.range(3):
        rows = rows.write(i, x * tf.cast(i, tf.float32))
    return rows.stack()


def _while(tf, x):
    rows, i = _grows(tf), tf.constant(0)
    while i < 4:
        rows = rows.write(i, x * x)
        i += 1
    return rows.stack()


def _at_the_end(tf, x):
    rows = _grows(tf)
    for value in x:
        rows = rows.write(rows.size(), value * 2.0)
        rows = rows.write(rows.size(), value * value)
    return rows.stack()


def _with_holes(tf, x):
    rows = tf.TensorArray(tf.float32, size=1, dynamic_size=True)
    return tf.while_loop(lambda i, t: i < 5, lambda i, t: (i + 2, t.write(i, x)), (0, rows))[1].stack()


def _limited(tf, x):
    rows = _grows(tf)
    _, rows = tf.while_loop(
        lambda i, t: True, lambda i, t: (i + 1, t.write(i, x)), (0, rows), maximum_iterations=3
    )
    return rows.stack()


def _nested(tf, x):
    rows = _grows(tf)
    for i in tf.range(2):
        for j in tf.range(2):
            rows = rows.write(i * 2 + j, x[i] * x[j])
    return rows.stack()


def _one_for_each_row(tf, x):
    whole = _grows(tf)
    for i in tf.range(2):
        inner = _grows(tf)
        for j in tf.range(3):
            inner = inner.write(j, x[j] * tf.cast(i + 1, tf.float32))
        whole = whole.write(i, inner.stack())
    return whole.stack()


def _read(tf, x):
    rows = _grows(tf).write(0, x[0])
    for i in tf.range(1, 4):
        rows = rows.write(i, rows.read(i - 1) * 2.0)
    return rows.stack()


def _two(tf, x):
    rows, places = _grows(tf), tf.TensorArray(tf.int32, size=0, dynamic_size=True)
    for i in tf.range(3):
        rows, places = rows.write(i, x), places.write(2 - i, i)
    return rows.stack() * tf.cast(places.stack(), tf.float32)[:, None]


def _in_both_branches(tf, x):
    rows = _grows(tf, element_shape=[])
    for i in tf.range(3):
        if x[i] > 1.5:
            rows = rows.write(i, x[i] * x[i])
        else:
            rows = rows.write(i, -x[i])
    return rows.stack()


def _written_before(tf, x):
    rows = _grows(tf).write(1, x[0])
    for i in tf.range(2, 4):
        rows = rows.write(i, x[1])
    return rows.write(4, x[2]).stack()


def _joined(tf, x):
    rows = _grows(tf, infer_shape=False)
    for i in tf.range(2):
        rows = rows.write(i, x)
    return rows.concat() * tf.cast(rows.size(), tf.float32)


def _chosen(tf, x):
    rows = _grows(tf)
    for value in x:
        if value > 1.5:
            rows = rows.write(rows.size(), value * value)
    return rows.stack()


def _left(tf, x):
    rows = _grows(tf)
    for i in tf.range(3):
        rows = rows.write(i, x)
        if x[0] > 0.0:
            break
    return rows.stack()


def _counted(tf, x):
    rows = _grows(tf, element_shape=[])
    for i in tf.range(tf.cast(x[2], tf.int32)):
        rows = rows.write(i, x[0] * tf.cast(i, tf.float32))
    return rows.stack()


def _at_an_index(tf, x):
    place = tf.cast(x[2], tf.int32)
    return _grows(tf).write(place, x).write(1, -x).stack()


COMPILED = {
    function.__name__: function
    for function in (_numbers, _while, _at_the_end, _with_holes, _limited, _nested, _one_for_each_row, _read)
} | {function.__name__: function for function in (_two, _written_before, _joined)}
BY_VALUES = {
    function.__name__: function for function in (_at_an_index, _chosen, _left, _counted, _in_both_branches)
}


def _gradient(tf, function):
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = function(tf, x)
        return tape.gradient(y, x)

    return gradient


def _results(tf, function):
    x, unknown = tf.constant(X), [tf.TensorSpec([None], tf.float32)]
    run = lambda x: function(tf, x)
    recorded = tf.function(run, input_signature=unknown)
    often = [recorded(x) for _ in range(12 if tf is dovetail else 1)]  # compiled when it comes often
    in_graph = tf.function(lambda x: tf.gradients(run(x), x)[0])
    return [
        tf.function(run)(x),
        tf.function(_gradient(tf, function))(x),
        in_graph(x),
        often[0],
        often[-1],
    ]


# A loop in a loop that was recorded with unknown sizes runs op by op.
_NESTED = pytest.mark.filterwarnings("ignore:tf.function.*to a size that depends on values")
_NAMES = [pytest.param(name, marks=_NESTED) if name == "_nested" else name for name in COMPILED]


@pytest.mark.parametrize("name", _NAMES)
def test_compiled_as_tensorflow(name):
    reference = pytest.importorskip("tensorflow")
    expected = _results(reference, COMPILED[name])
    for ours, theirs in zip(_results(dovetail, COMPILED[name]), expected, strict=True):
        np.testing.assert_allclose(ours, theirs)
    if name not in ("_limited", "_with_holes"):  # loops over eager values
        np.testing.assert_allclose(COMPILED[name](dovetail, dovetail.constant(X)), expected[0])


@pytest.mark.parametrize("name", BY_VALUES)
def test_sizes_that_depend_on_values_run_op_by_op(name):
    reference = pytest.importorskip("tensorflow")
    expected = _results(reference, BY_VALUES[name])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = _results(dovetail, BY_VALUES[name])
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs)
    assert sum("op by op" in str(warning.message) for warning in caught) >= 3
