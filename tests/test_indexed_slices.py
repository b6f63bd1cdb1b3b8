"""Gradients that are rows: `tf.IndexedSlices` from look-ups to optimizers."""

import numpy as np
import pytest

import dovetail as tf
from dovetail.keras.optimizers.rows import goes_by_rows
from tests.support import parity

keras = tf.keras
TABLE = np.linspace(-1, 1, 12).astype(np.float32).reshape(4, 3)
IDS = [2, 0, 2]


def _gradient(tf, lookup, at=None):
    table = tf.Variable(TABLE) if at is None else at(TABLE)
    with tf.GradientTape() as tape:
        tape.watch(table)
        loss = tf.reduce_sum(lookup(tf, table) * 3.0)
    gradient = tape.gradient(loss, table)
    if isinstance(gradient, tf.IndexedSlices):
        return "rows", gradient.indices, gradient.values, gradient.dense_shape
    return "dense", gradient


LOOK_UPS = {
    "gather": lambda tf, t: tf.gather(t, IDS),
    "scalar": lambda tf, t: tf.gather(t, 1),
    "matrix of ids": lambda tf, t: tf.gather(t, [[0, 1], [1, 1]]),
    "axis 1": lambda tf, t: tf.gather(t, [0, 1, 1], axis=1),
    "embedding": lambda tf, t: tf.nn.embedding_lookup(t, IDS),
    "gather_nd": lambda tf, t: tf.gather_nd(t, [[0], [2]]),
    "gather_nd of numbers": lambda tf, t: tf.gather_nd(t, [[0, 1], [2, 2]]),
    "identity": lambda tf, t: tf.gather(tf.identity(t), IDS),
    "cast": lambda tf, t: tf.cast(tf.gather(tf.cast(t, tf.float64), IDS), tf.float32),
    "scaled table": lambda tf, t: tf.gather(t * 2.0, IDS),
    "two": lambda tf, t: tf.gather(t, IDS) + tf.gather(t, [1, 1, 1]),
    "two by two": lambda tf, t: tf.gather(t, IDS) * tf.gather(t, [1, 1, 1]),
    "and dense": lambda tf, t: tf.gather(t, IDS) + tf.reduce_sum(t),
    "boolean mask": lambda tf, t: tf.boolean_mask(t, [True, False, True, False]),
    "function": lambda tf, t: tf.function(lambda a: tf.gather(a, IDS) * 2.0)(t),
    "function, two": lambda tf, t: tf.function(lambda a: tf.gather(a, IDS) * tf.gather(a, [0, 1, 1]))(t),
    "function, dense": lambda tf, t: tf.function(lambda a: tf.gather(a, IDS) + tf.reduce_sum(a))(t),
    "function, both": lambda tf, t: tf.function(lambda a: tf.gather(a, IDS))(t) + tf.gather(t, [1, 1, 1]),
}


@pytest.mark.parametrize("lookup", LOOK_UPS.values(), ids=LOOK_UPS)
@pytest.mark.parametrize("kind", ["Variable", "constant"])
def test_same_kind_of_gradient_as_tensorflow(lookup, kind):
    parity.check(lambda tf: _gradient(tf, lookup, getattr(tf, kind)))


def test_function_that_closes_over_the_table():
    table = tf.Variable(TABLE)
    rows = tf.function(lambda ids: tf.gather(table, ids) ** 2)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(rows(tf.constant(IDS)))
    gradient = tape.gradient(loss, table)
    assert isinstance(gradient, tf.IndexedSlices)
    np.testing.assert_array_equal(gradient.indices, IDS)
    np.testing.assert_allclose(gradient.values, 2 * TABLE[IDS], rtol=1e-6)


def test_second_derivative_through_rows():
    table = tf.Variable(TABLE)
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            loss = tf.reduce_sum(tf.gather(table, IDS) ** 3)
        gradient = inner.gradient(loss, table)
    found = tf.convert_to_tensor(outer.gradient(gradient, table))
    expected = np.zeros_like(TABLE)
    np.add.at(expected, IDS, 6 * TABLE[IDS])
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_jacobian_of_a_look_up_is_dense():
    table = tf.Variable(TABLE)
    with tf.GradientTape() as tape:
        y = tf.gather(table, IDS)
    found = tape.jacobian(y, table).numpy().reshape(9, 12)
    np.testing.assert_array_equal(found.sum(0), [1, 1, 1, 0, 0, 0, 2, 2, 2, 0, 0, 0])


def clipped(tf):
    rows = tf.IndexedSlices(tf.constant([[3.0], [4.0]]), tf.constant([2, 0]), tf.constant([3, 1]))
    scaled, norm = tf.clip_by_global_norm([rows, None, tf.constant([12.0])], 6.5)
    once = tf.clip_by_norm(rows, 1.0)
    return [
        scaled[0].values,
        scaled[1],
        scaled[2],
        norm,
        once.values,
        once.indices,
        tf.linalg.global_norm([rows]),
    ]


def test_clipping_keeps_rows():
    parity.check(clipped)


def _optimizers():
    make = keras.optimizers
    common = [{}, {"weight_decay": 0.1}]
    common += [{"use_ema": True}, {"gradient_accumulation_steps": 2}, {"loss_scale_factor": 4.0}]
    rules = [
        *(
            lambda kind=kind, **k: kind(0.1, **k)
            for kind in (make.SGD, make.Adagrad, make.Adam, make.RMSprop)
        ),
        *(
            lambda kind=kind, **k: kind(0.1, **k)
            for kind in (make.Nadam, make.Adamax, make.Adadelta, make.Ftrl)
        ),
        *(lambda kind=kind, **k: kind(0.1, **k) for kind in (make.Lion, make.Lamb, make.Adafactor)),
        lambda **k: make.SGD(0.1, momentum=0.9, nesterov=True, **k),
        lambda **k: make.LossScaleOptimizer(make.Adagrad(0.1, **k), initial_scale=8.0),
    ]
    return [(rule, {}) for rule in rules] + [(rules[i], options) for i in (0, 1) for options in common[1:]]


# Rules without options once as small arrays; those that go by rows in every way.
_WAYS = [(n, "eager") for n in range(13)] + [(n, how) for n in (0, 1, 2, 12) for how in ("function", "large")]
_WAYS += [(n, "large") for n in range(13, len(_optimizers()))]


@pytest.mark.parametrize(("number", "how"), _WAYS)
def test_optimizers_do_what_they_do_with_the_dense_gradient(number, how):
    rule, options = _optimizers()[number]
    width = 2000 if how == "large" else 3  # large: one compiled call, which takes the variable's memory
    start = np.tile(np.linspace(-1, 1, 4)[:, None], (1, width)).astype(np.float32)
    results = []
    for dense in (True, False):
        table, other, optimizer = tf.Variable(start), tf.Variable([1.0]), rule(**options)
        optimizer.build([table, other])

        def step(ids, values, table=table, other=other, optimizer=optimizer, dense=dense):
            gradient = tf.IndexedSlices(values, ids, tf.constant([4, width]))
            if dense:
                gradient = tf.convert_to_tensor(gradient)
            optimizer.apply_gradients([(gradient, table), (tf.constant([0.5]), other)])

        run = tf.function(step) if how == "function" else step
        for ids in ([2, 0, 2], [1, 1, 1], [3, 2, 0]):
            rows = np.ones((3, width), np.float32) * np.array([[1.0], [-2.0], [0.5]], np.float32)
            run(tf.constant(ids), tf.constant(rows))
        results.append((table.numpy(), other.numpy()))
    for dense, rows in zip(*results, strict=True):
        np.testing.assert_allclose(rows, dense, rtol=2e-5, atol=1e-6)


CLIPS = [{"clipnorm": 1.0}, {"clipvalue": 0.5}, {"clipvalue": 3.5}, {"global_clipnorm": 1.0}]


def _clipped_steps(tf, kind, options):
    table, other = tf.Variable(TABLE), tf.Variable([1.0, 2.0])
    optimizer = kind(learning_rate=0.1, **options)
    values, ids = [[3.0, 4.0, 1.0], [1.0, 2.0, 0.2], [3.0, -4.0, 2.0], [0.5, 0.1, -1.0]], [1, 1, 3, 3]
    for _ in range(2):
        gradient = tf.IndexedSlices(tf.constant(values), tf.constant(ids), tf.constant(TABLE.shape))
        optimizer.apply_gradients([(gradient, table), (tf.constant([0.3, 6.0]), other)])
    return table.numpy(), other.numpy()


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("name", ["SGD", "Adam", "Adagrad"])
def test_rows_of_one_place_are_clipped_one_by_one(name, legacy):
    reference = pytest.importorskip("tensorflow")
    theirs = pytest.importorskip("tf_keras").optimizers
    ours = keras.optimizers
    if legacy:
        theirs, ours = theirs.legacy, ours.legacy
    for options in CLIPS:
        expected = _clipped_steps(reference, getattr(theirs, name), options)
        found = _clipped_steps(tf, getattr(ours, name), options)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, err_msg=str(options))


def test_an_own_rule_with_clipping_gets_rows_each_once():
    seen = []

    class Own(keras.optimizers.Optimizer):
        def update_step(self, gradient, variable, learning_rate):
            seen.append((gradient.indices.numpy().tolist(), gradient.values.numpy().tolist()))

    table = tf.Variable(np.zeros((4, 1), np.float32))
    slices = tf.IndexedSlices([[2.0], [-2.0], [5.0], [5.0]], [1, 1, 3, 3], [4, 1])
    optimizer = Own(learning_rate=0.1, clipvalue=1.0)
    optimizer.build([table])
    optimizer.apply_gradients([(slices, table)])
    assert seen == [([1, 3], [[0.0], [2.0]])]


def test_an_own_rule_gets_the_dense_gradient():
    class Sign(keras.optimizers.SGD):
        def update(self, xp, gradient, value, slots, hyper):
            return value - xp.sign(gradient) - 1, ()

    optimizer, table = Sign(0.1), tf.Variable(TABLE)
    assert not goes_by_rows(optimizer)
    optimizer.apply_gradients([(tf.IndexedSlices([[1.0, 1.0, 1.0]], [1], [4, 3]), table)])
    np.testing.assert_allclose(table.numpy(), TABLE - 1 - np.array([[0], [1], [0], [0]]))


def test_fit_trains_an_embedding_by_rows():
    """Adagrad's first step depends on each row's summed gradient; rows that are not looked up stay."""
    model = keras.Sequential(
        [keras.layers.Embedding(5, 1, embeddings_initializer="zeros"), keras.layers.Flatten()]
    )
    model.compile(keras.optimizers.Adagrad(1.0), loss=lambda y, p: tf.reduce_sum(p, -1))
    model.fit(np.array([[2, 2, 1]]), np.zeros((1, 3)), verbose=0)
    expected = [0, -1 / np.sqrt(1.1), -2 / np.sqrt(4.1), 0, 0]
    np.testing.assert_allclose(model.layers[0].embeddings.numpy()[:, 0], expected, rtol=1e-5)


def test_a_step_reuses_the_memory_of_the_table():
    table = tf.Variable(tf.zeros((3000, 64)))
    optimizer = keras.optimizers.SGD(0.1)
    places = set()
    for _ in range(4):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.gather(table, [1, 7]))
        optimizer.apply_gradients([(tape.gradient(loss, table), table)])
        places.add(np.asarray(table._held._value).__array_interface__["data"][0])
    assert len(places) <= 2  # the first step has the array that the table was made of


def test_rows_of_a_wrong_shape_name_the_variable():
    table = tf.Variable(TABLE, name="table")
    with pytest.raises(ValueError, match="table.*rows|rows of table"):
        keras.optimizers.SGD().apply_gradients([(tf.IndexedSlices([[1.0]], [0], [4, 1]), table)])


def in_and_out_of_a_function(tf):
    table = tf.Variable(TABLE)

    @tf.function
    def gradient():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.gather(table, IDS) ** 2)
        return {"table": tape.gradient(loss, table)}

    @tf.function
    def halved(rows):
        return tf.IndexedSlices(rows.values / 2, rows.indices, rows.dense_shape)

    rows = halved(gradient()["table"])
    return [rows.values, rows.indices, rows.dense_shape]


def spec(tf):
    rows = tf.IndexedSlices(tf.ones((2, 3)), tf.constant([0, 1]), tf.constant([4, 3]))
    found = tf.type_spec_from_value(rows)
    again = tf.nest.flatten(rows, expand_composites=True)
    same = found == tf.IndexedSlicesSpec([4, 3], tf.float32, tf.int32, tf.int32, [2])
    return [same, found.value_type.__name__, again, len(tf.nest.flatten(rows)), repr(found)]


@pytest.mark.parametrize("case", [in_and_out_of_a_function, spec])
def test_composite(case):
    parity.check(case)


def _slices(tf, dense_shape=(4, 3)):
    values = tf.constant(np.arange(9, dtype=np.float32).reshape(3, 3))
    return tf.IndexedSlices(
        values, tf.constant(IDS), None if dense_shape is None else tf.constant(dense_shape)
    )


def _shown(value):
    if hasattr(value, "indices"):
        return ["rows", value.values, value.indices, value.dense_shape]
    return ["dense", value]


ONE_BY_ONE = {
    "clip_by_value": lambda tf, s: tf.clip_by_value(s, 2.0, 5.0),
    "identity": lambda tf, s: tf.identity(s),
    "stop_gradient": lambda tf, s: tf.stop_gradient(s),
    "cast": lambda tf, s: tf.cast(s, tf.float64),
    "scalar_mul": lambda tf, s: tf.math.scalar_mul(2.0, s),
    "negative sign": lambda tf, s: -s,
    "clip_by_norm": lambda tf, s: tf.clip_by_norm(s, 2.0),
    "tuple": lambda tf, s: tf.tuple([s])[0],
    "multiply": lambda tf, s: tf.multiply(s, 2.0),
    "tensor times rows": lambda tf, s: tf.constant(2.0) * s,
    "square": lambda tf, s: tf.square(s),
    "add_n": lambda tf, s: tf.add_n([s, s]),
    "saturate_cast": lambda tf, s: tf.saturate_cast(s, tf.float64),
    "maximum": lambda tf, s: tf.maximum(s, 2.0),
    "reduce_sum": lambda tf, s: tf.reduce_sum(s, 0),
    "in a function": lambda tf, s: tf.function(lambda x: tf.clip_by_value(tf.identity(x), 1.0, 4.0))(s),
}


@pytest.mark.parametrize("case", ONE_BY_ONE.values(), ids=ONE_BY_ONE)
def test_ops_keep_rows_where_tensorflow_does(case):
    parity.check(lambda tf: _shown(case(tf, _slices(tf))))


def test_rows_of_an_unknown_table_are_scaled():
    rows = tf.math.scalar_mul(2.0, _slices(tf, None))
    assert rows.dense_shape is None and rows.values.numpy()[0].tolist() == [0.0, 2.0, 4.0]


def test_operators_scale_rows():
    rows = _slices(tf)
    for scaled, factor in ((rows * 2.0, 2.0), (2 * rows, 2.0), (rows / tf.constant(4.0), 0.25)):
        np.testing.assert_array_equal(scaled.values, rows.values.numpy() * factor)
    dense = rows * tf.ones((4, 3))
    np.testing.assert_array_equal(dense, tf.convert_to_tensor(rows))


def test_which_values_are_tensors():
    parity.check(
        lambda tf: [
            tf.is_tensor(x)
            for x in (_slices(tf), tf.sparse.from_dense([1.0]), tf.ragged.constant([[1]]), tf.constant(1), 1)
        ]
    )


def _at_the_limit(tf):
    table = tf.Variable([[0.0, 1.0], [3.0, 4.0], [0.1, 0.2]])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.nn.embedding_lookup(table, [0, 1, 2], max_norm=1.0))
    clipped = tf.Variable([0.6, 0.8])
    with tf.GradientTape() as other:
        once = tf.reduce_sum(tf.clip_by_norm(clipped, 1.0))
    return [tape.gradient(loss, table).values, other.gradient(once, clipped)]


def test_gradients_of_a_norm_at_its_limit():
    parity.check(_at_the_limit)


# ---- rules that users write ------------------------------------------------------------------------------------------


class _OfOld(keras.optimizers.Optimizer):
    """A rule in the manner of tf.keras before 2.11, whose state moves for the touched rows only."""

    def __init__(self, learning_rate=0.5, name="OfOld", **kwargs):
        super().__init__(name, **kwargs)
        self._set_hyper("learning_rate", learning_rate)
        self.seen = []

    def _create_slots(self, var_list):
        for var in var_list:
            self.add_slot(var, "steps")

    def _resource_apply_dense(self, grad, var, apply_state=None):
        self.seen.append("dense")
        var.assign_sub(grad * self._get_hyper("learning_rate", var.dtype))

    def _resource_apply_sparse(self, grad, var, indices, apply_state=None):
        self.seen.append("sparse")
        rate = next(iter(apply_state.values()))["lr_t"]
        self._resource_scatter_add(self.get_slot(var, "steps"), indices, tf.ones_like(grad))
        self._resource_scatter_add(var, indices, -grad * rate)

    def get_config(self):
        return super().get_config()


@pytest.mark.parametrize("compiled", [False, True])
def test_a_rule_of_old_gets_each_row_once(compiled):
    table, bias, optimizer = tf.Variable(np.zeros((5, 2), np.float32)), tf.Variable([1.0]), _OfOld()

    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.gather(table, [3, 1, 3])) + tf.reduce_sum(bias)
        optimizer.apply_gradients(zip(tape.gradient(loss, [table, bias]), [table, bias], strict=True))

    (tf.function(step) if compiled else step)()
    np.testing.assert_array_equal(table.numpy()[:, 0], [0, -0.5, 0, -1, 0])
    np.testing.assert_array_equal(optimizer.get_slot(table, "steps").numpy()[:, 0], [0, 1, 0, 1, 0])
    assert set(optimizer.seen) == {"sparse", "dense"} and bias.numpy().tolist() == [0.5]


def test_a_rule_of_old_in_compiled_fit():
    model = keras.Sequential(
        [keras.layers.Embedding(4, 1, embeddings_initializer="zeros"), keras.layers.Flatten()]
    )
    optimizer = _OfOld()
    model.compile(optimizer, loss=lambda y, p: tf.reduce_sum(p, -1))
    model.fit(np.array([[2, 2, 1]]), np.zeros((1, 3)), verbose=0)
    assert "sparse" in optimizer.seen
    np.testing.assert_allclose(model.layers[0].embeddings.numpy()[:, 0], [0, -0.5, -1, 0])


def test_a_rule_of_old_that_adds_up_repeated_rows_itself():
    seen = []

    class Own(_OfOld):
        def _resource_apply_sparse_duplicate_indices(self, grad, handle, indices, **kwargs):
            seen.append(indices.numpy().tolist())
            return super()._resource_apply_sparse_duplicate_indices(grad, handle, indices, **kwargs)

    table = tf.Variable(TABLE)
    Own().apply_gradients([(_slices(tf), table)])
    assert seen == [IDS]
    expected = TABLE.copy()
    np.subtract.at(expected, IDS, 0.5 * np.arange(9, dtype=np.float32).reshape(3, 3))
    np.testing.assert_allclose(table.numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("rule", [keras.optimizers.SGD, keras.optimizers.Adagrad, keras.optimizers.Adam])
def test_the_built_in_rule_beneath_a_rule_of_old(rule):
    class Own(rule):
        def _resource_apply_sparse(self, grad, var, indices, apply_state=None):
            return super()._resource_apply_sparse(grad * 2.0, var, indices, apply_state=apply_state)

    tables = []
    for optimizer, gradient in ((Own(0.1), _slices(tf)), (rule(0.1), _slices(tf) * 2.0)):
        tables.append(tf.Variable(TABLE))
        for _ in range(2):
            optimizer.apply_gradients([(gradient, tables[-1])])
    np.testing.assert_allclose(tables[0].numpy(), tables[1].numpy(), rtol=1e-6)


def test_a_dense_rule_of_old_gets_the_dense_gradient():
    class Own(keras.optimizers.Optimizer):
        def _resource_apply_dense(self, grad, var):
            var.assign_sub(tf.sign(grad))

    table = tf.Variable(np.zeros((4, 1), np.float32))
    Own("own").apply_gradients([(tf.IndexedSlices([[2.0], [-2.0], [5.0]], [1, 1, 3], [4, 1]), table)])
    np.testing.assert_array_equal(table.numpy()[:, 0], [0, 0, 0, -1])


@pytest.mark.parametrize("options", [{}, {"weight_decay": 0.1}])
@pytest.mark.parametrize("compiled", [False, True])
def test_update_step_gets_rows_each_once(options, compiled):
    kinds = []

    class Own(keras.optimizers.Optimizer):
        def update_step(self, gradient, variable, learning_rate):
            kinds.append(isinstance(gradient, tf.IndexedSlices))
            if kinds[-1]:
                rows = tf.IndexedSlices(tf.square(gradient.values), gradient.indices)
                variable.scatter_sub(rows)
            else:
                variable.assign_sub(tf.square(gradient))

    results = []
    for gradient in (_slices(tf), tf.convert_to_tensor(_slices(tf))):
        table, optimizer = tf.Variable(TABLE), Own(learning_rate=0.1, **options)
        optimizer.build([table])

        def step(gradient, table=table, optimizer=optimizer):
            optimizer.apply_gradients([(gradient, table)])

        (tf.function(step) if compiled else step)(gradient)
        results.append(table.numpy())
    assert set(kinds) == {True, False}
    np.testing.assert_allclose(*results, rtol=1e-5)


def test_update_step_may_calculate_with_rows_as_with_tensors():
    class Own(keras.optimizers.Optimizer):
        def update_step(self, gradient, variable, learning_rate):
            self.assign_sub(variable, keras.ops.multiply(gradient, keras.ops.cast(learning_rate, "float32")))
            self.assign_sub(variable, gradient * learning_rate)

    table = tf.Variable(TABLE)
    Own(learning_rate=0.5).apply_gradients([(_slices(tf), table)])
    np.testing.assert_allclose(table.numpy(), TABLE - tf.convert_to_tensor(_slices(tf)), rtol=1e-6)


# ---- which ops are look-ups, in compiled code too --------------------------------------------------------------------

NO_LOOK_UPS = {
    "index": lambda tf, t: t[tf.constant(1)],
    "slice": lambda tf, t: t[1:3],
    "sort": lambda tf, t: tf.sort(t, axis=0),
    "resize": lambda tf, t: tf.image.resize(t[None, :, :, None], (2, 2), "nearest"),
    "segments": lambda tf, t: tf.math.unsorted_segment_sum(t, [0, 1, 0, 1], 2),
}
MORE_LOOK_UPS = {
    "gather_nd": LOOK_UPS["gather_nd"],
    "embedding": LOOK_UPS["embedding"],
    "sparse_read": lambda tf, t: t.sparse_read(IDS),
    "ragged ids": lambda tf, t: tf.gather(t, tf.ragged.constant([[1], [2, 1]])).flat_values,
}


@pytest.mark.parametrize("lookup", [*NO_LOOK_UPS.values(), *MORE_LOOK_UPS.values()],
                         ids=[*NO_LOOK_UPS, *MORE_LOOK_UPS])  # fmt: skip
def test_only_look_ups_give_rows_from_functions(lookup):
    parity.check(
        lambda tf: _gradient(tf, lambda tf, t: tf.function(lookup, autograph=False)(tf, t), tf.Variable)
    )


@pytest.mark.parametrize("size", [(5, 2), (3000, 64)])
@pytest.mark.parametrize("compiled", [False, True])
def test_a_rule_of_old_may_read_and_write_the_rows_of_its_state(size, compiled):
    class Lazy(keras.optimizers.Optimizer):
        """Momentum that moves for the touched rows only."""

        def __init__(self, learning_rate=0.5, name="Lazy", **kwargs):
            super().__init__(name, **kwargs)
            self._set_hyper("learning_rate", learning_rate)

        def _create_slots(self, var_list):
            for var in var_list:
                self.add_slot(var, "m")

        def _resource_apply_sparse(self, grad, var, indices, apply_state=None):
            momentum = self.get_slot(var, "m")
            rows = 0.5 * tf.gather(momentum, indices) + grad
            self._resource_scatter_update(momentum, indices, rows)
            var.scatter_sub(tf.IndexedSlices(rows * self._get_hyper("learning_rate", var.dtype), indices))

    table, optimizer = tf.Variable(np.zeros(size, np.float32)), Lazy()
    optimizer.build([table])

    def step(ids):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.gather(table, ids))
        optimizer.apply_gradients([(tape.gradient(loss, table), table)])

    run = tf.function(step) if compiled else step
    for ids in ([3, 1, 3], [4, 4, 4], [3, 0, 0]):
        run(tf.constant(ids))
    np.testing.assert_allclose(optimizer.get_slot(table, "m").numpy()[:5, 0], [2, 1, 0, 2, 3])
    np.testing.assert_allclose(table.numpy()[:5, 0], [-1, -0.5, 0, -2, -1.5])
    assert not table.numpy()[5:].any()


def test_gradients_in_recorded_functions_are_made_dense_where_the_program_says_so():
    table = tf.Variable(np.arange(12.0, dtype="float32").reshape(4, 3))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32)])
    def gradients(ids):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.gather(table, ids) * 2.0)
        rows = tape.gradient(loss, table)
        return rows, tf.convert_to_tensor(rows), tf.convert_to_tensor(-tf.identity(rows))

    rows, dense, negative = gradients(tf.constant([1, 1, 3]))
    assert isinstance(rows, tf.IndexedSlices)
    expected = np.array([[0.0] * 3, [4.0] * 3, [0.0] * 3, [2.0] * 3])
    np.testing.assert_array_equal(dense.numpy(), expected)
    np.testing.assert_array_equal(negative.numpy(), -expected)
