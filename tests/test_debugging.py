"""`tf.debugging`: the same checks pass and fail as in TensorFlow, eagerly and compiled, and the errors are readable."""

import numpy as np
import pytest

import dovetail as tf
from tests.support import parity

NAN, INF = float("nan"), float("inf")


def check(call):
    """Return a case of an assertion: True when it passes; what it returns does not matter."""

    def case(module):
        call(module.debugging, module.constant)
        return True

    return case


ASSERTIONS = {
    "equal": lambda D, c: D.assert_equal(c([1, 2]), c([1, 2])),
    "not equal": lambda D, c: D.assert_equal(c([1, 2]), c([1, 3])),
    "equal to a number": lambda D, c: D.assert_equal(c([1, 1]), 1),
    "equal, other shape": lambda D, c: D.assert_equal(c([1, 2]), c([1, 3, 4])),
    "equal, other dtype": lambda D, c: D.assert_equal(c([1, 2]), c([1.0, 2.0])),
    "equal, empty": lambda D, c: D.assert_equal(c([]), c([])),
    "equal strings": lambda D, c: D.assert_equal(c(["a"]), c(["a"])),
    "none equal": lambda D, c: D.assert_none_equal(c([1, 2]), c([2, 1])),
    "one equal": lambda D, c: D.assert_none_equal(c([1, 2]), c([1, 3])),
    "less": lambda D, c: D.assert_less(c([1, 2]), c([2, 3])),
    "not less": lambda D, c: D.assert_less(c([1, 2]), c([1, 3])),
    "less or equal": lambda D, c: D.assert_less_equal(c([1, 2]), c([1, 3])),
    "not less or equal": lambda D, c: D.assert_less_equal(c([1, 9]), c([1, 3])),
    "greater": lambda D, c: D.assert_greater(c([2, 9]), 1),
    "not greater": lambda D, c: D.assert_greater(c([1, 9]), c([1, 3])),
    "greater or equal": lambda D, c: D.assert_greater_equal(c([1, 9]), c([1, 3])),
    "not greater or equal": lambda D, c: D.assert_greater_equal(c([0, 9]), c([1, 3])),
    "positive": lambda D, c: D.assert_positive(c([0.1, 9])),
    "not positive": lambda D, c: D.assert_positive(c([0, 9])),
    "negative": lambda D, c: D.assert_negative(c([-1])),
    "not negative": lambda D, c: D.assert_negative(c([0, 9])),
    "non-negative": lambda D, c: D.assert_non_negative(c([0, 9])),
    "not non-negative": lambda D, c: D.assert_non_negative(c([-1.5, 9])),
    "non-positive": lambda D, c: D.assert_non_positive(c([0, -9])),
    "not non-positive": lambda D, c: D.assert_non_positive(c([-1.5, 9])),
    "nan is not positive": lambda D, c: D.assert_positive(c([NAN])),
    "near": lambda D, c: D.assert_near(c([1.0, 2.0]), c([1.0, 2.0000001])),
    "not near": lambda D, c: D.assert_near(c([1.0, 2.0]), c([1.0, 2.1])),
    "near by tolerance": lambda D, c: D.assert_near(c([1.0, 2.0]), c([1.0, 2.1]), atol=0.2),
    "near integers": lambda D, c: D.assert_near(c([1, 2]), c([1, 2])),
    "rank": lambda D, c: D.assert_rank(c([1.0]), 1),
    "not rank": lambda D, c: D.assert_rank(c([1.0]), 2),
    "rank is a list": lambda D, c: D.assert_rank(c([1.0]), [2]),
    "rank is a fraction": lambda D, c: D.assert_rank(c([1.0]), 1.5),
    "rank at least": lambda D, c: D.assert_rank_at_least(c([[1.0]]), 1),
    "not rank at least": lambda D, c: D.assert_rank_at_least(c([1.0]), 2),
    "rank in": lambda D, c: D.assert_rank_in(c([1.0]), (1, 3)),
    "not rank in": lambda D, c: D.assert_rank_in(c([1.0]), (2, 3)),
    "scalar": lambda D, c: D.assert_scalar(c(1.0)),
    "not scalar": lambda D, c: D.assert_scalar(c([1.0])),
    "type": lambda D, c: D.assert_type(c(1.0), "float32"),
    "not type": lambda D, c: D.assert_type(c(1.0), "int32"),
    "integer": lambda D, c: D.assert_integer(c(1)),
    "not integer": lambda D, c: D.assert_integer(c(1.0)),
    "finite": lambda D, c: D.assert_all_finite(c([1.0]), "x"),
    "not finite": lambda D, c: D.assert_all_finite(c([1.0, NAN]), "x"),
    "check_numerics": lambda D, c: D.check_numerics(c([1.0]), "x"),
    "check_numerics of infinity": lambda D, c: D.check_numerics(c([-INF]), "x"),
    "check_numerics of integers": lambda D, c: D.check_numerics(c([1]), "x"),
    "iterable": lambda D, c: D.assert_proper_iterable([1]),
    "tensor as an iterable": lambda D, c: D.assert_proper_iterable(c([1])),
    "text as an iterable": lambda D, c: D.assert_proper_iterable("ab"),
    "number as an iterable": lambda D, c: D.assert_proper_iterable(5),
    "same float dtype": lambda D, c: D.assert_same_float_dtype([c(1.0), c(2.0)]),
    "no same float dtype": lambda D, c: D.assert_same_float_dtype([c(1.0), c(2)]),
    "same integer dtype": lambda D, c: D.assert_same_float_dtype([c(1)]),
    "same dtype as given": lambda D, c: D.assert_same_float_dtype([c(1.0)], "float64"),
    "Assert": lambda D, c: D.Assert(c(True), ["x"]),
    "Assert fails": lambda D, c: D.Assert(c(False), ["x", c([1, 2, 3, 4, 5])]),
    "Assert of a vector": lambda D, c: D.Assert(c([True, False]), ["x"]),
    "shapes": lambda D, c: D.assert_shapes([(c([[1.0]]), ("N", "Q")), (c([1.0]), ("N",))]),
    "shapes disagree": lambda D, c: D.assert_shapes([(c([[1.0]]), ("N", "N")), (c([1.0, 2.0]), ("N",))]),
    "shapes, number": lambda D, c: D.assert_shapes([(c([[1.0]]), ("N", 3))]),
    "shapes, rank": lambda D, c: D.assert_shapes([(c([[1.0]]), ("N",))]),
    "shapes, leading dots": lambda D, c: D.assert_shapes([(c([[1.0]]), (..., "N"))]),
    "shapes, trailing dots": lambda D, c: D.assert_shapes([(c([[1.0]]), ("N", ...))]),
    "shapes, any": lambda D, c: D.assert_shapes([(c([[1.0]]), (None, 1))]),
    "shapes, text": lambda D, c: D.assert_shapes([(c([[1.0]]), "NQ"), (c([1.0, 2.0]), "N")]),
    "shapes, scalar": lambda D, c: D.assert_shapes([(c(1.0), ()), (c(1.0), ("N",))]),
    "is_numeric_tensor": lambda D, c: [][D.is_numeric_tensor(c("a"))],
}


@pytest.mark.parametrize("name", ASSERTIONS)
def test_like_tensorflow(name):
    parity.check(check(ASSERTIONS[name]))


VALUE_CHECKS = [name for name in ASSERTIONS if "equal" in name or "less" in name or "greater" in name]


@pytest.mark.parametrize(
    "name", ["positive", "not positive", "near", "not near", "finite", "not finite", *VALUE_CHECKS]
)
def test_compiled_checks_agree_with_eager_ones(name):
    """The same assertion inside tf.function, on tensors whose values come with the call."""
    if "strings" in name:
        pytest.skip("XLA has no strings")
    call, given = ASSERTIONS[name], []

    def collect(value, dtype=None):
        given.append(tf.constant(value))
        return given[-1]

    def run(take):
        try:
            take()
        except (tf.errors.InvalidArgumentError, ValueError) as error:
            return type(error)
        return None

    eager = run(lambda: call(tf.debugging, collect))

    @tf.function
    def compiled(*tensors):
        rest = iter(tensors)
        call(tf.debugging, lambda *_: next(rest))
        return tensors[0]

    assert run(lambda: compiled(*given)) is eager


def test_the_message_shows_the_elements_the_user_s_text_and_the_line():
    with pytest.raises(tf.errors.InvalidArgumentError) as raised:
        tf.debugging.assert_equal(
            tf.constant([1, 2, 5, 6, 7]), tf.constant([1, 3, 4, 4, 4]), message="ids", summarize=2
        )
    lines = str(raised.value).split("\n")
    assert lines[0] == "ids"
    assert lines[1] == "Condition x == y did not hold for 4 of 5 elements:"
    assert lines[2:5] == ["  at [1]: x = 2, y = 3", "  at [2]: x = 5, y = 4", "  ..."]
    assert "test_debugging.py:" in lines[-1]


def test_a_compiled_failure_names_the_line_of_the_assertion_and_loses_no_state():
    total = tf.Variable(0.0)

    @tf.function
    def add(x):
        total.assign_add(x)
        tf.debugging.assert_positive(x, message="amount")
        return total.read_value()

    assert float(add(tf.constant(1.0))) == 1.0
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"amount\n.*x = -2.0 .*test_debugging.py:"):
        add(tf.constant(-2.0))
    assert float(total) == 1.0
    assert float(add(tf.constant(2.0))) == 3.0


def test_a_check_in_a_branch_counts_only_when_the_branch_runs():
    @tf.function
    def run(x):
        def checked():
            tf.debugging.assert_less(x, 10.0)
            return x

        return tf.cond(x > 0, checked, lambda: -x)

    assert float(run(tf.constant(-50.0))) == 50.0
    with pytest.raises(tf.errors.InvalidArgumentError):
        run(tf.constant(50.0))


def test_a_check_in_a_loop_stops_at_the_first_failure():
    @tf.function
    def run(n):
        def body(i):
            tf.debugging.assert_less(i, 3, message="too far")
            return i + 1

        return tf.while_loop(lambda i: i < n, body, [0])

    run(tf.constant(3))
    with pytest.raises(tf.errors.InvalidArgumentError, match="x = 3, y = 3"):
        run(tf.constant(6))


def test_checks_under_a_tape():
    x = tf.Variable(-1.0)

    @tf.function
    def f(x):
        tf.debugging.assert_positive(x)
        return x * x

    with pytest.raises(tf.errors.InvalidArgumentError), tf.GradientTape():
        f(x)


def test_static_checks_while_tracing():
    @tf.function
    def f(x):
        tf.debugging.assert_rank(x, 2, message="images")
        return x

    with pytest.raises(ValueError, match="images\nTensor must have rank 2"):
        f(tf.constant([1.0]))


def test_symbolic_tensors_are_checked_by_shape():
    x = tf.keras.Input((3,))
    tf.debugging.assert_rank(x, 2)
    tf.debugging.assert_shapes([(x, ("batch", 3))])
    tf.debugging.assert_positive(x)
    assert tf.debugging.check_numerics(x, "x") is x
    with pytest.raises(ValueError, match="rank 3"):
        tf.debugging.assert_rank(x, 3)
    with pytest.raises(ValueError, match="size 4"):
        tf.debugging.assert_shapes([(x, (None, 4))])


def test_check_numerics_returns_its_input_and_passes_gradients():
    x = tf.Variable([1.0, 2.0])
    with tf.GradientTape() as tape:
        y = tf.debugging.check_numerics(x * 2.0, "doubled")
    np.testing.assert_array_equal(tape.gradient(y, x), [2.0, 2.0])


@pytest.fixture
def numerics():
    tf.debugging.enable_check_numerics()
    yield
    tf.debugging.disable_check_numerics()


def test_enable_check_numerics_names_the_op(numerics):
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"log: infinity or NaN.*1 NaN, 1 -Inf.*test_debugging.py:"
    ):
        tf.math.log(tf.constant([0.0, -1.0]))

    @tf.function
    def safe_looking(x):
        return tf.reduce_sum(tf.where(x > 0, tf.math.log(x), tf.zeros_like(x)))

    with pytest.raises(tf.errors.InvalidArgumentError, match="log: infinity"):
        safe_looking(tf.constant([0.0, 1.0]))


def test_enable_check_numerics_looks_at_gradients(numerics):
    x = tf.Variable(0.0)
    with tf.GradientTape() as tape:
        y = tf.sqrt(x)
    with pytest.raises(tf.errors.InvalidArgumentError, match="infinity or NaN"):
        tape.gradient(y, x)


def test_disable_check_numerics():
    tf.debugging.enable_check_numerics()
    tf.debugging.disable_check_numerics()
    assert np.isnan(tf.math.log(tf.constant(-1.0)))


def test_log_device_placement(capsys):
    tf.debugging.set_log_device_placement(True)
    try:
        assert tf.debugging.get_log_device_placement()
        tf.constant(1.0) + tf.constant(2.0)
    finally:
        tf.debugging.set_log_device_placement(False)
    assert "Executing op add in device" in capsys.readouterr().err
    assert not tf.debugging.get_log_device_placement()


def test_traceback_filtering_can_be_switched():
    tf.debugging.disable_traceback_filtering()
    assert not tf.debugging.is_traceback_filtering_enabled()
    with pytest.raises(ValueError, match="reshape") as raised:
        tf.reshape(tf.ones(3), (2, 2))
    assert raised.value.__cause__ is not None
    tf.debugging.enable_traceback_filtering()
    assert tf.debugging.is_traceback_filtering_enabled()


def test_names_at_the_top():
    for name in ("assert_equal", "assert_greater", "assert_less", "assert_rank", "Assert"):
        assert getattr(tf, name) is getattr(tf.debugging, name)
