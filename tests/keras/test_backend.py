"""`keras.backend`: values and dtypes beside tf_keras.backend, functions and gradients over symbolic tensors, phases."""

import numpy as np
import pytest

import dovetail as tf
from dovetail.base.settings import settings
from dovetail.keras.layers.core.dense import Dense
from dovetail.keras.layers.core.input_layer import Input
from dovetail.keras.layers.machinery.context import call_context
from dovetail.keras.layers.machinery.layer import Layer
from tests.keras.backend_cases import BOOLS, CUBE, IDS, VALUES, X, Y, floats

K = tf.keras.backend
# Functions that the tests below call, and those whose values are not the reference's.
BEHAVIOR = {
    *(
        "backend",
        "batch_get_value",
        "ctc_label_dense_to_sparse",
        "experimental",
        "batch_set_value",
        "clear_session",
        "dropout",
        "dtype",
        "epsilon",
        "eval",
        "floatx",
        "foldl",
        "foldr",
        "function",
        "get_session",
        "get_uid",
        "get_value",
        "gradients",
        "image_data_format",
        "in_test_phase",
        "in_train_phase",
        "is_float_dtype",
        "is_int_dtype",
        "is_keras_tensor",
        "is_sparse",
        "is_tensor",
        "learning_phase",
        "learning_phase_scope",
        "logsumexp",
        "manual_variable_initialization",
        "map_fn",
        "moving_average_update",
        "multiply",
        "name_scope",
        "placeholder",
        "print_tensor",
        "random_bernoulli",
        "random_binomial",
        "random_normal",
        "random_normal_variable",
        "random_uniform",
        "random_uniform_variable",
        "reset_uids",
        "result_type",
        "rnn",
        "set_epsilon",
        "set_floatx",
        "set_image_data_format",
        "set_learning_phase",
        "set_session",
        "set_value",
        "standardize_dtype",
        "subtract",
        "truncated_normal",
        "update",
        "update_add",
        "update_sub",
        "variable",
    )
}
# Names of tf_keras.backend that are not here yet.
MISSING: set = set()


@pytest.fixture(scope="module")
def peer():
    pytest.importorskip("tensorflow")
    return pytest.importorskip("tf_keras").backend


def close(actual, expected, tolerance=1e-5):
    np.testing.assert_allclose(np.asarray(actual), np.asarray(expected), rtol=tolerance, atol=1e-5)


def as_peers(value):
    """Returns arrays as TensorFlow's tensors: many of its backend functions take nothing else."""
    if isinstance(value, list):
        return [as_peers(item) for item in value]
    module = pytest.importorskip("tensorflow")
    return module.constant(value) if isinstance(value, np.ndarray | np.generic) else value


def test_every_function_is_tested():
    assert {case[0] for case in VALUES} | BEHAVIOR == set(K.__all__)


def test_the_names_are_those_of_tf_keras():
    api = pytest.importorskip("tf_keras.api._v2.keras.backend")
    names = {name for name in vars(api) if not name.startswith("_")} - {"sys", "tf_keras"}
    assert names - set(dir(K)) == MISSING


@pytest.mark.parametrize(("name", "args", "kwargs"), VALUES, ids=IDS)
def test_values_and_dtypes_are_those_of_tf_keras(peer, name, args, kwargs):
    ours = tf.nest.flatten(getattr(K, name)(*args, **kwargs))
    theirs = tf.nest.flatten(getattr(peer, name)(*(as_peers(arg) for arg in args), **kwargs))
    for actual, expected in zip(ours, theirs, strict=True):
        assert np.asarray(actual).dtype == np.asarray(expected).dtype
        close(actual, expected)


# ---- settings and names ---------------------------------------------------------------------------------------------


def test_settings_are_those_of_keras_config():
    assert (K.backend(), K.floatx(), K.image_data_format()) == ("tensorflow", "float32", "channels_last")
    assert K.epsilon() == 1e-7
    K.set_floatx("float64")
    K.set_epsilon(1e-3)
    try:
        assert K.dtype(K.constant([1.0])) == K.dtype(K.variable([1.0])) == K.dtype(K.zeros(2)) == "float64"
        assert settings.epsilon == K.epsilon() == 1e-3
    finally:
        K.set_floatx("float32")
        K.set_epsilon(1e-7)
    with pytest.raises(ValueError, match="channels_lost"):
        K.set_image_data_format("channels_lost")


def test_unknown_names_come_with_the_nearest():
    with pytest.raises(AttributeError, match=r"epislon.*Did you mean 'epsilon'"):
        K.epislon()


def test_uids_and_clear_session():
    K.clear_session()
    assert [K.get_uid("a"), K.get_uid("a"), K.get_uid("b")] == [1, 2, 1]
    assert Dense(1).name == "dense"
    assert Dense(1).name == "dense_1"
    K.set_learning_phase(1)
    K.clear_session()
    assert Dense(1).name == "dense"
    assert K.get_uid("a") == 1
    assert K.learning_phase() == 0


def test_dtypes():
    assert K.standardize_dtype(None) == "float32"
    assert (
        K.standardize_dtype(tf.int32)
        == K.standardize_dtype(np.int32)
        == K.standardize_dtype("int32")
        == "int32"
    )
    assert K.is_float_dtype("bfloat16")
    assert not K.is_float_dtype(tf.int32)
    assert K.is_int_dtype("uint8")
    assert not K.is_int_dtype(bool)
    with pytest.raises(ValueError, match="flaot32"):
        K.standardize_dtype("flaot32")


@pytest.mark.parametrize(
    "dtypes",
    [
        (),
        (int,),
        (float,),
        (bool,),
        ("int32", float),
        ("float16", float),
        ("bool", int),
        ("int32", "float32"),
        ("int64", int),
    ],
)
def test_result_type_is_that_of_keras(dtypes):
    pytest.importorskip("tensorflow")
    keras = pytest.importorskip("keras")
    assert K.result_type(*dtypes) == keras.backend.result_type(*dtypes)


def test_sessions_are_refused_with_a_way_out():
    for call in (K.get_session, lambda: K.set_session(None)):
        with pytest.raises(RuntimeError, match="there are no sessions"):
            call()
    K.manual_variable_initialization(False)
    with pytest.raises(ValueError, match="initialized when they are created"):
        K.manual_variable_initialization(True)


def test_name_scope():
    with K.name_scope("outer"):
        assert K.variable(1.0, name="v").name == "outer/v:0"


# ---- variables ------------------------------------------------------------------------------------------------------


def test_variables_are_read_and_set():
    v = K.variable([[1, 2]], name="v", constraint=abs)
    assert v.dtype == tf.float32
    assert v.constraint is abs
    K.set_value(v, np.array([[3, 4]]))
    close(K.get_value(v), [[3, 4]])
    w = K.variable(tf.constant([1, 2]), dtype="int32")
    K.batch_set_value([(v, [[5, 6]]), (w, [7, 8])])
    first, second = K.batch_get_value([v, w])
    close(first, [[5, 6]])
    close(second, [7, 8])
    assert K.get_value(3) == 3
    with pytest.raises(ValueError, match=r"\(1, 2\).*\(3,\)"):
        K.set_value(v, [1.0, 2.0, 3.0])
    close(K.eval(v), [[5, 6]])
    with pytest.raises(TypeError, match=r"K\.set_value: expected a variable"):
        K.set_value(2.0, 1.0)


def test_random_variables():
    uniform = K.random_uniform_variable((1000,), 2.0, 3.0)
    normal = K.random_normal_variable((1000,), 5.0, 0.1, seed=3)
    assert 2 <= K.eval(K.min(uniform)) <= K.eval(K.max(uniform)) < 3
    assert abs(K.eval(K.mean(normal)) - 5) < 0.05


def test_updates():
    v = K.variable([1.0, 2.0])
    close(K.update(v, [3.0, 4.0]), [3, 4])
    K.update_add(v, [1.0, 1.0])
    K.update_sub(v, [0.5, 0.5])
    close(v, [3.5, 4.5])
    K.moving_average_update(v, [0.0, 0.0], 0.9)
    close(v, [3.15, 4.05])


def test_small_functions():
    assert K.is_tensor(K.constant(1.0))
    assert not K.is_sparse(K.constant(1.0))
    assert not K.is_keras_tensor(K.constant(1.0))
    assert K.is_keras_tensor(Input((3,)))
    close(K.multiply(X, 2.0), X * 2)
    close(K.subtract(X, Y), X - Y)
    close(K.logsumexp(X, axis=1), np.log(np.exp(X).sum(1)))
    close(K.map_fn(lambda row: row * 2, X), X * 2)
    close(K.foldl(lambda total, row: total + row, X), X.sum(0))
    close(K.foldr(lambda total, row: total - row, X), X[2] - X[1] - X[0])
    dropped = K.eval(K.dropout(np.ones((100, 10), "float32"), 0.5))
    assert set(np.unique(dropped)) == {0.0, 2.0}
    assert set(np.unique(K.eval(K.random_bernoulli((50,), p=0.5)))) == {0.0, 1.0}
    assert K.eval(K.truncated_normal((500,))).max() < 2.0 + 1e-6


def test_print_tensor_writes_to_stdout_and_returns_the_tensor(capsys):
    x = K.constant([1.0, 2.0])
    close(K.print_tensor(x, "x is"), [1, 2])
    symbolic = Input((2,))
    doubled = K.function([symbolic], K.print_tensor(symbolic * 2, "twice"))
    close(doubled([[[1.0, 2.0]]]), [[2, 4]])
    out = capsys.readouterr().out
    assert out.splitlines() == ["x is [1 2]", "twice [[2 4]]"]


# ---- phases and choices ---------------------------------------------------------------------------------------------


def test_learning_phase():
    assert K.learning_phase() == 0
    with K.learning_phase_scope(1):
        assert K.learning_phase() == 1
        with call_context(False):
            assert K.learning_phase() == 0
    assert K.learning_phase() == 0
    with pytest.raises(ValueError, match="expected 0 or 1, received 2"):
        K.set_learning_phase(2)


def test_phases_choose():
    assert K.in_train_phase(1, 2) == 2
    assert K.in_test_phase(1, 2) == 1
    assert K.in_train_phase(lambda: 1, lambda: 1 / 0, training=True) == 1
    close(K.in_train_phase(X, Y, training=tf.constant(True)), X)
    with call_context(True):
        assert K.in_train_phase(1, 2) == 1


class Noisy(Layer):
    def call(self, inputs):
        return K.in_train_phase(inputs + 1.0, inputs)


def test_phases_follow_the_call_of_the_layer():
    layer = Noisy()
    close(layer(X, training=True), X + 1)
    close(layer(X), X)


def test_switch_runs_only_the_chosen_function():
    close(K.switch(True, lambda: X, lambda: 1 / 0), X)
    with pytest.raises(ValueError, match=r"2 axes.*shape \(3, 4\).*have 1"):
        K.switch(BOOLS, X[0], X[0])


def test_switch_on_examples():
    """A condition of one axis chooses whole examples where it fits no other way."""
    close(K.switch(np.array([True, False, True]), X, Y), np.stack([X[0], Y[1], X[2]]))


def test_switch_differentiates_and_compiles():
    x = tf.Variable(3.0)

    @tf.function
    def chosen(x):
        return K.switch(x > 0.0, lambda: K.square(x), lambda: -x)

    with tf.GradientTape() as tape:
        y = chosen(x)
    assert tape.gradient(y, x).numpy() == 6.0


# ---- symbolic tensors -----------------------------------------------------------------------------------------------


@pytest.fixture
def small():
    inputs = Input((4,))
    layer = Dense(3, activation="relu")
    return inputs, layer, layer(inputs)


def test_placeholder_has_the_batch_axis():
    x = K.placeholder((2, 3), dtype="int32")
    assert K.int_shape(x) == (2, 3)
    assert K.dtype(x) == "int32"
    assert K.int_shape(K.placeholder(ndim=3)) == (None, None, None)
    with pytest.raises(ValueError, match="pass a shape or ndim"):
        K.placeholder()


def test_function_computes_any_tensor_from_any_other(small):
    inputs, layer, hidden = small
    total = K.sum(hidden)
    kernel, bias = layer.get_weights()
    expected = np.maximum(X @ kernel + bias, 0)
    both = K.function([inputs], [hidden, {"total": total}])
    values = both([X])
    assert isinstance(values[0], np.ndarray)
    close(values[0], expected)
    close(values[1]["total"], expected.sum())
    close(K.function(hidden, total)(expected), expected.sum())
    close(K.function([inputs], hidden)([X.astype("float64")]), expected)


def test_function_takes_the_learning_phase(small):
    inputs, _, hidden = small
    f = K.function([inputs, K.learning_phase()], [Noisy()(hidden) - hidden])
    close(f([X, 1])[0], np.ones((3, 3)))
    close(f([X, 0])[0], np.zeros((3, 3)))


def test_function_updates_variables(small):
    inputs, _, hidden = small
    seen, count = K.variable(0.0), K.variable(0.0)
    f = K.function(
        [inputs], [hidden], updates=[(seen, K.sum(inputs)), K.update_add(count, K.sum(inputs) * 0 + 1)]
    )
    f([X])
    f([Y])
    close([K.eval(seen), K.eval(count)], [Y.sum(), 2])


def test_function_refuses_what_it_cannot_do(small):
    inputs, _, hidden = small
    f = K.function([inputs], [hidden], name="f")
    with pytest.raises(ValueError, match="'f': expected 1 inputs, received 2"):
        f([X, X])
    with pytest.raises(ValueError, match=r"shape \(None, 4\), received \(2, 3, 4\)"):
        f([CUBE])
    with pytest.raises(ValueError, match="disconnected"):
        K.function([Input((4,))], [hidden])
    with pytest.raises(ValueError, match="unknown arguments"):
        K.function([inputs], [hidden], feed_dict={})
    with pytest.raises(ValueError, match="outputs must be symbolic"):
        K.function([inputs], [X])
    with pytest.raises(ValueError, match="no value"):
        K.get_value(hidden)


def test_gradients_are_symbolic(small):
    inputs, layer, hidden = small
    loss = K.sum(K.square(hidden))
    unused = Input((2,))
    found = K.gradients(loss, [inputs, hidden, layer.kernel, unused])
    assert found[3] is None
    assert [tuple(g.shape) for g in found[:3]] == [(None, 4), (None, 3), (4, 3)]
    kernel, bias = layer.get_weights()
    out = np.maximum(X @ kernel + bias, 0)
    values = K.function([inputs], found[:3])([X])
    for actual, expected in zip(values, [2 * out @ kernel.T, 2 * out, X.T @ (2 * out)], strict=True):
        close(actual, expected)


def test_gradients_of_gradients(small):
    inputs, _, _ = small
    first = K.gradients(K.sum(inputs * inputs * inputs), inputs)[0]
    second = K.gradients(K.sum(first), inputs)[0]
    close(K.function([inputs], second)([X]), 6 * X)


def test_gradients_of_values_point_to_the_tape():
    with pytest.raises(RuntimeError, match="GradientTape"):
        K.gradients(K.constant(1.0), [K.variable(1.0)])


# ---- rnn ------------------------------------------------------------------------------------------------------------

STEPS = floats(2, 5, 3)
MASK = np.array([[True, True, False, True, True], [False, True, True, False, False]])


def step_of(backend):
    def step(row, states):
        out = backend.tanh(row + 0.5 * states[0])
        return out, [out]

    return step


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("every", [False, True])
def test_rnn_is_that_of_tf_keras(peer, masked, zeros, backwards, every):
    kwargs = {"go_backwards": backwards, "zero_output_for_mask": zeros, "return_all_outputs": every}
    states = [np.zeros((2, 3), "float32")]
    ours = K.rnn(
        step_of(K), tf.constant(STEPS), [tf.constant(states[0])], mask=MASK if masked else None, **kwargs
    )
    module = pytest.importorskip("tensorflow")
    mask = module.constant(MASK) if masked else None
    constant = module.constant
    theirs = peer.rnn(step_of(peer), constant(STEPS), [constant(states[0])], mask=mask, **kwargs)
    close(ours[0], theirs[0])
    close(ours[1], theirs[1])
    close(ours[2][0], theirs[2][0])


def test_rnn_on_symbolic_inputs():
    inputs = Input((None, 3))
    last, outputs, states = K.rnn(step_of(K), inputs, [K.zeros_like(inputs[:, 0])])
    assert (K.int_shape(last), K.int_shape(outputs)) == ((None, 3), (None, None, 3))
    values = K.function([inputs], [last, outputs, states[0]])([STEPS])
    close(values[1][:, -1], values[0])
    close(values[2], values[0])


def test_rnn_gives_constants_to_each_step():
    def step(row, states):
        total, constant = states
        return total + row * constant, [total + row * constant]

    last, _, _ = K.rnn(step, tf.constant(STEPS), [tf.zeros((2, 3))], constants=[tf.constant(2.0)])
    close(last, 2 * STEPS.sum(1))


# ---- the idioms of Keras 2 programs ---------------------------------------------------------------------------------


def test_a_symbolic_loss_of_a_functional_model_is_computed_in_each_call():
    """The loss and the outputs share one sample, as in a variational autoencoder."""
    inputs = Input((4,))
    hidden = Dense(3, name="encoder")(inputs)
    sample = hidden + K.random_normal(K.shape(hidden))
    model = tf.keras.Model(inputs, sample)
    model.add_loss(K.mean(K.square(sample)) + K.sum(Dense(1, use_bias=False, name="critic")(hidden)) * 0.0)
    assert [w.shape[0] for w in model.trainable_weights] == [4, 3, 3]
    outputs = model(X)
    close(model.losses[0], np.square(outputs).mean())
    model.compile("adam")
    assert np.isfinite(model.fit(X, verbose=0).history["loss"][0])


def test_learning_rates_are_read_and_set():
    model = tf.keras.Sequential([Input((4,)), Dense(1)])
    model.compile(tf.keras.optimizers.Adam(0.1), "mse")
    K.set_value(model.optimizer.lr, 0.5 * K.get_value(model.optimizer.lr))
    close(K.eval(model.optimizer.learning_rate), 0.05)


def test_losses_and_metrics_made_of_backend_functions():
    def dice(y_true, y_pred):
        common = K.sum(K.flatten(y_true) * K.flatten(y_pred))
        return 1 - (2 * common + 1) / (K.sum(y_true) + K.sum(y_pred) + 1)

    def precision(y_true, y_pred):
        hits = K.sum(K.round(K.clip(y_true * y_pred, 0, 1)))
        return hits / (K.sum(K.round(K.clip(y_pred, 0, 1))) + K.epsilon())

    model = tf.keras.Sequential([Input((4,)), Dense(1, activation="sigmoid")])
    model.compile("adam", dice, metrics=[precision])
    y = BOOLS[:, :1].astype("float32")
    history = model.fit(X, y, verbose=0).history
    assert set(history) == {"loss", "precision"}
    assert np.isfinite(history["loss"][0])


class Following(Layer):
    """Keeps a moving average of its inputs, in four spellings."""

    def build(self, input_shape):
        self.means = [self.add_weight(shape=(4,), initializer="zeros", trainable=False) for _ in range(4)]

    def call(self, inputs):
        mean = K.mean(inputs, axis=0)
        self.means[0].assign(0.9 * self.means[0] + 0.1 * mean)
        self.means[1].assign_add(0.1 * (mean - self.means[1]))
        K.update(self.means[2], 0.9 * self.means[2] + 0.1 * mean)
        K.moving_average_update(self.means[3], mean, 0.9)
        return inputs - self.means[0]


def test_layers_assign_what_they_compute():
    inputs, layer = Input((4,)), Following()
    model = tf.keras.Model(inputs, layer(inputs))
    close(layer.means[0], np.zeros(4))
    mean = 0.1 * X.mean(0)
    close(model.predict(X, verbose=0), X - mean)
    for variable in layer.means:
        close(variable, mean)
    with pytest.raises(ValueError, match=r"a symbolic tensor .* has no value to assign"):
        layer.means[0].assign(inputs[0])
