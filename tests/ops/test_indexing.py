"""Indexing and slicing against NumPy: eager on both engines, traced, symbolic, under a tape, and the errors."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import dovetail as tf
from dovetail.base.settings import settings
from dovetail.tensor import SymbolicTensor
from tests.support import parity

SHAPES = hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=5)


@pytest.fixture(params=["host", "xla"])
def engine(request):
    """Run the test on one engine, then on the other."""
    before, settings.engine = settings.engine, request.param
    yield request.param
    settings.engine = before


@st.composite
def indices(draw, sizes):
    """One index an axis: integers and slices with steps, new axes between them."""
    items = []
    for size in sizes:
        if draw(st.integers(0, 5)) == 0:
            items.append(None)
        if draw(st.booleans()):
            items.append(draw(st.integers(-size, size - 1)))
        else:
            bound = st.none() | st.integers(-size - 2, size + 2)
            step = draw(st.none() | st.integers(-3, 3).filter(bool))
            items.append(slice(draw(bound), draw(bound), step))
    return items


@st.composite
def keys(draw, shape):
    """A basic index: indices of the first axes, perhaps an ellipsis and indices of the last ones."""
    first = draw(st.integers(0, len(shape)))
    items = draw(indices(shape[:first]))
    if draw(st.booleans()):
        items += [..., *draw(indices(shape[draw(st.integers(first, len(shape))) :]))]
    return items[0] if len(items) == 1 and draw(st.booleans()) else tuple(items)


@st.composite
def arrays_and_keys(draw):
    shape = draw(SHAPES)
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape), draw(keys(shape))


def same(tensor, expected):
    expected = np.asarray(expected)
    assert tuple(tensor.shape) == expected.shape
    np.testing.assert_array_equal(np.asarray(tensor), expected)


@hypothesis.given(arrays_and_keys())
def test_host_equals_numpy(case):
    array, key = case
    same(tf.constant(array)[key], array[key])
    same(tf.Variable(array)[key], array[key])


@hypothesis.settings(max_examples=15)
@hypothesis.given(arrays_and_keys())
def test_traced_equals_numpy(case):
    array, key = case
    same(tf.function(lambda x: x[key])(tf.constant(array)), array[key])


@hypothesis.given(arrays_and_keys(), st.data())
def test_symbolic_shape_fits(case, data):
    array, key = case
    shape = tuple(None if data.draw(st.booleans()) else size for size in array.shape)
    inferred = SymbolicTensor(shape, "float32")[key].shape
    assert inferred.is_compatible_with(np.asarray(array[key]).shape)
    if None not in shape:
        assert inferred.is_fully_defined()


@hypothesis.given(arrays_and_keys())
def test_gradient_puts_ones_where_the_key_reads(case):
    array, key = case
    x = tf.constant(array)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x[key]
    expected = np.zeros_like(array)
    expected[key] = 1
    same(tape.gradient(y, x), expected)


KEYS = [
    1,
    (0, 1),
    slice(1, None),
    (slice(None), -1),
    (..., 0),
    (None, slice(None, None, -2), ..., None),
    (slice(None), slice(2, 0, -1)),
]


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_on_each_engine(engine, key):
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    same(tf.constant(array)[key], array[key])
    x = tf.constant(array)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x[key] * 2.0
    expected = np.zeros_like(array)
    expected[key] = 2
    same(tape.gradient(y, x), expected)


def test_tensors_as_indices(engine):
    array = np.arange(24).reshape(4, 6)
    x = tf.constant(array)
    same(x[tf.constant(2)], array[2])
    same(x[:, tf.constant(-1)], array[:, -1])
    same(x[tf.constant(1), tf.constant(2)], array[1, 2])
    same(x[tf.constant(1) : tf.constant(3)], array[1:3])
    same(x[np.int64(1)], array[1])
    rows = [2, 0, 2]
    same(x[rows], array[rows])
    same(x[tf.constant(rows)], array[rows])
    same(x[1:, tf.constant([0, 5])], array[1:, [0, 5]])
    same(x[tf.constant([0, 1]), tf.constant([2, 3])], array[[0, 1], [2, 3]])


def test_traced_scalar_index():
    array = np.arange(24).reshape(4, 6)
    pick = tf.function(lambda x, i, j: (x[i], x[:, j], x[i, ..., None], x[i, j]))
    got = pick(tf.constant(array), tf.constant(1), tf.constant(-2))
    for tensor, expected in zip(
        got, (array[1], array[:, -2], array[1, ..., None], array[1, -2]), strict=True
    ):
        same(tensor, expected)


def test_constants_in_compiled_code():
    table = tf.constant(np.arange(12.0, dtype=np.float32).reshape(4, 3))
    pick = tf.function(lambda i: (table[i], table[:, i], tf.gather(table, i), tf.gather_nd(table, [[i, i]])))
    row, column, gathered, element = pick(tf.constant(1))
    same(row, table[1])
    same(column, table[:, 1])
    same(gathered, table[1])
    same(element, [4.0])
    put = tf.function(lambda v: tf.tensor_scatter_nd_update(table, [[1, 1]], [v]))
    same(put(tf.constant(-1.0))[1], [3, -1, 5])


def test_traced_begin_of_a_slice():
    array = np.arange(24.0, dtype=np.float32).reshape(4, 6)
    block = tf.function(lambda x, i: tf.slice(x, [i, 2], [2, 3]))
    same(block(tf.constant(array), tf.constant(1)), array[1:3, 2:5])
    same(block(tf.constant(array), tf.constant(2)), array[2:4, 2:5])


def test_masks():
    array = np.arange(12).reshape(3, 4)
    same(tf.constant(array)[tf.constant(array) > 5], array[array > 5])
    same(tf.constant(array)[np.array([True, False, True])], array[[True, False, True]])
    same(tf.constant(array)[[True, False, True]], array[[True, False, True]])
    known = tf.function(lambda x: x[np.array([True, False, True])])
    same(known(tf.constant(array)), array[[True, False, True]])


def test_symbolic_masks_and_indices():
    x = SymbolicTensor((None, 4, 6), "float32")
    assert tuple(x[x > 0].shape) == (None,)
    assert tuple(x[:, SymbolicTensor((), "int32")].shape) == (None, 6)
    assert tuple(x[:, [0, 1, 2]].shape) == (None, 3, 6)
    assert tuple(x[:, [0, 1], [2, 3]].shape) == (None, 2)


def test_shape_arithmetic_stays_known():
    x = SymbolicTensor((None, 4, 6), "float32")
    batch, length, width = tf.shape(x)
    assert tuple(tf.reshape(x, [batch, length * width]).shape) == (None, 24)
    assert tuple(tf.reshape(x, tf.stack([tf.shape(x)[0], 24])).shape) == (None, 24)
    assert tuple(tf.reshape(x, tf.concat([tf.shape(x)[:1], [3, 8]], 0)).shape) == (None, 3, 8)
    assert tuple(tf.reshape(x, [-1, tf.reduce_prod(tf.shape(x)[1:])]).shape) == (None, 24)
    assert tuple(tf.zeros([batch, width // 2]).shape) == (None, 3)
    assert tuple(tf.tile(x[:, :1], [1, length, 1]).shape) == (None, 4, 6)
    assert tuple(x[:, : length - 1].shape) == (None, 3, 6)
    assert tuple(tf.broadcast_to(x[:, :1], tf.shape(x)).shape) == (None, 4, 6)
    assert tuple(tf.split(tf.shape(x), 3)[1].shape) == (1,)
    first, *rest = tf.unstack(tf.shape(x))
    assert tuple(tf.ones([first, *rest]).shape) == (None, 4, 6)


def test_iteration():
    array = np.arange(6).reshape(3, 2)
    for row, expected in zip(tf.constant(array), array, strict=True):
        same(row, expected)
    first, second, third = tf.function(lambda x: tuple(x))(tf.constant(array))
    same(third, array[2])
    x = tf.constant([1.0, 2.0, 3.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = sum(i * one for i, one in enumerate(x))
    same(tape.gradient(total, x), [0, 1, 2])
    assert len(list(SymbolicTensor((2, None), "float32"))) == 2
    with pytest.raises(TypeError, match="scalar"):
        iter(tf.constant(1))
    with pytest.raises(TypeError, match="unknown"):
        iter(SymbolicTensor((None, 2), "float32"))


@pytest.mark.parametrize(
    ("key", "kind", "message"),
    [
        (3, tf.errors.InvalidArgumentError, "slice index 3 of dimension 0 out of bounds"),
        ((0, -5), tf.errors.InvalidArgumentError, "slice index -5 of dimension 1 out of bounds"),
        ((0, 0, 0), tf.errors.InvalidArgumentError, "too many indices"),
        (slice(None, None, 0), tf.errors.InvalidArgumentError, "step must not be 0"),
        (1.0, TypeError, "integers, slices"),
        ("a", TypeError, "integers, slices"),
        (True, TypeError, "integers, slices"),
        (slice(0.5), TypeError, "integers, slices"),
        ((..., ...), ValueError, "one ellipsis"),
        (np.array([True, False]), tf.errors.InvalidArgumentError, "does not fit"),
    ],
)
def test_errors(engine, key, kind, message):
    with pytest.raises(kind, match=message):
        tf.constant(np.zeros((3, 4), np.float32))[key]


def test_symbolic_index_out_of_range():
    with pytest.raises(ValueError, match="out of bounds"):
        SymbolicTensor((None, 4), "float32")[:, 4]


def test_gather_names_the_bad_index():
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"indices\[1\] = 5 is not in \[0, 3\)"):
        tf.gather([1, 2, 3], [0, 5])
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"indices\[0\] = \[0, 4\]"):
        tf.gather_nd([[1, 2], [3, 4]], [[0, 4]])


def test_slice_outside_is_an_error():
    with pytest.raises(tf.errors.InvalidArgumentError, match="do not fit"):
        tf.slice([1, 2, 3], [1], [3])


def test_indexing_large_tensors_copies_nothing():
    array = np.zeros((1000, 1000), np.float32)
    x = tf.constant(array)
    assert x[3]._value.base is not None


LARGE = {
    "gather": lambda x: tf.gather(x, [0, 500] * 100),
    "gather below": lambda x: tf.gather(x, [-1] * 200),
    "gather columns": lambda x: tf.gather(x, [400] * 200, axis=1),
    "gather_nd": lambda x: tf.gather_nd(x, [[0], [500]] * 100),
    "embedding_lookup": lambda x: tf.nn.embedding_lookup(x, [[0, 500]] * 100),
    "scatter": lambda x: tf.tensor_scatter_nd_update(x, [[500, 0]], [1.0]),
    "scatter_add": lambda x: tf.tensor_scatter_nd_add(x, [[0, -1]], [1.0]),
    "few rows": lambda x: tf.gather(x, [500]),
    "a row": lambda x: x[500],
}


@pytest.mark.parametrize("name", LARGE)
def test_indices_of_large_eager_tensors_are_checked(name):
    x = tf.ones([500, 400])
    with pytest.raises(tf.errors.InvalidArgumentError, match="500|-1|400"):
        LARGE[name](x)


def test_a_few_rows_of_a_large_table_compile_nothing():
    table = tf.random.normal([5000, 40])
    for size in range(1, 30):
        rows = tf.gather(table, tf.range(size))
        assert type(rows._value) is np.ndarray
        assert type(tf.gather_nd(table, tf.range(size)[:, None])._value) is np.ndarray


# ---- indices into an axis of size 0 ----------------------------------------------------------------------------------

EMPTY = {
    "x[i]": lambda tf, x, i: x[i],
    "gather": lambda tf, x, i: tf.gather(x, i),
    "gather_nd": lambda tf, x, i: tf.gather_nd(x, [i]),
}


@pytest.mark.parametrize("take", EMPTY.values(), ids=EMPTY)
@pytest.mark.parametrize("compiled", [False, True])
def test_an_index_into_nothing_raises(take, compiled):
    function = tf.function(lambda x, i: take(tf, x, i)) if compiled else lambda x, i: take(tf, x, i)
    with pytest.raises(tf.errors.InvalidArgumentError, match="is not in|out of bounds|does not index"):
        function(tf.zeros([0, 2]), tf.constant(0))


def loop_over_nothing(tf, take):
    x = tf.zeros([0, 2])

    @tf.function
    def total(x):
        result = tf.zeros([2])
        for i in tf.range(tf.shape(x)[0]):
            result += take(tf, x, i)
        return result

    @tf.function
    def first(x, i):
        return tf.cond(i < tf.shape(x)[0], lambda: take(tf, x, i), lambda: tf.ones([2]))

    return [total(x), first(x, tf.constant(0))]


@pytest.mark.parametrize("take", EMPTY.values(), ids=EMPTY)
def test_what_does_not_run_takes_nothing(take):
    parity.check(lambda tf: loop_over_nothing(tf, take))


@pytest.mark.parametrize("shape", [(0, 2), (2, 0)])
def test_no_indices_into_nothing(shape):
    ids = tf.zeros([0], tf.int32)
    found = tf.function(lambda x, i: tf.gather(x, i))(tf.zeros(shape), ids)
    assert tuple(found.shape) == (0, shape[1])
