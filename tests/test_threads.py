"""Several threads call models, functions and tapes at once; each gets what it would get alone."""

import sys
import threading

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from dovetail.base.versions import Versioned, Versions
from dovetail.function.substitution import substituted
from dovetail.tensor.transaction import Transaction

THREADS, CALLS = 4, 12


def at_once(work, threads=THREADS):
    """Runs `work(number of the thread)` in several threads that begin together; raises what one of them raised."""
    start, errors = threading.Barrier(threads), []

    def run(number):
        try:
            start.wait(timeout=60)
            work(number)
        except BaseException as error:  # noqa: BLE001 - told to the caller's thread
            errors.append(error)

    running = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(timeout=120)
    if errors:
        raise errors[0]
    assert not any(thread.is_alive() for thread in running)


def test_a_model_that_none_has_called_before():
    model = keras.Sequential(
        [keras.layers.Input((3,)), keras.layers.Dense(8, activation="tanh"), keras.layers.Dense(2)]
    )
    (w1, b1, w2, b2) = model.get_weights()

    def work(number):
        for call in range(CALLS):
            x = np.full((1 + call % 3, 3), number + 0.1 * call, "float32")
            expected = np.tanh(x @ w1 + b1) @ w2 + b2
            np.testing.assert_allclose(model(x), expected, rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-5, atol=1e-6)

    at_once(work)


def test_every_change_is_seen():
    def work(number):
        item = Versioned()
        for _ in range(3000):
            versions = Versions([item])
            item._changed()
            assert not versions.hold() and Versions([item]).hold()

    at_once(work)


def test_a_function_that_is_traced_by_all():
    w = tf.Variable(3.0)

    @tf.function
    def f(x, n):
        return tf.while_loop(lambda i, a: i < n, lambda i, a: (i + 1, a * w), (tf.constant(0), x))[1]

    def work(number):
        for call in range(CALLS):
            x = tf.fill([1 + (number + call) % 3], float(number))
            np.testing.assert_allclose(f(x, tf.constant(call % 4)), np.asarray(x) * 3.0 ** (call % 4))

    at_once(work)


def test_tapes_in_functions_that_share_a_watched_tensor():
    shared = tf.constant([1.0, 2.0])

    def gradient(n):
        with tf.GradientTape() as tape:
            tape.watch(shared)
            y = tf.while_loop(lambda i, a: i < n, lambda i, a: (i + 1, a * shared), (0, tf.ones([2])))[1]
        return tape.gradient(y, shared)

    def work(number):
        f = tf.function(gradient)  # its own trace
        for n in range(1, 5):
            np.testing.assert_allclose(f(tf.constant(n)), n * np.array([1.0, 2.0]) ** (n - 1))
            np.testing.assert_array_equal(shared + 0.0, [1.0, 2.0])  # while others trace

    at_once(work)


def test_reading_while_a_function_writes():
    v = tf.Variable(np.ones((64, 64), "float32"))
    w = keras.Variable(np.ones((64, 64), "float32"))
    optimizer = keras.optimizers.Adam(0.0)

    @tf.function
    def write(x):
        v.assign(v * x)

    @tf.function
    def read(x):
        return tf.reduce_sum(v * x) + tf.reduce_sum(w)

    one = tf.constant(1.0)
    write(one), read(one)

    def work(number):
        for _ in range(300):
            if number == 0:
                write(one)
            elif number == 1:
                optimizer.apply_gradients([(tf.ones((64, 64)), w)])
            else:
                assert float(read(one)) == 2 * 64 * 64 and float(tf.reduce_sum(v + w)) == 2 * 64 * 64

    at_once(work)


def test_no_write_is_lost():
    count, step = tf.Variable(0), tf.function(lambda: count.assign_add(1))
    step()
    at_once(lambda number: [step() for _ in range(100)])
    assert int(count) == 1 + 100 * THREADS


def test_a_failed_program_leaves_the_values():
    v = tf.Variable(np.ones(5, "float32"))

    @tf.function
    def write(x):
        v.assign(v + x)

    write(tf.constant(1.0))
    program = next(iter(write._programs.values()))
    compiled, program.compiled = program.compiled, lambda *values: 1 / 0
    with pytest.raises(ZeroDivisionError):
        write(tf.constant(1.0))
    program.compiled = compiled
    write(tf.constant(1.0))
    assert v.numpy().tolist() == [3.0] * 5
    with pytest.raises(AttributeError, match="no_such_thing"):
        v.no_such_thing


def test_training_of_a_model_each():
    x, y = np.ones((8, 3), "float32"), np.ones((8, 1), "float32")
    results = {}

    def work(number):
        model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1, kernel_initializer="ones")])
        model.compile(keras.optimizers.SGD(0.01), "mse")
        model.fit(x, y, batch_size=4, epochs=2, verbose=0, shuffle=False)
        results[number] = model.get_weights()[0]

    at_once(work)
    for result in results.values():
        np.testing.assert_allclose(result, results[0])


@pytest.mark.parametrize("read", ["value", "op", "nested"])
def test_a_substituted_value_is_seen_by_its_own_thread_only(read):
    x = tf.constant([1.0, 2.0])
    look = {
        "value": lambda: x.numpy(),
        "op": lambda: (x + 0.0).numpy(),
        "nested": lambda: tf.stack([x])[0].numpy(),
    }
    seen = {}

    def elsewhere():
        seen["there"] = look[read]()
        with substituted([x], [np.array([5.0, 5.0], "float32")]):
            seen["own"] = look[read]()

    with substituted([x], [np.array([7.0, 7.0], "float32")]):
        np.testing.assert_array_equal(look[read](), [7.0, 7.0])
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        np.testing.assert_array_equal(look[read](), [7.0, 7.0])
    np.testing.assert_array_equal(seen["there"], [1.0, 2.0])
    np.testing.assert_array_equal(seen["own"], [5.0, 5.0])
    assert isinstance(x, tf.Tensor) and x.numpy().tolist() == [1.0, 2.0]


@pytest.mark.parametrize("what", ["transaction", "optimizer"])
def test_what_is_written_as_one_is_read_as_one(what):
    variables = [tf.Variable(np.zeros(2, "float32")) for _ in range(40)]
    ones, none = [tf.ones([2])] * 40, [False] * 40
    reading = Transaction(variables, none, [])
    writing = Transaction(variables, none, variables)
    optimizer = keras.optimizers.SGD(1.0)
    write = {
        "transaction": lambda: writing.run(lambda *values: [value + 1 for value in values]),
        "optimizer": lambda: optimizer.apply(ones, variables),
    }[what]
    write()
    before = sys.getswitchinterval()

    def work(number):
        for _ in range(1000):
            if number:
                assert len({float(value[0]) for value in reading.run(lambda *values: values)}) == 1
            else:
                write()

    sys.setswitchinterval(1e-6)
    try:
        at_once(work, threads=2)
    finally:
        sys.setswitchinterval(before)
