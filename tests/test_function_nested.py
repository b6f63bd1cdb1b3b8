"""A `tf.function` inside another one: traced once a signature, whoever calls it, with the values of inlined code."""

import functools

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras


class Counted:
    """A tf.function that counts the runs of its Python code."""

    def __init__(self, function, **options):
        self.runs = 0

        @functools.wraps(function)
        def counted(*args, **kwargs):
            self.runs += 1
            return function(*args, **kwargs)

        self.call = tf.function(counted, **options)

    def __call__(self, *args, **kwargs):
        return self.call(*args, **kwargs)

    @property
    def counts(self):
        return self.runs, self.call.experimental_get_tracing_count()


def _twice_each():
    inner = Counted(lambda x: x * 2.0)
    one = tf.function(lambda x: inner(x) + inner(x + 1.0))
    two = tf.function(lambda x: inner(x))
    values = [float(f(tf.constant(1.0))) for f in (one, two, inner)]
    one(tf.zeros([2])), two(tf.zeros([2]))
    return values, inner.counts


def _python_arguments():
    inner = Counted(lambda x, n=2: x * n)
    outer = tf.function(lambda x: inner(x) + inner(x, 2) + inner(x, n=3) + inner(x, tf.constant(2.0)))
    return float(outer(tf.constant(1.0))), inner.counts


def _in_control_flow():
    inner = Counted(lambda x: x * 2.0)

    @tf.function
    def outer(x):
        looped = tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, inner(a)), [0, x])[1]
        chosen = tf.cond(x > 0.0, lambda: inner(x), lambda: inner(-x))
        return looped + chosen + tf.reduce_sum(tf.map_fn(inner, tf.constant([1.0, 2.0])))

    return float(outer(tf.constant(1.0))), inner.counts


def _tapes():
    inner = Counted(lambda x: x**3)

    @tf.function
    def outer(x):
        with tf.GradientTape() as second:
            second.watch(x)
            with tf.GradientTape() as first:
                first.watch(x)
                y = inner(x)
            gradient = first.gradient(y, x)
        return gradient, second.gradient(gradient, x)

    return [float(g) for g in outer(tf.constant(2.0))], inner.counts


def _recursion():
    function = Counted(lambda n: tf.constant(1) if n <= 1 else n * function(n - 1))
    return int(function(5)), function.counts


def _wide_inner():
    inner = Counted(lambda x: tf.reduce_sum(x), input_signature=[tf.TensorSpec([None])])
    outer = tf.function(lambda x: inner(x))
    return [float(outer(tf.ones([n]))) for n in range(1, 5)], inner.counts


def _wide_outer():
    inner = Counted(lambda x: x * 2.0)
    outer = Counted(lambda x: inner(x) + inner(x), input_signature=[tf.TensorSpec([None])])
    values = [float(tf.reduce_sum(f(tf.ones([n])))) for n in (2, 3) for f in (outer, inner)]
    return values, inner.counts, outer.counts


def _relaxed_inner():
    inner = Counted(lambda x: tf.reduce_sum(x), reduce_retracing=True)
    outer = tf.function(lambda x: inner(x))
    return [float(outer(tf.ones([n]))) for n in range(1, 4)], inner.counts


def _random():
    inner = Counted(lambda: tf.random.normal([]))
    a, b = tf.function(lambda: (inner(), inner()))()
    return bool(a != b), inner.counts


def _state():
    total = tf.Variable(0.0)
    inner = Counted(lambda x: total.assign_add(x))
    outer = tf.function(lambda x: (inner(x), total * 10.0, inner(x))[1])
    values = float(outer(tf.constant(1.0))), float(outer(tf.constant(1.0)))
    return values, float(total), inner.counts


def _concrete():
    inner = Counted(lambda x: x * 2.0)
    concrete = inner.call.get_concrete_function(tf.TensorSpec([None]))
    outer = tf.function(lambda x: concrete(x) + inner(x))
    return float(tf.reduce_sum(outer(tf.ones([3])))), inner.counts


def _composites():
    inner = Counted(lambda r: tf.reduce_sum(r * 2.0, axis=1))
    outer = tf.function(lambda r: inner(r) + inner(r + 1.0))
    ragged = tf.ragged.constant([[1.0, 2.0], [3.0]])
    return outer(ragged).numpy().tolist(), inner.counts


# What each gives: the values, and how often the Python code of the inner function runs, as counted on TensorFlow 2.21.
CASES = {
    _twice_each: ([6.0, 2.0, 2.0], (2, 2)),
    _python_arguments: (9.0, (3, 3)),
    _in_control_flow: (16.0, (1, 1)),
    _tapes: ([12.0, 12.0], (1, 1)),
    _recursion: (120, (5, 5)),
    _wide_inner: ([1.0, 2.0, 3.0, 4.0], (1, 1)),
    _wide_outer: ([8.0, 4.0, 12.0, 6.0], (1, 1), (1, 1)),
    _relaxed_inner: ([1.0, 2.0, 3.0], (2, 2)),
    _random: (True, (1, 1)),
    _state: ((20.0 - 10.0, 30.0), 4.0, (1, 1)),
    _concrete: (12.0, (1, 1)),
    _composites: ([16.0, 14.0], (1, 1)),
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__.strip("_"))
def test_inner_functions_are_traced_once_a_signature(case):
    assert case() == CASES[case]


def test_variables_are_created_once():
    class Scaled(tf.Module):
        factor = None

        @tf.function
        def __call__(self, x):
            if self.factor is None:
                self.factor = tf.Variable(3.0)
            return self.factor * x

    module = Scaled()
    outer = tf.function(lambda x: module(x) + module(x))
    assert float(outer(tf.constant(1.0))) == 6.0
    module.factor.assign(5.0)
    assert float(outer(tf.constant(1.0))) == 10.0 and float(module(tf.constant(2.0))) == 10.0


def test_what_nothing_depends_on_has_the_gradients_of_tensorflow():
    used, unused = tf.Variable(2.0), tf.Variable(3.0)
    inner = tf.function(lambda x, y: (x * 2.0 * used, tf.stop_gradient(unused) * y))

    def gradients(x, y):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch([x, y])
            first, second = inner(x, y)
        sources = [x, y, used, unused]
        return [tape.gradient(target, sources) for target in (first, second)]

    expected = [[4.0, 0.0, 2.0, None], [0.0, 3.0, None, None]]
    for run in (gradients, tf.function(gradients)):
        found = run(tf.constant(1.0), tf.constant(2.0))
        assert [[g if g is None else float(g) for g in row] for row in found] == expected


def test_gradients_of_look_ups_stay_rows():
    table = tf.Variable(np.arange(12.0, dtype="float32").reshape(6, 2))
    inner = tf.function(lambda ids: tf.nn.embedding_lookup(table, ids) * 3.0)

    @tf.function
    def outer(ids):
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(inner(ids)) + tf.reduce_sum(inner(ids + 1))
        gradient = tape.gradient(total, table)
        return isinstance(gradient, tf.IndexedSlices), tf.convert_to_tensor(gradient)

    rows, gradient = outer(tf.constant([1, 1]))
    assert rows
    np.testing.assert_allclose(gradient[:, 0], [0, 6, 6, 0, 0, 0])


def test_second_order_through_variables_and_loops():
    weight = tf.Variable(1.5)

    @tf.function
    def power(x, n):
        result = tf.ones_like(x)
        for _ in tf.range(n):
            result *= x * weight
        return result

    def both(x):
        with tf.GradientTape() as second, tf.GradientTape() as first:
            second.watch(x), first.watch(x)
            y = power(x, tf.constant(3))
        return first.gradient(y, [x, weight])

    def nested(x):
        with tf.GradientTape() as second:
            second.watch(x)
            with tf.GradientTape() as first:
                first.watch(x)
                y = power(x, tf.constant(3))
            gradient = first.gradient(y, weight)
        return second.gradient(gradient, x)

    x = tf.constant(2.0)
    np.testing.assert_allclose(
        [float(g) for g in tf.function(both)(x)], [3 * 4 * 1.5**3, 8 * 3 * 1.5**2], rtol=1e-6
    )
    np.testing.assert_allclose(float(tf.function(nested)(x)), 9 * 4 * 1.5**2, rtol=1e-6)


def test_closures_over_tensors_of_the_caller():
    @tf.function
    def outer(x):
        y = x * 3.0
        inner = tf.function(lambda z: z + y)
        return inner(x) + inner(x)

    assert [float(outer(tf.constant(v))) for v in (1.0, 2.0)] == [8.0, 16.0]

    class Holder:
        @tf.function
        def add(self, z):
            return z * self.held

    holder = Holder()

    @tf.function
    def sets(x):
        holder.held = x * 2.0
        with tf.GradientTape() as tape:
            tape.watch(holder.held)
            y = holder.add(x)
        return y, tape.gradient(y, holder.held)

    for shape in ([], [2]):
        y, gradient = sets(3.0 * tf.ones(shape))
        assert np.all(y.numpy() == 18.0) and np.all(gradient.numpy() == 3.0)


def test_python_results_are_tensors_with_known_values():
    heads = tf.function(lambda: 2)
    outer = tf.function(lambda x: tf.reshape(x, [heads(), -1]))
    assert outer(tf.range(6)).shape == (2, 3)


def test_errors_and_prints(capfd):
    @tf.function
    def inner(x):
        tf.print("value", x)
        tf.debugging.assert_positive(x)
        return x

    outer = tf.function(lambda x: inner(x) + inner(x + 1.0))
    assert float(outer(tf.constant(1.0))) == 3.0
    assert capfd.readouterr().err.split() == ["value", "1", "value", "2"]
    with pytest.raises(tf.errors.InvalidArgumentError):
        outer(tf.constant(-0.5))


class Regularized(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(2, activity_regularizer="l2", kernel_initializer="ones")
        self.dropout = keras.layers.Dropout(0.5)

    def call(self, x):
        self.add_loss(tf.reduce_sum(x) * 1e-3)
        return self.dropout(self.dense(x))


class RegularizedFunction(Regularized):
    call = tf.function(Regularized.call)


def test_layers_with_compiled_calls_train_as_those_without():
    x = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
    found = []
    for kind in (Regularized, RegularizedFunction):
        keras.utils.set_random_seed(1)
        model = keras.Sequential([kind(), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        model.fit(x, x[:, :1], epochs=2, batch_size=4, shuffle=False, verbose=0)
        found.append([model.evaluate(x, x[:, :1], verbose=0), *[w.sum() for w in model.get_weights()]])
        predicted = model.predict(x, verbose=0)
        np.testing.assert_allclose(model(x), predicted, rtol=1e-5, atol=1e-6)  # no dropout when predicting
        layer = model.layers[0]
        layer(x)
        assert len(layer.losses) == 2 and all(np.isfinite(float(loss)) for loss in layer.losses)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)


def test_mixed_precision_and_masks_reach_inner_calls():
    class Inner(keras.layers.Layer):
        def __init__(self, **options):
            super().__init__(**options)
            self.lookup = keras.layers.Embedding(5, 4, mask_zero=True)
            self.pool = keras.layers.GlobalAveragePooling1D()

        @tf.function
        def pooled(self, x):
            return self.pool(x)

        def call(self, ids):
            return self.pooled(self.lookup(ids))

    layer = Inner()
    ids = tf.constant([[1, 2, 0, 0]])
    expected = tf.reduce_mean(tf.gather(layer(ids) * 0 + layer.lookup.embeddings, [1, 2]), 0)
    np.testing.assert_allclose(tf.function(lambda i: layer(i))(ids)[0], expected, rtol=1e-5)
    dense = keras.layers.Dense(2, dtype="mixed_bfloat16")
    dense.build((None, 3))
    product = tf.function(lambda x: tf.matmul(x, dense.kernel))

    class Mixed(keras.layers.Layer):
        def call(self, x):
            return product(x)

    outer = tf.function(lambda x: (Mixed(dtype="mixed_bfloat16")(x), product(x)))
    low, high = outer(tf.ones([1, 3]))
    assert (low.dtype, high.dtype) == (tf.bfloat16, tf.float32)


@tf.custom_gradient
def _tenfold(x):
    return x * 3.0, lambda dy: dy * x * 10.0


def _looped(x, w):
    for _ in range(3):
        x = x * w
    return x


def _in_place(x, w):
    w.assign_add(1.0)
    y = x * w
    w.assign_add(1.0)
    return y


def _with_tape(x, w):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(x**3 * w)
    return tape.gradient(y, x)


INNER = {
    "ops": lambda x, w: x * x * w,
    "identity": lambda x, w: x,
    "custom_gradient": lambda x, w: _tenfold(x) * w,
    "loop": lambda x, w: tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * w), [0, x])[1],
    "python loop": _looped,
    "assignments": _in_place,
    "tape": _with_tape,
    "branch": lambda x, w: tf.cond(x[0] > 0.0, lambda: x * w, lambda: -x),
}


def _first_order(inner, x, w):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(inner(x, w) * x * w)
    return y, tape.gradient(y, [x, w], unconnected_gradients="zero")


def _twice(inner, x, w):
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = inner(x, w)
        z = tf.reduce_sum(inner(y, w))
        with tape.stop_recording():
            z += tf.reduce_sum(inner(x, w))
    return z, tape.gradient(z, x), tape.gradient(z, y)


def _second_order(inner, x, w):
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.reduce_sum(inner(x, w) ** 2)
        gradient = tape.gradient(y, x)
    return gradient, outer.gradient(gradient, [x, w], unconnected_gradients="zero")


def _jacobian(inner, x, w):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = inner(x, w)
    return tape.jacobian(y, x)


def _forward(inner, x, w):
    with tf.autodiff.ForwardAccumulator(x, tf.ones_like(x)) as accumulator:
        y = inner(x, w)
    return accumulator.jvp(y)


@pytest.mark.filterwarnings("ignore::dovetail.function.function.RetracingWarning")
@pytest.mark.parametrize("outer", [_first_order, _twice, _second_order, _jacobian, _forward])
@pytest.mark.parametrize("name", INNER)
def test_tapes_see_through_inner_functions(outer, name):
    x, w = tf.constant([1.0, 2.0]), tf.Variable(2.0)

    def values(result):
        found = [leaf.numpy() for leaf in tf.nest.flatten(result) if leaf is not None]
        found.append(w.numpy())
        w.assign(2.0)
        return found

    inner = INNER[name]
    expected = values(tf.function(lambda x: outer(inner, x, w))(x))
    compiled = tf.function(inner)
    runs = [tf.function(lambda x: outer(compiled, x, w))]
    if outer is not _jacobian:
        runs.append(
            tf.function(lambda x: outer(tf.function(inner), x, w), input_signature=[tf.TensorSpec([None])])
        )
    for run in (*runs, runs[0]):
        for one, other in zip(values(run(x)), expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5)
