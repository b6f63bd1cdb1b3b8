"""Native products of many matrices and what is done over rows agree with XLA's; so do derivatives and batches."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dovetail as tf
from dovetail.base.settings import settings
from dovetail.engine import xla

engine = xla("native kernels")
from dovetail.engine import kernels, native, native_batched, xla_einsum  # noqa: E402 - load JAX, which is wanted
from dovetail.ops import batch_normalization, losses, nn, normalization, pool  # noqa: E402
from dovetail.ops.windows import WindowPlan  # noqa: E402

pytestmark = pytest.mark.skipif(native.library() is None, reason=native.state())


def _draw(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype("float32")


def _served(primitive, *arguments):
    return kernels.chosen(primitive, "cpu", *arguments).why.startswith("0024")


# ---- products of many matrices

# pairs, rows, depth, width
SIZES = [
    (64, 128, 32, 128),
    (4, 17, 9, 33),
    (2, 30, 40, 8),
    (5, 8, 257, 16),
    (1, 100, 300, 70),
    (2, 16, 256, 512),
]


@pytest.mark.parametrize("transposed", list(itertools.product((False, True), repeat=2)))
@pytest.mark.parametrize("sizes", SIZES)
def test_products_of_pairs(sizes, transposed):
    pairs, rows, depth, width = sizes
    a = _draw(pairs, *((depth, rows) if transposed[0] else (rows, depth)))
    b = _draw(pairs, *((width, depth) if transposed[1] else (depth, width)))
    assert _served("batched product", a, b, *transposed)
    found = np.asarray(native_batched.batched_product(a, b, *transposed))
    wide = [
        x.astype("float64").swapaxes(1, 2) if turned else x.astype("float64")
        for x, turned in zip((a, b), transposed, strict=True)
    ]
    np.testing.assert_allclose(found, wide[0] @ wide[1], atol=2e-6 * depth)
    np.testing.assert_array_equal(found, native_batched.batched_product(a, b, *transposed))


AXES = [(0, 1, 2, 3), (0, 2, 1, 3), (0, 2, 3, 1), (1, 0, 2, 3), (2, 0, 3, 1)]


@pytest.mark.parametrize("of_y", [(0, 1, 2, 3), (0, 2, 1, 3), (1, 0, 2, 3), (2, 0, 1, 3)])
@pytest.mark.parametrize("scale", [1.0, -0.25])
def test_products_of_axes_in_any_order(of_y, scale):
    first, second = _draw(3, 2, 20, 12), _draw(3, 2, 12, 40)
    expected = (first.astype("float64") @ second).transpose(of_y) * scale
    for of_a, of_b in itertools.product(AXES, repeat=2):
        a, b = (x.transpose(np.argsort(axes)) for x, axes in ((first, of_a), (second, of_b)))
        call = jax.jit(native_batched.product_of_layouts(of_a, of_b, of_y, scale))
        np.testing.assert_allclose(call(a, b)[0], expected, atol=1e-5)


@pytest.mark.parametrize("case", ["narrow", "small", "empty", "broadcast", "float64", "bfloat16"])
def test_other_pairs_are_left_to_xla(case):
    shapes = {
        "narrow": ((64, 128, 4), (64, 4, 128)),
        "small": ((2, 8, 8), (2, 8, 8)),
        "empty": ((0, 32, 32), (0, 32, 32)),
        "broadcast": ((4, 32, 32), (1, 32, 32)),
    }.get(case, ((4, 32, 32), (4, 32, 32)))
    dtype = case if case in ("float64", "bfloat16") else "float32"
    a, b = (jnp.asarray(_draw(*shape), dtype) for shape in shapes)
    assert not _served("batched product", a, b, False, False)
    np.testing.assert_allclose(
        native_batched.batched_product(a, b).astype("float64"),
        np.asarray(a, "float64") @ np.asarray(b, "float64"),
        atol=0.2 if dtype == "bfloat16" else 1e-4,
    )


EQUATIONS = [
    *(
        "abc,cde->abde",
        "abde,cde->abc",
        "abde,abc->cde",
        "abde,dec->abc",
        "ab,bc->ac",
        "ba,bc->ac",
        "ab,cb->ca",
    ),
    *(
        "adce,adfe->adcf",
        "acde,afde->adcf",
        "adcf,afde->acde",
        "...bc,cd->...bd",
        "abc,abd->cd",
        "ab,b->a",
        "a,b->ab",
    ),
    *("aab,bc->ac", "abc,cb->a", "abd,abe->bde", "abcd,efcd->efab", "abcd,efcd->aebf", "abc,abcd->abd"),
]


@pytest.mark.parametrize("equation", EQUATIONS)
def test_einsum_and_its_gradients(equation):
    sizes = dict(zip("abcdefgh", (3, 17, 20, 4, 9, 33, 2, 5), strict=True))
    terms = equation.split("->")[0].split(",")
    arrays = [_draw(*(sizes[c] for c in term.replace("...", "gh"))) for term in terms]
    found = jax.jit(lambda *x: xla_einsum.einsum(equation, *x))(*arrays)
    np.testing.assert_allclose(found, np.einsum(equation, *arrays), atol=1e-4)
    g = _draw(*found.shape)
    gradients = jax.vjp(lambda *x: xla_einsum.einsum(equation, *x), *arrays)[1](g)
    expected = jax.vjp(lambda *x: jnp.einsum(equation, *x), *arrays)[1](g)
    for one, other in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)


def test_einsum_of_axes_of_size_one_is_that_of_xla():
    a, b = _draw(3, 1), _draw(4, 5)
    np.testing.assert_allclose(xla_einsum.einsum("ab,bc->ac", a, b), np.einsum("ab,bc->ac", a, b), atol=1e-5)


# ---- rows

SHAPES = [(64, 128), (3, 7, 500), (1000, 9), (5, 4001), (33, 16, 17)]


def _both(primitive, formula, arrays, names):
    """Computes a primitive by the native row, compiled, and by the formula."""
    row = kernels.chosen(primitive, "cpu", formula, arrays, names)
    assert row.why.startswith("0024")
    found = jax.jit(lambda *x: row.run(formula, x, names))(*arrays)
    again = jax.jit(lambda *x: row.run(formula, x, names))(*arrays)
    expected = jax.jit(lambda *x: formula(*x, **names))(*arrays)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(one, other)
    return jax.tree.leaves(found), jax.tree.leaves(expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_softmax_and_its_gradient(shape):
    x, g = _draw(*shape) * 3, _draw(*shape)
    names = {"axis": -1}
    (y,), (expected,) = _both("softmax", lambda x, axis: losses._shares(engine, x, axis), (x,), names)
    np.testing.assert_allclose(y, expected, atol=1e-6)
    formula = lambda g, y, axis: losses._of_shares(engine, g, y, axis)
    (of_x,), (expected,) = _both("softmax, gradient", formula, (g, np.asarray(y)), names)
    np.testing.assert_allclose(of_x, expected, atol=1e-5)


@pytest.mark.parametrize("parameters", list(itertools.product((False, True), repeat=3)))
@pytest.mark.parametrize("shape", SHAPES)
def test_layer_norm_and_its_gradient(shape, parameters):
    scale, center, rms = parameters
    x, g = _draw(*shape) + 1, _draw(*shape)
    given = [p for p, there in ((_draw(shape[-1]), scale), (_draw(shape[-1]), center)) if there]
    names = {"axis": -1, "epsilon": 1e-3, "scale": scale, "center": center, "rms": rms}
    formula = lambda *a, **k: normalization._layer_norm(engine, *a, **k)
    for one, other in zip(*_both("layer_norm", formula, (x, *given), names), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    formula = lambda *a, **k: normalization._layer_norm_gradients(engine, *a, **k)
    for one, other in zip(*_both("layer_norm, gradient", formula, (g, x, *given), names), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=2e-5 * np.sqrt(x.size))


@pytest.mark.parametrize("shape", SHAPES)
def test_losses_of_labels_and_their_gradient(shape):
    logits, g = _draw(*shape) * 3, _draw(*shape[:-1])
    labels = np.random.default_rng(1).integers(0, shape[-1], shape[:-1]).astype("int32")
    labels.flat[0], labels.flat[1] = -1, shape[-1]  # there are no such classes
    formula = lambda x, z: losses._log_share_of_label(engine, x, z)
    (found,), (expected,) = _both("label loss", formula, (logits, labels), {})
    assert np.isnan(found).sum() == 2
    np.testing.assert_allclose(found, expected, atol=1e-5)
    formula = lambda g, x, z: losses._shares_minus_one_hot(engine, g, x, z)
    (found,), (expected,) = _both("label loss, gradient", formula, (g, logits, labels), {})
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_rows_that_are_not_finite(value):
    x = _draw(200, 64)
    x[3, 5], x[7] = value, value
    labels = np.full(200, 2, "int32")
    for primitive, formula, arrays, names in (
        ("softmax", lambda x, axis: losses._shares(engine, x, axis), (x,), {"axis": -1}),
        ("label loss", lambda x, z: losses._log_share_of_label(engine, x, z), (x, labels), {}),
    ):
        (found,), (expected,) = _both(primitive, formula, arrays, names)
        np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
        np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("case", ["axis", "few", "short", "empty", "float64", "bfloat16"])
def test_other_rows_are_left_to_xla(case):
    shape = {"few": (8, 16), "short": (5000, 4), "empty": (0, 64)}.get(case, (200, 64))
    dtype = case if case in ("float64", "bfloat16") else "float32"
    x, names = jnp.asarray(_draw(*shape), dtype), {"axis": 0 if case == "axis" else -1}
    assert not _served("softmax", None, (x,), names)
    assert not _served("layer_norm", None, (x,), {**names, "scale": False, "center": False, "rms": False})


def test_labels_of_other_kinds_are_left_to_xla():
    x = _draw(200, 64)
    for labels in (np.zeros(200, "int64"), np.zeros((200, 1), "int32")):
        assert not _served("label loss", None, (x, labels), {})


# ---- the whole, as users see it


def _attend(x, kernels, native_too):
    settings.native = native_too

    @tf.function
    def step(x, *kernels):
        with tf.GradientTape() as tape:
            tape.watch([x, *kernels])
            heads = [tf.transpose(tf.reshape(x @ k + 0.1, (4, 32, 4, 16)), (0, 2, 1, 3)) for k in kernels[:3]]
            scores = tf.matmul(heads[0], tf.transpose(heads[1], (0, 1, 3, 2))) * 0.25
            mixed = tf.transpose(tf.matmul(tf.nn.softmax(scores), heads[2]), (0, 2, 1, 3))
            y = x + tf.nn.relu(tf.reshape(mixed, (4, 32, 64)) @ kernels[3] + 1.0)
            loss = tf.reduce_sum(y * y)
        return y, *tape.gradient(loss, [x, *kernels])

    try:
        return [np.asarray(t) for t in step(x, *kernels)]
    finally:
        settings.native = True


def test_attention_written_out_is_the_same_with_and_without_native_kernels():
    x, matrices = tf.constant(_draw(4, 32, 64)), [tf.constant(_draw(64, 64) / 8) for _ in range(4)]
    one, other = _attend(x, matrices, True), _attend(x, matrices, False)
    for found, expected in zip(one, other, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_derivatives_of_second_order_are_those_of_xla():
    x = jnp.asarray(_draw(3, 17, 20))

    native_product = lambda a, b: native_batched.batched_product(a, b, transpose_b=True)
    plain = lambda a, b: jnp.matmul(a, jnp.swapaxes(b, 1, 2))

    def twice(product):
        gradient = jax.grad(lambda x: (product(x, x) ** 2).sum())
        return jax.grad(lambda x: (gradient(x) ** 2).sum())(x)

    np.testing.assert_allclose(twice(native_product), twice(plain), rtol=1e-3)
    found = jax.vmap(native_product)(x[None] * jnp.ones((2, 1, 1, 1)), x[None] * jnp.ones((2, 1, 1, 1)))
    np.testing.assert_allclose(found[1], plain(x, x), rtol=1e-4, atol=1e-4)


# ---- batch normalization

BATCHES = [(40, 5, 7, 16), (300, 33), (9000, 8), (2, 3, 4, 700), (1, 1, 1, 9000)]


@pytest.mark.parametrize("parameters", list(itertools.product((False, True), repeat=2)))
@pytest.mark.parametrize("shape", BATCHES)
def test_batch_norm_and_its_gradient(shape, parameters):
    scale, center = parameters
    x, g = _draw(*shape) + 100, _draw(*shape)
    given = [p for p, there in ((_draw(shape[-1]), scale), (_draw(shape[-1]), center)) if there]
    names = {"axis": tuple(range(len(shape) - 1)), "epsilon": 1e-3, "scale": scale, "center": center}
    formula = lambda *a, **k: batch_normalization._batch_norm(engine, *a, **k)
    found, expected = _both("batch_norm", formula, (x, *given), names)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-3)
    wide = x.astype("float64").reshape(-1, shape[-1])
    np.testing.assert_allclose(found[1], wide.mean(0), rtol=1e-6)
    np.testing.assert_allclose(found[2], wide.var(0), rtol=1e-4, atol=1e-6)
    formula = lambda *a, **k: batch_normalization._batch_norm_gradients(engine, *a, **k)
    of_statistics = _draw(shape[-1]), _draw(shape[-1])
    arrays = (g, *of_statistics, x, *map(np.asarray, found[1:3]), *given)
    for one, other in zip(*_both("batch_norm, gradient", formula, arrays, names), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=2e-3 * np.sqrt(len(wide)))


@pytest.mark.parametrize("case", ["axis", "few", "short", "empty", "float64", "all axes"])
def test_other_batches_are_left_to_xla(case):
    shape = {"few": (8, 16), "short": (5000, 4), "empty": (0, 64)}.get(case, (200, 64))
    x = jnp.asarray(_draw(*shape), "float64" if case == "float64" else "float32")
    axis = {"axis": (1,), "all axes": (0, 1)}.get(case, (0,))
    names = {"axis": axis, "epsilon": 1e-3, "scale": False, "center": False}
    assert not _served("batch_norm", None, (x,), names)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_channels_that_are_not_finite(value):
    x = _draw(2000, 16)
    x[700, 3] = value
    names = {"axis": (0,), "epsilon": 1e-3, "scale": False, "center": False}
    formula = lambda *a, **k: batch_normalization._batch_norm(engine, *a, **k)
    for one, other in zip(*_both("batch_norm", formula, (x,), names), strict=True):
        np.testing.assert_array_equal(np.isfinite(one), np.isfinite(other))
        np.testing.assert_allclose(one[..., 4:], other[..., 4:], atol=1e-4)


# ---- the largest of windows

# input, window
TILED = [
    ((40, 6, 8, 16), (2, 2)),
    ((3, 27, 31, 20), (2, 3)),
    ((50, 40, 9), (4,)),
    ((2, 9, 9, 300), (3, 3)),
    ((300, 5, 5, 8), (5, 4)),
    ((7, 8, 8, 32), (1, 1)),
]


@pytest.mark.parametrize(("shape", "window"), TILED)
def test_largest_of_windows_and_its_gradient(shape, window):
    x = np.round(_draw(*shape) * 2)  # many are equal
    plan = WindowPlan(x, window, window, "VALID", 1, False)
    names = {"plan": plan, "mean": False}
    (y,), (expected,) = _both("windows", lambda x, **n: pool._largest(engine, x, **n), (x,), names)
    np.testing.assert_array_equal(y, expected)
    arrays, names = (_draw(*y.shape), x, np.asarray(y)), {"plan": plan}
    formula = lambda *a, **n: pool._gradient_of_largest(engine, *a, **n)
    (found,), (expected,) = _both("largest of windows, gradient", formula, arrays, names)
    np.testing.assert_array_equal(found, expected)


def test_windows_that_hold_what_is_not_finite():
    x = _draw(20, 8, 8, 16)
    x[0, 0, 0], x[1, 1, 1], x[2, :2, :2] = np.nan, np.inf, -np.inf
    names = {"plan": WindowPlan(x, 2, 2, "VALID", 1, False), "mean": False}
    (y,), (expected,) = _both("windows", lambda x, **n: pool._largest(engine, x, **n), (x,), names)
    np.testing.assert_array_equal(y, expected)
    formula = lambda g, x, y, plan: pool._gradient_of_largest(engine, g, x, y, plan)
    arrays = _draw(*y.shape), x, np.asarray(y)
    (found,), (expected,) = _both("largest of windows, gradient", formula, arrays, {"plan": names["plan"]})
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("window", "strides", "padding"), [(3, 2, "VALID"), (2, 2, "SAME"), (2, 3, "VALID"), (2, 1, "VALID")]
)
def test_windows_that_do_not_tile_are_left_to_xla(window, strides, padding):
    x = _draw(20, 9, 9, 16)
    plan = WindowPlan(x, window, strides, padding, 1, False)
    assert not _served("windows", None, (x,), {"plan": plan, "mean": False})
    assert not _served("largest of windows, gradient", None, (x, x, x), {"plan": plan})


# ---- gelu


@pytest.mark.parametrize("approximate", [False, True])
@pytest.mark.parametrize("shape", [(8192,), (3, 70, 41), (50, 1000)])
def test_gelu_and_its_gradient(shape, approximate):
    x, g, names = _draw(*shape) * 4, _draw(*shape), {"approximate": approximate}
    x.flat[:5] = [0, -0.0, np.inf, -200, 200]
    (y,), (expected,) = _both("gelu", lambda x, **n: nn._gelu(engine, x, **n), (x,), names)
    np.testing.assert_allclose(y, expected, atol=2e-6)
    x.flat[2] = np.nan
    formula = lambda g, x, **n: nn._slope_of_gelu(engine, g, x, **n)
    (found,), (expected,) = _both("gelu, gradient", formula, (g, x), names)
    np.testing.assert_allclose(found, expected, atol=2e-5)
