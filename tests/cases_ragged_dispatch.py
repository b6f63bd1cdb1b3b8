"""A row for every dense op that TensorFlow dispatches on ragged tensors, on ragged tensors of drawn shapes."""

from __future__ import annotations

import operator
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

WORDS = np.array([b"ab", b"", "é".encode(), b" x y ", b"12", b"Q"], object)


@dataclass
class Drawn:
    """A ragged tensor that either library can make.

    Attributes:
        values: the flat values, (n, ...).
        partitions: from outermost to innermost: row lengths, or (row length, rows) of uniform rows.
        splits: dtype of the row splits.
    """

    values: np.ndarray
    partitions: list
    splits: str

    def make(self, tf: Any, values: np.ndarray | None = None) -> Any:
        rt = tf.constant(self.values if values is None else values)
        for partition in reversed(self.partitions):
            kind = getattr(tf, self.splits)
            if isinstance(partition, tuple):
                length, rows = (tf.constant(number, kind) for number in partition)
                rt = tf.RaggedTensor.from_uniform_row_length(rt, length, rows)
            else:
                rt = tf.RaggedTensor.from_row_lengths(rt, tf.constant(partition, kind))
        return rt


def drawn(rng: np.random.Generator, kind: str, most: int = 3, inner: bool = True) -> Drawn:
    """Draws rows: some empty, sometimes none at all, sometimes uniform ones, inner axes now and then."""
    rows, partitions = int(rng.integers(0, 5)), []
    for depth in range(int(rng.integers(1, most + 1))):
        if depth and rng.random() < 0.25:
            length = int(rng.integers(0, 3))
            partitions.append((length, rows))
            rows *= length
        else:
            lengths = rng.integers(0, 4, rows).tolist()
            partitions.append(lengths)
            rows = sum(lengths)
    shape = (rows, 2) if inner and rng.random() < 0.3 else (rows,)
    return Drawn(values_of(rng, kind, shape), partitions, str(rng.choice(["int32", "int64"])))


def values_of(rng: np.random.Generator, kind: str, shape: tuple) -> np.ndarray:
    return {
        "unit": lambda: rng.uniform(0.1, 0.9, shape).astype(np.float32),
        "above": lambda: rng.uniform(1.1, 3.0, shape).astype(np.float32),
        "signed": lambda: rng.normal(size=shape).astype(np.float32),
        "int": lambda: rng.integers(1, 9, shape).astype(np.int32),
        "bool": lambda: rng.random(shape) < 0.5,
        "string": lambda: rng.choice(WORDS, shape).astype(object),
        "number": lambda: np.array([b"%d" % n for n in rng.integers(0, 99, shape).ravel()], object).reshape(
            shape
        ),
        "complex": lambda: (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(np.complex64),
        "image": lambda: rng.uniform(0, 1, shape).astype(np.float32),
    }[kind]()


@dataclass
class Row:
    """How an op is called on a drawn ragged tensor.

    Attributes:
        kind: what the values are; see `values_of`.
        call: `f(op, x, y, tf)` with two tensors of one row structure; None: `op(x)`, with `pair` `op(x, y)`.
        pair: whether the op takes two tensors.
        most: most ragged dimensions.
        inner: whether there may be inner axes.
    """

    kind: str = "signed"
    call: Callable | None = None
    pair: bool = False
    most: int = 3
    inner: bool = True

    def run(self, tf: Any, name: str, seed: int) -> Any:
        rng = np.random.default_rng([zlib.crc32(name.encode()), seed])
        x = drawn(rng, self.kind, self.most, self.inner)
        y = x.make(tf, values_of(rng, self.kind, x.values.shape))
        op: Any = found(tf, name)
        if self.call is not None:
            return self.call(op, x.make(tf), y, tf)
        return op(x.make(tf), y) if self.pair else op(x.make(tf))


def found(tf: Any, name: str) -> Any:
    """Returns a function by its public name; `tf.__operators__` are Python's."""
    value = tf if "__operators__" not in name else operator
    for part in name.removeprefix("tf.").removeprefix("__operators__.").split("."):
        value = getattr(value, part)
    return value


def _each(prefix: str, names: str, **row: Any) -> dict[str, Row]:
    return {f"tf.{prefix}{name}": Row(**row) for name in names.split()}


def _axes(rank: int) -> list:
    """Axes to reduce: none, each, and two of them."""
    return [None, *range(rank), -1, [0, 1]]


def _reduction(op: Any, x: Any, y: Any, tf: Any) -> list:
    kept = (
        [None] if len(x.flat_values.shape) > 1 else []
    )  # TensorFlow gives them one axis more than there were
    axes = _axes(len(x.shape))
    return [op(x, axis=a, keepdims=k) for a in axes for k in (False, True) if not (k and a in kept)]


def _reductions(names: str, kind: str) -> dict[str, Row]:
    return _each("math.", names, kind=kind, call=_reduction)


def _ids(tf: Any, x: Any) -> Any:
    """Segment ids and partitions: the numbers of the rows, backwards."""
    rows = x.nrows()
    return tf.cast(rows - 1 - tf.range(rows), tf.int32)


def _checked(op: Any, x: Any, y: Any, tf: Any) -> None:
    op(x, x)


ELEMENTWISE = (
    _each(
        "math.",
        "abs asinh atan ceil cos cosh erf erfc exp expm1 floor negative reciprocal rint round sigmoid sign",
    )
    | _each(
        "math.", "sin sinh square tan tanh is_finite is_inf is_nan log_sigmoid reciprocal_no_nan softplus"
    )
    | _each("math.", "bessel_i0 bessel_i0e bessel_i1 bessel_i1e ndtri")
    | _each("math.", "acos asin atanh erfcinv erfinv log log1p lgamma digamma rsqrt sqrt", kind="unit")
    | _each("math.", "acosh", kind="above")
    | _each("math.special.", "dawsn expint fresnel_cos fresnel_sin spence", kind="unit")
    | _each(
        "math.special.",
        "bessel_j0 bessel_j1 bessel_k0 bessel_k0e bessel_k1 bessel_k1e bessel_y0 bessel_y1",
        kind="above",
    )
    | _each("math.", "angle conj imag real", kind="complex")
    | _each("math.", "logical_not", kind="bool")
    | _each("math.", "logical_and logical_or logical_xor", kind="bool", pair=True)
    | _each("bitwise.", "bitwise_and bitwise_or bitwise_xor left_shift right_shift", kind="int", pair=True)
    | _each("bitwise.", "invert", kind="int")
    | _each(
        "math.", "add subtract multiply divide maximum minimum truediv squared_difference atan2", pair=True
    )
    | _each("math.", "divide_no_nan multiply_no_nan nextafter equal not_equal", pair=True)
    | _each("math.", "greater greater_equal less less_equal", pair=True)
    | _each("math.", "pow xdivy xlog1py xlogy", kind="unit", pair=True)
    | _each("math.", "floordiv floormod", kind="int", pair=True)
    | _each("", "truncatediv truncatemod", kind="int", pair=True)
    | _each("", "realdiv", pair=True)
    | _each("__operators__.", "eq ne", pair=True)
    | _each("math.", "zeta", kind="above", pair=True)
    | _each("dtypes.", "complex", pair=True)
    | _each("nn.", "elu relu relu6 selu softsign silu gelu leaky_relu")
    | _each("nn.", "softmax", inner=False, most=2)
    | _each("", "zeros_like ones_like rank")
    | {
        "tf.math.nextafter": Row(
            call=lambda op, x, y, tf: tf.cast(op(tf.cast(x, tf.float64), 9.0), tf.float32)
        ),
        "tf.bitcast": Row(call=lambda op, x, y, tf: op(x, tf.int32)),
        "tf.cast": Row(call=lambda op, x, y, tf: [op(x, tf.int32), op(x, tf.float64), op(x, tf.bool)]),
        "tf.clip_by_value": Row(call=lambda op, x, y, tf: op(x, -0.5, 0.5)),
        "tf.dtypes.saturate_cast": Row(call=lambda op, x, y, tf: op(x * 300.0, tf.uint8)),
        "tf.math.add_n": Row(call=lambda op, x, y, tf: op([x, y, x])),
        "tf.math.scalar_mul": Row(call=lambda op, x, y, tf: op(2.0, x)),
        "tf.debugging.check_numerics": Row(call=lambda op, x, y, tf: op(x, "message")),
        "tf.nn.dropout": Row(call=lambda op, x, y, tf: op(x, 0.0)),
        "tf.nn.experimental.stateless_dropout": Row(call=lambda op, x, y, tf: op(x, 0.0, [1, 2])),
        "tf.nn.sigmoid_cross_entropy_with_logits": Row(call=lambda op, x, y, tf: op(labels=x, logits=y)),
        "tf.image.adjust_brightness": Row("image", lambda op, x, y, tf: op(x, 0.1)),
        "tf.image.adjust_gamma": Row("image", lambda op, x, y, tf: op(x, 2.0, 0.5)),
        "tf.image.convert_image_dtype": Row("image", lambda op, x, y, tf: op(x, tf.uint8)),
        "tf.image.random_brightness": Row("image", lambda op, x, y, tf: op(x, 1e-9)),
        "tf.image.stateless_random_brightness": Row("image", lambda op, x, y, tf: op(x, 1e-9, (1, 2))),
    }
)

STRINGS = (
    _each("strings.", "length lower strip upper unicode_script", kind="string")
    | _each("strings.", "to_number", kind="number")
    | _each("io.", "encode_base64", kind="string")
    | {
        "tf.io.decode_base64": Row("string", lambda op, x, y, tf: op(tf.io.encode_base64(x))),
        "tf.io.decode_compressed": Row("string", lambda op, x, y, tf: op(x)),
        "tf.strings.as_string": Row("int", lambda op, x, y, tf: op(x, width=3, fill="0")),
        "tf.strings.format": Row("int", lambda op, x, y, tf: op("a {} b", [x])),
        "tf.strings.join": Row("string", lambda op, x, y, tf: [op([x, y]), op([x, "-", y], separator="+")]),
        "tf.strings.reduce_join": Row(
            "string",
            lambda op, x, y, tf: [op(x, axis=axis, separator="+") for axis in (-1, 0)],
            most=2,
            inner=False,
        ),
        "tf.strings.regex_full_match": Row("string", lambda op, x, y, tf: op(x, "[a-z]+")),
        "tf.strings.regex_replace": Row("string", lambda op, x, y, tf: op(x, "[a-z]", "<\\0>")),
        "tf.strings.substr": Row("string", lambda op, x, y, tf: op(tf.strings.join([x, "abc"]), 1, 2)),
        "tf.strings.to_hash_bucket_fast": Row("string", lambda op, x, y, tf: op(x, 100)),
        "tf.strings.to_hash_bucket_strong": Row("string", lambda op, x, y, tf: op(x, 100, [1, 2])),
        "tf.strings.to_hash_bucket": Row("string", lambda op, x, y, tf: op(x, 100)),
        "tf.strings.unicode_transcode": Row("string", lambda op, x, y, tf: op(x, "UTF-8", "UTF-16-BE")),
    }
)

REDUCTIONS = (
    _reductions("reduce_sum reduce_mean reduce_std reduce_variance reduce_max reduce_min", "signed")
    | _reductions("reduce_prod", "unit")
    | _reductions("reduce_all reduce_any", "bool")
)

SEGMENTS = {
    f"tf.math.unsorted_segment_{name}": Row(
        call=lambda op, x, y, tf: op(x, _ids(tf, x), x.nrows() + 1), most=2
    )
    for name in ("max", "mean", "min", "prod", "sqrt_n", "sum")
}


def _with(change: Callable) -> Callable:
    """Returns the call of an assertion that holds on x and what `change` makes of it."""
    return lambda op, x, y, tf: op(change(x), x)


ASSERTIONS = {
    f"tf.debugging.assert_{name}": Row(call=call)
    for name, call in {
        "equal": _checked,
        "greater_equal": _checked,
        "less_equal": _checked,
        "near": _checked,
        "greater": _with(lambda x: x + 1.0),
        "less": _with(lambda x: x - 1.0),
        "none_equal": _with(lambda x: x + 1.0),
    }.items()
}

ARRAYS = {
    "tf.broadcast_to": Row(
        call=lambda op, x, y, tf: op(
            tf.ones([1] * len(x.shape)), tf.experimental.DynamicRaggedShape.from_tensor(x)
        )
    ),
    "tf.concat": Row(call=lambda op, x, y, tf: [op([x, y, x], axis) for axis in (0, 1, -1)]),
    "tf.stack": Row(call=lambda op, x, y, tf: [op([x, y], axis) for axis in (0, 1, -1)], inner=False),
    "tf.expand_dims": Row(call=lambda op, x, y, tf: [op(x, axis) for axis in (0, 1, 2, -1)]),
    "tf.squeeze": Row(call=lambda op, x, y, tf: [op(tf.expand_dims(x, axis), axis) for axis in (0, 1, 2)]),
    "tf.reverse": Row(call=lambda op, x, y, tf: [op(x, axes) for axes in ([0], [1], [0, -1])]),
    "tf.tile": Row(call=lambda op, x, y, tf: op(x, [2, 3, 1, 2, 1][: len(x.shape)])),
    "tf.size": Row(call=lambda op, x, y, tf: [op(x), op(x, tf.int64)]),
    "tf.where": Row(
        call=lambda op, x, y, tf: [op(x > 0.0, x, y), op(x > 0.0, x, tf.constant(0.0)), op(x > 0.0)]
    ),
    "tf.reshape": Row(
        call=lambda op, x, y, tf: op(x.flat_values, tf.experimental.DynamicRaggedShape.from_tensor(x))
    ),
    "tf.split": Row(call=lambda op, x, y, tf: [op(tf.concat([x, y], 0), 2), op(x, [0, x.shape[0]])]),
    "tf.one_hot": Row("int", lambda op, x, y, tf: [op(x, 4), op(x, 4, on_value=2.0, off_value=-1.0)]),
    "tf.gather": Row(
        "int",
        lambda op, x, y, tf: [
            op(tf.range(20) * 3, x),
            op(x, _ids(tf, x)),
            op(x, tf.zeros([0], tf.int32)),
            op(tf.concat([x, x], 1), tf.zeros([x.shape[0], 0], tf.int64), batch_dims=1),
        ],
    ),
    "tf.gather_nd": Row(
        "int",
        lambda op, x, y, tf: [
            op(x, tf.expand_dims(_ids(tf, x), 1)),
            op(tf.reshape(tf.range(20), [10, 2]), tf.expand_dims(x, -1)),
        ],
        inner=False,
    ),
    "tf.dynamic_partition": Row(call=lambda op, x, y, tf: op(x, _ids(tf, x) % 2, 2)),
    "tf.math.cumsum": Row(
        call=lambda op, x, y, tf: [op(x, axis=1), op(x, axis=-1, exclusive=True, reverse=True)], most=2
    ),
    "tf.math.bincount": Row(
        "int",
        lambda op, x, y, tf: [op(x), op(x, axis=-1), op(x, axis=-1, minlength=12, binary_output=True)],
        most=1,
        inner=False,
    ),
    "tf.sparse.bincount": Row("int", lambda op, x, y, tf: op(x, axis=-1), most=1, inner=False),
    "tf.linalg.matmul": Row(
        call=lambda op, x, y, tf: op(
            tf.RaggedTensor.from_row_lengths(
                tf.concat([tf.reshape(x.flat_values, [-1, 1])] * 3, 1), [x.flat_values.shape[0], 0]
            ),
            tf.ones([2, 3, 2]),
        ),
        inner=False,
    ),
    "tf.image.resize": Row(
        "image",
        lambda op, x, y, tf: op(
            tf.ragged.stack([tf.ones([2, 3, 1]) * 0.5, tf.reshape(tf.range(8.0), [4, 2, 1])]), [3, 3]
        ),
    ),
    "tf.print": Row(call=lambda op, x, y, tf: op(x, output_stream="file:///dev/null")),
}

ROWS = ELEMENTWISE | STRINGS | REDUCTIONS | SEGMENTS | ASSERTIONS | ARRAYS
