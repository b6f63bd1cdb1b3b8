"""Reductions of ragged tensors: on both engines, in functions, with gradients, beside TensorFlow."""

import numpy as np
import pytest

import dovetail as dv
from dovetail.base.settings import settings
from dovetail.engine import host, xla

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.filterwarnings("ignore::dovetail.function.function.RetracingWarning")

# Row lengths, the shape of an inner part; the last rows are so unequal that they are not padded.
ROWS = {
    "plain": ([3, 0, 2, 1], ()),
    "no empty row": ([2, 1, 4], ()),
    "empty": ([0, 0], ()),
    "no rows": ([], ()),
    "vectors": ([1, 3, 0], (2,)),
    "unequal": ([400, *[0, 1] * 800], ()),
}
HOWS = ["sum", "prod", "max", "min", "mean"]


@pytest.fixture(params=["host", "xla"])
def engine(request):
    before = settings.host_limit
    settings.host_limit = before if request.param == "host" else -1
    yield
    settings.host_limit = before


def _values(lengths, inner):
    values = np.random.default_rng(3).uniform(0.5, 1.5, (sum(lengths), *inner)).astype(np.float32)
    return np.round(values, 1)  # some are equal


def _ragged(lib, values, lengths):
    return lib.RaggedTensor.from_row_lengths(values, lib.constant(lengths, lib.int64))


def _with_gradient(lib, how, axis, values, lengths, wrap=lambda function: function):
    reduce = getattr(lib, f"reduce_{how}")

    @wrap
    def call(values):
        with lib.GradientTape() as tape:
            tape.watch(values)
            out = reduce(_ragged(lib, values, lengths), axis=axis)
            loss = lib.reduce_sum(lib.where(lib.math.is_finite(out), out * out, lib.zeros_like(out)))
        return out, lib.convert_to_tensor(tape.gradient(loss, values))

    return [np.asarray(part) for part in call(lib.constant(values))]


def _compare(how, axis, rows, wrap):
    lengths, inner = ROWS[rows]
    values = _values(lengths, inner)
    theirs = _with_gradient(tf, how, axis, values, lengths)
    for mine, expected in zip(_with_gradient(dv, how, axis, values, lengths, wrap), theirs, strict=True):
        assert mine.dtype == expected.dtype
        np.testing.assert_allclose(mine, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("how", HOWS)
def test_values_and_gradients(how, axis, rows):
    if (how, rows) != ("prod", "unequal"):  # a product of 800 numbers is not finite
        _compare(how, axis, rows, lambda function: function)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(("how", "rows"), [("sum", "unequal"), ("max", "vectors"), ("mean", "plain")])
def test_values_and_gradients_in_functions(how, axis, rows):
    _compare(how, axis, rows, dv.function)


@pytest.mark.parametrize("dtype", ["int32", "bool", "bfloat16"])
@pytest.mark.parametrize("axis", [0, 1])
def test_dtypes(axis, dtype, engine):
    numbers = np.array([3, 0, 1, 1, 2])
    for how in ("all", "any") if dtype == "bool" else ("sum", "max", "mean"):
        found, theirs = (
            getattr(lib, f"reduce_{how}")(
                _ragged(lib, lib.cast(lib.constant(numbers), dtype), [2, 0, 3]), axis=axis
            )
            for lib in (dv, tf)
        )
        assert found.dtype.name == theirs.dtype.name
        np.testing.assert_allclose(
            np.asarray(found, np.float64), np.asarray(theirs, np.float64), rtol=1e-2, err_msg=how
        )


@pytest.mark.parametrize("how", ["sum", "max", "min", "prod"])
@pytest.mark.parametrize("shape", [(), (3,)])
def test_segments_have_what_they_are_told_where_they_are_empty(how, shape):
    data = np.random.default_rng(0).normal(size=(5, *shape)).astype(np.float32)
    ids = np.array([2, 0, 2, -1, 0])
    found = [np.asarray(e.segment_reduce(how, data, ids, 4, empty=7)) for e in (host, xla("segments"))]
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6)
    assert (found[0][[1, 3]] == 7).all()
    assert found[0].shape == (4, *shape)
    np.testing.assert_allclose(found[0][2], getattr(np, how)(data[[0, 2]], axis=0), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8])
def test_an_id_that_is_too_large_is_an_error(dtype):
    with pytest.raises(ValueError, match=r"segment id 4 is out of range \[0, 4\)"):
        host.segment_reduce("sum", np.ones(2, np.float32), np.array([0, 4], dtype), 4)


def test_a_function_heeds_rows_that_are_divided_otherwise():
    function = dv.function(lambda rows: (rows.to_tensor(), dv.reduce_max(rows, axis=0)))
    for lengths in ([2, 3, 1], [1, 4, 1], [6, 0, 0], [2, 3, 1], [4, 1, 1]):
        rows = _ragged(dv, np.arange(6.0, dtype=np.float32), lengths)
        padded, largest = function(rows)
        np.testing.assert_array_equal(padded, rows.to_tensor())
        np.testing.assert_array_equal(largest, dv.reduce_max(rows, axis=0))


def test_the_longest_row_is_found_in_front_of_what_is_compiled():
    @dv.function
    def function(rows, weights):
        columns = dv.reduce_sum(rows, axis=0) * 2.0 + 1.0
        means = dv.exp(dv.reduce_mean(rows, axis=1)) * weights
        return dv.reduce_sum(dv.sin(columns)) + dv.reduce_sum(means)

    rng = np.random.default_rng(0)
    for _ in range(3):
        lengths = rng.integers(1, 6, 30).tolist()
        rows = _ragged(dv, rng.normal(size=sum(lengths)).astype(np.float32), lengths)
        expected = float(function.python_function(rows, dv.ones(30)))
        assert float(function(rows, dv.ones(30))) == pytest.approx(expected, rel=1e-4)
    (wide,) = function._wide.values()
    assert [part.on_host for part in wide.split.parts] == [True, False]


@pytest.mark.parametrize("how", ["reduce_max", "reduce_min"])
@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("axis", [0, 1])
def test_infinite_rows_are_bounded_by_finite_numbers(how, jit, axis):
    tf = pytest.importorskip("tensorflow")
    sign = -1.0 if how == "reduce_max" else 1.0
    values = np.array([sign * np.inf, sign * np.inf, 1.0], np.float32)
    ours = dv.function(lambda rows: getattr(dv, how)(rows, axis), jit_compile=jit)
    expected = getattr(tf, how)(_ragged(tf, values, [2, 1]), axis)
    np.testing.assert_array_equal(ours(_ragged(dv, values, [2, 1])), expected)


def test_means_of_half_floats_are_added_up_in_full():
    rows = _ragged(dv, dv.cast(dv.ones([600]), "bfloat16"), [300, 300])
    np.testing.assert_array_equal(dv.cast(dv.reduce_mean(rows, 1), "float32"), [1, 1])


def test_values_before_the_first_row_belong_to_it():
    rows = dv.RaggedTensor.from_row_splits([1, 2, 3, 4], [1, 2, 4], validate=False)
    assert rows.value_rowids().numpy().tolist() == [0, 0, 1, 1]
