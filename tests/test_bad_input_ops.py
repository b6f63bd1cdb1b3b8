"""Bad arguments of ops: the error names the function, what it was given and the user's line, in every mode."""

import os
import re

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.symbolic import SymbolicTensor
from tests.ops.case import Case, engine, mapped
from tests.ops.test_ops import CASES

HERE = os.path.basename(__file__)
EXPECTED = (ValueError, TypeError)


def run(mode, call):
    """Calls `call(x)` with a tensor of shape (2, 3): eager on an engine, traced, or symbolic."""
    if mode in ("host", "xla"):
        with engine(mode):
            return call(tf.ones((2, 3)))
    if mode == "traced":
        return tf.function(call)(tf.ones((2, 3)))
    return call(SymbolicTensor((2, 3), np.float32))


# What is called, and what the message says besides the place.
BAD = {
    "no tensor": (lambda x: tf.matmul(x, None), ["matmul", "None"]),
    "an object": (lambda x: tf.add(x, object()), ["object"]),
    "inner sizes": (lambda x: tf.matmul(x, tf.ones((2, 3))), ["matmul", "inner sizes differ", "(2, 3)"]),
    "broadcast": (lambda x: x + tf.ones((2, 4)), ["add", "do not broadcast together", "(2, 4)"]),
    "dtypes": (lambda x: x + tf.ones((2, 3), "int32"), ["float32, int32", "tf.cast"]),
    "axis out of range": (lambda x: tf.reduce_sum(x, axis=5), ["reduce_sum", "5"]),
    "axis of the wrong type": (lambda x: tf.reduce_sum(x, axis="a"), ["axis", "expected an integer", "'a'"]),
    "None among axes": (lambda x: tf.reduce_sum(x, axis=[None]), ["axis", "expected an integer", "None"]),
    "a word for a flag": (lambda x: tf.reduce_sum(x, keepdims="no"), ["keepdims", "True or False", "'no'"]),
    "a word for a flag of a function": (
        lambda x: tf.matmul(x, x, transpose_b="no"),
        ["matmul", "transpose_b", "'no'"],
    ),
    "elements": (lambda x: tf.reshape(x, [4, 2]), ["reshape", "(2, 3)", "(4, 2)"]),
    "no shape": (lambda x: tf.reshape(x, None), ["tf.reshape", "shape", "None"]),
    "a fractional size": (lambda x: tf.reshape(x, [1.5, 4]), ["reshape", "integer", "1.5"]),
    "digits for a size": (lambda x: tf.reshape(x, "23"), ["reshape", "list of integers", "'23'"]),
    "a huge axis": (lambda x: tf.expand_dims(x, 1 << 70), ["expand_dims", str(1 << 70)]),
    "no list": (lambda x: tf.concat(None, 0), ["concat", "None"]),
    "sizes of a split": (lambda x: tf.split(x, [1, 1], axis=1), ["split", "(2, 3)"]),
    "pairs of a pad": (lambda x: tf.pad(x, [[1, 1]]), ["pad", "pairs", "(2, 3)"]),
    "an entry of a pad": (lambda x: tf.pad(x, [["a", 1], [0, 0]]), ["pad", "integer", "'a'"]),
    "mode of a pad": (lambda x: tf.pad(x, [[1, 1], [1, 1]], "bogus"), ["pad", "bogus", "REFLECT"]),
    "fractional shift": (lambda x: tf.roll(x, 1.5, 0), ["roll", "integer", "float32"]),
    "k of top_k": (lambda x: tf.nn.top_k(x, -1), ["k is -1"]),
    "depth of one_hot": (lambda x: tf.one_hot([1, 2], -3) + x[0, 0], ["depth", "-3"]),
    "method of resize": (lambda x: tf.image.resize(x[..., None], (2, 3), "biliner"), ["'bilinear'"]),
    "alignment": (lambda x: tf.linalg.diag(x, align="MIDDLE"), ["align", "LEFT_RIGHT", "'MIDDLE'"]),
    "strings": (lambda x: tf.reduce_sum(tf.constant(["a"])) + x, ["numbers", "strings"]),
    "a pair of labels": (
        lambda x: tf.math.confusion_matrix([1, 2], [1, 2, 0], 3) + tf.cast(x[0, 0], "int32"),
        ["labels and predictions", "(2,)", "(3,)"],
    ),
    "crops": (lambda x: tf.batch_to_space(x[:, None], [2], [[0, 0], [1, 0]]), ["tf.batch_to_space", "crops"]),
    "an offset": (lambda x: tf.strided_slice(x, [None, 0], [1, 1]), ["tf.strided_slice", "integer", "None"]),
    "bits of offsets": (
        lambda x: tf.strided_slice(x, [0, 0], [1, 1], begin_mask="a"),
        ["tf.strided_slice", "'a'"],
    ),
    "a diagonal": (lambda x: tf.linalg.diag_part(x, k=9), ["tf.linalg.diag_part", "k=9", "2 x 3"]),
    "size of crops": (
        lambda x: tf.image.crop_and_resize(x[None, ..., None], [[0.0, 0.0, 1.0, 1.0]], [0], [0, 3]),
        ["crop_size", "(0, 3)"],
    ),
    "pointwise filter": (
        lambda x: tf.nn.separable_conv2d(
            x[None, ..., None], tf.ones((1, 1, 1, 1)), tf.ones((2, 1, 1, 1)), [1, 1, 1, 1], "SAME"
        ),
        ["pointwise filter", "(2, 1, 1, 1)"],
    ),
    "mask of an attention": (
        lambda x: keras.ops.dot_product_attention(*[x[None, ..., None]] * 3, mask=tf.ones((2, 2))),
        ["mask", "boolean", "float32"],
    ),
    "no vector": (lambda x: tf.meshgrid(x[0], None), ["tf.meshgrid", "None"]),
    "bins": (lambda x: tf.histogram_fixed_width(x, [0.0, 1.0], 0), ["bins=0"]),
    "layout": (
        lambda x: keras.backend.spatial_2d_padding(x[None, ..., None], data_format="NCHW"),
        ["data_format", "channels_first", "'NCHW'"],
    ),
    "size of a batch": (lambda x: tf.nn.compute_average_loss(x[0], global_batch_size=-1), ["-1"]),
    "unknown argument": (lambda x: tf.stack([x], 0, axes=1), ["unknown argument 'axes'", "'axis'"]),
    "missing argument": (lambda x: tf.split(x), ["tf.split", "missing the argument", "num_or_size_splits"]),
    "equation": (lambda x: tf.einsum(None, x), ["tf.einsum", "None"]),
    "padding of a convolution": (
        lambda x: tf.nn.conv2d(x[None, ..., None], tf.ones((1, 1, 1, 1)), 1, None),
        ["conv", "padding", "None"],
    ),
}


@pytest.mark.parametrize("mode", ["host", "xla", "traced", "symbolic"])
@pytest.mark.parametrize("name", BAD)
def test_the_message_names_the_call_the_value_and_the_place(name, mode):
    call, parts = BAD[name]
    with pytest.raises(EXPECTED) as caught:
        run(mode, call)
    message = str(caught.value)
    for part in [*parts, HERE]:
        assert part in message, f"{part!r} is missing in: {message}"


# A word is the name of a file that is not there, or damaged data.
OF_FILES = {"io.read_file": (tf.errors.NotFoundError,), "io.decode_compressed": (tf.errors.DataLossError,)}


def one_row_a_name():
    return list({case.name: case for case in reversed(CASES)}.values())


def spoiled(case):
    """Yields calls `(what, args, kwargs)` of a row with one argument that cannot be right."""
    args = list(case.inputs())
    for position in range(len(args)):
        for what, value in (
            ("None", None),
            ("an object", object()),
            ("a word", "bogus"),
            ("a dict", {"a": 1}),
        ):
            yield f"{what} at {position}", [*args[:position], value, *args[position + 1 :]], case.kwargs
    yield "an unknown argument", args, {**case.kwargs, "bogus_argument": 1}
    yield "no arguments", [], {}


def outcome(case, args, kwargs, convert):
    """Returns what is wrong with the error of a call, "" when the call works or tells everything."""
    if case.name in ("convert_to_tensor", "matmul", "concat") and (not args or "bogus_argument" in kwargs):
        return ""  # Python's own error; a wrapper would be felt in each call
    try:
        case.function(*mapped(args, convert), **mapped(kwargs, convert))
    except EXPECTED as error:
        return "" if HERE in str(error) else f"{type(error).__name__} without the place: {error}"
    except (NotImplementedError, *OF_FILES.get(case.name, ())) as error:
        return "" if HERE in str(error) else f"without the place: {error}"
    except Exception as error:  # noqa: BLE001  the test is about what kind it is
        return f"{type(error).__name__}: {error}"
    return ""


def symbolic(array):
    return convert_to_tensor(array) if array.dtype.kind == "O" else SymbolicTensor(array.shape, array.dtype)


@pytest.mark.parametrize("convert", [convert_to_tensor, symbolic], ids=["eager", "symbolic"])
def test_every_public_function_tells_bad_arguments(convert):
    wrong = []
    for case in one_row_a_name():
        if not hasattr(case.function, "body"):  # rows of ops that only gradient rules use
            for what, args, kwargs in spoiled(case):
                problem = outcome(case, args, kwargs, convert)
                if problem:
                    wrong.append(f"{case.name} with {what}: {problem}")
    assert not wrong, "\n".join(wrong)


def test_errors_of_functions_that_users_pass_stay_as_they_are():
    def broken(x):
        raise KeyError("the user's own")

    for call in (
        lambda: tf.map_fn(broken, tf.ones(3)),
        lambda: tf.cond(tf.constant(True), lambda: broken(1), lambda: 1),
        lambda: tf.nest.map_structure(broken, [1]),
        lambda: list(tf.data.Dataset.range(2).apply(broken)),
        lambda: keras.layers.Lambda(broken)(tf.ones((2, 2))),
    ):
        with pytest.raises(KeyError, match='^"the user\'s own"$'):
            call()


def test_a_repr_that_fails_does_not_hide_the_error():
    class Odd:
        def __repr__(self):
            raise RuntimeError("no repr")

    with pytest.raises(EXPECTED, match="Odd"):
        tf.split(tf.ones(4), Odd())


def test_the_cause_is_shown_when_frames_are_not_filtered():
    with pytest.raises(EXPECTED) as filtered:
        tf.einsum(None, 1.0)
    assert filtered.value.__cause__ is None
    keras.config.disable_traceback_filtering()
    try:
        with pytest.raises(EXPECTED) as full:
            tf.einsum(None, 1.0)
    finally:
        keras.config.enable_traceback_filtering()
    assert isinstance(full.value.__cause__, AttributeError)


REST = {
    "bool of several": (lambda: bool(tf.ones(2)), ["bool()", "(2,)", "tf.reduce_any"]),
    "int of several": (lambda: int(tf.ones(2)), ["int()", "(2,)"]),
    "index of a float": (lambda: range(tf.constant(1.5)), ["integer", "float32"]),
    "len of a scalar": (lambda: len(tf.constant(1.0)), ["len()"]),
    "np.sum in a function": (lambda: tf.function(lambda x: np.sum(x))(tf.ones(2)), ["np.asarray()", "tf.*"]),
    "shape": (lambda: tf.TensorShape([2.5]), ["2.5"]),
    "shapes": (lambda: tf.ones(2).set_shape([3]), ["(2,)", "(3,)"]),
    "dtype": (lambda: tf.zeros(2, "flaot32"), ["'flaot32'", "'float32'"]),
    "no dtype": (lambda: tf.as_dtype(None), ["None"]),
    "variable": (lambda: tf.Variable(1.0, trainable="yes"), ["trainable", "'yes'"]),
    "name of a variable": (lambda: tf.Variable(1.0, name=5), ["name", "5"]),
    "watch": (lambda: tf.GradientTape().watch("a"), ["GradientTape.watch", "tensor", "str"]),
    "a function": (lambda: tf.function(5), ["tf.function", "5"]),
    "a signature": (lambda: tf.function(lambda x: x, input_signature=[5]), ["TensorSpec", "[5]"]),
    "cond": (lambda: tf.cond(tf.constant([True, False]), lambda: 1, lambda: 2), ["bool()", "(2,)"]),
    "while_loop": (
        lambda: tf.while_loop(lambda i: i, lambda i: i + 1, [tf.constant(0)]),
        ["tf.while_loop", "boolean", "int32"],
    ),
    "switch_case": (lambda: tf.switch_case(tf.constant(1), []), ["tf.switch_case"]),
    "labels": (lambda: tf.math.confusion_matrix([0, 1], [1, 5], 3), ["5", "confusion_matrix"]),
    "ids of segments": (lambda: tf.math.segment_sum([1.0], 0), ["tf.math.segment_sum", "vector", "()"]),
    "a permutation": (lambda: tf.math.invert_permutation([0, 0, 1]), ["0 ... 2", "[0, 0, 1]"]),
    "gamma": (lambda: tf.image.adjust_gamma(tf.ones((2, 2, 3)), -1.0), ["gamma", "-1.0"]),
    "fill": (lambda: tf.strings.as_string(1.5, fill="abc"), ["tf.strings.as_string", "fill", "'abc'"]),
    "endless data": (
        lambda: keras.Sequential([keras.layers.Dense(1)]).predict(tf.data.Dataset.range(3).batch(2).repeat()),
        ["never ends", "steps"],
    ),
    "a call of a function": (lambda: tf.function(lambda x, y: x)(1), ["missing the argument 'y'"]),
    "batch": (lambda: tf.data.Dataset.range(3).batch("a"), ["Dataset.batch", "integer", "'a'"]),
    "map": (lambda: tf.data.Dataset.range(3).map(5), ["Dataset.map", "function", "5"]),
    "elements": (
        lambda: list(tf.data.Dataset.range(3).filter(lambda x: x)),
        ["Dataset.filter", "bool"],
    ),
    "a flag of a dataset": (
        lambda: tf.data.Dataset.range(3).batch(2, drop_remainder="yes"),
        ["drop_remainder", "'yes'"],
    ),
    "nest": (lambda: tf.nest.map_structure(5, [1]), ["tf.nest.map_structure", "5"]),
}


@pytest.mark.parametrize("name", REST)
def test_the_rest_of_the_api(name):
    call, parts = REST[name]
    with pytest.raises(EXPECTED) as caught:
        call()
    for part in [*parts, HERE]:
        assert part in str(caught.value), f"{part!r} is missing in: {caught.value}"


def test_messages_are_not_told_twice():
    with pytest.raises(EXPECTED) as caught:
        keras.layers.Lambda(lambda x: tf.split(x, "a"))(tf.ones((2, 2)))
    assert len(re.findall(re.escape(HERE), str(caught.value))) == 1


def test_rows_can_be_spoiled():
    """The generic test covers something."""
    assert len(one_row_a_name()) > 400
    assert all(isinstance(case, Case) for case in one_row_a_name())


def test_what_jax_says_is_put_into_words():
    x = tf.ones((2, 3))
    with engine("xla"), pytest.raises(EXPECTED, match=r"shapes do not broadcast together: .*\(2, 3\)"):
        tf.nn.batch_normalization(x, tf.ones(4), tf.ones(4), None, None, 1e-3)
