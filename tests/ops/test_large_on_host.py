"""Large eager work by pieces on the host engine: the values are those of one piece, wherever the cuts are."""

import numpy as np
import pytest

import dovetail as tf
from dovetail.base.settings import settings
from dovetail.engine import host_pieces, placement

CALLS = {
    "add": lambda x, y: x + y,
    "a number": lambda x, y: x * 2.5,
    "a row": lambda x, y: x - y[0],
    "a column": lambda x, y: x * y[:, :1],
    "several passes": lambda x, y: tf.math.divide_no_nan(x, tf.round(y)),
    "comparison": lambda x, y: x > y,
    "not": lambda x, y: tf.logical_not(x > y),
    "where": lambda x, y: tf.where(x > 0, x, y),
    "clip": lambda x, y: tf.clip_by_value(x, -0.5, y),
    "integers": lambda x, y: tf.cast(x * 10, tf.int32) // 3,
    "add_n": lambda x, y: tf.add_n([x, y, x]),
    "argmax": lambda x, y: tf.argmax(x, axis=-1),
    "argsort": lambda x, y: tf.argsort(tf.round(x * 4)),
    "cumsum": lambda x, y: tf.cumsum(x, axis=1, reverse=True),
    "any": lambda x, y: tf.reduce_any(x > 3, axis=1),
    "softmax": lambda x, y: tf.nn.softmax(x),
    "concat": lambda x, y: tf.concat([x, y], axis=1),
    "tile": lambda x, y: tf.tile(x, [1, 2]),
    "pad": lambda x, y: tf.pad(x, [[1, 0], [2, 3]], constant_values=1.5),
    "gather": lambda x, y: tf.gather(x, tf.range(300)[::-3]),
    "scatter": lambda x, y: tf.scatter_nd(tf.constant([[3], [1], [3], [0]] * 4), x[:16], x.shape),
    "count": lambda x, y: tf.math.count_nonzero(x > 0),
}


@pytest.fixture
def few_are_many(monkeypatch):
    """Makes pieces of arrays of a few thousand elements."""
    before = settings.host_limit
    settings.host_limit = 100
    monkeypatch.setattr(placement, "FEWEST_IN_PIECES", 100)
    monkeypatch.setattr(host_pieces, "_PIECE", 700)
    yield
    settings.host_limit = before


def _drawn():
    rng = np.random.default_rng(0)
    return tuple(tf.constant(rng.normal(size=(301, 33)).astype("float32")) for _ in range(2))


@pytest.mark.parametrize("name", CALLS)
def test_pieces_give_what_the_whole_gives(name, few_are_many):
    x, y = _drawn()
    found = CALLS[name](x, y)
    assert type(found._value) is np.ndarray or name == "softmax"  # which is a native kernel's
    settings.host_limit = 1 << 20
    expected = CALLS[name](x, y)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)


def test_gradients_and_arrays_of_xla(few_are_many):
    x, y = _drawn()
    product = tf.matmul(x, y, transpose_b=True)
    with tf.GradientTape() as tape:
        tape.watch(product)
        loss = tf.reduce_sum(tf.exp(product * 0.1) * product)
    z = product.numpy().astype("float64")
    np.testing.assert_allclose(
        tape.gradient(loss, product), np.exp(z * 0.1) * (1 + 0.1 * z), rtol=1e-4, atol=1e-6
    )


def test_half_and_complex_numbers_stay_with_xla(few_are_many):
    for kind in ("float16", "bfloat16", "complex64"):
        x = tf.cast(_drawn()[0], kind)
        assert type((x + x)._value) is not np.ndarray


def test_errors_say_what_they_say_otherwise(few_are_many):
    x = tf.cast(_drawn()[0], tf.int32)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"floordiv.*Integer division by zero"):
        x // tf.zeros_like(x)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"not in \[0, 301\)|301"):
        tf.gather(x, tf.fill([200], 301))


def test_strings_fill_tensors():
    assert tf.fill([2], "a").numpy().tolist() == [b"a", b"a"]
    assert tf.fill([2], tf.constant("a")).numpy().tolist() == [b"a", b"a"]
    assert tf.pad(tf.constant(["a"]), [[1, 0]]).numpy().tolist() == [b"", b"a"]
    stacked = tf.stack([tf.constant("a"), tf.constant("b")])
    assert [type(one) for one in stacked.numpy().tolist()] == [bytes, bytes]
    assert tf.concat([["a"], ["b"]], 0).numpy().tolist() == [b"a", b"b"]


def test_threads_share_and_tell_what_goes_wrong(monkeypatch):
    monkeypatch.setattr(host_pieces, "num_threads", lambda: 4)
    monkeypatch.setattr(host_pieces, "_PIECE", 10)
    x = np.arange(1000.0)
    np.testing.assert_array_equal(host_pieces.run(lambda a: a * 2 + 1, [x], "elements"), x * 2 + 1)

    def fails(a):
        if a[0] >= 500:
            raise ValueError("in a piece")
        return a

    with pytest.raises(ValueError, match="in a piece"):
        host_pieces.run(fails, [x], "elements")


def test_the_only_function_is_found():
    x, y = np.ones(3), np.ones(3)
    assert host_pieces.only_ufunc(lambda xp, a, b: xp.add(a, b), [x, y]) is np.add
    assert host_pieces.only_ufunc(lambda xp, a, b: xp.add(b, a), [x, y]) is None
    assert host_pieces.only_ufunc(lambda xp, a: xp.sqrt(xp.abs(a)), [x]) is None
    assert host_pieces.only_ufunc(lambda xp, a: xp.sqrt(a).astype("f4"), [x]) is None
