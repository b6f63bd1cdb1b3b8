"""`tf.function` and compiled control flow: parity with TensorFlow, and what is Dovetail's own."""

import copy
import functools
import gc
import importlib
import inspect
import threading
import weakref

import numpy as np
import pytest

import dovetail as tf
from dovetail.function import RetracingWarning
from dovetail.function.frequency import CALLS_THAT_MAKE_A_SHAPE_FREQUENT
from tests import cases_function
from tests.support import parity

CASES = [value for name, value in vars(cases_function).items() if inspect.isfunction(value)]
# Cases in which Dovetail warns that the function runs op by op.
OP_BY_OP = {"boolean_mask", "unique", "where_indices", "cond_shapes_differ", "py_function", "numpy_function"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_same_as_tensorflow(case):
    parity.check(case)


@pytest.mark.parametrize("name", sorted(OP_BY_OP))
def test_what_cannot_be_compiled_runs_op_by_op_with_one_warning(name):
    case = getattr(cases_function, name)
    with pytest.warns(RetracingWarning, match="op by op") as caught:
        case(tf)
    assert len(caught) == 1
    assert "cases_function.py:" in str(caught[0].message)


def counted(**options):
    """Return a compiled function and the list that grows with each trace of it."""
    traces = []

    @tf.function(**options)
    def double(x, scale=2.0):
        traces.append(tuple(getattr(x, "shape", ())))
        return x * scale

    return double, traces


def test_one_signature_traces_once():
    double, traces = counted()
    for value in range(20):
        double(tf.constant(float(value)))
        double(np.float32(value))
        double(tf.Variable(1.0).value)
    assert len(traces) == 1
    assert double.experimental_get_tracing_count() == 1


def test_equal_calls_share_a_trace_however_they_are_written():
    double, traces = counted()
    x = tf.constant(1.0)
    for call in (
        lambda: double(x),
        lambda: double(x, 2.0),
        lambda: double(x, scale=2.0),
        lambda: double(scale=2.0, x=x),
    ):
        call()
    assert len(traces) == 1


def test_the_retracing_warning_names_the_argument():
    double, _ = counted()
    x = tf.constant(1.0)
    with pytest.warns(RetracingWarning, match="'scale' changed from the Python value .* to the Python value"):
        for value in range(12):
            double(x, float(value))


def test_new_shapes_run_op_by_op_after_a_few():
    double, traces = counted()
    with pytest.warns(RetracingWarning, match="keeps meeting new shapes"):
        for length in range(1, 60):
            np.testing.assert_array_equal(double(tf.ones(length)), np.full(length, 2.0, "float32"))
    compiled = double.experimental_get_tracing_count()
    assert compiled == 4
    for _ in range(CALLS_THAT_MAKE_A_SHAPE_FREQUENT):  # a shape that comes often is compiled after all
        double(tf.ones(1000))
    assert double.experimental_get_tracing_count() == compiled + 1


def test_the_cache_is_bounded(monkeypatch):
    monkeypatch.setattr(importlib.import_module("dovetail.function.function"), "MAX_PROGRAMS", 16)

    @tf.function
    def add(x, n):
        return x + n

    x = tf.constant(1)
    with pytest.warns(RetracingWarning):
        for n in range(16 + 10):
            add(x, n)
    assert len(add._programs) == 16


def test_a_python_if_on_a_tensor_shows_tf_cond():
    @tf.function(autograph=False)
    def absolute(x):
        if x > 0:
            return x
        return -x

    with pytest.raises(tf.errors.OperatorNotAllowedInGraphError, match="tf.cond") as raised:
        absolute(tf.constant(-1.0))
    assert "test_function.py:" in str(raised.value)


def test_a_variable_created_at_each_call_is_refused():
    @tf.function
    def make(x):
        return tf.Variable(1.0) * x

    with pytest.raises(ValueError, match="created on a later call"):
        make(tf.constant(1.0))


def test_a_tensor_that_leaves_its_function_is_named():
    kept = []

    @tf.function
    def leak(x):
        kept.append(x * 2)
        return x

    leak(tf.constant(1.0))
    with pytest.raises(TypeError, match="after the function had returned"):
        kept[0] + 1


def test_an_exception_while_tracing_leaves_the_function_usable():
    broken = [True]

    @tf.function
    def run(x):
        if broken[0]:
            raise RuntimeError("not yet")
        return x + 1

    with pytest.raises(RuntimeError, match="not yet"):
        run(tf.constant(1))
    broken[0] = False
    assert int(run(tf.constant(1))) == 2


def test_instances_are_not_kept_alive():
    class Model:
        @tf.function
        def double(self, x):
            return x * 2

    model = Model()
    model.double(tf.constant(1.0))
    alive = weakref.ref(model)
    del model
    gc.collect()
    assert alive() is None


def test_instances_that_cannot_be_held_weakly():
    class Slotted:
        __slots__ = ("k",)

        @tf.function
        def times(self, x):
            return x * self.k

    slotted = Slotted()
    slotted.k = 2.0
    assert float(slotted.times(tf.constant(3.0))) == 6.0


def test_a_copied_object_has_compiled_methods_of_its_own():
    class Counter(tf.Module):
        def __init__(self):
            super().__init__()
            self.total = tf.Variable(0.0)
            self.step = tf.function(self._step)

        def _step(self, x):
            return self.total.assign_add(x)

    first = Counter()
    first.step(tf.constant(1.0))
    second = copy.deepcopy(first)
    second.step(tf.constant(5.0))
    assert (float(first.total), float(second.total)) == (1.0, 6.0)


def test_partial_functions_have_a_name_for_messages():
    times = tf.function(functools.partial(lambda x, k: x * k, k=3))
    assert int(times(tf.constant(2))) == 6
    assert times.__name__ == "partial"


def test_threads_share_a_function():
    double, _ = counted()
    results = []

    def work(value):
        for _ in range(20):
            results.append(float(double(tf.constant(value))) == 2 * value)

    threads = [threading.Thread(target=work, args=(float(i),)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 80


def test_concrete_function_knows_its_variables_and_outputs():
    v = tf.Variable(2.0)
    frozen = tf.Variable(3.0, trainable=False)

    @tf.function
    def scale(x):
        return {"y": x * v, "z": frozen + 1.0}

    concrete = scale.get_concrete_function(tf.TensorSpec([2], tf.float32))
    assert {variable.ref() for variable in concrete.variables} == {v.ref(), frozen.ref()}
    assert [variable.ref() for variable in concrete.trainable_variables] == [v.ref()]
    assert concrete.structured_outputs["y"].shape == (2,)
    with pytest.raises(ValueError, match="expected"):
        concrete(tf.ones(3))


def test_input_signature_errors_say_what_was_expected():
    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32)])
    def first(x):
        return x[0]

    with pytest.raises(TypeError, match=r"\(None, 3\) float32.*received \(2, 4\) float32"):
        first(tf.ones((2, 4)))
    with pytest.raises(TypeError, match="describes 1 arguments, 2 were given"):
        first(tf.ones((2, 3)), 1)


def test_run_functions_eagerly_can_be_switched_in_between():
    double, traces = counted()
    double(tf.constant(1.0))
    tf.config.run_functions_eagerly(True)
    try:
        double(tf.constant(1.0))
        double(tf.constant(1.0))
    finally:
        tf.config.run_functions_eagerly(False)
    double(tf.constant(1.0))
    assert len(traces) == 3


def test_case_without_a_true_predicate():
    def choose(x):
        return tf.case([(x > 10, lambda: 1), (x > 5, lambda: 2)])

    for run in (choose, tf.function(choose)):
        assert int(run(tf.constant(7))) == 2
        with pytest.raises(tf.errors.InvalidArgumentError, match="no predicate is true"):
            run(tf.constant(1))
    with pytest.raises(tf.errors.InvalidArgumentError, match="more than one"):
        tf.case([(tf.constant(True), lambda: 1), (tf.constant(True), lambda: 2)], exclusive=True)


def test_a_loop_variable_keeps_its_dtype():
    @tf.function
    def run(n):
        return tf.while_loop(lambda x: x < n, lambda x: tf.cast(x, tf.float32) + 1.0, [tf.constant(0)])

    with pytest.raises(
        TypeError, match="loop variable 0 has shape .* int32 before the body and .* float32 after"
    ):
        run(tf.constant(3))


def test_variables_written_in_a_branch_and_a_loop_of_one_function():
    total, count = tf.Variable(0.0), tf.Variable(0)

    @tf.function
    def run(n):
        def body(i):
            tf.cond(i % 2 == 0, lambda: total.assign_add(tf.cast(i, tf.float32)), lambda: total.read_value())
            count.assign_add(1)
            return i + 1

        tf.while_loop(lambda i: i < n, body, [0])
        return total.read_value()

    assert float(run(tf.constant(6))) == 6.0
    assert int(count) == 6


def test_results_that_are_python_values_become_tensors():
    result = tf.function(lambda: (3, 2.5, "text", None, np.arange(2)))()
    assert [getattr(value, "dtype", None) for value in result] == [
        tf.int32,
        tf.float32,
        tf.string,
        None,
        tf.int64,
    ]


def test_a_function_on_the_host_engine_needs_no_xla(monkeypatch):
    from dovetail.base.settings import settings

    double, traces = counted()
    monkeypatch.setattr(settings, "engine", "host")
    assert float(double(tf.constant(2.0))) == 4.0
    assert double.experimental_get_tracing_count() == 0
    monkeypatch.undo()


def test_a_map_over_many_elements_is_a_loop():
    calls = []

    @tf.function
    def f(x):
        def step(row):
            calls.append(1)
            return tf.reduce_sum(row)

        return tf.map_fn(step, x)

    np.testing.assert_array_equal(f(tf.ones([1000, 2])), np.full(1000, 2.0, "float32"))
    assert len(calls) < 5


@pytest.mark.parametrize("reverse", [False, True])
def test_keras_scan_over_many_elements_is_a_loop(reverse):
    calls = []

    def step(carry, x):
        calls.append(1)
        return carry + x, carry * x

    def counting(carry, x):
        return carry * 1.5, None

    @tf.function
    def f(xs):
        return (
            tf.keras.ops.scan(step, tf.constant(0.0), xs, reverse=reverse),
            tf.keras.ops.scan(counting, tf.constant(1.0), length=20, reverse=reverse),
        )

    (last, outputs), (power, nothing) = f(tf.range(50.0))
    assert len(calls) < 5
    eager_last, eager_outputs = tf.keras.ops.scan(step, tf.constant(0.0), tf.range(50.0), reverse=reverse)
    np.testing.assert_allclose(last, eager_last)
    np.testing.assert_allclose(outputs, eager_outputs)
    np.testing.assert_allclose(power, 1.5**20, rtol=1e-5)
    assert nothing is None


@pytest.mark.parametrize(
    "index", [0.5, True, None, "0", tf.constant(1.0), tf.constant(True), np.float64(1.0)]
)
def test_the_index_of_a_switch_is_an_integer(index):
    branches = [lambda: 10, lambda: 20]
    with pytest.raises(TypeError, match=r"branch_index must be an integer.*tf\.cast"):
        tf.switch_case(index, branches)
    if isinstance(index, tf.Tensor):
        with pytest.raises(TypeError, match="branch_index must be an integer"):
            tf.function(lambda i: tf.switch_case(i, branches))(index)
    for right in (1, np.int64(1), tf.constant(1, tf.int64), tf.Variable(1), tf.constant(1, tf.uint8)):
        assert int(tf.switch_case(right, branches)) == 20


@pytest.mark.filterwarnings("ignore:tf.function. .* runs op by op")
@pytest.mark.parametrize("signature", [[tf.TensorSpec([4], tf.float32)], None])
def test_a_concrete_function_of_known_sizes_whose_result_has_none(signature):
    function = tf.function(
        lambda x: (tf.boolean_mask(x, x > 0.0) * 2.0, tf.where(x > 0.0)), input_signature=signature
    )
    concrete = function.get_concrete_function(*([] if signature else [tf.TensorSpec([4], tf.float32)]))
    assert [tuple(spec.shape) for spec in concrete.structured_outputs] == [(None,), (None, 1)]
    for values in ([1.0, -1.0, 2.0, 0.0], [-1.0, -1.0, -1.0, 3.0]):
        for call in (concrete, function):
            found, places = call(tf.constant(values))
            assert found.numpy().tolist() == [2 * value for value in values if value > 0]
            assert places.numpy().ravel().tolist() == [i for i, value in enumerate(values) if value > 0]
