"""tf.TensorArray: eager, traced, in compiled loops, under a tape; and the functions that map over the first axis."""

import numpy as np
import pytest

import dovetail as tf
from dovetail.base.settings import settings


def test_write_read_stack():
    ta = tf.TensorArray(tf.float32, size=3)
    ta = ta.write(0, [1.0, 2.0]).write(1, tf.constant([3.0, 4.0]))
    ta = ta.write(2, [5.0, 6.0])
    assert ta.read(1).numpy().tolist() == [3, 4]
    assert ta.stack().numpy().tolist() == [[1, 2], [3, 4], [5, 6]]
    assert ta.concat().numpy().tolist() == [1, 2, 3, 4, 5, 6]
    assert ta.gather([2, 0]).numpy().tolist() == [[5, 6], [1, 2]]
    assert int(ta.size()) == 3
    assert ta.size().dtype == tf.int32


def test_eager_writes_change_the_array_itself():
    ta = tf.TensorArray(tf.int32, size=0, dynamic_size=True)
    for i in range(4):
        ta.write(i, i * i)
    assert ta.stack().numpy().tolist() == [0, 1, 4, 9]


def test_unstack_scatter_split():
    ta = tf.TensorArray(tf.float32, size=3).unstack([[1.0], [2.0], [3.0]])
    assert ta.read(2).numpy().tolist() == [3]
    ta = tf.TensorArray(tf.float32, size=3).scatter([2, 0, 1], [1.0, 2.0, 3.0])
    assert ta.stack().numpy().tolist() == [2, 3, 1]
    ta = tf.TensorArray(tf.int32, size=2, infer_shape=False).split([1, 2, 3], [1, 2])
    assert [ta.read(i).numpy().tolist() for i in range(2)] == [[1], [2, 3]]


def test_elements_never_written_are_zeros():
    ta = tf.TensorArray(tf.float32, size=2, element_shape=[2]).write(1, [1.0, 1.0])
    assert ta.stack().numpy().tolist() == [[0, 0], [1, 1]]


def test_errors():
    ta = tf.TensorArray(tf.float32, size=2)
    with pytest.raises(tf.errors.OutOfRangeError, match="index 2 is out of range for size 2"):
        ta.write(2, 1.0)
    with pytest.raises(tf.errors.OutOfRangeError, match="index -1"):
        ta.read(-1)
    with pytest.raises(tf.errors.InvalidArgumentError, match="float32, the value int32"):
        ta.write(0, tf.constant(1))
    ta.write(0, [1.0])
    with pytest.raises(ValueError, match=r"shape \(1,\), the value \(2,\)"):
        ta.write(1, [1.0, 2.0])
    with pytest.raises(tf.errors.InvalidArgumentError, match="element_shape"):
        tf.TensorArray(tf.float32, size=1).read(0)


def test_traced_writes():
    @tf.function
    def squares(x):
        ta = tf.TensorArray(tf.float32, size=3)
        for i in range(3):
            ta = ta.write(i, x[i] ** 2)
        return ta.stack()

    assert squares(tf.constant([1.0, 2.0, 3.0])).numpy().tolist() == [1, 4, 9]


@pytest.mark.parametrize("element_shape", [[], None])
@pytest.mark.parametrize("compiled", [False, True])
def test_in_a_while_loop(compiled, element_shape):
    def cumulative(x):
        def step(i, total, ta):
            total += x[i]
            return i + 1, total, ta.write(i, total)

        ta = tf.TensorArray(tf.float32, size=4, element_shape=element_shape)
        _, total, ta = tf.while_loop(lambda i, *_: i < 4, step, (0, tf.constant(0.0), ta))
        return total, ta.stack()

    run = tf.function(cumulative) if compiled else cumulative
    total, sums = run(tf.constant([1.0, 2.0, 3.0, 4.0]))
    assert float(total) == 10
    assert sums.numpy().tolist() == [1, 3, 6, 10]


def test_two_arrays_of_rows_in_a_compiled_loop():
    @tf.function
    def both(x):
        def step(i, a, b):
            return i + 1, a.write(i, x[i]), b.write(i, tf.reduce_sum(x[i]))

        arrays = tf.TensorArray(tf.float32, size=3), tf.TensorArray(tf.float32, size=3)
        _, a, b = tf.while_loop(lambda i, *_: i < tf.shape(x)[0], step, (tf.constant(0), *arrays))
        return a.stack(), b.stack()

    rows, sums = both(tf.constant(np.arange(6.0, dtype=np.float32).reshape(3, 2)))
    assert rows.numpy().tolist() == [[0, 1], [2, 3], [4, 5]]
    assert sums.numpy().tolist() == [1, 5, 9]


def test_a_long_eager_loop_that_grows():
    def step(i, ta):
        return i + 1, ta.write(i, i * 2)

    ta = tf.TensorArray(tf.int32, size=0, dynamic_size=True)
    _, ta = tf.while_loop(lambda i, _: i < 50, step, (0, ta))
    assert ta.stack().numpy().tolist() == list(range(0, 100, 2))


@pytest.mark.parametrize("compiled", [False, True])
def test_gradient(compiled):
    def loss(x):
        ta = tf.TensorArray(tf.float32, size=2)
        ta = ta.write(0, x * x).write(1, x * 3.0)
        return tf.reduce_sum(ta.stack() * [[1.0], [10.0]])

    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = loss(x)
        return tape.gradient(y, x)

    run = tf.function(gradient) if compiled else gradient
    assert run(tf.constant([2.0])).numpy().tolist() == [34]


# ---- map_fn, scan, folds --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compiled", [False, True])
def test_map_fn(compiled):
    def mapped(x, y):
        both = tf.map_fn(
            lambda pair: (pair[0] + pair[1], pair[0] * 2), (x, y), fn_output_signature=(tf.int32,) * 2
        )
        return (*both, tf.vectorized_map(lambda row: row - 1, x))

    run = tf.function(mapped) if compiled else mapped
    sums, doubles, less = run(tf.constant([1, 2, 3]), tf.constant([10, 20, 30]))
    assert sums.numpy().tolist() == [11, 22, 33]
    assert doubles.numpy().tolist() == [2, 4, 6]
    assert less.numpy().tolist() == [0, 1, 2]


def test_scan_and_folds():
    x = tf.constant([1, 2, 3, 4])
    assert tf.scan(lambda a, e: a + e, x).numpy().tolist() == [1, 3, 6, 10]
    assert tf.scan(lambda a, e: a + e, x, initializer=10, reverse=True).numpy().tolist() == [20, 19, 17, 14]
    assert int(tf.foldl(lambda a, e: a * 2 + e, x)) == 26
    assert int(tf.foldr(lambda a, e: a * 2 + e, x, initializer=0)) == 49


def test_gradient_through_scan():
    x = tf.constant([1.0, 2.0, 3.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.scan(lambda a, e: a * e, x)[-1]
    assert tape.gradient(y, x).numpy().tolist() == [6, 3, 2]


def test_mapping_errors():
    with pytest.raises(ValueError, match="first axes of one known size"):
        tf.map_fn(lambda pair: pair[0], (tf.zeros([2]), tf.zeros([3])))
    with pytest.raises(TypeError, match="the signature says"):
        tf.map_fn(lambda e: e, tf.zeros([2]), fn_output_signature=tf.int32)
    with pytest.raises(ValueError, match="is empty"):
        tf.foldl(lambda a, e: a, tf.zeros([0]))


def test_order_of_execution():
    with tf.control_dependencies([tf.no_op()]):
        x = tf.identity(tf.constant(1))
    assert tf.group(x, x) is None
    assert [int(t) for t in tf.tuple([x, x])] == [1, 1]
    assert int(tf.guarantee_const(x)) == 1


# ---- creation inside traces -----------------------------------------------------------------------------------------


def test_large_constants_are_instructions():
    traced = []

    @tf.function
    def add(x):
        made = [tf.zeros([600, 600]), tf.ones([600, 600]), tf.range(5000.0)]
        traced.extend(isinstance(tensor._value, np.ndarray) for tensor in made)
        return x + made[0] + made[1] + made[2][2] + tf.fill([600, 600], 2.0)

    assert add(tf.zeros([600, 600])).numpy().max() == 5
    assert not any(traced)


@pytest.mark.parametrize("engine", ["auto", "xla"])
def test_shapes_are_values_in_traces(engine, monkeypatch):
    monkeypatch.setattr(settings, "engine", engine)

    @tf.function
    def flat(x):
        rows = tf.shape(x)[0]
        return tf.reshape(x, [rows * tf.shape(x)[1]]), tf.range(rows), tf.zeros([rows + 1])

    vector, numbers, zeros = flat(tf.constant(np.ones((2, 3), np.float32)))
    assert vector.shape == (6,)
    assert numbers.numpy().tolist() == [0, 1]
    assert zeros.shape == (3,)


@pytest.mark.parametrize("run", [lambda f: f, tf.function], ids=["eager", "compiled"])
def test_what_map_fn_gives_is_like_the_elements_unless_a_signature_says_otherwise(run):
    elems = tf.constant([1, 2])
    for fn in (lambda x: tf.cast(x, tf.float32), lambda x: tf.cast(x, tf.int64), lambda x: 1.5):
        with pytest.raises(tf.errors.InvalidArgumentError, match="fn_output_signature"):
            run(lambda e, fn=fn: tf.map_fn(fn, e))(elems)
    with pytest.raises(ValueError, match="fn_output_signature"):
        run(lambda e: tf.map_fn(lambda x: (x, x), e))(elems)
    stated = run(lambda e: tf.map_fn(lambda x: tf.cast(x, tf.float32), e, fn_output_signature=tf.float32))
    assert stated(elems).numpy().tolist() == [1.0, 2.0]
    numbers = run(lambda e: tf.map_fn(lambda x: 1, e))(tf.constant([1.0, 2.0]))
    assert numbers.dtype == tf.float32
    halves = run(lambda e: tf.vectorized_map(lambda x: tf.cast(x, tf.float32) / 2.0, e))(elems)
    assert halves.numpy().tolist() == [0.5, 1.0]


def test_bincount_cuts_numbers_off_and_counts_over_all_axes():
    assert tf.math.bincount(tf.constant([1.0, 2.5])).numpy().tolist() == [0, 1, 1]
    assert tf.math.bincount(tf.constant([True, False, True])).numpy().tolist() == [1, 2]
    assert tf.math.bincount(tf.constant([[1, 2], [2, 0]])).numpy().tolist() == [1, 1, 2]
    assert tf.math.bincount(tf.constant([[1, 2], [2, 0]]), axis=-1).numpy().tolist() == [[0, 1, 1], [1, 0, 1]]
