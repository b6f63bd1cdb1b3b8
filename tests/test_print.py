"""`tf.print`: the text TensorFlow writes to stderr, eagerly and from inside compiled code, in order."""

import sys

import numpy as np
import pytest

import dovetail as tf
from tests.support import parity

# Each row: what is passed to tf.print, and options.
ROWS = [
    lambda tf: ((1, 1.5, "a", True, None), {}),
    lambda tf: ((tf.constant(1),), {}),
    lambda tf: ((tf.constant("abc"),), {}),
    lambda tf: (("é", tf.constant("é")), {}),
    lambda tf: ((tf.constant(True), tf.constant([True, False])), {}),
    lambda tf: ((tf.constant([1.0, 2.5, 3]),), {}),
    lambda tf: ((tf.constant(["a", "b"]),), {}),
    lambda tf: ((tf.constant([[1, 2], [3, 4]]), "end"), {}),
    lambda tf: ((tf.zeros((2, 2, 2)),), {}),
    lambda tf: ((tf.range(10),), {}),
    lambda tf: ((tf.range(6), tf.range(7)), {}),
    lambda tf: ((tf.range(20),), {"summarize": -1}),
    lambda tf: ((tf.reshape(tf.range(27), (3, 3, 3)),), {"summarize": 1}),
    lambda tf: ((tf.reshape(tf.range(100), (10, 10)),), {}),
    lambda tf: (([1, 2], (3,), {"b": 1, "a": "x"}), {}),
    lambda tf: (([tf.constant(1), "x", [None, 2.0]],), {}),
    lambda tf: (({"k": tf.constant([1.0, 2.0]), "b": ["q"]},), {}),
    lambda tf: (("x", [1, "s"]), {"sep": "|", "end": "!\n"}),
    lambda tf: ((), {}),
    lambda tf: ((np.float32(0.1), np.array([1, 2])), {}),
    lambda tf: ((tf.TensorShape([1, None]), tf.float32), {}),
    lambda tf: ((tf.Variable([1.0, 2.0]), [tf.Variable(1)]), {}),
    lambda tf: (([tf.constant("a")],), {}),
    lambda tf: (("x", tf.constant('"it\'s"\n')), {}),
    lambda tf: ((tf.constant('"it\'s"\n'),), {}),
    lambda tf: ((tf.constant(["a\tb\r\\", "\x01é"]),), {}),
    lambda tf: ((b"bytes", "a\nb", "%d {}"), {}),
]
NUMBERS = (0.0, -0.0, 0.1, 1 / 3, 1e-10, 1e-5, 1e-4, 123456.789, 1e5, 1e6, 1e7, 12345678.0, 123456789.0, 1e10)


def printed(module, capfd, *args, **options):
    capfd.readouterr()
    module.print(*args, **options)
    return capfd.readouterr().err


@pytest.mark.parametrize("row", range(len(ROWS)))
def test_text_like_tensorflow(row, capfd):
    reference = parity.reference()
    expected_args, options = ROWS[row](reference)
    args, _ = ROWS[row](tf)
    assert printed(tf, capfd, *args, **options) == printed(reference, capfd, *expected_args, **options)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_numbers_like_tensorflow(dtype, capfd):
    reference = parity.reference()
    for number in (*NUMBERS, float("nan"), float("inf"), float("-inf")):
        if dtype == "float16" and abs(number) > 60000:
            continue
        text = printed(tf, capfd, tf.constant(number, dtype))
        assert text == printed(reference, capfd, reference.constant(number, dtype)), number


def test_compiled_code_prints_in_order_before_the_call_returns(capfd):
    @tf.function
    def count(n):
        tf.print("begin", n)

        def body(i):
            tf.print("i =", i)
            return i + 1

        tf.while_loop(lambda i: i < n, body, [0])
        tf.cond(n > 1, lambda: tf.print("big"), lambda: tf.print("small"))
        tf.print("end")

    for n in (2, 1):
        count(tf.constant(n))
        print("returned", file=sys.stderr)
    assert capfd.readouterr().err.split("\n") == [
        *("begin 2", "i = 0", "i = 1", "big", "end", "returned"),
        *("begin 1", "i = 0", "small", "end", "returned", ""),
    ]


def test_streams(tmp_path, capsys):
    tf.print("to stdout", output_stream=sys.stdout)
    assert capsys.readouterr().out == "to stdout\n"
    path = tmp_path / "log.txt"
    for line in ("one", "two"):
        tf.print(line, tf.constant(1), output_stream=f"file://{path}")
    assert path.read_text() == "one 1\ntwo 1\n"
    with pytest.raises(ValueError, match="output_stream"):
        tf.print("x", output_stream="stderr")
    with pytest.raises(ValueError, match="received 'stderr'"):
        tf.function(lambda x: tf.print(x, output_stream="stderr"))(tf.constant(1))


def test_a_known_string_prints_inside_compiled_code(capfd):
    tf.function(lambda x: tf.print(tf.constant("name"), x))(tf.constant(1))
    assert capfd.readouterr().err == '"name" 1\n'


def test_what_is_differentiated_prints_once(capfd):
    """Branches and loops are traced more than once when they write variables or are differentiated."""
    x = tf.Variable(3.0)

    @tf.function
    def run(n):
        with tf.GradientTape() as tape:

            def body(i, a):
                tf.print("i =", i)
                return i + 1, a * x

            def branch():
                x.assign_add(0.0)
                tf.print("branch")
                return x * x

            y = tf.while_loop(lambda i, a: i < n, body, (0, 1.0))[1]
            y = y + tf.cond(n > 0, branch, lambda: x)
        return tape.gradient(y, x)

    assert float(run(tf.constant(2))) == 12.0
    assert capfd.readouterr().err.split("\n") == ["i = 0", "i = 1", "branch", ""]
