"""What becomes a tensor, of which dtype, and how tensors are shown: side by side with TensorFlow."""

import numpy as np
import pytest

import dovetail as tf
from tests.support import parity

VALUES = {
    "1": lambda tf: 1,
    "1.5": lambda tf: 1.5,
    "1j": lambda tf: 1j,
    "text": lambda tf: "a",
    "bytes": lambda tf: b"a",
    "2**31": lambda tf: 2**31,
    "2**63 - 1": lambda tf: 2**63 - 1,
    "np.int32": lambda tf: np.int32(3),
    "np.float64": lambda tf: np.float64(3.7),
    "np.bool": lambda tf: np.bool_(True),
    "[1, 2]": lambda tf: [1, 2],
    "[1.0, 2]": lambda tf: [1.0, 2],
    "[1, 2.5]": lambda tf: [1, 2.5],
    "[2**40]": lambda tf: [2**40],
    "['a', b'b']": lambda tf: ["a", b"b"],
    "['a', 1]": lambda tf: ["a", 1],
    "nested": lambda tf: [[1, 2], [3, 4]],
    "uneven": lambda tf: [[1, 2], [3]],
    "range": lambda tf: range(3),
    "[]": lambda tf: [],
    "[[], []]": lambda tf: [[], []],
    "float64 array": lambda tf: np.array([1.0, 2.5]),
    "float32 array": lambda tf: np.ones(2, "float32"),
    "int8 array": lambda tf: np.array([1, 2], "int8"),
    "bool array": lambda tf: np.array([True]),
    "text array": lambda tf: np.array(["a", "b"]),
    "object array": lambda tf: np.array([1, "a"], dtype=object),
    "None": lambda tf: None,
    "[1, None]": lambda tf: [1, None],
    "dict": lambda tf: {1: 2},
    "set": lambda tf: {1},
    "function": lambda tf: len,
    "bytearray": lambda tf: bytearray(b"abc"),
    "[np.float32, 1.5]": lambda tf: [np.float32(3), 1.5],
    "[np.float64, 1.5]": lambda tf: [np.float64(3), 1.5],
    "[1.5, np.float64]": lambda tf: [1.5, np.float64(3)],
    "[np.float16, np.float64]": lambda tf: [np.float16(3), np.float64(3)],
    "[np.int64, 1]": lambda tf: [np.int64(3), 1],
    "[np.int64, 2.5]": lambda tf: [np.int64(3), 2.5],
    "[np.int64(2**40), 1]": lambda tf: [np.int64(2**40), 1],
    "[int64 arrays]": lambda tf: [np.arange(2), np.arange(2)],
    "[uint8 arrays]": lambda tf: [np.ones(2, "uint8"), np.ones(2, "uint8")],
    "[float64 arrays]": lambda tf: [np.ones(2), np.ones(2)],
    "[float32 array, float64 array]": lambda tf: [np.ones(2, "float32"), np.ones(2)],
    "[complex64 array]": lambda tf: [np.ones(2, "complex64")],
    "[empty float64 array]": lambda tf: [np.ones(0)],
    "tensor": lambda tf: tf.constant(1),
    "variable": lambda tf: tf.Variable(1.0),
    "[tensor, 2]": lambda tf: [tf.constant(1.0), 2],
    "[2, tensor]": lambda tf: [2, tf.constant(1.0)],
    "[[tensor, 2], [3, 4]]": lambda tf: [[tf.constant(1), 2], [3, 4]],
    "[variable, 2.0]": lambda tf: [tf.Variable(1.0), 2.0],
    "[int tensor, float tensor]": lambda tf: [tf.constant(1), tf.constant(1.0)],
    "shape": lambda tf: tf.TensorShape([1, 2]),
    "unknown shape": lambda tf: tf.TensorShape([1, None]),
    "datetime": lambda tf: np.datetime64("2020-01-01"),
}
DTYPES = (None, "float32", "int32", "int64", "float64", "bool", "string", "float16")
# What Dovetail does on purpose where TensorFlow does something else: strings become no booleans, shapes become any
# number, and tensors in a list are cast to the dtype that is asked for.
DIFFERENT = {
    ("text array", "bool"),
    ("object array", "bool"),
    ("shape", "float32"),
    ("shape", "float64"),
    ("shape", "float16"),
    ("np.bool", "string"),
    *(("[int tensor, float tensor]", dtype) for dtype in ("int32", "int64", "float64", "float16", "bool")),
}


@pytest.mark.parametrize("name", VALUES)
def test_convert_to_tensor_like_tensorflow(name):
    for dtype in DTYPES:
        if (name, dtype) not in DIFFERENT:
            parity.check(lambda tf, dtype=dtype: tf.convert_to_tensor(VALUES[name](tf), dtype))


TENSORS = {
    "float": lambda tf: tf.constant(1.5),
    "tenth": lambda tf: tf.constant(0.1),
    "tiny": lambda tf: tf.constant(1e-10),
    "large": lambda tf: tf.constant(1e8),
    "int": lambda tf: tf.constant(1),
    "bool": lambda tf: tf.constant(True),
    "text": lambda tf: tf.constant("abc"),
    "parentheses": lambda tf: tf.constant(b"a(b)"),
    "complex": lambda tf: tf.constant(1 + 2j),
    "vector": lambda tf: tf.constant([1, 2, 3]),
    "matrix": lambda tf: tf.constant([[1.0, 2.0], [3.0, 4.0]]),
    "cube": lambda tf: tf.ones((2, 2, 2)),
    "empty": lambda tf: tf.constant([]),
    "texts": lambda tf: tf.constant(["a", "b"]),
    "bfloat16": lambda tf: tf.constant([1.5, 2], tf.bfloat16),
    "long": lambda tf: tf.range(2000),
    "nan": lambda tf: tf.constant(float("nan")),
    "computed": lambda tf: tf.exp(tf.constant(0.1)),
}


@pytest.mark.parametrize("name", TENSORS)
def test_tensors_and_variables_look_like_tensorflow_s(name):
    def texts(tf):
        tensor = TENSORS[name](tf)
        variable = tf.Variable(tensor, name="v")
        return [repr(tensor), str(tensor), f"{tensor}", repr(variable), str(variable)]

    parity.check(texts)


OTHERS = {
    "shapes": lambda tf: (
        [repr(tf.TensorShape(dims)) for dims in ([1, None], None, [], [2])]
        + [str(tf.TensorShape(dims)) for dims in ([1, None], None, [], [2])]
    ),
    "specs": lambda tf: [
        repr(tf.TensorSpec([None, 2], tf.int32, name="x")),
        repr(tf.TensorSpec([], tf.float64)),
    ],
    "dtypes": lambda tf: [repr(tf.float32), str(tf.float32), tf.float32.name, tf.as_dtype("float").name],
    "dtype equality": lambda tf: [
        tf.float32 == "float32",
        tf.float32 == np.float32,
        tf.float32 != tf.float64,
    ],
    "format": lambda tf: [f"{tf.constant(1.234):.2f}", f"{tf.constant(5):d}", f"{tf.constant(5.0):.3f}"],
    "numpy": lambda tf: [repr(tf.constant(x).numpy()) for x in (1.0, [1], "a", ["a"], True)],
    "len and index": lambda tf: [len(tf.constant([1, 2])), range(5)[tf.constant(2)], [1, 2][tf.constant(1)]],
    "hash": lambda tf: hash(tf.constant(1)),
    "len of a scalar": lambda tf: len(tf.constant(1)),
    "iterate a scalar": lambda tf: list(tf.constant(3)),
    "bool of a vector": lambda tf: bool(tf.constant([1, 2])),
    "set_shape": lambda tf: tf.constant([[1]]).set_shape([2, 1]),
    "equality of other shapes": lambda tf: tf.constant([1, 2]) == tf.constant([1, 2, 3]),
    "equality with None": lambda tf: [tf.constant(1) == None, tf.constant(1) != None],  # noqa: E711
    "int + float": lambda tf: tf.constant(1) + tf.constant(1.0),
    "int + 1.5": lambda tf: tf.constant(1) + 1.5,
    "float + float64 array": lambda tf: tf.constant([1.0]) + np.array([2.0]),
    "float64 array + float": lambda tf: np.array([2.0]) + tf.constant([1.0]),
    "uint8 + 300": lambda tf: tf.constant(1, tf.uint8) + 300,
}


@pytest.mark.parametrize("name", OTHERS)
def test_small_things_like_tensorflow(name):
    parity.check(OTHERS[name])


def test_floats_are_not_truncated_silently_beside_integers():
    """TensorFlow gives [2, 4] here."""
    with pytest.raises(tf.errors.InvalidArgumentError, match="without loss"):
        tf.constant([1, 2]) + np.array([1.5, 2.5])


def test_a_list_of_watched_tensors_keeps_its_gradient():
    x = tf.Variable([1.0, 2.0])
    with tf.GradientTape() as tape:
        y = tf.convert_to_tensor([x[0] * 2, x[1] * 3, 1.0])
    np.testing.assert_array_equal(tape.gradient(y, x), [2.0, 3.0])


def test_registered_types_convert():
    class Money:
        def __init__(self, amount):
            self.amount = amount

    tf.register_tensor_conversion_function(
        Money, lambda value, dtype, name, as_ref: tf.constant(value.amount, dtype or tf.float64)
    )
    assert tf.convert_to_tensor(Money(2.5)).dtype == tf.float64
    assert float(tf.constant(1.0, tf.float64) + Money(2.5)) == 3.5


def test_arrays_of_tensors_are_read_only_and_numpy_is_a_copy():
    def case(module):
        t = module.constant([1.0, 2.0])
        copy = t.numpy()
        copy[0] = 9.0
        return [np.asarray(t).flags.writeable, np.array(t).flags.writeable, t]

    parity.check(case)


SHAPES = {
    "ranks": lambda s: [s.with_rank_at_most(3), s.with_rank_at_least(1), s.with_rank(3)],
    "rank too high": lambda s: s.with_rank_at_most(2),
    "same rank": lambda s: s.assert_same_rank([1, 2, 3]),
    "another rank": lambda s: s.assert_same_rank([1, 2]),
    "most specific": lambda s: s.most_specific_compatible_shape([5, 3, 5]),
    "most specific of other ranks": lambda s: s.most_specific_compatible_shape([5]),
    "a float": lambda s: type(s)([1.5]),
    "a word": lambda s: type(s)("a"),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_like_tensorflow(name):
    parity.check(lambda tf: str(SHAPES[name](tf.TensorShape([None, 3, 4]))))


def test_references_say_what_they_stand_for():
    parity.check(lambda tf: repr(tf.constant(1).ref()))


def test_the_truth_of_tensors():
    for value in (True, 0, 1.5, [], [3], [1, 2], "a", ""):
        parity.check(lambda tf, value=value: bool(tf.constant(value)))


def test_static_values():
    def case(module):
        inside = module.function(lambda x: [str(module.get_static_value(y)) for y in (x, module.shape(x))])
        return [
            module.get_static_value(module.constant([1, 2])).tolist(),
            module.get_static_value(3),
            module.get_static_value(module.Variable(1)) is None,
            [one.numpy() for one in inside(module.constant([1.0]))][0],
        ]

    parity.check(case)
