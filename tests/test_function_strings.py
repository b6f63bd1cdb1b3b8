"""Functions with strings: the host runs in front and behind, the rest is compiled, with TensorFlow's values."""

import numpy as np
import pytest

import dovetail as tf
from dovetail.function import RetracingWarning
from tests.support import parity


def stages(function):
    """Returns, for each recording of a function, which of its parts are on the host."""
    return [[part.on_host for part in wide.split.parts] for wide in function._wide.values() if wide.split]


FRONT, BEHIND, AROUND = [[True, False]], [[False, True]], [[True, False, True]]


# ---- case: `case(tf) -> (function, arguments of each call)`; the parts that it must have


def hash_in_front(tf):
    table = tf.Variable(np.arange(20, dtype=np.float32).reshape(10, 2))

    @tf.function
    def f(words, x):
        rows = tf.gather(table, tf.strings.to_hash_bucket_fast(words, 10))
        return tf.reduce_sum(rows * x, axis=-1)

    x = np.ones((3, 2), np.float32)
    return f, [(tf.constant(["a", "b", ""]), x), (tf.constant(["über", "b", "a"]), 2 * x)]


def strings_compared(tf):
    @tf.function
    def f(words, x):
        return tf.where(words == "yes", x * 2.0 + 1.0, tf.zeros_like(x))

    return f, [
        (tf.constant(["yes", "no"]), tf.constant([1.0, 2.0])),
        (tf.constant([], tf.string), tf.zeros([0])),
    ]


def numbers_parsed(tf):
    @tf.function
    def f(text, w):
        return tf.linalg.matvec(w, tf.strings.to_number(text)) / 3.0

    return f, [(tf.constant(["1.5", "-2"]), tf.ones([4, 2]))]


def text_behind(tf):
    w = tf.Variable(tf.ones([3]))

    @tf.function
    def f(x):
        return tf.strings.as_string(tf.reduce_sum(tf.square(x * w)), precision=2)

    return f, [(tf.constant([1.0, 2.0, 3.0]),), (tf.constant([0.0, 0.0, 1.0]),)]


def names_of_classes(tf):
    names, w = (
        tf.constant(["cat", "dog", "emu"]),
        tf.Variable(tf.constant([[1.0, 0.0, 2.0], [0.0, 3.0, 0.0]])),
    )

    @tf.function
    def f(x):
        logits = x @ w
        return tf.gather(names, tf.argmax(logits, -1)), tf.nn.softmax(logits)

    return f, [(tf.constant([[1.0, 0.0], [0.0, 1.0]]),)]


def formatted_behind(tf):
    @tf.function
    def f(word, x):
        return tf.strings.format("{}: {}", (word, tf.cumsum(x) * 2))

    return f, [(tf.constant("sum"), tf.constant([1, 2, 3]))]


def front_and_behind(tf):
    @tf.function
    def f(word, x):
        n = tf.cast(tf.strings.length(word), tf.float32)
        return tf.strings.join([word, tf.strings.as_string(tf.reduce_mean(x) * n)], "=")

    return f, [(tf.constant("mean"), tf.constant([1.0, 3.0]))]


def words_of_each_text(tf):
    table = tf.Variable(np.arange(40, dtype=np.float32).reshape(20, 2))

    @tf.function
    def f(texts):
        ids = tf.strings.to_hash_bucket_fast(tf.strings.split(texts), 20).to_tensor(-1, shape=[None, 3])
        mask = tf.cast(ids >= 0, tf.float32)
        return tf.reduce_sum(tf.gather(table, tf.maximum(ids, 0)) * mask[..., None], axis=1)

    return f, [(tf.constant(["a b c", "", "d e f g"]),), (tf.constant(["x"]),)]


def gradients_of_numbers(tf):
    table = tf.Variable(np.arange(20, dtype=np.float32).reshape(10, 2))

    @tf.function
    def f(words, x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            rows = tf.one_hot(tf.strings.to_hash_bucket_fast(words, 10), 10) @ table
            loss = tf.reduce_sum(tf.square(rows * x))
        return loss, tape.gradient(loss, [table, x])

    return f, [(tf.constant(["a", "b"]), tf.constant([[1.0, 2.0], [3.0, 4.0]]))]


def variables_keep_their_order(tf):
    total, last = tf.Variable(0.0), tf.Variable("none")

    @tf.function
    def f(word, x):
        before = last.read_value()
        last.assign(word)
        total.assign_add(tf.reduce_sum(x))
        text = tf.strings.join([before, last, tf.strings.as_string(total)], ",")
        total.assign(total * 2.0)
        return text, total + 1.0

    return f, [(tf.constant("a"), tf.constant([1.0, 2.0])), (tf.constant("b"), tf.constant([5.0, 2.0]))]


def branches_on_strings(tf):
    w = tf.Variable([2.0, 3.0])

    @tf.function
    def f(word, x):
        scale = tf.constant(1.0)
        if word == "double":
            scale = tf.constant(2.0)
        return tf.reduce_sum(x * w) * scale

    return f, [(tf.constant("double"), tf.ones([2])), (tf.constant("once"), tf.ones([2]))]


def loops_beside_strings(tf):
    @tf.function
    def f(word, n):
        x = tf.cast(tf.strings.length(word), tf.float32)
        for _ in tf.range(n):
            x = x * 2.0 + 1.0
        return word, x

    return f, [(tf.constant("abc"), tf.constant(3)), (tf.constant(""), tf.constant(2))]


def a_function_in_a_function(tf):
    inner = tf.function(lambda words, x: tf.reduce_sum(x * tf.cast(tf.strings.length(words), tf.float32)))
    outer = tf.function(lambda words, x: inner(words, x) + tf.reduce_max(x))
    return outer, [(tf.constant(["a", "bc"]), tf.constant([1.0, 2.0]))]


def tables_that_change(tf):
    table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, default_value=-1)

    @tf.function
    def f(words, x):
        before = table.lookup(words)
        total = tf.reduce_sum(tf.square(x) * 2.0) + 1.0
        table.insert(words, tf.cast(total, tf.int64) * tf.ones_like(before))
        return before, table.lookup(words), table.size()

    return f, [(tf.constant(["a"]), tf.ones([2])), (tf.constant(["a"]), tf.zeros([2]))]


CASES = {
    tables_that_change: AROUND,
    hash_in_front: FRONT,
    strings_compared: [[True, False], [True, False]],
    numbers_parsed: FRONT,
    text_behind: BEHIND,
    names_of_classes: BEHIND,
    formatted_behind: BEHIND,
    front_and_behind: AROUND,
    words_of_each_text: [[True, False], [True, False]],
    gradients_of_numbers: FRONT,
    variables_keep_their_order: AROUND,
    branches_on_strings: FRONT,
    loops_beside_strings: FRONT,
    a_function_in_a_function: FRONT,
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_same_as_tensorflow(case):
    def results(tf):
        function, calls = case(tf)
        return [function(*arguments) for arguments in calls]

    parity.check(results)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_the_rest_is_compiled(case):
    function, calls = case(tf)
    for arguments in calls:  # a warning is an error
        function(*arguments)
    found = stages(function)
    assert found == CASES[case]
    traces = function.experimental_get_tracing_count()
    for arguments in calls:
        function(*arguments)
    assert function.experimental_get_tracing_count() == traces == len(found)
    compiled = [part for wide in function._wide.values() for part in wide.split.parts if not part.on_host]
    assert all(len(part._shaped._programs) for part in compiled)


def test_tapes_around_a_call_see_its_numbers():
    function, [(words, x), *_] = hash_in_front(tf)
    x = tf.constant(x)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = function(words, x)
    rows = tf.reshape(tf.range(20.0), [10, 2])
    np.testing.assert_array_equal(
        tape.gradient(y, x), tf.gather(rows, tf.strings.to_hash_bucket_fast(words, 10))
    )


def test_prints_keep_their_order(capfd):
    @tf.function
    def f(word, x):
        tf.print("word", word)
        y = tf.reduce_sum(x)
        tf.print("sum", y)
        tf.print("text", tf.strings.as_string(y))
        return y * 2

    assert f(tf.constant("a"), tf.ones([2])).numpy() == 4
    assert capfd.readouterr().err.split("\n") == ['word "a"', "sum 2", 'text "2.000000"', ""]


def test_errors_name_the_op_and_its_line():
    @tf.function
    def f(text, x):
        return x * tf.strings.to_number(text)

    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"(?s)to_?number|ToNumber.*test_function_strings.py:\d+"
    ):
        f(tf.constant("one"), tf.ones([2]))
    assert f(tf.constant("2"), tf.ones([2])).numpy().tolist() == [2, 2]


def test_code_that_needs_strings_runs_op_by_op_and_says_so():
    @tf.function
    def f(word, x):
        return x * len(word.numpy())

    with pytest.warns(RetracingWarning, match="op by op.*numpy"):
        assert f(tf.constant("abc"), tf.constant(2)).numpy() == 6
    assert f(tf.constant("a"), tf.constant(2)).numpy() == 2


def test_many_shapes_share_a_recording():
    seen = []

    @tf.function
    def f(words):
        seen.append(words.shape)
        return tf.reduce_sum(tf.cast(tf.strings.length(words), tf.float32) * 2.0)

    for size in range(12):
        assert f(tf.constant(["ab"] * size, tf.string)).numpy() == 4 * size
    assert len(seen) <= 7 and seen[-1].as_list() == [None]


def test_a_signature_with_strings_is_divided():
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string), tf.TensorSpec([None], tf.float32)])
    def f(words, x):
        return tf.reduce_sum(tf.cast(tf.strings.length(words), tf.float32) * x)

    for size in (3, 3, 2):
        assert f(tf.constant(["ab"] * size), tf.ones([size])).numpy() == 2 * size
    assert stages(f) == FRONT and f.experimental_get_tracing_count() == 1
    concrete = f.get_concrete_function()
    assert concrete(tf.constant(["abc"]), tf.constant([2.0])).numpy() == 6


def test_sizes_that_depend_on_values_are_found_on_the_host():
    w = tf.Variable(tf.ones([4]))

    @tf.function
    def f(x):
        y = tf.exp(tf.tanh(x * w) + 1.0)
        kept = tf.boolean_mask(y, x > 0)
        return tf.reduce_sum(tf.sqrt(kept) * 2.0)

    x = tf.constant([1.0, -1.0, 0.5, 0.0])
    expected = 2 * np.sqrt(np.exp(np.tanh([1.0, 0.5]) + 1)).sum()
    for _ in range(3):
        np.testing.assert_allclose(f(x), expected, rtol=1e-6)
    assert stages(f) == [[False, True, False]]


def test_what_a_tape_must_follow_through_the_host_is_not_divided():
    w = tf.Variable(tf.ones([3]))

    @tf.function
    def f(word, x):
        with tf.GradientTape() as tape:
            kept = tf.boolean_mask(x * w, x > 0)
            loss = tf.reduce_sum(kept) * tf.cast(tf.strings.length(word), tf.float32)
        return tape.gradient(loss, w)

    assert f(tf.constant("ab"), tf.constant([1.0, -1.0, 2.0])).numpy().tolist() == [2, 0, 4]
    assert stages(f) == []


def test_sizes_from_the_host_are_known_to_programs():
    @tf.function
    def f(word, x):
        n = tf.strings.length(word)
        return tf.reduce_sum(x[:n] * tf.ones([n])) + tf.cast(tf.size(tf.range(n)), tf.float32)

    x = tf.constant([1.0, 2.0, 3.0, 4.0])
    for word in ("ab", "ab", "ab", "abc", "abc", "", "abcd", "ab"):
        n = len(word)
        assert f(tf.constant(word), x).numpy() == x.numpy()[:n].sum() + n
    assert stages(f) == FRONT and f.experimental_get_tracing_count() == 1
