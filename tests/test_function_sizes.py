"""Functions of unknown sizes: the Python code runs once, and every shape gets the values that it would compute."""

import threading
import warnings

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from dovetail.function import RetracingWarning

VECTOR = [tf.TensorSpec([None], tf.float32)]
ROWS = [tf.TensorSpec([None, 3], tf.float32)]
LENGTHS = (3, 1, 4, 4, 2, 7, 5, 6, 5)


def vector(n):
    return tf.constant(np.linspace(0.5, 2.0, n), tf.float32)


def traced(function, signature=None, **options):
    shapes = []

    def counting(*args):
        shapes.append([x.shape.as_list() if x.shape.rank is not None else None for x in args])
        return function(*args)

    return tf.function(counting, input_signature=signature, **options), shapes


def mean_and_rest(x):
    centred = x - tf.reduce_mean(x)
    return {"centred": centred, "size": tf.size(x), "list": [tf.shape(x)[0] * 2, x[:1]]}


def padded(x):
    n = tf.shape(x)[0]
    return tf.reshape(tf.concat([x, tf.zeros([n])], 0), [2, n]) + tf.cast(n, tf.float32)


def branches(x):
    if tf.reduce_sum(x) > 4.0:
        y = x * 2.0
    else:
        y = x - 1.0
    return y


def loops(x):
    total, i = tf.constant(0.0), tf.constant(0)
    while i < tf.shape(x)[0]:
        total += x[i] ** 2
        i += 1
    return total


def slopes(x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(x**3)
    return tape.gradient(y, x)


def curvatures(x):
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = tf.reduce_sum(x**3)
        slope = inner.gradient(y, x)
    return outer.gradient(slope, x)


def slope_of_a_loop(x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = loops(x)
    return tape.gradient(y, x)


def jacobians(x):
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = x * tf.reduce_sum(x)
        rows = tf.stack([x, x * x], axis=1)
    return tape.jacobian(y, x), tape.jacobian(rows, x)


def paused(x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x * x
        with tape.stop_recording():
            z = y * 10.0
        w = y + z
    return tape.gradient(w, x)


def factors(x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = (x * 2.0, x * x)
    return tape.gradient(y, x, output_gradients=[x, tf.ones_like(x)])


def unconnected(x):
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = tf.round(x) + tf.stop_gradient(x)
        k = tf.cast(tf.argmax(x), tf.float32)
    zeros = tape.gradient(y, x, unconnected_gradients="zero")
    return tape.gradient(k, x) is None, zeros


def tensor_array(x):
    array = tf.TensorArray(tf.float32, size=2)
    array = array.write(0, x).write(1, x * 2.0)
    return array.stack()


def rows_of_an_array(x):
    n = tf.shape(x)[0]
    squares, rows = tf.TensorArray(tf.float32, n), tf.TensorArray(tf.float32, size=n, element_shape=[2])
    given = tf.TensorArray(tf.float32, n).unstack(x)
    for i in tf.range(n - 1, -1, -1):
        squares = squares.write(i, given.read(i) ** 2)
        rows = rows.write(n - 1 - i, [x[i], 1.0])
    return squares.stack(), rows.stack(), rows.size(), rows.concat(), squares.gather([0]), tf.range(n, 0, -1)


def slope_of_an_array(x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(rows_of_an_array(x)[0])
    return tape.gradient(y, x)


def mapped(x):
    return tf.map_fn(lambda row: row * row, x)


@pytest.mark.parametrize(
    "function",
    [
        mean_and_rest,
        padded,
        branches,
        loops,
        slopes,
        curvatures,
        slope_of_a_loop,
        jacobians,
        paused,
        factors,
        unconnected,
        tensor_array,
        rows_of_an_array,
        slope_of_an_array,
        mapped,
    ],
)
def test_every_length_gets_the_values_of_its_own_trace(function):
    wide, shapes = traced(function, VECTOR)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        results = [wide(vector(n)) for n in LENGTHS]
    assert shapes == [[[None]]]
    for n, result in zip(LENGTHS, results, strict=True):
        expected = tf.function(function)(vector(n))
        tf.nest.assert_same_structure(result, expected)
        for one, other in zip(tf.nest.flatten(result), tf.nest.flatten(expected), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5)
            assert one.shape == other.shape


def test_a_gradient_through_a_call_from_outside():
    v = tf.Variable(3.0)
    wide, shapes = traced(lambda x: tf.reduce_sum(x * x * v), VECTOR)
    for n in LENGTHS:
        x = vector(n)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = wide(x)
        dx, dv = tape.gradient(y, [x, v])
        np.testing.assert_allclose(dx, 6.0 * x.numpy(), rtol=1e-5)
        np.testing.assert_allclose(dv, (x.numpy() ** 2).sum(), rtol=1e-5)
    assert len(shapes) == 1


def test_one_tensor_passed_twice_is_two_arguments():
    def first_only(a, b):
        with tf.GradientTape() as tape:
            tape.watch(a)
            y = tf.reduce_sum(a * b)
        return tape.gradient(y, a)

    wide, _ = traced(first_only, VECTOR * 2)
    for n in LENGTHS:
        x = vector(n)
        np.testing.assert_allclose(wide(x, x), x)


def test_variables_are_read_and_written_in_program_order():
    v = tf.Variable(1.0)

    def step(x):
        before = v.read_value()
        v.assign_add(tf.reduce_sum(x))
        middle = v * 1.0
        v.assign(v * 2.0)
        with tf.GradientTape() as tape:
            v.assign(v + 1.0)
            y = v * v
        return before, middle, tape.gradient(y, v), v + 0.0

    wide, shapes = traced(step, VECTOR)
    state = 1.0
    for n in LENGTHS:
        x = vector(n)
        total = float(tf.reduce_sum(x))
        expected = [state, state + total, 2 * (2 * (state + total) + 1), 2 * (state + total) + 1]
        np.testing.assert_allclose([float(t) for t in wide(x)], expected, rtol=1e-5)
        state = expected[3]
        np.testing.assert_allclose(v.numpy(), state, rtol=1e-5)
        v.assign(state := state % 3.0)
    assert len(shapes) == 1


def make_step(signature):
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.layers.Dense(8, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(1, kernel_regularizer="l2", activity_regularizer="l2"),
        ]
    )
    model.build((None, 3))
    rate = keras.optimizers.schedules.ExponentialDecay(0.01, 2, 0.5)
    optimizer, metric = keras.optimizers.Adam(rate), keras.metrics.MeanSquaredError()
    unused = tf.Variable(1.0)

    def step(x, y):
        with tf.GradientTape() as tape:
            predicted = model(x, training=True)
            loss = keras.losses.MeanSquaredError()(y, predicted) + tf.add_n(model.losses)
        gradients = tape.gradient(loss, [*model.trainable_variables, unused])
        assert gradients[-1] is None
        gradients, _ = tf.clip_by_global_norm(gradients[:-1], 1.0)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))
        metric.update_state(y, predicted)
        return loss + optimizer.learning_rate

    return traced(step, signature), [*model.variables, *optimizer.variables, *metric.variables]


def test_a_training_step_with_a_signature_is_the_step_without():
    rng = np.random.default_rng(0)
    batches = [(rng.normal(size=(n, 3)), rng.normal(size=(n, 1))) for n in (4, 4, 7, 2, 9, 4, 5, 4)]
    batches = [tuple(tf.constant(a, tf.float32) for a in batch) for batch in batches]
    (wide, shapes), state = make_step([*ROWS, tf.TensorSpec([None, 1], tf.float32)])
    losses = [float(wide(*batch)) for batch in batches]
    (exact, _), other_state = make_step(None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RetracingWarning)
        expected = [float(exact(*batch)) for batch in batches]
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    for one, other in zip(state, other_state, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    assert shapes == [[[None, 3], [None, 1]]]


def test_gradients_of_rows_stay_rows():
    table = tf.Variable(tf.ones([50, 4]))
    optimizer = keras.optimizers.SGD(1.0)

    def step(ids):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.gather(table, ids) ** 2)
        gradient = tape.gradient(loss, table)
        optimizer.apply_gradients([(gradient, table)])
        return gradient * 2.0

    wide, shapes = traced(step, [tf.TensorSpec([None], tf.int32)])
    for ids in ([1, 2], [3], [7, 8, 7], [1, 1, 1, 1], [0, 5, 6, 7, 8], [9] * 6):
        table.assign(tf.ones([50, 4]))
        expected = np.zeros((50, 4), "float32")
        np.add.at(expected, ids, 2.0)
        np.testing.assert_allclose(tf.convert_to_tensor(wide(tf.constant(ids))), 2 * expected)
        np.testing.assert_allclose(table, 1 - expected)
    assert len(shapes) == 1


def test_random_numbers_are_new_in_each_call_and_repeat_with_the_seed():
    wide, _ = traced(lambda x: (tf.random.uniform(tf.shape(x)), tf.random.normal([2])), VECTOR)

    def draws():
        tf.random.set_seed(5)
        return [[t.numpy() for t in wide(vector(n))] for n in LENGTHS]

    first, again = draws(), draws()
    fixed = [pair[1].tobytes() for pair in first]
    assert len(set(fixed)) == len(fixed)
    for one, other in zip(first, again, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6)  # compiled the second time


def test_effects_happen_in_every_call(capfd):
    calls = []

    def effects(x):
        tf.print("at", tf.shape(x)[0])
        tf.print("constant")
        tf.debugging.assert_less(tf.reduce_sum(x), 100.0, message="too large")
        return tf.py_function(lambda t: calls.append(len(t)) or t * 2, [x], tf.float32)

    wide, shapes = traced(effects, VECTOR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RetracingWarning)
        for n in (2, 3, 2):
            np.testing.assert_array_equal(wide(vector(n)), vector(n) * 2)
        with pytest.raises(tf.errors.InvalidArgumentError, match="too large"):
            wide(tf.fill([4], 50.0))
        assert wide(vector(2)).shape == (2,)
    assert calls == [2, 3, 2, 2] and len(shapes) == 1
    text = "".join(capfd.readouterr())
    assert text.count("constant") == 5 and text.count("at 2") == 3


def test_a_failing_call_leaves_no_tape_open():
    def checked(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            tf.debugging.assert_positive(x)
            y = tf.reduce_sum(x * x)
        return tape.gradient(y, x)

    wide, _ = traced(checked, VECTOR)
    for n in LENGTHS:
        with pytest.raises(tf.errors.InvalidArgumentError):
            wide(-vector(n))
        np.testing.assert_allclose(wide(vector(n)), 2 * vector(n), rtol=1e-6)
    from dovetail.base.settings import state

    assert state.tapes == ()


@pytest.mark.parametrize(
    "needs",
    [
        lambda x: x * (x.shape[0] * 2.0),
        lambda x: tf.add_n([x[i] for i in range(len(x))]) + x,
        lambda x: tf.constant(np.zeros(x.shape, "float32")) + x,
    ],
)
def test_code_that_needs_a_size_is_traced_for_each_shape_with_one_warning(needs):
    wide, shapes = traced(needs, VECTOR)
    with pytest.warns(RetracingWarning, match="unknown sizes") as told:
        results = [wide(vector(n)) for n in (2, 3, 2, 4)]
    assert len(told) == 1
    for n, result in zip((2, 3, 2, 4), results, strict=True):
        np.testing.assert_allclose(result, needs(vector(n)), rtol=1e-6)
    assert [shape for (shape,) in shapes if None not in shape] == [[2], [3], [4]]


def test_a_constant_that_a_tape_watches_is_not_forgotten():
    c = tf.constant(3.0)

    def by_a_constant(x):
        with tf.GradientTape() as tape:
            tape.watch(c)
            y = tf.reduce_sum(x) * c * c
        return tape.gradient(y, c)

    wide, _ = traced(by_a_constant, VECTOR)
    with pytest.warns(RetracingWarning, match="unknown sizes"):
        results = [float(wide(tf.ones([n]))) for n in (1, 2)]
    assert results == [6.0, 12.0]


def test_errors_of_the_python_code_come_out_as_themselves():
    class Refused(ValueError):
        pass

    def picky(x, y):
        if y.shape.rank == 1:
            raise Refused("of rank 1")
        return x

    with pytest.raises(Refused, match="of rank 1"):
        tf.function(picky, input_signature=VECTOR * 2)(vector(2), vector(2))
    wrong = tf.function(lambda x: tf.matmul(x, x), input_signature=VECTOR)
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError)), warnings.catch_warnings():
        warnings.simplefilter("error")
        wrong(vector(2))


def test_variables_are_created_once():
    class Scale:
        def __init__(self):
            self.v = None

        @tf.function(input_signature=VECTOR)
        def __call__(self, x):
            if self.v is None:
                self.v = tf.Variable(2.0)
            return x * self.v

    scale = Scale()
    for n in LENGTHS:
        np.testing.assert_allclose(scale(vector(n)), 2 * vector(n))
    scale.v.assign(3.0)
    np.testing.assert_allclose(scale(vector(2)), 3 * vector(2))
    always = tf.function(lambda x: tf.Variable(1.0) + x, input_signature=VECTOR)
    with pytest.raises(ValueError, match="variable|Variable"):
        always(vector(2))


def test_shapes_that_depend_on_values_run_op_by_op():
    wide, shapes = traced(lambda x: (tf.boolean_mask(x, x > 1.0), tf.unique(x)[0]), VECTOR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RetracingWarning)
        for n in LENGTHS:
            kept, _ = wide(vector(n))
            np.testing.assert_array_equal(kept, vector(n).numpy()[vector(n).numpy() > 1.0])
    assert len(shapes) == 1


def test_strings_of_any_number():
    wide, shapes = traced(lambda s: tf.strings.length(s), [tf.TensorSpec([None], tf.string)])
    for words in (["a"], ["bc", "def"], []):
        np.testing.assert_array_equal(wide(tf.constant(words, tf.string)), [len(w) for w in words])
    assert len(shapes) == 1


def test_an_unknown_rank():
    wide, shapes = traced(
        lambda x: (tf.rank(x), tf.reduce_sum(x), x * 2.0), [tf.TensorSpec(None, tf.float32)]
    )
    for shape in ((), (2,), (1, 3), (2, 1, 2)):
        rank, total, double = wide(tf.ones(shape))
        assert int(rank) == len(shape) and float(total) == np.prod(shape) and double.shape == shape
    assert shapes == [[None]]


def test_reduced_retracing_is_wider_with_each_new_shape():
    wide, shapes = traced(lambda x: tf.reduce_sum(x), reduce_retracing=True)
    for shape in ((1, 2), (2, 2), (5, 2), (5, 3), (7, 9), (1, 2), (4,), (2, 2, 2)):
        assert float(wide(tf.ones(shape))) == np.prod(shape)
    assert shapes == [[[1, 2]], [[None, 2]], [[None, None]], [None]]


def test_mixed_precision_and_a_model_of_its_own():
    class Twice(keras.Model):
        def __init__(self):
            super().__init__(dtype="mixed_float16")
            self.dense = keras.layers.Dense(3, dtype="mixed_float16")

        def call(self, x, training=False):
            x = self.dense(x)
            return tf.cast(x if training else x * 2, tf.float32)

    model = Twice()
    model(tf.ones([1, 3]))

    def step(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(x, training=True) ** 2)
        return loss, tape.gradient(loss, model.trainable_variables), model(x)

    wide, shapes = traced(step, ROWS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for n in (1, 2, 3, 5, 4, 6):
            x = tf.constant(np.linspace(-1, 1, 3 * n).reshape(n, 3), tf.float32)
            found = tf.nest.flatten(wide(x))
            for one, other in zip(found, tf.nest.flatten(step(x)), strict=True):
                assert one.dtype == other.dtype
                np.testing.assert_allclose(one, other, rtol=2e-2, atol=1e-3)
    assert len(shapes) == 1


def test_threads_share_a_recorded_function():
    v = tf.Variable(2.0)

    def slope(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.reduce_sum(x**2) * v
        return tape.gradient(y, [x, v])

    wide, shapes = traced(slope, VECTOR)
    wide(vector(2))
    faults = []

    def work(first):
        try:
            for n in range(first, first + 12):
                x = vector(n)
                dx, dv = wide(x)
                np.testing.assert_allclose(dx, 4 * x.numpy(), rtol=1e-5)
                np.testing.assert_allclose(dv, (x.numpy() ** 2).sum(), rtol=1e-5)
        except (AssertionError, ValueError, TypeError, AttributeError) as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(first,)) for first in (2, 3, 2, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults and len(shapes) == 1


# ---- concrete functions


def test_the_same_signature_gives_the_same_concrete_function():
    wide, shapes = traced(lambda x: x * 2.0)
    general = wide.get_concrete_function(tf.TensorSpec([None], tf.float32))
    assert wide.get_concrete_function(tf.TensorSpec([None], tf.float32)) is general
    assert wide.get_concrete_function(tf.TensorSpec([3], tf.float32)) is general
    assert wide.get_concrete_function(vector(3)) is general
    assert wide(vector(9)).shape == (9,) and shapes == [[[None]]]
    matrix = wide.get_concrete_function(tf.TensorSpec([2, 2], tf.float32))
    assert matrix is not general and wide.get_concrete_function(tf.ones([2, 2])) is matrix
    assert wide.experimental_get_tracing_count() == 2


def test_a_concrete_function_takes_its_arguments_in_every_form():
    @tf.function
    def line(d, k, x, flag=True):
        return d["a"] * k + x if flag else x

    spec = tf.TensorSpec([None], tf.float32)
    concrete = line.get_concrete_function({"a": spec}, 3.0, tf.TensorSpec([], tf.float32, name="offset"))
    a, x = vector(2), tf.constant(1.0)
    expected = a * 3.0 + 1.0
    for result in (
        concrete({"a": a}, 3.0, x),
        concrete({"a": a}, x=x),
        concrete(d={"a": a}, x=x, flag=True),
        concrete(a, x),
        concrete(a, offset=x),
        concrete({"a": a.numpy()}, x=1.0),
    ):
        np.testing.assert_allclose(result, expected)
    for args, kwargs in (
        (({"a": a}, 4.0, x), {}),
        (({"a": a},), {}),
        ((a,), {}),
        (({"a": a}, 3.0, x, True, x), {}),
        (({"b": a}, 3.0, x), {}),
        (({"a": a}, 3.0, x), {"other": x}),
        ((tf.constant([1, 2]), x), {}),
        ((tf.ones([1, 1]), x), {}),
    ):
        with pytest.raises((TypeError, ValueError)):
            concrete(*args, **kwargs)


def test_a_concrete_function_has_a_graph():
    w = tf.Variable(tf.ones([3, 2]))

    @tf.function
    def layer(x):
        return tf.nn.relu(tf.matmul(x, w))

    for rows in (4, None):
        spec = tf.TensorSpec([rows, 3], tf.float32, name="x")
        concrete = layer.get_concrete_function(spec)
        assert isinstance(concrete.graph, tf.Graph)
        kinds = [op.type for op in concrete.graph.get_operations()]
        assert (
            kinds[0] == "Placeholder" and "MatMul" in kinds and "ReadVariableOp" in kinds and "Relu" in kinds
        )
        names = [op.name for op in concrete.graph.get_operations()]
        assert len(set(names)) == len(names) and names[0] == "x"
        assert concrete.graph.get_operation_by_name("MatMul").type == "MatMul"
        assert concrete.graph.get_tensor_by_name("x:0").shape.as_list() == spec.shape.as_list()
        assert concrete.structured_outputs.shape.as_list() == [spec.shape[0], 2]
        assert [v is w for v in concrete.variables] == [True]
    assert layer.experimental_get_tracing_count() == 2
    assert isinstance(tf.Graph(), tf.Graph)


def test_signatures_of_nested_values():
    signature = [{"a": tf.TensorSpec([None], tf.int32), "b": (tf.TensorSpec([], tf.float32),)}]
    wide = tf.function(
        lambda d: tf.cast(tf.reduce_sum(d["a"]), tf.float32) * d["b"][0], input_signature=signature
    )
    assert float(wide({"a": [1, 2], "b": (2,)})) == 6.0
    assert float(wide({"a": np.array([1, 2, 3], np.int32), "b": [0.5]})) == 3.0
    for wrong in ({"a": [1, 2]}, {"a": [1.5], "b": (2,)}, {"a": [[1]], "b": (2,)}, [1, 2]):
        with pytest.raises(TypeError, match="argument 0"):
            wide(wrong)


# ---- composite tensors leave sizes open


def _sparse(count):
    values = np.arange(1.0, count + 1, dtype=np.float32)
    return tf.SparseTensor(np.repeat(np.arange(count), 2).reshape(-1, 2), values, (3, 4))


def _ragged(lengths):
    return tf.RaggedTensor.from_row_lengths(tf.range(sum(lengths), dtype=tf.float32), lengths)


COMPOSITES = {
    "sparse": (
        lambda x: tf.sparse.sparse_dense_matmul(x, tf.ones((4, 2))),
        [_sparse(n) for n in (1, 2, 3, 3, 0, 2)],
    ),
    "ragged": (
        lambda x: tf.reduce_sum(x * 2.0, axis=1) + 1.0,
        [_ragged(n) for n in ((1, 2), (3, 0), (2, 2), (1, 2), (4, 4))],
    ),
}


@pytest.mark.parametrize("name", COMPOSITES)
def test_values_of_one_spec_share_a_trace_whatever_number_of_values_they_hold(name):
    function, values = COMPOSITES[name]
    runs = []
    compiled = tf.function(lambda x: runs.append(1) or function(x))
    for value in values:
        np.testing.assert_allclose(compiled(value), function(value))
    assert len(runs) == compiled.experimental_get_tracing_count() == 1


def test_other_specs_of_composite_tensors_are_traced_by_themselves():
    compiled = tf.function(lambda x: tf.reduce_sum(x))
    for lengths in ((1, 2), (3, 4), (1, 2, 3), (5, 0, 0)):
        assert float(compiled(_ragged(lengths))) == sum(range(sum(lengths)))
    assert compiled.experimental_get_tracing_count() == 2


def test_code_that_needs_the_number_of_values_is_traced_for_each():
    compiled = tf.function(lambda x: x.values * float(int(x.values.shape[0])))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for count in (1, 2, 1):
            np.testing.assert_allclose(compiled(_sparse(count)), _sparse(count).values * count)


@pytest.mark.parametrize("inputs", [[1], []])
def test_python_functions_run_at_every_call(inputs):
    calls = []

    @tf.function
    def call(x):
        return tf.py_function(lambda *given: calls.append(1) or 2, inputs and [x], tf.int32) + x

    with pytest.warns(Warning, match="op by op"):
        assert [int(call(tf.constant(i))) for i in (1, 2, 3)] == [3, 4, 5]
    assert len(calls) == 3
