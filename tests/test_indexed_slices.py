"""Gradients that are rows: `tf.IndexedSlices` from look-ups to optimizers."""

import numpy as np
import pytest

import dovetail as tf
from dovetail.keras.optimizers.rows import goes_by_rows
from tests.support import parity

keras = tf.keras
TABLE = np.linspace(-1, 1, 12).astype(np.float32).reshape(4, 3)
IDS = [2, 0, 2]


def _gradient(tf, lookup, at=None):
    table = tf.Variable(TABLE) if at is None else at(TABLE)
    with tf.GradientTape() as tape:
        tape.watch(table)
        loss = tf.reduce_sum(lookup(tf, table) * 3.0)
    gradient = tape.gradient(loss, table)
    if isinstance(gradient, tf.IndexedSlices):
        return "rows", gradient.indices, gradient.values, gradient.dense_shape
    return "dense", gradient


LOOK_UPS = {
    "gather": lambda tf, t: tf.gather(t, IDS),
    "scalar": lambda tf, t: tf.gather(t, 1),
    "matrix of ids": lambda tf, t: tf.gather(t, [[0, 1], [1, 1]]),
    "axis 1": lambda tf, t: tf.gather(t, [0, 1, 1], axis=1),
    "embedding": lambda tf, t: tf.nn.embedding_lookup(t, IDS),
    "gather_nd": lambda tf, t: tf.gather_nd(t, [[0], [2]]),
    "gather_nd of numbers": lambda tf, t: tf.gather_nd(t, [[0, 1], [2, 2]]),
    "identity": lambda tf, t: tf.gather(tf.identity(t), IDS),
    "cast": lambda tf, t: tf.cast(tf.gather(tf.cast(t, tf.float64), IDS), tf.float32),
    "scaled table": lambda tf, t: tf.gather(t * 2.0, IDS),
    "two": lambda tf, t: tf.gather(t, IDS) + tf.gather(t, [1, 1, 1]),
    "two by two": lambda tf, t: tf.gather(t, IDS) * tf.gather(t, [1, 1, 1]),
    "and dense": lambda tf, t: tf.gather(t, IDS) + tf.reduce_sum(t),
    "boolean mask": lambda tf, t: tf.boolean_mask(t, [True, False, True, False]),
    "function": lambda tf, t: tf.function(lambda a: tf.gather(a, IDS) * 2.0)(t),
    "function, two": lambda tf, t: tf.function(lambda a: tf.gather(a, IDS) * tf.gather(a, [0, 1, 1]))(t),
    "function, dense": lambda tf, t: tf.function(lambda a: tf.gather(a, IDS) + tf.reduce_sum(a))(t),
    "function, both": lambda tf, t: tf.function(lambda a: tf.gather(a, IDS))(t) + tf.gather(t, [1, 1, 1]),
}


@pytest.mark.parametrize("lookup", LOOK_UPS.values(), ids=LOOK_UPS)
@pytest.mark.parametrize("kind", ["Variable", "constant"])
def test_same_kind_of_gradient_as_tensorflow(lookup, kind):
    parity.check(lambda tf: _gradient(tf, lookup, getattr(tf, kind)))


def test_function_that_closes_over_the_table():
    table = tf.Variable(TABLE)
    rows = tf.function(lambda ids: tf.gather(table, ids) ** 2)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(rows(tf.constant(IDS)))
    gradient = tape.gradient(loss, table)
    assert isinstance(gradient, tf.IndexedSlices)
    np.testing.assert_array_equal(gradient.indices, IDS)
    np.testing.assert_allclose(gradient.values, 2 * TABLE[IDS], rtol=1e-6)


def test_second_derivative_through_rows():
    table = tf.Variable(TABLE)
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            loss = tf.reduce_sum(tf.gather(table, IDS) ** 3)
        gradient = inner.gradient(loss, table)
    found = tf.convert_to_tensor(outer.gradient(gradient, table))
    expected = np.zeros_like(TABLE)
    np.add.at(expected, IDS, 6 * TABLE[IDS])
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_jacobian_of_a_look_up_is_dense():
    table = tf.Variable(TABLE)
    with tf.GradientTape() as tape:
        y = tf.gather(table, IDS)
    found = tape.jacobian(y, table).numpy().reshape(9, 12)
    np.testing.assert_array_equal(found.sum(0), [1, 1, 1, 0, 0, 0, 2, 2, 2, 0, 0, 0])


def clipped(tf):
    rows = tf.IndexedSlices(tf.constant([[3.0], [4.0]]), tf.constant([2, 0]), tf.constant([3, 1]))
    scaled, norm = tf.clip_by_global_norm([rows, None, tf.constant([12.0])], 6.5)
    once = tf.clip_by_norm(rows, 1.0)
    return [
        scaled[0].values,
        scaled[1],
        scaled[2],
        norm,
        once.values,
        once.indices,
        tf.linalg.global_norm([rows]),
    ]


def test_clipping_keeps_rows():
    parity.check(clipped)


def _optimizers():
    make = keras.optimizers
    common = [{}, {"clipnorm": 0.5}, {"global_clipnorm": 0.5}, {"clipvalue": 0.3}, {"weight_decay": 0.1}]
    common += [{"use_ema": True}, {"gradient_accumulation_steps": 2}, {"loss_scale_factor": 4.0}]
    rules = [
        *(
            lambda kind=kind, **k: kind(0.1, **k)
            for kind in (make.SGD, make.Adagrad, make.Adam, make.RMSprop)
        ),
        *(
            lambda kind=kind, **k: kind(0.1, **k)
            for kind in (make.Nadam, make.Adamax, make.Adadelta, make.Ftrl)
        ),
        *(lambda kind=kind, **k: kind(0.1, **k) for kind in (make.Lion, make.Lamb, make.Adafactor)),
        lambda **k: make.SGD(0.1, momentum=0.9, nesterov=True, **k),
        lambda **k: make.LossScaleOptimizer(make.Adagrad(0.1, **k), initial_scale=8.0),
    ]
    return [(rule, {}) for rule in rules] + [(rules[i], options) for i in (0, 1) for options in common[1:]]


# Rules without options once as small arrays; those that go by rows in every way.
_WAYS = [(n, "eager") for n in range(13)] + [(n, how) for n in (0, 1, 2, 12) for how in ("function", "large")]
_WAYS += [(n, "large") for n in range(13, len(_optimizers()))]


@pytest.mark.parametrize(("number", "how"), _WAYS)
def test_optimizers_do_what_they_do_with_the_dense_gradient(number, how):
    rule, options = _optimizers()[number]
    width = 2000 if how == "large" else 3  # large: one compiled call, which takes the variable's memory
    start = np.tile(np.linspace(-1, 1, 4)[:, None], (1, width)).astype(np.float32)
    results = []
    for dense in (True, False):
        table, other, optimizer = tf.Variable(start), tf.Variable([1.0]), rule(**options)
        optimizer.build([table, other])

        def step(ids, values, table=table, other=other, optimizer=optimizer, dense=dense):
            gradient = tf.IndexedSlices(values, ids, tf.constant([4, width]))
            if dense:
                gradient = tf.convert_to_tensor(gradient)
            optimizer.apply_gradients([(gradient, table), (tf.constant([0.5]), other)])

        run = tf.function(step) if how == "function" else step
        for ids in ([2, 0, 2], [1, 1, 1], [3, 2, 0]):
            rows = np.ones((3, width), np.float32) * np.array([[1.0], [-2.0], [0.5]], np.float32)
            run(tf.constant(ids), tf.constant(rows))
        results.append((table.numpy(), other.numpy()))
    for dense, rows in zip(*results, strict=True):
        np.testing.assert_allclose(rows, dense, rtol=2e-5, atol=1e-6)


def test_an_own_rule_gets_the_dense_gradient():
    class Sign(keras.optimizers.SGD):
        def update(self, xp, gradient, value, slots, hyper):
            return value - xp.sign(gradient) - 1, ()

    optimizer, table = Sign(0.1), tf.Variable(TABLE)
    assert not goes_by_rows(optimizer)
    optimizer.apply_gradients([(tf.IndexedSlices([[1.0, 1.0, 1.0]], [1], [4, 3]), table)])
    np.testing.assert_allclose(table.numpy(), TABLE - 1 - np.array([[0], [1], [0], [0]]))


def test_fit_trains_an_embedding_by_rows():
    """Adagrad's first step depends on each row's summed gradient; rows that are not looked up stay."""
    model = keras.Sequential(
        [keras.layers.Embedding(5, 1, embeddings_initializer="zeros"), keras.layers.Flatten()]
    )
    model.compile(keras.optimizers.Adagrad(1.0), loss=lambda y, p: tf.reduce_sum(p, -1))
    model.fit(np.array([[2, 2, 1]]), np.zeros((1, 3)), verbose=0)
    expected = [0, -1 / np.sqrt(1.1), -2 / np.sqrt(4.1), 0, 0]
    np.testing.assert_allclose(model.layers[0].embeddings.numpy()[:, 0], expected, rtol=1e-5)


def test_a_step_reuses_the_memory_of_the_table():
    table = tf.Variable(tf.zeros((3000, 64)))
    optimizer = keras.optimizers.SGD(0.1)
    places = set()
    for _ in range(4):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.gather(table, [1, 7]))
        optimizer.apply_gradients([(tape.gradient(loss, table), table)])
        places.add(np.asarray(table._held._value).__array_interface__["data"][0])
    assert len(places) <= 2  # the first step has the array that the table was made of


def test_rows_of_a_wrong_shape_name_the_variable():
    table = tf.Variable(TABLE, name="table")
    with pytest.raises(ValueError, match="table.*rows|rows of table"):
        keras.optimizers.SGD().apply_gradients([(tf.IndexedSlices([[1.0]], [0], [4, 1]), table)])


def in_and_out_of_a_function(tf):
    table = tf.Variable(TABLE)

    @tf.function
    def gradient():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.gather(table, IDS) ** 2)
        return {"table": tape.gradient(loss, table)}

    @tf.function
    def halved(rows):
        return tf.IndexedSlices(rows.values / 2, rows.indices, rows.dense_shape)

    rows = halved(gradient()["table"])
    return [rows.values, rows.indices, rows.dense_shape]


def spec(tf):
    rows = tf.IndexedSlices(tf.ones((2, 3)), tf.constant([0, 1]), tf.constant([4, 3]))
    found = tf.type_spec_from_value(rows)
    again = tf.nest.flatten(rows, expand_composites=True)
    same = found == tf.IndexedSlicesSpec([4, 3], tf.float32, tf.int32, tf.int32, [2])
    return [same, found.value_type.__name__, again, len(tf.nest.flatten(rows)), repr(found)]


@pytest.mark.parametrize("case", [in_and_out_of_a_function, spec])
def test_composite(case):
    parity.check(case)
