"""The native kernels: their rows agree with XLA's loops, and every way of not having them ends in XLA's loops."""

import functools
import os
import platform
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dovetail as tf
from dovetail.base.settings import settings
from dovetail.engine import host, xla

xla("native kernels")
from dovetail.engine import kernels, native  # noqa: E402 - loads JAX, which the line above has said is wanted
from dovetail.engine.native import build, texts  # noqa: E402
from dovetail.engine.text import hashes, natively  # noqa: E402
from dovetail.keras import layers, models, optimizers  # noqa: E402
from dovetail.keras.optimizers import adam  # noqa: E402
from dovetail.ops import losses, normalization  # noqa: E402
from dovetail.ops.recurrent import gru as gru_ops  # noqa: E402
from dovetail.ops.recurrent import lstm as lstm_ops  # noqa: E402
from dovetail.tensor import Tensor, Variable  # noqa: E402

needs_compiler = pytest.mark.skipif(native.library() is None, reason=native.state())
NAMES = {"activation": "tanh", "recurrent_activation": "sigmoid"}
# time, batch, size: single rows, rows left over after blocks, sizes that are no multiple of a vector
SIZES = [(1, 1, 1), (5, 3, 16), (4, 9, 20), (3, 33, 70), (7, 32, 128), (2, 130, 5)]


def _draw(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype("float32")


def _both(primitive, *arguments):
    """Return the results of the native row and of the last one, both compiled."""
    row = kernels.chosen(primitive, "cpu", *arguments)
    assert row.why.startswith("0017"), row
    return row.run(*arguments), kernels.chosen(primitive, "none", *arguments).run(*arguments)


def _agree(found, expected):
    for x, y in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(x, y, atol=3e-6 * max(1.0, float(np.abs(y).max())))


def _lstm_arrays(time, batch, size, masked):
    mask = np.random.default_rng(0).random((time, batch)) < 0.6 if masked else None
    kernel = _draw(size, 4 * size) / np.float32(np.sqrt(size))
    return _draw(time, batch, 4 * size), kernel, _draw(batch, size), _draw(batch, size), None, mask


@needs_compiler
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("sizes", SIZES)
def test_lstm_and_its_gradient(sizes, masked):
    arrays = _lstm_arrays(*sizes, masked)
    engine = xla("loops")
    loop = functools.partial(lstm_ops._loop, engine)
    for kept in (False, True):
        found, expected = _both("lstm", loop, arrays, {**NAMES, "kept": kept})
        _agree(found, expected)
    _, _, _, cs, gates = expected
    back = functools.partial(lstm_ops._loop_back, engine)
    time, batch, size = sizes
    for ghs in (None, _draw(time, batch, size)):
        given = (arrays[2], arrays[3], arrays[1], cs, gates, arrays[3], ghs, None, arrays[5])
        _agree(*_both("lstm, gradient", back, given, NAMES))


@needs_compiler
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("sizes", SIZES)
def test_gru_and_its_gradient(sizes, masked):
    time, batch, size = sizes
    _, _, h, _, _, mask = _lstm_arrays(*sizes, masked)
    kernel = _draw(size, 3 * size) / np.float32(np.sqrt(size))
    engine, names = xla("loops"), {**NAMES, "reset_after": True}
    loop = functools.partial(gru_ops._loop, engine)
    for bias in (None, _draw(3 * size)):
        arrays = (_draw(time, batch, 3 * size), kernel, bias, h, None, mask)
        for kept in (False, True):
            found, expected = _both("gru", loop, arrays, {**names, "kept": kept})
            _agree(found, expected)
    hs, _, gates = expected
    back = functools.partial(gru_ops._loop_back, engine)
    for ghs in (None, _draw(time, batch, size)):
        given = (_draw(batch, size), kernel, gates, np.concatenate([h[None], hs[:-1]]), ghs, None, mask)
        _agree(*_both("gru, gradient", back, given, names))


@needs_compiler
@pytest.mark.parametrize("shape", [(256, 33, 70), (300, 128, 512), (2048, 32, 64), (257, 4, 513)])
def test_products_over_rows(shape):
    rows, m, n = shape
    a, b = _draw(rows, m), _draw(rows, n)
    found, expected = _both("product over rows", a, b)
    np.testing.assert_allclose(found, expected, atol=1e-3)


# rows, rows of the kernel, its columns: single rows and columns left over after blocks, less than a vector, many shares
KERNELS = [
    (32, 784, 128),
    (4, 65, 64),
    (33, 10, 130),
    (256, 129, 17),
    (7, 2048, 3),
    (255, 1, 70),
    (128, 512, 640),
]


@needs_compiler
@pytest.mark.parametrize("sizes", KERNELS)
def test_products_of_few_rows(sizes):
    rows, m, n = sizes
    x, kernel, g = _draw(rows, m), _draw(m, n), _draw(rows, n)
    for primitive, arrays in (("product", (x, kernel)), ("product over rows", (x, g))):
        found, expected = _both(primitive, *arrays)
        np.testing.assert_allclose(found, expected, atol=1e-6 * max(arrays[0].shape) * 4)
        if rows * m * n < 1 << 20:
            wide = np.asarray(arrays[0].T if "over" in primitive else arrays[0], "float64") @ arrays[1]
            np.testing.assert_allclose(found, wide, atol=1e-4)


@needs_compiler
@pytest.mark.parametrize(
    "sizes", [(1, 784, 128), (1, 70, 1030), (2, 1000, 700), (3, 129, 130), (5, 513, 1100), (32, 1024, 600)]
)
def test_products_of_a_few_rows_read_kernels_of_any_size_as_they_lie(sizes):
    rows, m, n = sizes
    x, kernel = _draw(rows, m), _draw(m, n)
    row = kernels.chosen("product", "cpu", x, kernel)
    assert row.why.startswith("0017")
    found = row.run(x, kernel)
    np.testing.assert_allclose(found, np.asarray(x, "float64") @ kernel, atol=2e-5 * m**0.5)
    np.testing.assert_array_equal(found, row.run(x, kernel))


@needs_compiler
@pytest.mark.parametrize(
    "sizes", [(257, 16, 16), (300, 45, 77), (1000, 256, 33), (511, 512, 130), (4099, 20, 600)]
)
def test_products_of_many_rows(sizes):
    rows, m, n = sizes
    x, kernel, g = _draw(rows, m), _draw(m, n), _draw(rows, n)
    for primitive, arrays in (("product", (x, kernel)), ("product with rows", (g, kernel))):
        row = kernels.chosen(primitive, "cpu", *arrays)
        assert row.why.startswith("0023")
        wide = np.asarray(arrays[0], "float64") @ (kernel if primitive == "product" else kernel.T)
        np.testing.assert_allclose(row.run(*arrays), wide, atol=2e-5 * arrays[0].shape[1] ** 0.5)


@needs_compiler
@pytest.mark.parametrize("case", ["one row", "narrow", "small", "large", "empty", "float64", "bfloat16"])
def test_other_products_are_left_to_xla(case):
    rows, m, n = {
        "one row": (1, 784, 128),
        "narrow": (257, 784, 10),
        "small": (8, 16, 16),
        "large": (40, 1024, 1024),
        "empty": (32, 0, 10),
    }.get(case, (32, 784, 128))
    dtype = jnp.dtype(case) if case in ("float64", "bfloat16") else "float32"
    a, b = _draw(rows, m).astype(dtype), _draw(m, n).astype(dtype)
    if case != "one row":
        assert kernels.chosen("product", "cpu", a, b).why == "XLA's own"
    if case != "narrow":
        assert kernels.chosen("product over rows", "cpu", a, _draw(rows, n).astype(dtype)).why == "XLA's own"


@needs_compiler
def test_derivatives_and_batches_of_products_are_those_of_xla():
    x, kernel, tangent = _draw(32, 90), _draw(90, 40), _draw(90, 40)

    def loss(platform, kernel):
        row = kernels.chosen("product", platform, x, kernel)
        return jnp.sin(row.run(jnp.asarray(x), kernel)).sum()

    def twice(platform):
        return jax.grad(lambda k: (jax.grad(functools.partial(loss, platform))(k) * tangent).sum())(kernel)

    assert kernels.chosen("product", "cpu", x, kernel).why != "XLA's own"
    _agree(*[jax.grad(functools.partial(loss, each))(kernel) for each in ("cpu", "none")])
    _agree(twice("cpu"), twice("none"))
    _agree(*[jax.jvp(functools.partial(loss, each), (kernel,), (tangent,)) for each in ("cpu", "none")])
    many = np.stack([kernel, 2 * kernel])
    _agree(*[jax.vmap(functools.partial(loss, each))(many) for each in ("cpu", "none")])


@needs_compiler
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "uint8", "int16", "bool", "int64"])
@pytest.mark.parametrize("shape", [(9, 1000), (5, 30, 20, 3)])
def test_rows_by_their_numbers(dtype, shape):
    array = jnp.asarray((100 * np.abs(_draw(*shape))).astype(jnp.dtype(dtype)))
    numbers = np.array([3, 0, 4, 4, 1, 2, 3], np.int32)
    found, expected = _both("rows of", array, numbers)
    assert found.dtype == jnp.dtype(dtype)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(*_both("rows of", array, numbers[:1]))


@needs_compiler
@pytest.mark.parametrize("case", ["short", "no rows", "complex", "int64 numbers"])
def test_other_rows_by_their_numbers_are_left_to_xla(case):
    array = jnp.asarray(_draw(9, 100 if case == "short" else 1000))
    array = array.astype("complex64") if case == "complex" else array
    numbers = np.arange(0 if case == "no rows" else 3, dtype="int64" if case == "int64 numbers" else "int32")
    assert kernels.chosen("rows of", "cpu", array, numbers).why == "XLA's own"


@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "int32"])
def test_products_over_rows_are_transposed_products_on_either_engine(dtype):
    a, b = (np.round(4 * _draw(*shape)).astype(jnp.dtype(dtype)) for shape in ((300, 3), (300, 1000)))
    for engine in (host, xla("products")):
        found = engine.product_over_rows(a, b)
        expected = a.T.astype("float64") @ b.astype("float64")
        assert found.dtype == jnp.dtype(dtype)
        np.testing.assert_allclose(np.asarray(found, "float64"), expected, rtol=0.01, atol=1e-3)


def _adam_arrays(*shape, seed=0):
    rng = np.random.default_rng(seed)
    gradient, value, momentum, root = (rng.normal(size=shape).astype("float32") for _ in range(4))
    velocity = np.square(root) * (rng.random(shape) < 0.8)
    rate = jnp.float32(0.03)
    return gradient, value, momentum, velocity.astype("float32"), None, 0.1, 0.001, rate, 1e-7


_moved = functools.partial(adam.moved, jnp)


@needs_compiler
@pytest.mark.parametrize("shape", [(8192,), (91, 97), (8, 33, 40), (131_081,), (300, 1000)])
def test_adam_moves_variables_as_its_formula(shape):
    found, expected = _both("adam", _moved, _adam_arrays(*shape), {})
    for x, y in zip(found, expected, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-6, atol=1e-6)


@needs_compiler
def test_adam_takes_what_is_not_finite_as_its_formula():
    gradient, value, momentum, velocity, *rest = _adam_arrays(8192)
    gradient[:4] = np.nan, np.inf, 1e30, 0
    velocity[3:6] = 0, 1e-42, np.inf
    for epsilon in (1e-7, 1e-11, 0.0):
        arrays = (gradient, value, momentum, velocity, *rest[:-1], epsilon)
        for x, y in zip(*_both("adam", _moved, arrays, {}), strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-6, atol=1e-6)


@needs_compiler
def test_adam_in_a_compiled_loop_that_goes_on_with_its_results():
    arrays = _adam_arrays(90, 100)

    def steps(platform, value, momentum, velocity):
        def step(_, kept):
            rest = (*kept, *arrays[4:])
            row = kernels.chosen("adam", platform, _moved, (arrays[0] + kept[0], *rest), {})
            return tuple(row.run(_moved, (arrays[0] + kept[0], *rest), {}))

        return jax.lax.fori_loop(0, 7, step, (value, momentum, velocity))

    given = [jnp.asarray(x) for x in arrays[1:4]]
    found, expected = [jax.jit(functools.partial(steps, each))(*given) for each in ("cpu", "none")]
    _agree(found, expected)
    for kept, before in zip(given, arrays[1:4], strict=True):  # they were not given away
        np.testing.assert_array_equal(kept, before)


@needs_compiler
def test_derivatives_and_batches_of_adam_are_those_of_the_formula():
    gradient, value, momentum, velocity, *rest = _adam_arrays(100, 100)

    def loss(platform, gradient):
        arguments = (_moved, (gradient, value, momentum, velocity + 1, *rest), {})
        return jnp.square(kernels.chosen("adam", platform, *arguments).run(*arguments)[0]).sum()

    _agree(*[jax.grad(functools.partial(loss, each))(gradient) for each in ("cpu", "none")])
    many = np.stack([gradient, 2 * gradient])
    _agree(*[jax.vmap(functools.partial(loss, each))(many) for each in ("cpu", "none")])


@needs_compiler
@pytest.mark.parametrize("case", ["amsgrad", "small", "empty", "float64", "bfloat16"])
def test_other_steps_of_adam_are_left_to_xla(case):
    arrays = list(_adam_arrays(*{"small": (90, 91), "empty": (0, 100_000)}.get(case, (100, 100))))
    arrays[4] = arrays[3] if case == "amsgrad" else None
    if case in ("float64", "bfloat16"):
        arrays[:4] = [x.astype(jnp.dtype(case)) for x in arrays[:4]]

    # Small variables only where their old values must stay: elsewhere one call moves all of them.
    def chosen():
        return kernels.chosen("adam", "cpu", _moved, tuple(arrays), {}).why

    assert xla("steps").leaving_values(chosen)() == "XLA's own"
    assert case == "small" or chosen() == "XLA's own"


@pytest.mark.parametrize("kind", [optimizers.Adam, optimizers.AdamW])
def test_eager_steps_leave_old_values_to_those_who_hold_them(kind, monkeypatch):
    gradient, value, *_ = _adam_arrays(100, 100)
    results = []
    for native_too in (True, False):
        monkeypatch.setattr(settings, "native", native_too)
        variable, optimizer = Variable(value), kind(0.01)
        before = variable.value()
        for factor in (1, -2, 3):
            optimizer.apply_gradients([(Tensor(factor * gradient), variable)])
        np.testing.assert_array_equal(before, value)
        results.append(variable.numpy())
    np.testing.assert_allclose(*results, rtol=1e-6, atol=1e-6)
    assert np.abs(results[0] - value).max() > 1e-3


def _on_host(primitive, formula, arrays, names):
    """Return what the host engine's row gives, which must be a native one, and what the formula gives."""
    row = kernels.chosen(primitive, "host", formula, arrays, names)
    assert row.why.startswith("0017"), row
    return row.run(formula, arrays, names), formula(*arrays, **names)


ROWS_OF = [(2100, 2), (1500, 3), (300, 15), (256, 16), (250, 17), (9, 40, 33), (4, 2049), (1, 5000)]
SOFTMAX = {
    "softmax": functools.partial(losses._shares, host),
    "log_softmax": functools.partial(losses._logs_of_shares, host),
}


@needs_compiler
@pytest.mark.parametrize("shape", ROWS_OF)
@pytest.mark.parametrize("name", SOFTMAX)
def test_softmax_of_the_host_engine(name, shape):
    x = 20 * _draw(*shape) - 30
    for axis in (-1, len(shape) - 1):
        found, expected = _on_host(name, SOFTMAX[name], (x,), {"axis": axis})
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@needs_compiler
@pytest.mark.parametrize("name", SOFTMAX)
@pytest.mark.parametrize("columns", [5, 70])
def test_softmax_of_masked_and_infinite_rows(name, columns):
    x = _draw(1000, columns)
    x[0, 1:], x[1, :3], x[2], x[3, 2], x[4, 1], x[5, 1:], x[6] = (
        *(-1e9, -np.inf, -np.inf, np.inf, np.nan),
        *(-80, 3e38),
    )
    with np.errstate(all="ignore"):
        found, expected = _on_host(name, SOFTMAX[name], (x,), {"axis": -1})
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    assert name != "softmax" or not found[0, 1:].any()


@needs_compiler
@pytest.mark.parametrize("shape", ROWS_OF)
@pytest.mark.parametrize("scale", [False, True])
@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("rms", [False, True])
def test_layer_norm_of_the_host_engine(shape, scale, center, rms):
    parameters = [_draw(shape[-1]) + i for i, given in enumerate((scale, center)) if given]
    names = {"axis": -1, "epsilon": 1e-3, "scale": scale, "center": center, "rms": rms}
    formula = functools.partial(normalization._layer_norm, host)
    found, expected = _on_host("layer_norm", formula, (_draw(*shape) + 2, *parameters), names)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=4e-6)  # two roundings of the mean, which is 2


@pytest.mark.parametrize(
    "case", ["small", "empty", "no columns", "float64", "float16", "turned", "first axis", "one", "off"]
)
def test_other_rows_are_left_to_numpy(case, monkeypatch):
    monkeypatch.setattr(settings, "native", case != "off")
    x = _draw(
        *{"small": (10, 10), "one": (9000, 1), "empty": (0, 9), "no columns": (9, 0)}.get(case, (80, 80))
    )
    x = x.astype(case) if case.startswith("float") else x.T if case == "turned" else x
    names = {"axis": 0 if case == "first axis" else -1}
    assert kernels.chosen("softmax", "host", None, (x,), names).why == "XLA's own"


@needs_compiler
def test_derivatives_of_any_order_and_batches_are_those_of_the_loop():
    z, kernel, h, c, *_ = _lstm_arrays(3, 2, 4, masked=False)
    engine = xla("derivatives")
    loop = functools.partial(lstm_ops._loop, engine)

    def run(choose, z, kernel):
        arguments = (loop, (z, kernel, h, c, None, None), {**NAMES, "kept": False})
        return kernels.chosen("lstm", choose, *arguments).run(*arguments)[0].sum()

    def twice(choose):
        return jax.grad(lambda k: jax.grad(functools.partial(run, choose))(z, k).sum())(kernel)

    _agree(twice("cpu"), twice("none"))
    tangent = [jax.jvp(functools.partial(run, each, z), (kernel,), (kernel,)) for each in ("cpu", "none")]
    _agree(*tangent)
    many = jnp.stack([kernel, 2 * kernel])
    _agree(*[jax.vmap(lambda k, each=each: run(each, z, k))(many) for each in ("cpu", "none")])


@needs_compiler
@pytest.mark.parametrize("change", [{"activation": "relu"}, {"dtype": "float64"}, {"size": 0}])
def test_what_native_kernels_cannot_do_is_left_to_the_loop(change):
    arrays = _lstm_arrays(3, 2 if change.get("size") != 0 else 0, 4, masked=False)
    arrays = tuple(x if x is None else x.astype(change.get("dtype", "float32")) for x in arrays)
    names = {**NAMES, "kept": False, **{k: v for k, v in change.items() if k in NAMES}}
    assert kernels.chosen("lstm", "cpu", None, arrays, names).why == "XLA's own"


def test_the_setting_turns_them_off(monkeypatch):
    monkeypatch.setattr(settings, "native", False)
    arguments = (None, _lstm_arrays(3, 2, 4, masked=False), {**NAMES, "kept": False})
    assert kernels.chosen("lstm", "cpu", *arguments).why == "XLA's own"
    assert native.state() == "off (DOVETAIL_NATIVE=0)"


FAILURES = {
    "no compiler": ("COMPILERS", ("no-such-compiler",), "there is no compiler"),
    "a compiler that fails": ("FLAGS", ("--no-such-flag",), "failed: "),
}


@pytest.mark.parametrize("name", FAILURES)
def test_why_there_are_none_is_told(name, monkeypatch, tmp_path):
    attribute, value, message = FAILURES[name]
    if name != "no compiler" and native.library() is None:
        pytest.skip(native.state())
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(build, attribute, value)
    monkeypatch.setattr(settings, "cache_dir", str(tmp_path))
    monkeypatch.setattr(native, "_FOUND", [])
    assert native.library() is None
    assert message in native.state()
    assert not list(tmp_path.glob("**/*.so"))


@pytest.fixture
def never_compiled(monkeypatch, tmp_path):
    """A machine on which no library was compiled; the list counts how often one would have been."""
    wanted: list = []

    def compiled():
        wanted.append(1)
        raise build.BuildError("this is a test")

    monkeypatch.setattr(settings, "native", True)
    monkeypatch.setattr(settings, "cache_dir", str(tmp_path))
    monkeypatch.setattr(native, "_FOUND", [])
    monkeypatch.setattr(native, "_KEPT", [])
    monkeypatch.setattr(native, "compiled", compiled)
    return wanted


def test_nothing_is_compiled_for_what_is_brief(never_compiled):
    with kernels.brief(False):
        assert not native.left_out()
    with kernels.brief(True), kernels.brief(False):
        assert native.library() is None
        assert native.left_out()
    assert not never_compiled
    assert not native.left_out()
    assert native.library() is None
    assert "this is a test" in native.state()
    assert never_compiled == [1]


@pytest.mark.parametrize("epochs", [1, 40])
def test_a_few_steps_of_fit_are_brief(never_compiled, epochs):
    model = models.Sequential([layers.Dense(100)])
    model.compile("adam", "mse")
    x, y = _draw(32, 100), _draw(32, 100)
    model.fit(x, y, batch_size=16, epochs=epochs, verbose=0)
    assert len(never_compiled) == (epochs == 40)
    if epochs == 1:  # its program is not that of a longer run
        model.fit(x, y, batch_size=16, epochs=40, verbose=0)
        assert len(never_compiled) == 1


@needs_compiler
def test_a_library_that_was_compiled_before_serves_what_is_brief(monkeypatch):
    if build.cache_dir() is None:
        pytest.skip("nothing is kept")
    monkeypatch.setattr(native, "_FOUND", [])
    monkeypatch.setattr(native, "_KEPT", [])
    with kernels.brief(True):
        assert not native.left_out()
        assert native.library() is not None


@needs_compiler
@pytest.mark.skipif(platform.machine() != "x86_64", reason="flags of x86")
@pytest.mark.parametrize("architecture", ["-march=x86-64", "-march=x86-64-v3"])
def test_vectors_of_other_widths(architecture, monkeypatch, tmp_path):
    if architecture.endswith("v3") and " avx2 " not in build._processor():
        pytest.skip("this processor has no AVX2")
    monkeypatch.setattr(build, "_architecture", lambda: architecture)
    monkeypatch.setattr(settings, "cache_dir", str(tmp_path))
    monkeypatch.setattr(native, "_FOUND", [])
    assert native.library() is not None, native.state()  # it has passed its check
    assert [path.suffix for path in (tmp_path / "native").iterdir()] == [".so"]


@needs_compiler
def test_a_library_with_other_results_is_refused(monkeypatch):
    monkeypatch.setattr(native, "_FOUND", [])
    monkeypatch.setattr(native, "difference", lambda library: float("nan"))
    assert native.library() is None
    assert "differ from NumPy's" in native.state()


@needs_compiler
def test_a_folder_that_cannot_be_written_is_no_obstacle(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(settings, "cache_dir", str(tmp_path / "file" / "below"))
    monkeypatch.setattr(
        build, "FLAGS", tuple(flag for flag in build.FLAGS if flag != "-O3")
    )  # sooner compiled
    monkeypatch.setattr(native, "_FOUND", [])
    assert native.library() is not None
    assert native.state() == "compiled for this process"


PROGRAM = """
import numpy as np
import dovetail as tf
layer = tf.keras.layers.LSTM(8)
x = tf.constant(np.random.default_rng(0).normal(size=(40, 6, 4)).astype("float32"))
tf.keras.utils.set_random_seed(1)
layer.build((None, 6, 4))
@tf.function
def step(x):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(x) ** 2)
    return loss, tape.gradient(loss, layer.trainable_variables)
loss, grads = step(x)
print(float(loss), *[float(tf.reduce_sum(g * g)) for g in grads])
"""


def test_a_program_gives_the_same_with_and_without():
    found = []
    for native_too in "01":
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "DOVETAIL_NATIVE": native_too},
        )
        found.append([float(x) for x in done.stdout.split()])
    np.testing.assert_allclose(*found, rtol=1e-5)


# ---- images and texts: functions of the host engine

TEXTS = [
    *(np.random.default_rng(n).integers(0, 256, n, np.uint8).tobytes() for n in range(200)),
    *[b""] * 400,
]
IMAGES = [
    ((37, 50, 3), (22, 24)),
    ((2, 33, 47, 3), (64, 20)),
    ((60, 70, 1), (13, 90)),
    ((40, 60, 4), (40, 70)),
    ((40, 60, 3), (1, 1)),
    ((2, 1, 900, 3), (3, 1300)),
    ((1300, 1, 4), (5, 2)),
]


def _with_and_without(function, monkeypatch):
    found = function()
    monkeypatch.setattr(settings, "native", False)
    return np.asarray(found), np.asarray(function())


@needs_compiler
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("method", ["bilinear", "bicubic", "area"])
@pytest.mark.parametrize("shape, size", IMAGES)
def test_resized_images(shape, size, method, dtype, monkeypatch):
    images = (np.random.default_rng(0).random(shape) * 255).astype(dtype)
    found, expected = _with_and_without(lambda: tf.image.resize(images, size, method), monkeypatch)
    assert found.dtype == expected.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-4)


STRINGS = {
    "lower": tf.strings.lower,
    "upper": tf.strings.upper,
    "words": lambda x: tf.strings.split(x).flat_values,
    "splits": lambda x: tf.strings.split(x).row_splits,
    "hash": lambda x: tf.strings.to_hash_bucket_fast(x, 1 << 62),
    "matrix": lambda x: tf.strings.lower(tf.reshape(x, [3, 200])),
    "column": lambda x: tf.strings.upper(tf.reshape(x, [300, 2])[:, 1]),
    "no_words": lambda x: tf.strings.split(tf.fill([600], " \t ")).flat_values,
}


@needs_compiler
@pytest.mark.parametrize("name", STRINGS)
def test_strings(name, monkeypatch):
    given = tf.constant(np.array(TEXTS, object))
    found, expected = _with_and_without(lambda: STRINGS[name](given), monkeypatch)
    assert found.dtype == expected.dtype and found.shape == expected.shape
    assert found.tolist() == expected.tolist()


@needs_compiler
def test_objects_of_words_are_counted():
    given = tf.constant(np.array([b"often %d seldom%d" % (i % 3, i) for i in range(600)], object))
    words = tf.strings.split(given).flat_values.numpy()
    assert words[0] is words[3]
    once, often = sys.getrefcount(words[2]), sys.getrefcount(words[0])
    assert (once, often) == (2, 601)  # the array's, and that of the argument


LINES = {
    "plain": lambda i: b'%d,%d.5,"w, %d",-%d' % (i, i, i, i),
    "exponent": lambda i: b"%d,-%d.25e-3,w,+7" % (i, i),
    "long_number": lambda i: b"%d,0.1234567890123456789,w,1" % i,
    "empty": lambda i: b"%d,,w,1" % i,
    "two_quotes": lambda i: b'%d,1,"w""",1' % i,
    "line_inside": lambda i: b'%d,1,"w\nw",1' % i,
    "spaces": lambda i: b"%d, 1 ,w,1" % i,
    "infinite": lambda i: b"%d,inf,w,nan" % i,
}


@needs_compiler
@pytest.mark.parametrize("name", LINES)
def test_lines(name, monkeypatch):
    lines = np.array([LINES[name](i) for i in range(100)], object)
    defaults = [[0], [2.5], [""], tf.constant([1.0], tf.float64)]
    found = tf.io.decode_csv(lines, defaults)
    monkeypatch.setattr(settings, "native", False)
    for x, y in zip(found, tf.io.decode_csv(lines, defaults), strict=True):
        np.testing.assert_array_equal(x.numpy(), y.numpy())
        assert x.dtype == y.dtype


@needs_compiler
@pytest.mark.parametrize(
    "wrong", [b"1,2,w", b"1,2,w,1,1", b"x,2,w,1", b'1,2,"w,1', b"1,2,w\r,1", b"99999999999,2,w,1"]
)
def test_wrong_lines_are_told_as_without(wrong, monkeypatch):
    lines = np.array([*(LINES["plain"](i) for i in range(100)), wrong], object)
    defaults = [[0], [2.5], [""], [1.0]]
    messages = []
    for native_too in (True, False):
        monkeypatch.setattr(settings, "native", native_too)
        with pytest.raises(tf.errors.InvalidArgumentError) as raised:
            tf.io.decode_csv(lines, defaults)
        messages.append(str(raised.value))
    assert messages[0] == messages[1]


@needs_compiler
@pytest.mark.parametrize("name", ["lower", "words", "hash"])
def test_numbers_among_strings_are_refused(name):
    with pytest.raises(TypeError):
        native_texts = texts.Texts(native.library())
        mixed = np.array([b"a", 3, b"b"] * 300, object)
        {
            "lower": lambda: native_texts.in_case(mixed, b"A"),
            "words": lambda: native_texts.words(mixed),
            "hash": lambda: native_texts.fingerprints(mixed),
        }[name]()


@needs_compiler
def test_parts_of_bytes():
    found = texts.Texts(native.library())
    begins, ends = np.array([3, 0, 6, 2]), np.array([6, 1, 6, 4])
    assert found.parts(b"a\0cdef", begins, ends).tolist() == [b"def", b"a", b"", b"cd"]
    for begin, end in ((-1, 2), (2, 1), (0, 7)):
        assert found.parts(b"a\0cdef", np.array([0, begin]), np.array([1, end])) is None


@needs_compiler
def test_hashes_by_all_threads():
    given: np.ndarray = np.array([b"%d" % i * (i % 700) for i in range(3000)], object)  # 5 MB
    found = tf.strings.to_hash_bucket_fast(given, 1 << 62).numpy()
    assert found.tolist() == [hashes.Fingerprint64(text) % (1 << 62) for text in given.tolist()]


@needs_compiler
def test_what_is_no_byte_string_has_no_hash():
    given: np.ndarray = np.array([b"a"] * 599 + ["a"], object)
    with pytest.raises(TypeError, match="bytes"):
        natively.fingerprints(given)
