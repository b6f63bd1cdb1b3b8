"""Diagonals and bands of them: made, read and replaced as TensorFlow does, with every alignment."""

import itertools

import numpy as np
import pytest

import dovetail as tf

ALIGNMENTS = [f"{a}_{b}" for a in ("LEFT", "RIGHT") for b in ("LEFT", "RIGHT")]
BANDS = [0, 2, -1, (0, 0), (-1, 1), (0, 2), (-2, 0), (1, 2), (-2, -1), (-2, 3)]
SIZES = [(3, 4), (4, 2), (1, 1), (3, 3)]


def outcome(function, *args, **kwargs):
    """Returns what a function gives, None where it refuses."""
    try:
        return np.asarray(function(*args, **kwargs))
    except refusals():
        return None


def refusals():
    reference = pytest.importorskip("tensorflow")
    return ValueError, tf.errors.InvalidArgumentError, reference.errors.InvalidArgumentError


def check(name, *args, is_compiled=False, **kwargs):
    reference = pytest.importorskip("tensorflow")
    want = outcome(getattr(reference.linalg, name), *args, **kwargs)
    ours = getattr(tf.linalg, name)
    runs = [ours, tf.function(lambda *tensors: ours(*tensors, **kwargs), jit_compile=True)]
    for run in runs[: 1 + is_compiled]:
        found = outcome(run, *map(tf.constant, args), **(kwargs if run is ours else {}))
        assert (found is None) == (want is None), (name, [a.shape for a in args], kwargs)
        if want is not None:
            assert found.dtype == want.dtype
            np.testing.assert_array_equal(found, want)
    return want


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("align", ALIGNMENTS)
def test_bands_are_tensorflows(align, sizes):
    rng = np.random.default_rng(0)
    for k, lead in itertools.product(BANDS, [(), (2,), (0,)]):
        x = rng.integers(1, 99, (*lead, *sizes)).astype("float32")
        part = check("diag_part", x, k=k, padding_value=7.0, align=align)
        if part is None:
            continue
        new = rng.integers(100, 199, part.shape).astype("float32")
        check("set_diag", x, new, k=k, align=align)
        for rows, columns in ((-1, -1), sizes, (sizes[0], -1), (-1, sizes[1]), (sizes[0] + 1, sizes[1] + 2)):
            check("diag", new, k=k, num_rows=rows, num_cols=columns, padding_value=9.0, align=align)


@pytest.mark.parametrize("dtype", ["int32", "bool", "complex64", "float64"])
def test_bands_of_every_dtype(dtype):
    x = np.arange(12).reshape(3, 4).astype(dtype)
    part = check("diag_part", x, k=(-1, 1), is_compiled=True)
    check("set_diag", x, part[::-1], k=(-1, 1), is_compiled=True)
    check("diag", part, k=(-1, 1), is_compiled=True)


@pytest.mark.parametrize("k", [(-1, 1), (0, 2), 1])
@pytest.mark.parametrize("align", ALIGNMENTS)
def test_gradients_of_bands(align, k):
    reference = pytest.importorskip("tensorflow")
    x, found = np.random.default_rng(1).normal(size=(2, 3, 4)), []
    for framework in (reference, tf):
        with framework.GradientTape(persistent=True) as tape:
            tape.watch(held := framework.constant(x))
            part = framework.linalg.diag_part(held, k=k, align=align)
            new = framework.linalg.set_diag(held * held, framework.sin(part), k=k, align=align)
            made = framework.linalg.diag(part * part, k=k, align=align)
            losses = [framework.reduce_sum(framework.cos(y)) for y in (new, made)]
        found.append([np.asarray(tape.gradient(loss, held)) for loss in losses])
    for ours, theirs in zip(found[1], found[0], strict=True):
        np.testing.assert_allclose(ours, theirs)


@pytest.mark.parametrize(
    ("call", "words"),
    {
        "order": (lambda: tf.linalg.diag_part(np.eye(3), k=(1, -1)), ["tf.linalg.diag_part", "(1, -1)"]),
        "three": (lambda: tf.linalg.diag([1.0], k=(1, 2, 3)), ["tf.linalg.diag", "(1, 2, 3)"]),
        "beyond": (lambda: tf.linalg.set_diag(np.eye(3), np.ones((2, 1)), k=(2, 3)), ["set_diag", "3 x 3"]),
        "rows": (lambda: tf.linalg.diag(np.ones((2, 3)), k=(-1, 1)), ["3 rows", "(2, 3)"]),
        "part": (lambda: tf.linalg.set_diag(np.eye(3), np.ones((2, 3)), k=(-1, 1)), ["(3, 3)", "(2, 3)"]),
    }.values(),
)
def test_what_is_no_band_is_refused(call, words):
    with pytest.raises(ValueError) as info:
        call()
    assert all(word in str(info.value) for word in words), info.value


def test_bands_of_unknown_sizes_have_unknown_shapes():
    x = tf.keras.Input((None, 4))
    assert tf.linalg.diag_part(x, k=(-1, 1)).shape == (None, 3, None)
    assert tf.linalg.set_diag(x, tf.linalg.diag_part(x, k=(0, 1)), k=(0, 1)).shape == (None, None, 4)
    assert tf.linalg.diag(x, k=1).shape == (None, None, 5, 5)
