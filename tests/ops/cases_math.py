"""Rows for arithmetic, logic, functions of one number, reductions, norms and segments."""

from __future__ import annotations

import numpy as np
import scipy.special

import dovetail as dv
from tests.ops.case import Case, booleans, complexes, f32, i32, integers, normal, of, uniform

NAN, INF = np.nan, np.inf
ODD = f32(NAN, INF, -INF, 0.0, -0.0, 1.5, -2.5)  # what element-by-element functions meet in the wild

# ---- two numbers -------------------------------------------------------------------------------------------------

PAIR = normal((3, 4), (3, 4))
SPREAD = normal((3, 1, 4), (2, 1))
POSITIVE = uniform(0.5, 2.0, (3, 4), (3, 4))
WHOLE = integers(-7, 8, (3, 4), (4,))
DIVISORS = lambda rng: (rng.integers(-9, 10, (3, 4)).astype(np.int32), i32(3, -3, 2, -7))

BINARY = [
    Case("add", PAIR, grad=(0, 1)),
    Case("add", SPREAD, grad=(0, 1), id="broadcast"),
    Case("add", WHOLE, id="int"),
    Case("add", lambda rng: (f32(1.0, 2.0), 3), id="number"),
    Case("math.add", complexes((3,), (3,)), grad=(0, 1), id="complex"),
    Case("subtract", SPREAD, grad=(0, 1)),
    Case("multiply", SPREAD, grad=(0, 1)),
    Case("multiply", complexes((2, 3), (3,)), grad=(0, 1), id="complex"),
    Case("multiply", integers(0, 200, (4,), (4,), dtype=np.uint8), id="uint8"),
    Case("scalar_mul", lambda rng: (2.0, f32(1.0, 2.0)), grad=(1,)),
    Case("divide", lambda rng: (*normal((3, 4))(rng), *uniform(0.5, 2, (4,))(rng)), grad=(0, 1)),
    Case("divide", complexes((2, 3), (3,)), grad=(0, 1), id="complex"),
    Case("truediv", DIVISORS, id="int"),
    Case("truediv", integers(1, 9, (3,), (3,), dtype=np.int8), id="int8"),
    Case("math.divide_no_nan", lambda rng: (f32(1, 2, 0, 3), f32(2, 0, 0, 5)), grad=(0,)),
    Case("math.divide_no_nan", POSITIVE, grad=(0, 1), id="positive"),
    Case("math.divide_no_nan", lambda rng: (i32(1, 2), i32(2, 0)), id="int"),
    Case("math.multiply_no_nan", lambda rng: (f32(1, NAN, INF), f32(2, 0, 0))),
    Case("math.multiply_no_nan", PAIR, grad=(0, 1), id="normal"),
    Case("math.floordiv", DIVISORS, id="int"),
    Case("math.floordiv", lambda rng: (f32(7, -7, 7, -7), f32(2, 2, -2, -2))),
    Case("math.floormod", DIVISORS, id="int"),
    Case("math.mod", lambda rng: (f32(7.5, -7.5, 7.5, -7.5), f32(2, 2, -2, -2)), grad=(0, 1)),
    Case("truncatediv", DIVISORS, id="int"),
    Case("truncatemod", DIVISORS, id="int"),
    Case("truncatemod", lambda rng: (f32(7.5, -7.5, 7.5), f32(2, 2, -2)), grad=(0,), id="float"),
    Case("pow", POSITIVE, grad=(0, 1)),
    Case("pow", lambda rng: (f32(1, 2, 3), 3.0), grad=(0,), id="number"),
    Case("pow", lambda rng: (f32(-1.5, 0, 2), f32(2, 2, 2)), grad=(0,), id="negative"),
    Case("pow", integers(0, 4, (3,), (3,)), id="int"),
    Case("math.squared_difference", SPREAD, grad=(0, 1)),
    Case("math.squared_difference", WHOLE, id="int"),
    Case("maximum", SPREAD, grad=(0, 1)),
    Case("maximum", lambda rng: (ODD, np.float32(0.0)), id="odd"),
    Case("minimum", SPREAD, grad=(0, 1)),
    Case("minimum", WHOLE, id="int"),
    Case("atan2", PAIR, grad=(0, 1)),
    Case("math.xlogy", POSITIVE, grad=(0, 1)),
    Case("math.xlogy", lambda rng: (f32(0, 0, 1), f32(0, NAN, 2)), id="zero"),
    Case("math.xlog1py", POSITIVE, grad=(0, 1)),
    Case("math.xdivy", POSITIVE, grad=(0, 1)),
    Case("complex", PAIR, grad=(0, 1)),
    Case("add_n", lambda rng: (list(normal((2, 3), (2, 3), (2, 3))(rng)),)),
    Case("math.accumulate_n", lambda rng: (list(normal((2, 3), (2, 3))(rng)),)),
    Case("clip_by_value", lambda rng: (*normal((3, 4))(rng), -0.5, 0.5), grad=(0,)),
    Case(
        "clip_by_value",
        lambda rng: (f32(-3, 0.1, 3), f32(-1, -1, -1), f32(1, 1, 2)),
        grad=(0, 1, 2),
        id="tensors",
    ),
    Case("clip_by_value", lambda rng: (ODD, -1.0, 1.0), id="odd"),
    Case("clip_by_value", lambda rng: (i32(-5, 0, 5), -1, 2), id="int"),
]

# ---- comparisons, logic, bits ------------------------------------------------------------------------------------

COMPARISONS = [
    *[
        Case(name, integers(0, 3, (3, 4), (4,)))
        for name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
    ],
    Case("equal", lambda rng: (ODD, ODD), id="odd"),
    Case("less", lambda rng: (ODD, np.float32(0.0)), id="odd"),
    Case("math.equal", booleans((5,), (5,)), id="bool"),
    *[Case(name, booleans((3, 4), (4,))) for name in ("logical_and", "logical_or", "math.logical_xor")],
    Case("logical_not", booleans((3, 4))),
    *[Case(f"bitwise.bitwise_{name}", integers(0, 99, (5,), (5,))) for name in ("and", "or", "xor")],
    Case("bitwise.invert", integers(-99, 99, (5,))),
    Case("bitwise.left_shift", integers(0, 5, (5,), (5,))),
    Case("bitwise.right_shift", lambda rng: (i32(-9, 9, 64), i32(1, 2, 3))),
    *[Case(name, of(ODD)) for name in ("math.is_nan", "math.is_inf", "math.is_finite")],
    Case("math.is_non_decreasing", of(f32(1, 1, 2))),
    Case("math.is_strictly_increasing", of(f32(1, 1, 2))),
    Case("ops.isclose", lambda rng: (f32(1, 2, NAN), f32(1.000001, 2.1, NAN)), {"equal_nan": True}),
    *[
        Case(f"ops.{name}", lambda rng: (i32(0, 1, 2), i32(0, 0, 1)))
        for name in ("logical_and", "logical_or")
    ],
    Case("ops.logical_xor", lambda rng: (i32(0, 1, 2), i32(0, 0, 1))),
    Case("ops.logical_not", of(i32(0, 1, 2))),
    *[Case(f"ops.{name}", of(i32(0, 1))) for name in ("isnan", "isinf", "isfinite")],
]

# ---- one number --------------------------------------------------------------------------------------------------

ANY, ABOVE, INSIDE = normal((3, 4)), uniform(0.5, 3.0, (3, 4)), uniform(-0.9, 0.9, (3, 4))

UNARY = [
    *[
        Case(name, ANY, grad=(0,))
        for name in (
            *(
                "negative",
                "abs",
                "square",
                "exp",
                "sin",
                "cos",
                "tan",
                "sinh",
                "cosh",
                "atan",
                "asinh",
                "identity",
            ),
            *("math.expm1", "math.erf", "math.erfc", "math.reciprocal", "math.reciprocal_no_nan"),
        )
    ],
    *[
        Case(name, ABOVE, grad=(0,))
        for name in ("sqrt", "math.rsqrt", "math.log", "math.log1p", "math.lgamma", "math.digamma")
    ],
    *[Case(name, INSIDE, grad=(0,), rtol=5e-5) for name in ("asin", "acos", "atanh", "math.erfinv")],
    Case("acosh", uniform(1.1, 3.0, (3, 4)), grad=(0,)),
    *[
        Case(name, uniform(0.1, 0.9, (3, 4)), grad=(0,), rtol=5e-5, atol=5e-6)
        for name in ("math.ndtri", "math.erfcinv")
    ],
    *[
        Case(name, of(ODD), id="odd")
        for name in (
            "abs",
            "sign",
            "exp",
            "math.log",
            "sqrt",
            "floor",
            "math.ceil",
            "round",
            "atan",
            "square",
        )
    ],
    *[
        Case(name, of(i32(-2, 0, 3)), id="int")
        for name in ("negative", "abs", "sign", "square", "round", "identity")
    ],
    *[
        Case(name, complexes((2, 3)), grad=(0,), id="complex", rtol=3e-5)
        for name in (
            "abs",
            "exp",
            "math.log",
            "sin",
            "cos",
            "tan",
            "sqrt",
            "square",
            "math.conj",
            "math.real",
            "math.imag",
            "atan",
            "math.reciprocal",
            "math.rsqrt",
            "sinh",
            "cosh",
        )
    ],
    Case("sign", complexes((3,)), id="complex"),
    Case("math.angle", complexes((4,)), grad=(0,)),
    Case("math.angle", of(f32(-1, 0, 1)), id="real"),
    Case("math.imag", of(f32(1, 2)), id="real"),
    Case("math.real", of(f32(1, 2)), id="real"),
    Case("math.conj", ANY, grad=(0,)),
    Case("sign", ANY, grad=(0,)),
    Case("floor", ANY),
    Case("math.ceil", ANY),
    Case("round", of(f32(0.5, 1.5, 2.5, -0.5, -1.5, 2.4))),
    Case("math.rint", of(f32(0.5, 1.5, 2.5, -0.5))),
    Case("exp", lambda rng: (normal((4,))(rng)[0].astype(np.float16),), id="half", rtol=1e-3),
    Case("sqrt", lambda rng: (uniform(1, 2, (4,))(rng)[0].astype(np.float64),), id="double"),
    Case("stop_gradient", ANY),
    Case("identity_n", lambda rng: (list(normal((2,), (3,))(rng)),)),
]

CASTS = [
    Case("cast", of(f32(1.7, -1.7, 0.0), "int32")),
    Case("cast", of(f32(1.7, 0.0), "bool"), id="bool"),
    Case("cast", of(i32(0, 3), "float32"), id="float"),
    Case("cast", of(np.array([True, False]), "float16"), id="half"),
    Case("cast", lambda rng: (*complexes((3,))(rng), "float32"), id="complex"),
    Case(
        "cast",
        lambda rng: (*normal((3,))(rng), "float64"),
        grad=(0,),
        id="wide",
        check_dtype=False,
    ),
    Case("cast", lambda rng: (*normal((3,))(rng), "bfloat16"), id="bfloat16"),
    Case("saturate_cast", of(f32(-5, 3.5, 300), "uint8")),
    Case("saturate_cast", of(i32(-500, 3, 70000), "int16"), id="int"),
    Case("saturate_cast", of(f32(1e20, -1e20), "int32"), id="large"),
]

# ---- reductions --------------------------------------------------------------------------------------------------

CUBE = normal((2, 3, 4))


def _reductions(name: str, **options) -> list[Case]:
    """A reduction over all axes, one, several, none, and with the axes kept."""
    return [
        Case(name, CUBE, **options),
        Case(name, CUBE, {"axis": -1, "keepdims": True}, id="last-kept", **options),
        Case(name, CUBE, {"axis": [0, 2]}, id="two", **options),
    ]


REDUCTIONS = [
    *[
        case
        for name in (
            *("reduce_sum", "reduce_mean", "reduce_max", "reduce_min", "reduce_prod", "reduce_logsumexp"),
            *("math.reduce_variance", "math.reduce_std", "math.reduce_euclidean_norm"),
        )
        for case in _reductions(name, grad=(0,))
    ],
    Case("reduce_sum", CUBE, {"axis": []}, id="none"),
    Case("reduce_sum", lambda rng: (*CUBE(rng), 1), grad=(0,), id="positional"),
    Case("reduce_sum", integers(-9, 9, (3, 4)), {"axis": 0}, id="int"),
    Case("reduce_sum", integers(0, 200, (9,), dtype=np.uint8), id="uint8"),
    Case("reduce_sum", lambda rng: (CUBE(rng)[0].astype(np.float16),), id="half"),
    Case("reduce_sum", complexes((2, 3)), {"axis": 1}, grad=(0,), id="complex"),
    Case("reduce_mean", integers(-9, 9, (3, 4)), {"axis": 0}, id="int"),
    Case("reduce_mean", of(np.zeros((0, 2), np.float32)), {"axis": 0}, id="empty"),
    Case("reduce_mean", complexes((2, 3)), grad=(0,), id="complex"),
    Case("reduce_max", of(np.zeros((0, 2), np.float32)), {"axis": 0}, id="empty"),
    Case("reduce_min", of(np.zeros((0,), np.int32)), id="empty-int"),
    Case("reduce_max", of(f32([[1, 3, 3], [2, 2, 1]])), {"axis": 1}, id="ties"),
    Case("reduce_max", of(ODD), id="odd"),
    Case("reduce_prod", integers(1, 4, (3, 4)), {"axis": 1}, id="int"),
    Case("reduce_logsumexp", of(f32([[-INF, -INF], [1000, 1000.5]])), {"axis": 1}, id="odd"),
    Case("math.reduce_variance", complexes((2, 3)), id="complex"),
    Case("math.reduce_std", complexes((2, 3)), {"axis": 1}, id="complex"),
    Case("math.reduce_euclidean_norm", integers(-4, 5, (3, 4)), id="int"),
    Case("math.reduce_euclidean_norm", complexes((2, 3)), id="complex"),
    *[Case(name, booleans((3, 4)), {"axis": 1}) for name in ("reduce_all", "reduce_any")],
    *[Case(name, of(np.zeros((0,), bool)), id="empty") for name in ("reduce_all", "reduce_any")],
    Case("math.count_nonzero", integers(0, 2, (3, 4)), {"axis": 0}),
    Case("math.count_nonzero", ANY, {"keepdims": True, "dtype": "int32"}, id="kept"),
    Case("argmax", ANY),
    Case("argmax", CUBE, {"axis": -1, "output_type": "int32"}, id="last"),
    Case("argmax", of(i32(1, 3, 3)), id="ties"),
    Case("argmin", CUBE, {"axis": 1}) if hasattr(dv, "argmin") else Case("math.argmin", CUBE, {"axis": 1}),
    *[
        Case(
            name,
            uniform(0.5, 1.5, (2, 3, 4)),
            {"axis": axis, "exclusive": exclusive, "reverse": reverse},
            grad=(0,),
            id=f"{axis}-{exclusive}-{reverse}",
        )
        for name in ("cumsum", "math.cumprod", "math.cumulative_logsumexp")
        for axis, exclusive, reverse in (
            (0, False, False),
            (-1, True, False),
            (1, False, True),
            (1, True, True),
        )
        if name != "math.cumulative_logsumexp" or not exclusive
    ],
    Case("math.cumulative_logsumexp", ANY, {"axis": 1, "exclusive": True}, id="exclusive"),
    Case("cumsum", integers(-9, 9, (5,)), id="int"),
]

# ---- norms, moments, clipping ------------------------------------------------------------------------------------

NORMS = [
    Case("norm", ANY, grad=(0,)),
    Case("norm", ANY, {"axis": 1, "keepdims": True}, grad=(0,), id="axis"),
    Case("norm", ANY, {"ord": 1, "axis": 0}, grad=(0,), id="1"),
    Case("norm", ANY, {"ord": np.inf, "axis": 0}, grad=(0,), id="inf"),
    Case("norm", ANY, {"ord": 3, "axis": 0}, grad=(0,), id="3"),
    Case("norm", CUBE, {"ord": "fro", "axis": [1, 2]}, grad=(0,), id="fro"),
    Case("norm", CUBE, {"ord": 1, "axis": [1, 2]}, grad=(0,), id="matrix-1"),
    Case("norm", CUBE, {"ord": np.inf, "axis": [1, 2]}, grad=(0,), id="matrix-inf"),
    Case("norm", CUBE, {"ord": 2, "axis": [1, 2]}, id="matrix-2"),
    Case("linalg.normalize", ANY, {"axis": 1}, grad=(0,)),
    Case("math.l2_normalize", ANY, {"axis": -1}, grad=(0,)),
    Case("nn.l2_normalize", CUBE, {"axis": [0, 2]}, grad=(0,), id="two"),
    Case("math.l2_normalize", of(np.zeros((2, 3), np.float32)), {"axis": 1}, id="zeros"),
    Case("nn.moments", CUBE, {"axes": [0, 1]}, grad=(0,)),
    Case("nn.moments", CUBE, {"axes": [2], "keepdims": True}, grad=(0,), id="kept"),
    Case("nn.moments", lambda rng: (CUBE(rng)[0].astype(np.float16),), {"axes": [0]}, id="half"),
    Case("math.zero_fraction", integers(0, 2, (4, 5))),
    Case("clip_by_norm", lambda rng: (*normal((3, 4))(rng), 1.0), grad=(0,)),
    Case("clip_by_norm", lambda rng: (*normal((3, 4))(rng), 1.0), {"axes": [1]}, grad=(0,), id="axes"),
    Case(
        "compat.v1.clip_by_average_norm",
        lambda rng: (*normal((3, 4))(rng), 0.1),
    ),
    Case("linalg.global_norm", lambda rng: ([*normal((3, 4), (2,))(rng), None],)),
    Case("clip_by_global_norm", lambda rng: ([*normal((3, 4), (2,))(rng), None], 1.0)),
    Case("clip_by_global_norm", lambda rng: ([f32(1, NAN), f32(2.0, 3.0)], 1.0), id="nan"),
]

# ---- segments, counts, the largest -------------------------------------------------------------------------------

IDS = i32(0, 0, 2, 3, 3)
SHUFFLED = i32(2, 0, -1, 1, 0)
_COUNTED = "the values say how many rows or bins there are"


def _rows_of(rng) -> np.ndarray:
    return normal((5, 2))(rng)[0]


SEGMENTS = [
    *[
        Case(
            f"math.segment_{name}", lambda rng: (_rows_of(rng), IDS), grad=(0,), symbolic=_COUNTED, xla=False
        )
        for name in ("sum", "mean", "max", "min", "prod")
    ],
    *[
        Case(
            f"math.unsorted_segment_{name}",
            lambda rng: (_rows_of(rng), SHUFFLED, 3),
            grad=(0,),
            vjp=name != "prod",  # JAX has no derivative of a product of scattered values
        )
        for name in ("sum", "mean", "sqrt_n", "max", "min", "prod")
    ],
    Case(
        "math.unsorted_segment_sum",
        lambda rng: (*normal((2, 3, 4))(rng), i32([[0, 1, 1], [2, 0, 0]]), 3),
        id="rank2",
    ),
    Case("math.unsorted_segment_max", lambda rng: (i32(5, 1, 2), i32(0, 0, 2), 4), id="int"),
    Case(
        "math.unsorted_segment_prod",
        lambda rng: (f32(2, 0, 3, 0, 0, 5), i32(0, 0, 1, 1, 2, 2), 3),
        grad=(0,),
        vjp=False,
        id="zeros",
    ),
    *[
        Case(f"ops.segment_{name}", lambda rng: (_rows_of(rng), IDS, 4))
        for name in ("sum", "max", "min", "prod")
    ],
    Case("math.bincount", of(i32(1, 2, 2, 5)), symbolic=_COUNTED, xla=False),
    Case("math.bincount", of(i32(1, 2, 2, 5)), {"minlength": 4, "maxlength": 4}, id="fixed"),
    Case("math.bincount", of(i32(1, 2, 2, 5)), {"minlength": 8}, symbolic=_COUNTED, xla=False, id="long"),
    Case(
        "math.bincount",
        of(i32(1, 2, 2)),
        {"weights": f32(0.5, 1, 2), "minlength": 3, "maxlength": 3},
        id="weights",
    ),
    Case(
        "math.bincount",
        of(i32([[1, 2, 2], [0, 0, 1]])),
        {"axis": -1, "minlength": 3, "maxlength": 3},
        id="rows",
    ),
    Case(
        "math.bincount",
        of(i32([[1, 2, 2], [0, 0, 1]])),
        {"axis": -1, "minlength": 3, "maxlength": 3, "binary_output": True},
        id="binary",
    ),
    Case("math.bincount", of(i32([[1, 2], [0, 1]])), {"minlength": 3, "maxlength": 3}, id="flat"),
    Case("ops.bincount", of(i32(1, 2, 2, 5)), symbolic=_COUNTED, xla=False),
    Case("math.confusion_matrix", of(i32(0, 2, 1, 2), i32(1, 2, 1, 0)), {"num_classes": 4}),
    Case(
        "math.confusion_matrix",
        of(i32(0, 2, 1, 2), i32(1, 2, 1, 0)),
        symbolic=_COUNTED,
        xla=False,
        id="counted",
    ),
    Case(
        "math.confusion_matrix",
        of(i32(0, 2), i32(1, 2)),
        {"num_classes": 3, "weights": f32(0.5, 2.0), "dtype": "float32"},
        id="weights",
    ),
    Case("math.top_k", lambda rng: (*normal((3, 5))(rng), 2), grad=(0,)),
    Case("nn.top_k", of(f32(1, 3, 3, 2), 3), id="ties"),
    Case("ops.top_k", lambda rng: (*normal((3, 5))(rng), 2)),
    Case("histogram_fixed_width", of(f32(-1, 0, 1.5, 2, 5, 15), f32(0, 5)), {"nbins": 5}),
    Case("histogram_fixed_width_bins", of(f32([[-1, 0, 1.5], [2, 5, 15]]), f32(0, 5)), {"nbins": 5}),
    Case("math.in_top_k", lambda rng: (i32(1, 0, 2), f32([[0.1, 0.9, 0], [0.5, 0.5, 0], [1, 2, NAN]]), 1)),
    Case("K.in_top_k", lambda rng: (f32([[0.1, 0.9], [0.5, 0.2]]), i32(1, 1), 1)),
]

# ---- keras.ops and keras.backend ---------------------------------------------------------------------------------

SMALL_INTS = integers(-9, 9, (3, 4), dtype=np.int16)
MIXED = lambda rng: (i32(1, 2, 3), f32(0.5, 1.5, -1.0))

KERAS = [
    *[
        Case(f"ops.{name}", SMALL_INTS, {"axis": 1}, id="int16")
        for name in ("sum", "prod", "max", "min", "mean", "std", "var")
    ],
    *[
        Case(f"ops.{name}", CUBE, {"axis": (0, 2), "keepdims": True}, grad=(0,), id="float")
        for name in ("sum", "mean", "max", "min", "var", "std", "logsumexp")
    ],
    *[
        Case(f"ops.{name}", booleans((3, 4)), {"axis": 0}, id="bool")
        for name in ("sum", "max", "min", "all", "any", "mean")
    ],
    *[Case(f"ops.{name}", integers(0, 2, (3, 4)), {"axis": 0}, id="number") for name in ("all", "any")],
    Case("ops.max", of(f32(1, 2)), {"initial": 5.0}, id="initial"),
    Case(
        "ops.prod",
        integers(1, 3, (4,)),
        {"dtype": "float32"},
        oracle=lambda x, dtype: np.prod(x, dtype=dtype),
        id="dtype",
    ),
    Case("ops.count_nonzero", integers(0, 2, (3, 4)), {"axis": 0}),
    *[Case(f"ops.{name}", ANY) for name in ("argmax", "argmin")],
    *[Case(f"ops.{name}", ANY, {"axis": 1, "keepdims": True}, id="kept") for name in ("argmax", "argmin")],
    *[Case(f"ops.{name}", ANY, grad=(0,), rtol=1e-4) for name in ("cumsum", "cumprod")],
    Case("ops.cumsum", integers(0, 5, (3, 4)), {"axis": 1, "dtype": "float32"}, id="dtype"),
    Case("ops.average", lambda rng: (*normal((3, 4))(rng),), {"axis": 1}),
    Case(
        "ops.average",
        lambda rng: (*normal((3, 4))(rng),),
        {"axis": 1, "weights": f32(1, 2, 3, 4)},
        id="weights",
    ),
    *[
        Case(f"ops.{name}", MIXED, id="mixed")
        for name in (
            "add",
            "subtract",
            "multiply",
            "divide",
            "true_divide",
            "maximum",
            "minimum",
            "power",
            "arctan2",
            "divide_no_nan",
            "floor_divide",
            "mod",
            "equal",
            "less",
            "logaddexp",
        )
    ],
    Case("ops.add", lambda rng: (i32(1, 2), 1.5), id="number"),
    Case("ops.divide", lambda rng: (i32(1, 2), 2), id="number"),
    *[
        Case(f"ops.{name}", of(i32(1, 2, 3)), id="int")
        for name in (
            "sqrt",
            "exp",
            "log",
            "sin",
            "cos",
            "tan",
            "log1p",
            "expm1",
            "log2",
            "log10",
            "floor",
            "ceil",
            "square",
            "abs",
            "arctan",
            "arcsinh",
            "sinh",
            "cosh",
            "sign",
            "negative",
            "absolute",
            "trunc",
        )
    ],
    *[
        Case(f"ops.{name}", ABOVE, grad=(0,), rtol=3e-5)
        for name in ("log2", "log10", "reciprocal", "sqrt", "round", "square")
        if name != "round"
    ],
    Case("ops.round", lambda rng: (*normal((3, 4))(rng), 2), id="digits"),
    Case("ops.clip", lambda rng: (*normal((3, 4))(rng), -0.5, 0.5), grad=(0,)),
    Case("ops.norm", ANY, grad=(0,)),
    Case("ops.norm", ANY, {"ord": 1, "axis": 1}, id="1"),
    Case("ops.norm", ANY, {"ord": "fro"}, id="fro"),
    Case("ops.normalize", ANY, {"axis": 1}),
    Case("ops.normalize", ANY, {"axis": 1, "order": 1}, id="1"),
    Case("ops.moments", CUBE, {"axes": [0, 1]}),
    Case("ops.cast", of(i32(1, 2), "float32")),
    Case("ops.stop_gradient", ANY),
    *[
        Case(f"K.{name}", CUBE, {"axis": [0, 1], "keepdims": True}, grad=(0,))
        for name in ("sum", "mean", "max", "min", "prod", "var", "std")
    ],
    Case("K.mean", SMALL_INTS, id="int"),
    Case("K.mean", booleans((3, 4)), {"axis": 1}, id="bool"),
    *[Case(f"K.{name}", integers(0, 2, (3, 4)), {"axis": 1}) for name in ("all", "any")],
    *[
        Case(f"K.{name}", ANY)
        for name in ("argmax", "argmin", "abs", "square", "exp", "sin", "cos", "sign", "round")
    ],
    *[Case(f"K.{name}", ANY, {"axis": 1}, grad=(0,)) for name in ("cumsum", "cumprod", "l2_normalize")],
    *[
        Case(f"K.{name}", WHOLE)
        for name in (
            "maximum",
            "minimum",
            "equal",
            "not_equal",
            "less",
            "less_equal",
            "greater",
            "greater_equal",
        )
    ],
    Case("K.sqrt", of(f32(-1, 0, 4))),
    Case("K.log", ABOVE),
    Case("K.pow", lambda rng: (f32(1, 2), 2)),
    Case("K.clip", of(f32(-3, 0.5, 3), -1, 1)),
    Case("K.clip", of(f32(-3, 0.5, 3), None, 1), id="above"),
    Case("K.clip", of(f32(-3, 0.5, 3), 2, 1), id="crossed"),
    Case("K.logsumexp", CUBE, {"axis": 1}, tf="reduce_logsumexp"),
    Case("K.stop_gradient", ANY),
    Case("K.cast", of(i32(1, 2), "float32")),
]

SPECIAL = [
    Case("math.polyval", lambda rng: ([f32(1), f32(-2), f32(3)], *normal((3,))(rng)), grad=(1,)),
    Case(
        "math.lgamma",
        of(f32(-0.5, 0.5, 1, 2, 30)),
        oracle=scipy.special.gammaln,
        check_dtype=False,
    ),
    Case("math.log", of(f32(1e-37, 1e37)), id="extreme"),
    *[
        Case(f"math.special.{name}", uniform(0.2, 6.0, (3, 4)), grad=(0,), rtol=5e-5, atol=5e-6)
        for name in (
            *("bessel_i0", "bessel_i0e", "bessel_i1", "bessel_i1e", "bessel_j0", "bessel_j1", "bessel_k0"),
            *("bessel_k0e", "bessel_k1", "bessel_k1e", "bessel_y0", "bessel_y1", "dawsn", "expint"),
            *("fresnel_cos", "fresnel_sin", "spence"),
        )
    ],
    *[
        Case(f"math.special.{name}", of(f32(-3, -0.5, 0, 30)), id="odd")
        for name in ("bessel_i1e", "bessel_j1", "bessel_k0", "bessel_k1e", "bessel_y0", "expint", "spence")
    ],
    Case("math.bessel_i0", ANY),
    Case("math.zeta", lambda rng: (f32(1.5, 2, 3), f32(1, 2.5, 0.5)), grad=(1,)),
    Case("math.polygamma", lambda rng: (f32(0, 1, 2), f32(1, 2.5, 0.5)), grad=(1,)),
    Case("math.igamma", lambda rng: (f32(0.5, 1, 4), f32(1, 2.5, 0.5)), grad=(0, 1), rtol=5e-5),
    Case("math.igammac", lambda rng: (f32(0.5, 1, 4), f32(1, 2.5, 0.5)), grad=(0, 1), rtol=5e-5),
    Case(
        "math.betainc",
        lambda rng: (f32(0.5, 1, 4), f32(1, 2.5, 0.5), f32(0.1, 0.5, 0.9)),
        grad=(2,),
        rtol=5e-5,
        vjp=False,
    ),
    Case("math.lbeta", uniform(0.2, 3.0, (2, 3)), grad=(0,)),
    Case("math.nextafter", lambda rng: (f32(1, -1, 0), f32(2, 5, 0))),
]

CASES = [*BINARY, *COMPARISONS, *UNARY, *CASTS, *REDUCTIONS, *NORMS, *SEGMENTS, *KERAS, *SPECIAL]
