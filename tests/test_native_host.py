"""Native kernels on NumPy's arrays: they give what NumPy gives, or leave it to NumPy, from any thread."""

import functools
import operator
import os
import subprocess
import sys
import threading
import types

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as drawing
from hypothesis import strategies as st

import dovetail as tf
from dovetail.base.settings import settings
from dovetail.engine import host, host_native, kernels, native, placement
from dovetail.ops import attention, batch_normalization, dense, nn, normalization, pool
from dovetail.ops.windows import WindowPlan

needs_compiler = pytest.mark.skipif(native.library() is None, reason=native.state())
pytestmark = needs_compiler
TOLERANCE = {"rtol": 1e-6, "atol": 2e-6}
sizes = st.integers(1, 40)
few = drawing(max_examples=25, deadline=None)


def _draw(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype("float32")


def _unbounded(monkeypatch):
    """Let kernels serve small arrays, too."""
    for name in ("FEWEST", "FEWEST_SUMMED", "FEWEST_BIASED", "FEWEST_PRODUCTS", "FEWEST_PRODUCTS_OF_FEW"):
        monkeypatch.setattr(host_native, name, 1)


@pytest.fixture(autouse=True)
def small_too(monkeypatch):
    _unbounded(monkeypatch)


def _agree(primitive, formula, arrays, names, **tolerance):
    """Check the native row of a primitive, which must serve, against its formula."""
    row = kernels.chosen(primitive, "host", formula, arrays, names)
    assert row.why.startswith("0017"), row
    with np.errstate(all="ignore"):
        found, expected = row.run(formula, arrays, names), formula(*arrays, **names)
    assert found.shape == expected.shape and found.dtype == expected.dtype == np.float32
    np.testing.assert_allclose(found, expected, **(TOLERANCE | tolerance))


@few
@given(lead=sizes, middle=sizes, channels=st.integers(2, 70), how=st.sampled_from(["sum", "max", "min"]))
def test_reductions_of_columns(lead, middle, channels, how):
    x = _draw(lead, middle, 2, channels)
    ufunc = {"sum": np.add, "max": np.maximum, "min": np.minimum}[how]
    for axes in (0, (0, 1), (1, 2), -2, (0, 1, 2), [2, 1]):
        axes = tuple(axes) if isinstance(axes, list) else axes
        for keepdims in (False, True):
            found = host_native.reduced(how, x, axes, keepdims)
            expected = ufunc.reduce(x.astype("float64"), axis=axes, keepdims=keepdims)
            assert found.shape == expected.shape
            np.testing.assert_allclose(found, expected, rtol=1e-6, atol=2e-6 * max(1, lead * middle) ** 0.5)


@pytest.mark.parametrize("case", ["short", "apart", "strided", "float64", "empty", "out"])
def test_other_reductions_are_left_to_numpy(case):
    x = _draw(8, 6, 5, 4)
    x = {"strided": x[::2], "float64": x.astype("float64"), "empty": x[:0]}.get(case, x)
    axis = {"short": 3, "apart": (0, 2), "out": 7}.get(case, 0)
    assert host_native.reduced("sum", x, axis, False) is None


@few
@given(lead=sizes, columns=st.integers(16, 300), how=st.sampled_from(["sum", "max", "min", "mean", "prod"]))
def test_reductions_along_rows(lead, columns, how):
    x = np.exp(_draw(lead, 70, columns) / 40)
    function = getattr(np, how)
    for axes in (None, -1, 2, (1, 2), (0, 1, 2), [2]):
        axes = tuple(axes) if isinstance(axes, list) else axes
        for keepdims in (False, True):
            found = host_native.reduced(how, x, axes, keepdims)
            expected = function(x.astype("float64"), axis=axes, keepdims=keepdims).astype("float32")
            assert found.shape == expected.shape
            np.testing.assert_allclose(found, expected, rtol=1e-3 if how == "prod" else 2e-5)


def test_long_rows_are_reduced_exactly_and_keep_nan():
    x = np.random.default_rng(0).random((3, 70001)).astype("float32")
    np.testing.assert_allclose(
        host_native.reduced("sum", x, -1, False), x.astype("float64").sum(-1), rtol=1e-6
    )
    x[0, 69999], x[1, 5], x[2, 0] = np.nan, np.inf, -np.inf
    for how in ("sum", "max", "min"):
        np.testing.assert_array_equal(
            host_native.reduced(how, x, -1, False)[:2], [np.nan, {"min": x[1].min()}.get(how, np.inf)]
        )
        assert np.isnan(host_native.reduced(how, x, None, False))


@pytest.mark.parametrize("rows", [1, 7, 8, 30])
def test_running_sums(rows):
    x = _draw(rows, 170)
    np.testing.assert_array_equal(host_native.running(x, 1), np.cumsum(x, 1))
    x[0, 3] = np.nan
    assert np.isnan(host.cumsum(x, -1)[0, 3:]).all() and host_native.running(x, 0) is None


@pytest.mark.parametrize("few_of", [1, 5, 17])
def test_few_largest(few_of):
    x = np.round(_draw(40, 60) * 3) / 4  # with equal ones
    x[3, 7] = x[3, 9] = np.nan
    x[5] = -np.inf
    values, places = host.top_k(x, few_of)
    order = np.argsort(np.where(np.isnan(x), -np.inf, -x), axis=-1, kind="stable")[:, :few_of]
    np.testing.assert_array_equal(places, order)
    np.testing.assert_array_equal(values, np.take_along_axis(x, order, -1))


def test_long_sums_are_as_exact_as_numpys():
    x = np.random.default_rng(0).random((1 << 18, 2)).astype("float32")
    found = host_native.reduced("sum", x, 0, False)
    np.testing.assert_allclose(found, x.astype("float64").sum(0), rtol=1e-6)


def test_extremes_keep_nan_and_infinity():
    x = _draw(50, 20)
    x[3, 0], x[7, 1], x[:, 2], x[49, 3] = np.nan, np.inf, -np.inf, np.nan
    for how, ufunc in (("max", np.maximum), ("min", np.minimum), ("sum", np.add)):
        found = host_native.reduced(how, x, 0, False)
        np.testing.assert_allclose(found, ufunc.reduce(x, axis=0), rtol=1e-6, atol=1e-5)


ODD = np.array(
    [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-40, -88.0, 88.0, 3e38, -3e38, 1e-3, -5.0, 5.0], "float32"
)


@pytest.mark.parametrize("name", ["sigmoid", "erf"])
@pytest.mark.parametrize("count", [1, 15, 16, 33, 5000])
def test_functions_of_elements(name, count, monkeypatch):
    function = {"sigmoid": host.logistic, "erf": host.erf}[name]
    x = np.concatenate([ODD, np.linspace(-12, 12, count, dtype="float32")])
    with np.errstate(all="ignore"):
        found = function(x)
        monkeypatch.setattr(settings, "native", False)
        np.testing.assert_allclose(found, function(x), rtol=1e-6, atol=1e-37)


@pytest.mark.parametrize("approximate", [False, True])
def test_gelu(approximate):
    x = np.concatenate([np.linspace(-9, 9, 4001, dtype="float32"), ODD[[0, 1, 2, 3, 5, 8]]])
    formula = functools.partial(nn._gelu, host)
    _agree("gelu", formula, (x,), {"approximate": approximate}, atol=1e-6)


def test_gelu_is_exact_where_its_formula_cancels():
    x = np.linspace(-9, -3, 301)
    special = pytest.importorskip("scipy.special")
    found = tf.nn.gelu(tf.constant(x.astype("float32"))).numpy()
    np.testing.assert_allclose(found, x * special.ndtr(x), rtol=1e-5)


@few
@given(rows=sizes, channels=st.integers(1, 70), given_too=st.tuples(st.booleans(), st.booleans()))
def test_batch_normalization_by_known_statistics(rows, channels, given_too):
    x, mean, scale, offset = _draw(rows, 3, channels), *(_draw(channels) + i for i in range(3))
    arrays = (
        x,
        mean,
        np.square(mean) + 0.1,
        *(p if kept else None for p, kept in zip((offset, scale), given_too, strict=True)),
    )
    formula = functools.partial(batch_normalization._batch_normalization, host)
    _agree("batch_norm, known", formula, arrays, {"variance_epsilon": 1e-3}, atol=1e-5)


@few
@given(batch=st.integers(1, 5), places=sizes, groups=st.integers(1, 6), each=st.integers(1, 20))
def test_group_normalization(batch, places, groups, each):
    x = _draw(batch, places, groups * each) + 3
    for parameters in ((None, None), (_draw(groups * each), _draw(groups * each) + 1)):
        formula = functools.partial(normalization._group_norm, host)
        _agree("group_norm", formula, (x, *parameters), {"groups": groups, "epsilon": 1e-3}, atol=2e-5)


@pytest.mark.parametrize("channels", [16, 48, 17])
def test_normalizations_of_what_is_written_past_the_caches(channels):
    x = _draw(4, (1 << 18) // 64 + 5, channels)
    x = np.concatenate([x] * (1 + 16 // channels), axis=0)
    mean, scale, offset = (_draw(channels) + i for i in range(3))
    formula = functools.partial(batch_normalization._batch_normalization, host)
    arrays = (x, mean, np.square(mean) + 0.1, offset, scale)
    _agree("batch_norm, known", formula, arrays, {"variance_epsilon": 1e-3}, atol=1e-5)
    formula = functools.partial(normalization._group_norm, host)
    _agree("group_norm", formula, (x, scale, offset), {"groups": 1, "epsilon": 1e-3}, atol=2e-5)


PADDINGS = ["VALID", "SAME", [[0, 0], [2, 1], [0, 3], [0, 0]]]


@pytest.mark.parametrize("formula", [pool._largest, pool._mean])
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize(
    "numbers", [((2, 2), (2, 2), (1, 1)), ((3, 2), (1, 3), (2, 1)), ((7, 7), (2, 2), (1, 1))]
)
def test_windows_of_images(formula, padding, numbers):
    for channels in (1, 3, 16, 37):
        x = _draw(2, 15, 17, channels)
        x[0, 0, 0, 0] = np.nan
        plan = WindowPlan(x, *numbers[:2], padding, numbers[2], False)
        _agree(
            "windows", functools.partial(formula, host), (x,), {"plan": plan, "mean": formula is pool._mean}
        )


@pytest.mark.parametrize("formula", [pool._largest, pool._mean])
def test_windows_of_lines(formula):
    x = _draw(3, 21, 5)
    plan = WindowPlan(x, (4,), (3,), "SAME", (1,), False)
    _agree("windows", functools.partial(formula, host), (x,), {"plan": plan, "mean": formula is pool._mean})


@pytest.mark.parametrize("shape", [(4, 5), (3, 7, 6, 16), (2, 1, 70), (40, 60, 70, 16)])
def test_bias(shape):
    x, bias = _draw(*shape), _draw(shape[-1])
    x.flat[0], x.flat[1] = np.nan, np.inf
    _agree("bias", operator.add, (x, bias), {}, rtol=0, atol=0)


@few
@given(
    rows=st.integers(1, 40),
    depth=st.sampled_from([1, 3, 16, 127, 128, 300]),
    columns=st.sampled_from([1, 5, 16, 64, 65, 150]),
    activation=st.sampled_from(["linear", "relu", "tanh", "sigmoid"]),
    with_bias=st.booleans(),
)
def test_dense(rows, depth, columns, activation, with_bias):
    arrays = (_draw(rows, 2, depth), _draw(depth, columns) / np.float32(depth**0.5))
    arrays += (_draw(columns),) if with_bias else ()
    names = {"summed": 1, "activation": activation}
    assert host_native.products_of(arrays, 1) is not None
    _agree("dense", functools.partial(dense._dense, host), arrays, names, atol=5e-6)
    again = host_native.dense_like(arrays, **names)
    expected = dense.dense.body(host, *arrays, **names)
    apart = [np.repeat(one, 2, axis=-1)[..., ::2] for one in arrays]
    assert not any(one.flags.c_contiguous for one in apart if one.shape[-1] > 1)
    for given_arrays in (arrays, apart):
        np.testing.assert_array_equal(again(*given_arrays), expected)


def test_other_products_are_left_to_numpy():
    x, kernel, bias = _draw(4, 6), _draw(6, 5), _draw(5)
    for arrays in (
        (x.astype("float64"), kernel.astype("float64"), bias.astype("float64")),
        (x[::2], kernel, bias),
        (x, kernel, bias.astype("float64")),
        (x, kernel, _draw(1)),
        (x[:0], kernel, bias),
        (x, kernel[:, :0], bias[:0]),
        (x, _draw(5, 6), bias),
    ):
        assert host_native.products_of(arrays, 1) is None
        assert host_native.dense_like(arrays, summed=1, activation="relu") is None


def test_dense_over_several_axes_and_what_is_not_finite():
    x, kernel, bias = _draw(9, 4, 5), _draw(4, 5, 3, 2), _draw(3, 2)
    x[1, 0, 0], x[2, 0, 0] = np.nan, np.inf
    for activation in ("linear", "relu"):
        names = {"summed": 2, "activation": activation}
        _agree("dense", functools.partial(dense._dense, host), (x, kernel, bias), names, atol=5e-6)


@few
@given(
    batch=st.integers(1, 3),
    lengths=st.tuples(sizes, st.integers(1, 90)),
    heads=st.integers(1, 3),
    widths=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    causal=st.booleans(),
)
def test_attention(batch, lengths, heads, widths, causal):
    (queries, keys), (size, value_size) = lengths, widths
    arrays = (
        *(_draw(batch, queries, heads, size), _draw(batch, keys, heads, size)),
        *(_draw(batch, keys, heads, value_size), None, None),
    )
    names = {"scale": None, "is_causal": causal, "soft_cap": None}
    _agree("attention", functools.partial(attention._attention, host), arrays, names, atol=5e-6)


LAYERS = {
    "dense": (lambda k: k.Dense(20, "relu"), (8, 40, 30)),
    "dense of columns": (lambda k: k.Dense(20, "gelu", use_bias=False), (600, 8)),
    "einsum": (lambda k: k.EinsumDense("abc,cde->abde", (None, 3, 5), bias_axes="de"), (20, 9, 12)),
    "einsum of two axes": (lambda k: k.EinsumDense("abcd,cde->abe", (None, 5), bias_axes="e"), (99, 9, 4, 3)),
    "layer norm": (lambda k: k.LayerNormalization(), (20, 9, 12)),
    "rms norm": (lambda k: k.RMSNormalization(), (20, 9, 12)),
    "group norm": (lambda k: k.GroupNormalization(3), (5, 9, 9, 12)),
    "batch norm": (lambda k: k.BatchNormalization(), (5, 9, 9, 12)),
    "max pooling": (lambda k: k.MaxPooling2D(), (5, 9, 9, 12)),
    "average pooling": (lambda k: k.AveragePooling2D(3, padding="same"), (5, 9, 9, 12)),
    "global average": (lambda k: k.GlobalAveragePooling2D(), (5, 19, 9, 12)),
    "global maximum": (lambda k: k.GlobalMaxPooling2D(), (5, 19, 9, 12)),
    "softmax": (lambda k: k.Softmax(), (20, 9, 12)),
    "attention": (lambda k: k.MultiHeadAttention(2, 6), (5, 64, 12)),
}


LEFT_TO_XLA = ("max pooling", "average pooling")  # where images are large


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_layers_and_their_gradients_are_the_same_without(name, large, monkeypatch):
    make, shape = LAYERS[name]
    if large:  # beyond the limit up to which NumPy works without kernels
        monkeypatch.setattr(settings, "_host_limit", 1000)
        monkeypatch.setattr(settings, "active_limit", 1000)
    x, results = tf.constant(_draw(*shape)), []
    for native_too in (True, False):
        monkeypatch.setattr(settings, "native", native_too)
        tf.keras.utils.set_random_seed(1)
        layer = make(tf.keras.layers)
        call = (lambda x, layer=layer: layer(x, x)) if name == "attention" else layer
        call(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = call(x)
            loss = tf.reduce_sum(y * tf.sin(y))
        results.append([y, *tape.gradient(loss, [x, *layer.trainable_variables])])
        with_numpy = type(call(x)._value) is np.ndarray
        assert not large or with_numpy == (native_too and name not in LEFT_TO_XLA)
    for found, expected in zip(*results, strict=True):
        scale = max(1.0, float(tf.reduce_max(tf.abs(expected))))
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * scale)


def test_large_arrays_stay_with_numpy_where_kernels_serve(monkeypatch):
    x, takes = np.zeros((2, settings.active_limit), "float32"), lambda *_: True
    assert placement.runs_on_host([x], one_pass=takes)
    assert not placement.runs_on_host([x])
    assert not placement.runs_on_host([x], one_pass=lambda *_: False)
    assert not placement.runs_on_host([x], size=placement.PASSES * settings.active_limit, one_pass=takes)
    for other in (x.T, x.astype("float64"), x.astype("int32")):
        assert not placement.runs_on_host([other], one_pass=takes)
    monkeypatch.setattr(placement, "accelerated", lambda: True)
    assert not placement.runs_on_host([x], one_pass=takes)


def test_results_begin_where_cache_lines_do():
    for shape in ((1 << 14,), (130, 127), (3, 70, 90)):
        y = native.host_kernels().each("relu", _draw(*shape))
        assert y.shape == shape and y.ctypes.data % 64 == 0 and y.flags.c_contiguous


def test_bad_buffers_raise_and_write_nothing():
    kernels_of_host, x = native.host_kernels(), _draw(8, 8)
    frozen = np.zeros_like(x)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="read-only|not writable|writeable"):
        kernels_of_host.each_into(1, x, frozen)
    with pytest.raises(ValueError, match="contiguous"):
        kernels_of_host.each_into(1, x.T, np.empty_like(x))
    with pytest.raises(TypeError):
        kernels_of_host.each_into(1, "text", np.empty_like(x))
    assert not frozen.any()


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_that_call_at_once(threads):
    host_kernels, x, kernel = native.host_kernels(), _draw(600, 128), _draw(128, 128)
    host_kernels.use_threads(threads)
    try:
        expected = [
            host_kernels.rows("softmax", x),
            host_kernels.dense(x, kernel, None, "relu", (kernel.shape[0], 128, (600, 128))),
        ]
        wrong = []

        def run(seed):
            for _ in range(40):
                found = [
                    host_kernels.rows("softmax", x),
                    host_kernels.dense(x, kernel, None, "relu", (kernel.shape[0], 128, (600, 128))),
                ]
                wrong.extend(seed for a, b in zip(found, expected, strict=True) if not np.array_equal(a, b))

        running = [threading.Thread(target=run, args=(i,)) for i in range(4)]
        for each in running:
            each.start()
        for each in running:
            each.join()
        assert not wrong
    finally:
        host_kernels.use_threads(native.num_threads())


FORKED = """
import os
import numpy as np
from dovetail.engine import native
kernels, x = native.host_kernels(), np.random.default_rng(0).normal(size=(600, 256)).astype("float32")
kernels.use_threads(3)
expected = kernels.rows("softmax", x)
for _ in range(3):
    child = os.fork()
    if not child:
        same = all(np.array_equal(kernels.rows("softmax", x), expected) for _ in range(20))
        os._exit(0 if same else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert np.array_equal(kernels.rows("softmax", x), expected)
print("done")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_children_that_were_forked():
    done = subprocess.run(
        [sys.executable, "-c", FORKED], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "done\n"


def test_the_number_of_threads_is_xlas(monkeypatch):
    monkeypatch.setenv("PJRT_NPROC", "3")
    assert native.num_threads() == 3
    asked = []
    monkeypatch.setattr(native, "_ON_HOST", [(None, types.SimpleNamespace(use_threads=asked.append))])
    native.use_threads(2)
    native.use_threads(0)
    assert asked == [2, 3]


def test_the_hyperbolic_tangent_is_never_beyond_one():
    x = (np.random.default_rng(0).normal(size=(64, 64)) * 100).astype(np.float32)
    layer = tf.keras.layers.Dense(64, activation="tanh", kernel_initializer="identity")
    y = layer(tf.constant(x)).numpy()
    assert np.abs(y).max() == 1.0
