"""Ragged tensors beside TensorFlow's: values, rows, shapes, dtypes, gradients, errors."""

import numpy as np
import pytest

import dovetail as dv
from tests.cases_ragged import CASES, SMOOTH, STRINGS, TENSORS, WITH_ROWS

tf = pytest.importorskip("tensorflow")


def _make(lib, name):
    rows, dtype, rank, splits = TENSORS[name]
    if name == "no rows":
        return lib.RaggedTensor.from_row_splits(lib.zeros([0]), [0])
    return lib.ragged.constant(rows, dtype, ragged_rank=rank, row_splits_dtype=getattr(lib, splits))


def _plain(lib, value):
    """Returns what can be compared: the kind, the dtype, the shape and the values."""
    if isinstance(value, lib.RaggedTensor):
        parts = [np.asarray(p) for p in (value.flat_values, *value.nested_row_splits)]
        return ("ragged", value.dtype.name, value.row_splits.dtype.name, value.shape.as_list(), parts)
    if isinstance(value, list | tuple):
        return [_plain(lib, item) for item in value]
    if hasattr(value, "dtype"):
        return ("dense", value.dtype.name, tuple(value.shape), [np.asarray(value)])
    return value


def _same(mine, theirs):
    if isinstance(mine, tuple):
        assert mine[:-1] == theirs[:-1]
        for a, b in zip(mine[-1], theirs[-1], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    elif isinstance(mine, list):
        assert len(mine) == len(theirs)
        for a, b in zip(mine, theirs, strict=True):
            _same(a, b)
    else:
        assert mine == theirs


def _outcome(function):
    try:
        return function()
    except (
        ValueError,
        TypeError,
        IndexError,
        dv.errors.OpError,
        tf.errors.OpError,
        NotImplementedError,
    ) as error:
        return error


_PAIRS = [(tensor, case) for case in CASES for tensor in TENSORS]
_PAIRS += [(tensor, case) for case in WITH_ROWS for tensor in TENSORS if tensor != "no rows"]


# What TensorFlow refuses and Dovetail takes: indices with other row splits than the rows they choose.
_TAKEN_HERE = {("short splits", "gather, ragged")}


@pytest.mark.parametrize(("tensor", "case"), _PAIRS)
def test_parity(tensor, case):
    f = CASES.get(case) or WITH_ROWS[case]
    theirs = _outcome(lambda: f(tf, _make(tf, tensor)))
    mine = _outcome(lambda: f(dv, _make(dv, tensor)))
    if isinstance(theirs, Exception):
        assert isinstance(mine, Exception) or (tensor, case) in _TAKEN_HERE
        return
    if isinstance(mine, Exception):
        raise mine
    _same(_plain(dv, mine), _plain(tf, theirs))


@pytest.mark.parametrize("case", STRINGS)
def test_strings_beside(case):
    mine, theirs = (_plain(lib, STRINGS[case](lib)) for lib in (dv, tf))
    assert mine[:-1] == theirs[:-1]
    for a, b in zip(mine[-1], theirs[-1], strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.filterwarnings("ignore::dovetail.function.function.RetracingWarning")
@pytest.mark.parametrize("tensor", ["rows", "deep", "vectors"])
@pytest.mark.parametrize(
    "case", ["exp", "sum of rows", "mean of rows", "concat 1", "columns -2:", "to_tensor", "gather", "itself"]
)
def test_compiled_is_eager(tensor, case):
    f, x = CASES.get(case) or WITH_ROWS[case], _make(dv, tensor)
    _same(_plain(dv, dv.function(lambda x: f(dv, x))(x)), _plain(dv, f(dv, x)))


def test_element_wise_math_and_row_sums_compile():
    function = dv.function(lambda x: dv.reduce_sum(dv.exp(x) * x + dv.ones([3, 1]), axis=1))
    function(_make(dv, "rows"))
    assert len(function._programs) == 1


@pytest.mark.parametrize("case", SMOOTH)
def test_gradients(case):
    start = np.array([0.3, -1.2, 0.7, 1.9, -0.4])

    def loss(values):
        return SMOOTH[case](dv, dv.RaggedTensor.from_row_lengths(values, [2, 1, 2]))

    x = dv.Variable(start)
    with dv.GradientTape() as tape:
        value = loss(x)
    found = dv.convert_to_tensor(tape.gradient(value, x)).numpy()
    for i in range(start.size):
        step = np.zeros_like(start)
        step[i] = 1e-6
        numeric = (float(loss(dv.constant(start + step))) - float(loss(dv.constant(start - step)))) / 2e-6
        assert found[i] == pytest.approx(numeric, abs=1e-5)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: dv.RaggedTensor.from_row_splits([1, 2], [0, 1]), "1 values, and there are 2"),
        (lambda: dv.RaggedTensor.from_row_splits([1, 2], [1, 2]), "must be 0"),
        (lambda: dv.RaggedTensor.from_row_splits([1, 2], [0, 2, 1, 2]), "descend"),
        (lambda: dv.RaggedTensor.from_value_rowids([1, 2], [1, 0]), "descend"),
        (lambda: dv.ragged.constant([[1], 2]), "equally deep"),
        (lambda: dv.ragged.constant([[1], [2, 3]])[5], "out of range"),
        (lambda: dv.ragged.constant([[1], [2, 3]])[:, 0], "ragged dimension"),
        (lambda: dv.ragged.constant([[1], [2, 3]]) + dv.ragged.constant([[1, 1], [2]]), "do not broadcast"),
        (lambda: dv.ragged.constant([[1], [2, 3]]) + dv.constant([[1, 2], [3, 4]]), "do not broadcast"),
        (lambda: dv.RaggedTensor.from_sparse(dv.SparseTensor([[0, 1]], [1], [1, 2])), "right-ragged"),
        (lambda: dv.RaggedTensorSpec([None, None], ragged_rank=2), "less than rank"),
    ],
)
def test_errors_say_what_is_wrong(make, words):
    with pytest.raises((ValueError, dv.errors.InvalidArgumentError), match=words):
        make()


def test_specs():
    spec = dv.RaggedTensorSpec([None, None], dv.float32)
    assert spec == dv.RaggedTensorSpec([None, None], dv.float32, 1) and hash(spec) == hash(
        dv.RaggedTensorSpec([None, None], dv.float32, 1)
    )
    assert spec.is_compatible_with(_make(dv, "rows")) and not spec.is_compatible_with(_make(dv, "deep"))
    value = _make(dv, "deep")
    own = value._type_spec
    assert own._from_components(own._to_components(value)).to_list() == value.to_list()


def test_strings():
    words = dv.strings.split(["a b", "", " c  d "])
    assert words.to_list() == tf.strings.split(["a b", "", " c  d "]).to_list()
    assert dv.strings.bytes_split(words).to_list() == [[[b"a"], [b"b"]], [], [[b"c"], [b"d"]]]
    for arguments in ({"pad_values": ("<", ">")}, {"preserve_short_sequences": True}, {"separator": "-"}):
        mine = dv.strings.ngrams(words, (2, 3), **arguments).to_list()
        assert (
            mine == tf.strings.ngrams(tf.strings.split(["a b", "", " c  d "]), (2, 3), **arguments).to_list()
        )


@pytest.mark.parametrize("axis", [None, 1, (1, 2), -1])
def test_the_variance_of_large_values_is_exact_and_not_negative(axis):
    rows = [[[1e4, 1e4 + 2]], [[1e4 + 1, 1e4 + 1], [1e4 + 3, 1e4 + 3]]]
    rt = dv.ragged.constant(rows, "float32", ragged_rank=1)
    found = dv.math.reduce_variance(rt, axis=axis)
    expected = {
        None: np.var([x for row in rows for pair in row for x in pair]),
        1: [np.var(row, axis=0) for row in rows],
        (1, 2): [np.var(row) for row in rows],
        -1: [x for row in rows for x in np.var(row, axis=-1)],
    }[axis]
    np.testing.assert_allclose(getattr(found, "flat_values", found), expected, rtol=1e-6)
    assert not np.isnan(getattr(s := dv.math.reduce_std(rt, axis=axis), "flat_values", s)).any()


def test_a_constant_without_rows_has_the_rank_that_is_asked_for():
    assert tf.ragged.constant([], ragged_rank=1).shape == [0, None]
    assert tf.ragged.constant([], "int32", ragged_rank=2).shape == [0, None, None]
    assert tf.ragged.constant([[]], ragged_rank=1).shape == [1, None]
    with pytest.raises(ValueError, match="ragged_rank"):
        tf.ragged.constant([1], ragged_rank=1)
    with pytest.raises(ValueError, match="ragged_rank"):
        tf.ragged.constant([], ragged_rank=-1)


def test_ragged_tensors_are_made_by_class_methods_and_have_no_len():
    with pytest.raises(ValueError, match="from_row_splits"):
        dv.RaggedTensor(1, 2)
    with pytest.raises(ValueError, match="from_row_splits"):
        dv.RaggedTensor(values=dv.constant([1]), row_splits=dv.constant([0, 1]))
    rows = dv.ragged.constant([[1, 2], [3]])
    with pytest.raises(TypeError, match="len"):
        len(rows)
    assert [row.numpy().tolist() for row in rows] == [[1, 2], [3]]
