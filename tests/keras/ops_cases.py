"""Calls of every function of `keras.ops`: one row or more for each (see tests/keras/test_keras_ops.py)."""

from __future__ import annotations

import numpy as np

from tests.keras.ops_case import (
    Row,
    between,
    bools,
    complexes,
    each,
    fixed,
    holes,
    ints,
    normal,
    numbered,
    positive_definite,
    probabilities,
)

ONE, BOTH = (0,), (0, 1)
VALUES = "the result's shape depends on the values"
PYTHON = "it takes Python numbers"
X = normal(3, 4)

ELEMENTWISE = [
    *each(
        "abs absolute fabs negative square sign copy conj conjugate real imag isfinite isinf isnan isneginf "
        "isposinf isreal signbit logical_not floor ceil round trunc deg2rad rad2deg exp exp2 expm1 sin cos tan sinh "
        "cosh tanh arctan arcsinh sinc i0 cbrt sigmoid relu relu6 silu swish softplus softsign elu selu celu gelu "
        "leaky_relu log_sigmoid hard_sigmoid hard_silu hard_swish hard_tanh hard_shrink soft_shrink tanh_shrink "
        "squareplus sparse_plus sparse_sigmoid glu erf erfc nan_to_num reciprocal angle ones_like zeros_like "
        "stop_gradient softmax log_softmax sparsemax normalize",
        normal(3, 4, scale=2.0),
        sweep=ONE,
    ),
    *each("sqrt rsqrt log log1p log2 log10", between(0.1, 5, 3, 4), sweep=ONE),
    *each("arcsin arccos arctanh erfinv", between(-0.9, 0.9, 3, 4), sweep=ONE),
    *each("arccosh", between(1.1, 5, 3, 4), sweep=ONE),
    *each("bitwise_not bitwise_invert", ints(-9, 9, 3, 4), sweep=ONE),
    *each("real imag conj angle abs isreal", complexes(3, 4), id="complex"),
    *each(
        "add subtract multiply maximum minimum arctan2 hypot logaddexp logaddexp2 fmax fmin greater greater_equal less "
        "less_equal equal not_equal logical_and logical_or logical_xor nextafter isclose heaviside",
        normal(3, 4),
        normal(4),
        sweep=BOTH,
    ),
    *each("divide true_divide divide_no_nan", normal(3, 4), between(1, 3, 4), sweep=BOTH),
    *each("floor_divide mod fmod", normal(3, 4, scale=9), between(1, 3, 4), sweep=BOTH),
    *each("mod fmod floor_divide", ints(-9, 9, 3, 4), ints(1, 5, 4), id="ints"),
    *each("power", between(0.5, 3, 3, 4), normal(4), sweep=BOTH),
    *each("gcd lcm bitwise_and bitwise_or bitwise_xor", ints(1, 99, 3, 4), ints(1, 99, 4), sweep=BOTH),
    *each(
        "left_shift right_shift bitwise_left_shift bitwise_right_shift",
        ints(1, 99, 3, 4),
        ints(0, 5, 4),
        sweep=BOTH,
    ),
    Row("ldexp", (X, ints(-3, 3, 4)), sweep=BOTH),
    Row("polar", (between(0.1, 2, 3, 4), X), sweep=BOTH),
    Row("where", (bools(3, 4), X, normal(4)), sweep=(1, 2)),
    Row("where", (bools(3, 4), X, 1.5), id="number"),
    Row("clip", (X, -0.5, 0.5), sweep=ONE),
    Row("clip", (ints(-9, 9, 3, 4), -0.5, 0.5), id="ints"),
    Row("round", (normal(3, 4, scale=9), 1), sweep=ONE, id="decimals"),
    Row("threshold", (X, 0.2, -1.0), sweep=ONE),
    Row("cast", (X, "int32"), sweep=ONE),
    Row("saturate_cast", (normal(3, 4, scale=300), "uint8"), sweep=ONE),
    Row("nan_to_num", (fixed(np.nan, np.inf, -np.inf, 1.0),), {"nan": 2.0, "posinf": 9.0}, id="values"),
    Row("isclose", (X, X), {"rtol": 1e-3, "atol": 1.0, "equal_nan": True}, id="options"),
    Row("gelu", (X, False), id="exact"),
    Row("leaky_relu", (X, 0.3), id="slope"),
    Row("softmax", (X, None), id="flat"),
    Row("softmax", (normal(2, 3, 4), (1, 2)), id="axes"),
    Row("log_softmax", (X, 0), id="axis"),
    Row("view", (X, "int32")),
    Row("view", (ints(0, 9, 3, 4), "int16"), id="narrow"),
    Row("view", (ints(0, 9, 3, 4, dtype=np.int16), "int32"), id="wide"),
    Row("view_as_complex", (normal(3, 2),)),
    Row("view_as_real", (complexes(3, 4),)),
    Row("dtype", (X,), call=lambda ops, x: np.zeros((), ops.dtype(x)), symbolic=PYTHON),
    Row("is_tensor", (X,), call=lambda ops, x: np.array(ops.is_tensor(x)), symbolic=PYTHON),
    Row("ndim", (X,), call=lambda ops, x: np.array(ops.ndim(x)), symbolic=PYTHON),
    Row("shape", (X,), call=lambda ops, x: np.array(ops.shape(x)), symbolic=PYTHON),
    Row("size", (X,), call=lambda ops, x: np.array(ops.size(x), np.int32), symbolic=PYTHON),
    Row("allclose", (X, X), call=lambda ops, x, y: np.array(bool(ops.allclose(x, y))), symbolic=VALUES),
    Row("convert_to_tensor", (X,), sweep=ONE),
    Row("convert_to_numpy", (X,), symbolic=PYTHON),
    Row("array", (X,), sweep=ONE),
    Row("array", (X, "float16"), id="dtype", symbolic=PYTHON),
]

REDUCTIONS = [
    *each(
        "sum prod mean var std max min amax amin all any logsumexp ptp median nansum nanprod nanmean nanvar nanstd "
        "nanmax nanmin nanmedian argmax argmin nanargmax nanargmin cumsum cumprod nancumsum nancumprod count_nonzero",
        normal(3, 4),
        1,
        sweep=ONE,
    ),
    *each(
        "sum prod mean var std max min all any logsumexp ptp median argmax argmin count_nonzero nanmedian nansum "
        "cumsum cumprod nancumsum",
        normal(3, 4),
        id="flat",
    ),
    *each(
        "sum prod mean var std max min all any logsumexp ptp median nansum nanmean nanmedian nanmax nanvar",
        normal(2, 3, 4),
        (0, 2),
        kwargs={"keepdims": True},
        id="axes",
    ),
    *each("argmax argmin nanargmax nanargmin", X, 0, kwargs={"keepdims": True}, id="kept"),
    *each(
        "nansum nanprod nanmean nanvar nanstd nanmax nanmin nanmedian nanargmax nanargmin nancumsum nancumprod",
        holes(3, 4),
        1,
        id="holes",
    ),
    *each(
        "nanmax nanmin nanmean nansum nanprod nanmedian nanvar",
        fixed([[np.nan, np.nan], [1, np.nan]]),
        1,
        id="none",
    ),
    *each("quantile", X, 0.3, 1, sweep=ONE),
    *each("quantile nanquantile", X, fixed([0.1, 0.5]), id="several"),
    *each("nanquantile", holes(3, 4), 0.3, 1, sweep=ONE),
    *each("percentile nanpercentile", holes(3, 4), 30, 1, sweep=ONE),
    *[
        Row("quantile", (X, fixed([0.3, 0.8])), {"axis": 0, "method": method, "keepdims": True}, id=method)
        for method in ("lower", "higher", "midpoint", "nearest")
    ],
    Row("max", (X, 0), {"initial": 0.5}, id="initial"),
    Row("min", (X, 0), {"initial": 0.5}, id="initial"),
    Row("cumsum", (ints(0, 9, 3, 4), 0), {"dtype": "float32"}, id="dtype"),
    Row("average", (X, 1), sweep=ONE),
    Row("average", (X, 1, between(0, 1, 4)), sweep=(0, 2), id="weights"),
    Row("moments", (X, 1), sweep=ONE),
    Row("moments", (normal(2, 3, 4), (0, 1)), {"keepdims": True}, id="kept"),
    Row("trapezoid", (X,), sweep=ONE),
    Row("trapezoid", (X, between(0, 1, 3, 4)), {"axis": 1}, id="points"),
    Row("trapezoid", (X,), {"dx": 0.5, "axis": 0}, id="dx"),
    Row("diff", (X,), sweep=ONE),
    Row("diff", (X, 2, 0), id="twice"),
    Row("bincount", (ints(0, 5, 7),), symbolic=VALUES),
    Row("bincount", (ints(0, 5, 2, 7), between(0, 1, 2, 7)), {"minlength": 6}, symbolic=VALUES, id="weights"),
    Row("histogram", (normal(9),), symbolic=True),
    Row("histogram", (normal(9), 5, (-1.0, 2.0)), symbolic=True, id="range"),
    Row("corrcoef", (normal(3, 5),), sweep=ONE),
    Row("norm", (X,), sweep=ONE),
    *[
        Row("norm", (X, order, 1), id=f"vector {order}")
        for order in (None, 0, 1, 2, 3, 0.5, -1, -2, np.inf, -np.inf)
    ],
    *[Row("norm", (normal(4), order), id=f"one {order}") for order in (0, 1, 3, -np.inf)],
    *[
        Row("norm", (normal(2, 3, 4), order, (1, 2), True), id=f"matrix {order}", rtol=1e-4)
        for order in (None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf)
    ],
    Row("norm", (normal(3, 4), 1), id="matrix"),
    *[Row("normalize", (X, 1, order), id=f"order {order}") for order in (1, 2, 3)],
    Row("normalize", (normal(2, 3, 4), (0, 2)), id="axes"),
    Row("psnr", (between(0, 1, 3, 4), between(0, 1, 3, 4), 1.0), sweep=BOTH),
    *[
        Row(f"segment_{how}", (X, fixed([0, 2, 1], dtype=np.int32), 3), sweep=ONE)
        for how in ("sum", "max", "min", "prod")
    ],
]

SHAPES = [
    Row("append", (X, normal(2, 4), 0), sweep=BOTH),
    Row("append", (X, normal(2, 3)), id="flat"),
    Row("concatenate", ([X, normal(3, 2)], 1)),
    Row("concatenate", ([X, ints(0, 3, 3, 2)], 1), id="mixed"),
    *each("stack vstack hstack dstack", [X, normal(3, 4)]),
    *each("vstack hstack dstack stack", [normal(4), ints(0, 9, 4)], id="vectors"),
    Row("stack", ([X, X], -1), id="last"),
    *each("split array_split", normal(6, 4), 3),
    *each("split", normal(6, 4), [1, 3], 1, id="at"),
    Row("array_split", (normal(7, 4), 3), id="uneven"),
    *each("hsplit vsplit", normal(4, 6), 2),
    Row("dsplit", (normal(2, 3, 4), 2)),
    Row("unstack", (X,), {"num": 4, "axis": 1}),
    *each("ravel fliplr flipud transpose flip", X, sweep=ONE),
    Row("flip", (normal(2, 3, 4), (0, 2)), id="axes"),
    Row("transpose", (normal(2, 3, 4), (2, 0, 1)), id="axes"),
    Row("reshape", (X, (4, 3))),
    Row("reshape", (X, (2, -1)), id="open"),
    Row("expand_dims", (X, 1)),
    Row("expand_dims", (X, (0, 2)), id="several"),
    Row("squeeze", (normal(3, 1, 4, 1),), symbolic="an unknown size may be 1"),
    Row("squeeze", (normal(3, 1, 4, 1), 1), id="axis"),
    Row("squeeze", (normal(3, 1, 4, 1), (1, 3)), id="axes"),
    Row("moveaxis", (normal(2, 3, 4), 0, -1)),
    Row("moveaxis", (normal(2, 3, 4), (0, 1), (-1, 0)), id="several"),
    Row("swapaxes", (normal(2, 3, 4), 0, 2)),
    Row("rot90", (X,)),
    Row("rot90", (normal(2, 3, 4), 3, (1, 2)), id="axes"),
    Row("roll", (X, 1)),
    Row("roll", (X, (1, 2), (0, 1)), id="axes"),
    Row("tile", (X, (2, 1))),
    Row("tile", (X, 2), id="number"),
    Row("repeat", (X, 2, 1)),
    Row("repeat", (X, 2), id="flat"),
    Row("repeat", (X, fixed([1, 0, 2, 1], dtype=np.int32), 1), id="several", symbolic=VALUES),
    Row("broadcast_to", (normal(4), (3, 4))),
    Row("pad", (X, ((1, 0), (0, 2)))),
    Row("pad", (X, 1, "constant", 2.0), id="number"),
    Row("pad", (X, ((1, 1), (2, 2)), "reflect"), id="reflect"),
    Row("pad", (X, ((1, 1), (2, 2)), "symmetric"), id="symmetric"),
    Row("meshgrid", (normal(3), normal(4))),
    Row("meshgrid", (normal(3), ints(0, 3, 4)), {"indexing": "ij"}, id="ij"),
    Row("take", (X, ints(0, 4, 2, 3), 1)),
    Row("take", (X, fixed([0, -1], dtype=np.int32)), id="flat"),
    Row("take_along_axis", (X, ints(0, 4, 3, 2), 1)),
    Row("take_along_axis", (X, ints(0, 12, 5)), id="flat"),
    Row("get_item", (X, (slice(0, 2), 1)), symbolic="its first size is not known"),
    Row("slice", (X, (1, 1), (2, 2)), symbolic="its first size is not known"),
    Row("slice_update", (X, (1, 1), normal(2, 2)), symbolic="its first size is not known"),
    Row("scatter", (fixed([[0], [2], [0]], dtype=np.int32), normal(3, 4), (4, 4)), sweep=(1,)),
    *[
        Row(
            "scatter_update",
            (X, fixed([[0, 1], [2, 3]], dtype=np.int32), normal(2)),
            {} if how is None else {"reduction": how},
            id=how or "",
        )
        for how in (None, "add", "max", "min", "mul")
    ],
    Row("select", ([bools(3, 4), bools(3, 4)], [X, normal(3, 4)], 0.5)),
    Row("nonzero", (X,), symbolic=VALUES),
    *each("sort argsort", X, sweep=ONE),
    *each("sort argsort", X, None, id="flat"),
    Row("argpartition", (X, 2, 1), sweep=ONE, compare=lambda x: [np.sort(x[:, :2], 1), np.sort(x[:, 3:], 1)]),
    Row("searchsorted", (fixed(0.0, 1.0, 2.0, 3.0), normal(2, 3)), sweep=BOTH),
    Row("searchsorted", (fixed(0.0, 1.0, 2.0), fixed(1.0, 2.0), "right"), id="right"),
    Row("digitize", (normal(3, 4), fixed(-1.0, 0.0, 1.0)), sweep=BOTH),
    Row("isin", (ints(0, 5, 3, 4), ints(0, 5, 3)), sweep=BOTH),
    Row("isin", (ints(0, 5, 3, 4), ints(0, 5, 3)), {"invert": True}, id="invert"),
    Row("top_k", (X, 2), sweep=ONE),
    Row("in_top_k", (ints(0, 4, 3), X, 2)),
    Row("unique", (ints(0, 5, 3, 4),), symbolic=True),
    Row(
        "unique",
        (ints(0, 5, 9),),
        {"return_index": True, "return_inverse": True, "return_counts": True},
        symbolic=True,
        id="all",
    ),
    Row(
        "unique",
        (fixed([[1, 2], [0, 3], [1, 2]]),),
        {"axis": 0, "return_inverse": True},
        symbolic=True,
        id="axis",
    ),
    Row(
        "unique",
        (ints(0, 5, 9), True, True, True, True),
        {"size": 7, "fill_value": 9},
        id="size",
        symbolic=True,
    ),
    Row("unravel_index", (ints(0, 12, 5), (3, 4))),
    *each("tril triu diag diagflat diagonal trace", normal(4, 4), sweep=ONE),
    *each("tril triu diag diagflat", normal(4, 4), 1, id="above"),
    *each("diag diagflat", normal(4), -1, id="vector"),
    *each("diagonal trace", normal(2, 3, 4), 1, 2, 0, id="axes"),
    Row("vander", (normal(4),), sweep=ONE, symbolic="the number of powers is not known"),
    Row("vander", (normal(4), 3, True), id="increasing"),
    Row("rearrange", (normal(2, 3, 4), "b h w -> h (b w)")),
    Row("rearrange", (normal(6, 4), "(a b) c -> a c b"), {"a": 2}, id="split"),
    Row("extract_sequences", (normal(2, 10), 4, 3), sweep=ONE),
]

MADE = [
    *each("zeros ones empty", (2, 3), kwargs={}, compare=lambda x: [x.shape[0], x.dtype == np.float32]),
    *each("zeros ones", (2, 3), "int32", id="dtype"),
    *each("empty_like", X, compare=lambda x: [np.array(x.shape)]),
    *each("ones_like zeros_like", X, "int32", id="dtype"),
    Row("full", ((2, 3), 1.5)),
    Row("full", ((2, 3), 2), id="int"),
    Row("full_like", (X, 2), sweep=ONE),
    Row("full_like", (X, 2, "int32"), id="dtype"),
    Row("arange", (5,)),
    Row("arange", (1, 5.0, 2), id="floats"),
    Row("arange", (2, 9, 3, "float16"), id="dtype"),
    Row("linspace", (0, 1, 5)),
    Row("linspace", (0.0, fixed(1.0, 2.0), 4, False, True), {"axis": -1}, id="tensors"),
    Row("linspace", (0, 8, 5), {"dtype": "int32"}, id="dtype"),
    *each("logspace", 0, 2, 5),
    Row("logspace", (0.0, 2.0, 4, False, 2.0), id="base"),
    *each("geomspace", 1.0, 8.0, 4),
    Row("geomspace", (fixed(1.0, 2.0), fixed(4.0, 9.0), 3, False), {"axis": 1}, id="tensors"),
    Row("eye", (3,)),
    Row("eye", (3, 4, 1, "int32"), id="options"),
    Row("identity", (3,)),
    Row("tri", (3,)),
    Row("tri", (3, 4, -1, "int32"), id="options"),
    *each("bartlett blackman hamming hanning", 6),
    Row("kaiser", (6, 8.0)),
    Row("one_hot", (ints(0, 4, 2, 3), 4)),
    Row("one_hot", (ints(0, 4, 2, 3), 4, 0, "int32"), id="axis"),
    Row("multi_hot", (ints(0, 4, 2, 3), 4)),
    Row("multi_hot", (ints(0, 4, 2, 3), 5, 0, "int32"), id="axis"),
]

LINEAR = [
    *each("matmul dot", normal(3, 4), normal(4, 2), sweep=BOTH),
    *each("inner outer vdot kron", normal(3), normal(3), sweep=BOTH),
    *each("kron", normal(2, 3), normal(3, 2), id="matrices"),
    *each("kron", normal(2, 3), normal(2), id="ranks"),
    Row("matmul", (normal(2, 3, 4), normal(4)), id="vector"),
    Row("matmul", (normal(2, 3, 4), normal(2, 4, 3)), id="batch"),
    Row("dot", (normal(2, 3, 4), normal(5, 4, 2)), id="ranks"),
    Row("inner", (normal(2, 4), normal(3, 4)), id="matrices"),
    Row("tensordot", (normal(2, 3, 4), normal(3, 4, 2), 2), sweep=BOTH),
    Row("tensordot", (normal(2, 3, 4), normal(3, 2), [[1, 0], [0, 1]]), id="axes"),
    Row("einsum", ("ij,jk->ik", normal(3, 4), normal(4, 2)), sweep=(1, 2)),
    Row("cross", (normal(2, 3), normal(3)), sweep=BOTH),
    Row("cross", (normal(2, 3, 4), normal(2, 3, 4)), {"axis": 1}, id="axis"),
    Row("cross", (normal(4, 3, 2), normal(4, 2, 3)), {"axisa": 1, "axisb": 2, "axisc": 0}, id="axes"),
    Row("cross", (normal(4, 2), normal(4, 2)), id="two"),
    Row("correlate", (normal(7), normal(3)), sweep=BOTH),
    *[Row("correlate", (normal(7), normal(3), mode), id=mode) for mode in ("same", "full")],
    Row("cdist", (normal(3, 4), normal(5, 4)), sweep=BOTH),
    *each("det inv", normal(2, 3, 3), sweep=ONE, values=False, rtol=1e-4),
    *each("slogdet", normal(2, 3, 3), sweep=ONE, values=False, rtol=1e-4),
    *each("logdet cholesky", positive_definite(2, 3, 3), sweep=ONE, values=False, rtol=1e-4),
    Row("cholesky_inverse", (positive_definite(3, 3),), sweep=ONE, values=False, rtol=1e-4),
    *each("cholesky cholesky_inverse", positive_definite(3, 3), True, id="upper", rtol=1e-4),
    Row("pinv", (normal(2, 4, 3),), rtol=1e-4, atol=1e-4, sweep=ONE, values=False),
    Row("matrix_rank", (normal(2, 4, 3),), symbolic=True),
    Row("lu_factor", (normal(2, 3, 3),), rtol=1e-4, sweep=ONE),
    Row("lu_factor", (normal(4, 3),), rtol=1e-4, id="tall"),
    Row("eigh", (positive_definite(2, 3, 3),), compare=lambda w, v: [w, np.abs(v)], rtol=1e-4, atol=1e-4),
    Row(
        "eig",
        (normal(3, 3),),
        compare=lambda w, v: [np.sort(np.abs(w))],
        rtol=1e-4,
        symbolic=True,
    ),
    Row(
        "qr",
        (normal(4, 3),),
        compare=lambda q, r: [np.abs(q), np.abs(r)],
        rtol=1e-4,
        atol=1e-4,
        sweep=ONE,
        values=False,
    ),
    Row(
        "qr",
        (normal(4, 3), "complete"),
        compare=lambda q, r: [np.abs(r)],
        rtol=1e-4,
        atol=1e-4,
        id="complete",
    ),
    Row(
        "svd",
        (normal(4, 3),),
        compare=lambda u, s, v: [s, np.abs(v)],
        rtol=1e-4,
        atol=1e-4,
        sweep=ONE,
        values=False,
    ),
    Row("svd", (normal(4, 3), False, False), rtol=1e-4, id="values"),
    Row("solve", (positive_definite(3, 3), normal(3, 2)), rtol=1e-4, sweep=BOTH, values=False),
    Row("solve", (positive_definite(3, 3), normal(3)), rtol=1e-4, id="vector"),
    Row(
        "solve_triangular", (positive_definite(3, 3), normal(3, 2), True), rtol=1e-4, sweep=BOTH, values=False
    ),
    Row("lstsq", (normal(4, 3), normal(4)), rtol=1e-3, atol=1e-4),
    *each("fft fft2", (normal(3, 4), normal(3, 4)), rtol=1e-4),
    Row("ifft2", ((normal(3, 4), normal(3, 4)),), rtol=1e-4),
    Row("rfft", (normal(3, 8),), rtol=1e-4),
    Row("rfft", (normal(3, 8), 5), id="length", rtol=1e-4),
    Row("irfft", ((normal(3, 5), normal(3, 5)),), rtol=1e-4),
    Row("irfft", ((normal(3, 5), normal(3, 5)), 7), id="length", rtol=1e-4),
    Row("stft", (normal(2, 40), 8, 4, 10), rtol=1e-4, atol=1e-4),
    Row("stft", (normal(2, 40), 8, 4, 8, "hamming", False), id="hamming", rtol=1e-4, atol=1e-4),
    Row("stft", (normal(2, 40), 8, 4, 8, None), id="none", rtol=1e-4, atol=1e-4),
    Row("istft", ((normal(2, 11, 6), normal(2, 11, 6)), 8, 4, 10), rtol=1e-4, atol=1e-4),
    Row(
        "istft",
        ((normal(2, 11, 6), normal(2, 11, 6)), 8, 4, 10, 30, "hann", False),
        id="length",
        rtol=1e-3,
        atol=1e-3,
    ),
]

NETWORK = [
    Row("relu", (ints(-3, 3, 3, 4),), id="ints"),
    Row("conv", (normal(2, 7, 6, 4), normal(3, 2, 2, 6)), sweep=BOTH, rtol=1e-4, atol=1e-4),
    Row("conv", (normal(2, 9, 4), normal(3, 4, 5), 2, "same"), id="1d", rtol=1e-4, atol=1e-4),
    Row(
        "conv",
        (normal(2, 4, 7, 6), normal(3, 2, 4, 6)),
        {"data_format": "channels_first", "dilation_rate": 2},
        id="first",
        rtol=1e-4,
        atol=1e-4,
    ),
    Row(
        "depthwise_conv",
        (normal(2, 7, 6, 3), normal(3, 3, 3, 2), 1, "same"),
        sweep=BOTH,
        rtol=1e-4,
        atol=1e-4,
    ),
    Row(
        "separable_conv",
        (normal(2, 7, 6, 3), normal(3, 3, 3, 2), normal(1, 1, 6, 5)),
        sweep=(0, 1, 2),
        rtol=1e-4,
        atol=1e-4,
    ),
    Row(
        "conv_transpose",
        (normal(2, 4, 5, 3), normal(3, 3, 2, 3), 2, "same"),
        sweep=BOTH,
        rtol=1e-4,
        atol=1e-4,
    ),
    Row(
        "conv_transpose",
        (normal(2, 5, 3), normal(3, 2, 3), 2, "valid", 1),
        id="output padding",
        rtol=1e-4,
        atol=1e-4,
    ),
    *each("max_pool average_pool", normal(2, 7, 6, 3), 2, 2, sweep=ONE),
    *each("max_pool average_pool", normal(2, 9, 3), 3, 2, "same", id="same"),
    *each("max_pool average_pool", normal(2, 3, 5, 6), (2, 3), 1, "valid", "channels_first", id="first"),
    *each("adaptive_average_pool adaptive_max_pool", normal(2, 7, 6, 3), (3, 4)),
    *each("adaptive_average_pool adaptive_max_pool", normal(2, 9, 3), 4, id="1d"),
    *each("adaptive_average_pool adaptive_max_pool", normal(2, 3, 5, 6), 2, "channels_first", id="first"),
    *each("adaptive_average_pool adaptive_max_pool", normal(2, 4, 5, 6, 2), (2, 2, 3), id="3d"),
    Row("batch_normalization", (normal(2, 3, 4), normal(4), between(0.5, 2, 4), -1), sweep=(0, 1, 2)),
    Row(
        "batch_normalization",
        (normal(2, 3, 4), normal(3), between(0.5, 2, 3), 1, normal(3), normal(3), 1e-2),
        id="scale",
    ),
    Row("layer_normalization", (X,), sweep=ONE, atol=1e-4),
    Row(
        "layer_normalization", (normal(2, 3, 4), normal(4), normal(4)), sweep=(0, 1, 2), id="scale", atol=1e-4
    ),
    Row("rms_normalization", (X,), sweep=ONE),
    Row("rms_normalization", (X, normal(4)), sweep=BOTH, id="scale"),
    Row(
        "dot_product_attention", (normal(2, 5, 3, 4), normal(2, 6, 3, 4), normal(2, 6, 3, 4)), sweep=(0, 1, 2)
    ),
    Row(
        "dot_product_attention",
        (normal(2, 5, 2, 4), normal(2, 5, 2, 4), normal(2, 5, 2, 4)),
        {"bias": normal(2, 2, 5, 5), "scale": 0.3, "is_causal": True},
        id="options",
    ),
    Row("binary_crossentropy", (bools(3, 4), between(0.1, 0.9, 3, 4)), sweep=BOTH),
    Row("binary_crossentropy", (between(0, 1, 3, 4), X, True), id="logits"),
    Row("categorical_crossentropy", (probabilities(3, 4), probabilities(3, 4)), sweep=BOTH),
    Row("categorical_crossentropy", (probabilities(3, 4), X, True), id="logits"),
    Row("sparse_categorical_crossentropy", (ints(0, 4, 3), probabilities(3, 4)), sweep=(1,)),
    Row("sparse_categorical_crossentropy", (ints(0, 4, 3), X, True), id="logits"),
    *each("space_to_depth", normal(2, 4, 6, 3), 2, sweep=ONE),
    *each("depth_to_space", normal(2, 4, 6, 8), 2, sweep=ONE),
    Row(
        "depth_to_space",
        (normal(2, 8, 4, 6), 2, "channels_first"),
        id="first",
        compare=lambda x: [np.array(x.shape)],
    ),
    Row("unfold", (normal(2, 3, 6, 5), 2), sweep=ONE),
    Row("unfold", (normal(2, 3, 6, 5), (2, 3), (2, 1), (1, 0), (1, 2)), id="options"),
    Row("fold", (normal(2, 12, 20), (6, 5), 2), sweep=ONE),
    Row("fold", (normal(2, 18, 12), (6, 5), (2, 3), (2, 1), (1, 0), (1, 2)), id="options"),
]

IMAGES = [
    *each("image.rgb_to_grayscale image.rgb_to_hsv image.hsv_to_rgb", between(0, 1, 2, 4, 5, 3), sweep=ONE),
    *each(
        "image.rgb_to_grayscale image.rgb_to_hsv image.hsv_to_rgb",
        between(0, 1, 2, 3, 4, 5),
        kwargs={"data_format": "channels_first"},
        id="first",
    ),
    *[
        Row("image.resize", (normal(2, 6, 5, 3), (4, 7), method), id=method, rtol=1e-4, atol=1e-4)
        for method in ("nearest", "bilinear", "lanczos3")
    ],
    Row("image.resize", (normal(2, 6, 5, 3), (4, 7), "bicubic"), id="bicubic", rtol=1e-2, atol=5e-3),
    Row(
        "image.resize",
        (normal(3, 6, 5), (4, 7)),
        {"data_format": "channels_first", "antialias": True},
        id="first",
    ),
    Row(
        "image.resize",
        (normal(6, 8, 3), (4, 4)),
        {"crop_to_aspect_ratio": True},
        id="crop",
        rtol=1e-4,
        atol=1e-4,
    ),
    Row("image.resize", (ints(0, 255, 2, 6, 8, 3, dtype=np.uint8), (4, 4)), id="bytes"),
    Row("image.extract_patches", (normal(2, 6, 8, 3), 3), sweep=ONE),
    Row("image.extract_patches", (normal(6, 8, 3), (3, 2), 2, 1, "same"), id="one"),
    Row(
        "image.extract_patches", (normal(2, 3, 6, 8), 3, 1, 2), {"data_format": "channels_first"}, id="first"
    ),
    Row("image.extract_patches_3d", (normal(2, 4, 6, 5, 3), 2), sweep=ONE),
    Row("image.extract_patches_3d", (normal(4, 6, 5, 3), (2, 3, 2), (1, 2, 1), 1, "same"), id="one"),
    Row(
        "image.extract_patches_3d", (normal(2, 3, 4, 6, 5), 2), {"data_format": "channels_first"}, id="first"
    ),
    Row("image.pad_images", (normal(2, 4, 5, 3), 1, 2, 3, 0), sweep=ONE),
    Row("image.pad_images", (normal(2, 4, 5, 3), 1, 2), {"target_height": 8, "target_width": 9}, id="target"),
    Row("image.crop_images", (normal(2, 6, 7, 3), 1, 2, 1, 0), sweep=ONE),
    Row(
        "image.crop_images",
        (normal(2, 3, 6, 7),),
        {
            "top_cropping": 1,
            "left_cropping": 2,
            "target_height": 3,
            "target_width": 4,
            "data_format": "channels_first",
        },
        id="target",
    ),
    Row("image.sobel_edges", (normal(2, 5, 6, 3),), sweep=ONE, rtol=1e-4, atol=1e-4),
    Row("image.sobel_edges", (normal(2, 3, 5, 6),), {"data_format": "channels_first"}, id="first", atol=1e-4),
    Row(
        "image.ssim",
        (between(0, 1, 2, 16, 16, 3), between(0, 1, 2, 16, 16, 3)),
        rtol=1e-4,
        sweep=BOTH,
        values=False,
    ),
]

SQUARE = fixed([[0, 0], [0, 4], [4, 0], [4, 4]])
# Keras on JAX leaves the last two numbers out, so these are 0; on TensorFlow (and here) they count.
TRANSFORMS = fixed([[1.1, 0.1, -0.5, 0.2, 0.9, 0.3, 0, 0], [0.8, -0.3, 1.5, 0.1, 1.2, -0.7, 0, 0]])
GEOMETRY = [
    Row("image.affine_transform", (normal(2, 5, 6, 3), TRANSFORMS), sweep=ONE),
    Row(
        "image.affine_transform",
        (normal(2, 3, 5, 6), TRANSFORMS, "nearest", "reflect", 0.5, "channels_first"),
        id="first",
    ),
    Row(
        "image.perspective_transform",
        (normal(5, 6, 3), SQUARE, fixed([[0, 1], [1, 4], [4, 0], [3, 4]])),
        sweep=ONE,
        rtol=1e-3,
        atol=1e-3,
    ),
    *[
        Row(
            "image.map_coordinates",
            (normal(5, 6), between(-1, 6, 2, 3, 4), order, mode),
            id=f"{mode} {order}",
        )
        for order in (0, 1)
        for mode in ("constant", "nearest", "wrap", "mirror", "reflect")
    ],
    # Without a layout, Keras on JAX takes the images for channels-first.
    Row("image.gaussian_blur", (normal(2, 5, 6, 3), (3, 3), (1.0, 0.5), "channels_last"), sweep=ONE),
    Row("image.gaussian_blur", (normal(2, 3, 5, 6),), {"data_format": "channels_first"}, id="first"),
    *[
        Row(
            "image.scale_and_translate",
            (normal(5, 6, 3), (7, 4, 3), fixed(1.4, 0.7), fixed(0.5, -0.2), (0, 1), method),
            id=method,
        )
        for method in ("linear", "cubic", "lanczos3")
    ],
    Row(
        "ctc_loss",
        (ints(1, 5, 2, 3), normal(2, 7, 5), fixed([3, 2], dtype=np.int32), fixed([7, 6], dtype=np.int32)),
        rtol=1e-4,
        atol=1e-4,
    ),
    Row("ctc_decode", (normal(2, 7, 5), fixed([7, 6], dtype=np.int32)), atol=1e-4),
]

CONTROL = [
    *[
        Row(
            "cond",
            (normal(3), flag),
            call=lambda ops, x, flag: ops.cond(flag, lambda: ops.sin(x), lambda: ops.cos(x)),
            id=str(flag),
        )
        for flag in (True, False)
    ],
    Row(
        "cond",
        (normal(3), fixed(1.0)),
        call=lambda ops, x, y: ops.cond(ops.sum(y) > 0, lambda: (x + 1, y), lambda: (x - 1, y)),
        id="structure",
    ),
    *[
        Row(
            "switch",
            (normal(3), index),
            call=lambda ops, x, index: ops.switch(index, [ops.sin, ops.cos, ops.tanh], x),
            id=str(index),
        )
        for index in (0, 2, 9, -3)
    ],
    Row(
        "while_loop",
        (normal(3),),
        call=lambda ops, x: ops.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x * 2), (0, x)),
    ),
    Row(
        "while_loop",
        (normal(3),),
        call=lambda ops, x: ops.while_loop(lambda x: True, lambda x: x * 2, x, 4),
        id="limit",
        symbolic="the condition is no tensor",
    ),
    Row(
        "fori_loop",
        (normal(3),),
        call=lambda ops, x: ops.fori_loop(0, 3, lambda i, v: v + ops.cast(i, "float32"), x),
    ),
    Row("map", (X,), call=lambda ops, x: ops.map(lambda row: ops.sum(row), x)),
    Row("vectorized_map", (X,), call=lambda ops, x: ops.vectorized_map(lambda row: ops.cumsum(row), x)),
    Row(
        "scan",
        (X,),
        call=lambda ops, x: ops.scan(lambda c, row: (c + row, ops.sum(row)), x[0], x),
        symbolic=VALUES,
    ),
    Row("associative_scan", (X,), call=lambda ops, x: ops.associative_scan(lambda a, b: a + b, x, axis=1)),
    Row(
        "associative_scan",
        (normal(5, 2), normal(5, 2)),
        call=lambda ops, x, y: ops.associative_scan(
            lambda a, b: [a[0] * b[0], a[1] * b[0] + b[1]], [x, y], reverse=True
        ),
        id="pair",
        symbolic="its length is not known",
    ),
    Row(
        "vectorize", (X,), call=lambda ops, x: ops.vectorize(lambda one: ops.sin(one) * 2)(x), symbolic=VALUES
    ),
    Row(
        "vectorize",
        (X, normal(4)),
        call=lambda ops, x, y: ops.vectorize(ops.dot, signature="(n),(n)->()")(x, y),
        id="signature",
        symbolic=VALUES,
    ),
    Row(
        "custom_gradient",
        (X,),
        call=lambda ops, x: ops.custom_gradient(lambda x: (x * 2, lambda g: g))(x),
        symbolic=VALUES,
    ),
    Row("jvp", (X, X), call=lambda ops, x, t: ops.jvp(ops.sin, (x,), (t,)), symbolic=VALUES),
    Row(
        "jvp",
        (X, X),
        call=lambda ops, x, t: ops.jvp(lambda x: (ops.sin(x), x + 1), (x,), (t,), has_aux=True),
        id="aux",
        symbolic=VALUES,
    ),
]

ROWS = numbered([*ELEMENTWISE, *REDUCTIONS, *SHAPES, *MADE, *LINEAR, *NETWORK, *IMAGES, *GEOMETRY, *CONTROL])

# Functions of `keras.ops` that have rows elsewhere, and where.
ELSEWHERE = {"image.elastic_transform": "it draws random numbers: see test_elastic_transform"}
