"""The dispatch table: users' rows by annotation, by signature and for families of element-wise functions."""

import inspect
import typing

import pytest

import dovetail as tf
from dovetail.ops import dispatch, ragged, sparse

assert ragged and sparse  # their rows are in the table now


class Money(tf.experimental.ExtensionType):
    amount: tf.Tensor
    currency: str


@pytest.fixture
def rows():
    owners = []

    def register(decorator, function):
        owners.append(decorator(function))
        return function

    yield register
    for owner in owners:
        tf.experimental.unregister_dispatch_for(owner)


def test_a_row_by_annotation_takes_lists_and_names(rows):
    def concat(values: typing.List[Money], axis, name="concat"):  # noqa: UP006
        return Money(tf.concat([v.amount for v in values], axis), values[0].currency)

    rows(tf.experimental.dispatch_for_api(tf.concat), concat)
    a = Money([1.0], "EUR")
    assert tf.concat([a, a], 0).amount.numpy().tolist() == [1.0, 1.0]
    assert tf.concat(values=[a, a], axis=0).currency == "EUR"
    assert tf.concat([[1], [2]], 0).numpy().tolist() == [1, 2]


def test_a_row_by_signature_serves_all_names_of_an_op(rows):
    def total(input_tensor, axis=None, keepdims=False, name=None):
        return Money(tf.reduce_sum(input_tensor.amount, axis, keepdims), input_tensor.currency)

    rows(tf.experimental.dispatch_for_api(tf.reduce_sum, {"input_tensor": Money}), total)
    money = Money([[1.0, 2.0]], "EUR")
    assert tf.reduce_sum(money, axis=1, keepdims=True).amount.numpy().tolist() == [[3.0]]
    assert tf.keras.backend.sum(money).amount.numpy() == 3.0


def test_families_reach_ops_functions_and_operators(rows):
    rows(
        tf.experimental.dispatch_for_unary_elementwise_apis(Money),
        lambda api, x: Money(api(x.amount), x.currency),
    )
    rows(
        tf.experimental.dispatch_for_binary_elementwise_apis(Money, Money | tf.Tensor | float),
        lambda api, x, y: Money(api(x.amount, getattr(y, "amount", y)), x.currency),
    )
    m = Money([1.0, -2.0], "EUR")
    assert tf.abs(m).amount.numpy().tolist() == [1.0, 2.0]
    assert (
        tf.cast(m, tf.int32).amount.dtype == tf.int32 and tf.nn.leaky_relu(m, 0.5).amount.numpy()[1] == -1.0
    )
    assert tf.clip_by_value(m, -1.0, 0.5).amount.numpy().tolist() == [0.5, -1.0]
    assert tf.add(m, m).amount.numpy().tolist() == [2.0, -4.0]
    assert tf.multiply(x=m, y=2.0).amount.numpy().tolist() == [2.0, -4.0]
    assert tf.function(lambda x: tf.square(x))(m).amount.numpy().tolist() == [1.0, 4.0]


def test_a_function_s_own_row_goes_before_a_family_s(rows):
    def absolute(x: Money, name=None):
        return "own"

    rows(tf.experimental.dispatch_for_unary_elementwise_apis(Money), lambda api, x: "family")
    rows(tf.experimental.dispatch_for_api(tf.abs), absolute)
    assert tf.abs(Money(1.0, "EUR")) == "own" and tf.negative(Money(1.0, "EUR")) == "family"


def test_assertions_are_a_family(rows):
    seen = []
    rows(
        tf.experimental.dispatch_for_binary_elementwise_assert_apis(Money, Money),
        lambda api, x, y: seen.append(api(x.amount, y.amount)),
    )
    tf.debugging.assert_equal(Money([1.0], "EUR"), Money([1.0], "EUR"))
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.debugging.assert_less(Money([1.0], "EUR"), Money([1.0], "EUR"), message="too much")
    assert seen == [None]


def test_every_name_of_a_family_is_one_of_the_table():
    known = {entry.name for entry in dispatch.TABLE if entry.family}
    missing = [
        name
        for name in dispatch._FAMILY_OF
        if (api := _public(name)) is not None and dispatch.entry_of(api).family is None
    ]
    assert not missing
    assert {"tf.strings.lower", "tf.cast", "tf.debugging.assert_near"} <= known


def _public(name):
    found = tf
    for part in name.split(".")[1:]:
        found = getattr(found, part, None)
    return found


def test_errors():
    with pytest.raises(ValueError, match="was not registered"):
        tf.experimental.unregister_dispatch_for(len)
    with pytest.raises(ValueError, match="no function of tf"):
        tf.experimental.dispatch_for_api(len)
    with pytest.raises(ValueError, match="annotate at least one parameter"):
        tf.experimental.dispatch_for_api(tf.abs)(lambda x, name=None: x)
    with pytest.raises(ValueError, match="its parameters must be those of"):
        tf.experimental.dispatch_for_api(tf.abs, {"x": Money})(lambda x, other: x)
    with pytest.raises(ValueError, match="no parameter 'y'"):
        tf.experimental.dispatch_for_api(tf.abs, {"y": Money})(lambda x, name=None: x)
    with pytest.raises(ValueError, match=r"expected the parameters \(api, x\)"):
        tf.experimental.dispatch_for_unary_elementwise_apis(Money)(lambda x: x)
    with pytest.raises((TypeError, ValueError), match="Money"):
        tf.linalg.det(Money([[1.0]], "EUR"))


def test_two_rows_of_users_that_fit_are_an_error(rows):
    def one(x: Money, name=None):
        return 1

    def two(x: Money | str, name=None):
        return 2

    rows(tf.experimental.dispatch_for_api(tf.abs), one)
    rows(tf.experimental.dispatch_for_api(tf.abs), two)
    with pytest.raises(ValueError, match="one, two|two, one"):
        tf.abs(Money(1.0, "EUR"))


def test_rows_of_our_own_take_every_argument_that_the_function_takes():
    checked = 0
    for entry in dispatch.TABLE:
        for row in entry.rows:
            if row.family is not None or row.users:
                continue
            parameters = inspect.signature(row.function).parameters
            passes_on = any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters.values())
            if passes_on and entry.op:  # an op has looked at the names already
                continue
            assert not passes_on, f"{entry.name}: {row.function.__qualname__} takes anything"
            missing = set(entry.parameters) - set(parameters) - {"name"}
            assert not missing, f"{entry.name}: {row.function.__qualname__} does not take {missing}"
            checked += 1
    assert checked > 30


def test_a_row_refuses_what_it_cannot_do():
    rt = tf.ragged.constant([[1, 2], [], [3]])
    assert tf.one_hot(rt, 3, 2, 0, -1).to_list() == [[[0, 2, 0], [0, 0, 2]], [], [[0, 0, 0]]]
    with pytest.raises(ValueError, match="only the last axis"):
        tf.one_hot(rt, 3, 2, 0, 0)
    with pytest.raises(ValueError, match="rows of numbers"):
        tf.math.bincount(tf.ragged.stack([rt, rt]), None, None, None, tf.int32, None, -1)
    with pytest.raises(ValueError, match="bad_indices_policy"):
        tf.gather_nd(rt, [[0]], bad_indices_policy="IGNORE")
    with pytest.raises(TypeError, match="foo"):
        tf.concat(values=[rt], axis=0, foo=1)


def test_conversion_is_dispatched_where_users_ask_for_it(rows):
    def convert(value, dtype=None, dtype_hint=None, name=None):
        return tf.convert_to_tensor(value.amount, dtype)

    rows(tf.experimental.dispatch_for_api(tf.convert_to_tensor, {"value": Money}), convert)
    assert tf.convert_to_tensor(Money([1.0], "EUR"), dtype=tf.float32).numpy().tolist() == [1.0]
    assert tf.convert_to_tensor([2.0], dtype_hint=tf.int32).dtype == tf.float32
    with pytest.raises((TypeError, ValueError), match="Money"):  # ops do not look there, as in TensorFlow
        tf.add(Money([1.0], "EUR"), 1.0)


def test_all_assertions_are_dispatched(rows):
    def assert_positive(x: Money, message=None, summarize=None, name=None):
        tf.debugging.assert_positive(x.amount, message)

    rows(tf.experimental.dispatch_for_api(tf.debugging.assert_positive), assert_positive)
    tf.debugging.assert_positive(Money([1.0], "EUR"))
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.debugging.assert_positive(Money([-1.0], "EUR"))
    for name in ("Assert", "assert_rank", "assert_type", "assert_shapes", "assert_all_finite"):
        assert dispatch.entry_of(getattr(tf.debugging, name)).name == f"tf.debugging.{name}"


def test_a_users_row_for_a_family_goes_before_our_own(rows):
    rows(
        tf.experimental.dispatch_for_unary_elementwise_apis(Money),
        lambda api, x: Money(api(x.amount), x.currency + "!"),
    )
    assert tf.identity(Money([1.0], "EUR")).currency == "EUR!"
