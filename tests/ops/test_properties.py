"""Properties that hold for any shape: broadcasting, reductions, contractions, and equality of the engines."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import dovetail as tf
from dovetail.tensor.symbolic import SymbolicTensor
from tests.ops.case import engine

NUMBERS = st.floats(-4, 4, width=32).map(lambda x: round(x, 3))
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, max_side=4)


def arrays(shape):
    return hnp.arrays(np.float32, shape, elements=NUMBERS)


@st.composite
def broadcastable(draw):
    """Two arrays whose shapes broadcast."""
    shapes = draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=4)).input_shapes
    return tuple(draw(arrays(shape)) for shape in shapes)


@st.composite
def with_axis(draw):
    """An array and axes of it: None, one axis or several, counted from either end."""
    x = draw(arrays(draw(SHAPES)))
    axes = draw(st.sets(st.integers(0, max(x.ndim - 1, 0)), max_size=x.ndim)) if x.ndim else set()
    axes = [axis - x.ndim if draw(st.booleans()) else axis for axis in axes]
    choice = draw(st.sampled_from(["all", "one", "several"]))
    if choice == "all" or not axes:
        return x, None
    return x, (axes[0] if choice == "one" else axes)


@given(broadcastable(), st.sampled_from(["add", "subtract", "multiply", "maximum", "minimum"]))
def test_broadcasting(pair, name):
    """Binary ops broadcast as NumPy does."""
    got = getattr(tf, name)(*map(tf.constant, pair))
    np.testing.assert_allclose(got.numpy(), getattr(np, name)(*pair), rtol=1e-6)


@given(broadcastable())
def test_broadcast_gradients_have_the_inputs_shapes(pair):
    """The gradient of a broadcast input is summed over what it was repeated for."""
    x, y = map(tf.constant, pair)
    with tf.GradientTape() as tape:
        tape.watch((x, y))
        total = tf.reduce_sum(x * y)
    dx, dy = tape.gradient(total, (x, y))
    assert dx.shape == x.shape
    assert dy.shape == y.shape
    spread = np.broadcast_arrays(*pair)
    np.testing.assert_allclose(tf.reduce_sum(dx).numpy(), spread[1].sum(), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(tf.reduce_sum(dy).numpy(), spread[0].sum(), rtol=1e-4, atol=1e-4)


@given(broadcastable())
def test_symbolic_broadcasting(pair):
    """A symbolic call infers a shape that allows the real one, whichever sizes are unknown."""
    actual = (pair[0] + pair[1]).shape
    for hide in (0, -1):
        symbols = []
        for array in pair:
            sizes = list(array.shape)
            if sizes:
                sizes[hide] = None
            symbols.append(SymbolicTensor(sizes, np.float32))
        assert (symbols[0] + symbols[1]).shape.is_compatible_with(actual)


@given(with_axis(), st.booleans(), st.sampled_from(["sum", "mean", "max", "min", "prod"]))
def test_reductions(case, keepdims, name):
    """Reductions over any axes give NumPy's values; symbolic calls their shape."""
    x, axis = case
    expected = getattr(np, name)(x, axis=tuple(axis) if isinstance(axis, list) else axis, keepdims=keepdims)
    reduce = getattr(tf, f"reduce_{name}")
    got = reduce(tf.constant(x), axis=axis, keepdims=keepdims)
    assert got.shape == expected.shape
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-4, atol=1e-4)
    symbol = SymbolicTensor((None,) * x.ndim, np.float32)
    assert reduce(symbol, axis=axis, keepdims=keepdims).shape.is_compatible_with(expected.shape)


@given(with_axis())
def test_variance_is_the_mean_square_minus_the_squared_mean(case):
    x, axis = case
    x = tf.constant(x.astype(np.float64))
    expected = tf.reduce_mean(x * x, axis=axis) - tf.reduce_mean(x, axis=axis) ** 2
    np.testing.assert_allclose(tf.math.reduce_variance(x, axis=axis), expected, rtol=1e-6, atol=1e-6)


@given(st.data())
def test_einsum(data):
    """Contractions of two tensors with any letters in common give NumPy's values."""
    letters = data.draw(st.permutations("abcd"))
    sizes = {letter: data.draw(st.integers(1, 3)) for letter in "abcd"}
    first = "".join(letters[: data.draw(st.integers(1, 3))])
    second = "".join(data.draw(st.permutations("abcd"))[: data.draw(st.integers(1, 3))])
    output = "".join(c for c in "dcba" if c in first + second and data.draw(st.booleans()))
    x, y = (data.draw(arrays(tuple(sizes[c] for c in term))) for term in (first, second))
    equation = f"{first},{second}->{output}"
    np.testing.assert_allclose(
        tf.einsum(equation, x, y).numpy(), np.einsum(equation, x, y), rtol=1e-4, atol=1e-4, err_msg=equation
    )


@given(arrays(hnp.array_shapes(min_dims=1, max_dims=3, max_side=4)), st.booleans(), st.booleans(), st.data())
def test_cumsum_undoes_differences(x, exclusive, reverse, data):
    """Neighbouring running sums differ by one element."""
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    total = tf.cumsum(x.astype(np.float64), axis=axis, exclusive=exclusive, reverse=reverse).numpy()
    steps = np.diff(total, axis=axis) * (-1 if reverse else 1)
    size = x.shape[axis]
    inner = range(size - 1) if exclusive != reverse else range(1, size)
    np.testing.assert_allclose(steps, np.take(x, list(inner), axis=axis), atol=1e-6)


@pytest.mark.parametrize("name", ["add", "floordiv", "floormod", "maximum"])
@given(data=st.data())
def test_engines_agree_on_integers(name, data):
    """Both engines do the same integer arithmetic; one shape, so that XLA compiles once."""
    whole = hnp.arrays(np.int32, (6,), elements=st.integers(-99, 99))
    x, y = data.draw(whole), data.draw(whole)
    y[y == 0] = 1
    results = []
    for which in ("host", "xla"):
        with engine(which):
            results.append(getattr(tf.math, name)(tf.constant(x), tf.constant(y)).numpy())
    np.testing.assert_array_equal(*results)
